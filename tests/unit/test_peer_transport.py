"""Connections between nodes, over memory streams and a clock that jumps."""

from __future__ import annotations

from contextlib import AsyncExitStack
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from nacos_core import limits
from nacos_core.errors import (
    FrameError,
    HandshakeRefused,
    Overloaded,
    PeerUnreachable,
)
from nacos_core.peers.addresses import PeerAddress
from nacos_core.peers.handshake import SECRET_DIFFERS
from support.peers import Event, MemoryNetwork, Note, Question, Reply, Talker, connected, start, until, warnings_of

if TYPE_CHECKING:
    import msgspec
    from trio.testing import MockClock

    from nacos_core.peers.network import Connection


async def test_messages_arrive_in_order_and_a_batch_is_settled_once(network: MemoryNetwork) -> None:
    a, b = Talker(network, "a"), Talker(network, "b")
    async with a.running(), b.running():
        assert not a.peers.send("b", Note(0)), "not a member"
        await connected(a, b)
        settled = b.settled_count
        for number in range(1000):
            assert a.peers.send("b", Note(number, b"x"))
        await until(lambda: len(b.messages()) == 1000)
        assert [note.number for note in b.messages()] == list(range(1000))
        assert {event.node_id for event in b.of("message")} == {"a"}
        assert b.settled_count == settled + 1, "one write, one read, one batch"
        assert a.events == [Event("connected", "b")]
        assert b.events[0] == Event("accepted", "a")
        assert [(state.node_id, state.is_connected, state.dropped_count) for state in a.peers.states()] == [
            ("b", True, 0)
        ]
    assert a.of("lost") == [Event("lost", "b")]


async def test_everybody_meets_everybody(network: MemoryNetwork) -> None:
    talkers = [Talker(network, name) for name in "abcde"]
    async with AsyncExitStack() as stack:
        await start(stack, *talkers)
        for talker in talkers:
            talker.dials(*talkers)
        await until(lambda: all(len(talker.of("connected")) == 4 for talker in talkers))
        assert len(network.dialled) == 20, "itself is not dialled"


async def test_a_member_that_comes_back_is_found_again(network: MemoryNetwork, autojump_clock: MockClock) -> None:
    a, b = Talker(network, "a"), Talker(network, "b")
    async with a.running():
        async with b.running():
            await connected(a, b)
        await until(lambda: a.of("lost") == [Event("lost", "b")])
        assert not a.peers.send("b", Note(1)), "lost with the connection"
        assert a.peers.states()[0].dropped_count == 1
        await trio.sleep(60)
        again = Talker(network, "b")
        async with again.running():
            await until(lambda: a.peers.is_connected("b"), seconds=limits.PEER_BACK_OFF_SECONDS_MAX + 0.1)
            assert a.peers.send("b", Note(2))
            await until(lambda: again.messages() == [Note(2)])


async def test_dialling_backs_off_with_jitter_and_starts_anew_after_success(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    a, b = Talker(network, "a"), Talker(network, "b")
    async with a.running():
        a.dials(b)
        await trio.sleep(10)
        waits = pauses(network)
        for number, wait in enumerate(waits):
            longest = min(0.02 * 2**number, 1.0)
            assert longest / 2 <= wait <= longest
        assert len({round(wait, 6) for wait in waits}) == len(waits), "no two waits are alike"
        assert len(waits) > 10
        async with b.running():
            await until(lambda: a.peers.is_connected("b"))
        network.dialled.clear()
        await trio.sleep(5)
        assert pauses(network)[0] <= 0.04, "the first wait was over before this dial"


def pauses(network: MemoryNetwork) -> list[float]:
    times = [time for time, _ in network.dialled]
    return [later - earlier for earlier, later in pairwise(times)]


async def test_a_member_that_dials_is_dialled_at_once(network: MemoryNetwork, autojump_clock: MockClock) -> None:
    a, b = Talker(network, "a"), Talker(network, "b")
    async with a.running():
        a.dials(b)
        await trio.sleep(30)
        async with b.running():
            b.dials(a)
            begun = trio.current_time()
            await until(lambda: a.peers.is_connected("b"))
            assert trio.current_time() - begun < 0.01, "not after the back-off"


async def test_two_nodes_do_not_dial_in_step(network: MemoryNetwork, autojump_clock: MockClock) -> None:
    a, b, away = Talker(network, "a"), Talker(network, "b"), PeerAddress("away", 1)
    async with a.running(), b.running():
        for talker in (a, b):
            talker.peers.set_members({"away": away})
        await trio.sleep(5)
    times = [time for time, _ in network.dialled][2:]
    assert len(set(times)) == len(times)


async def test_members_come_and_go_and_move(network: MemoryNetwork) -> None:
    a, b = Talker(network, "a"), Talker(network, "b")
    moved = Talker(network, "b", address=PeerAddress("elsewhere", 1))
    async with a.running(), b.running(), moved.running():
        await connected(a, b)
        a.dials(a, b)
        assert a.events == [Event("connected", "b")], "nothing has changed"
        a.dials(moved)
        assert a.events == [Event("connected", "b"), Event("lost", "b")]
        assert not a.peers.send("b", Note(1))
        await until(lambda: a.peers.is_connected("b"))
        a.peers.send("b", Note(2))
        await until(lambda: moved.messages() == [Note(2)])
        a.dials()
        assert a.peers.states() == []
        assert [event.kind for event in a.events] == ["connected", "lost", "connected", "lost"]
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert [event.kind for event in a.events] == ["connected", "lost", "connected", "lost"], "told once"
    assert b.messages() == []


async def test_a_full_queue_drops_and_counts_and_holds_nobody_up(
    network: MemoryNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, c = Talker(network, "a"), Talker(network, "b"), Talker(network, "c")
    monkeypatch.setattr(limits, "PEER_QUEUE_COUNT_MAX", 10)
    async with a.running(), b.running(), c.running():
        a.dials(b, c)
        await until(lambda: len(a.of("connected")) == 2)
        sent = [a.peers.send("b", Note(number)) for number in range(15)]
        assert [bool(count) for count in sent] == [True] * 10 + [False] * 5
        assert len(set(sent[:10])) == 1
        assert a.peers.states()[0].dropped_count == 5
        assert a.peers.send("c", Note(99))
        with pytest.raises(Overloaded):
            await a.peers.ask("b", Question("?"))
        await until(lambda: len(b.messages()) == 10 and len(c.messages()) == 1)
        monkeypatch.setattr(limits, "PEER_QUEUE_BYTES_MAX", 1000)
        assert a.peers.send("b", Note(1, bytes(900)))
        assert not a.peers.send("b", Note(2, bytes(900)))
        await a.peers.drain()
        assert a.peers.send("b", Note(3, bytes(900))), "there is room again"


async def test_what_is_being_written_counts_until_it_is_written(
    network: MemoryNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = Talker(network, "a"), Talker(network, "b")
    monkeypatch.setattr(limits, "PEER_QUEUE_BYTES_MAX", 1000)
    async with a.running(), b.running():
        await connected(a, b)
        blocked = trio.Event()
        network.streams[0].send_stream.send_all_hook = blocked.wait
        assert a.peers.send("b", Note(1, bytes(900)))
        await trio.testing.wait_all_tasks_blocked()
        assert not a.peers.send("b", Note(2, bytes(900)))
        with trio.move_on_after(0.01) as scope:
            await a.peers.drain()
        assert scope.cancelled_caught, "not written yet"
        blocked.set()
        await a.peers.drain()
        assert a.peers.send("b", Note(3, bytes(900)))


async def test_much_is_written_in_portions(network: MemoryNetwork) -> None:
    a, b = Talker(network, "a"), Talker(network, "b")
    writes_count = 0
    async with a.running(), b.running():
        await connected(a, b)

        pump = network.streams[0].send_stream.send_all_hook
        assert pump is not None

        async def count() -> None:
            nonlocal writes_count
            writes_count += 1
            await pump()

        network.streams[0].send_stream.send_all_hook = count
        for number in range(100):
            assert a.peers.send("b", Note(number, bytes(100_000)))
        await until(lambda: len(b.messages()) == 100)
        assert 5 <= writes_count <= 20
        with pytest.raises(FrameError, match="longer than"):
            a.peers.send("b", Note(1, bytes(limits.PEER_FRAME_BYTES_MAX)))


async def test_a_node_with_another_id_is_not_taken_for_the_member(
    network: MemoryNetwork, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    a, c = Talker(network, "a"), Talker(network, "c", address=PeerAddress("b", 9849))
    async with a.running(), c.running():
        a.peers.set_members({"b": c.address})
        await trio.sleep(10)
        assert not a.peers.is_connected("b")
        assert len(a.events) > 5
        assert set(a.events) == {Event("mismatch", "b", "c")}
        assert warnings_of(caplog) == ["no connection to node b: b:9849 is node c and not node b"], "said once"
        assert c.messages() == []


@pytest.mark.parametrize(
    ("mine", "yours", "reason"),
    [
        ({"secret": b"x" * 16}, {}, SECRET_DIFFERS),
        ({"secret": None}, {}, "the accepting side has a cluster secret and the dialling side has none"),
        ({}, {"secret": None}, "the dialling side has a cluster secret and the accepting side has none"),
        (
            {"cluster_id": "red"},
            {"cluster_id": "blue"},
            "the dialling side belongs to cluster red, the accepting side to cluster blue",
        ),
    ],
)
async def test_a_refusal_is_logged_on_both_sides_once(
    mine: dict[str, object],
    yours: dict[str, object],
    reason: str,
    network: MemoryNetwork,
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    a, b = Talker(network, "a", **mine), Talker(network, "b", **yours)  # type: ignore[arg-type]
    async with a.running(), b.running():
        a.dials(b)
        await trio.sleep(10)
        assert a.events == []
        assert b.events == []
        assert b.settled_count == 0
        assert warnings_of(caplog) == [
            f"connection of a peer from 127.0.0.1:1: refused: {reason}",
            f"no connection to node b: b:9849: refused: {reason}",
        ]
        with pytest.raises(HandshakeRefused, match=reason):
            await a.peers.call(b.address, Question("?"))


async def test_a_node_that_meets_itself_refuses(network: MemoryNetwork, autojump_clock: MockClock) -> None:
    a = Talker(network, "a")
    async with a.running():
        a.peers.set_members({"b": a.address})
        with pytest.raises(HandshakeRefused, match="a node has met itself"):
            await a.peers.call(a.address, Question("?"))
        await trio.sleep(1)
        assert a.events == []


async def test_without_a_secret_nodes_meet_on_one_machine_only() -> None:
    for is_local in (True, False):
        network = MemoryNetwork(is_local=is_local)
        a, b = Talker(network, "a", secret=None), Talker(network, "b", secret=None)
        async with a.running(), b.running():
            if is_local:
                assert await a.peers.call(b.address, Question("?")) == Reply("?, a")
            else:
                with pytest.raises(HandshakeRefused, match="does not stay on one machine"):
                    await a.peers.call(b.address, Question("?"))


async def test_an_error_of_a_callback_is_not_hidden(network: MemoryNetwork) -> None:
    a, b = Talker(network, "a"), Talker(network, "b")

    def fail(sender: str, message: msgspec.Struct) -> None:
        raise ZeroDivisionError

    b.callbacks.on_message = fail
    with pytest.RaisesGroup(ZeroDivisionError, flatten_subgroups=True):
        async with a.running(), b.running():
            await connected(a, b)
            a.peers.send("b", Note(1))
            await trio.sleep(5)


async def test_a_stranger_is_heard_but_not_dialled(network: MemoryNetwork) -> None:
    a, b = Talker(network, "a"), Talker(network, "b")
    async with a.running(), b.running():
        await connected(a, b)
        a.peers.send("b", Note(1))
        await until(lambda: b.messages() == [Note(1)])
        assert b.peers.states() == []
        assert b.of("connected") == []


async def test_a_stranger_is_told_over_its_own_connection(network: MemoryNetwork) -> None:
    """A removed node that comes back is told so, though nobody dials it any more."""
    a, b = Talker(network, "a"), Talker(network, "b")
    async with a.running(), b.running():
        await connected(a, b)
        assert b.peers.send("a", Note(1))
        assert not b.peers.send("c", Note(1))
        await until(lambda: a.messages() == [Note(1)])
        assert a.of("message") == [Event("message", "b", Note(1))]
    assert not b.peers.send("a", Note(2)), "the connection is over"


async def test_a_member_that_was_not_reached_yet_is_told_over_its_own_connection(network: MemoryNetwork) -> None:
    a, b = Talker(network, "a"), Talker(network, "b")
    async with a.running(), b.running():
        b.peers.set_members({"a": PeerAddress("nowhere", 1)})
        await connected(a, b)
        assert b.peers.send("a", Note(1))
        await until(lambda: a.messages() == [Note(1)])
        assert not b.peers.is_connected("a")
        assert b.peers.states()[0].dropped_count == 0


async def test_another_cluster_id_is_compared_anew(network: MemoryNetwork, autojump_clock: MockClock) -> None:
    a, b, c = Talker(network, "a"), Talker(network, "b"), Talker(network, "c", cluster_id="red")
    async with a.running(), b.running(), c.running():
        a.dials(b, c)
        b.dials(a)
        await until(lambda: len(a.of("connected")) == 2 and b.peers.is_connected("a"))
        a.cluster_id = "blue"
        a.peers.renew()
        await until(lambda: len(a.of("lost")) == 2 and b.of("lost"))
        await trio.sleep(5)
        assert a.peers.is_connected("b")
        assert b.peers.is_connected("a")
        assert not a.peers.is_connected("c"), "another cluster"


async def test_a_connection_broken_within_the_handshake_is_dialled_again(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    a = Talker(network, "a")
    seen: list[Connection] = []

    async def hang_up(connection: Connection) -> None:
        seen.append(connection)
        await connection.stream.receive_some()
        await connection.stream.aclose()

    listener = network.listen(PeerAddress("b", 9849))
    async with a.running(), trio.open_nursery() as nursery:
        nursery.start_soon(listener.serve, hang_up)
        a.peers.set_members({"b": listener.address})
        await until(lambda: len(seen) == 3)
        with pytest.raises(PeerUnreachable, match="before it had proven"):
            await a.peers.call(listener.address, Question("?"))
        nursery.cancel_scope.cancel()
    assert a.events == []
