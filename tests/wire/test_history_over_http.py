"""What happened to a configuration, asked in the words of v1, v2 and v3 (protocol/http.md sections 3, 5 and 6)."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from wire import phrases
from wire.client import GrpcConnection, HttpAnswer, call_http

if TYPE_CHECKING:
    from support.node_process import NodeProcess

V1 = "/nacos/v1/cs/history"
V2 = "/nacos/v2/cs/history"
V3 = ("/nacos/v3/admin/cs/history", "/nacos/v3/console/cs/history")
MD5 = {"1": "c4ca4238a0b923820dcc509a6f75849b", "2": "c81e728d9d4c2f636f067f89cc14862c"}

NAMES_V1 = {"id", "lastId", "dataId", "group", "tenant", "appName", "md5", "content", "srcIp", "srcUser", "opType"}
NAMES_V1 |= {"publishType", "grayName", "extInfo", "createdTime", "lastModifiedTime", "encryptedDataKey"}
NAMES_V3 = {"id", "namespaceId", "groupName", "dataId", "md5", "type", "appName", "createTime", "modifyTime"}
NAMES_V3 |= {"srcIp", "srcUser", "opType", "publishType"}
NAMES_V3_WHOLE = NAMES_V3 | {"content", "encryptedDataKey", "grayName", "extInfo"}


class Config:
    """A configuration of its own, with its history: inserted, updated, removed."""

    def __init__(self, node: NodeProcess, namespace: str = "") -> None:
        self.node = node
        self.data_id = phrases.unique("history")
        self.namespace = namespace
        self.publish("1", appName="shop", type="yaml", desc="first", src_user="ann", encryptedDataKey="k")
        self.publish("2", src_user="bob")
        form = {"dataId": self.data_id, "group": phrases.GROUP, "tenant": namespace, "src_user": "cid"}
        headers = {"X-Forwarded-For": "10.9.9.9"}
        assert call_http(node.port, "DELETE", phrases.V1_CONFIG, form, headers=headers).text == "true"

    def publish(self, content: str, **more: str) -> None:
        form = {"dataId": self.data_id, "group": phrases.GROUP, "tenant": self.namespace, "content": content} | more
        assert call_http(self.node.port, "POST", phrases.V1_CONFIG, form=form).text == "true"

    def ask(self, path: str, group: str, namespace: str, **query: Any) -> HttpAnswer:
        key = {"dataId": self.data_id, group: phrases.GROUP, namespace: self.namespace}
        return call_http(self.node.port, "GET", path, key | query)

    def v1(self, path: str = V1, **query: Any) -> HttpAnswer:
        return self.ask(path, "group", "tenant", **query)

    def v2(self, path: str, **query: Any) -> HttpAnswer:
        return self.ask(V2 + path, "group", "namespaceId", **query)

    def v3(self, path: str, **query: Any) -> HttpAnswer:
        return self.ask(path, "groupName", "namespaceId", **query)

    def ids(self) -> list[str]:
        """The newest first."""
        return [item["id"] for item in self.v1(search="accurate").json["pageItems"]]


@pytest.fixture(scope="module")
def config(node: NodeProcess) -> Config:
    return Config(node)


def test_v1_lists_the_newest_first(config: Config) -> None:
    answer = config.v1(search="accurate", pageNo=1, pageSize=10)
    assert answer.headers["content-type"] == "application/json;charset=UTF-8"
    page = answer.json
    assert (page["totalCount"], page["pageNumber"], page["pagesAvailable"]) == (3, 1, 1)
    items = page["pageItems"]
    assert all(set(item) == NAMES_V1 for item in items)
    assert [item["opType"] for item in items] == ["D", "U", "I"]
    assert [item["srcUser"] for item in items] == ["cid", "bob", "ann"]
    assert [item["srcIp"] for item in items] == ["10.9.9.9", "127.0.0.1", "127.0.0.1"]
    assert [item["md5"] for item in items] == [MD5["2"], MD5["1"], MD5["1"]]
    assert [int(item["id"]) for item in items] == sorted((int(item["id"]) for item in items), reverse=True)
    for item in items:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", item["createdTime"])
        assert (item["tenant"], item["lastId"], item["content"]) == ("public", -1, None)


def test_pages_are_cut_as_asked(config: Config) -> None:
    page = config.v1(search="accurate", pageNo=2, pageSize=2).json
    assert (page["totalCount"], page["pageNumber"], page["pagesAvailable"]) == (3, 2, 2)
    assert [item["opType"] for item in page["pageItems"]] == ["I"]
    assert config.v1(search="accurate", pageNo=9, pageSize=2).json["pageItems"] == []
    many = config.v3(f"{V3[0]}/list", pageNo=2147483647, pageSize=2147483647).json["data"]
    assert (many["pagesAvailable"], many["pageItems"]) == (1, [])


def test_v1_shows_one_with_its_content(config: Config) -> None:
    removed, updated, inserted = (config.v1(nid=id).json for id in config.ids())
    assert set(removed) == NAMES_V1
    assert [each["content"] for each in (removed, updated, inserted)] == ["2", "1", "1"]
    assert (updated["appName"], updated["encryptedDataKey"], updated["publishType"]) == ("shop", "k", "formal")
    assert json.loads(updated["extInfo"]) == {"type": "yaml", "src_user": "ann", "c_desc": "first"}


def test_the_one_before_another_is_found_by_the_id_of_that(config: Config) -> None:
    newest, middle, oldest = config.ids()
    assert config.v1(f"{V1}/previous", id=newest).json["id"] == middle
    for path in V3:
        assert config.v3(f"{path}/previous", id=middle).json["data"]["id"] == oldest
    assert config.v1(f"{V1}/previous", id=oldest).status == 404


def test_the_last_event_of_a_configuration_is_found_by_its_own_id(node: NodeProcess) -> None:
    config = Config(node)
    config.publish("3")
    config.publish("4")
    listed = call_http(node.port, "GET", f"{V1}/configs", {"tenant": ""}).json
    (own,) = [each for each in listed if each["dataId"] == config.data_id]
    before = config.v3(f"{V3[0]}/previous", id=own["id"]).json["data"]
    assert (before["opType"], before["content"]) == ("U", "3")


@pytest.mark.parametrize("path", V3)
def test_v3_says_the_same_in_its_words(config: Config, path: str) -> None:
    answer = config.v3(f"{path}/list")
    assert answer.headers["content-type"] == "application/json"
    assert (answer.json["code"], answer.json["message"]) == (0, "success")
    items = answer.json["data"]["pageItems"]
    assert [item["id"] for item in items] == config.ids()
    assert all(set(item) == NAMES_V3 for item in items)
    removed = config.v3(path, nid=items[0]["id"]).json["data"]
    assert set(removed) == NAMES_V3_WHOLE
    assert {name: removed[name] for name in NAMES_V3} == items[0]
    assert (removed["content"], removed["opType"], removed["namespaceId"]) == ("2", "D", "public")
    assert (removed["groupName"], removed["type"], removed["createTime"]) == (
        phrases.GROUP,
        "text",
        removed["modifyTime"],
    )


def test_v2_wraps_what_v1_says(config: Config) -> None:
    assert config.v2("/list").json["data"] == config.v1(search="accurate").json
    for id in config.ids():
        assert config.v2("", nid=id).json["data"] == config.v1(nid=id).json
    newest = config.ids()[0]
    assert config.v2("/previous", id=newest).json["data"] == config.v1(f"{V1}/previous", id=newest).json


def test_v2_shows_both_sides_of_a_change(config: Config) -> None:
    removed, updated, inserted = (config.v2("/detail", nid=id).json["data"] for id in config.ids())
    sides = [(each["originalContent"], each["updatedContent"]) for each in (inserted, updated, removed)]
    assert sides == [("", "1"), ("1", "2"), ("2", "")]
    assert (updated["originalMd5"], updated["updatedMd5"]) == (MD5["1"], MD5["2"])
    assert (updated["originalEncryptedDataKey"], updated["updatedEncryptedDataKey"]) == ("k", "")
    assert json.loads(updated["originalExtInfo"])["type"] == "yaml"
    assert json.loads(updated["updateExtInfo"])["type"] == "text"
    assert "content" not in updated


def test_the_configurations_of_a_namespace_are_listed(node: NodeProcess) -> None:
    namespace = phrases.unique("ns")
    configs = [Config(node, namespace) for _ in range(3)]
    for config in configs[:2]:
        config.publish("x" * 10, appName="shop", type="json")
    names = sorted(config.data_id for config in configs[:2])
    v1 = call_http(node.port, "GET", f"{V1}/configs", {"tenant": namespace}).json
    assert [each["dataId"] for each in v1] == names
    assert all(each["content"] is None and each["tenant"] == namespace for each in v1)
    assert {(each["appName"], each["type"], each["group"]) for each in v1} == {("shop", "json", phrases.GROUP)}
    v2 = call_http(node.port, "GET", f"{V2}/configs", {"namespaceId": namespace}).json
    assert v2 == {"code": 0, "message": "success", "data": v1}
    for path in V3:
        v3 = call_http(node.port, "GET", f"{path}/configs", {"namespaceId": namespace}).json["data"]
        assert [each["dataId"] for each in v3] == names
        for one, same in zip(v1, v3, strict=True):
            assert (one["id"], one["md5"], one["lastModified"]) == (same["id"], same["md5"], same["modifyTime"])
            assert (same["namespaceId"], same["groupName"]) == (namespace, phrases.GROUP)
    assert call_http(node.port, "GET", f"{V1}/configs", {"tenant": phrases.unique("none")}).json == []


def test_what_came_over_grpc_is_told_with_its_address(node: NodeProcess, connection: GrpcConnection) -> None:
    data_id = phrases.unique("history")
    assert connection.call("ConfigPublishRequest", phrases.config(data_id, content="1")).body["resultCode"] == 200
    assert connection.call("ConfigRemoveRequest", phrases.config(data_id)).body["resultCode"] == 200
    key = {"dataId": data_id, "groupName": phrases.GROUP}
    items = call_http(node.port, "GET", f"{V3[0]}/list", key).json["data"]["pageItems"]
    assert [(item["opType"], item["srcIp"]) for item in items] == [("D", "127.0.0.1"), ("I", "127.0.0.1")]


def test_what_did_not_happen_is_an_empty_page(node: NodeProcess) -> None:
    key = {"dataId": phrases.unique("none"), "groupName": phrases.GROUP}
    page = call_http(node.port, "GET", f"{V3[0]}/list", key).json["data"]
    assert page == {"totalCount": 0, "pageNumber": 1, "pagesAvailable": 0, "pageItems": []}


def test_an_id_that_is_not_there(config: Config) -> None:
    last = 2**63 - 1
    assert (answer := config.v1(nid=last)).status == 404
    assert answer.text == f"caused: certain config history for nid = {last} not exist;"
    for path in V3:
        answer = config.v3(path, nid=last)
        text = f"certain config history for nid = {last} not exist"
        assert (answer.status, answer.json) == (404, {"code": 20004, "message": "resource not found", "data": text})
        answer = config.v3(f"{path}/previous", id=last)
        text = f"previous config history for id = {last} not exist"
        assert (answer.status, answer.json["code"], answer.json["data"]) == (404, 20004, text)


def test_an_id_of_something_else(config: Config, node: NodeProcess) -> None:
    other = Config(node)
    newest = config.ids()[0]
    answer = other.v1(nid=newest)
    assert (answer.status, answer.text) == (403, "caused: Please check dataId, group or namespaceId.;")
    answer = other.v3(V3[0], nid=newest)
    assert (answer.status, answer.json["code"]) == (403, 10001)
    assert other.v2("/detail", nid=newest).status == 403
    assert other.v3(f"{V3[0]}/previous", id=newest).status == 404


KEY = {"dataId": "a", "group": "G", "groupName": "G", "nid": "1", "id": "1", "tenant": "", "namespaceId": ""}
MISSING = [
    (f"{V1}?search=accurate", "dataId"),
    (f"{V1}?search=accurate", "group"),
    (V1, "nid"),
    (f"{V1}/previous", "id"),
    (f"{V1}/configs", "tenant"),
    (f"{V2}/list", "group"),
    (f"{V2}/configs", "namespaceId"),
    (f"{V2}/detail", "nid"),
    (f"{V3[0]}/list", "groupName"),
    (f"{V3[0]}/list", "dataId"),
    (V3[0], "nid"),
    (f"{V3[1]}/previous", "id"),
    (f"{V3[1]}/configs", "namespaceId"),
]


@pytest.mark.parametrize(("path", "name"), MISSING)
def test_what_is_missing_is_named(node: NodeProcess, path: str, name: str) -> None:
    path, _, search = path.partition("?")
    query = {key: value for key, value in KEY.items() if key != name} | ({"search": "accurate"} if search else {})
    answer = call_http(node.port, "GET", path, query)
    assert answer.status == 400
    if path.startswith(V1):
        assert answer.json["message"] == f"Required parameter '{name}' is not present."
        assert answer.json["path"] == path
    else:
        assert answer.json["code"] == 10000
        assert answer.json["data"] == f"Required parameter '{name}' type String is not present"


@pytest.mark.parametrize("value", ["x", "-1", "1.5", "9223372036854775808", "9" * 5000, "²", "", "\0"])
def test_what_is_no_number_is_refused(node: NodeProcess, value: str) -> None:
    for path, name in ((V1, "nid"), (V2, "nid"), (V3[0], "nid"), (f"{V3[1]}/previous", "id")):
        assert call_http(node.port, "GET", path, KEY | {name: value}).status == 400
    for name in ("pageNo", "pageSize"):
        assert call_http(node.port, "GET", f"{V3[0]}/list", KEY | {name: value}).status == 400
        assert call_http(node.port, "GET", V1, KEY | {"search": "accurate", name: value}).status == 400


@pytest.mark.parametrize("name", ["pageNo", "pageSize"])
def test_pages_count_from_one(node: NodeProcess, name: str) -> None:
    answer = call_http(node.port, "GET", f"{V3[0]}/list", KEY | {name: 0})
    text = f"Required parameter '{name}' should be positive integer, current is 0"
    assert (answer.status, answer.json["code"], answer.json["data"]) == (400, 20002, text)


@pytest.mark.parametrize("path", [V1, f"{V1}/previous", f"{V2}/list", V3[0], f"{V3[1]}/list"])
def test_names_that_cannot_be_are_refused_by_the_filter(node: NodeProcess, path: str) -> None:
    for name, changed in (("dataId", "dataId"), ("group", "group"), ("group", "groupName")):
        answer = call_http(node.port, "GET", path, KEY | {changed: "a b?"})
        is_asked = changed != ("group" if "/v3/" in path else "groupName")
        if is_asked:
            text = f"Param '{name}' is illegal, illegal characters should not appear in the param.\r\n"
            assert (answer.status, answer.text) == (400, text)
        else:
            assert answer.status != 400


def test_a_namespace_that_cannot_be_has_no_list(node: NodeProcess) -> None:
    for path, name in ((f"{V1}/configs", "tenant"), (f"{V3[0]}/configs", "namespaceId")):
        for namespace in ("a b", "n\u00e9"):
            answer = call_http(node.port, "GET", path, {name: namespace})
            assert answer.status == 400
            assert answer.text.startswith("Param 'namespaceId/tenant' is illegal")


def test_other_methods_are_not_for_these(node: NodeProcess) -> None:
    for path in (V1, f"{V2}/list", *V3):
        answer = call_http(node.port, "POST", path, form=KEY)
        assert (answer.status, answer.headers["allow"]) == (405, "GET")


def test_a_configuration_is_taken_back_to_what_it_was_before_an_event(node: NodeProcess) -> None:
    config = Config(node)
    removed, updated, inserted = config.ids()

    def rolled_back(path: str, nid: str) -> Any:
        key = {"dataId": config.data_id, "groupName": phrases.GROUP}
        answer = call_http(node.port, "POST", f"{path}/rollback", form=key | {"nid": nid, "srcUser": "dan"})
        assert answer.status == 200, answer.text
        shown = call_http(node.port, "GET", "/nacos/v3/admin/cs/config", key).json["data"]
        assert answer.json["data"] == {"md5": shown["md5"] if isinstance(shown, dict) else None}
        return shown

    assert rolled_back(V3[0], removed)["content"] == "2"
    shown = rolled_back(V3[1], updated)
    assert (shown["content"], shown["appName"], shown["type"], shown["desc"]) == ("1", "shop", "yaml", "first")
    assert (shown["encryptedDataKey"], shown["createUser"], shown["createIp"]) == ("k", "dan", "127.0.0.1")
    assert rolled_back(V3[0], inserted) == "Config not exist, please publish Config first."
    listed = config.v1(search="accurate").json["pageItems"]
    assert [item["opType"] for item in listed] == ["D", "U", "I", "D", "U", "I"]
    assert [item["srcUser"] for item in listed][:3] == ["dan", "dan", "dan"]


def test_what_was_taken_back_is_heard_of(node: NodeProcess, connection: GrpcConnection) -> None:
    config = Config(node)
    connection.call("ConfigBatchListenRequest", phrases.listen((config.data_id, "")))
    form = {"dataId": config.data_id, "groupName": phrases.GROUP, "nid": config.ids()[0]}
    assert call_http(node.port, "POST", f"{V3[0]}/rollback", form=form).json["data"] == {"md5": MD5["2"]}
    connection.wait_push("ConfigChangeNotifyRequest", where=lambda body: body["dataId"] == config.data_id)


def test_the_difference_between_two_events(node: NodeProcess) -> None:
    config = Config(node)
    config.publish("a\n2\nb\n")
    config.publish("a\n3\nb\n")
    newest, made, removed, *_ = config.ids()
    for path in V3:
        text = config.v3(f"{path}/diff", **{"from": removed, "to": newest}).json["data"]
        names = f"--- {config.data_id} before event {removed}\n+++ {config.data_id} before event {newest}\n"
        assert text == names + "@@ -1 +1,3 @@\n-2\n\\ No newline at end of file\n+a\n+2\n+b\n"
        text = config.v3(f"{path}/diff", **{"from": made}).json["data"]
        assert text.startswith(f"--- {config.data_id} after event {made}\n+++ {config.data_id} now\n")
        text = config.v3(f"{path}/diff", **{"from": newest}).json["data"]
        assert text.endswith("@@ -1,3 +1,3 @@\n a\n-2\n+3\n b\n")
        assert config.v3(f"{path}/diff", **{"from": newest, "to": newest}).json["data"] == ""


def test_events_that_cannot_be_compared_or_taken_back(config: Config, node: NodeProcess) -> None:
    other = Config(node)
    for nid, status in (("x", 400), ("", 400), (2**63 - 1, 404), (other.ids()[0], 403)):
        form = {"dataId": config.data_id, "groupName": phrases.GROUP, "nid": nid}
        assert call_http(node.port, "POST", f"{V3[0]}/rollback", form=form).status == status
        assert config.v3(f"{V3[0]}/diff", **{"from": nid}).status == status
        if nid:
            assert config.v3(f"{V3[0]}/diff", **{"from": config.ids()[0], "to": nid}).status == status
