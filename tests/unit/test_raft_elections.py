"""Who leads, event by event (section 5.2 of the paper; the thesis, sections 3.10, 4.2.3, 6.2 and 9.6)."""

from __future__ import annotations

import pytest

from nacos_core.raft.effects import Send
from nacos_core.raft.events import Bootstrapped, LogSynced, Received, Tick
from nacos_core.raft.messages import (
    AppendEntries,
    Heartbeat,
    HeartbeatResponse,
    NotMember,
    RequestVote,
    TimeoutNow,
    VoteResponse,
)
from nacos_core.raft.state import Role
from support.raft_cluster import members
from support.raft_machine import Server, a_follower, a_leader, a_server

PRE_VOTE = RequestVote(2, 1, 1, is_pre_vote=True)
VOTE = RequestVote(2, 1, 1)


def candidate() -> Server:
    server = a_server("a", "b", "c")
    server.times_out()
    server.receives("b", VoteResponse(2, True, True), is_synced=False)
    assert server.state.role is Role.CANDIDATE
    return server


def test_a_timeout_is_drawn_anew_between_the_shortest_and_the_longest() -> None:
    server = a_server("a", "b", "c")
    assert server.machine.deadline == pytest.approx(server.now + 0.150)
    server.chance = 1.0
    server.times_out()
    assert server.machine.deadline == pytest.approx(server.now + 0.300)


def test_nothing_happens_before_the_timeout() -> None:
    server = a_server("a", "b", "c")
    assert server.step(Tick(), after_seconds=0.149) == []


def test_a_pre_vote_comes_first_and_changes_no_term() -> None:
    server = a_server("a", "b", "c")
    assert server.times_out() == [("b", PRE_VOTE), ("c", PRE_VOTE)]
    assert (server.state.role, server.machine.current_term) == (Role.PRE_CANDIDATE, 1)


def test_whoever_would_win_raises_the_term_and_votes_for_itself() -> None:
    server = a_server("a", "b", "c")
    server.times_out()
    assert server.receives("b", VoteResponse(2, True, True)) == [("b", VOTE), ("c", VOTE)]
    assert (server.machine.current_term, server.log.vote) == (2, "a")


def test_the_own_vote_counts_once_it_is_durable() -> None:
    server = candidate()
    server.receives("b", VoteResponse(2, True), is_synced=False)
    assert server.state.role is Role.CANDIDATE
    server.step(LogSynced(1, server.state.hard_state_ticket - 1))
    assert server.state.role is Role.CANDIDATE, "an older operation is durable, the vote is not"
    server.step(LogSynced(1, server.state.hard_state_ticket))
    assert server.state.role is Role.LEADER


def test_no_message_leaves_before_the_term_it_speaks_of_is_durable() -> None:
    server = a_server("a", "b", "c")
    server.times_out()
    effects = server.step(Received("b", VoteResponse(2, True, True)))
    assert {effect.after_ticket for effect in effects if isinstance(effect, Send)} == {server.log.ticket}


def test_a_leader_keeps_the_term_it_was_elected_in() -> None:
    """Against the seed, which raises it once more: another candidate could win that term (election safety)."""
    server = candidate()
    server.sync()
    server.receives("b", VoteResponse(2, True))
    assert (server.state.role, server.machine.current_term) == (Role.LEADER, 2)


def test_votes_are_counted_once_for_each_voter_and_not_for_others() -> None:
    server = a_server("a", "b", "c", "d", "e", learners=["l"])
    server.times_out()
    for sender in ("b", "b", "l", "stranger"):
        server.receives(sender, VoteResponse(2, True, True))
    assert server.state.role is Role.PRE_CANDIDATE


@pytest.mark.parametrize("answer", [VoteResponse(1, True), VoteResponse(2, True, True), VoteResponse(2, False)])
def test_other_answers_are_no_votes(answer: VoteResponse) -> None:
    server = candidate()
    server.sync()
    server.receives("b", answer)
    assert server.state.role is Role.CANDIDATE


def test_a_first_member_that_comes_late_votes_though_it_has_heard_of_a_newer_term() -> None:
    """The leader's heartbeat came before it had the first configuration, and nothing else: its vote may be needed."""
    server = a_server("a", "b", "c", node_id="c", is_empty=True)
    server.receives("a", Heartbeat(2, 0, 1))
    server.step(Bootstrapped(members("a", "b", "c")))
    server.sync()
    assert (server.machine.current_term, server.log.last_index) == (2, 1)
    server.now += 1.0
    assert server.receives("b", RequestVote(3, 1, 1)) == [("b", VoteResponse(3, True))]


def test_a_promise_for_an_older_term_is_none_for_this_one() -> None:
    server = a_server("a", "b", "c")
    server.times_out()
    server.receives("c", Heartbeat(2, 0, 1))
    assert ("b", RequestVote(3, 1, 1, is_pre_vote=True)) in server.times_out()
    server.receives("b", VoteResponse(2, True, True))
    assert server.state.role is Role.PRE_CANDIDATE
    server.receives("b", VoteResponse(3, True, True))
    assert server.state.role is Role.CANDIDATE


def test_a_majority_of_refusals_ends_the_election() -> None:
    server = candidate()
    server.receives("b", VoteResponse(2, False))
    server.receives("c", VoteResponse(2, False))
    assert server.state.role is Role.FOLLOWER


def test_one_vote_a_term() -> None:
    server = a_server("a", "b", "c")
    assert server.receives("b", VOTE) == [("b", VoteResponse(2, True))]
    assert server.receives("c", VOTE) == [("c", VoteResponse(2, False))]
    assert server.receives("b", VOTE) == [("b", VoteResponse(2, True))], "the same answer to whoever asks again"
    assert server.log.vote == "b"


def test_a_vote_puts_the_own_election_off_and_a_refusal_does_not() -> None:
    server = a_server("a", "b", "c")
    deadline = server.machine.deadline
    server.now += 0.1
    server.receives("b", RequestVote(2, 0, 0))
    assert server.machine.deadline == deadline
    server.receives("c", VOTE)
    assert server.machine.deadline == pytest.approx(server.now + 0.150)


@pytest.mark.parametrize(
    ("last_index", "last_term", "is_granted"),
    [(3, 2, True), (4, 2, True), (1, 3, True), (2, 2, False), (9, 1, False)],
)
@pytest.mark.parametrize("is_pre_vote", [False, True])
def test_only_a_log_that_is_up_to_date_gets_a_vote(
    last_index: int, last_term: int, is_granted: bool, is_pre_vote: bool
) -> None:
    """Section 5.4.1: the later last term wins, then the longer log."""
    server = a_server("a", "b", "c", terms=[1, 2, 2])
    request = RequestVote(5, last_index, last_term, is_pre_vote)
    term = 2 if is_pre_vote and not is_granted else 5
    assert server.receives("b", request) == [("b", VoteResponse(term, is_granted, is_pre_vote))]


def test_a_request_of_an_older_term_is_answered_with_the_newer_one() -> None:
    server = a_server("a", "b", "c", terms=[1, 4])
    assert server.receives("b", RequestVote(3, 9, 3)) == [("b", VoteResponse(4, False))]


def test_a_pre_vote_binds_nobody() -> None:
    server = a_server("a", "b", "c")
    deadline = server.machine.deadline
    server.now += 0.01
    for sender in ("b", "c"):
        assert server.receives(sender, PRE_VOTE) == [(sender, VoteResponse(2, True, True))]
    assert (server.machine.current_term, server.log.vote, server.machine.deadline) == (1, "", deadline)


@pytest.mark.parametrize("is_pre_vote", [False, True])
def test_a_follower_that_hears_its_leader_refuses_and_stays_in_its_term(is_pre_vote: bool) -> None:
    """The lease, for pre-vote and vote alike (the thesis, section 4.2.3)."""
    server = a_follower("a", of="b", members=("a", "b", "c"))
    request = RequestVote(9, 9, 9, is_pre_vote)
    server.now += 0.149
    assert server.receives("c", request) == [("c", VoteResponse(2, False, is_pre_vote))]
    assert (server.machine.current_term, server.state.leader_id) == (2, "b")
    server.now += 0.002
    assert server.receives("c", request) == [("c", VoteResponse(9, True, is_pre_vote))], "the lease has ended"


@pytest.mark.parametrize("is_pre_vote", [False, True])
def test_a_leader_helps_nobody_to_depose_it(is_pre_vote: bool) -> None:
    server = a_leader("a", "b", "c")
    assert server.receives("c", RequestVote(9, 9, 9, is_pre_vote)) == [("c", VoteResponse(2, False, is_pre_vote))]
    assert server.state.role is Role.LEADER


def test_the_vote_of_a_transfer_passes_the_lease() -> None:
    """Section 3.10 of the thesis: the leader itself wants it."""
    request = RequestVote(3, 9, 2, is_transfer=True)
    follower = a_follower("a", of="b", members=("a", "b", "c"))
    assert follower.receives("c", request) == [("c", VoteResponse(3, True))]
    leader = a_leader("a", "b", "c")
    assert leader.receives("c", request) == [("c", VoteResponse(3, True))]
    assert leader.state.role is Role.FOLLOWER


def test_whoever_is_told_to_stands_at_once_without_a_pre_vote() -> None:
    server = a_follower("a", of="b", members=("a", "b", "c"))
    request = RequestVote(3, 1, 1, is_transfer=True)
    assert server.receives("b", TimeoutNow(2)) == [("b", request), ("c", request)]
    assert server.receives("b", TimeoutNow(2)) == [], "an old one means nothing"


@pytest.mark.parametrize("message", [Heartbeat(2, 0, 1), AppendEntries(2, 1, 1, 1, 0, b"")])
def test_a_candidate_follows_a_leader_of_its_own_term(message: Heartbeat | AppendEntries) -> None:
    server = candidate()
    server.receives("c", message)
    assert (server.state.role, server.state.leader_id) == (Role.FOLLOWER, "c")


def test_a_leader_of_an_older_term_is_answered_with_the_newer_one() -> None:
    """Else a server with a higher term would never hear a leader again, nor win against the lease of the others."""
    server = a_server("a", "b", "c", terms=[1, 4])
    assert server.receives("b", Heartbeat(3, 1, 7)) == [("b", HeartbeatResponse(4, 0))]
    ((_, answer),) = server.receives("b", AppendEntries(3, 1, 1, 1, 1, b""))
    assert answer.term == 4  # type: ignore[union-attr]
    assert server.state.leader_id == ""


def test_a_leader_that_hears_of_a_higher_term_steps_down() -> None:
    server = a_leader("a", "b", "c")
    server.receives("b", HeartbeatResponse(7, 0))
    assert (server.state.role, server.machine.current_term, server.log.vote) == (Role.FOLLOWER, 7, "")


def test_a_leader_that_no_majority_answers_steps_down() -> None:
    """Check-quorum (the thesis, section 6.2)."""
    server = a_leader("a", "b", "c")
    began = server.now
    while server.state.role is Role.LEADER:
        server.step(Tick(), after_seconds=0.05)
        assert server.now < began + 1
    assert server.now - began == pytest.approx(0.3, abs=0.051)


def test_a_leader_that_a_majority_answers_stays() -> None:
    server = a_leader("a", "b", "c")
    for _ in range(30):
        server.receives("b", HeartbeatResponse(2, 1))
        server.step(Tick(), after_seconds=0.05)
    assert server.state.role is Role.LEADER


def test_a_second_leader_of_the_same_term_is_refused_before_anything_changes() -> None:
    server = a_leader("a", "b", "c")
    with pytest.raises(ValueError, match="which this server leads"):
        server.receives("b", Heartbeat(2, 1, 1))
    assert (server.state.role, server.state.leader_id) == (Role.LEADER, "a")


@pytest.mark.parametrize(
    "request_", [RequestVote(9, 9, 9), RequestVote(9, 9, 9, True), RequestVote(9, 9, 9, False, True)]
)
def test_an_empty_data_folder_never_votes(request_: RequestVote) -> None:
    """It may have been a voter that has lost its vote."""
    server = a_server("a", is_empty=True)
    ((_, answer),) = server.receives("b", request_)
    assert answer == VoteResponse(0, False, request_.is_pre_vote)
    assert (server.machine.current_term, server.log.vote) == (0, "")


def test_a_learner_never_stands_but_grants_votes() -> None:
    """It may be a voter by a configuration that it has not received yet (the thesis, section 4.2.2)."""
    server = a_server("a", "b", learners=["l"], node_id="l")
    assert server.machine.deadline == float("inf")
    assert server.receives("b", VOTE) == [("b", VoteResponse(2, True))]


def test_a_process_that_was_halted_looks_into_its_sockets_before_it_stands() -> None:
    server = a_server("a", "b", "c")
    server.now += 5
    assert server.step(Tick()) == []
    assert server.state.role is Role.FOLLOWER
    server.step(Tick(), after_seconds=0.05)
    assert server.state.role is Role.PRE_CANDIDATE


def test_a_lone_voter_leads_at_once() -> None:
    server = a_server("a")
    assert server.state.role is Role.LEADER


def test_whoever_is_told_that_it_is_no_member_stops_asking_for_votes() -> None:
    server = a_server("a", "b", "c")
    server.times_out()
    server.receives("b", NotMember(1, 5))
    server.receives("c", VoteResponse(2, True, True))
    assert (server.state.role, server.machine.current_term, server.machine.deadline) == (Role.FOLLOWER, 1, float("inf"))
    assert server.state.is_removed


def test_an_old_configuration_removes_nobody() -> None:
    server = a_server("a", "b", "c")
    server.receives("b", NotMember(1, 1))
    assert not server.state.is_removed
