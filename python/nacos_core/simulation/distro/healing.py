"""After the faults stop: all nodes must become equal, and everybody be told what is true."""

from collections.abc import Sequence
from typing import Final

from nacos_core import limits
from nacos_core._core import Hub
from nacos_core.simulation.distro.clients import Client, Subscriber
from nacos_core.simulation.distro.cluster import Cluster
from nacos_core.simulation.distro.facts import Facts
from nacos_core.simulation.distro.watching import GONE_ADDRESS_SECONDS
from nacos_core.simulation.invariants import Violation

STEP_SECONDS: Final = 0.1
QUIET_SECONDS: Final = 25.0
"""So long it is looked at whether nodes stay equal; clients do nothing new."""
CONVERGED_SECONDS: Final = 3 * limits.DISTRO_VERIFY_SECONDS


class Healing:
    """What is looked at in the end."""

    def __init__(
        self,
        cluster: Cluster,
        facts: Facts,
        publishers: Sequence[Client],
        subscribers: Sequence[Subscriber],
        services: tuple[str, ...],
    ) -> None:
        self.converged_seconds = 0.0
        self._cluster = cluster
        self._facts = facts
        self._publishers = publishers
        self._subscribers = subscribers
        self._services = services

    def check(self) -> None:
        """Raises Violation: it did not heal."""
        for client in (*self._publishers, *self._subscribers):
            client.is_resting = True
        timeline = self._cluster.timeline
        begun = timeline.now
        why = ""
        while timeline.now < begun + QUIET_SECONDS:
            timeline.run_until(timeline.now + STEP_SECONDS)
            if difference := self._difference():
                self.converged_seconds = timeline.now - begun
                why = difference
        if self.converged_seconds > CONVERGED_SECONDS:
            raise Violation("Converges", f"{self.converged_seconds:.1f} s after the faults: {why}")
        timeline.run_until(begun + GONE_ADDRESS_SECONDS + 5.0)
        self._check_truth()

    def _difference(self) -> str:
        """What two nodes differ in."""
        processes = self._cluster.processes()
        if not all(process.is_serving for process in processes):
            return "not all nodes serve"
        first = processes[0]
        for process in processes[1:]:
            for one, other in ((first, process), (process, first)):
                for holder in one.hub.distro_holders():
                    if holder.records and holder.digest != self._digest(other.hub, holder.node_id, holder.boot):
                        return f"{one.node_id} and {other.node_id} differ in {holder.node_id} boot {holder.boot}"
            for service in self._services:
                if process.lists.get(service, {}) != first.lists.get(service, {}):
                    return f"{first.node_id} and {process.node_id} have other lists of {service}"
        return ""

    @staticmethod
    def _digest(hub: Hub, node_id: str, boot: int) -> bytes:
        found = [each.digest for each in hub.distro_holders() if (each.node_id, each.boot) == (node_id, boot)]
        return found[0] if found else b""

    def _check_truth(self) -> None:
        truth = self._facts.truth(self._services)
        for process in self._cluster.processes():
            for service in self._services:
                listing = process.lists.get(service, {})
                versions = {address: shown.version for address, shown in listing.items()}
                if versions != truth[service]:
                    raise Violation(
                        "Lists Are True", f"{process.node_id} lists {versions} in {service}, true is {truth[service]}"
                    )
                if not all(shown.healthy for shown in listing.values()):
                    raise Violation("Lists Are True", f"{process.node_id} lists unhealthy ones in {service}: {listing}")
        for subscriber in self._subscribers:
            for service in self._services:
                versions = {address: shown.version for address, shown in subscriber.lists.get(service, {}).items()}
                if versions != truth[service]:
                    raise Violation(
                        "Subscribers Know",
                        f"{subscriber.name} was last told {versions} of {service}, true is {truth[service]}",
                    )
