"""Clients over real sockets that go away while their request is being answered."""

from __future__ import annotations

import socket
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio

import nacos_core
from nacos_core import limits
from nacos_core.clock import system_wall_clock
from nacos_core.node import run_node
from nacos_core.settings import Settings
from nacos_core.surroundings import Surroundings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

WITHIN_SECONDS = 5.0
FORM = b"Host: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n%b\r\n%b"


def post(path: bytes, form: bytes, headers: bytes = b"") -> bytes:
    return b"POST %b HTTP/1.1\r\n" % path + FORM % (len(form), headers, form)


LISTEN = post(b"/nacos/v1/cs/configs/listener", b"Listening-Configs=a%02G%02%01", b"Long-Pulling-Timeout: 30000\r\n")
PUBLISH = post(b"/nacos/v1/cs/configs", b"dataId=b&group=G&content=1")
GET = b"GET /nacos/v1/cs/configs?dataId=b&group=G HTTP/1.1\r\nHost: a\r\n\r\n"


async def close(stream: trio.SocketStream) -> None:
    await stream.aclose()


async def reset(stream: trio.SocketStream) -> None:
    """As when a client dies that has not read everything."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await stream.aclose()


async def say_the_end(stream: trio.SocketStream) -> None:
    await stream.send_eof()


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[nacos_core.Node, trio.SocketStream]]:
    with trio.fail_after(WITHIN_SECONDS):
        async with nacos_core.open_node() as node:
            assert node.http_port is not None
            async with await trio.open_tcp_stream("127.0.0.1", node.http_port) as stream:
                yield node, stream


async def until(holds: Callable[[], bool]) -> None:
    with trio.fail_after(1):
        while not holds():  # noqa: ASYNC110 - nobody is told by event
            await trio.sleep(0.01)


async def let_go(node: nacos_core.Node) -> None:
    """Returns once the node has neither the connection nor the long poll any more."""
    reactor, long_polls = node._reactor, node._pushes._long_polls
    assert reactor is not None
    await until(lambda: not reactor.connection_count and not long_polls)


@pytest.mark.parametrize("leave", [close, reset, say_the_end])
@pytest.mark.parametrize("behind", [b"", GET], ids=["alone", "with a request behind"])
async def test_a_long_poll_goes_with_its_client(
    leave: Callable[[trio.SocketStream], Awaitable[None]], behind: bytes
) -> None:
    """And not when its time is up: the old sockets of a fleet that restarts would stay for half a minute."""
    async with connected() as (node, stream):
        await stream.send_all(LISTEN + behind)
        await until(lambda: len(node._pushes._long_polls) == 1)
        await trio.sleep(0.05)
        await leave(stream)
        await let_go(node)


@pytest.mark.parametrize("before", [b"", PUBLISH], ids=["alone", "behind a write"])
async def test_a_long_poll_that_arrives_with_its_client_s_end(before: bytes) -> None:
    async with connected() as (node, stream):
        await stream.send_all(before + LISTEN)
        await stream.send_eof()
        answers = b"".join([part async for part in stream])
        assert answers.count(b"HTTP/1.1 200") == bool(before), answers
        await let_go(node)


async def test_a_write_is_answered_to_who_has_said_the_end() -> None:
    async with connected() as (node, stream):
        await stream.send_all(PUBLISH + GET)
        await stream.send_eof()
        answers = b"".join([part async for part in stream])
        assert answers.count(b"HTTP/1.1 200") == 2, answers
        assert answers.endswith(b"\r\n\r\n1")
        await let_go(node)


async def test_what_was_sent_behind_a_write_is_read_though_the_system_says_nothing_more() -> None:
    async with connected() as (node, _):
        assert node.http_port is not None
        for _ in range(50):
            async with await trio.open_tcp_stream("127.0.0.1", node.http_port) as stream:
                await stream.send_all(PUBLISH)
                await stream.send_all(GET)
                await stream.send_eof()
                answers = b"".join([part async for part in stream])
            assert answers.count(b"HTTP/1.1 200") == 2, answers


async def test_who_does_not_read_is_let_go_and_who_reads_slowly_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "EXPIRY_INTERVAL_SECONDS", 0.1)
    began_ms = system_wall_clock()
    hurried = Surroundings(wall_clock=lambda: began_ms + 30 * (system_wall_clock() - began_ms))
    with trio.fail_after(4 * WITHIN_SECONDS):
        async with run_node(Settings(port=0, data=None), surroundings=hurried) as node:
            assert node.http_port is not None
            assert node._reactor is not None
            await node.config.publish("b", "x" * limits.CONTENT_CHARACTERS_MAX, group="G")
            streams = [await trio.open_tcp_stream("127.0.0.1", node.http_port) for _ in range(2)]
            for stream in streams:
                await stream.send_all(GET)
            slow = streams[1]
            for _ in range(15):
                assert await slow.receive_some(512 * 1024)
                await trio.sleep(0.1)
            await until(lambda: node._reactor is not None and node._reactor.connection_count == 1)
            received = 0
            while received < 1024 * 1024:
                received += len(await slow.receive_some(64 * 1024))
            for stream in streams:
                await stream.aclose()
