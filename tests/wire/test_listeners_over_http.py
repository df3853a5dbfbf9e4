"""Who listens to a configuration, and what a client listens to: over connections and by polls."""

from __future__ import annotations

import hashlib
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from wire import phrases
from wire.client import GrpcConnection, call_http

if TYPE_CHECKING:
    from support.node_process import NodeProcess

ADMIN = "/nacos/v3/admin/cs"
CONSOLE = "/nacos/v3/console/cs"
HANG = {"Long-Pulling-Timeout": "10500", "X-Forwarded-For": "10.5.0.9"}


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def publish(node: NodeProcess, data_id: str, content: str) -> None:
    form = {"dataId": data_id, "group": phrases.GROUP, "content": content}
    assert call_http(node.port, "POST", phrases.V1_CONFIG, form=form).text == "true"


def get(node: NodeProcess, path: str, **fields: Any) -> Any:
    answer = call_http(node.port, "GET", path, fields)
    assert (answer.status, answer.json["code"]) == (200, 0), answer.text
    return answer.json["data"]


def poll(node: NodeProcess, data_id: str, held: str) -> threading.Thread:
    entry = f"{data_id}\x02{phrases.GROUP}\x02{held}\x01"
    form = {"Listening-Configs": entry}
    thread = threading.Thread(
        target=call_http,
        args=(node.port, "POST", phrases.V1_LISTEN),
        kwargs={"form": form, "headers": HANG, "within_s": 12},
    )
    thread.start()
    time.sleep(0.2)
    return thread


@pytest.mark.parametrize("path", [f"{ADMIN}/config/listener", f"{CONSOLE}/config/listener"])
def test_who_listens_is_told_with_what_it_holds(node: NodeProcess, connection: GrpcConnection, path: str) -> None:
    data_id = phrases.unique("listened")
    publish(node, data_id, "a")
    connection.call("ConfigBatchListenRequest", phrases.listen((data_id, md5("a"))))
    hanging = poll(node, data_id, md5("a"))
    fields = {"dataId": data_id, "groupName": phrases.GROUP}
    expected = {"queryType": "config", "listenersStatus": {"127.0.0.1": md5("a"), "10.5.0.9": md5("a")}}
    assert get(node, path, **fields) == expected
    assert get(node, path, aggregation="false", **fields) == expected
    v1 = call_http(node.port, "GET", phrases.V1_LISTEN, {"dataId": data_id, "group": phrases.GROUP})
    assert v1.json == {"collectStatus": 200, "lisentersGroupkeyStatus": expected["listenersStatus"]}
    publish(node, data_id, "b")
    hanging.join()
    left = get(node, path, **fields)["listenersStatus"]
    assert left == {"127.0.0.1": md5("a")}, "it was told of the change and has not come again; the other holds the old"
    connection.call("ConfigBatchListenRequest", phrases.listen((data_id, ""), listen=False))
    assert get(node, path, **fields)["listenersStatus"] == {}


@pytest.mark.parametrize("path", [f"{ADMIN}/listener", f"{CONSOLE}/config/listener/ip"])
def test_what_a_client_listens_to_is_told(node: NodeProcess, connection: GrpcConnection, path: str) -> None:
    data_id, other = phrases.unique("a"), phrases.unique("b")
    connection.call("ConfigBatchListenRequest", phrases.listen((data_id, "")))
    connection.call("ConfigBatchListenRequest", phrases.listen((other, "x"), tenant="far"))
    found = get(node, path, ip="127.0.0.1")
    assert found["queryType"] == "ip"
    here, far = f"{data_id}+{phrases.GROUP}+public", f"{other}+{phrases.GROUP}+far"
    held = found["listenersStatus"]
    assert held[here] == ""
    assert far not in held
    assert get(node, path, ip="127.0.0.1", namespaceId="far")["listenersStatus"] == {far: "x"}
    assert {here, far} <= set(get(node, path, ip="127.0.0.1", all="true")["listenersStatus"])
    assert get(node, path, ip="10.5.0.1")["listenersStatus"] == {}


def test_what_a_client_polls_for_is_told(node: NodeProcess) -> None:
    data_id = phrases.unique("polled")
    hanging = poll(node, data_id, "")
    held = {f"{data_id}+{phrases.GROUP}+public": ""}
    assert get(node, f"{ADMIN}/listener", ip="10.5.0.9")["listenersStatus"] == held
    v1 = call_http(node.port, "GET", "/nacos/v1/cs/listener", {"ip": "10.5.0.9"})
    assert v1.json == {"collectStatus": 200, "lisentersGroupkeyStatus": held}
    publish(node, data_id, "a")
    hanging.join()


def test_what_is_missing_is_named(node: NodeProcess) -> None:
    for path in (f"{ADMIN}/config/listener", f"{CONSOLE}/config/listener"):
        assert call_http(node.port, "GET", path, {"dataId": "a"}).json["code"] == 10000
        refused = call_http(node.port, "GET", path, {"dataId": "a b", "groupName": "g"})
        assert refused.status == 400
    for path in (f"{ADMIN}/listener", f"{CONSOLE}/config/listener/ip"):
        assert call_http(node.port, "GET", path).json["code"] == 10000
    assert call_http(node.port, "GET", "/nacos/v1/cs/listener").status == 400
