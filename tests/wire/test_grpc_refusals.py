"""What no SDK sends: each gets the documented error, and the connection goes on where it can."""

from __future__ import annotations

import gzip
import socket
from typing import TYPE_CHECKING, Any

import pytest

from wire import phrases
from wire.client import Closed, GrpcConnection, GrpcFailure
from wire.payload import Payload

if TYPE_CHECKING:
    from support.node_process import NodeProcess

MESSAGE_BYTES_MAX = 10 * 1024 * 1024
UNIMPLEMENTED = 12
RESOURCE_EXHAUSTED = 8

HANDLED = [
    "ConfigQueryRequest",
    "ConfigPublishRequest",
    "ConfigRemoveRequest",
    "ConfigBatchListenRequest",
    "InstanceRequest",
    "BatchInstanceRequest",
    "PersistentInstanceRequest",
    "SubscribeServiceRequest",
    "ServiceQueryRequest",
    "ServiceListRequest",
]


def hosts(connection: GrpcConnection, name: str) -> list[Any]:
    answer = connection.call("ServiceQueryRequest", phrases.query(name))
    return list(answer.body["serviceInfo"]["hosts"])


def still_answers(connection: GrpcConnection) -> bool:
    return bool(connection.call("HealthCheckRequest", {}).body["success"])


@pytest.mark.parametrize("kind", ["NoSuchRequest", "", "ConfigQueryResponse", "config query", "\u2028" * 100])
def test_an_unknown_type_is_302(connection: GrpcConnection, kind: str) -> None:
    answer = connection.call(kind, {})
    assert (answer.kind, answer.body["resultCode"], answer.body["errorCode"]) == ("ErrorResponse", 500, 302)
    assert still_answers(connection)


OF_NODES = [
    *("ServerLoaderInfoRequest", "ServerReloadRequest", "MemberReportRequest"),
    *("DistroDataRequest", "ConfigChangeClusterSyncRequest"),
]


@pytest.mark.parametrize("kind", OF_NODES)
def test_what_only_nodes_may_ask_is_502(connection: GrpcConnection, kind: str) -> None:
    answer = connection.call(kind, {})
    assert (answer.kind, answer.body["resultCode"], answer.body["errorCode"]) == ("ErrorResponse", 500, 502)
    assert still_answers(connection)


def test_a_batch_of_another_type_is_refused(connection: GrpcConnection) -> None:
    name = phrases.unique("batch")
    for kind in ("registerInstance", "batchDeregisterInstance", ""):
        answer = connection.call("BatchInstanceRequest", phrases.batch(name, [phrases.instance(80)]) | {"type": kind})
        assert (answer.body["success"], answer.body["errorCode"]) == (False, 400), kind
    assert hosts(connection, name) == []


def test_ten_thousand_instances_or_configurations_are_the_most_of_one_request(connection: GrpcConnection) -> None:
    name = phrases.unique("most")
    instances = [phrases.instance(number + 1) for number in range(10_001)]
    contexts = [(f"{name}{number}", "") for number in range(10_001)]
    for count, is_done in ((10_001, False), (10_000, True)):
        registered = connection.call("BatchInstanceRequest", phrases.batch(name, instances[:count])).body
        assert (registered["success"], len(hosts(connection, name))) == (is_done, count if is_done else 0)
        listened = connection.call("ConfigBatchListenRequest", phrases.listen(*contexts[:count])).body
        assert listened["success"] is is_done
        if not is_done:
            assert registered["errorCode"] == listened["errorCode"] == 400


@pytest.mark.parametrize("kind", HANDLED)
@pytest.mark.parametrize(
    "body",
    [b"{bad", b"", b"\xff\xfe", b"[]", b"null", b"1", b'"text"', b'{"dataId":"a"', b"[" * 100_000, b'{"a":' * 50_000],
    ids=lambda body: repr(body[:12]),
)
def test_malformed_json_is_refused(connection: GrpcConnection, kind: str, body: bytes) -> None:
    answer = connection.call(kind, body)
    assert answer.body["success"] is False
    assert answer.body["errorCode"] in (400, 502)
    assert isinstance(answer.body["message"], str)
    assert still_answers(connection)


WRONG_VALUES: list[Any] = [7, "text", True, [], {}, [{}], {"a": 1}, -1, 1e308, None]
REQUESTS: dict[str, dict[str, Any]] = {
    "ConfigQueryRequest": phrases.config("wrong-types"),
    "ConfigPublishRequest": phrases.config("wrong-types", content="a", casMd5="", additionMap={"type": "yaml"}),
    "ConfigRemoveRequest": phrases.config("wrong-types"),
    "ConfigBatchListenRequest": phrases.listen(("wrong-types", "")),
    "InstanceRequest": phrases.register("wrong-types"),
    "BatchInstanceRequest": phrases.batch("wrong-types", [phrases.instance()]),
    "SubscribeServiceRequest": phrases.subscribe("wrong-types"),
    "ServiceQueryRequest": phrases.query("wrong-types"),
    "ServiceListRequest": phrases.service("", pageNo=1, pageSize=10),
}
PLACES = [(kind, name) for kind, body in REQUESTS.items() for name in body]
DOCUMENTED = {
    ("ConfigRemoveRequest", "dataId"): {0},
    ("ConfigRemoveRequest", "group"): {0},
    ("ConfigPublishRequest", "casMd5"): {500},
}
"""Codes of failures that have nothing to do with types."""
INSTANCE_FIELDS = list(phrases.instance())


@pytest.mark.parametrize(("kind", "name"), PLACES)
def test_a_value_of_a_wrong_type_is_answered(connection: GrpcConnection, kind: str, name: str) -> None:
    for wrong in WRONG_VALUES:
        answer = connection.call(kind, REQUESTS[kind] | {name: wrong})
        codes = {300, 400, 502} | DOCUMENTED.get((kind, name), set())
        assert answer.body["success"] is True or answer.body["errorCode"] in codes, (wrong, answer)
    assert still_answers(connection)


@pytest.mark.parametrize("name", INSTANCE_FIELDS)
def test_an_instance_field_of_a_wrong_type_is_answered(connection: GrpcConnection, name: str) -> None:
    for wrong in WRONG_VALUES:
        answer = connection.call("InstanceRequest", phrases.register("wrong-types", **{name: wrong}))
        assert answer.body["success"] is True or answer.body["errorCode"] in (400, 502), (wrong, answer)
    assert still_answers(connection)


def test_before_the_setup_every_handled_type_is_301(node: NodeProcess) -> None:
    with GrpcConnection(node.grpc_port) as connection:
        for kind in HANDLED:
            answer = connection.call(kind, REQUESTS.get(kind, {}))
            assert (answer.kind, answer.body["errorCode"]) == ("ErrorResponse", 301)


@pytest.mark.parametrize("path", ["/no.such/method", "/Request/other", "/request/request", "/", "/Request/request/"])
def test_an_unknown_method_is_unimplemented(connection: GrpcConnection, path: str) -> None:
    with pytest.raises(GrpcFailure) as refused:
        connection.finish(connection.start_raw(b"", path))
    assert refused.value.status == UNIMPLEMENTED
    assert still_answers(connection)


def test_a_message_over_the_limit_is_refused_and_one_at_it_is_read(connection: GrpcConnection) -> None:
    prefix = b"\0" + (MESSAGE_BYTES_MAX + 1).to_bytes(4, "big")
    with pytest.raises(GrpcFailure) as refused:
        connection.finish(connection.start_raw(b"x" * 70_000, prefix=prefix))
    assert refused.value.status == RESOURCE_EXHAUSTED
    small = len(Payload("NoSuchRequest", b"", {}).encode())
    padded = Payload("NoSuchRequest", b"x" * (MESSAGE_BYTES_MAX - small - 16), {}).encode()
    assert MESSAGE_BYTES_MAX - 64 < len(padded) <= MESSAGE_BYTES_MAX
    assert connection.finish(connection.start_raw(padded), within_s=20).body["errorCode"] == 302


def test_a_config_of_many_mebibytes_goes_through(connection: GrpcConnection) -> None:
    data_id, content = phrases.unique("big"), "x" * (9 * 1024 * 1024)
    published = connection.call("ConfigPublishRequest", phrases.config(data_id, content=content))
    assert published.body["success"] is True, published
    got = connection.finish(connection.start("ConfigQueryRequest", phrases.config(data_id)), within_s=20)
    assert got.body["content"] == content
    assert connection.call("ConfigRemoveRequest", phrases.config(data_id)).body["success"] is True


@pytest.mark.parametrize("length", [0, 3, 2**31, 2**32 - 1])
def test_a_length_that_does_not_fit_the_message_is_refused(connection: GrpcConnection, length: int) -> None:
    message = Payload("HealthCheckRequest", b"{}", {}).encode()
    with pytest.raises((GrpcFailure, Closed)):
        connection.finish(connection.start_raw(message, prefix=b"\0" + length.to_bytes(4, "big")))
    assert still_answers(connection)


NO_PAYLOADS = [b"", b"\xff" * 50, b"\x12\xff\xff\xff\xff\x0f", b"\x0a\x01x", b"\x08\x01", b"\0" * 9]


@pytest.mark.parametrize("message", NO_PAYLOADS, ids=lambda message: message[:6].hex() or "empty")
def test_a_payload_that_is_none_is_answered_as_an_error(connection: GrpcConnection, message: bytes) -> None:
    answer = connection.finish(connection.start_raw(message))
    assert (answer.kind, answer.body["success"]) == ("ErrorResponse", False)
    assert answer.body["errorCode"] in (302, 502)
    assert still_answers(connection)


@pytest.mark.parametrize("encoding", ["gzip", "no-such"])
def test_a_compressed_message_is_refused_as_grpc_says(connection: GrpcConnection, encoding: str) -> None:
    packed = gzip.compress(Payload("HealthCheckRequest", b"{}", {}).encode())
    prefix = b"\1" + len(packed).to_bytes(4, "big")
    with pytest.raises(GrpcFailure) as refused:
        connection.finish(connection.start_raw(packed, prefix=prefix, **{"grpc-encoding": encoding}))
    assert refused.value.status == UNIMPLEMENTED
    assert still_answers(connection)


NOISE = [("NoSuchResponse", b"{}"), ("ClientDetectionResponse", b"{bad"), ("NotifySubscriberResponse", b"")]


def test_an_unknown_message_on_the_stream_leaves_it_open(connection: GrpcConnection) -> None:
    for kind, body in NOISE:
        connection.send(kind, body)
    assert still_answers(connection)
    name = phrases.unique("after-noise")
    connection.call("SubscribeServiceRequest", phrases.subscribe(name))
    connection.call("InstanceRequest", phrases.register(name))
    connection.wait_push("NotifySubscriberRequest", where=lambda body: body["serviceInfo"]["hosts"] != [])


def test_a_second_setup_and_a_second_stream_do_no_harm(connection: GrpcConnection) -> None:
    connection.send("ConnectionSetupRequest", {"clientVersion": "again", "labels": {}})
    connection.open_stream()
    connection.send("ConnectionSetupRequest", {"clientVersion": "a second stream", "labels": {}})
    connection.settle(0.1)
    assert connection.call("ServiceQueryRequest", phrases.query("none")).body["success"] is True


GARBAGE = [
    b"\0" * 64,
    b"\xff" * 4096,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 64,
    b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64,
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /Request/request HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}",
]


@pytest.mark.parametrize("sent", GARBAGE, ids=lambda sent: repr(sent[:16]))
def test_what_is_no_http2_ends_the_connection(node: NodeProcess, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", node.grpc_port), 5) as raw:
        raw.settimeout(5)
        raw.sendall(sent)
        while True:
            try:
                if not raw.recv(65536):
                    break
            except ConnectionResetError:
                break
    with GrpcConnection(node.grpc_port) as other:
        assert other.call("ServerCheckRequest", {}).body["success"] is True
