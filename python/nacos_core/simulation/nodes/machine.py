"""One machine: the disk that stays, and the node that runs on it now and then, with all its drivers."""

from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, Protocol

import msgspec
import trio

from nacos_core._core import Log, LogError, LogFailed
from nacos_core.errors import NacosCoreError
from nacos_core.identity import IDENTITY_FILE, Identity
from nacos_core.node import Node, run_node
from nacos_core.settings import Settings
from nacos_core.simulation.disks import Disk
from nacos_core.simulation.node import EPOCH_MS, JOB_SECONDS_MAX, NodeProfile
from nacos_core.simulation.nodes.ledger import Witness
from nacos_core.simulation.nodes.network import SimulatedNetwork, Wiring
from nacos_core.simulation.nodes.storage import SimulatedStorage
from nacos_core.surroundings import Arguments, Result, Surroundings

if TYPE_CHECKING:
    from nacos_core.raft.replica import Replica, StateMachine

CLIENT_PORT: Final = 8848
SECRET: Final = b"the secret of a simulated cluster"

running: "Final[ContextVar[Process | None]]" = ContextVar("running", default=None)
"""Of which process a task is a part."""


class Owner(Protocol):
    """Whom a machine belongs to."""

    def started(self, process: "Process") -> None:
        """The node is put together and about to take part."""

    def ready(self, process: "Process", nursery: trio.Nursery) -> None:
        """It serves; the tasks of that nursery end with it."""

    def stopped(self, process: "Process") -> None:
        """It is gone; its log can still be looked at."""

    def failed(self, machine: "Machine", error: Exception) -> None:
        """It has ended by itself."""

    def left(self, machine: "Machine") -> None:
        """It has ended as it was asked to."""


class Machine:
    """A machine with its disk. ``node_id`` stands on the disk: an empty one gets a new id.

    Args:
        host_name: under which its peers know it.
        cluster, join: as in ``Settings``.
    """

    def __init__(
        self,
        *,
        node_id: str,
        host_name: str,
        wiring: Wiring,
        nursery: trio.Nursery,
        profile: NodeProfile,
        owner: Owner,
        cluster: str | None,
        join: str | None = None,
    ) -> None:
        self.node_id = node_id
        self.host_name = host_name
        self.process: Process | None = None
        self.is_damaged = False
        """Its disk is lost: it does not start any more."""
        self.is_starting = False
        self.wall_offset_ms = 0
        self.boot = 0
        self.cluster = cluster
        self.wiring = wiring
        self.timeline = wiring.timeline
        self.chance = self.timeline.chance(f"node {node_id}")
        self.disk = Disk(self.timeline.chance(f"disk {node_id}"), profile.disk)
        self._join = join
        self._nursery = nursery
        self._owner = owner
        self._profile = profile
        self._storage = SimulatedStorage(node_id, self.disk, lambda: wiring.stalled_until.get(node_id, 0.0), self.fail)
        self._storage.replace(IDENTITY_FILE, msgspec.json.encode(Identity(node_id, 0)))
        wiring.hosts[host_name] = node_id

    @property
    def address(self) -> str:
        """As lists of members name it."""
        return f"{self.host_name}:{CLIENT_PORT}"

    def wall_ms(self) -> int:
        """What its clock shows."""
        return EPOCH_MS + int(trio.current_time() * 1000) + self.wall_offset_ms

    def start(self) -> None:
        """Starts a process, now; it can be talked to once ``process`` is there."""
        assert self.process is None, "one process uses a disk"
        self.is_starting = True
        self.wiring.unpowered.discard(self.node_id)
        self.wiring.stalled_until.pop(self.node_id, None)
        self.disk.mend()  # the last process may have ended in order before the fault that was meant for it
        self._nursery.start_soon(self._run)

    def crash(self, *, is_power_cut: bool) -> None:
        """The process is gone, whatever it was doing; nobody is told anything."""
        process, self.process = self.process, None
        if process is None:
            return
        self.timeline.note(self.node_id, "loses power" if is_power_cut else "is killed")
        self._owner.stopped(process)
        process.is_alive = False
        if is_power_cut and process.is_syncing:
            # In the middle of a sync: a part of it gets to the disk.
            self.disk.stop_within(4)
            with suppress(LogFailed):
                process.log.complete_sync()
        self.disk.crash(is_power_cut=is_power_cut)
        self.wiring.die(self.node_id, is_power_cut=is_power_cut)
        if is_power_cut:
            self.wiring.unpowered.add(self.node_id)
        process.node.abandon()
        process.scope.cancel()

    def stop(self) -> None:
        """The node is asked to end, as by SIGTERM: it hands over first, and writes down what it knows."""
        if self.process is not None:
            self.timeline.note(self.node_id, "is asked to stop")
            self.process.leaving.set()

    def fail(self, error: Exception) -> None:
        """Its node ends by itself. Called as soon as the disk says so, when the log can still be looked at."""
        if self.process is not None or self.is_starting:
            self.is_starting = False
            self._owner.failed(self, error)

    async def _run(self) -> None:
        scope = trio.CancelScope()
        failure: Exception | None = None
        process: Process | None = None
        witness: Witness | None = None

        def show(state_machine: "StateMachine") -> Witness:
            nonlocal witness
            witness = Witness(state_machine)
            return witness

        def announce(node: Node) -> None:
            nonlocal process
            assert witness is not None, "a node shows what it applies to"
            log, sync = self._storage.log, self._storage.sync
            assert log is not None, "a node opens its log first"
            assert sync is not None, "a node opens its log first"
            process = self.process = Process(self, node, log, scope, witness)
            process.look_at_log = sync.look
            process.is_in_sync = lambda: sync.is_syncing
            running.set(process)
            self.is_starting = False
            self.boot = node.identity.boot
            self._owner.started(process)

        with scope:
            try:
                async with (
                    run_node(self._settings(), announce=announce, surroundings=self._surroundings(show)),
                    trio.open_nursery() as nursery,
                ):
                    assert process is not None, "a node is announced before it is ready"
                    process.nursery = nursery
                    self._owner.ready(process, nursery)
                    try:
                        await process.leaving.wait()
                    finally:
                        process.nursery = None
                    nursery.cancel_scope.cancel()
            except (NacosCoreError, LogError, BaseExceptionGroup) as error:
                failure = _foreseen(error)
            finally:
                running.set(None)
        if failure is not None and (process is None or process.is_alive):
            self.fail(failure)
        elif process is not None and process.leaving.is_set() and self.process is None:
            self._owner.left(self)

    def _settings(self) -> Settings:
        return Settings(
            host=self.host_name,
            port=None,
            advertise=self.address,
            cluster=self.cluster,
            join=self._join,
            cluster_secret=SECRET,
            config_quota=True,
            snapshot_log_bytes=self._profile.snapshot_log_bytes,
            trailing_entries_count=self._profile.trailing_entries_count,
        )

    def _surroundings(self, show: "Callable[[StateMachine], StateMachine]") -> Surroundings:
        return Surroundings(
            storage=self._storage,
            network=SimulatedNetwork(self.wiring, self.node_id),
            wall_clock=self.wall_ms,
            entropy=self.chance.randbytes,
            aside=self._aside,
            cpu_seconds=lambda: 0.0,
            shown=show,
        )

    async def _aside(
        self, call: Callable[[*Arguments], Result], /, *arguments: *Arguments, abandon_on_cancel: bool = False
    ) -> Result:
        await trio.sleep(self.chance.random() * JOB_SECONDS_MAX)
        try:
            result = call(*arguments)
        except LogError as error:
            self.fail(error)
            raise
        if abandon_on_cancel:
            # Only the last sync of a clean stop may be abandoned; after it the log is closed.
            self._leave()
        return result

    def _leave(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            self._owner.stopped(process)
            process.is_alive = False
            self.wiring.die(self.node_id, is_power_cut=False)


class Process:
    """One boot of a node."""

    def __init__(self, host: Machine, node: Node, log: Log, scope: trio.CancelScope, witness: Witness) -> None:
        self.host = host
        self.node = node
        self.node_id = host.node_id
        self.log = log
        self.scope = scope
        self.witness = witness
        self.nursery: trio.Nursery | None = None
        """For tasks that end with it, while it serves."""
        self.is_alive = True
        self.leaving = trio.Event()
        self.look_at_log: Callable[[], None] = lambda: None
        self.is_in_sync: Callable[[], bool] = lambda: False

    @property
    def replica(self) -> "Replica":
        """The node as a server of Raft."""
        return self.node.raft

    @property
    def is_syncing(self) -> bool:
        """The disk is at work."""
        return self.is_in_sync()

    @property
    def stalled_until(self) -> float:
        """Until then its machine sends nothing and takes nothing, nor does its disk say that it has written."""
        return self.host.wiring.stalled_until.get(self.node_id, 0.0)

    @stalled_until.setter
    def stalled_until(self, time: float) -> None:
        self.host.wiring.stalled_until[self.node_id] = time

    def peer_lost(self, node_id: str) -> None:
        """Its connections with that peer break."""
        self.host.wiring.reset(self.node_id, node_id)


def _foreseen(error: BaseException) -> Exception:
    """The first of those that a node ends with when its disk fails; raises what is none of them."""
    if isinstance(error, BaseExceptionGroup):
        foreseen = [_foreseen(each) for each in error.exceptions]
        return foreseen[0]
    if isinstance(error, NacosCoreError | LogError):
        return error
    raise error
