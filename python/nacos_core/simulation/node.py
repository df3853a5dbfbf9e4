"""One node: the disk that stays, and the process that comes and goes. It does what the driver on trio does."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from nacos_core._core import Log, LogError, LogFailed
from nacos_core.raft.configuration import Configuration
from nacos_core.raft.jobs import Job, LoadSnapshot, RestoreSnapshot, SaveSnapshot
from nacos_core.raft.machine import bootstrap
from nacos_core.raft.messages import ReplicaMessage
from nacos_core.raft.replica import Replica
from nacos_core.raft.state import Timing
from nacos_core.simulation.disks import Disk, DiskProfile
from nacos_core.simulation.links import Links, decode
from nacos_core.simulation.state import Registers
from nacos_core.simulation.timeline import Timeline

EPOCH_MS: Final = 1_700_000_000_000
"""Wall time at the beginning."""
JOB_SECONDS_MAX: Final = 0.02
APPLY_PAUSE_SHARE: Final = 0.1
"""How often other events come before committed entries are applied."""
APPLY_PAUSE_SECONDS_MAX: Final = 0.005

WAKE_SECONDS: Final = 0.0001
"""Within so long a process that stood still notices what it has missed."""


@dataclass(frozen=True, slots=True)
class NodeProfile:
    """How the nodes of a cluster are set up."""

    timing: Timing = field(default_factory=Timing)
    disk: DiskProfile = field(default_factory=DiskProfile)
    snapshot_log_bytes: int = 4096
    trailing_entries_count: int = 20


class Watcher(Protocol):
    """Looks on and raises ``Violation`` for what must never happen."""

    def started(self, process: "Process") -> None:
        """It has read its log and is about to take part."""

    def sending(self, process: "Process", to: str, message: ReplicaMessage) -> None:
        """The message leaves now."""

    def applied(self, process: "Process", position: int, digest: int, number: int) -> None:
        """An operation was applied, or (``number`` 0) a snapshot restored."""

    def stepped(self, process: "Process") -> None:
        """Something has happened to it."""

    def stopped(self, process: "Process") -> None:
        """It is gone; its log can still be looked at."""


class Host:
    """A machine with its disk. ``node_id`` stands on the disk: an empty one gets a new id."""

    def __init__(
        self, timeline: Timeline, links: Links[ReplicaMessage], watcher: Watcher, profile: NodeProfile, node_id: str
    ) -> None:
        self.node_id = node_id
        self.process: Process | None = None
        self.is_damaged = False
        """Its disk is lost: it does not start any more."""
        self.wall_offset_ms = 0
        self.boot = 0
        self.failed: Callable[[Host], None] = lambda host: None
        """Is called when its process has stopped because of its disk."""
        self.timeline = timeline
        self.links = links
        self.watcher = watcher
        self.profile = profile
        self.chance = timeline.chance(f"node {node_id}")
        self.disk = Disk(timeline.chance(f"disk {node_id}"), profile.disk)

    def start(self, configuration: Configuration | None = None) -> "Process":
        """Starts a process, with a first configuration for an empty log, if there is one.

        Raises:
            LogError: the disk is damaged.
        """
        assert self.process is None, "one process uses a disk"
        log = self.disk.open_log()
        if configuration is not None:
            bootstrap(log, configuration)
            log.sync()
        self.boot += 1
        self.process = Process(self, log)
        self.timeline.note(self.node_id, f"starts, boot {self.boot}, term {log.term}, last entry {log.last_index}")
        self.watcher.started(self.process)
        self.process.start()
        return self.process

    def crash(self, *, is_power_cut: bool) -> None:
        """The process is gone, whatever it was doing; nobody is told anything."""
        process, self.process = self.process, None
        if process is None:
            return
        self.timeline.note(self.node_id, "loses power" if is_power_cut else "is killed")
        process.is_alive = False
        self.watcher.stopped(process)
        if is_power_cut and process.is_syncing:
            # In the middle of a sync: a part of it gets to the disk.
            self.disk.stop_within(4)
            with suppress(LogFailed):
                process.log.complete_sync()
        self.disk.crash(is_power_cut=is_power_cut)


class Process:
    """One boot of a node: a replica, and what its driver would do."""

    def __init__(self, host: Host, log: Log) -> None:
        self.host = host
        self.node_id = host.node_id
        self.log = log
        self.is_alive = True
        self.is_syncing = False
        self.stalled_until = 0.0
        """It does not run until then: what comes meanwhile waits."""
        self.registers = Registers(self._applied)
        self._timeline = host.timeline
        self._timer_at = float("inf")
        self._is_to_apply = False
        self.replica = Replica(
            node_id=host.node_id,
            boot=host.boot,
            log=log,
            state_machine=self.registers,
            wall_clock=self._wall_clock,
            chance=host.chance.random,
            timing=host.profile.timing,
            snapshot_log_bytes=host.profile.snapshot_log_bytes,
            trailing_entries_count=host.profile.trailing_entries_count,
        )

    # --- what happens ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begins to take part."""
        self.replica.start(self._timeline.now)
        self.settle()

    def receive(self, sender_id: str, data: bytes) -> None:
        """A message has come."""
        if self._may_run(self.receive, sender_id, data):
            self.replica.receive(sender_id, decode(data), self._timeline.now)
            self.settle()

    def peer_lost(self, node_id: str) -> None:
        """The connection to a peer has gone."""
        if self._may_run(self.peer_lost, node_id):
            self.replica.peer_lost(node_id, self._timeline.now)
            self.settle()

    def run(self, call: Callable[["Process"], None]) -> None:
        """Whatever else somebody wants of the replica."""
        if self._may_run(self.run, call):
            call(self)
            self.settle()

    def settle(self) -> None:
        """Carries out what the last step left to do, and has itself looked at."""
        replica, now = self.replica, self._timeline.now
        replica.flush(now)
        if replica.has_work and not self._is_to_apply:
            if self.host.chance.random() < APPLY_PAUSE_SHARE:
                self._is_to_apply = True
                self._timeline.after(self.host.chance.random() * APPLY_PAUSE_SECONDS_MAX, self._apply_later)
            else:
                self._apply()
        for job in replica.take_jobs():
            self._timeline.after(self.host.chance.random() * JOB_SECONDS_MAX, self._carry_out, job)
        outbox = replica.take_outbox()
        if outbox:
            watcher, links = self.host.watcher, self.host.links
            for to, message in outbox:
                watcher.sending(self, to, message)
                links.send(self.node_id, to, message)
        if not self.is_syncing and self.log.begin_sync():
            self.is_syncing = True
            self._timeline.after(self.host.disk.sync_seconds(), self._complete_sync)
        deadline = replica.deadline
        if deadline < self._timer_at:
            self._timer_at = deadline
            self._timeline.at(deadline, self._timer_fires, deadline)
        self.host.watcher.stepped(self)

    # --- its own events --------------------------------------------------------------------------------------------

    def _may_run(self, call: Callable[..., None], *arguments: Any) -> bool:
        if not self.is_alive:
            return False
        if self._timeline.now < self.stalled_until:
            self._timeline.at(self.stalled_until + self._order_seconds(call), call, *arguments)
            return False
        return True

    def _order_seconds(self, call: Callable[..., None]) -> float:
        # When it runs again, what has come meanwhile is noticed in any order, except that of one sender's messages.
        return WAKE_SECONDS / 2 if call == self.receive else self.host.chance.choice((0.0, WAKE_SECONDS))

    def _timer_fires(self, time: float) -> None:
        if time != self._timer_at or not self._may_run(self._timer_fires, time):
            return
        now = self._timeline.now
        self._timer_at = float("inf")
        if now >= self.replica.deadline:
            self.replica.tick(now)
            self.settle()
        else:
            # It was put off meanwhile, as each heartbeat does.
            self._timer_at = self.replica.deadline
            if self._timer_at < float("inf"):
                self._timeline.at(self._timer_at, self._timer_fires, self._timer_at)

    def _complete_sync(self) -> None:
        # The disk goes on while the process does not run, but nobody hears of it.
        if not self._may_run(self._complete_sync):
            return
        self.is_syncing = False
        try:
            self.log.complete_sync()
        except LogFailed as error:
            self._fail(error)
            return
        self.replica.poll_log(self._timeline.now)
        self.settle()

    def _fail(self, error: Exception) -> None:
        self._timeline.note(self.node_id, f"stops: {error}")
        self.host.crash(is_power_cut=True)
        self.host.failed(self.host)

    def _apply_later(self) -> None:
        if self._may_run(self._apply_later):
            self._is_to_apply = False
            self._apply()
            self.settle()

    def _apply(self) -> None:
        replica = self.replica
        while True:
            replica.apply_some(self._timeline.now)
            if not replica.has_to_apply:
                break

    def _carry_out(self, job: Job) -> None:
        if not self._may_run(self._carry_out, job):
            return
        replica, log = self.replica, self.log
        try:
            match job:
                case SaveSnapshot(index, term, compact_index, encode):
                    data = encode()
                    log.save_snapshot(index, term, data)
                    log.compact(compact_index)
                    replica.snapshot_saved(len(data))
                case LoadSnapshot():
                    replica.snapshot_loaded(log.load_snapshot())
                case RestoreSnapshot(index, term, data):
                    log.save_snapshot(index, term, data)
                    replica.snapshot_installed(job, self._timeline.now)
        except LogError as error:
            self._fail(error)
            return
        if self._timeline.is_traced:
            self._timeline.note(self.node_id, f"has done {type(job).__name__}, snapshot {log.snapshot_index}")
        self.settle()

    def _applied(self, position: int, digest: int, number: int) -> None:
        self.host.watcher.applied(self, position, digest, number)

    def _wall_clock(self) -> int:
        return EPOCH_MS + int(self._timeline.now * 1000) + self.host.wall_offset_ms
