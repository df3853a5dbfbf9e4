"""The rules of Raft, event by event. Sections are those of the paper."""

from __future__ import annotations

import pytest

from nacos_core.raft.effects import AppendEntries, ApplyEntries, Effect, RefuseProposal, RoleChanged, SaveHardState
from nacos_core.raft.events import Applied, Event, HardStateSaved, LogSynced, Proposed, Started
from nacos_core.raft.machine import NO_OP, Machine
from nacos_core.raft.state import Role, State


def a_machine(**known: int) -> Machine:
    return Machine(State("a", ("a",), **known))  # type: ignore[arg-type]


def step(machine: Machine, *events: Event) -> list[Effect]:
    effects: list[Effect] = []
    for event in events:
        effects = machine.step(event, 0.0)
    return effects


def a_leader(**known: int) -> Machine:
    machine = a_machine(**known)
    step(machine, Started(), HardStateSaved(machine.state.current_term + 1, "a"))
    assert machine.state.role is Role.LEADER
    return machine


def test_a_start_raises_the_term_and_votes_for_itself() -> None:
    machine = a_machine(current_term=4)
    assert step(machine, Started()) == [RoleChanged(Role.CANDIDATE, 5, ""), SaveHardState(5, "a")]


def test_the_own_vote_counts_only_once_it_is_durable() -> None:
    machine = a_machine(current_term=4)
    step(machine, Started())
    assert machine.state.role is Role.CANDIDATE
    assert step(machine, HardStateSaved(4, "a")) == [], "of an earlier term"
    assert step(machine, HardStateSaved(5, "b")) == [], "for somebody else"
    assert step(machine, LogSynced(9)) == []
    assert machine.state.role is Role.CANDIDATE
    step(machine, HardStateSaved(5, "a"))
    assert machine.state.role is Role.LEADER


def test_a_leader_keeps_the_term_it_was_elected_in_and_begins_it_with_a_no_op() -> None:
    machine = a_machine(current_term=4, last_log_index=7, last_log_term=4)
    step(machine, Started())
    effects = step(machine, HardStateSaved(5, "a"))
    assert effects == [RoleChanged(Role.LEADER, 5, "a"), AppendEntries(8, 5, [NO_OP])]
    assert step(machine, HardStateSaved(5, "a")) == [], "an election is won once"


def test_entries_of_earlier_terms_are_committed_only_with_one_of_the_own_term() -> None:
    # Section 5.4.2: entry 7 is of term 4; that it is durable is not enough.
    machine = a_leader(current_term=4, last_log_index=7, last_log_term=4)
    assert step(machine, LogSynced(7)) == []
    assert machine.state.commit_index == 0
    assert step(machine, LogSynced(8)) == [ApplyEntries(8)]


def test_proposals_are_committed_by_counting_what_is_synced() -> None:
    machine = a_leader()
    assert step(machine, Proposed([b"x", b"y"])) == [AppendEntries(2, 1, [b"x", b"y"])]
    assert step(machine, LogSynced(2)) == [ApplyEntries(2)]
    assert step(machine, LogSynced(2)) == [], "nothing new"
    assert step(machine, LogSynced(1)) == [], "durability never goes back"
    assert step(machine, LogSynced(3)) == [ApplyEntries(3)]


def test_a_server_that_does_not_lead_refuses_proposals() -> None:
    machine = a_machine()
    assert step(machine, Proposed([b"x"])) == [RefuseProposal("")]
    step(machine, Started())
    assert step(machine, Proposed([b"x"])) == [RefuseProposal("")]
    assert machine.state.last_log_index == 0


def test_caught_up_means_that_the_no_op_is_applied() -> None:
    machine = a_leader(current_term=1, last_log_index=3, last_log_term=1)
    step(machine, LogSynced(4))
    assert not machine.is_caught_up
    step(machine, Applied(3))
    assert not machine.is_caught_up
    step(machine, Applied(4))
    assert machine.is_caught_up


def test_only_committed_entries_are_applied() -> None:
    machine = a_leader()
    with pytest.raises(AssertionError):
        step(machine, Applied(1))


def test_other_voters_are_refused() -> None:
    with pytest.raises(ValueError, match="only voter"):
        Machine(State("a", ("a", "b")))
