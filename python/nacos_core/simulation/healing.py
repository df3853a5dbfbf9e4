"""After the faults stop: whatever has happened, the cluster must become whole again, and serve."""

from collections.abc import Callable
from typing import Final

from nacos_core.simulation.clients import Clients, Reading, Writing
from nacos_core.simulation.cluster import Cluster
from nacos_core.simulation.invariants import Violation
from nacos_core.simulation.node import Process

LEADER_SECONDS: Final = 5.0
REPAIR_SECONDS: Final = 15.0
SERVE_SECONDS: Final = 8.0
EQUAL_SECONDS: Final = 5.0
STEP_SECONDS: Final = 0.05


class Healing:
    """Waits for one thing after the other, each within a bounded time."""

    def __init__(self, cluster: Cluster, clients: Clients) -> None:
        self._cluster = cluster
        self._clients = clients

    def check(self) -> None:
        """Raises Violation: it did not heal."""
        self._wait("one leader whom all members follow", LEADER_SECONDS, self._cluster.has_one_leader)
        self._wait("every lost node replaced and every change of members made", REPAIR_SECONDS, self._is_repaired)
        self._wait("one leader whom all members follow", LEADER_SECONDS, self._cluster.has_one_leader)
        self._clients.is_open = False
        self._serve()
        self._wait("all members with all entries", EQUAL_SECONDS, self._are_equal)
        self._check_states()

    def _wait(self, what: str, seconds: float, is_so: Callable[[], bool]) -> None:
        timeline = self._cluster.timeline
        end = timeline.now + seconds
        while not is_so():
            if timeline.now >= end:
                raise Violation(
                    "Heals", f"{seconds:g} s after the faults there is not {what}: {self._cluster.describe()}"
                )
            timeline.run_until(timeline.now + STEP_SECONDS)

    def _is_repaired(self) -> bool:
        configuration = self._cluster.configuration()
        if configuration is None or self._cluster.tasks:
            return False
        members = configuration.members
        return all(member.node_id not in self._cluster.lost_ids and member.part != "joining" for member in members)

    def _serve(self) -> None:
        """A write and a linearizable read at every member."""
        for process in self._cluster.members():
            self._try_until_done(f"a write at {process.node_id}", self._writer(process))
            self._try_until_done(f"a read at {process.node_id}", self._reader(process))

    def _writer(self, process: Process) -> Callable[[], Writing]:
        return lambda: self._clients.write(process, "healed", lambda: None)

    def _reader(self, process: Process) -> Callable[[], Reading]:
        return lambda: self._clients.read(process, "healed", lambda: None)

    def _try_until_done(self, what: str, begin: "Callable[[], Writing | Reading]") -> None:
        timeline = self._cluster.timeline
        end = timeline.now + SERVE_SECONDS
        call = begin()
        while not call.is_done:
            if timeline.now >= end:
                now = self._cluster.describe()
                raise Violation("Heals", f"{SERVE_SECONDS:g} s were not enough for {what}: {now}")
            timeline.run_until(timeline.now + STEP_SECONDS / 10)
            if call.is_answered and not call.is_done:
                call = begin()

    def _are_equal(self) -> bool:
        leader = self._cluster.leader()
        return (
            leader is not None
            and self._cluster.has_one_leader()
            and all(process.replica.last_applied == leader.log.last_index for process in self._cluster.members())
        )

    def _check_states(self) -> None:
        """All members hold the same, with every write that a client was told of."""
        members = self._cluster.members()
        first = members[0].registers
        for process in members:
            registers = process.registers
            if (registers.values, registers.position, registers.digest) != (first.values, first.position, first.digest):
                raise Violation("Heals", f"{process.node_id} and {members[0].node_id} hold different states")
            if registers.position < self._clients.floor:
                raise Violation("Heals", f"{process.node_id} has lost operations that clients were told of")
