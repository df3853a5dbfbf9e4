"""Members, handing over and linearizable reads, event by event (the thesis, chapters 3.10, 4 and 6.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nacos_core._core import Log
from nacos_core.raft.configuration import (
    AddMember,
    Change,
    ChangeRefused,
    Configuration,
    Member,
    MoveMember,
    PromoteMember,
    RemoveMember,
)
from nacos_core.raft.effects import ChangeDecided, ConfigurationChanged, ProposalRefused, ReadDecided, Removed, Send
from nacos_core.raft.events import ChangeRequested, Proposed, ReadRequested, Received, Tick, TransferRequested
from nacos_core.raft.machine import bootstrap
from nacos_core.raft.messages import (
    AppendEntries,
    Heartbeat,
    HeartbeatResponse,
    NotMember,
    ReadIndexRequest,
    ReadIndexResponse,
    RequestVote,
    TimeoutNow,
    VoteResponse,
)
from nacos_core.raft.state import Role
from support.raft_cluster import log_of, members
from support.raft_machine import Server, a_follower, a_leader, a_server, an_established_leader, matches

if TYPE_CHECKING:
    from nacos_core.raft.messages import Message

ABC = ("a", "b", "c")
D = Member("d", "d:8848", 9849, "joining")


def change(server: Server, wanted: Change) -> ChangeDecided:
    effects = server.step(ChangeRequested(7, wanted))
    (decided,) = [effect for effect in effects if isinstance(effect, ChangeDecided)]
    return decided


def voters(server: Server) -> tuple[str, ...]:
    assert server.state.configuration is not None
    return server.state.configuration.voters


def sent(server: Server) -> list[tuple[str, Message]]:
    return [(effect.to, effect.message) for effect in server.effects if isinstance(effect, Send)]


# --- changes -------------------------------------------------------------------------------------------------------


def test_no_change_before_an_entry_of_the_own_term_is_committed() -> None:
    server = a_leader(*ABC)
    assert "just been elected" in change(server, RemoveMember("c")).refusal
    server.receives("b", matches(server))
    assert change(server, RemoveMember("c")) == ChangeDecided(7, 3)


def test_one_change_at_a_time() -> None:
    server = an_established_leader(*ABC)
    change(server, RemoveMember("c"))
    assert "under way" in change(server, RemoveMember("b")).refusal


def test_only_a_leader_changes_members() -> None:
    assert change(a_server(*ABC), RemoveMember("c")).refusal == "this node does not lead"


def test_a_change_counts_from_the_append_on() -> None:
    """Section 4.1 of the thesis: not only once it is committed."""
    server = an_established_leader(*ABC)
    change(server, RemoveMember("c"))
    assert (voters(server), server.state.commit_index) == (("a", "b"), 2)
    assert ConfigurationChanged(3, members("a", "b")) in server.effects
    assert [to for to, message in sent(server) if isinstance(message, AppendEntries)] == ["b"]


def test_what_was_cut_does_not_count_any_more() -> None:
    server = a_follower("a", of="b", members=ABC)
    leader = an_established_leader("b", "a", "c")
    change(leader, RemoveMember("c"))
    (message,) = [message for to, message in sent(leader) if to == "a" and isinstance(message, AppendEntries)]
    server.receives("b", AppendEntries(2, 1, 1, 2, 0, leader.log.pack(2, 2, 1000)[1]))
    server.receives("b", message)
    assert voters(server) == ("a", "b")
    server.receives("c", AppendEntries(3, 2, 2, 3, 0, a_log_entry_of(3)))
    assert voters(server) == ABC


def a_log_entry_of(term: int) -> bytes:
    server = a_leader(*ABC, terms=[1, term - 1] if term > 2 else [1])
    return server.log.pack(server.log.last_index, server.log.last_index, 1000)[1]


def test_a_new_member_has_no_vote_until_it_has_caught_up() -> None:
    server = an_established_leader(*ABC)
    change(server, AddMember(D))
    for follower in ("b", "c"):
        server.receives(follower, matches(server))
    assert voters(server) == ABC
    server.receives("d", matches(server, 1))
    assert voters(server) == ABC, "it lacks committed entries"
    server.receives("d", matches(server))
    assert voters(server) == (*ABC, "d")


def test_a_learner_stays_one() -> None:
    server = an_established_leader(*ABC, learners=["l"])
    server.receives("l", matches(server))
    server.receives("l", HeartbeatResponse(2, 1))
    assert voters(server) == ABC


def test_learners_do_not_count_for_commits() -> None:
    server = a_leader(*ABC, learners=["l"])
    server.receives("l", matches(server))
    assert server.state.commit_index == 0


def test_a_leader_that_removes_itself_leads_until_that_is_committed_by_the_others() -> None:
    server = an_established_leader(*ABC)
    change(server, RemoveMember("a"))
    server.sync()
    server.receives("b", matches(server))
    assert (server.state.role, server.state.commit_index) == (Role.LEADER, 2), "it does not count itself"
    server.receives("c", matches(server))
    assert (server.state.role, server.state.commit_index) == (Role.FOLLOWER, 3)
    assert Removed() in server.effects
    assert [to for to, message in sent(server) if message == TimeoutNow(2)] == ["b"], "one of them goes on at once"
    assert server.machine.deadline == float("inf")


def test_whoever_is_removed_is_told_once_that_is_committed() -> None:
    server = an_established_leader(*ABC)
    change(server, RemoveMember("c"))
    assert NotMember(2, 3) not in [message for _, message in sent(server)]
    server.sync()
    server.receives("b", matches(server))
    assert ("c", NotMember(2, 3)) in sent(server)


def test_a_removed_node_that_asks_for_votes_is_told() -> None:
    server = an_established_leader(*ABC)
    change(server, RemoveMember("c"))
    server.sync()
    server.receives("b", matches(server))
    answers = server.receives("c", RequestVote(9, 2, 2))
    assert answers == [("c", VoteResponse(2, False)), ("c", NotMember(2, 3))]
    assert server.machine.current_term == 2


def test_what_was_committed_before_the_start_is_told_from_the_start_on() -> None:
    log = log_of(1, configuration=members(*ABC))
    log.append(1, [members("a", "b").encode()])
    log.commit(2)
    assert ("c", NotMember(1, 2)) in Server("a", log).receives("c", RequestVote(9, 1, 1, is_pre_vote=True))


def test_without_any_configuration_left_nobody_stands() -> None:
    """The log of a node that joins can be cut to nothing."""
    server = a_server("a", is_empty=True)
    server.receives("b", AppendEntries(2, 0, 0, 1, 0, blob_of(2, members("a", "b").encode())))
    assert voters(server) == ("a", "b")
    server.receives("c", AppendEntries(3, 0, 0, 1, 0, blob_of(3, b"")))
    assert server.state.configuration is None
    assert server.times_out() == []
    assert server.machine.deadline == float("inf")


def blob_of(term: int, payload: bytes) -> bytes:
    log = Log.in_memory()
    log.append(term, [payload])
    return log.pack(1, 1, 1000)[1]


def test_whoever_is_a_member_again_takes_part_again() -> None:
    server = a_server(*ABC, node_id="c")
    server.receives("a", NotMember(1, 2))
    assert server.state.is_removed
    leader = an_established_leader(*ABC)
    server.receives("a", AppendEntries(2, 1, 1, 2, 0, leader.log.pack(2, 2, 1000)[1]))
    assert server.machine.deadline == float("inf"), "entries alone do not say so"
    change(leader, AddMember(D))
    server.receives("a", AppendEntries(2, 2, 2, 3, 0, leader.log.pack(3, 3, 1000)[1]))
    assert not server.state.is_removed
    assert server.machine.deadline < float("inf")


def test_the_first_configuration_goes_into_an_empty_log_only() -> None:
    server = a_server(*ABC)
    with pytest.raises(ValueError, match="only an empty log"):
        bootstrap(server.log, members(*ABC))


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (AddMember(Member("d", "d:1", 2, "voter")), "without a vote"),
        (AddMember(Member("a", "d:1", 2, "learner")), "a member already"),
        (PromoteMember("x"), "there is no node x"),
        (RemoveMember("x"), "there is no node x"),
        (MoveMember("a", "b:8848", 9849), "is the address of node b"),
    ],
)
def test_changes_that_make_no_sense_say_why(wanted: Change, reason: str) -> None:
    with pytest.raises(ChangeRefused, match=reason):
        members(*ABC).changed(wanted)


def test_the_last_voter_cannot_be_removed() -> None:
    with pytest.raises(ChangeRefused, match="the only voter"):
        members("a", learners=["l"]).changed(RemoveMember("a"))


def test_whoever_comes_to_the_address_of_a_dead_member_takes_its_place() -> None:
    changed = members(*ABC).changed(AddMember(Member("new", "b:8848", 9849, "joining")))
    assert (changed.node_ids, changed.voters) == (("a", "c", "new"), ("a", "c"))


def test_a_configuration_is_read_as_it_was_written() -> None:
    configuration = members(*ABC, learners=["l"])
    assert Configuration.decode(configuration.encode()) == configuration


@pytest.mark.parametrize(
    "payload", [b"\xc1", b"\xc1nonsense", b"\xc1\x92\xa1\xff\x90", Configuration.make("cluster", []).encode()]
)
def test_what_is_no_configuration_is_refused(payload: bytes) -> None:
    """Bytes that mean nothing or are no text; and without voters nobody could ever lead."""
    with pytest.raises(ValueError, match="configuration"):
        Configuration.decode(payload)


# --- handing over --------------------------------------------------------------------------------------------------


def test_whoever_has_everything_is_told_to_stand_at_once() -> None:
    server = an_established_leader(*ABC)
    server.step(TransferRequested("c"))
    assert sent(server) == [("c", TimeoutNow(2))]


def test_whoever_lacks_entries_gets_them_first_and_nothing_is_appended_meanwhile() -> None:
    server = an_established_leader(*ABC)
    server.step(Proposed([b"x"]))
    server.step(TransferRequested("c"))
    assert sent(server) == []
    assert server.step(Proposed([b"y"])) == [ProposalRefused()]
    assert "handing over" in change(server, RemoveMember("b")).refusal
    server.receives("c", matches(server))
    assert ("c", TimeoutNow(2)) in sent(server)


def test_the_best_voter_is_chosen_if_none_is_named() -> None:
    server = an_established_leader(*ABC, learners=["l"])
    server.step(Proposed([b"x"]))
    for follower in ("l", "c"):
        server.receives(follower, matches(server))
    server.step(TransferRequested(""))
    assert sent(server) == [("c", TimeoutNow(2))]


@pytest.mark.parametrize("target_id", ["l", "stranger", "a"])
def test_only_another_voter_can_take_over(target_id: str) -> None:
    server = an_established_leader(*ABC, learners=["l"])
    server.step(TransferRequested(target_id))
    assert server.effects == []
    assert ProposalRefused() not in server.step(Proposed([b"x"]))


def test_a_transfer_that_does_not_come_about_ends() -> None:
    server = an_established_leader(*ABC)
    server.step(TransferRequested("c"))
    for _ in range(7):
        server.receives("b", HeartbeatResponse(2, 1))
        server.step(Tick(), after_seconds=0.05)
    assert ProposalRefused() not in server.step(Proposed([b"x"]))


# --- reads ---------------------------------------------------------------------------------------------------------


def test_a_read_is_confirmed_by_a_round_begun_after_it() -> None:
    server = an_established_leader(*ABC)
    server.times_out()  # round 1
    server.step(ReadRequested([5]))
    assert sent(server) == [("b", Heartbeat(2, 2, 2)), ("c", Heartbeat(2, 2, 2))]
    server.receives("b", HeartbeatResponse(2, 1))
    assert ReadDecided(5, 2) not in server.effects, "an older round says nothing about now"
    server.receives("b", HeartbeatResponse(2, 2))
    assert ReadDecided(5, 2) in server.effects


def test_reads_before_the_no_op_is_committed_wait_and_share_one_round() -> None:
    """A new leader does not know what its predecessor has called committed."""
    server = a_leader(*ABC)
    server.step(ReadRequested([5, 6]))
    server.receives("c", ReadIndexRequest((9,)))
    assert sent(server) == []
    server.receives("b", matches(server))
    rounds = [message for to, message in sent(server) if isinstance(message, Heartbeat) and message.round and to == "b"]
    assert rounds == [Heartbeat(2, 2, 1)]
    server.receives("b", HeartbeatResponse(2, 1))
    assert [effect for effect in server.effects if isinstance(effect, ReadDecided)] == [
        ReadDecided(5, 2),
        ReadDecided(6, 2),
    ]
    assert ("c", ReadIndexResponse((9,), 2)) in sent(server)


def test_a_learner_confirms_nothing() -> None:
    server = an_established_leader(*ABC, learners=["l"])
    server.step(ReadRequested([5]))
    server.receives("l", HeartbeatResponse(2, 1))
    assert ReadDecided(5, 2) not in server.effects


def test_a_follower_asks_the_leader() -> None:
    server = a_follower("a", of="b", members=ABC)
    server.step(ReadRequested([5, 6]))
    assert sent(server) == [("b", ReadIndexRequest((5, 6)))], "one message and one round for many"
    assert server.step(Received("b", ReadIndexResponse((5, 6), 8))) == [ReadDecided(5, 8), ReadDecided(6, 8)]


def test_without_a_leader_a_read_cannot_be_confirmed() -> None:
    server = a_server(*ABC)
    assert server.step(ReadRequested([5])) == [ReadDecided(5, None)]
    assert server.receives("b", ReadIndexRequest((6,))) == [("b", ReadIndexResponse((6,), None))]


def test_a_leader_that_steps_down_says_so_to_all_who_wait() -> None:
    server = an_established_leader(*ABC)
    server.step(ReadRequested([5]))
    server.receives("c", ReadIndexRequest((9,)))
    server.receives("b", HeartbeatResponse(7, 0))
    assert ReadDecided(5, None) in server.effects
    assert ("c", ReadIndexResponse((9,), None)) in sent(server)


def test_a_lone_voter_needs_nobody() -> None:
    server = a_server("a")
    server.sync()
    assert server.step(ReadRequested([5])) == [ReadDecided(5, 2)]
