"""One server put together: machine, log, state machine, and the writes and reads that wait at it.

As pure as the machine: whoever drives it hands in time and messages, carries out its jobs, and takes away what it wants
sent. The driver on trio and the simulation without trio run the same rules this way.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

import msgspec

from nacos_core import limits
from nacos_core.errors import MembershipRefused, NacosCoreError, NotReady
from nacos_core.raft import entries, snapshots
from nacos_core.raft.configuration import CONFIGURATION_BYTE, Change, Configuration
from nacos_core.raft.confirmations import Confirmations, Confirmed
from nacos_core.raft.effects import (
    ChangeDecided,
    Committed,
    ConfigurationChanged,
    Effect,
    InstallKeptSnapshot,
    KeepSnapshotPiece,
    ProposalRefused,
    ReadDecided,
    Removed,
    RoleChanged,
    Send,
    SendSnapshot,
)
from nacos_core.raft.entries import Entry
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
from nacos_core.raft.jobs import Job, LoadSnapshot, RestoreSnapshot, SaveSnapshot
from nacos_core.raft.machine import BOOTSTRAP_INDEX, Machine
from nacos_core.raft.messages import Forward, ForwardRefused, ReplicaMessage
from nacos_core.raft.progress import Pace
from nacos_core.raft.sessions import Outcome, Sessions, Verdict
from nacos_core.raft.state import Chance, Timing
from nacos_core.raft.writes import Complete, Writes

if TYPE_CHECKING:
    from nacos_core._core import Log

ChangeComplete = Callable[[Configuration | NacosCoreError], None]


class Frozen(Protocol):
    """The state as it was when it was frozen; ``encode`` may run in another thread."""

    def encode(self) -> bytes:
        """For ``StateMachine.restore``."""


class StateMachine(Protocol):
    """What the log is for. Deterministic: it reads no clock and no chance, and never raises for a bad command."""

    def apply(self, batch: Sequence[tuple[int, int, msgspec.Raw]]) -> list[Outcome]:
        """Applies commands with their indexes in the log and their stamps (wall milliseconds, never going back);
        outcomes that msgpack can carry."""

    def freeze(self) -> Frozen:
        """The state as of now."""

    def restore(self, data: bytes) -> None:
        """Replaces the state by what ``Frozen.encode`` gave. Raises ValueError."""


class Listener:
    """Is told what a replica notices; this one does nothing about it."""

    def role_changed(self, effect: RoleChanged) -> None:
        """This node leads, or follows that leader."""

    def configuration_changed(self, index: int, configuration: Configuration) -> None:
        """These are the members now, committed or not."""

    def removed(self) -> None:
        """This node is not a member any more."""


class Replica:
    """One server. ``boot`` must rise with each start. Times are seconds on one clock that never goes back.

    A snapshot is taken once ``snapshot_log_bytes`` were applied since the last one; the log keeps
    ``trailing_entries_count`` entries before it. By default as ``limits`` says.

    Raises:
        LogError: the log or its snapshot is damaged.
        ValueError: the snapshot is of a version that cannot be read.
    """

    def __init__(
        self,
        *,
        node_id: str,
        boot: int,
        log: "Log",
        state_machine: StateMachine,
        wall_clock: Callable[[], int],
        chance: Chance,
        timing: Timing | None = None,
        listener: Listener | None = None,
        snapshot_log_bytes: int | None = None,
        trailing_entries_count: int | None = None,
    ) -> None:
        self.node_id = node_id
        self.sessions = Sessions()
        self.last_applied = 0
        self.applied_configuration: tuple[int, Configuration] | None = None
        self._origin_ids: frozenset[str] = frozenset()
        self._boot = boot
        self._log = log
        self._state_machine = state_machine
        self._wall_clock = wall_clock
        self._listener = listener or Listener()
        self._last_stamp_ms = 0
        self._snapshot_log_bytes = limits.SNAPSHOT_LOG_BYTES if snapshot_log_bytes is None else snapshot_log_bytes
        self._trailing_entries_count = (
            limits.TRAILING_ENTRIES_COUNT if trailing_entries_count is None else trailing_entries_count
        )
        self._log_bytes = 0
        self._snapshot_bytes = 0
        self._is_saving_snapshot = False
        saved = log.load_snapshot()
        if saved is not None:
            self._restore(saved[2])
        self.machine = Machine(
            node_id=node_id, log=log, chance=chance, timing=timing, snapshot=self.applied_configuration
        )
        self._committed_before = log.committed_index
        self._writes = Writes()
        self._reads = Confirmations(boot)
        self._changes: dict[int, ChangeComplete] = {}
        self._next_change_id = 0
        self._forwarded: list[Entry] = []
        self.synced_ticket = 0
        """The log's operations up to here are known to be durable."""
        self._held: list[Send] = []
        self._outbox: list[tuple[str, ReplicaMessage]] = []
        self._jobs: list[Job] = []
        self._incoming = snapshots.Incoming()
        self._to_restore: RestoreSnapshot | None = None
        self._outgoing = snapshots.Outgoing()

    # --- looked at -------------------------------------------------------------------------------------------------

    @property
    def is_leader(self) -> bool:
        """This node leads, as far as it knows."""
        return self.machine.leading is not None

    @property
    def leader_id(self) -> str:
        """ "": none is known."""
        return self.machine.state.leader_id

    @property
    def commit_index(self) -> int:
        """What is known to be committed."""
        return self.machine.state.commit_index

    @property
    def has_to_apply(self) -> bool:
        """There are committed entries that are not applied."""
        return self.last_applied < self.commit_index and not self.machine.state.is_installing

    def is_caught_up(self) -> bool:
        """Whether clients may be answered, which never waits for a leader: what is known to have been committed before
        the start is applied, and a node that has joined has seen itself join. A lone voter knows by leading."""
        if self.machine.is_alone:
            leading = self.machine.leading
            return leading is not None and self.last_applied >= leading.term_start_index
        state = self.machine.state
        if state.configuration is None or state.configuration.find(self.node_id) is None:
            return False
        is_first = state.configuration_index <= BOOTSTRAP_INDEX
        return self.last_applied >= self._committed_before and (is_first or self.node_id in self._origin_ids)

    @property
    def has_work(self) -> bool:
        """``apply_some`` has something to do, or there are jobs."""
        return self.has_to_apply or bool(self._jobs) or self._reads.may_answer(self.last_applied)

    @property
    def deadline(self) -> float:
        """When ``tick`` is wanted; seconds."""
        return min(self.machine.deadline, self._writes.deadline, self._reads.deadline)

    # --- what clients want -----------------------------------------------------------------------------------------

    def propose(self, command: bytes, complete: Complete, now: float) -> None:
        """Keeps a command until ``flush``; ``complete`` gets its outcome once it is applied here, or an error."""
        self._writes.add(command, complete, now)

    def read(self, confirmed: Confirmed, now: float) -> None:
        """``confirmed`` is called when what is applied here is at least what was committed when this was called."""
        self._reads.add(confirmed, now)

    def change(self, change: Change, complete: ChangeComplete, now: float) -> None:
        """Only at the leader: another configuration. ``complete`` is called once it counts, which is at once."""
        self._next_change_id += 1
        self._changes[self._next_change_id] = complete
        self._step(ChangeRequested(self._next_change_id, change), now)

    def transfer(self, target_id: str, now: float) -> None:
        """Only at the leader: hands over to a voter ("": the best one)."""
        self._step(TransferRequested(target_id), now)

    def flush(self, now: float) -> None:
        """Appends or forwards what has gathered since the last call."""
        if self._writes.has_unsent or self._forwarded:
            if self.machine.leading is not None:
                # Who hands over keeps what came: it is appended if that fails, else it goes to the next leader.
                if not self.machine.leading.is_handing_over:
                    self._append(now)
            elif self.leader_id:
                self._forward(now)
        unasked = self._reads.take_unasked(now)
        if unasked:
            self._step(ReadRequested(unasked), now)

    # --- what happens ----------------------------------------------------------------------------------------------

    def start(self, now: float) -> None:
        """Begins to take part."""
        self._step(Started(), now)

    def bootstrap(self, configuration: Configuration, now: float) -> None:
        """The first configuration; nothing if the log has begun meanwhile, or is about to begin with a snapshot."""
        if self._log.last_index == 0 and not self.machine.state.is_installing:
            self._step(Bootstrapped(configuration), now)

    def tick(self, now: float) -> None:
        """``deadline`` has come."""
        self._writes.expire(now)
        self._reads.expire(now)
        if now >= self.machine.deadline:
            self._step(Tick(), now)
            self._drop_outgoing_snapshot_if_unused()
        self.flush(now)

    def receive(self, sender_id: str, message: ReplicaMessage, now: float) -> None:
        """Raises ValueError or LogError if the message makes no sense here; see ``Machine.step``."""
        match message:
            case Forward():
                self._take_forwarded(sender_id, message)
            case ForwardRefused(boot, sequence, is_overloaded):
                if boot == self._boot:
                    self._writes.not_taken(sequence, is_overloaded=is_overloaded)
            case _:
                self._step(Received(sender_id, message), now)

    def peer_lost(self, node_id: str, now: float) -> None:
        """The connection to a peer has gone."""
        self._step(PeerLost(node_id), now)

    def poll_log(self, now: float) -> None:
        """The log may have synced. Raises LogFailed: the node must stop."""
        synced = self._log.poll()
        self.synced_ticket = synced.ticket
        self._step(LogSynced(synced.index, synced.ticket), now)
        held, self._held = self._held, []
        for send in held:
            self._send(send)

    def apply_some(self, now: float) -> None:
        """Applies a bounded number of committed entries, and tells who waits for them."""
        if self.has_to_apply:
            last_index = min(self.commit_index, self.last_applied + limits.APPLY_ENTRIES_COUNT)
            self._apply(self._log.slice(self.last_applied + 1, last_index, limits.APPLY_BYTES))
        self._reads.applied(self.last_applied)
        self._take_snapshot_if_due()

    def take_snapshot(self) -> bool:
        """Has a snapshot taken of what is applied, due or not; False: there is one already, and nothing to do.

        Raises:
            NotReady: one is being taken or installed.
        """
        if not self._may_take_snapshot():
            raise NotReady("a snapshot is being taken or installed already, try again later")
        if self.last_applied <= self._log.snapshot_index:
            return False
        self._take_snapshot()
        return True

    def take_outbox(self) -> list[tuple[str, ReplicaMessage]]:
        """What is to be sent, to whom."""
        outbox, self._outbox = self._outbox, []
        return outbox

    def take_jobs(self) -> list[Job]:
        """What is to be done aside."""
        jobs, self._jobs = self._jobs, []
        return jobs

    def stop(self, reason: str) -> None:
        """Nothing more happens: tells everybody who waits what is known."""
        self._writes.give_up(reason)
        self._reads.give_up(reason)
        changes, self._changes = self._changes, {}
        for complete in changes.values():
            complete(NotReady(reason))

    # --- jobs done -------------------------------------------------------------------------------------------------

    def snapshot_loaded(self, snapshot: tuple[int, int, bytes] | None) -> None:
        """For ``LoadSnapshot``: index, term and data."""
        self._outgoing.loaded(snapshot)
        self._outbox += self._outgoing.take_pieces()

    def snapshot_saved(self, size_bytes: int) -> None:
        """For ``SaveSnapshot``."""
        self._is_saving_snapshot = False
        self._snapshot_bytes = size_bytes
        self._restore_unless_saving()

    def snapshot_installed(self, job: RestoreSnapshot, now: float) -> None:
        """For ``RestoreSnapshot``. Raises ValueError: it cannot be read, and the node must stop."""
        self._restore(job.data)
        assert self.last_applied == job.index, "a snapshot says which entry it ends with"
        assert self.applied_configuration is not None, "who sends a snapshot is a member"
        payload = self.applied_configuration[1].encode()
        self._step(SnapshotInstalled(job.index, job.term, payload), now)
        results = self.sessions.results(self.node_id, self._boot)
        for sequence in self._writes.open_sequences():
            if sequence in results:
                self._writes.applied(sequence, results[sequence])

    # --- writes ----------------------------------------------------------------------------------------------------

    def _append(self, now: float) -> None:
        stamped_ms = max(self._wall_clock(), self._last_stamp_ms)
        oldest_open = self._writes.oldest_open
        own = [
            Entry(self.node_id, self._boot, sequence, oldest_open, stamped_ms, command)
            for sequence, command in self._writes.take_unsent(now)
        ]
        forwarded, self._forwarded = self._forwarded, []
        stamped = [msgspec.structs.replace(entry, stamped_ms=stamped_ms) for entry in forwarded]
        self._step(Proposed([entries.encode(entry) for entry in (*own, *stamped)]), now)

    def _forward(self, now: float) -> None:
        for entry in self._forwarded:
            self._outbox.append((entry.origin_id, ForwardRefused(entry.boot, entry.sequence, False)))
        self._forwarded = []
        oldest_open = self._writes.oldest_open
        for sequence, command in self._writes.take_unsent(now):
            self._outbox.append((self.leader_id, Forward(self._boot, sequence, oldest_open, command)))

    def _take_forwarded(self, sender_id: str, message: Forward) -> None:
        boot, sequence = message.boot, message.sequence
        backlog = self._log.last_index - self.commit_index + len(self._forwarded)
        if not self.is_leader or backlog > limits.UNCOMMITTED_ENTRIES_MAX:
            self._outbox.append((sender_id, ForwardRefused(boot, sequence, self.is_leader)))
        else:
            self._forwarded.append(Entry(sender_id, boot, sequence, message.oldest_open, 0, message.command))

    # --- effects ---------------------------------------------------------------------------------------------------

    def _step(self, event: Event, now: float) -> None:
        for effect in self.machine.step(event, now):
            self._carry_out(effect, now)

    def _carry_out(self, effect: Effect, now: float) -> None:
        match effect:
            case Send():
                self._send(effect)
            case Committed():
                pass  # ``has_to_apply`` says so
            case ReadDecided(read_id, index):
                self._reads.decided(read_id, index)
            case RoleChanged():
                if effect.leader_id:
                    self._writes.send_all_again()
                self._listener.role_changed(effect)
            case ProposalRefused():
                self._writes.send_all_again()
            case ConfigurationChanged(index, configuration):
                self._listener.configuration_changed(index, configuration)
            case ChangeDecided(change_id, _, refusal):
                self._change_decided(change_id, refusal)
            case SendSnapshot():
                if self._outgoing.want(effect, self._log.snapshot_index):
                    self._jobs.append(LoadSnapshot())
                self._outbox += self._outgoing.take_pieces()
            case KeepSnapshotPiece(offset, data):
                self._incoming.keep(offset, data)
            case InstallKeptSnapshot(index, term):
                self._to_restore = RestoreSnapshot(index, term, self._incoming.take())
                self._restore_unless_saving()
            case Removed():
                self._listener.removed()

    def _send(self, send: Send) -> None:
        if send.after_ticket <= self.synced_ticket:
            self._outbox.append((send.to, send.message))
        else:
            self._held.append(send)

    def _change_decided(self, change_id: int, refusal: str) -> None:
        complete = self._changes.pop(change_id)
        configuration = self.machine.state.configuration
        complete(MembershipRefused(refusal) if refusal or configuration is None else configuration)

    # --- applying --------------------------------------------------------------------------------------------------

    def _apply(self, committed: Sequence[tuple[int, int, bytes]]) -> None:
        batch: list[tuple[int, int, Entry]] = []
        in_batch: set[tuple[str, int]] = set()
        for index, _, payload in committed:
            assert index == self.last_applied + 1, "entries are applied one after the other"
            self._log_bytes += len(payload)
            if not payload:  # a leader's no-op
                self.last_applied = index
                continue
            if payload[0] == CONFIGURATION_BYTE:
                self._apply_batch(batch)
                batch, in_batch = [], set()
                self._apply_configuration(index, payload)
                self.last_applied = index
                continue
            entry = entries.decode(payload)
            if (entry.origin_id, entry.sequence) in in_batch:
                self._apply_batch(batch)
                batch, in_batch = [], set()
            if self._is_new(entry):
                self._last_stamp_ms = max(self._last_stamp_ms, entry.stamped_ms)
                batch.append((index, self._last_stamp_ms, entry))
                in_batch.add((entry.origin_id, entry.sequence))
            self.last_applied = index
        self._apply_batch(batch)

    def _is_new(self, entry: Entry) -> bool:
        """A request is applied once, and only that of a member."""
        return entry.origin_id in self._origin_ids and self.sessions.begin(entry.request) is Verdict.APPLY

    def _apply_batch(self, batch: list[tuple[int, int, Entry]]) -> None:
        if not batch:
            return
        outcomes = self._state_machine.apply([(index, stamp, entry.command) for index, stamp, entry in batch])
        for (_, _, entry), outcome in zip(batch, outcomes, strict=True):
            self.sessions.remember(entry.request, outcome)
            if entry.origin_id == self.node_id and entry.boot == self._boot:
                self._writes.applied(entry.sequence, outcome)

    def _apply_configuration(self, index: int, payload: bytes) -> None:
        configuration = Configuration.decode(payload)
        self._know_configuration(index, configuration)

    def _know_configuration(self, index: int, configuration: Configuration) -> None:
        self.applied_configuration = (index, configuration)
        self._origin_ids = frozenset(configuration.node_ids)
        self.sessions.members_are(configuration.node_ids)

    # --- snapshots -------------------------------------------------------------------------------------------------

    def _take_snapshot_if_due(self) -> None:
        is_due = self._log_bytes > max(self._snapshot_log_bytes, 2 * self._snapshot_bytes)
        if is_due and self._may_take_snapshot():
            self._take_snapshot()

    def _may_take_snapshot(self) -> bool:
        return not (self._is_saving_snapshot or self.machine.state.is_installing)

    def _take_snapshot(self) -> None:
        index = self.last_applied
        term = self._log.term_at(index)
        assert term is not None, "the log holds what was applied until it is compacted"
        self._is_saving_snapshot = True
        self._log_bytes = 0
        encode = partial(_encode, self._describe(), self._state_machine.freeze())
        # Followers that are a little behind shall get entries, not a snapshot.
        compact_index = max(0, index - self._trailing_entries_count)
        self._jobs.append(SaveSnapshot(index, term, compact_index, encode))

    def _describe(self) -> snapshots.Snapshot:
        index, configuration = self.applied_configuration or (0, None)
        return snapshots.Snapshot(
            version=snapshots.SNAPSHOT_VERSION,
            index=self.last_applied,
            configuration_index=index,
            configuration=configuration,
            last_stamp_ms=self._last_stamp_ms,
            sessions=self.sessions.to_data(),
            state=b"",
        )

    def _restore(self, data: bytes) -> None:
        snapshot = snapshots.decode(data)
        self._state_machine.restore(snapshot.state)
        self.sessions = Sessions.from_data(snapshot.sessions)
        self.last_applied = snapshot.index
        self._last_stamp_ms = snapshot.last_stamp_ms
        self._snapshot_bytes = len(data)
        self._log_bytes = 0
        if snapshot.configuration is not None:
            self._know_configuration(snapshot.configuration_index, snapshot.configuration)

    def _restore_unless_saving(self) -> None:
        # The log takes no snapshot that is older than the one it has: the own one comes first.
        if self._to_restore is not None and not self._is_saving_snapshot:
            self._jobs.append(self._to_restore)
            self._to_restore = None

    def _drop_outgoing_snapshot_if_unused(self) -> None:
        """Frees the memory of the snapshot that followers were sent, once none needs it."""
        leading = self.machine.leading
        if leading is None or all(progress.pace is not Pace.SNAPSHOT for progress in leading.progress.values()):
            self._outgoing.drop()


def _encode(description: snapshots.Snapshot, state: Frozen) -> bytes:
    return snapshots.encode(msgspec.structs.replace(description, state=state.encode()))
