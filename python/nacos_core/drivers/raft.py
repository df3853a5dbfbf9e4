"""Drives a replica on trio: its log, its timer, its peers, and the jobs that take long."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from nacos_core import commands
from nacos_core.errors import NacosCoreError, NotReady, StartError
from nacos_core.raft import snapshots
from nacos_core.raft.jobs import Job, LoadSnapshot, RestoreSnapshot, SaveSnapshot
from nacos_core.raft.replica import Replica
from nacos_core.state_machine import Outcome, read_outcome

if TYPE_CHECKING:
    from nacos_core._core import Log
    from nacos_core.commands import Command
    from nacos_core.drivers.stalls import Stalls
    from nacos_core.proposals import Complete
    from nacos_core.raft.configuration import Change, Configuration
    from nacos_core.raft.messages import ReplicaMessage
    from nacos_core.storage import LogSync
    from nacos_core.surroundings import Aside

_logger = logging.getLogger(__name__)


class RaftDriver:
    """The loops around one replica.

    Args:
        send: hands a message to the transport; it may be lost.
        settle: called after anything that clients may have to be told.
        synced: called after each sync, before what waited for it is sent.
        aside: carries out what takes long.
        stalls: is told of timers and syncs; None where nobody asks.
    """

    def __init__(
        self,
        *,
        replica: Replica,
        log: "Log",
        sync: "LogSync",
        send: "Callable[[str, ReplicaMessage], object]",
        settle: Callable[[], None],
        synced: Callable[[], None],
        aside: "Aside",
        stalls: "Stalls | None" = None,
    ) -> None:
        self.replica = replica
        self._log = log
        self._sync = sync
        self._send = send
        self._settle = settle
        self._synced = synced
        self._stalls = stalls
        self._aside = aside
        self._is_stopped = False
        self._sleeps_until = float("inf")
        self._timer_changed = trio.Event()
        self._work = trio.Event()
        self._applied = trio.Event()
        self._snapshot_saved = trio.Event()
        self._nursery: trio.Nursery | None = None
        self._is_applying = True
        """Also before ``run``: what is committed already waits until then."""

    # --- what clients want -----------------------------------------------------------------------------------------

    def propose(self, command: "Command", complete: "Complete") -> None:
        """Queues a command until ``flush``. ``complete`` gets its outcome, or the error instead of one."""
        if self._is_stopped:
            complete(NotReady("the node is stopping"))
            return

        def finish(result: object) -> None:
            _call(complete, result if isinstance(result, NacosCoreError) else read_outcome(result))  # type: ignore[arg-type]

        self.replica.propose(commands.encode(command), finish, trio.current_time())

    def read(self, confirmed: Callable[[NacosCoreError | None], None]) -> None:
        """Queues a linearizable read until ``flush``; the stores may answer it when ``confirmed`` gets None."""
        if self._is_stopped:
            confirmed(NotReady("the node is stopping"))
        else:
            self.replica.read(confirmed, trio.current_time())

    async def change(self, change: "Change") -> "Configuration":
        """Changes the members, at the leader only. Cancelling stops the waiting, not the change.

        Raises:
            MembershipRefused: says why not.
            NotReady: the node is stopping.
        """
        results: list[Configuration | NacosCoreError] = []
        self.replica.change(change, results.append, trio.current_time())
        self._after_step()
        await trio.lowlevel.checkpoint()
        (result,) = results
        if isinstance(result, NacosCoreError):
            raise result
        return result

    def flush(self) -> None:
        """Appends or forwards what was proposed, and asks for what is to be read, since the last call."""
        self.replica.flush(trio.current_time())
        self._after_step()

    # --- what happens ----------------------------------------------------------------------------------------------

    def receive(self, sender_id: str, message: "ReplicaMessage") -> None:
        """A message from a peer; ``settle_messages`` follows when there are no more for now.

        Raises:
            ValueError, LogError: it makes no sense here.
        """
        self.replica.receive(sender_id, message, trio.current_time())

    def peer_lost(self, node_id: str) -> None:
        """The connection to a peer has gone."""
        self.replica.peer_lost(node_id, trio.current_time())
        self._after_step()

    def settle_messages(self) -> None:
        """All messages that had come were handed in."""
        self._settle()

    def bootstrap(self, configuration: "Configuration") -> None:
        """The first configuration of the cluster."""
        self.replica.bootstrap(configuration, trio.current_time())
        self._wake_waiters()
        self._after_step()

    def transfer(self, target_id: str) -> None:
        """At the leader: hands over."""
        self.replica.transfer(target_id, trio.current_time())
        self._after_step()

    async def snapshot(self) -> None:
        """Takes a snapshot of what this node has applied and waits until it is durable.

        Raises:
            NotReady: one is being taken or installed.
        """
        saved = self._snapshot_saved
        if self.replica.take_snapshot():
            self._after_step()
            await saved.wait()

    async def run(self) -> None:
        """Runs until cancelled.

        Raises:
            LogFailed: a sync failed. What was not synced may be lost, so the node must stop.
        """
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self._is_applying = False
            self.replica.start(trio.current_time())
            self._after_step()
            nursery.start_soon(self._follow_log)
            nursery.start_soon(self._keep_time)
            nursery.start_soon(self._apply_the_rest)

    async def wait_applied(self, is_enough: Callable[[], bool]) -> None:
        """Waits until ``is_enough`` says so, which it is asked whenever entries were applied or a cluster has begun."""
        while not is_enough():
            await self._applied.wait()

    def mute(self) -> None:
        """Nothing is sent to peers any more."""
        self._send = lambda to, message: None

    def stop(self) -> None:
        """Nothing more is applied: tells everybody who still waits what is known."""
        self._is_stopped = True
        self.replica.stop("the node stopped before the write was confirmed")

    async def _follow_log(self) -> None:
        while True:
            await self._sync.wait()
            now = trio.current_time()
            self.replica.poll_log(now)
            self._synced()
            if self._stalls is not None:
                self._stalls.synced(self.replica.synced_ticket, self._log.ticket, now)
            self._after_step()

    async def _keep_time(self) -> None:
        while True:
            self._timer_changed = trio.Event()
            self._sleeps_until = self.replica.deadline
            if self._stalls is not None:
                self._stalls.sleeps(trio.current_time())
            with trio.move_on_at(self._sleeps_until):
                await self._timer_changed.wait()
                continue
            now = trio.current_time()
            if self._stalls is not None:
                self._stalls.woke(self._sleeps_until, now)
            self.replica.tick(now)
            self._settle()

    async def _apply_the_rest(self) -> None:
        """What is too much for one turn is applied in several, and other tasks get theirs between."""
        while True:
            await self._work.wait()
            self._work = trio.Event()
            self._apply()
            await trio.lowlevel.checkpoint()

    def _apply(self) -> None:
        # In whichever task is running: to wake another one would cost every write that wait.
        replica = self.replica
        before = replica.last_applied
        self._is_applying = True
        replica.apply_some(trio.current_time())
        for job in replica.take_jobs():
            assert self._nursery is not None, "nothing is applied before run"
            self._nursery.start_soon(self._carry_out, job)
        if replica.last_applied != before:
            self._wake_waiters()
        self._settle()
        self._is_applying = False
        if replica.has_work:
            self._work.set()

    def _wake_waiters(self) -> None:
        self._applied.set()
        self._applied = trio.Event()

    async def _carry_out(self, job: Job) -> None:
        replica, log, aside = self.replica, self._log, self._aside
        match job:
            case SaveSnapshot(index, term, compact_index, encode):
                data = await aside(encode)
                await aside(log.save_snapshot, index, term, data)
                await aside(log.compact, compact_index)
                replica.snapshot_saved(len(data))
                self._snapshot_saved.set()
                self._snapshot_saved = trio.Event()
                _logger.debug("snapshot of %d bytes at entry %d", len(data), index)
            case LoadSnapshot():
                replica.snapshot_loaded(await aside(log.load_snapshot))
            case RestoreSnapshot(index, term, data):
                try:
                    # Before it takes the place of a log that this program can read: the leader may be a newer one.
                    await aside(snapshots.decode, data)
                    await aside(log.save_snapshot, index, term, data)
                    replica.snapshot_installed(job, trio.current_time())
                except ValueError as error:
                    raise StartError(f"the snapshot that the leader sent cannot be read: {error}") from None
                _logger.info("a snapshot of %d bytes from the leader, up to entry %d", len(data), index)
        self._after_step()

    def _after_step(self) -> None:
        """Whatever was done may have queued messages, set the timer, or left something to apply."""
        replica = self.replica
        for to, message in replica.take_outbox():
            self._send(to, message)
        if self._stalls is not None and self._log.ticket > replica.synced_ticket:
            self._stalls.written(self._log.ticket, trio.current_time())
        if replica.deadline < self._sleeps_until:
            self._timer_changed.set()
        if replica.has_work and not self._is_applying:
            self._apply()


def _call(complete: "Complete", result: Outcome | NacosCoreError) -> None:
    try:
        complete(result)
    except Exception:
        _logger.exception("telling the outcome of a write failed")
