"""Connections between nodes, over memory streams and a clock that jumps."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from nacos_core import limits
from nacos_core.errors import (
    CallRefused,
    FrameError,
    HandshakeRefused,
    NacosCoreError,
    OutcomeUnknown,
    Overloaded,
    PeerUnreachable,
)
from nacos_core.peers.addresses import PeerAddress
from nacos_core.peers.frames import encode
from nacos_core.peers.handshake import SECRET_DIFFERS, Identity
from nacos_core.peers.network import Connection
from nacos_core.peers.protocol import Ask, Tell
from support.peers import Event, MemoryNetwork, Note, Question, Reply, Talker, until

if TYPE_CHECKING:
    import msgspec
    from trio.testing import MockClock


@pytest.fixture
def network() -> MemoryNetwork:
    return MemoryNetwork()


async def start(stack: AsyncExitStack, *talkers: Talker) -> None:
    for talker in talkers:
        await stack.enter_async_context(talker.running())


async def connected(one: Talker, other: Talker) -> None:
    one.dials(other)
    await until(lambda: one.peers.is_connected(other.node_id))


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


async def test_a_question_is_answered(network: MemoryNetwork) -> None:
    a, b = Talker(network, "a"), Talker(network, "b")
    async with a.running(), b.running():
        with pytest.raises(PeerUnreachable, match="no connection to node b"):
            await a.peers.ask("b", Question("who?"))
        assert await a.peers.call(b.address, Question("you")) == Reply("you, a")
        assert len(network.dialled) == 1
        await connected(a, b)
        assert await a.peers.ask("b", Question("you")) == Reply("you, a")
        assert await a.peers.call(b.address, Question("still you")) == Reply("still you, a")
        assert len(network.dialled) == 2, "a member is asked over the connection that there is"


async def test_questions_are_answered_out_of_order(network: MemoryNetwork, autojump_clock: MockClock) -> None:
    a, b = Talker(network, "a"), Talker(network, "b")

    async def slowly(peer: Identity, question: Question) -> Reply:
        await trio.sleep(float(question.text))
        return Reply(question.text)

    b.callbacks.requests[Question] = slowly
    answers: list[str] = []

    async def ask(text: str) -> None:
        answers.append((await a.peers.ask("b", Question(text))).text)

    async with a.running(), b.running():
        await connected(a, b)
        async with trio.open_nursery() as nursery:
            for text in ("3", "1", "2"):
                nursery.start_soon(ask, text)
    assert answers == ["1", "2", "3"]


async def test_what_went_wrong_with_a_question_is_told_apart(
    network: MemoryNetwork, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    a, b = Talker(network, "a"), Talker(network, "b")

    async def refuse(peer: Identity, question: Question) -> Reply:
        match question.text:
            case "wait":
                await trio.sleep(60)
            case "bug":
                raise ZeroDivisionError
            case "long":
                return Reply("x" * limits.PEER_FRAME_BYTES_MAX)
        raise NacosCoreError("I would rather not")

    b.callbacks.requests[Question] = refuse
    async with a.running():
        with pytest.raises(PeerUnreachable, match="b:9849 cannot be reached: Connection refused"):
            await a.peers.call(b.address, Question("?"))
        async with b.running():
            await connected(a, b)
            with pytest.raises(CallRefused, match=r"^I would rather not$"):
                await a.peers.ask("b", Question("?"))
            with pytest.raises(CallRefused, match=r"^internal error$"):
                await a.peers.ask("b", Question("bug"))
            assert "ZeroDivisionError" in caplog.text
            with pytest.raises(CallRefused, match="longer than"):
                await a.peers.ask("b", Question("long"))
            with pytest.raises(OutcomeUnknown, match="node b has not answered within 5 s"):
                await a.peers.ask("b", Question("wait"))
            del b.callbacks.requests[Question]
            with pytest.raises(CallRefused, match="does not answer Question"):
                await a.peers.call(b.address, Question("?"))
            b.callbacks.requests[Question] = refuse
            async with trio.open_nursery() as nursery:
                nursery.start_soon(expect_unknown, a)
                await trio.sleep(1)
                await network.streams[0].aclose()


async def expect_unknown(talker: Talker) -> None:
    with pytest.raises(OutcomeUnknown, match="ended before it answered"):
        await talker.peers.ask("b", Question("wait"))


async def test_a_peer_has_so_many_questions_answered_at_once(
    network: MemoryNetwork, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    monkeypatch.setattr(limits, "PEER_CALLS_COUNT_MAX", 3)
    a, b = Talker(network, "a"), Talker(network, "b")
    outcomes: list[str] = []

    async def slowly(peer: Identity, question: Question) -> Reply:
        await trio.sleep(1)
        return Reply("yes")

    async def ask() -> None:
        try:
            outcomes.append((await a.peers.ask("b", Question(""))).text)
        except CallRefused as error:
            outcomes.append(str(error))

    b.callbacks.requests[Question] = slowly
    async with a.running(), b.running():
        await connected(a, b)
        for _ in range(2):
            outcomes.clear()
            async with trio.open_nursery() as nursery:
                for _ in range(5):
                    nursery.start_soon(ask)
            assert outcomes == ["too many questions at once, try again later"] * 2 + ["yes"] * 3


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
        assert messages_of(caplog) == ["no connection to node b: b:9849 is node c and not node b"], "said once"
        assert c.messages() == []


def messages_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


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
        assert messages_of(caplog) == [
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
    assert len(messages_of(caplog)) == 2 * limits.PEER_COMPLAINTS_COUNT_MAX


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
        assert f"connection with node a closed: {reason}" in messages_of(caplog)[0]
        assert "Traceback" not in caplog.text
        await until(lambda: a.peers.is_connected("b"))


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
