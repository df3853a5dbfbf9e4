"""Raft with one rule left out, again and again: the simulation has to find each of them.

Each is a patch of a method of ``raft/`` (or of how a node is set up) that exists only while a test runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from nacos_core.errors import NotReady
from nacos_core.raft import writes
from nacos_core.raft.confirmations import Confirmations
from nacos_core.raft.effects import Send
from nacos_core.raft.elections import Elections
from nacos_core.raft.following import Following
from nacos_core.raft.leading import Leading
from nacos_core.raft.messages import AppendEntries, AppendResponse
from nacos_core.raft.reads import Reads
from nacos_core.raft.replica import Replica
from nacos_core.raft.server import Server
from nacos_core.raft.sessions import Sessions, Verdict
from nacos_core.raft.state import State
from nacos_core.raft.writes import Writes
from nacos_core.simulation import Simulation
from nacos_core.simulation.clients import ClientProfile
from nacos_core.simulation.cluster import Cluster
from nacos_core.simulation.disks import Disk, DiskProfile
from nacos_core.simulation.faults import FaultProfile
from nacos_core.simulation.links import LinkProfile
from nacos_core.simulation.node import NodeProfile
from nacos_core.simulation.world import Profile

if TYPE_CHECKING:
    import pytest

    from nacos_core.simulation.node import Host

Patch = Callable[["pytest.MonkeyPatch"], None]

# --- worlds in which mistakes show soon -------------------------------------------------------------------------------


def storm(seed: int) -> Simulation:
    """Faults without a break, clients without a rest, links that lose and reorder."""
    profile = Profile(
        links=LinkProfile(0.0005, 0.01, loss=0.02, duplication=0.02, is_ordered=False),
        node=NodeProfile(disk=DiskProfile(0.0002, 0.01), snapshot_log_bytes=2048, trailing_entries_count=5),
        clients=ClientProfile(clients_count=6, pause_seconds=0.1),
        faults=FaultProfile(pause_seconds=0.3),
    )
    return Simulation(seed, seconds=12.0, profile=profile)


def changes(seed: int) -> Simulation:
    """Members come and go all the time, leaders too."""
    kinds = ("new node", "removed node", "lost disk", "transfer", "kill", "isolation", "one-way cut", "power cut")
    profile = Profile(
        links=LinkProfile(0.0005, 0.01, loss=0.02),
        node=NodeProfile(disk=DiskProfile(0.0002, 0.01)),
        faults=FaultProfile(pause_seconds=0.3, kinds=kinds),
    )
    return Simulation(seed, seconds=12.0, profile=profile)


def readers(seed: int) -> Simulation:
    """The same crowd, that mostly reads."""
    return crowd(seed, writes_share=0.2, snapshot_log_bytes=1 << 20)


def churn(seed: int) -> Simulation:
    """A change of members is nearly always under way, and leaders are cut off meanwhile."""
    kinds = ("new node", "removed node", "moved node", "isolation", "split", "transfer")
    profile = Profile(
        links=LinkProfile(0.02, 0.05),
        clients=ClientProfile(clients_count=2),
        faults=FaultProfile(pause_seconds=0.1, kinds=kinds),
    )
    return Simulation(seed, seconds=12.0, profile=profile)


def alone(seed: int) -> Simulation:
    """One node that loses power again and again."""
    profile = Profile(
        node=NodeProfile(disk=DiskProfile(0.0002, 0.02)),
        faults=FaultProfile(pause_seconds=0.1, kinds=("power cut", "failed sync")),
    )
    return Simulation(seed, nodes_count=1, seconds=12.0, profile=profile)


def quarrel(seed: int) -> Simulation:
    """Links so slow, and so different, that elections seldom end the first time."""
    profile = Profile(
        links=LinkProfile(0.001, 0.12, loss=0.1, duplication=0.05, is_ordered=False),
        node=NodeProfile(disk=DiskProfile(0.0002, 0.02), snapshot_log_bytes=1 << 20),
        clients=ClientProfile(clients_count=8, pause_seconds=0.05),
        faults=FaultProfile(
            pause_seconds=0.25, kinds=("isolation", "split", "one-way cut", "kill", "power cut", "transfer", "stall")
        ),
    )
    return Simulation(seed, seconds=12.0, profile=profile)


def crowd(seed: int, *, writes_share: float = 0.6, snapshot_log_bytes: int = 500) -> Simulation:
    """Many clients that do not wait, and leaders that are cut off, or stand still, without knowing it."""
    profile = Profile(
        links=LinkProfile(0.001, 0.02, loss=0.02, duplication=0.05, is_ordered=False),
        node=NodeProfile(
            disk=DiskProfile(0.0002, 0.005), snapshot_log_bytes=snapshot_log_bytes, trailing_entries_count=0
        ),
        clients=ClientProfile(clients_count=24, pause_seconds=0.02, writes_share=writes_share),
        faults=FaultProfile(
            pause_seconds=0.3, kinds=("isolation", "split", "one-way cut", "kill", "transfer", "stall")
        ),
    )
    return Simulation(seed, seconds=5.0, profile=profile)


def elections(seed: int) -> Simulation:
    """One election after the other: links go dead in one direction for a moment, all the time."""
    profile = Profile(
        links=LinkProfile(0.005, 0.03, is_ordered=False),
        clients=ClientProfile(clients_count=2),
        faults=FaultProfile(pause_seconds=0.05, lasting_seconds=0.6, kinds=("one-way cut", "isolation", "split")),
    )
    return Simulation(seed, seconds=12.0, profile=profile)


# --- patches ----------------------------------------------------------------------------------------------------------


def forget_the_vote_at_restart(patch: pytest.MonkeyPatch) -> None:
    """The term is kept, the vote is not."""
    original = Server.save_hard_state
    votes: dict[int, tuple[int, str]] = {}

    def forgetful(self: Server, term: int, voted_for: str) -> None:
        votes[id(self)] = (term, voted_for)
        if term > self.current_term:
            original(self, term, "")

    def is_vote_free(self: Elections, sender_id: str) -> bool:
        server = self._server
        term, voted_for = votes.get(id(server), (0, ""))
        return server.state.leader_id == "" and (term != server.current_term or voted_for in ("", sender_id))

    def begin(self: Server, **given: Any) -> None:
        votes.pop(id(self), None)
        begin_server(self, **given)

    begin_server = Server.__init__
    patch.setattr(Server, "__init__", begin)
    patch.setattr(Server, "save_hard_state", forgetful)
    patch.setattr(Elections, "_is_vote_free", is_vote_free)


def send_votes_before_they_are_durable(patch: pytest.MonkeyPatch) -> None:
    def hasty(self: Server, to: str, message: Any, after_ticket: int = 0) -> None:
        self.effects.append(Send(to, message, after_ticket))

    patch.setattr(Server, "send", hasty)


def vote_twice_in_a_term(patch: pytest.MonkeyPatch) -> None:
    original = Server.save_hard_state

    def forgetful(self: Server, term: int, voted_for: str) -> None:
        if term > self.current_term:  # the log itself refuses another vote
            original(self, term, voted_for)

    patch.setattr(Server, "save_hard_state", forgetful)
    patch.setattr(Elections, "_is_vote_free", lambda self, sender_id: True)


def vote_for_older_logs(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Server, "is_up_to_date", lambda self, last_log_index, last_log_term: True)


def count_the_own_vote_at_once(patch: pytest.MonkeyPatch) -> None:
    original = Elections._count

    def hasty(self: Elections, now: float) -> bool:
        self._server.state.votes_granted.add(self._server.state.node_id)
        return original(self, now)

    patch.setattr(Elections, "_count", hasty)


def raise_the_term_after_winning(patch: pytest.MonkeyPatch) -> None:
    original = Leading.__init__

    def raising(self: Leading, server: Server, now: float) -> None:
        server.save_hard_state(server.current_term + 1, server.state.node_id)
        original(self, server, now)

    patch.setattr(Leading, "__init__", raising)


def keep_the_vote_without_the_disk(patch: pytest.MonkeyPatch) -> None:
    def replace_disk(self: Cluster, host: Host) -> None:
        host.crash(is_power_cut=True)
        host.is_damaged = False
        host.disk = Disk(self.timeline.chance(f"new disk {host.node_id} {host.boot}"), host.profile.disk)
        self.lost_ids.discard(host.node_id)
        self.restart(host)

    patch.setattr(Cluster, "replace", replace_disk)


def skip_the_check_of_the_term_before(patch: pytest.MonkeyPatch) -> None:
    original = Following.entries_sent

    def trusting(self: Following, leader_id: str, message: AppendEntries) -> None:
        own_term = self._server.log.term_at(message.prev_log_index)
        if own_term is not None:
            message = msgspec.structs.replace(message, prev_log_term=own_term)
        original(self, leader_id, message)

    patch.setattr(Following, "entries_sent", trusting)


def cut_behind_an_old_message(patch: pytest.MonkeyPatch) -> None:
    """The log cuts only where an entry differs, so one of the leader's term takes the place of what is cut."""
    original = Following.entries_sent

    def cutting(self: Following, leader_id: str, message: AppendEntries) -> None:
        original(self, leader_id, message)
        log, index = self._server.log, message.last_index
        term = log.term_at(index)
        if self._server.state.commit_index <= index < log.last_index and term is not None:
            log.try_append(index, term, [(message.term, b"")])

    patch.setattr(Following, "entries_sent", cutting)


def acknowledge_before_the_sync(patch: pytest.MonkeyPatch) -> None:
    def hasty(self: Following, leader_id: str, message: AppendEntries, last_index: int) -> None:
        server = self._server
        server.send(leader_id, AppendResponse(server.current_term, True, message.prev_log_index, last_index))

    patch.setattr(Following, "_answer", hasty)


def count_the_own_log_before_the_sync(patch: pytest.MonkeyPatch) -> None:
    original = Leading._majority_match_index

    def hasty(self: Leading) -> int:
        self._synced_index = self._server.log.last_index
        return original(self)

    patch.setattr(Leading, "_majority_match_index", hasty)


def commit_older_terms_by_counting(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Leading, "_is_of_own_term", lambda self, index: True)


def commit_what_one_has_less(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Server, "majority", lambda self: max(1, len(self.voters) // 2))


def heartbeats_with_every_commit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Leading, "_known_commit_index", lambda self, progress: self._server.state.commit_index)


def apply_beyond_the_commit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Replica, "commit_index", property(lambda self: self._log.last_index))


def count_learners(patch: pytest.MonkeyPatch) -> None:
    original = Server._name_members

    def generous(self: Server) -> None:
        original(self)
        if self.state.configuration is not None:
            self.voters = self.state.configuration.node_ids

    patch.setattr(Server, "_name_members", generous)


def change_members_at_any_time(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Leading, "_why_no_change", lambda self: "")


def members_count_once_committed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        State, "configuration", property(lambda self: self.configurations[0][1] if self.configurations else None)
    )


def members_stay_when_they_are_cut(patch: pytest.MonkeyPatch) -> None:
    original = Server.take_configurations

    def stubborn(self: Server, first_index: int) -> None:
        before = [known for known in self.state.configurations if known[0] >= first_index]
        original(self, first_index)
        if before and self.state.configuration_index < before[-1][0] and not self.state.is_installing:
            self.state.configurations.append(before[-1])
            self.configuration_changed()

    patch.setattr(Server, "take_configurations", stubborn)


def read_before_the_no_op(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Reads, "_may_begin", lambda self: True)


def read_with_an_earlier_round(patch: pytest.MonkeyPatch) -> None:
    original = Reads.committed

    def lazy(self: Reads) -> None:
        leading = self._leading
        begin_round = leading.begin_round
        leading.begin_round = lambda: leading._round  # type: ignore[method-assign]
        try:
            original(self)
        finally:
            leading.begin_round = begin_round  # type: ignore[method-assign]

    patch.setattr(Reads, "committed", lazy)


def read_without_asking_anybody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Leading, "confirms", lambda self, round_number: True)


def read_before_it_is_applied(patch: pytest.MonkeyPatch) -> None:
    original = Confirmations.applied

    def hasty(self: Confirmations, index: int) -> None:
        original(self, 2**62)

    patch.setattr(Confirmations, "applied", hasty)


def sessions_missing_in_snapshots(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Sessions, "to_data", lambda self: {})


def sessions_of_earlier_boots(patch: pytest.MonkeyPatch) -> None:
    original = Sessions.begin
    patch.setattr(Sessions, "begin", lambda self, request: original(self, request._replace(boot=1)))


def apply_what_was_applied(patch: pytest.MonkeyPatch) -> None:
    original = Sessions.begin

    def forgetful(self: Sessions, request: Any) -> Verdict:
        original(self, request)
        return Verdict.APPLY

    patch.setattr(Sessions, "begin", forgetful)


def forget_open_writes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Writes, "oldest_open", property(lambda self: self._next_sequence))


def deny_what_may_have_happened(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(writes, "_gave_up", lambda write, reason: NotReady(reason))


# --- the list ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mutant:
    """A patch, where its mistake shows, and which rules may be the ones that find it."""

    patch: Patch
    world: Callable[[int], Simulation]
    rules: tuple[str, ...]
    seeds_count: int = 10
    """Within so many seeds."""

    @property
    def name(self) -> str:
        return self.patch.__name__


MUTANTS = [
    # Elections
    Mutant(forget_the_vote_at_restart, quarrel, ("Durable Vote", "One Vote a Term")),
    Mutant(send_votes_before_they_are_durable, storm, ("Durable Term", "Durable Vote", "One Vote a Term")),
    Mutant(vote_twice_in_a_term, quarrel, ("One Vote a Term", "Durable Vote")),
    Mutant(vote_for_older_logs, quarrel, ("Leader Completeness",)),
    Mutant(count_the_own_vote_at_once, alone, ("Election Safety",)),
    Mutant(raise_the_term_after_winning, elections, ("Elected by a Majority",), seeds_count=3),
    Mutant(keep_the_vote_without_the_disk, storm, ("Durable Term", "Durable Vote", "Durable Entries")),
    # Entries and commits
    Mutant(skip_the_check_of_the_term_before, quarrel, ("Log Matching", "State Machine Safety"), seeds_count=20),
    Mutant(cut_behind_an_old_message, quarrel, ("Log Matching", "Committed Is Durable"), seeds_count=20),
    Mutant(acknowledge_before_the_sync, storm, ("Committed Is Durable",), seeds_count=3),
    Mutant(count_the_own_log_before_the_sync, quarrel, ("Committed Is Durable",)),
    Mutant(commit_older_terms_by_counting, quarrel, ("Own Term by Counting",)),
    Mutant(commit_what_one_has_less, storm, ("Elected by a Majority", "Committed Is Durable"), seeds_count=3),
    Mutant(heartbeats_with_every_commit, quarrel, ("State Machine Safety",)),
    Mutant(apply_beyond_the_commit, storm, ("Applied Is Committed",), seeds_count=3),
    # Members
    Mutant(count_learners, storm, ("Elected by a Majority", "Committed Is Durable")),
    Mutant(change_members_at_any_time, churn, ("No Change Before the No-op", "One Change at a Time"), seeds_count=3),
    Mutant(members_count_once_committed, churn, ("Newest Configuration Counts",), seeds_count=3),
    Mutant(members_stay_when_they_are_cut, churn, ("Newest Configuration Counts",)),
    # Reads
    Mutant(read_before_the_no_op, readers, ("Linearizability",), seeds_count=20),
    Mutant(read_with_an_earlier_round, readers, ("Linearizability",), seeds_count=20),
    Mutant(read_without_asking_anybody, storm, ("Linearizability",), seeds_count=30),
    Mutant(read_before_it_is_applied, crowd, ("Linearizability",)),
    # Requests
    Mutant(sessions_missing_in_snapshots, crowd, ("State Machine Safety", "Applied Once")),
    Mutant(sessions_of_earlier_boots, crowd, ("Applied Once", "State Machine Safety", "Heals")),
    Mutant(apply_what_was_applied, crowd, ("Applied Once",)),
    Mutant(forget_open_writes, elections, ("Heals",), seeds_count=3),
    Mutant(deny_what_may_have_happened, quarrel, ("Honest Refusals",)),
]
