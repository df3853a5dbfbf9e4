"""The rules of Raft for a group of one voter: every rule that such a group needs, in the form the paper gives it.

A group of one wins its election as soon as its own vote is durable, and commits what its own log has synced. Votes and
matches are counted as for any number of voters, so other voters only add messages.
"""

from nacos_core.raft.effects import AppendEntries, ApplyEntries, Effect, RefuseProposal, RoleChanged, SaveHardState
from nacos_core.raft.events import Applied, Event, HardStateSaved, LogSynced, Proposed, Started
from nacos_core.raft.state import Role, State

NO_OP = b""
"""The entry with which a leader begins its term (section 8 of the paper): it commits what earlier terms left."""


class Machine:
    """One server. ``step`` is the only way to change it."""

    def __init__(self, state: State) -> None:
        if state.voters != (state.node_id,):
            raise ValueError(f"the only voter must be this node, {state.node_id!r}, not {state.voters!r}")
        self.state = state

    def step(self, event: Event, now: float) -> list[Effect]:
        """Takes one event at ``now`` (seconds, never going back) and says what is to be done."""
        match event:
            case Proposed(payloads):
                return self._propose(list(payloads))
            case LogSynced(index):
                return self._log_synced(index)
            case Applied(index):
                return self._applied(index)
            case HardStateSaved(term, voted_for):
                return self._hard_state_saved(term, voted_for)
            case Started():
                return self._become_candidate()

    @property
    def is_caught_up(self) -> bool:
        """This server leads, and everything that earlier terms committed has been applied."""
        state = self.state
        return state.role is Role.LEADER and state.last_applied >= state.term_start_index

    def _become_candidate(self) -> list[Effect]:
        # Section 5.2. A lone voter has nobody to wait for, so it does not wait for an election timeout.
        state = self.state
        state.role = Role.CANDIDATE
        state.current_term += 1
        state.voted_for = state.node_id
        state.leader_id = ""
        state.votes_granted = set()
        return [
            RoleChanged(Role.CANDIDATE, state.current_term, ""),
            SaveHardState(state.current_term, state.voted_for),
        ]

    def _hard_state_saved(self, term: int, voted_for: str) -> list[Effect]:
        # The own vote counts only once it is durable: else a crash could let this server vote twice in one term.
        state = self.state
        is_this_election = state.role is Role.CANDIDATE and term == state.current_term and voted_for == state.node_id
        if not is_this_election:
            return []
        state.votes_granted.add(state.node_id)
        return self._become_leader() if len(state.votes_granted) >= self._majority() else []

    def _become_leader(self) -> list[Effect]:
        # The leader keeps the term it was elected in: raising it again would break Election Safety.
        state = self.state
        state.role = Role.LEADER
        state.leader_id = state.node_id
        state.match_index = dict.fromkeys(state.voters, 0)
        state.term_start_index = state.last_log_index + 1
        return [RoleChanged(Role.LEADER, state.current_term, state.leader_id), self._append([NO_OP])]

    def _propose(self, payloads: list[bytes]) -> list[Effect]:
        if self.state.role is not Role.LEADER:
            return [RefuseProposal(self.state.leader_id)]
        return [self._append(payloads)]

    def _append(self, payloads: list[bytes]) -> Effect:
        state = self.state
        first_index = state.last_log_index + 1
        state.last_log_index += len(payloads)
        state.last_log_term = state.current_term
        return AppendEntries(first_index, state.current_term, payloads)

    def _log_synced(self, index: int) -> list[Effect]:
        state = self.state
        if state.role is not Role.LEADER:
            return []
        state.match_index[state.node_id] = max(state.match_index[state.node_id], index)
        return self._advance_commit_index()

    def _advance_commit_index(self) -> list[Effect]:
        # Figure 2, rules for leaders: a majority matches N, and the entry at N is of the current term (section 5.4.2).
        state = self.state
        matched = sorted(state.match_index.values(), reverse=True)[self._majority() - 1]
        if matched <= state.commit_index or matched < state.term_start_index:
            return []
        state.commit_index = matched
        return [ApplyEntries(matched)]

    def _applied(self, index: int) -> list[Effect]:
        assert self.state.last_applied <= index <= self.state.commit_index, "only committed entries are applied"
        self.state.last_applied = index
        return []

    def _majority(self) -> int:
        return len(self.state.voters) // 2 + 1
