"""What must never happen, looked at after every step. Cheap: only what has changed since the last look is looked at.

Names are those of figure 3 of the paper; those that end in ``Inv`` are of etcd's TLA+ specification of Raft
(etcd-io/raft, tla/etcdraft.tla).
"""

from dataclasses import dataclass, field
from typing import Final

from nacos_core.raft.configuration import CONFIGURATION_BYTE, Configuration
from nacos_core.raft.messages import (
    AppendResponse,
    Heartbeat,
    HeartbeatResponse,
    ReplicaMessage,
    RequestVote,
    VoteResponse,
)
from nacos_core.simulation.subjects import Process

SLICE_BYTES: Final = 1 << 20


class Violation(Exception):
    """Something happened that must never happen."""

    def __init__(self, rule: str, what: str) -> None:
        super().__init__(f"{rule}: {what}")
        self.rule = rule


@dataclass(slots=True)
class Watched:
    """What is known of one node, by its id: this outlives its processes."""

    # What it has promised to others, so that no restart may take it back.
    promised_term: int = 0
    promised_votes: dict[int, str] = field(default_factory=dict)
    durable_index: int = 0
    """The log's entries up to there were durable when its last process ended."""

    # Its log as it was after the last step.
    base_index: int = 0
    terms: dict[int, int] = field(default_factory=dict)
    """Of each entry behind ``base_index``."""
    last_index: int = 0
    last_term: int = 0
    configurations: list[tuple[int, Configuration]] = field(default_factory=list)

    # Its process after the last step.
    process: Process | None = None
    leading: object = None
    leads_in_term: int = 0
    commit_index: int = 0
    last_applied: int = 0

    def holds(self, index: int, term: int) -> bool:
        """Whether its log has that entry, or a snapshot that stands for it."""
        return index <= self.base_index or self.terms.get(index) == term


class Invariants:
    """One for a cluster. Everything it says is a bug, in what is simulated or in the simulation."""

    def __init__(self) -> None:
        self.elections_count = 0
        self.committed_terms: list[int] = [0]
        """Of each entry that a leader has committed, by index."""
        self.position = 0
        """Operations that were applied anywhere."""
        self._nodes: dict[str, Watched] = {}
        self._leaders: dict[int, tuple[str, int]] = {}
        self._entries: dict[tuple[int, int], tuple[int, bytes]] = {}
        """By index and term: the term of the entry before, and the payload."""
        self._digests: list[int] = [0]
        self._numbers: set[int] = set()
        self._refused: set[int] = set()

    # --- where steps are looked at ----------------------------------------------------------------------------------

    def started(self, process: Process) -> None:
        """Looks at what came back from the disk."""
        node = self._nodes.setdefault(process.node_id, Watched())
        self._check_promises_kept(node, process)
        self._read_log_anew(node, process)
        node.process, node.leading = process, None
        node.commit_index = process.replica.machine.state.commit_index
        node.last_applied = process.replica.last_applied
        self._check_committed(node, process, 0, [], False)

    def stopped(self, process: Process) -> None:
        """Remembers what was durable."""
        node = self._nodes[process.node_id]
        node.durable_index = process.log.synced_index
        node.process = None

    def stepped(self, process: Process) -> None:
        """Looks at one node after one step of it."""
        node = self._nodes[process.node_id]
        replica, log = process.replica, process.log
        configurations = node.configurations
        was_leading = node.leading is not None
        if log.last_index != node.last_index or log.last_term != node.last_term:
            configurations = list(configurations)
            self._log_changed(node, process)
        leading = replica.machine.leading
        if leading is not node.leading:
            node.leading = leading
            if leading is not None:
                self._check_elected(node, process)
        commit_index = replica.machine.state.commit_index
        if commit_index != node.commit_index:
            before, node.commit_index = node.commit_index, commit_index
            self._check_committed(node, process, before, configurations, was_leading or leading is not None)
        if replica.last_applied != node.last_applied:
            self._check_applied(node, process)

    def sending(self, process: Process, to: str, message: ReplicaMessage) -> None:
        """Keeps what the message promises; whoever says a term has it on its disk."""
        node = self._nodes[process.node_id]
        match message:
            case VoteResponse(term, is_granted, is_pre_vote):
                if is_pre_vote:
                    return
                if is_granted:
                    self._check_vote(node, process.node_id, term, to)
            case RequestVote(term, _, _, is_pre_vote):
                if is_pre_vote:
                    return
                self._check_vote(node, process.node_id, term, process.node_id)
            case AppendResponse(term) | Heartbeat(term) | HeartbeatResponse(term):
                pass
            case _:
                return
        if term > node.promised_term:
            node.promised_term = term

    def applied(self, process: Process, position: int, digest: int, number: int) -> None:
        """State Machine Safety (5.4.3): all apply the same operations in the same order, and each of them once."""
        if position < len(self._digests):
            if self._digests[position] != digest:
                raise Violation(
                    "State Machine Safety", f"{process.node_id} has applied another operation as number {position}"
                )
            return
        if number == 0:
            raise Violation("State Machine Safety", f"{process.node_id} restored a state that nobody had")
        if number in self._numbers:
            raise Violation("Applied Once", f"{process.node_id} applied operation {number} for a second time")
        if number in self._refused:
            raise Violation("Honest Refusals", f"operation {number} was refused, and {process.node_id} applied it")
        self._numbers.add(number)
        self._digests.append(digest)
        self.position = position

    def refused(self, number: int) -> None:
        """A client was told that its operation has not happened, so it never does."""
        self._refused.add(number)
        if number in self._numbers:
            raise Violation("Honest Refusals", f"operation {number} was refused, but it was applied")

    def committed_payload(self, index: int) -> bytes:
        """What stands in an entry that was committed; empty: nothing but its term."""
        return self._entries.get((index, self.committed_terms[index]), (0, b""))[1]

    def configurations_in_force(self, node_ids: list[str]) -> list[Configuration]:
        """By what these nodes go, each only once."""
        in_force = (self._nodes[node_id].configurations for node_id in node_ids if node_id in self._nodes)
        return list(dict.fromkeys(configurations[-1][1] for configurations in in_force if configurations))

    # --- rules -----------------------------------------------------------------------------------------------------

    def _check_elected(self, node: Watched, process: Process) -> None:
        """Election Safety (5.2; MoreThanOneLeaderInv, ElectionSafetyInv): one leader a term, for ever."""
        self.elections_count += 1
        term = process.replica.machine.current_term
        leader = (process.node_id, process.host.boot)
        other = self._leaders.setdefault(term, leader)
        if other != leader:
            raise Violation("Election Safety", f"{process.node_id} leads in term {term}, and so did {other[0]}")
        node.leads_in_term = term
        self._check_votes(node, process.node_id, term)
        self._check_completeness(node, process.node_id)

    def _check_votes(self, node: Watched, node_id: str, term: int) -> None:
        """A leader has the votes of a majority in the very term that it leads (5.2); its own needs no message."""
        voters = node.configurations[-1][1].voters if node.configurations else ()
        granted = [
            voter
            for voter in voters
            if (voter == node_id and len(voters) == 1)
            or (voter in self._nodes and self._nodes[voter].promised_votes.get(term) == node_id)
        ]
        if len(granted) <= len(voters) // 2:
            raise Violation(
                "Elected by a Majority",
                f"{node_id} leads in term {term} with the votes of {', '.join(granted) or 'nobody'}",
            )

    def _check_completeness(self, node: Watched, node_id: str) -> None:
        """Leader Completeness (5.4; LeaderCompletenessInv): a leader has every committed entry of earlier terms.

        One look at the newest is enough: by Log Matching all before it are the same too.
        """
        index = len(self.committed_terms) - 1
        while self.committed_terms[index] >= node.leads_in_term:
            index -= 1  # committed by a leader that came after it
        if not node.holds(index, self.committed_terms[index]):
            raise Violation(
                "Leader Completeness",
                f"{node_id} leads in term {node.leads_in_term} without entry {index} of term "
                f"{self.committed_terms[index]}, which is committed",
            )

    def _check_vote(self, node: Watched, node_id: str, term: int, candidate_id: str) -> None:
        """One vote a term, whatever happens in between (5.2; figure 2: votedFor is persistent)."""
        other = node.promised_votes.setdefault(term, candidate_id)
        if other != candidate_id:
            raise Violation("One Vote a Term", f"{node_id} votes for {candidate_id} and {other} in term {term}")

    def _check_promises_kept(self, node: Watched, process: Process) -> None:
        """What was durable comes back after a crash (figure 2: persistent state; CommittedIsDurableInv)."""
        log = process.log
        if log.term < node.promised_term:
            raise Violation("Durable Term", f"{process.node_id} is back in term {log.term} < {node.promised_term}")
        vote = node.promised_votes.get(log.term, "")
        if vote and log.vote != vote:
            raise Violation(
                "Durable Vote", f"{process.node_id} has forgotten its vote for {vote} in term {log.term}: {log.vote!r}"
            )
        if log.last_index < node.durable_index:
            raise Violation(
                "Durable Entries", f"{process.node_id} is back with {log.last_index} entries of {node.durable_index}"
            )
        for index in range(max(log.first_index, node.base_index + 1), node.durable_index + 1):
            if log.term_at(index) != node.terms.get(index):
                raise Violation("Durable Entries", f"{process.node_id} is back with another entry {index}")

    def _read_log_anew(self, node: Watched, process: Process) -> None:
        log = process.log
        node.base_index, node.terms = log.first_index - 1, {}
        node.last_index, node.last_term = log.last_index, log.last_term
        applied = process.replica.applied_configuration
        node.configurations = [applied] if applied is not None else []
        self._take_entries(node, process, log.first_index)

    def _log_changed(self, node: Watched, process: Process) -> None:
        """Leader Append-Only (5.3), and that nobody cuts what it knows to be committed (5.4.3; LogInv)."""
        log, terms = process.log, node.terms
        floor = log.first_index - 1
        index = min(log.last_index, node.last_index)
        while index > floor and terms.get(index) != log.term_at(index):
            index -= 1
        kept = max(index, floor)
        if kept < node.last_index:
            if node.leading is not None and node.leading is process.replica.machine.leading:
                raise Violation("Leader Append-Only", f"{process.node_id} leads and cuts its log behind entry {kept}")
            if kept < node.commit_index:
                raise Violation("Committed Entries Stay", f"{process.node_id} cuts its log behind entry {kept}")
            for gone in range(kept + 1, node.last_index + 1):
                terms.pop(gone, None)
            node.durable_index = min(node.durable_index, kept)
        if floor > node.base_index:
            for gone in range(node.base_index + 1, min(floor, node.last_index) + 1):
                terms.pop(gone, None)
            node.base_index = floor
        node.last_index, node.last_term = log.last_index, log.last_term
        node.configurations = [known for known in node.configurations if known[0] <= kept]
        replica = process.replica
        if replica.applied_configuration is not None:
            # It may have come with a snapshot, in place of what stood in the log.
            later = [known for known in node.configurations if known[0] > replica.last_applied]
            node.configurations = [replica.applied_configuration, *later]
        self._take_entries(node, process, kept + 1)
        self._check_configuration(node, process)

    def _take_entries(self, node: Watched, process: Process, first_index: int) -> None:
        """Log Matching (5.3; LogMatchingInv): an index and a term name one entry, and everything before it."""
        node_id, log, index = process.node_id, process.log, first_index
        before = node.terms.get(index - 1) if index - 1 > node.base_index else log.term_at(index - 1)
        while index <= node.last_index:
            for at, term, payload in log.slice(index, node.last_index, SLICE_BYTES):
                known = self._entries.get((at, term))
                if known is None:
                    self._entries[(at, term)] = (before or 0, payload)
                    self._check_change(node, process, at, term, payload)
                elif known[1] != payload:
                    raise Violation("Log Matching", f"{node_id} has another entry {at} of term {term}")
                elif before is not None and known[0] != before:
                    raise Violation("Log Matching", f"{node_id} has entry {at} of term {term} behind one of {before}")
                if before is not None and term < before:
                    raise Violation("Log Matching", f"{node_id} has entry {at} of term {term} behind one of {before}")
                node.terms[at] = before = term
                newest_index = node.configurations[-1][0] if node.configurations else 0
                if payload and payload[0] == CONFIGURATION_BYTE and at > newest_index:
                    node.configurations.append((at, Configuration.decode(payload)))
                index = at + 1

    def _check_change(self, node: Watched, process: Process, index: int, term: int, payload: bytes) -> None:
        """One voter changes at a time (the thesis, section 4.1), after an entry of the own term is committed
        (D. Ongaro, raft-dev, July 2015); looked at when the leader appends it."""
        if index == 1 or payload[:1] != bytes((CONFIGURATION_BYTE,)) or not node.configurations:
            return
        node_id, commit_index = process.node_id, process.replica.machine.state.commit_index
        before_index, before = node.configurations[-1]
        if before_index > commit_index:
            raise Violation("One Change at a Time", f"{node_id} appends {index} before {before_index} is committed")
        if process.log.term_at(commit_index) != term:
            raise Violation("No Change Before the No-op", f"{node_id} appends {index} before it has committed anything")
        if len(set(before.voters) ^ set(Configuration.decode(payload).voters)) > 1:
            raise Violation("One Change at a Time", f"{node_id} moves more than one vote with entry {index}")

    def _check_configuration(self, node: Watched, process: Process) -> None:
        """A configuration counts from the moment it stands in the log (the thesis, section 4.1)."""
        in_force = process.replica.machine.state.configuration
        if node.configurations and in_force != node.configurations[-1][1]:
            raise Violation("Newest Configuration Counts", f"{process.node_id} goes by another one than its log's last")

    def _check_committed(
        self,
        node: Watched,
        process: Process,
        before: int,
        configurations_before: list[tuple[int, Configuration]],
        may_be_first: bool,
    ) -> None:
        """All commit the same entries (5.4.3; LogInv), nobody takes it back, and a leader is the first to know."""
        after, node_id = node.commit_index, process.node_id
        if after < before:
            raise Violation("Monotonic Commit", f"{node_id} goes back from {before} to {after}")
        committed = self.committed_terms
        for index in range(max(before, node.base_index) + 1, min(after + 1, len(committed))):
            if node.terms.get(index) != committed[index]:
                raise Violation(
                    "State Machine Safety",
                    f"{node_id} commits entry {index} of term {node.terms.get(index)}, another one is of term "
                    f"{committed[index]}",
                )
        if after < len(committed):
            return
        if not may_be_first:
            raise Violation("State Machine Safety", f"{node_id} commits entry {after}, which no leader has committed")
        if node.leading is not None and node.terms.get(after) != node.leads_in_term:
            raise Violation(
                "Own Term by Counting", f"{node_id} commits entry {after}, which is of an older term (5.4.2)"
            )
        self._check_durable(node, node_id, after, configurations_before)
        committed += [node.terms.get(index, 0) for index in range(len(committed), after + 1)]
        for other_id, other in self._nodes.items():
            if other.leading is not None and other.process is not None and other.leads_in_term > committed[after]:
                self._check_completeness(other, other_id)

    def _check_durable(
        self,
        node: Watched,
        node_id: str,
        index: int,
        configurations_before: list[tuple[int, Configuration]],
    ) -> None:
        """What is committed is durable on a majority of the voters in force (5.3; QuorumLogInv)."""
        term, holders = node.terms.get(index, 0), list[str]()
        for configurations in (node.configurations, configurations_before):
            if not configurations:
                continue
            configuration = configurations[-1][1]
            voters = configuration.voters
            holders = [voter for voter in voters if self._has_durably(voter, index, term)]
            if len(holders) > len(voters) // 2:
                return
        raise Violation(
            "Committed Is Durable", f"{node_id} commits entry {index}, which only {', '.join(holders) or 'nobody'} has"
        )

    def _has_durably(self, node_id: str, index: int, term: int) -> bool:
        node = self._nodes.get(node_id)
        if node is None:
            return False
        durable_index = node.process.log.synced_index if node.process is not None else node.durable_index
        return index <= durable_index and node.holds(index, term)

    def _check_applied(self, node: Watched, process: Process) -> None:
        """Nobody applies what is not committed (figure 2: lastApplied), or goes back."""
        last_applied = process.replica.last_applied
        if last_applied < node.last_applied:
            raise Violation("Monotonic Applied", f"{process.node_id} goes back to {last_applied}")
        if last_applied >= len(self.committed_terms):
            raise Violation("Applied Is Committed", f"{process.node_id} applies entry {last_applied}")
        node.last_applied = last_applied
