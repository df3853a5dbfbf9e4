"""Floods of HTTP/2 frames that cost the sender little: each ends its connection or costs the node little as well."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest

from support.node_process import NodeProcess
from wire.client import GrpcConnection
from wire.payload import Payload

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, WINDOW, CONTINUATION = 0, 1, 3, 4, 6, 8, 9
END_STREAM, END_HEADERS = 1, 4
CALL = b"\x83\x86\x01\x01a\x04\x10/Request/request\x00\x0ccontent-type\x10application/grpc"
"""A header block: method POST, scheme http, an authority, a path and a content type; the table stays as it is."""
LASTS_S = 1.5
GROWTH_BYTES_MAX = 48 * 1024 * 1024


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def rapid_resets() -> Iterator[bytes]:
    for stream in range(1, 2**31, 2):
        yield frame(HEADERS, END_HEADERS, stream, CALL) + frame(RESET, 0, stream, b"\0\0\0\x08")


def endless_continuations() -> Iterator[bytes]:
    yield frame(HEADERS, 0, 1, CALL)
    while True:
        yield frame(CONTINUATION, 0, 1, b"\x40\x01a\x01b" * 100)


def empty_continuations() -> Iterator[bytes]:
    yield frame(HEADERS, 0, 1, CALL)
    while True:
        yield frame(CONTINUATION, 0, 1)


def header_bombs() -> Iterator[bytes]:
    """A large header kept in the table, then named thousands of times by one byte each."""
    yield frame(HEADERS, END_HEADERS, 1, CALL + b"\x40\x01a\x7f\xa1\x1e" + b"x" * 4000)
    for stream in range(3, 2**31, 2):
        yield frame(HEADERS, END_HEADERS, stream, CALL + b"\xbe" * 16_000)


def pings() -> Iterator[bytes]:
    while True:
        yield frame(PING, 0, 0, b"12345678")


def settings() -> Iterator[bytes]:
    while True:
        yield frame(SETTINGS, 0, 0, b"\0\x04\0\x01\0\0")


def empty_data() -> Iterator[bytes]:
    yield frame(HEADERS, END_HEADERS, 1, CALL)
    while True:
        yield frame(DATA, 0, 1)


def window_updates() -> Iterator[bytes]:
    while True:
        yield frame(WINDOW, 0, 0, b"\x7f\xff\xff\xff")


def open_streams() -> Iterator[bytes]:
    for stream in range(1, 2**31, 2):
        yield frame(HEADERS, END_HEADERS, stream, CALL)


def half_messages() -> Iterator[bytes]:
    """Each call announces ten megabytes and sends a little of it."""
    for stream in range(1, 2**31, 2):
        yield frame(HEADERS, END_HEADERS, stream, CALL) + frame(DATA, 0, stream, b"\0\0\xa0\0\0" + b"x" * 1000)


FLOODS = [rapid_resets, endless_continuations, empty_continuations, header_bombs, pings, settings, empty_data]
FLOODS += [window_updates, open_streams, half_messages]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    with NodeProcess(tmp_path_factory.mktemp("flooded")) as running:
        yield running
    assert running.errors == ""


def test_these_frames_make_a_call(node: NodeProcess) -> None:
    """Otherwise the floods would end for a reason of their own."""
    message = Payload("ServerCheckRequest", b"{}", {}).encode()
    framed = b"\0" + len(message).to_bytes(4, "big") + message
    with socket.create_connection(("127.0.0.1", node.grpc_port), 5) as raw:
        raw.sendall(PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, END_HEADERS, 1, CALL))
        raw.sendall(frame(PING, 0, 0, b"12345678") + frame(SETTINGS, 0, 0, b"\0\x04\0\x01\0\0"))
        raw.sendall(frame(WINDOW, 0, 0, b"\0\0\xff\xff") + frame(DATA, 0, 1) + frame(DATA, END_STREAM, 1, framed))
        received = b""
        while b"supportAbilityNegotiation" not in received:
            part = raw.recv(65536)
            assert part
            received += part
        big = CALL + b"\x40\x01a\x7f\xa1\x1e" + b"x" * 4000
        raw.sendall(frame(HEADERS, 0, 3, big) + frame(CONTINUATION, END_HEADERS, 3, b"\xbe"))
        raw.sendall(frame(DATA, END_STREAM, 3, framed))
        received = b""
        while b"supportAbilityNegotiation" not in received:
            part = raw.recv(65536)
            assert part
            received += part


@pytest.mark.parametrize("reads", [True, False], ids=["reading", "not reading"])
@pytest.mark.parametrize("flood", FLOODS, ids=lambda flood: flood.__name__)
def test_a_flood_is_bounded_and_others_are_served(node: NodeProcess, flood: type[Iterator[bytes]], reads: bool) -> None:
    with GrpcConnection(node.grpc_port) as other, socket.create_connection(("127.0.0.1", node.grpc_port), 5) as raw:
        other.set_up()
        before, most = node.memory_bytes(), 0
        raw.setblocking(False)
        ends_at = time.monotonic() + LASTS_S
        frames = flood()
        waiting = PREFACE + frame(SETTINGS, 0, 0)
        slowest_s, sent_bytes = 0.0, 0
        while time.monotonic() < ends_at:
            waiting += b"".join(next(frames) for _ in range(50))
            try:
                while waiting:
                    size = raw.send(waiting)
                    sent_bytes += size
                    waiting = waiting[size:]
                    if reads and not raw.recv(1 << 20):
                        break
            except BlockingIOError:
                waiting = waiting[: 1 << 20]
            except OSError:
                break  # it was cut off
            began = time.monotonic()
            assert other.call("HealthCheckRequest", {}).body["success"] is True
            slowest_s = max(slowest_s, time.monotonic() - began)
            most = max(most, node.memory_bytes())
    grown = f"{(most - before) / 1024 / 1024:.1f} MiB more"
    print(f"{flood.__name__}: {sent_bytes} bytes sent, {grown}, others waited {slowest_s * 1000:.0f} ms at most")
    assert most - before < GROWTH_BYTES_MAX
    assert slowest_s < 1.0
