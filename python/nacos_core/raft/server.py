"""What the parts of the machine share: state, log, the configuration that counts, and the effects of one step."""

from typing import TYPE_CHECKING, Final

from nacos_core.raft.configuration import CONFIGURATION_BYTE, Configuration
from nacos_core.raft.effects import Committed, ConfigurationChanged, Effect, RoleChanged, Send
from nacos_core.raft.messages import Message
from nacos_core.raft.state import Chance, Role, State, Timing

if TYPE_CHECKING:
    from nacos_core._core import Log

NO_OP: Final = b""
"""The entry with which a leader begins its term (section 8 of the paper): it commits what earlier terms left."""


class Server:
    """One server, as its parts see it."""

    def __init__(self, *, state: State, log: "Log", timing: Timing, chance: Chance) -> None:
        self.state = state
        self.log = log
        self.timing = timing
        self.chance = chance
        self.effects: list[Effect] = []
        self.voters: tuple[str, ...] = ()
        """Those whose votes and logs count now."""
        self.peers: tuple[str, ...] = ()
        """All other members."""
        self._name_members()

    # --- terms and roles -------------------------------------------------------------------------------------------

    @property
    def current_term(self) -> int:
        """The newest term heard of; durable once ``hard_state_ticket`` is."""
        return self.log.term

    def save_hard_state(self, term: int, voted_for: str) -> None:
        """Term and vote go into the log; what rests on them waits for the ticket."""
        self.state.hard_state_ticket = self.log.set_hard_state(term, voted_for)

    def become_follower(self, term: int, leader_id: str, now: float) -> None:
        """Of a newer term, or of the leader of this one."""
        state = self.state
        if term > self.current_term:
            self.save_hard_state(term, "")
        was = (state.role, state.leader_id)
        state.role, state.leader_id = Role.FOLLOWER, leader_id
        if was[0] is not Role.FOLLOWER or state.deadline == float("inf"):
            self.reset_election_timer(now)
        if was != (Role.FOLLOWER, leader_id):
            self.effects.append(RoleChanged(Role.FOLLOWER, term, leader_id))

    def reset_election_timer(self, now: float) -> None:
        """A server that may not stand for election waits for no timeout."""
        self.state.is_grace_given = False
        timeout_seconds = self.timing.election_timeout_seconds(self.chance)
        self.state.deadline = now + timeout_seconds if self.may_stand() else float("inf")

    def may_stand(self) -> bool:
        """Only voters stand for election, and only with a log that is whole."""
        return self.state.node_id in self.voters and not self.state.is_removed and not self.state.is_installing

    def hears_leader(self, now: float) -> bool:
        """The lease: no vote helps to depose a leader that was heard within the shortest timeout (thesis, 4.2.3)."""
        state = self.state
        if state.role is Role.LEADER:
            return True
        return state.leader_id != "" and now - state.leader_heard_at < self.timing.election_timeout_min_seconds

    # --- messages --------------------------------------------------------------------------------------------------

    def send(self, to: str, message: Message, after_ticket: int = 0) -> None:
        """Nothing leaves before the term that it speaks of is durable."""
        self.effects.append(Send(to, message, max(after_ticket, self.state.hard_state_ticket)))

    # --- log and commits -------------------------------------------------------------------------------------------

    def is_up_to_date(self, last_log_index: int, last_log_term: int) -> bool:
        """Section 5.4.1: whether a candidate's log is at least as new as this one."""
        return (last_log_term, last_log_index) >= (self.log.last_term, self.log.last_index)

    def commit(self, index: int) -> None:
        """Never goes back, and never beyond what this server has."""
        index = min(index, self.log.last_index)
        if index > self.state.commit_index:
            self.state.commit_index = index
            self.log.commit(index)
            self._forget_old_configurations()
            self.effects.append(Committed(index))

    # --- configuration ---------------------------------------------------------------------------------------------

    def majority(self) -> int:
        """How many voters it takes."""
        return len(self.voters) // 2 + 1

    def is_majority(self, node_ids: set[str]) -> bool:
        """Whether enough of them are voters."""
        return sum(voter in node_ids for voter in self.voters) >= self.majority()

    def take_configurations(self, first_index: int) -> None:
        """Entries from ``first_index`` on are new: forgets configurations that were cut, takes those that came."""
        state, log = self.state, self.log
        before = state.configuration_index, state.configuration
        kept = [(index, configuration) for index, configuration in state.configurations if index < first_index]
        for index in log.indexes_starting_with(CONFIGURATION_BYTE, first_index, log.last_index):
            ((_, _, payload),) = log.slice(index, index, 1)
            kept.append((index, Configuration.decode(payload)))
        state.configurations = kept
        self._forget_old_configurations()
        if (state.configuration_index, state.configuration) != before:
            self.configuration_changed()

    def configuration_changed(self) -> None:
        """Says so, and takes back that this server was removed if it is a member (again)."""
        state = self.state
        configuration = state.configuration
        self._name_members()
        if configuration is None:
            return
        if configuration.find(state.node_id) is not None:
            state.is_removed = False
        self.effects.append(ConfigurationChanged(state.configuration_index, configuration))

    def _name_members(self) -> None:
        configuration = self.state.configuration
        self.voters = configuration.voters if configuration is not None else ()
        node_ids = configuration.node_ids if configuration is not None else ()
        self.peers = tuple(node_id for node_id in node_ids if node_id != self.state.node_id)

    def _forget_old_configurations(self) -> None:
        # The newest committed one is never cut, so what stood before it is not needed any more.
        state = self.state
        while len(state.configurations) > 1 and state.configurations[1][0] <= state.commit_index:
            del state.configurations[0]
