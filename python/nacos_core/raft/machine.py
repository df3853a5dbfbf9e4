"""One server of Raft: hands each event to the part that it concerns, after looking at its term."""

from typing import TYPE_CHECKING, TypeAlias

from nacos_core.raft.configuration import Configuration
from nacos_core.raft.effects import ChangeDecided, Effect, ProposalRefused, ReadDecided
from nacos_core.raft.elections import Elections
from nacos_core.raft.events import (
    Bootstrapped,
    ChangeRequested,
    Event,
    LogSynced,
    PeerLost,
    Proposed,
    ReadRequested,
    Received,
    SnapshotInstalled,
    Started,
    Tick,
    TransferRequested,
)
from nacos_core.raft.following import Following
from nacos_core.raft.leading import Leading
from nacos_core.raft.messages import (
    AppendEntries,
    AppendResponse,
    Heartbeat,
    HeartbeatResponse,
    InstallSnapshot,
    Message,
    NotMember,
    ReadIndexRequest,
    ReadIndexResponse,
    RequestVote,
    SnapshotResponse,
    TimeoutNow,
    VoteResponse,
)
from nacos_core.raft.server import Server
from nacos_core.raft.state import Chance, Role, State, Timing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nacos_core._core import Log

Answer: TypeAlias = VoteResponse | AppendResponse | HeartbeatResponse | SnapshotResponse | TimeoutNow

BOOTSTRAP_INDEX = 1
BOOTSTRAP_TERM = 1
"""The term of the first configuration, which all first members append by themselves."""


class Machine:
    """``step`` is the only way to change it. It writes to its log; everything else it asks for by effects.

    Args:
        log: term, vote and entries as they were left; nobody else appends to it.
        snapshot: index and configuration of the log's snapshot, if there is one.
        chance: where election timeouts come from.
    """

    def __init__(
        self,
        *,
        node_id: str,
        log: "Log",
        chance: Chance,
        timing: Timing | None = None,
        snapshot: tuple[int, Configuration] | None = None,
    ) -> None:
        state = State(node_id, commit_index=log.committed_index)
        if snapshot is not None:
            state.configurations = [snapshot]
        self._server = Server(state=state, log=log, timing=timing or Timing(), chance=chance)
        self._server.take_configurations(max(log.first_index, (snapshot[0] + 1) if snapshot else 1))
        self._server.effects.clear()
        self._elections = Elections(self._server)
        self._following = Following(self._server)
        self._leading: Leading | None = None

    @property
    def state(self) -> State:
        """To look at, not to change."""
        return self._server.state

    @property
    def current_term(self) -> int:
        """The newest term heard of."""
        return self._server.current_term

    @property
    def deadline(self) -> float:
        """When ``Tick`` is wanted; seconds on the clock of ``now``."""
        return self._server.state.deadline

    @property
    def leading(self) -> Leading | None:
        """What a leader knows of the others; None: this server does not lead."""
        return self._leading

    @property
    def is_alone(self) -> bool:
        """This server is the only voter."""
        return self._server.voters == (self._server.state.node_id,)

    def step(self, event: Event, now: float) -> list[Effect]:
        """Takes one event at ``now`` (seconds, never going back) and says what is to be done.

        Raises:
            ValueError, LogError: what another server sent contradicts what is known, or the log has failed. Log, commit
                index and members are as before; that a leader has spoken in its term may have been noticed.
        """
        server = self._server
        try:
            self._take(event, now)
        finally:
            # Also when the message of a newer leader makes no sense: that there is one has been noticed.
            self._leave_office()
        if server.state.deadline == float("inf") and self._leading is None and server.may_stand():
            server.reset_election_timer(now)  # it has just become a voter
        effects, server.effects = server.effects, []
        return effects

    def _take(self, event: Event, now: float) -> None:
        server = self._server
        match event:
            case Received(sender_id, message):
                self._received(sender_id, message, now)
            case LogSynced(index, ticket):
                self._log_synced(index, ticket, now)
            case Proposed(payloads):
                if self._leading is not None:
                    self._leading.propose(payloads, now)
                else:
                    server.effects.append(ProposalRefused())
            case Tick():
                self._tick(now)
            case ReadRequested(read_ids):
                self._read_requested(read_ids)
            case PeerLost(node_id):
                if self._leading is not None:
                    self._leading.peer_lost(node_id)
            case SnapshotInstalled(index, _, payload):
                self._following.snapshot_installed(index, Configuration.decode(payload), now)
            case ChangeRequested(change_id, change):
                if self._leading is not None:
                    self._leading.change(change_id, change, now)
                else:
                    server.effects.append(ChangeDecided(change_id, 0, "this node does not lead"))
            case TransferRequested(target_id):
                if self._leading is not None:
                    self._leading.transfer(target_id, now)
            case Started():
                self._start(now)
            case Bootstrapped(configuration):
                bootstrap(server.log, configuration)
                server.state.hard_state_ticket = server.log.ticket
                server.take_configurations(1)
                self._start(now)

    def _start(self, now: float) -> None:
        server = self._server
        if self.is_alone:
            # A lone voter has nobody to wait for, so it does not wait for an election timeout.
            self._lead_if(self._elections.stand(now, is_transfer=False), now)
        else:
            server.reset_election_timer(now)

    def _tick(self, now: float) -> None:
        if now < self.deadline:
            return
        if self._leading is not None:
            self._leading.tick(now)
        else:
            self._lead_if(self._elections.timed_out(now), now)

    def _log_synced(self, index: int, ticket: int, now: float) -> None:
        if self._leading is not None:
            self._leading.synced(index, now)
        elif ticket >= self._server.state.hard_state_ticket:
            self._lead_if(self._elections.own_vote_durable(now), now)

    def _lead_if(self, has_won: bool, now: float) -> None:
        if has_won:
            self._leading = Leading(self._server, now)

    def _leave_office(self) -> None:
        if self._leading is not None and self._server.state.role is not Role.LEADER:
            leading, self._leading = self._leading, None
            leading.reads.refuse_all()

    def _read_requested(self, read_ids: "Sequence[int]") -> None:
        server = self._server
        if self._leading is not None:
            self._leading.reads.request("", read_ids)
            return
        if server.state.leader_id:
            server.send(server.state.leader_id, ReadIndexRequest(tuple(read_ids)))
        else:
            server.effects += [ReadDecided(read_id, None) for read_id in read_ids]

    # --- messages --------------------------------------------------------------------------------------------------

    def _received(self, sender_id: str, message: Message, now: float) -> None:
        server = self._server
        match message:
            case RequestVote():
                # Whether its term counts depends on what is asked, and on whether a leader lives.
                if message.term < server.current_term:
                    refusal = VoteResponse(server.current_term, False, message.is_pre_vote)
                    server.send(sender_id, refusal)
                else:
                    self._elections.vote_requested(sender_id, message, now)
            case AppendEntries() | Heartbeat() | InstallSnapshot():
                if message.term < server.current_term:
                    self._depose(sender_id, message)
                else:
                    self._from_leader(sender_id, message, now)
            case NotMember():
                self._following.not_a_member(message, now)
            case ReadIndexRequest(read_ids) if self._leading is not None:
                self._leading.reads.request(sender_id, read_ids)
            case ReadIndexRequest(read_ids):
                server.send(sender_id, ReadIndexResponse(read_ids, None))
            case ReadIndexResponse(read_ids, index):
                server.effects += [ReadDecided(read_id, index) for read_id in read_ids]
            case _:
                is_promise = isinstance(message, VoteResponse) and message.is_pre_vote and message.is_granted
                if message.term > server.current_term and not is_promise:
                    server.become_follower(message.term, "", now)
                else:
                    self._answered(sender_id, message, now)

    def _from_leader(self, sender_id: str, message: AppendEntries | Heartbeat | InstallSnapshot, now: float) -> None:
        server = self._server
        state = server.state
        if state.role is Role.LEADER and message.term == server.current_term:
            raise ValueError(f"{sender_id} sends as the leader of term {message.term}, which this server leads")
        if message.term > server.current_term or state.role is not Role.FOLLOWER or state.leader_id != sender_id:
            server.become_follower(message.term, sender_id, now)
        state.leader_heard_at = now
        server.reset_election_timer(now)
        match message:
            case AppendEntries():
                self._following.entries_sent(sender_id, message)
            case Heartbeat():
                self._following.heartbeat_sent(sender_id, message)
            case InstallSnapshot():
                self._following.snapshot_sent(sender_id, message)

    def _depose(self, sender_id: str, message: AppendEntries | Heartbeat | InstallSnapshot) -> None:
        """A leader of an older term is answered with the newer one, so that nobody waits for it for ever."""
        server = self._server
        match message:
            case AppendEntries():
                term, index = server.current_term, message.prev_log_index
                server.send(sender_id, AppendResponse(term, False, index, server.log.last_index))
            case Heartbeat():
                server.send(sender_id, HeartbeatResponse(server.current_term, 0))
            case InstallSnapshot():
                server.send(sender_id, SnapshotResponse(server.current_term, message.snapshot_index, 0, False))

    def _answered(self, sender_id: str, message: Answer, now: float) -> None:
        server = self._server
        match message:
            case _ if message.term < server.current_term:
                pass
            case VoteResponse():
                self._lead_if(self._elections.vote_answered(sender_id, message, now), now)
            case TimeoutNow():
                if server.may_stand() and server.state.role is Role.FOLLOWER:
                    self._lead_if(self._elections.stand(now, is_transfer=True), now)
            case AppendResponse() if self._leading is not None:
                self._leading.entries_answered(sender_id, message, now)
            case HeartbeatResponse() if self._leading is not None:
                self._leading.heartbeat_answered(sender_id, message, now)
            case SnapshotResponse() if self._leading is not None:
                self._leading.snapshot_answered(sender_id, message, now)
            case _:
                pass


def bootstrap(log: "Log", configuration: Configuration) -> None:
    """Gives an empty log its first entry: all first members append the same one, so it needs no vote.

    Whoever comes late may have heard of a newer term already, which stays.

    Raises:
        ValueError: the log is not empty.
    """
    if log.last_index:
        raise ValueError("only an empty log can be given a first configuration")
    if log.term < BOOTSTRAP_TERM:
        log.set_hard_state(BOOTSTRAP_TERM, "")
    log.append(BOOTSTRAP_TERM, [configuration.encode()])
