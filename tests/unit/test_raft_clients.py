"""What a client is told, and when: writes, their sessions, and confirmations of reads (the thesis, chapter 6)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from nacos_core import limits
from nacos_core.errors import NotReady, OutcomeUnknown, Overloaded
from nacos_core.raft import snapshots
from nacos_core.raft.confirmations import Confirmations
from nacos_core.raft.effects import SendSnapshot
from nacos_core.raft.entries import Request
from nacos_core.raft.jobs import RestoreSnapshot
from nacos_core.raft.messages import Forward, ForwardRefused
from nacos_core.raft.sessions import Sessions, Verdict
from nacos_core.raft.snapshots import Outgoing
from nacos_core.raft.writes import Writes
from support.raft_cluster import Cluster

COMMAND = msgspec.msgpack.encode("word")


def a_cluster() -> Cluster:
    cluster = Cluster()
    cluster.bootstrap("a", "b", "c")
    cluster.start()
    cluster.elect("a")
    return cluster


# --- writes --------------------------------------------------------------------------------------------------------


def a_write(now: float = 0.0) -> tuple[Writes, list[Any]]:
    told: list[Any] = []
    writes = Writes()
    writes.add(COMMAND, told.append, now)
    return writes, told


def test_a_write_that_never_left_has_not_happened() -> None:
    writes, told = a_write()
    writes.expire(limits.WRITE_WAIT_SECONDS)
    assert isinstance(told[0], NotReady)


def test_a_write_that_left_may_have_happened() -> None:
    writes, told = a_write()
    assert [sequence for sequence, _ in writes.take_unsent(0.0)] == [1]
    writes.expire(limits.WRITE_WAIT_SECONDS)
    assert isinstance(told[0], OutcomeUnknown)
    assert str(told[0]).startswith("outcome unknown: ")


def test_a_write_that_whoever_got_it_refused_has_not_happened() -> None:
    writes, told = a_write()
    list(writes.take_unsent(0.0))
    writes.not_taken(1, is_overloaded=False)
    writes.expire(limits.WRITE_WAIT_SECONDS)
    assert isinstance(told[0], NotReady)


def test_a_write_that_was_sent_twice_and_refused_once_may_have_happened() -> None:
    writes, told = a_write()
    list(writes.take_unsent(0.0))
    writes.send_all_again()
    list(writes.take_unsent(0.0))
    writes.not_taken(1, is_overloaded=True)
    assert told == [], "the other one may have been taken"
    writes.not_taken(1, is_overloaded=False)
    writes.expire(limits.WRITE_WAIT_SECONDS)
    assert isinstance(told[0], OutcomeUnknown)


def test_a_write_is_sent_again_when_nothing_is_heard_of_it() -> None:
    writes, _ = a_write()
    list(writes.take_unsent(0.0))
    assert writes.deadline == limits.WRITE_RETRY_SECONDS
    writes.expire(limits.WRITE_RETRY_SECONDS)
    assert [sequence for sequence, _ in writes.take_unsent(1.0)] == [1]


def test_an_outcome_is_told_once() -> None:
    writes, told = a_write()
    writes.applied(1, "done")
    writes.applied(1, "again")
    writes.give_up("it stops")
    assert told == ["done"]


def test_writes_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PROPOSALS_BYTES_MAX", 2 * len(COMMAND))
    writes, told = a_write()
    writes.add(COMMAND, told.append, 0.0)
    writes.add(COMMAND, told.append, 0.0)
    assert [type(outcome) for outcome in told] == [Overloaded]
    writes.applied(1, "done")
    writes.add(COMMAND, told.append, 0.0)
    assert [type(outcome) for outcome in told] == [Overloaded, str], "there is room again"


def test_the_oldest_that_is_waited_for_bounds_what_must_be_remembered() -> None:
    writes, told = a_write()
    writes.add(COMMAND, told.append, 0.0)
    assert writes.oldest_open == 1
    writes.applied(2, "done")
    assert writes.oldest_open == 1
    writes.applied(1, "done")
    assert writes.oldest_open == 3


# --- sessions ------------------------------------------------------------------------------------------------------


def applied(sessions: Sessions, sequence: int, *, boot: int = 1, oldest_open: int = 1, origin: str = "a") -> bool:
    request = Request(origin, boot, sequence, oldest_open)
    if sessions.begin(request) is Verdict.DUPLICATE:
        return False
    sessions.remember(request, f"result {sequence}")
    return True


def test_a_request_is_applied_once() -> None:
    sessions = Sessions()
    assert applied(sessions, 1)
    assert not applied(sessions, 1)
    assert applied(sessions, 1, origin="b")
    assert sessions.results("a", 1) == {1: "result 1"}


def test_requests_may_come_in_any_order() -> None:
    sessions = Sessions()
    assert applied(sessions, 3)
    assert applied(sessions, 1)
    assert not applied(sessions, 3)


def test_results_are_forgotten_when_nobody_waits_for_them_and_still_not_applied_again() -> None:
    sessions = Sessions()
    applied(sessions, 1)
    applied(sessions, 5, oldest_open=5)
    assert sessions.results("a", 1) == {5: "result 5"}
    assert not applied(sessions, 1)


def test_a_new_start_of_the_origin_ends_what_was_before() -> None:
    sessions = Sessions()
    applied(sessions, 1)
    assert applied(sessions, 1, boot=2)
    assert not applied(sessions, 2, boot=1)
    assert (sessions.results("a", 1), sessions.results("a", 2)) == ({}, {1: "result 1"})


def test_a_result_that_nobody_waits_for_by_then_is_not_remembered() -> None:
    """Requests of one batch are all begun before the first of them has a result."""
    sessions = Sessions()
    first, second, third = Request("a", 1, 1, 1), Request("a", 1, 5, 5), Request("b", 1, 1, 1)
    for request in (first, second, third, third._replace(boot=2, sequence=9)):
        assert sessions.begin(request) is Verdict.APPLY
    for request in (first, second, third):
        sessions.remember(request, "result")
    assert sessions.to_data() == {"a": (1, 5, {5: "result"}), "b": (2, 1, {})}


def test_what_a_removed_member_wrote_is_not_applied_again_when_it_is_taken_in_again() -> None:
    sessions = Sessions()
    applied(sessions, 1)
    sessions.members_are(("b",))
    sessions = Sessions.from_data(sessions.to_data())
    sessions.members_are(("b",))
    sessions.members_are(("a", "b"))
    assert not applied(sessions, 1)
    assert applied(sessions, 2)


def test_only_the_last_removed_members_are_remembered_on_all_servers_alike() -> None:
    sessions = Sessions()
    names = [f"n{number:02}" for number in range(limits.REMOVED_MEMBERS_SESSIONS_COUNT_MAX + 2)]
    for name in names:
        applied(sessions, 1, origin=name)
    for name in reversed(names):
        sessions.members_are(tuple(other for other in names if other < name))
    again = Sessions.from_data(sessions.to_data())
    again.members_are(())
    assert list(again.to_data()) == list(sessions.to_data()) == sorted(names, reverse=True)[2:]


def test_sessions_go_through_a_snapshot() -> None:
    sessions = Sessions()
    applied(sessions, 2, oldest_open=2)
    again = Sessions.from_data(sessions.to_data())
    assert not applied(again, 2, oldest_open=2)
    assert not applied(again, 1)
    assert applied(again, 3)


# --- confirmations of reads ----------------------------------------------------------------------------------------


def test_a_read_is_answered_after_apply() -> None:
    told: list[Any] = []
    reads = Confirmations(boot=1)
    reads.add(told.append, 0.0)
    (read_id,) = reads.take_unasked(0.0)
    reads.decided(read_id, 5)
    reads.applied(4)
    assert (told, reads.may_answer(4), reads.may_answer(5)) == ([], False, True)
    reads.applied(5)
    assert told == [None]


def test_a_read_that_could_not_be_confirmed_is_asked_for_again_and_given_up_in_the_end() -> None:
    told: list[Any] = []
    reads = Confirmations(boot=1)
    reads.add(told.append, 0.0)
    (read_id,) = reads.take_unasked(0.0)
    reads.decided(read_id, None)
    assert reads.deadline == limits.READ_RETRY_SECONDS
    reads.expire(limits.READ_RETRY_SECONDS)
    assert reads.take_unasked(limits.READ_RETRY_SECONDS) == [read_id]
    reads.expire(limits.READ_WAIT_SECONDS)
    assert isinstance(told[0], NotReady)


def test_an_answer_to_an_earlier_start_is_for_nobody() -> None:
    before, after = Confirmations(boot=1), Confirmations(boot=2)
    for reads in (before, after):
        reads.add(lambda _: None, 0.0)
    assert before.take_unasked(0.0) != after.take_unasked(0.0)


# --- a whole server ------------------------------------------------------------------------------------------------


def test_a_write_at_a_follower_is_answered_when_it_is_applied_there() -> None:
    cluster, told = a_cluster(), list[Any]()
    cluster.write("b", "one", told.append)
    cluster.deliver_all()
    assert told == [1]
    assert cluster.nodes["b"].words.words == ["one"]


def test_a_forwarded_write_that_comes_twice_is_applied_once() -> None:
    cluster, told = a_cluster(), list[Any]()
    cluster.write("b", "one", told.append)
    (forward,) = [flight for flight in cluster.flights if isinstance(flight.message, Forward)]
    cluster.hand_over(forward)
    cluster.deliver_all()
    assert cluster.nodes["a"].log.last_index == 4, "it stands in the log twice"
    assert all(node.words.words in (["one"], []) for node in cluster.nodes.values())
    assert told == [1]


def test_repetitions_that_are_committed_together_are_applied_once() -> None:
    cluster = a_cluster()
    cluster.write("b", "one")
    (forward,) = [flight for flight in cluster.flights if isinstance(flight.message, Forward)]
    cluster.hand_over(forward)
    cluster.deliver(forward)
    for flight in [flight for flight in cluster.flights if flight.to == "c"]:
        cluster.deliver(flight)
    cluster.deliver([flight for flight in cluster.flights if flight.sender == "c"][-1])
    assert cluster.nodes["a"].replica.last_applied == 4
    assert cluster.nodes["a"].words.words == ["one"]


def test_who_does_not_lead_refuses_a_forwarded_write() -> None:
    cluster = a_cluster()
    cluster.send("b", "c", Forward(1, 1, 1, msgspec.Raw(COMMAND)))
    cluster.deliver(cluster.flights[-1])
    assert cluster.flights[-1].message == ForwardRefused(1, 1, False)


def test_a_leader_with_too_much_to_do_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "UNCOMMITTED_ENTRIES_MAX", 0)
    cluster, told = a_cluster(), list[Any]()
    cluster.write("a", "one")
    cluster.write("b", "two", told.append)
    (forward,) = [flight for flight in cluster.flights if isinstance(flight.message, Forward)]
    cluster.deliver(forward)
    cluster.deliver_all()
    assert [type(outcome) for outcome in told] == [Overloaded]
    assert cluster.nodes["a"].words.words == ["one"]


def test_what_is_written_while_a_leader_hands_over_waits() -> None:
    cluster, told = a_cluster(), list[Any]()
    cluster.nodes["a"].replica.transfer("b", cluster.now)
    cluster.write("a", "one", told.append)
    assert cluster.nodes["a"].log.last_index == 2
    cluster.nodes["a"].work()
    cluster.deliver_all()
    assert (cluster.leaders, told) == (["b"], [1])


def test_what_was_forwarded_to_a_leader_that_hands_over_is_not_lost_when_that_fails() -> None:
    cluster, told = a_cluster(), list[Any]()
    cluster.nodes["c"].crash()
    cluster.nodes["a"].replica.transfer("c", cluster.now)
    cluster.write("b", "one", told.append)
    cluster.deliver_all()
    for _ in range(7):
        cluster.tick("a")
        cluster.deliver_all()
    assert told == [1]


def test_a_write_whose_application_came_by_snapshot_is_answered() -> None:
    """C wrote, was cut off before it heard of the entry, and gets it within a snapshot."""
    cluster, told = a_cluster(), list[Any]()
    cluster.write("c", "one", told.append)
    cluster.deliver(cluster.flights[-1])
    cluster.cut_off.add("c")
    cluster.flights = [flight for flight in cluster.flights if flight.to != "c"]
    cluster.deliver_all()
    cluster.nodes["a"].take_snapshot()
    assert told == []
    cluster.cut_off.clear()
    for _ in range(6):
        cluster.tick("a")
        cluster.deliver_all()
    assert told == [1]


def test_a_snapshot_holds_state_sessions_and_members() -> None:
    cluster = a_cluster()
    cluster.write("a", "one")
    cluster.deliver_all()
    cluster.nodes["a"].take_snapshot()
    saved = cluster.nodes["a"].log.load_snapshot()
    assert saved is not None
    snapshot = snapshots.decode(saved[2])
    assert (snapshot.index, snapshot.sessions) == (3, {"a": (1, 1, {1: 1})})
    assert snapshot.configuration == cluster.nodes["a"].replica.machine.state.configuration
    cluster.nodes["a"].crash()
    cluster.nodes["a"].start()
    assert cluster.nodes["a"].words.words == ["one"]


def test_an_unreadable_snapshot_is_named() -> None:
    with pytest.raises(ValueError, match="this is no snapshot"):
        snapshots.decode(b"nonsense")


def test_a_leaders_snapshot_waits_until_the_own_one_is_written() -> None:
    """The log takes no snapshot that is older than the one it has."""
    cluster = a_cluster()
    replica = cluster.nodes["b"].replica
    replica._is_saving_snapshot = True
    replica._to_restore = job = RestoreSnapshot(9, 2, b"")
    replica._restore_unless_saving()
    assert replica.take_jobs() == []
    replica.snapshot_saved(1)
    assert replica.take_jobs() == [job]


def test_who_begins_gets_the_newest_snapshot_and_no_piece_twice() -> None:
    outgoing = Outgoing()
    assert outgoing.want(SendSnapshot("b", 2, 0), 5)
    assert not outgoing.want(SendSnapshot("b", 2, 0), 5), "it is being loaded"
    outgoing.loaded((5, 2, b"old"))
    assert [(to, piece.snapshot_index) for to, piece in outgoing.take_pieces()] == [("b", 5)]
    assert outgoing.want(SendSnapshot("c", 2, 0), 9)
    outgoing.loaded((9, 2, b"new"))
    assert [(to, piece.snapshot_index) for to, piece in outgoing.take_pieces()] == [("c", 9)]
