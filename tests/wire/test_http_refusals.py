"""What no HTTP client sends: each gets a status of its own, or the end of the connection, at once."""

from __future__ import annotations

import http.client
import re
import socket
import time
from typing import TYPE_CHECKING

import pytest

from wire import phrases
from wire.client import ask_http, call_http

if TYPE_CHECKING:
    from support.node_process import NodeProcess

AT_ONCE_S = 5.0
HEAD_BYTES_MAX = 64 * 1024
BODY_BYTES_MAX = 32 * 1024 * 1024
PROBE = b"GET /nacos/v1/ns/operator/metrics HTTP/1.1\r\nHost: a\r\n\r\n"


def exchange(port: int, sent: bytes) -> bytes:
    """All that comes back until the server ends the connection, which it has to do at once."""
    with socket.create_connection(("127.0.0.1", port), AT_ONCE_S) as raw:
        raw.settimeout(AT_ONCE_S)
        received = bytearray()
        try:
            raw.sendall(sent)
            while part := raw.recv(65536):
                received += part
        except (ConnectionResetError, BrokenPipeError):
            pass
        return bytes(received)


def statuses(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


REFUSED: dict[bytes, int] = {
    b"\0\0\0\0\r\n\r\n": 400,
    b"GET\r\n\r\n": 400,
    b"GET / HTTP/1.1\r\nHost : a\r\n\r\n": 400,
    b"GET / HTTP/1.1\r\n folded: a\r\n\r\n": 400,
    b"GET / HTTP/3.0\r\nHost: a\r\n\r\n": 505,
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n": 400,
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab": 400,
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": 400,
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n": 400,
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n": 501,
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + str(BODY_BYTES_MAX + 1).encode() + b"\r\n\r\n": 413,
    b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * HEAD_BYTES_MAX + b"\r\n\r\n": 431,
    b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 200 + b"\r\n": 431,
    b"GET /" + b"x" * HEAD_BYTES_MAX + b" HTTP/1.1\r\nHost: a\r\n\r\n": 414,
}


@pytest.mark.parametrize(("sent", "status"), REFUSED.items(), ids=lambda value: repr(value)[:40])
def test_a_malformed_request_is_refused_and_ends_the_connection(node: NodeProcess, sent: bytes, status: int) -> None:
    received = exchange(node.port, sent)
    assert statuses(received) == [status], received[:200]


def test_a_smuggled_request_is_not_answered(node: NodeProcess) -> None:
    head = b"POST /nacos/v1/cs/configs HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert statuses(exchange(node.port, head + b"0\r\n\r\n" + PROBE)) == [400]


@pytest.mark.parametrize("port", ["x", "-1", "65536", "70000", "1.5", "", "99999999999999999999"])
@pytest.mark.parametrize("path", [phrases.V1_INSTANCE, phrases.V3_INSTANCE])
def test_a_port_that_is_none_is_400(node: NodeProcess, path: str, port: str) -> None:
    form = {"serviceName": "refused", "ip": "10.1.1.1", "port": port}
    assert call_http(node.port, "POST", path, form=form).status == 400


@pytest.mark.parametrize("weight", ["x", "-1", "10001", "nan", "inf", "1e400"])
def test_a_weight_that_is_none_is_refused(node: NodeProcess, weight: str) -> None:
    name = phrases.unique("refused")
    form = {"serviceName": name, "ip": "10.1.1.1", "port": 80, "weight": weight}
    assert call_http(node.port, "POST", phrases.V1_INSTANCE, form=form).status in (400, 500)
    listed = call_http(node.port, "GET", phrases.V1_LIST, {"serviceName": name}).json
    assert listed["hosts"] == []


@pytest.mark.parametrize("beat", ["{bad", "[]", "1", "null", '{"ip":1}', '{"port":"x"}', "[" * 100_000])
def test_a_beat_that_is_none_is_answered(node: NodeProcess, beat: str) -> None:
    form = {"serviceName": "refused", "beat": beat}
    answer = call_http(node.port, "PUT", phrases.V1_BEAT, form=form)
    assert answer.status in (200, 400, 500)
    if answer.status == 200:
        assert answer.json["code"] == 20404


@pytest.mark.parametrize("listening", ["a", "\x01", "a\x02b\x01", "\x02" * 9, "a\x02b\x02c\x02d\x02e\x01"])
def test_a_long_poll_that_is_none_is_400(node: NodeProcess, listening: str) -> None:
    headers = {"Long-Pulling-Timeout": "30000"}
    answer = call_http(node.port, "POST", phrases.V1_LISTEN, form={"Listening-Configs": listening}, headers=headers)
    assert (answer.status, "invalid probeModify" in answer.text) == (400, True)


def test_a_name_outside_the_alphabet_is_refused_and_never_a_path(node: NodeProcess) -> None:
    for name in ["..", "../../etc/passwd", "a/b", "a\0b", "a b", "<script>", "x" * 257, "a\\b", "\u2028"]:
        form = {"dataId": name, "group": phrases.GROUP, "content": "x"}
        answer = call_http(node.port, "POST", phrases.V1_CONFIG, form=form)
        if name == "..":
            assert answer.status == 200, "dots are letters of a name, and names are no paths"
            continue
        assert answer.status == 400, name
        assert "<script>" not in answer.text


def test_percent_encoding_that_is_no_utf8_is_400(node: NodeProcess) -> None:
    for path in [f"{phrases.V1_LIST}?serviceName=%ff", f"{phrases.V1_LIST}?serviceName=%e4%b8"]:
        assert call_http(node.port, "GET", path).status == 400


@pytest.mark.parametrize("path", ["/", "/nacos", "/nacos/", "/nacos/v1/ns", "/favicon.ico", "/nacos/v9/x", "*"])
def test_an_unknown_path_is_404(node: NodeProcess, path: str) -> None:
    answer = call_http(node.port, "GET", path)
    assert (answer.status, answer.json["status"], answer.json["error"]) == (404, 404, "Not Found")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/nacos/v1/cs/ops/derby?sql=select+1", "/nacos/v1/cs/ops/data/removal", "/nacos/actuator/heapdump"]
)
def test_what_other_servers_were_broken_by_is_not_there(node: NodeProcess, path: str) -> None:
    assert call_http(node.port, "GET", path).status in (404, 405, 410)


@pytest.mark.parametrize("method", ["PATCH", "OPTIONS", "TRACE", "NOSUCH", "get"])
def test_a_wrong_method_is_405(node: NodeProcess, method: str) -> None:
    answer = call_http(node.port, method, phrases.V1_CONFIG)
    assert (answer.status, answer.json["error"]) == (405, "Method Not Allowed")


def test_requests_split_into_single_bytes_and_pipelined_are_all_answered(node: NodeProcess) -> None:
    closing = PROBE.replace(b"Host: a\r\n", b"Host: a\r\nConnection: close\r\n")
    with socket.create_connection(("127.0.0.1", node.port), AT_ONCE_S) as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.settimeout(AT_ONCE_S)
        for byte in PROBE:
            raw.sendall(bytes([byte]))
        raw.sendall(PROBE * 20 + closing)
        received = bytearray()
        while part := raw.recv(65536):
            received += part
    assert statuses(bytes(received)) == [200] * 22


def test_a_chunked_body_and_100_continue_are_read(node: NodeProcess) -> None:
    data_id = phrases.unique("chunked")
    body = f"dataId={data_id}&group={phrases.GROUP}&content=a%20b".encode()
    chunks = b"".join(b"%x\r\n%c\r\n" % (1, byte) for byte in body) + b"0\r\nTrailer: x\r\n\r\n"
    head = (
        f"POST {phrases.V1_CONFIG} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n"
    ).encode()
    with socket.create_connection(("127.0.0.1", node.port), AT_ONCE_S) as raw:
        raw.sendall(head)
        assert statuses(raw.recv(65536)) == [100]
        raw.sendall(chunks)
        assert statuses(raw.recv(65536)) == [200]
    got = call_http(node.port, "GET", phrases.V1_CONFIG, {"dataId": data_id, "group": phrases.GROUP})
    assert got.text == "a b"


def test_a_request_that_never_ends_does_not_hold_up_others(node: NodeProcess) -> None:
    with socket.create_connection(("127.0.0.1", node.port), AT_ONCE_S) as unfinished:
        unfinished.sendall(b"POST /nacos/v1/cs/configs HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nhalf")
        kept = http.client.HTTPConnection("127.0.0.1", node.port, timeout=AT_ONCE_S)
        began = time.monotonic()
        for _ in range(100):
            assert ask_http(kept, "GET", "/nacos/v1/ns/operator/metrics").status == 200
        kept.close()
        assert time.monotonic() - began < AT_ONCE_S
