"""After the faults stop: all nodes must become equal, and everybody be told what is true."""

from collections.abc import Sequence
from typing import Final

from nacos_core import limits
from nacos_core._core import Hub
from nacos_core.simulation.distro.clients import Client, Subscriber
from nacos_core.simulation.distro.cluster import Cluster
from nacos_core.simulation.distro.facts import Facts
from nacos_core.simulation.distro.node import Listing, Process, Shown
from nacos_core.simulation.distro.watching import GONE_ADDRESS_SECONDS
from nacos_core.simulation.invariants import Violation

STEP_SECONDS: Final = 0.2
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
        why = before = ""
        while timeline.now < begun + QUIET_SECONDS:
            timeline.run_until(timeline.now + STEP_SECONDS)
            difference = self._difference()
            # What differs only for a moment is on its way, and something else may be the next time.
            if difference and difference == before:
                self.converged_seconds = timeline.now - begun
                why = difference
            before = difference
        if self.converged_seconds > CONVERGED_SECONDS:
            raise Violation("Converges", f"{self.converged_seconds:.1f} s after the faults: {why}")
        timeline.run_until(begun + GONE_ADDRESS_SECONDS + 5.0)
        self._check_truth()

    def _difference(self) -> str:
        """What two nodes differ in: of what nodes that run hold, and in lists of what lives."""
        processes = self._cluster.processes()
        if not all(process.is_serving for process in processes):
            return "not all nodes serve"
        boots = {(process.node_id, process.boot) for process in processes}
        first = processes[0]
        for process in processes[1:]:
            for one, other in ((first, process), (process, first)):
                for holder in one.hub.distro_holders():
                    if (holder.node_id, holder.boot) in boots and holder.digest != self._digest(
                        other.hub, holder.node_id, holder.boot
                    ):
                        return f"{one.node_id} and {other.node_id} differ in {holder.node_id} boot {holder.boot}"
            for service in self._services:
                if self._living(process, service) != self._living(first, service):
                    return f"{first.node_id} and {process.node_id} have other lists of {service}"
        return ""

    def _living(self, process: Process, service: str) -> Listing:
        listing = process.lists.get(service, {})
        living = {address: shown for address, shown in listing.items() if not self._facts.is_over((service, address))}
        # Where clocks jumped, an older registration at a dead node may hide the newer one until it is dropped.
        if not self._cluster.has_jumped:
            return living
        return {address: Shown(0, shown.healthy) for address, shown in living.items()}

    @staticmethod
    def _digest(hub: Hub, node_id: str, boot: int) -> bytes:
        found = [each.digest for each in hub.distro_holders() if (each.node_id, each.boot) == (node_id, boot)]
        return found[0] if found else bytes(16)

    def _check_truth(self) -> None:
        truth = self._facts.truth(self._services)
        for process in self._cluster.processes():
            for service in self._services:
                listing = process.lists.get(service, {})
                self._compare("Lists Are True", f"{process.node_id} lists", service, listing, truth[service])
                if not all(shown.healthy for shown in listing.values()):
                    raise Violation("Lists Are True", f"{process.node_id} lists unhealthy ones in {service}: {listing}")
        for subscriber in self._subscribers:
            for service in self._services:
                listing = subscriber.lists.get(service, {})
                self._compare("Subscribers Know", f"{subscriber.name} was last told", service, listing, truth[service])

    def _compare(self, rule: str, who: str, service: str, listing: Listing, truth: dict[str, int]) -> None:
        versions = {address: shown.version for address, shown in listing.items()}
        for address in versions:
            live = self._facts.live((service, address))
            is_doubtful = self._cluster.has_jumped or (live is not None and live.since < self._cluster.ended_at)
            if live is not None and live.is_address and is_doubtful:
                # The only node that knew of it may have died since, and beats do not tell it.
                versions[address] = truth[address]
        if versions != truth:
            raise Violation(rule, f"{who} {versions} in {service}, true is {truth}")
