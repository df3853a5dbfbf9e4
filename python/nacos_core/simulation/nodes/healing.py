"""After the faults stop: whatever has happened, the cluster must become whole again, serve, and be one."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import trio

from nacos_core.limits import LOCK_EXPIRY_SECONDS
from nacos_core.simulation.healing import EQUAL_SECONDS, LEADER_SECONDS, SERVE_SECONDS, STEP_SECONDS
from nacos_core.simulation.history import History
from nacos_core.simulation.invariants import Violation
from nacos_core.simulation.nodes.clients import SERVICE, NodesClients, check_history, value_of
from nacos_core.simulation.nodes.cluster import NodesCluster
from nacos_core.simulation.nodes.grays import GRAY_KEY, GrayClients
from nacos_core.simulation.nodes.ledger import Ledger
from nacos_core.simulation.nodes.locking import LockClients, check_locks
from nacos_core.simulation.nodes.machine import Process
from nacos_core.simulation.nodes.meaning import PUBLIC
from nacos_core.simulation.nodes.quotas import QuotaClients

REPAIR_SECONDS: Final = 20.0
HEALED_KEY: Final = "healed"
EXPIRY_SECONDS: Final = LOCK_EXPIRY_SECONDS + 1.0


class NodesHealing:
    """Waits for one thing after the other, each within a bounded time."""

    def __init__(
        self,
        cluster: NodesCluster,
        ledger: Ledger,
        history: History,
        clients: NodesClients,
        lockers: LockClients,
        grays: GrayClients,
        quotas: QuotaClients,
    ) -> None:
        self._cluster = cluster
        self._ledger = ledger
        self._history = history
        self._clients = clients
        self._lockers = lockers
        self._grays = grays
        self._quotas = quotas

    async def check(self) -> None:
        """Raises Violation: it did not heal."""
        await self._wait("one leader whom all members follow", LEADER_SECONDS, self._cluster.has_one_leader)
        await self._wait("every lost node replaced and every change of members made", REPAIR_SECONDS, self._is_repaired)
        await self._wait("one leader whom all members follow", LEADER_SECONDS, self._cluster.has_one_leader)
        self._clients.is_open = self._lockers.is_open = self._grays.is_open = self._quotas.is_open = False
        for node_id in [process.node_id for process in self._cluster.members()]:
            await self._try(f"a write at {node_id}", partial(self._call, self._clients.write, node_id, HEALED_KEY))
            await self._try(f"a read at {node_id}", partial(self._call, self._clients.read, node_id, HEALED_KEY))
            await self._try(f"a lock at {node_id}", partial(self._call, self._lockers.serve, node_id, HEALED_KEY))
            await self._try(
                f"a configuration for each client at {node_id}", partial(self._call, self._read_all, node_id, GRAY_KEY)
            )
        await self._wait("no lock whose time is over", EXPIRY_SECONDS, self._is_nothing_overdue)
        await self._wait("all members with all entries", EQUAL_SECONDS, self._are_equal)
        self._check_stores()

    async def _wait(self, what: str, seconds: float, is_so: Callable[[], bool]) -> None:
        end = trio.current_time() + seconds
        while not is_so():
            if trio.current_time() >= end:
                raise Violation("Heals", f"{seconds:g} s after the faults there is not {what}: {self._describe()}")
            await trio.sleep(STEP_SECONDS)

    async def _try(self, what: str, attempt: Callable[[], Awaitable[bool]]) -> None:
        end = trio.current_time() + SERVE_SECONDS
        while not await attempt():
            if trio.current_time() >= end:
                raise Violation("Heals", f"{SERVE_SECONDS:g} s were not enough for {what}: {self._describe()}")
            await trio.sleep(STEP_SECONDS)

    async def _call(self, call: Callable[[Process, str], Awaitable[bool]], node_id: str, key: str) -> bool:
        """At whichever process the node has now: one that was asked to stop may leave after the faults are over."""
        process = self._cluster.hosts[node_id].process
        return process is not None and await call(process, key)

    async def _read_all(self, process: Process, key: str) -> bool:
        return await self._grays.read_all(process)

    def _is_repaired(self) -> bool:
        configuration = self._cluster.configuration()
        if configuration is None or self._cluster.tasks:
            return False
        return all(
            member.part != "joining"
            and member.node_id not in self._cluster.lost_ids
            and (host := self._cluster.hosts.get(member.node_id)) is not None
            and host.address == member.address
            for member in configuration.members
        )

    def _are_equal(self) -> bool:
        leader, members = self._cluster.leader(), self._cluster.members()
        return (
            leader is not None
            and bool(members)
            and all(
                process.node.is_ready and process.replica.last_applied == leader.log.last_index for process in members
            )
        )

    def _is_nothing_overdue(self) -> bool:
        """The leader has the log drop what has expired by its clock."""
        leader = self._cluster.leader()
        return leader is not None and all(
            leader.host.wall_ms() < held.until_ms
            for held in self._ledger.state_at(leader.replica.last_applied).locks.values()
        )

    def _check_stores(self) -> None:
        """All members hold what the log says, with every write that a client was told of, and so do listeners."""
        check_history(self._history, self._ledger)
        check_locks(self._history, self._ledger)
        values = self._ledger.state.values
        members = self._cluster.members()
        first = members[0]
        for process in members:
            self._quotas.check(self._ledger, process)
            if process.node.identity.cluster_id != first.node.identity.cluster_id:
                raise Violation("Heals", f"{process.node_id} does not remember its cluster")
            heard = self._clients.heard.get((process.node_id, process.host.boot), {})
            for key in [*self._clients.keys, HEALED_KEY]:
                view, of_first = process.node.config.get(key), first.node.config.get(key)
                value = value_of(view)
                if value != values.get((PUBLIC, key), 0):
                    raise Violation(
                        "Heals", f"{process.node_id} has {value} for {key}, the log says {values.get((PUBLIC, key), 0)}"
                    )
                if view is not None and of_first is not None and view.md5 != of_first.md5:
                    raise Violation("Heals", f"the md5 of {key} is another one at {process.node_id}")
                if heard.get(key, 0) != value:
                    raise Violation(
                        "Listeners Hear", f"{process.node_id} told {heard.get(key)} of {key}, where {value} stands"
                    )
            if process.node.naming.list(SERVICE).hosts != first.node.naming.list(SERVICE).hosts:
                raise Violation("Heals", f"{process.node_id} and {first.node_id} have different instances")

    def _describe(self) -> str:
        to_do = ", ".join(task.what for task in self._cluster.tasks) or "nothing"
        return f"{self._cluster.describe()}; to do: {to_do}"
