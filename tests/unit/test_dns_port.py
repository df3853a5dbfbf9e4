"""Services by DNS over real sockets."""

from __future__ import annotations

import socket
from contextlib import AsyncExitStack

import dns.asyncquery
import dns.message
import pytest
import trio

from nacos_core import limits
from nacos_core.errors import StartError
from nacos_core.naming.changes import Selector, UpdateService, write_change
from nacos_core.node import run_node
from nacos_core.settings import Settings

WITHIN_SECONDS = 5.0
NAME = "orders.DEFAULT_GROUP.public.nacos"


def settings(**more: object) -> Settings:
    return Settings(port=0, data=None, **{"dns_port": 0, **more})  # type: ignore[arg-type]


async def test_a_service_is_found_over_udp_and_tcp_until_it_goes() -> None:
    async with run_node(settings()) as node:
        port = node.dns_port
        assert port is not None
        await node.naming.register("orders", "10.0.0.1", 80)
        query = dns.message.make_query(NAME, "A")
        for ask in (dns.asyncquery.udp, dns.asyncquery.tcp):
            answer = await ask(query, "127.0.0.1", WITHIN_SECONDS, port)
            assert [record.to_text() for record in answer.answer[0]] == ["10.0.0.1"]
        await node.naming.deregister("orders", "10.0.0.1", 80)
        answer = await dns.asyncquery.udp(query, "127.0.0.1", WITHIN_SECONDS, port)
        assert answer.answer == []


async def test_a_protected_service_is_given_whole() -> None:
    async with run_node(settings()) as node:
        assert node.dns_port is not None
        await node.naming.register("orders", "10.0.0.1", 80)
        await node.naming.register("orders", "10.0.0.2", 80, healthy=False)
        query = dns.message.make_query(NAME, "A")
        update = UpdateService(ephemeral=True, protect_threshold=0.5, metadata={}, selector=Selector("none"))
        for expected in (["10.0.0.1"], ["10.0.0.1", "10.0.0.2"]):
            answer = await dns.asyncquery.udp(query, "127.0.0.1", WITHIN_SECONDS, node.dns_port)
            assert sorted(record.to_text() for record in answer.answer[0]) == expected
            node._hub.change_metadata("public", "DEFAULT_GROUP", "orders", write_change(update), 1)


async def test_several_questions_come_over_one_connection() -> None:
    async with run_node(settings()) as node:
        await node.naming.register("orders", "10.0.0.1", 80)
        query = dns.message.make_query(NAME, "A").to_wire()
        assert node.dns_port is not None
        stream = await trio.open_tcp_stream("127.0.0.1", node.dns_port)
        async with stream:
            await stream.send_all(2 * (len(query).to_bytes(2) + query))
            received = b""
            with trio.fail_after(WITHIN_SECONDS):
                while received.count(bytes([10, 0, 0, 1])) < 2:
                    received += await stream.receive_some()


async def test_nonsense_ends_its_own_connection_only() -> None:
    async with run_node(settings()) as node:
        assert node.dns_port is not None
        stream = await trio.open_tcp_stream("127.0.0.1", node.dns_port)
        async with stream:
            with trio.fail_after(WITHIN_SECONDS):
                await stream.send_all(b"\x00\x03abc")
                assert await stream.receive_some() == b""
        query = dns.message.make_query(NAME, "A")
        answer = await dns.asyncquery.tcp(query, "127.0.0.1", WITHIN_SECONDS, node.dns_port)
        assert answer.id == query.id


async def test_who_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DNS_CONNECTION_SECONDS", 0.1)
    async with run_node(settings()) as node:
        assert node.dns_port is not None
        for said in (b"", b"\x00", b"\x00\x20half of a query"):
            async with await trio.open_tcp_stream("127.0.0.1", node.dns_port) as stream:
                with trio.fail_after(WITHIN_SECONDS):
                    if said:
                        await stream.send_all(said)
                    assert await stream.receive_some() == b""


async def test_more_connections_than_allowed_are_closed_and_the_others_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "DNS_CONNECTIONS_COUNT_MAX", 2)
    query = dns.message.make_query(NAME, "A").to_wire()
    async with run_node(settings()) as node:
        assert node.dns_port is not None
        async with AsyncExitStack() as open_streams:
            streams = [await trio.open_tcp_stream("127.0.0.1", node.dns_port) for _ in range(2)]
            for stream in streams:
                await open_streams.enter_async_context(stream)
                with trio.fail_after(WITHIN_SECONDS):
                    await stream.send_all(len(query).to_bytes(2) + query)
                    assert await stream.receive_some() != b""
            one_more = await open_streams.enter_async_context(await trio.open_tcp_stream("127.0.0.1", node.dns_port))
            with trio.fail_after(WITHIN_SECONDS):
                assert await one_more.receive_some() == b""
                await streams[0].send_all(len(query).to_bytes(2) + query)
                assert await streams[0].receive_some() != b""


async def test_a_port_that_is_taken_keeps_the_node_from_starting() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(StartError, match=f"port {port} for DNS"):
            async with run_node(settings(dns_port=port)):
                pass


async def test_without_the_setting_there_is_no_port() -> None:
    async with run_node(settings(dns_port=None)) as node:
        assert node.dns_port is None
