"""Configurations published, read and removed in the words of v2 and v3, and many at once by their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from wire import phrases
from wire.client import HttpAnswer, call_http

if TYPE_CHECKING:
    from support.node_process import NodeProcess

V1 = phrases.V1_CONFIG
V2 = "/nacos/v2/cs/config"
ADMIN = "/nacos/v3/admin/cs/config"
CONSOLE = "/nacos/v3/console/cs/config"
V3 = (ADMIN, CONSOLE)
DONE = {"code": 0, "message": "success", "data": True}
MD5_OF_1 = "c4ca4238a0b923820dcc509a6f75849b"


class Config:
    """The name of a configuration that nobody else uses."""

    def __init__(self, node: NodeProcess) -> None:
        self.node = node
        self.data_id = phrases.unique("change")

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, **fields: Any) -> HttpAnswer:
        group = "groupName" if "/v3/" in path else "group"
        whole = {"dataId": self.data_id, group: phrases.GROUP} | fields
        whole = {name: value for name, value in whole.items() if value is not None}
        if method == "POST":
            return call_http(self.node.port, method, path, form=whole, headers=headers)
        return call_http(self.node.port, method, path, whole, headers=headers)

    def detail(self) -> dict[str, Any]:
        shown: dict[str, Any] = self.ask("GET", ADMIN).json["data"]
        return shown


@pytest.fixture
def config(node: NodeProcess) -> Config:
    return Config(node)


@pytest.mark.parametrize("path", [V2, *V3])
def test_what_is_published_is_there_with_its_attributes_until_it_is_removed(config: Config, path: str) -> None:
    attributes = {"type": "yaml", "appName": "shop", "configTags": "a,b", "desc": "what for", "srcUser": "ann"}
    answer = config.ask("POST", path, content="a: ä", encryptedDataKey="k", **attributes)
    assert (answer.status, answer.json) == (200, DONE)
    shown = config.detail()
    assert (shown["content"], shown["type"], shown["appName"], shown["configTags"]) == ("a: ä", "yaml", "shop", "a,b")
    assert (shown["desc"], shown["createUser"], shown["encryptedDataKey"]) == ("what for", "ann", "k")
    for _ in range(2):
        assert config.ask("DELETE", path).json == DONE, "it may be gone already"
    assert config.ask("GET", path).status == 404
    key = {"dataId": config.data_id, "groupName": phrases.GROUP}
    events = call_http(config.node.port, "GET", "/nacos/v3/admin/cs/history/list", key).json["data"]["pageItems"]
    assert [(event["opType"], event["srcIp"]) for event in events] == [("D", "127.0.0.1"), ("I", "127.0.0.1")]


def test_v2_answers_with_the_content_and_the_headers_of_v1(config: Config) -> None:
    config.ask("POST", V2, content="1", type="json")
    answer = config.ask("GET", V2)
    assert answer.json == {"code": 0, "message": "success", "data": "1"}
    v1 = config.ask("GET", V1)
    for name in ("config-type", "content-md5", "last-modified", "encrypted-data-key", "pragma", "expires"):
        assert answer.headers[name] == v1.headers[name]
    assert answer.headers["content-type"] == "application/json"
    assert config.ask("GET", V2, linearizable="true").json["data"] == "1"
    absent = Config(config.node).ask("GET", V2)
    text = {"code": 20004, "message": "resource not found", "data": "config data not exist"}
    assert (absent.status, absent.json) == (404, text)


@pytest.mark.parametrize("path", [V2, *V3])
def test_compare_and_set(config: Config, path: str) -> None:
    config.ask("POST", path, content="1")
    answer = config.ask("POST", path, content="2", headers={"casMd5": "0" * 32})
    text = "Cas publish fail, server md5 may have changed."
    assert (answer.status, answer.json) == (500, {"code": 20005, "message": "resource conflict", "data": text})
    assert config.detail()["content"] == "1"
    assert config.ask("POST", path, content="2", casMd5=MD5_OF_1).json == DONE
    assert config.detail()["content"] == "2"


@pytest.mark.parametrize("path", [V2, *V3])
def test_what_is_wrong_is_named(config: Config, path: str) -> None:
    group = "groupName" if "/v3/" in path else "group"
    for fields, code, words in (
        ({"dataId": None}, 10000, "Required parameter 'dataId' type String is not present"),
        ({group: None}, 10000, f"Required parameter '{group}' type String is not present"),
        ({"content": None}, 10000, "Required parameter 'content' type String is not present"),
        ({"content": " "}, 20002, "content is blank : "),
        ({"desc": "x" * 129}, 20002, "too long desc"),
        ({"configTags": "1,2,3,4,5,6"}, 20002, "too much config_tags"),
    ):
        answer = config.ask("POST", path, **({"content": "1"} | fields))
        assert (answer.status, answer.json["code"], answer.json["data"]) == (400, code, words)
    for method in ("GET", "POST", "DELETE"):
        answer = config.ask(method, path, content="1", dataId="a b?")
        assert (answer.status, answer.text[:22]) == (400, "Param 'dataId' is ille")
    assert config.ask("GET", path).status == 404, "nothing was published"


@pytest.mark.parametrize(
    ("path", "done"),
    [
        (f"{ADMIN}/batch", DONE),
        (f"{CONSOLE}/batchDelete", DONE),
        (V1, {"code": 200, "message": None, "data": True}),
    ],
)
def test_many_are_removed_by_their_ids(node: NodeProcess, path: str, done: dict[str, Any]) -> None:
    configs = [Config(node) for _ in range(4)]
    for config in configs:
        config.ask("POST", ADMIN, content="1")
    ids = [config.detail()["id"] for config in configs[:3]]
    query = {"ids": ",".join([*ids, "9223372036854775807"]), "delType": "ids", "srcUser": "bob", "src_user": "bob"}
    answer = call_http(node.port, "DELETE", path, query)
    assert (answer.status, answer.json) == (200, done)
    assert [config.ask("GET", ADMIN).status for config in configs] == [404, 404, 404, 200]
    key = {"dataId": configs[0].data_id, "groupName": phrases.GROUP}
    event = call_http(node.port, "GET", "/nacos/v3/admin/cs/history/list", key).json["data"]["pageItems"][0]
    assert (event["opType"], event["srcUser"], event["srcIp"]) == ("D", "bob", "127.0.0.1")
    assert call_http(node.port, "DELETE", path, query).json == done, "they may be gone already"


@pytest.mark.parametrize("path", [f"{ADMIN}/batch", f"{CONSOLE}/batchDelete", V1])
def test_ids_that_are_none_are_refused(node: NodeProcess, path: str) -> None:
    for ids in ("", "1,x", "-1", "9223372036854775808", ",".join(["1"] * 10_001)):
        answer = call_http(node.port, "DELETE", path, {"ids": ids, "delType": "ids"})
        assert answer.status == 400, ids[:20]
        assert "ids" in answer.text
