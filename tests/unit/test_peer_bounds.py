"""What a peer can take of a node that says little, too much or something else, over memory streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from nacos_core import limits
from nacos_core.errors import (
    OutcomeUnknown,
    PeerUnreachable,
)
from nacos_core.peers.addresses import PeerAddress
from nacos_core.peers.frames import encode
from nacos_core.peers.network import Connection
from nacos_core.peers.protocol import Ask, Tell
from support.peers import MemoryNetwork, Note, Question, Reply, Talker, connected, until, warnings_of

if TYPE_CHECKING:
    from trio.testing import MockClock


async def test_a_silent_connection_is_closed_in_time(
    network: MemoryNetwork, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    b = Talker(network, "b")
    async with b.running():
        silent = (await network.dial(b.address)).stream
        begun = trio.current_time()
        assert await silent.receive_some() == b""
        assert trio.current_time() - begun == pytest.approx(limits.PEER_HANDSHAKE_SECONDS)
        slow = (await network.dial(b.address)).stream
        begun = trio.current_time()
        with pytest.raises(trio.BrokenResourceError):
            await drip(slow)
        assert trio.current_time() - begun < limits.PEER_HANDSHAKE_SECONDS + 0.3
    assert "no proof within 2 s" in caplog.text
    assert b.events == []


async def drip(stream: trio.abc.Stream) -> None:
    """A frame that would be welcome, one byte at a time."""
    for byte in (4000).to_bytes(4, "big") + bytes(4000):
        await stream.send_all(bytes([byte]))
        await trio.sleep(0.1)


async def test_a_member_that_does_not_answer_is_given_up_in_time(
    network: MemoryNetwork, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = Talker(network, "a")
    network.listen(PeerAddress("silent", 1))
    begun = trio.current_time()
    with pytest.raises(PeerUnreachable, match="silent:1 does not answer as a peer"):
        await a.peers.call(PeerAddress("silent", 1), Question("?"))
    assert trio.current_time() - begun == pytest.approx(limits.PEER_HANDSHAKE_SECONDS)

    async def dial_for_ever(address: PeerAddress) -> Connection:
        await trio.sleep_forever()
        raise AssertionError

    monkeypatch.setattr(network, "dial", dial_for_ever)
    begun = trio.current_time()
    with pytest.raises(PeerUnreachable, match="silent:1 does not accept connections"):
        await a.peers.call(PeerAddress("silent", 1), Question("?"))
    assert trio.current_time() - begun == pytest.approx(limits.PEER_DIAL_SECONDS)


async def test_no_more_than_4_kb_are_read_before_a_proof(network: MemoryNetwork) -> None:
    b = Talker(network, "b")
    async with b.running():
        stream = (await network.dial(b.address)).stream
        await stream.send_all((4092).to_bytes(4, "big") + bytes(4091))
        await trio.testing.wait_all_tasks_blocked(0.01)
        with trio.move_on_after(0.05) as scope:
            await stream.receive_some()
        assert scope.cancelled_caught, "4095 bytes are waited with"
        await stream.send_all(b"x" * 10_000)
        assert b"cannot be read" in await stream.receive_some()
        assert await stream.receive_some() == b""
        long = (await network.dial(b.address)).stream
        await long.send_all((4097).to_bytes(4, "big"))
        assert b"a frame of 4097 bytes" in await long.receive_some()
        assert await long.receive_some() == b""


async def test_64_unproven_connections_at_once(network: MemoryNetwork, autojump_clock: MockClock) -> None:
    a, b = Talker(network, "a"), Talker(network, "b")
    async with a.running(), b.running():
        await connected(a, b)
        silent = [(await network.dial(b.address)).stream for _ in range(limits.PEER_UNPROVEN_COUNT_MAX)]
        await trio.testing.wait_all_tasks_blocked()
        begun = trio.current_time()
        one_more = (await network.dial(b.address)).stream
        assert await one_more.receive_some() == b""
        assert trio.current_time() == begun, "at once"
        a.peers.send("b", Note(1))
        await until(lambda: b.messages() == [Note(1)])
        assert await silent[0].receive_some() == b""
        await trio.testing.wait_all_tasks_blocked()
        assert await Talker(network, "c").peers.call(b.address, Question("?")) == Reply("?, c"), "there is room again"


async def test_complaints_are_remembered_of_so_many_hosts(caplog: pytest.LogCaptureFixture) -> None:
    b = Talker(MemoryNetwork(), "b")
    for number in range(2 * limits.PEER_COMPLAINTS_COUNT_MAX):
        here, there = trio.testing.memory_stream_pair()
        await here.send_all(b"\xff" * 4)
        await b.peers.accept(Connection(there, f"host-{number}:1", False))
        assert len(b.peers._complaints) <= limits.PEER_COMPLAINTS_COUNT_MAX
    assert len(warnings_of(caplog)) == 2 * limits.PEER_COMPLAINTS_COUNT_MAX


async def test_a_wire_that_is_over_takes_nothing(network: MemoryNetwork) -> None:
    a, b = Talker(network, "a"), Talker(network, "b")
    async with a.running(), b.running():
        await connected(a, b)
        wire = a.peers._links["b"].wire
        assert wire is not None
        assert await wire.ask(Question("?")) == Reply("?, a")
        assert wire._asked == {}, "nothing is kept of what was answered"
        network.streams[0].send_stream.send_all_hook = trio.sleep_forever
        wire.tell(Note(1))
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.peers.drain)
            await trio.testing.wait_all_tasks_blocked()
            wire.end()
        assert not wire.tell(Note(2))
        with pytest.raises(PeerUnreachable, match="is over"):
            await wire.ask(Question("?"))


async def test_proven_connections_are_bounded(network: MemoryNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PEER_ACCEPTED_COUNT_MAX", 1)
    a, b, c = Talker(network, "a"), Talker(network, "b"), Talker(network, "c")
    async with a.running(), b.running(), c.running():
        await connected(a, b)
        with pytest.raises((PeerUnreachable, OutcomeUnknown)):
            await c.peers.call(b.address, Question("?"))
        a.dials()
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert await c.peers.call(b.address, Question("?")) == Reply("?, c")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff\xff\xff\xff", "a frame of 4294967295 bytes"),
        (b"\0\0\0\0", "a frame of 0 bytes; 1 to"),
        (b"\0\0\0\1\xc1", "a frame of 1 bytes cannot be read"),
        (encode(Tell(Question("not a message"))), "a frame of 26 bytes cannot be read"),
        (encode(Ask(1, Note(1))), "a frame of 12 bytes cannot be read"),
    ],
)
async def test_a_bad_frame_closes_its_connection_and_no_other(
    data: bytes, reason: str, network: MemoryNetwork, caplog: pytest.LogCaptureFixture
) -> None:
    a, b, c = Talker(network, "a"), Talker(network, "b"), Talker(network, "c")
    async with a.running(), b.running(), c.running():
        await connected(a, b)
        await connected(c, b)
        await network.streams[0].send_all(encode(Tell(Note(1))) + data + encode(Tell(Note(2))))
        await until(lambda: a.of("lost"))
        assert b.messages() == [Note(1)], "what came before it counts"
        c.peers.send("b", Note(3))
        await until(lambda: b.messages() == [Note(1), Note(3)])
        assert not c.of("lost")
        assert f"connection with node a closed: {reason}" in warnings_of(caplog)[0]
        assert "Traceback" not in caplog.text
        await until(lambda: a.peers.is_connected("b"))
