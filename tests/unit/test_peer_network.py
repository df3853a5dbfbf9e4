"""Peers over real sockets."""

from __future__ import annotations

import socket
import struct

import pytest
import trio

from nacos_core import limits
from nacos_core.errors import OutcomeUnknown, PeerUnreachable, StartError
from nacos_core.peers.addresses import PeerAddress
from nacos_core.peers.network import TcpNetwork, _connection
from support.peers import Event, Note, Question, Reply, Talker, until

ANY_PORT = PeerAddress("127.0.0.1", 0)


def talker(name: str, **more: object) -> Talker:
    return Talker(TcpNetwork(), name, address=ANY_PORT, **more)  # type: ignore[arg-type]


async def test_messages_and_questions_over_tcp() -> None:
    a, b = talker("a"), talker("b")
    async with a.running(), b.running():
        a.dials(b)
        await until(lambda: a.peers.is_connected("b"))
        a.peers.send("b", Note(1, bytes(3_000_000)))
        a.peers.send("b", Note(2))
        await until(lambda: len(b.messages()) == 2)
        assert b.messages() == [Note(1, bytes(3_000_000)), Note(2)]
        assert await a.peers.call(b.address, Question("?")) == Reply("?, a")
        assert await b.peers.call(a.address, Question("?")) == Reply("?, b")
    with pytest.raises(PeerUnreachable, match="Connection refused"):
        await a.peers.call(b.address, Question("?"))


async def test_a_restarted_node_is_connected_within_a_moment() -> None:
    a, b = talker("a"), talker("b")
    async with a.running():
        async with b.running():
            a.dials(b)
            await until(lambda: a.peers.is_connected("b"))
        await until(lambda: a.of("lost"))
        again = Talker(TcpNetwork(), "b", address=b.address)
        async with again.running():
            again.dials(a)
            begun = trio.current_time()
            await until(lambda: a.peers.is_connected("b"))
            assert trio.current_time() - begun < 0.5
            a.peers.send("b", Note(1))
            await until(lambda: again.messages() == [Note(1)])
    assert [event.kind for event in a.events if event.node_id == "b" and event.kind != "accepted"] == [
        "connected",
        "lost",
        "connected",
        "lost",
    ]


async def test_both_ends_are_told_about_the_sockets() -> None:
    network = TcpNetwork()
    listener = network.listen(ANY_PORT)
    accepted = trio.Event()
    options: list[int] = []
    local: list[bool] = []

    async def look(connection: object) -> None:
        options.extend(read_options(connection))
        accepted.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listener.serve, look)
        connection = await network.dial(listener.address)
        local.append(connection.is_local)
        assert connection.remote == str(listener.address)
        await accepted.wait()
        assert read_options(connection) == options
        assert options[:2] == [1, 1]
        assert options[2:] in ([limits.PEER_UNACKNOWLEDGED_MS], [])
        assert local == [True]
        await connection.stream.aclose()
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("here", "there", "expected"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("::1", "::1", True),
        ("10.0.0.1", "10.0.0.1", False),
        ("10.0.0.1", "127.0.0.1", False),
        ("127.0.0.1", "10.0.0.1", False),
    ],
)
def test_both_ends_must_be_loopback_addresses(here: str, there: str, expected: bool) -> None:
    class Socket:
        def getsockname(self) -> tuple[str, int]:
            return here, 1

        def getpeername(self) -> tuple[str, int]:
            return there, 2

    class Stream:
        socket = Socket()

        def setsockopt(self, level: int, option: int, value: int) -> None:
            pass

    connection = _connection(Stream())  # type: ignore[arg-type]
    assert connection.is_local is expected
    assert connection.remote == str(PeerAddress(there, 2))


async def test_a_connection_that_was_reset_while_it_waited_harms_nobody() -> None:
    b = talker("b")
    listener = TcpNetwork().listen(ANY_PORT)
    with socket.create_connection(listener.address) as gone:
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(b.peers.run, listener)
        assert await talker("a").peers.call(listener.address, Question("?")) == Reply("?, a")
        nursery.cancel_scope.cancel()


def read_options(connection: object) -> list[int]:
    stream = connection.stream  # type: ignore[attr-defined]
    assert isinstance(stream, trio.SocketStream)
    options = [
        stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY),
        stream.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    ]
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        options.append(stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))
    return [int(value) for value in options]


async def test_a_port_that_is_taken_is_named() -> None:
    listener = TcpNetwork().listen(ANY_PORT)
    with pytest.raises(StartError, match=rf"cannot listen on 127\.0\.0\.1:{listener.address.port} for peers: "):
        TcpNetwork().listen(listener.address)
    listener.close()
    again = TcpNetwork().listen(listener.address)
    again.close()
    with pytest.raises(StartError, match="cannot resolve"):
        TcpNetwork().listen(PeerAddress("no such host", 0))


async def test_a_name_that_cannot_be_is_like_nobody_there() -> None:
    nowhere = PeerAddress("a" * 64, 9849)
    with pytest.raises(PeerUnreachable, match="this is no host name"):
        await talker("a").peers.call(nowhere, Question("?"))
    with pytest.raises(StartError, match="this is no host name"):
        TcpNetwork().listen(nowhere)


async def test_junk_is_answered_with_a_close_and_harms_nobody() -> None:
    a, b = talker("a"), talker("b")
    async with a.running(), b.running():
        a.dials(b)
        await until(lambda: a.peers.is_connected("b"))
        for junk in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", bytes(1000), b"\x16\x03\x01" * 100):
            stream = await trio.open_tcp_stream(*b.address)
            await stream.send_all(junk)
            with trio.fail_after(limits.PEER_HANDSHAKE_SECONDS / 2):
                while await receive(stream):
                    pass
            await stream.aclose()
        a.peers.send("b", Note(1))
        await until(lambda: b.messages() == [Note(1)])
        assert b.of("accepted") == [Event("accepted", "a")]


async def receive(stream: trio.abc.Stream) -> bytes:
    try:
        return bytes(await stream.receive_some(1000))
    except trio.BrokenResourceError:
        return b""


async def test_a_stop_hands_over_the_last_words() -> None:
    a, b = talker("a"), talker("b")
    async with b.running():
        async with a.running():
            a.dials(b)
            await until(lambda: a.peers.is_connected("b"))
            for number in range(1000):
                a.peers.send("b", Note(number, bytes(1000)))
            await a.peers.drain()
        await until(lambda: len(b.messages()) == 1000)


async def test_a_node_that_dies_while_it_is_asked_leaves_the_outcome_unknown() -> None:
    a, b = talker("a"), talker("b")
    asked = trio.Event()

    async def never(peer: object, question: Question) -> Reply:
        asked.set()
        await trio.sleep_forever()
        raise AssertionError

    b.callbacks.requests[Question] = never

    async def ask() -> None:
        with pytest.raises(OutcomeUnknown):
            await a.peers.call(b.address, Question("?"))

    async with trio.open_nursery() as nursery, b.running():
        nursery.start_soon(ask)
        await asked.wait()
