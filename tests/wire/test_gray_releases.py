"""Gray releases: who gets which version of a configuration, who hears of a change, and how operators handle them.

What answers look like is that of protocol/http.md section 3 and 6.2, protocol/grpc.md section 4, and
protocol/semantics.md section 4.1; clients of HTTP have their address from X-Forwarded-For here.
"""

from __future__ import annotations

import json
import time
import zipfile
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

from wire import phrases
from wire.client import GrpcAnswer, GrpcConnection, HttpAnswer, call_http
from wire.test_config_over_http import LongPoll

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.node_process import NodeProcess

V1 = phrases.V1_CONFIG
V2 = "/nacos/v2/cs/config"
CLIENT = phrases.V3_CONFIG
ADMIN = "/nacos/v3/admin/cs/config"
CONSOLE = "/nacos/v3/console/cs/config"
DONE = {"code": 0, "message": "success", "data": True}
INSIDE, OUTSIDE = "10.0.0.1", "10.0.0.2"


class Config:
    """The name of a configuration that nobody else uses."""

    def __init__(self, node: NodeProcess) -> None:
        self.node = node
        self.data_id = phrases.unique("gray")

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, **fields: Any) -> HttpAnswer:
        group = "groupName" if "/v3/" in path else "group"
        whole = {"dataId": self.data_id, group: phrases.GROUP} | fields
        if method == "POST":
            return call_http(self.node.port, method, path, form=whole, headers=headers)
        return call_http(self.node.port, method, path, whole, headers=headers)

    def publish(self, content: str, headers: dict[str, str] | None = None, **fields: Any) -> HttpAnswer:
        return self.ask("POST", ADMIN, headers, content=content, **fields)

    def released(self, content: str = "beta", ips: str = INSIDE) -> None:
        """The formal version, and a release for one address."""
        assert self.publish("formal").json == DONE
        assert self.publish(content, betaIps=ips).json == DONE

    def read(self, ip: str, path: str = V1, headers: dict[str, str] | None = None, **fields: Any) -> HttpAnswer:
        return self.ask("GET", path, {"X-Forwarded-For": ip} | (headers or {}), **fields)

    def listed(self) -> list[str]:
        return [each["grayName"] for each in self.ask("GET", f"{ADMIN}/gray/list").json["data"]]


@pytest.fixture
def config(node: NodeProcess) -> Config:
    return Config(node)


@pytest.fixture
def connect(node: NodeProcess) -> Iterator[Callable[..., GrpcConnection]]:
    """A gRPC client of an address of its own, with labels."""
    opened: list[GrpcConnection] = []

    def open_one(ip: str, **labels: str) -> GrpcConnection:
        connection = GrpcConnection(node.grpc_port)
        opened.append(connection)
        connection.set_up(labels={"source": "sdk"} | labels, client_ip=ip)
        return connection

    yield open_one
    for connection in opened:
        connection.close()


def query(connection: GrpcConnection, config: Config, headers: dict[str, str] | None = None, **more: Any) -> GrpcAnswer:
    return connection.call("ConfigQueryRequest", phrases.config(config.data_id, **more), headers)


def changed(connection: GrpcConnection, config: Config, md5: str, headers: dict[str, str] | None = None) -> bool:
    answer = connection.call("ConfigBatchListenRequest", phrases.listen((config.data_id, md5)), headers)
    return bool(answer.body["changedConfigs"])


# --- who gets which version


@pytest.mark.parametrize("publish_path", [V1, V2, ADMIN, CONSOLE])
def test_a_beta_is_for_its_addresses(config: Config, publish_path: str) -> None:
    config.publish("formal")
    assert config.ask("POST", publish_path, {"betaIps": f"{INSIDE},10.9.9.9"}, content="beta").status == 200
    hit, other = config.read(INSIDE), config.read(OUTSIDE)
    assert (hit.text, hit.headers["isbeta"], other.text) == ("beta", "true", "formal")
    assert hit.headers["content-md5"] != other.headers["content-md5"]
    assert "isbeta" not in other.headers
    assert config.read(INSIDE, linearizable="true").text == "beta"
    v2 = config.read(INSIDE, V2)
    assert (v2.json["data"], v2.headers["isbeta"], config.read(OUTSIDE, V2).json["data"]) == ("beta", "true", "formal")
    v3 = config.read(INSIDE, CLIENT).json["data"]
    assert (v3["content"], v3["beta"], v3["tag"], config.read(OUTSIDE, CLIENT).json["data"]["beta"]) == (
        "beta",
        True,
        None,
        False,
    )
    assert config.read(INSIDE, CLIENT, linearizable="true").json["data"]["beta"] is True


@pytest.mark.parametrize("path", [V1, V2, ADMIN])
def test_a_tag_is_for_those_who_have_it_and_those_who_ask_for_it(config: Config, path: str) -> None:
    config.publish("formal")
    assert config.ask("POST", path, content="tagged", tag="t1").status == 200
    asked, has, none = config.read(OUTSIDE, tag="t1"), config.read(OUTSIDE, headers={"Vipserver-Tag": "t1"}), "t2"
    assert (asked.text, asked.headers["tag"], has.text) == ("tagged", "t1", "tagged")
    assert config.read(OUTSIDE, headers={"Vipserver-Tag": none}).text == "formal"
    assert config.read(OUTSIDE, tag=none).status == 404, "one that is asked for and is not there is absent"
    v3 = config.read(OUTSIDE, CLIENT, tag="t1").json["data"]
    assert (v3["tag"], v3["beta"]) == ("t1", False)
    assert config.read(OUTSIDE, CLIENT, tag=none).json["code"] == 20004
    v2 = config.read(OUTSIDE, V2, headers={"Vipserver-Tag": "t1"})
    assert (v2.json["data"], v2.headers["tag"]) == ("tagged", "t1")
    assert config.read(OUTSIDE, V2, tag=none).status == 404
    assert config.ask("DELETE", path, tag="t1").status == 200
    assert (config.read(OUTSIDE).text, config.read(OUTSIDE, tag="t1").status) == ("formal", 404)


def test_grpc_gets_the_version_of_its_address(config: Config, connect: Callable[..., GrpcConnection]) -> None:
    config.released()
    inside, outside = connect(INSIDE), connect(OUTSIDE)
    hit, other = query(inside, config).body, query(outside, config).body
    assert (hit["content"], hit["beta"], other["content"], other["beta"]) == ("beta", True, "formal", False)
    assert "tag" not in hit
    assert hit.keys() == other.keys()
    assert not changed(inside, config, hit["md5"])
    assert changed(inside, config, other["md5"])
    assert not changed(outside, config, other["md5"])


def test_grpc_gets_the_version_of_its_tag(config: Config, connect: Callable[..., GrpcConnection]) -> None:
    plain, labelled = connect(OUTSIDE), connect(OUTSIDE, **{"Vipserver-Tag": "t1"})
    plain.call("ConfigPublishRequest", phrases.config(config.data_id, content="formal"))
    published = phrases.config(config.data_id, content="tagged", additionMap={"tag": "t1", "type": "json"})
    assert plain.call("ConfigPublishRequest", published).body["success"]
    for hit in (
        query(plain, config, tag="t1"),
        query(plain, config, headers={"Vipserver-Tag": "t1"}),
        query(labelled, config),
    ):
        told = (hit.body["content"], hit.body["tag"], hit.body["beta"], hit.body["contentType"])
        assert told == ("tagged", "t1", False, "json")
    md5 = hit.body["md5"]
    assert "tag" not in query(plain, config).body
    absent = query(plain, config, tag="t2").body
    assert (absent["errorCode"], absent["message"], absent["beta"]) == (300, "config data not exist", False)
    assert changed(plain, config, md5)
    assert not changed(plain, config, md5, {"Vipserver-Tag": "t1"})
    assert not changed(labelled, config, md5)
    assert plain.call("ConfigRemoveRequest", phrases.config(config.data_id, tag="t1")).body["success"]
    assert query(labelled, config).body["content"] == "formal"


def test_grpc_publishes_to_addresses(config: Config, connect: Callable[..., GrpcConnection]) -> None:
    inside = connect(INSIDE)
    more = {"betaIps": INSIDE, "tag": "t1"}
    inside.call("ConfigPublishRequest", phrases.config(config.data_id, content="beta", additionMap=more))
    assert (query(inside, config).body["beta"], config.listed()) == (True, ["beta"]), "addresses come before a tag"
    assert config.read(OUTSIDE).status == 404, "there need not be a formal version"
    for wrong, words in (("x", "'x' in the addresses"), ("1.1.1.1," * 2000, "1000 addresses")):
        asked = phrases.config(config.data_id, content="beta", additionMap={"betaIps": wrong})
        refused = inside.call("ConfigPublishRequest", asked).body
        assert (refused["success"], refused["errorCode"]) == (False, 400)
        assert words in refused["message"]


def test_labels_are_those_of_the_connection(config: Config, connect: Callable[..., GrpcConnection]) -> None:
    config.publish("formal")
    assert config.publish("labelled", grayLabels="env=test, zone in (a, b)").json == DONE
    hit = query(connect(OUTSIDE, app_env="test", zone="b"), config).body
    assert (hit["content"], hit["beta"], "tag" in hit) == ("labelled", False, False)
    assert query(connect(OUTSIDE, env="test", zone="c"), config).body["content"] == "formal"
    assert config.read(OUTSIDE).text == "formal", "HTTP has no labels"


def test_a_percentage_takes_more_as_it_rises_and_the_same_each_time(config: Config) -> None:
    config.publish("formal")
    ips = [f"10.0.1.{number}" for number in range(60)]

    def taken(percent: str) -> set[str]:
        assert config.publish("new", grayPercent=percent).json == DONE
        return {ip for ip in ips if config.read(ip).text == "new"}

    few, many = taken("20"), taken("60.5")
    assert set() < few < many < set(ips)
    assert (taken("60.5"), taken("100"), taken("0")) == (many, set(ips), set())
    assert config.listed() == ["percent"]


# --- who hears of a change


def test_grpc_listeners_hear_of_what_changes_for_them(config: Config, connect: Callable[..., GrpcConnection]) -> None:
    config.publish("formal")
    inside, outside = connect(INSIDE), connect(OUTSIDE)

    def settle() -> None:
        for connection in (inside, outside):
            assert not changed(connection, config, query(connection, config).body["md5"])

    def expect(change: HttpAnswer, hears: GrpcConnection, not_hears: GrpcConnection) -> None:
        assert change.status == 200
        hears.wait_push("ConfigChangeNotifyRequest", where=lambda body: body["dataId"] == config.data_id)
        not_hears.settle(0.3)
        assert not_hears.pushes == []
        settle()

    settle()
    expect(config.publish("1", betaIps=INSIDE), inside, outside)
    expect(config.publish("2", betaIps=INSIDE), inside, outside)
    expect(config.publish("formal 2"), outside, inside)
    expect(config.ask("DELETE", f"{ADMIN}/beta"), inside, outside)
    config.publish("3", betaIps=INSIDE)
    inside.wait_push("ConfigChangeNotifyRequest", where=lambda body: body["dataId"] == config.data_id)
    settle()
    expect(config.ask("POST", f"{ADMIN}/gray/promote", grayName="beta"), outside, inside)
    assert query(outside, config).body["content"] == "3"


def test_a_hanging_poll_hears_of_what_changes_for_it(config: Config) -> None:
    config.publish("formal")
    md5 = config.read(OUTSIDE).headers["content-md5"]
    key = (config.data_id, phrases.GROUP, md5)
    inside, outside = (LongPoll(config.node, key, headers={"X-Forwarded-For": ip}) for ip in (INSIDE, OUTSIDE))
    tagged = LongPoll(config.node, key, headers={"X-Forwarded-For": OUTSIDE, "Vipserver-Tag": "t1"})
    time.sleep(0.2)
    config.publish("beta", betaIps=INSIDE)
    assert unquote(inside.answer()[0].text).startswith(config.data_id)
    config.publish("tagged", tag="t1")
    assert unquote(tagged.answer()[0].text).startswith(config.data_id)
    assert not outside.is_answered(0.3), "nothing has changed for it"
    config.publish("formal 2")
    assert outside.answer()[0].text.startswith(config.data_id)


def test_a_poll_compares_with_what_its_client_gets(config: Config) -> None:
    config.released()
    form = phrases.listening((config.data_id, phrases.GROUP, config.read(INSIDE).headers["content-md5"]))
    for ip, text in ((INSIDE, ""), (OUTSIDE, config.data_id)):
        answer = call_http(config.node.port, "POST", phrases.V1_LISTEN, form=form, headers={"X-Forwarded-For": ip})
        assert answer.text.startswith(text)
        assert bool(answer.text) == bool(text)


# --- what operators do


def test_the_beta_of_a_configuration_is_shown_and_ended(config: Config) -> None:
    for path in (ADMIN, CONSOLE):
        assert config.ask("GET", f"{path}/beta").status == 404
        config.released(ips=f"{INSIDE},{OUTSIDE}")
        shown = config.ask("GET", f"{path}/beta").json["data"]
        assert (shown["grayName"], shown["content"], shown["dataId"]) == ("beta", "beta", config.data_id)
        rule = {"type": "beta", "version": "1.0.0", "expr": f"{INSIDE},{OUTSIDE}", "priority": 2147483647}
        assert json.loads(shown["grayRule"]) == rule
        detail = config.ask("GET", path).json["data"]
        assert shown.keys() == detail.keys() | {"grayName", "grayRule"}
        for _ in range(2):
            assert config.ask("DELETE", f"{path}/beta").json == DONE, "it may be gone already"
        assert (config.listed(), config.read(INSIDE).text) == ([], "formal")


def test_v1_shows_and_ends_a_beta_under_the_path_of_the_content(config: Config) -> None:
    empty = {"code": 200, "message": "query beta ok", "data": None}
    assert config.ask("GET", V1, beta="true").json == empty
    config.released()
    shown = config.ask("GET", V1, beta="true").json
    assert (shown["code"], shown["data"]["content"], shown["data"]["betaIps"]) == (200, "beta", INSIDE)
    assert (shown["data"]["group"], shown["data"]["tenant"]) == (phrases.GROUP, "public")
    assert config.ask("DELETE", V1, beta="true").json == {"code": 200, "message": "stop beta ok", "data": True}
    assert config.ask("GET", V1, beta="true").json == empty
    assert config.read(INSIDE).text == "formal"


@pytest.mark.parametrize("path", [ADMIN, CONSOLE])
def test_releases_are_listed_shown_promoted_and_removed(config: Config, path: str) -> None:
    config.released()
    config.publish("1", grayPercent="0")
    config.publish("2", grayLabels="a=b", grayName="canary", grayPriority="5", type="json")
    config.publish("3", tag="t1")
    listed = config.ask("GET", f"{path}/gray/list").json["data"]
    assert [each["grayName"] for each in listed] == ["beta", "tag_t1", "canary", "percent"], "as they are tried"
    assert all("content" not in each for each in listed)
    shown = config.ask("GET", f"{path}/gray", grayName="canary").json["data"]
    assert (shown["content"], shown["type"], json.loads(shown["grayRule"])["priority"]) == ("2", "json", 5)
    assert config.ask("GET", f"{path}/gray", grayName="other").status == 404
    assert config.ask("GET", f"{path}/gray").json["code"] == 20013
    promoted = config.ask("POST", f"{path}/gray/promote", {"casMd5": shown["md5"]}, grayName="canary").json["data"]
    assert promoted == {"md5": shown["md5"]}
    assert (config.read(OUTSIDE).text, config.read(OUTSIDE).headers["config-type"]) == ("2", "json")
    assert config.listed() == ["beta", "tag_t1", "percent"]
    assert config.ask("POST", f"{path}/gray/promote", grayName="canary").status == 404
    wrong = config.ask("POST", f"{path}/gray/promote", {"casMd5": "0" * 32}, grayName="beta")
    assert (wrong.status, wrong.json["code"]) == (500, 20005)
    assert config.ask("DELETE", f"{path}/gray", grayName="percent").json == DONE
    assert config.ask("DELETE", f"{path}/gray", grayName="percent").json == DONE, "it may be gone already"
    assert config.listed() == ["beta", "tag_t1"]


def test_rules_are_shown_as_the_existing_server_shows_them(config: Config) -> None:
    config.released(ips=f"{INSIDE},10.9.9.9")
    config.publish("2", tag="t1")
    shown = [json.loads(each["grayRule"]) for each in config.ask("GET", f"{ADMIN}/gray/list").json["data"]]
    assert shown == [
        {"type": "beta", "version": "1.0.0", "expr": f"{INSIDE},10.9.9.9", "priority": 2147483647},
        {"type": "tag", "version": "1.0.0", "expr": "t1", "priority": 2147483646},
    ]


def test_who_promotes_a_release_is_who_changed_the_formal_version(config: Config) -> None:
    config.publish("formal", srcUser="ann")
    config.publish("beta", betaIps=INSIDE, srcUser="bob")
    promoter = {"X-Forwarded-For": OUTSIDE}
    assert config.ask("POST", f"{ADMIN}/gray/promote", promoter, grayName="beta", srcUser="eve").status == 200
    shown = config.ask("GET", ADMIN).json["data"]
    assert (shown["content"], shown["createUser"], shown["createIp"]) == ("beta", "eve", OUTSIDE)
    events = config.ask("GET", "/nacos/v3/admin/cs/history/list").json["data"]["pageItems"]
    told = [(each["opType"], each["publishType"], each["srcUser"], each["srcIp"]) for each in events]
    assert told == [
        ("D", "gray", "eve", OUTSIDE),
        ("U", "formal", "eve", OUTSIDE),
        ("I", "gray", "bob", "127.0.0.1"),
        ("I", "formal", "ann", "127.0.0.1"),
    ]


def test_a_publication_of_a_release_compares_with_the_release(config: Config) -> None:
    config.released()
    formal, beta = (config.read(ip).headers["content-md5"] for ip in (OUTSIDE, INSIDE))
    refused = config.publish("x", {"casMd5": formal}, betaIps=INSIDE)
    assert (refused.status, refused.json["code"]) == (500, 20005)
    v1 = config.ask("POST", V1, {"casMd5": formal, "betaIps": INSIDE}, content="x")
    assert (v1.status, v1.text) == (500, "false")
    assert config.publish("y", {"casMd5": beta}, betaIps=INSIDE).json == DONE
    assert (config.read(INSIDE).text, config.read(OUTSIDE).text) == ("y", "formal")


def test_what_makes_no_sense_is_refused_with_the_code_of_the_protocol(config: Config) -> None:
    for fields, code, words in (
        ({"betaIps": "here"}, 20011, "'here' in the addresses"),
        ({"tag": "a" * 17}, 20011, "16 letters"),
        ({"grayLabels": "env ~ test"}, 20011, "is expected where '~ test'"),
        ({"grayPercent": "1.234"}, 20011, "two decimals"),
        ({"grayPercent": "1", "tag": "t"}, 20011, "one rule"),
        ({"grayPercent": "1", "grayName": "beta"}, 20013, "is taken"),
        ({"grayPercent": "1", "createOnly": "true"}, 20011, "createOnly"),
    ):
        refused = config.publish("x", **fields)
        assert (refused.status, refused.json["code"]) == (400, code), fields
        assert words in refused.json["data"]
    v1 = config.ask("POST", V1, {"betaIps": "here"}, content="x")
    assert (v1.status, v1.text) == (400, "caused: 'here' in the addresses of a gray release is no IP address;")
    for number in range(10):
        assert config.publish("x", grayPercent="1", grayName=f"n{number}").json == DONE
    refused = config.publish("x", betaIps=INSIDE)
    assert (refused.status, refused.json["code"]) == (400, 20010)
    assert "10 gray releases" in refused.json["data"]
    assert config.publish("y", grayPercent="1", grayName="n0").json == DONE, "one that is there is replaced"


def test_history_tells_formal_and_gray_publications_apart(config: Config) -> None:
    config.released()
    config.ask("DELETE", f"{ADMIN}/beta")
    history = "/nacos/v3/admin/cs/history"
    events = config.ask("GET", f"{history}/list").json["data"]["pageItems"]
    assert [(event["opType"], event["publishType"]) for event in events] == [
        ("D", "gray"),
        ("I", "gray"),
        ("I", "formal"),
    ]
    shown = config.ask("GET", history, nid=events[0]["id"]).json["data"]
    assert (shown["grayName"], shown["content"]) == ("beta", "beta")
    assert json.loads(json.loads(shown["extInfo"])["gray_rule"])["expr"] == INSIDE
    refused = config.ask("POST", f"{history}/rollback", nid=events[0]["id"])
    assert (refused.status, refused.json["code"]) == (400, 20002)
    v1 = config.ask("GET", "/nacos/v1/cs/history", search="accurate").json["pageItems"][0]
    assert (v1["publishType"], v1["grayName"]) == ("gray", "beta")


def test_lists_searches_and_archives_hold_formal_versions_only(config: Config) -> None:
    config.publish("beta", betaIps=INSIDE)
    found = call_http(config.node.port, "GET", f"{ADMIN}/list", {"dataId": config.data_id, "search": "blur"})
    assert found.json["data"]["totalCount"] == 0
    assert config.ask("GET", ADMIN).status == 404
    config.publish("formal")
    found = call_http(config.node.port, "GET", f"{ADMIN}/list", {"dataId": config.data_id, "search": "blur"})
    assert found.json["data"]["totalCount"] == 1
    archive = zipfile.ZipFile(BytesIO(config.ask("GET", f"{ADMIN}/export").content))
    assert archive.read(f"{phrases.GROUP}/{config.data_id}") == b"formal"
    assert not any(b"beta" in archive.read(name) for name in archive.namelist())
