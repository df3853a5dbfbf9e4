"""Configurations listed, searched and shown, asked in the words of v1, v2 and v3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from wire import phrases
from wire.client import HttpAnswer, call_http

if TYPE_CHECKING:
    from support.node_process import NodeProcess

V1 = phrases.V1_CONFIG
V2 = "/nacos/v2/cs/config/searchDetail"
ADMIN = "/nacos/v3/admin/cs/config"
CONSOLE = "/nacos/v3/console/cs/config"
LISTS = (f"{ADMIN}/list", f"{CONSOLE}/list", f"{CONSOLE}/searchDetail")
SEARCHES = (V1, V2, *LISTS)

NAMES_V1 = {"id", "dataId", "group", "content", "md5", "encryptedDataKey", "tenant", "appName", "type"}
NAMES_V3 = {"id", "namespaceId", "groupName", "dataId", "md5", "type", "appName", "createTime", "modifyTime"}
NAMES_V3_WHOLE = NAMES_V3 | {"content", "desc", "encryptedDataKey", "createUser", "createIp", "configTags"}
NAMES_V1_WHOLE = NAMES_V1 | {"createTime", "modifyTime", "createUser", "createIp", "desc", "use", "effect", "schema"}
NAMES_V1_WHOLE |= {"configTags"}


class Shop:
    """A namespace with some configurations, and how to ask for them in each of the ways."""

    def __init__(self, node: NodeProcess) -> None:
        self.node = node
        self.namespace = phrases.unique("shop")
        self.publish("orders.yaml", "A", "port: 80", type="yaml", appName="till", config_tags="red,blue", desc="d")
        self.publish("orders.json", "A", '{"port": 81}', type="json", appName="till", config_tags="red")
        self.publish("users.yaml", "B", "host: ä", type="yaml", appName="people", src_user="ann", encryptedDataKey="k")

    def publish(self, data_id: str, group: str, content: str, **more: str) -> None:
        form = {"dataId": data_id, "group": group, "tenant": self.namespace, "content": content} | more
        assert call_http(self.node.port, "POST", V1, form=form).text == "true"

    def ask(self, path: str, **query: Any) -> HttpAnswer:
        """With the names of the parameters as v3 has them; `None` leaves one out."""
        whole: dict[str, Any] = {"dataId": "", "groupName": "", "pageNo": 1, "pageSize": 10, "search": "blur"} | query
        whole["namespaceId"] = self.namespace
        names = {"groupName": "group"} if "/v3/" not in path else {}
        if path == V1:
            names |= {"namespaceId": "tenant"}
        if "/v3/" not in path:
            names |= {"configTags": "config_tags", "configDetail": "config_detail", "type": "types"}
        asked = {names.get(name, name): value for name, value in whole.items() if value is not None}
        return call_http(self.node.port, "GET", path, asked)

    def page(self, path: str, **query: Any) -> dict[str, Any]:
        answer = self.ask(path, **query)
        assert answer.status == 200, answer.text
        page: dict[str, Any] = answer.json if path == V1 else answer.json["data"]
        return page

    def found(self, path: str, **query: Any) -> list[str]:
        page = self.page(path, **query)
        assert page["totalCount"] == len(page["pageItems"])
        return [item["dataId"] for item in page["pageItems"]]


@pytest.fixture(scope="module")
def shop(node: NodeProcess) -> Shop:
    Shop(node)  # what is in another namespace is not listed
    return Shop(node)


@pytest.mark.parametrize("path", SEARCHES)
def test_all_of_a_namespace_are_listed_in_order(shop: Shop, path: str) -> None:
    assert shop.found(path) == ["orders.json", "orders.yaml", "users.yaml"]
    assert shop.found(path, search="accurate") == ["orders.json", "orders.yaml", "users.yaml"]


@pytest.mark.parametrize("path", SEARCHES)
def test_a_search_leaves_out_what_is_not_asked_for(shop: Shop, path: str) -> None:
    for query, expected in (
        ({"dataId": "orders.yaml", "search": "accurate"}, ["orders.yaml"]),
        ({"dataId": "orders*"}, ["orders.json", "orders.yaml"]),
        ({"dataId": "*.yaml", "groupName": "B"}, ["users.yaml"]),
        ({"dataId": "orders"}, []),
        ({"groupName": "B", "search": "accurate"}, ["users.yaml"]),
        ({"appName": "till"}, ["orders.json", "orders.yaml"]),
        ({"configTags": "blue, green"}, ["orders.yaml"]),
        ({"type": "json,xml"}, ["orders.json"]),
        ({"configDetail": "port"}, ["orders.json", "orders.yaml"]),
        ({"configDetail": "*81}"}, ["orders.json"]),
        ({"configDetail": "ä", "appName": "till"}, []),
    ):
        assert shop.found(path, **query) == expected, query


@pytest.mark.parametrize("path", SEARCHES)
def test_pages_are_cut_and_all_are_counted(shop: Shop, path: str) -> None:
    for query in ({}, {"dataId": "*s*"}):
        page = shop.page(path, pageNo=2, pageSize=2, **query)
        assert (page["totalCount"], page["pageNumber"], page["pagesAvailable"]) == (3, 2, 2)
        assert [item["dataId"] for item in page["pageItems"]] == ["users.yaml"]
        beyond = shop.page(path, pageNo=2**31 - 1, pageSize=2**31 - 1, **query)
        assert (beyond["totalCount"], beyond["pagesAvailable"], beyond["pageItems"]) == (3, 1, [])


def test_v1_and_v2_show_contents(shop: Shop) -> None:
    items = shop.page(V1)["pageItems"]
    assert shop.page(V2)["pageItems"] == items
    assert all(set(item) == NAMES_V1 for item in items)
    users = items[2]
    assert (users["content"], users["tenant"], users["group"], users["type"]) == (
        "host: ä",
        shop.namespace,
        "B",
        "yaml",
    )
    assert (users["appName"], users["encryptedDataKey"]) == ("people", "k")
    assert int(users["id"]) > 0
    assert isinstance(users["id"], str)


@pytest.mark.parametrize("path", LISTS)
def test_v3_shows_all_but_contents(shop: Shop, path: str) -> None:
    items = shop.page(path)["pageItems"]
    assert all(set(item) == NAMES_V3 for item in items)
    assert [item["id"] for item in items] == [item["id"] for item in shop.page(V1)["pageItems"]]
    assert (items[2]["namespaceId"], items[2]["groupName"], items[2]["type"]) == (shop.namespace, "B", "yaml")


def test_v3_lists_without_being_told_how(shop: Shop) -> None:
    for path in LISTS:
        query = {"dataId": None, "groupName": None, "pageNo": None, "pageSize": None, "search": None}
        assert len(shop.found(path, **query)) == 3


@pytest.mark.parametrize("path", [ADMIN, CONSOLE])
def test_v3_shows_one_with_everything(shop: Shop, path: str) -> None:
    shown = shop.ask(path, dataId="users.yaml", groupName="B").json["data"]
    assert set(shown) == NAMES_V3_WHOLE
    listed = shop.page(f"{path}/list")["pageItems"][2]
    assert {name: shown[name] for name in NAMES_V3} == listed
    assert (shown["content"], shown["createUser"], shown["encryptedDataKey"]) == ("host: ä", "ann", "k")
    assert (shown["createIp"], shown["desc"], shown["configTags"]) == ("127.0.0.1", None, None)
    orders = shop.ask(path, dataId="orders.yaml", groupName="A").json["data"]
    assert (orders["desc"], orders["configTags"]) == ("d", "red,blue")


def test_v1_shows_one_with_everything(shop: Shop) -> None:
    query = {"dataId": "orders.yaml", "group": "A", "tenant": shop.namespace, "show": "all"}
    shown = call_http(shop.node.port, "GET", V1, query).json
    assert set(shown) == NAMES_V1_WHOLE
    assert (shown["content"], shown["configTags"], shown["desc"]) == ("port: 80", "red,blue", "d")
    answer = call_http(shop.node.port, "GET", V1, query | {"dataId": "none"})
    assert (answer.status, answer.text) == (404, "caused: Config not exist, please publish Config first.;")


def test_v1_shows_attributes_without_the_content(shop: Shop) -> None:
    query = {"dataId": "orders.yaml", "group": "A", "tenant": shop.namespace}
    shown = call_http(shop.node.port, "GET", f"{V1}/catalog", query).json
    whole = call_http(shop.node.port, "GET", V1, query | {"show": "all"}).json
    without = {"id", "dataId", "group", "tenant", "content", "md5", "encryptedDataKey", "appName"}
    data = {name: value for name, value in whole.items() if name not in without}
    assert data.keys() >= {"desc", "configTags", "createUser", "modifyTime", "type"}
    assert shown == {"code": 200, "message": None, "data": data}
    assert call_http(shop.node.port, "GET", f"{V1}/catalog", query | {"dataId": "none"}).status == 404


@pytest.mark.parametrize("path", [ADMIN, CONSOLE])
def test_one_that_is_not_there(shop: Shop, path: str) -> None:
    answer = shop.ask(path, dataId="none", groupName="A")
    text = "Config not exist, please publish Config first."
    assert (answer.status, answer.json) == (404, {"code": 20004, "message": "resource not found", "data": text})
    missing = shop.ask(path, groupName="A")
    assert (missing.status, missing.json["code"]) == (400, 10000)
    assert missing.json["data"] == "Required parameter 'dataId' type String is not present"


@pytest.mark.parametrize("path", SEARCHES)
def test_what_cannot_be_asked_is_named(shop: Shop, path: str) -> None:
    for query, word in (
        ({"pageNo": 0}, "pageNo"),
        ({"pageSize": "x"}, "pageSize"),
        ({"search": "exactly"}, "exactly"),
        ({"search": "accurate", "dataId": "a b?"}, "dataId"),
        *([({"pageNo": None}, "pageNo"), ({"dataId": None}, "dataId")] if "/v3/" not in path else []),
    ):
        answer = shop.ask(path, **query)
        assert answer.status == 400, query
        assert word in answer.text


def test_a_page_of_contents_that_is_too_large_is_refused(node: NodeProcess) -> None:
    shop = Shop(node)
    content = "x" * 9_000_000
    for number in range(4):
        shop.publish(f"large{number}", "C", content)
    answer = shop.ask(V2, dataId="large*")
    assert (answer.status, answer.json["code"]) == (400, 20002)
    assert "ask for a smaller pageSize" in answer.json["data"]
    page = shop.page(V2, dataId="large*", pageSize=2)
    assert [len(item["content"]) for item in page["pageItems"]] == [len(content)] * 2
    assert len(shop.page(LISTS[0], dataId="large*")["pageItems"]) == 4
