"""Entries, commits and snapshots, event by event (sections 5.3, 5.4.2 and 7 of the paper)."""

from __future__ import annotations

import pytest

from nacos_core import limits
from nacos_core._core import Log, LogError
from nacos_core.raft.configuration import CONFIGURATION_BYTE
from nacos_core.raft.effects import Committed, InstallKeptSnapshot, KeepSnapshotPiece, Send, SendSnapshot
from nacos_core.raft.events import PeerLost, Proposed, Received, SnapshotInstalled
from nacos_core.raft.messages import (
    AppendEntries,
    AppendResponse,
    Heartbeat,
    HeartbeatResponse,
    InstallSnapshot,
    SnapshotResponse,
)
from support.raft_cluster import members
from support.raft_machine import Server, a_follower, a_leader, an_established_leader, matches

ABC = ("a", "b", "c")


def packed(*entries: tuple[int, bytes]) -> bytes:
    """Entries as a leader sends them."""
    log = Log.in_memory()
    for term, payload in entries:
        log.append(term, [payload])
    return log.pack(1, log.last_index, 1 << 20)[1]


def entries(term: int, prev: tuple[int, int], *added: tuple[int, bytes], commit: int = 0) -> AppendEntries:
    blob = packed(*added) if added else b""
    return AppendEntries(term, *prev, prev[0] + len(added), commit, blob)


def terms(server: Server) -> list[int | None]:
    return [server.log.term_at(index) for index in range(server.log.first_index, server.log.last_index + 1)]


# --- followers -----------------------------------------------------------------------------------------------------


def test_entries_are_taken_where_the_logs_agree() -> None:
    server = a_follower("a", of="b", members=ABC)
    answer = AppendResponse(2, True, 1, 3)
    assert server.receives("b", entries(2, (1, 1), (2, b"x"), (2, b"y"))) == [("b", answer)]
    assert terms(server) == [1, 2, 2]


def test_a_question_without_entries_is_answered() -> None:
    server = a_follower("a", of="b", members=ABC)
    assert server.receives("b", entries(2, (1, 1))) == [("b", AppendResponse(2, True, 1, 1))]
    assert server.receives("b", entries(2, (4, 2))) == [("b", AppendResponse(2, False, 4, 1))]


def test_a_refusal_names_the_term_and_its_first_entry() -> None:
    """Section 5.3: so that the leader goes back a term at a time."""
    server = a_follower("a", of="b", members=ABC, terms=[1, 2, 2, 2], term=5)
    answer = AppendResponse(5, False, 4, 4, conflict_term=2, conflict_first_index=2)
    assert server.receives("b", entries(5, (4, 3), (5, b"x"))) == [("b", answer)]
    assert terms(server) == [1, 2, 2, 2]


def test_what_differs_is_cut_and_what_agrees_is_kept() -> None:
    server = a_follower("a", of="b", members=ABC, terms=[1, 2, 2, 2], term=5)
    server.receives("b", entries(5, (1, 1), (2, b""), (4, b"x")))
    assert terms(server) == [1, 2, 4]


def test_an_old_message_does_not_cut_what_came_after_it() -> None:
    server = a_follower("a", of="b", members=ABC)
    server.receives("b", entries(2, (1, 1), (2, b"x"), (2, b"y")))
    server.receives("b", entries(2, (1, 1), (2, b"x")))
    assert terms(server) == [1, 2, 2]


def test_the_answer_waits_until_the_entries_are_durable() -> None:
    server = a_follower("a", of="b", members=ABC)
    (send,) = server.step(Received("b", entries(2, (1, 1), (2, b"x"))))
    assert isinstance(send, Send)
    assert send.after_ticket == server.log.ticket


def test_a_follower_commits_what_the_leader_has_and_it_has_too() -> None:
    server = a_follower("a", of="b", members=ABC)
    server.receives("b", entries(2, (1, 1), (2, b"x"), commit=9))
    assert server.state.commit_index == 2
    assert Committed(2) in server.effects


def test_only_what_the_message_shows_to_match_is_committed() -> None:
    """Figure 2: min(leaderCommit, index of last new entry). What follows in the own log may differ."""
    server = a_follower("a", of="b", members=ABC, terms=[1, 2, 2, 2], term=5)
    server.receives("b", entries(5, (1, 1), (2, b""), commit=4))
    assert server.state.commit_index == 2


def test_a_heartbeat_says_what_is_committed() -> None:
    server = a_follower("a", of="b", members=ABC, terms=[1, 2])
    assert server.receives("b", Heartbeat(2, 2, 7)) == [("b", HeartbeatResponse(2, 7))]
    assert server.state.commit_index == 2
    assert server.receives("b", Heartbeat(2, 1, 0)) == [], "round 0 wants no answer"
    assert server.state.commit_index == 2, "the commit index never goes back"


def test_what_is_committed_is_never_replaced() -> None:
    server = a_follower("a", of="b", members=ABC, terms=[1, 2, 2])
    server.receives("b", Heartbeat(2, 3, 0))
    with pytest.raises(LogError, match="committed"):
        server.receives("b", entries(3, (1, 1), (3, b"x"), (3, b"x"), (3, b"x")))
    assert terms(server) == [1, 2, 2]


@pytest.mark.parametrize("blob", [b"nonsense", packed((2, b"x"), (2, bytes([CONFIGURATION_BYTE]) + b"nonsense"))])
def test_entries_that_cannot_be_read_leave_the_log_as_it_was(blob: bytes) -> None:
    server = a_follower("a", of="b", members=ABC)
    with pytest.raises(ValueError, match=r"malformed|configuration"):
        server.receives("b", AppendEntries(2, 1, 1, 3, 3, blob))
    assert (terms(server), server.state.commit_index, server.state.configuration) == ([1], 0, members(*ABC))


def test_a_message_from_before_the_compacted_part_takes_no_members_away() -> None:
    server = a_follower("a", of="b", members=ABC, terms=[1, 2, 2])
    server.receives("b", Heartbeat(2, 3, 0))
    server.log.save_snapshot(2, 2, b"state")
    server.log.compact(2)
    server.receives("b", entries(2, (1, 1), (2, b""), (2, b""), (2, b"x")))
    assert terms(server) == [2, 2]
    assert server.state.configuration == members(*ABC)


# --- leaders -------------------------------------------------------------------------------------------------------


def test_a_new_leader_begins_with_an_entry_of_its_term() -> None:
    """Section 8."""
    server = a_leader(*ABC)
    assert terms(server) == [1, 2]
    assert server.log.slice(2, 2, 1)[0][2] == b""


def test_entries_go_out_without_waiting_for_answers() -> None:
    server = an_established_leader(*ABC)
    for number in range(3):
        sent = [to for to, message in _appends(server.step(Proposed([b"%d" % number])))]
        assert sent == ["b", "c"]


def test_a_follower_that_does_not_answer_gets_no_more_than_a_window() -> None:
    server = an_established_leader(*ABC)
    for _ in range(limits.APPENDS_IN_FLIGHT_MAX):
        server.step(Proposed([b"x"]))
    assert _appends(server.step(Proposed([b"x"]))) == []


def test_entries_of_one_message_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "APPEND_BYTES_MAX", 1000)
    server = an_established_leader(*ABC)
    sent = [message for to, message in _appends(server.step(Proposed([bytes(300)] * 10))) if to == "b"]
    assert len(sent) > 1
    assert sent[-1].last_index == server.log.last_index
    assert [message.prev_log_index for message in sent[1:]] == [message.last_index for message in sent[:-1]]


def test_a_majority_commits_and_the_leader_counts_once_it_has_synced() -> None:
    server = an_established_leader(*ABC)
    server.step(Proposed([b"x"]))
    server.step(Received("b", matches(server)))
    assert server.state.commit_index == 2, "the own disk is not done"
    server.sync()
    assert server.state.commit_index == 3


def test_followers_alone_commit_too() -> None:
    server = an_established_leader(*ABC)
    server.step(Proposed([b"x"]))
    server.step(Received("b", matches(server)))
    server.step(Received("c", matches(server)))
    assert server.state.commit_index == 3, "two of three have it, whatever the own disk does"


def test_an_entry_of_an_older_term_is_not_committed_by_counting() -> None:
    """Section 5.4.2 and figure 8."""
    server = a_leader("a", "b", "c", "d", "e", terms=[1, 2])
    for follower in ("b", "c", "d"):
        server.receives(follower, matches(server, 2))
    assert server.state.commit_index == 0
    for follower in ("b", "c"):
        server.receives(follower, matches(server, 3))
    assert server.state.commit_index == 3


def test_whoever_has_the_entry_is_told_at_once_that_it_is_committed() -> None:
    server = an_established_leader(*ABC)
    server.step(Proposed([b"x"]))
    server.sync()
    assert server.receives("b", matches(server)) == [("b", Heartbeat(2, 3, 0))]
    assert server.receives("c", matches(server)) == [("c", Heartbeat(2, 3, 0))], "also who answers later"
    assert server.receives("c", matches(server)) == []


def test_a_heartbeat_is_capped_by_what_is_known_to_match() -> None:
    server = a_leader(*ABC)
    server.receives("b", matches(server))
    beats = {to: message for to, message in server.times_out() if isinstance(message, Heartbeat)}
    assert (server.state.commit_index, beats["b"].commit_index, beats["c"].commit_index) == (2, 2, 0)


def test_a_refusal_sends_the_leader_back_a_term_at_a_time() -> None:
    server = a_leader(*ABC, terms=[1, 1, 4, 4, 5, 5])
    refusal = AppendResponse(6, False, 6, 7, conflict_term=4, conflict_first_index=3)
    ((_, message),) = _appends_of(server.receives("b", refusal))
    assert message.prev_log_index == 4, "the last of term 4, which both have"
    refusal = AppendResponse(6, False, 4, 7, conflict_term=3, conflict_first_index=2)
    ((_, message),) = _appends_of(server.receives("b", refusal))
    assert message.prev_log_index == 1, "the leader has nothing of term 3"


def test_a_follower_whose_log_ends_early_gets_what_comes_after() -> None:
    server = a_leader(*ABC, terms=[1, 1, 1, 1])
    ((_, message),) = _appends_of(server.receives("b", AppendResponse(2, False, 4, 2)))
    assert (message.prev_log_index, message.last_index) == (2, 5)


def test_an_answer_that_was_overtaken_changes_nothing() -> None:
    server = an_established_leader(*ABC)
    assert server.receives("b", AppendResponse(2, False, 1, 0)) == []
    assert server.receives("b", AppendResponse(2, True, 0, 1)) == []
    assert server.machine.leading is not None
    assert server.machine.leading.progress["b"].match_index == 2


def test_what_was_lost_is_sent_again() -> None:
    server = an_established_leader(*ABC)
    server.step(Proposed([b"x"]))
    server.now += 0.2
    ((_, message),) = _appends_of(server.receives("b", HeartbeatResponse(2, 1)))
    assert (message.prev_log_index, message.last_index) == (2, 3)


def test_a_question_that_was_lost_is_asked_again_where_it_was() -> None:
    """Not at entry 1, where everything may be compacted."""
    server = a_leader(*ABC, terms=[1, 1, 1])
    server.now += 0.2
    ((_, message),) = _appends_of(server.receives("b", HeartbeatResponse(2, 1)))
    assert (message.prev_log_index, message.last_index) == (3, 4)


def test_what_a_lost_connection_may_have_swallowed_is_sent_again() -> None:
    server = an_established_leader(*ABC)
    server.step(Proposed([b"x"]))
    server.step(PeerLost("b"))
    ((_, message),) = _appends_of(server.receives("b", HeartbeatResponse(2, 1)))
    assert (message.prev_log_index, message.last_index) == (2, 3)


@pytest.mark.parametrize("message", [AppendResponse(2, True, 1, 99), SnapshotResponse(2, 99, 0, True)])
def test_nobody_has_more_than_the_leader(message: AppendResponse | SnapshotResponse) -> None:
    server = an_established_leader(*ABC)
    with pytest.raises(ValueError, match="the leader's log ends at 2"):
        server.receives("b", message)
    assert server.state.commit_index == 2


def test_a_refusal_sends_a_leader_back_and_never_forth() -> None:
    server = an_established_leader(*ABC)
    server.receives("b", AppendResponse(2, False, 9, 8))
    assert server.effects == []
    server = a_leader(*ABC)
    ((_, message),) = _appends_of(server.receives("b", AppendResponse(2, False, 1, 50)))
    assert (message.prev_log_index, message.last_index) == (0, 2)


def test_strangers_are_not_counted() -> None:
    server = a_leader(*ABC)
    server.receives("stranger", matches(server))
    assert server.state.commit_index == 0


def test_the_leaders_own_log_is_only_appended_to() -> None:
    server = an_established_leader(*ABC, terms=[1, 1, 1])
    with pytest.raises(ValueError, match="which this server leads"):
        server.receives("b", entries(2, (1, 1), (2, b"other")))
    assert terms(server) == [1, 1, 1, 2]


# --- snapshots -----------------------------------------------------------------------------------------------------


def test_whoever_needs_what_is_compacted_gets_a_snapshot_a_piece_at_a_time() -> None:
    server = a_leader("a", "b", "c", terms=[1, 1, 1])
    server.receives("b", matches(server))
    server.log.save_snapshot(4, 2, b"state")
    server.log.compact(4)
    server.receives("c", AppendResponse(2, False, 3, 0))
    assert SendSnapshot("c", 2, 0) in server.effects
    server.receives("c", SnapshotResponse(2, 4, 100, False))
    assert SendSnapshot("c", 2, 100) in server.effects
    server.receives("c", SnapshotResponse(2, 4, 100, False))
    assert server.effects == [], "an answer that came twice has no second piece under way"
    server.step(Proposed([b"x"]))
    assert [to for to, _ in _appends(server.effects)] == ["b"]
    server.receives("c", SnapshotResponse(2, 4, 0, False))
    assert SendSnapshot("c", 2, 0) in server.effects, "it has lost what it had"
    ((to, message),) = _appends_of(server.receives("c", SnapshotResponse(2, 4, 0, True)))
    assert (to, message.prev_log_index, message.last_index) == ("c", 4, 5)


def test_a_piece_that_is_lost_is_sent_again() -> None:
    server = a_leader("a", "b", "c", terms=[1, 1, 1])
    server.receives("b", matches(server))
    server.log.save_snapshot(4, 2, b"state")
    server.log.compact(4)
    server.receives("c", AppendResponse(2, False, 3, 0))
    server.receives("c", HeartbeatResponse(2, 1))
    assert SendSnapshot("c", 2, 0) not in server.effects
    server.now += 0.2
    server.receives("c", HeartbeatResponse(2, 2))
    assert SendSnapshot("c", 2, 0) in server.effects


def a_piece(offset: int, data: bytes, *, is_last: bool = False, term: int = 2) -> InstallSnapshot:
    return InstallSnapshot(term, 9, 2, offset, is_last, data)


def test_pieces_are_kept_in_order_and_once() -> None:
    server = a_follower("a", of="b", members=ABC)
    assert server.receives("b", a_piece(0, b"123")) == [("b", SnapshotResponse(2, 9, 3, False))]
    assert KeepSnapshotPiece(0, b"123") in server.effects
    for piece in (a_piece(0, b"123"), a_piece(7, b"x")):
        assert server.receives("b", piece) == [("b", SnapshotResponse(2, 9, 3, False))]
        assert not [effect for effect in server.effects if isinstance(effect, KeepSnapshotPiece)]
    assert server.receives("b", a_piece(3, b"45", is_last=True)) == []
    assert InstallKeptSnapshot(9, 2) in server.effects


def test_another_leaders_pieces_are_not_mixed_with_these() -> None:
    server = a_follower("a", of="b", members=ABC)
    server.receives("b", a_piece(0, b"123"))
    assert server.receives("c", a_piece(3, b"45", term=3)) == [("c", SnapshotResponse(3, 9, 0, False))]
    server.receives("c", a_piece(0, b"ab", term=3))
    assert KeepSnapshotPiece(0, b"ab") in server.effects


def test_while_a_snapshot_is_restored_the_log_is_left_alone() -> None:
    server = a_follower("a", of="b", members=ABC)
    server.receives("b", a_piece(0, b"123", is_last=True))
    assert server.receives("b", entries(2, (1, 1), (2, b"x"), commit=2)) == []
    assert server.receives("b", Heartbeat(2, 1, 3)) == [("b", HeartbeatResponse(2, 3))]
    assert (server.log.last_index, server.state.commit_index) == (1, 0)
    assert server.machine.deadline == float("inf"), "nor does it stand for election"


def test_a_restored_snapshot_is_answered_and_its_members_count() -> None:
    server = a_follower("a", of="b", members=ABC)
    server.receives("b", a_piece(0, b"123", is_last=True))
    server.log.save_snapshot(9, 2, b"123")
    server.step(SnapshotInstalled(9, 2, members("a", "b").encode()))
    sends = [effect for effect in server.effects if isinstance(effect, Send)]
    assert [(send.to, send.message, send.after_ticket) for send in sends] == [
        ("b", SnapshotResponse(2, 9, 0, True), server.log.ticket)
    ]
    assert (server.state.commit_index, server.state.configuration) == (9, members("a", "b"))
    assert server.machine.deadline < float("inf")


def test_a_snapshot_that_is_not_needed_is_answered_once_the_own_entries_are_durable() -> None:
    """A crash could lose what is committed but not yet on the own disk; the leader would never send it again."""
    server = a_follower("a", of="b", members=ABC)
    server.step(Received("b", entries(2, (1, 1), *[(2, b"x")] * 9, commit=10)))
    (send,) = server.step(Received("b", a_piece(0, b"123")))
    assert isinstance(send, Send)
    assert (send.message, send.after_ticket) == (SnapshotResponse(2, 9, 0, True), server.log.ticket)


def _appends(effects: object) -> list[tuple[str, AppendEntries]]:
    return _appends_of([(effect.to, effect.message) for effect in effects if isinstance(effect, Send)])  # type: ignore[attr-defined]


def _appends_of(sent: object) -> list[tuple[str, AppendEntries]]:
    return [(to, message) for to, message in sent if isinstance(message, AppendEntries)]  # type: ignore[attr-defined]
