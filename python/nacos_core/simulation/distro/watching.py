"""What must never happen, looked at after every change of a list, and every half second.

Nobody believes what nodes say of each other here: facts are what clients did, and which links and processes worked.
"""

from typing import TYPE_CHECKING, Final

from nacos_core import limits
from nacos_core.simulation.distro.facts import Facts, Key, Registration
from nacos_core.simulation.distro.network import CONNECT_SECONDS
from nacos_core.simulation.distro.node import GROUP, NAMESPACE, Listing, Process
from nacos_core.simulation.invariants import Violation

if TYPE_CHECKING:
    from nacos_core.simulation.distro.clients import Subscriber
    from nacos_core.simulation.distro.cluster import Cluster

LOOK_SECONDS: Final = 0.5
SERVE_SLACK_SECONDS: Final = 1.5
PROMPT_SECONDS: Final = 0.1
"""Over links without faults a change takes no longer, beside the delay of the link."""
REPAIR_SECONDS: Final = 2 * limits.DISTRO_VERIFY_SECONDS + 3.0
"""After a fault has ended, within so long what was lost is found by comparing."""
SILENT_SECONDS: Final = limits.DISTRO_HEARTBEAT_SECONDS + 1.0
"""Since a node that ends was last heard: the grace counts from then."""
RETURN_SECONDS: Final = 2.0
"""Longer than a message is late."""
GRACE_SECONDS: Final = {False: limits.DISTRO_CONNECTION_GRACE_SECONDS, True: limits.DISTRO_ADDRESS_GRACE_SECONDS}
GONE_SECONDS: Final = (
    limits.DISTRO_CONNECTION_GRACE_SECONDS
    + limits.DISTRO_DOWN_SECONDS
    + limits.DISTRO_VERIFY_SECONDS
    + 2 * limits.DISTRO_HEARTBEAT_SECONDS
)
"""The longest that what is gone is listed while a majority is seen."""
GONE_ADDRESS_SECONDS: Final = GONE_SECONDS + limits.DISTRO_BEAT_DELETE_SECONDS

VersionKey = tuple[str, str, str, int, str]
Version = tuple[int, str, int, int]


class Watching:
    """One for a cluster."""

    def __init__(self, cluster: "Cluster", facts: Facts) -> None:
        self._cluster = cluster
        self._facts = facts
        self._timeline = cluster.timeline
        self._versions: dict[Process, dict[VersionKey, Version]] = {}
        self._listed_since: dict[tuple[Process, str, str], float] = {}
        self._lost: dict[Process, dict[VersionKey, tuple[float, Version]]] = {}

    # --- lists -----------------------------------------------------------------------------------------------------

    def doubled(self, process: Process, service: str, address: str, versions: set[int]) -> None:
        """One Line Each, but for what a client has over two connections to one node."""
        holders = {self._facts.holders[version] for version in versions}
        if len(holders) > 1 or len(versions) == 1:
            raise Violation("One Line Each", f"{process.node_id} lists {address} twice in {service}")

    def listed(self, process: Process, service: str, before: Listing, after: Listing) -> None:
        """Live Instances Stay: one leaves a list only if its holder could not be heard for the whole grace."""
        for address in after.keys() - before.keys():
            self._listed_since[process, service, address] = self._timeline.now
        for address, shown in before.items():
            if address in after:
                continue
            live = self._facts.live((service, address))
            if self._timeline.is_traced:
                self._timeline.note(process.node_id, f"lists {address} in {service} no more")
            if live is None:
                self._check_grace(process, service, address, shown.version)
            if live is None or (live.is_address and not self._shares_beats(process, live)):
                continue
            is_known = shown.version == live.version
            heard_seconds = self._timeline.now - self._heard_at(process, live.process)
            is_alone = live.process is not process and not self._sees_majority(process)
            if is_known and (heard_seconds < GRACE_SECONDS[live.is_address] or is_alone):
                raise Violation(
                    "Live Instances Stay",
                    f"{process.node_id} lists {address} in {service} no more, which is alive at {live.process.node_id}"
                    f" since {live.since:.3f}; that was heard {heard_seconds:.3f} s ago, and "
                    f"{'no' if is_alone else 'a'} majority was heard",
                )
            self._check_known(process, live, is_listed=False)

    def served(self, process: Process) -> None:
        """Load Before Serve: who serves knows all that it could have been told since it has started."""
        for service, listing in process.lists.items():
            self._listed_since.update(((process, service, address), self._timeline.now) for address in listing)
        asked = [other for other in self._cluster.processes() if self._could_ask(process, other)]
        for key in self._facts.instances:
            live = self._facts.live(key)
            if live is None or key[1] in process.lists.get(key[0], {}) or live.is_address:
                continue
            if live.process.is_leaving:
                continue  # it says nothing any more, and its clients are about to go elsewhere
            # What somebody has heard of since may have been heard after it was asked.
            is_known_to_all = all(self._has_listed(other, key, process.started_at) for other in asked)
            if asked and is_known_to_all and live.since < process.started_at:
                raise Violation(
                    "Load Before Serve",
                    f"{process.node_id} serves without {key[1]} in {key[0]}, which all list that it could have asked; "
                    f"it serves because: {process.machine.loading.reason}",
                )
            good_since = self._cluster.network.good_since(process, live.process)
            # Who has only just been reached has not said yet that it could be asked.
            was_reached_at = good_since + 1.5 * self._cluster.network.links.profile.delay_max_seconds
            is_early = good_since < process.started_at + 2 * CONNECT_SECONDS and was_reached_at < self._timeline.now
            if live.since < process.started_at and is_early:
                raise Violation(
                    "Load Before Serve",
                    f"{process.node_id} serves without {key[1]} in {key[0]}, alive at {live.process.node_id} since "
                    f"{live.since:.3f}, connected since {good_since:.3f}; it serves because: "
                    f"{process.machine.loading.reason}",
                )

    def told(
        self,
        subscriber: "Subscriber",
        process: Process,
        service: str,
        before: Listing,
        after: Listing,
        stamp_before: int,
        stamp: int,
    ) -> None:
        """Nothing Shrinks, and Times Rise: what subscribers are told."""
        if process.served_at is None:
            raise Violation("Load Before Serve", f"{process.node_id} pushes while it loads")
        if stamp < stamp_before and not self._cluster.has_jumped:
            raise Violation(
                "Times Rise", f"lastRefTime of {service} went back from {stamp_before} to {stamp} at {subscriber.name}"
            )
        for address in before:
            live = self._facts.live((service, address))
            if address not in after and live is not None:
                self._check_known(process, live, is_listed=False)

    # --- records ---------------------------------------------------------------------------------------------------

    def applying(self, process: Process) -> None:
        """Remembers what it has."""
        self._versions[process] = self._found(process)

    def applied(self, process: Process) -> None:
        """Versions Rise: nothing newer is overwritten by what is older; Removals Stay: nor does it return."""
        known, found = self._versions[process], self._found(process)
        for key, version in found.items():
            before = known.get(key, version)
            if version < before:
                raise Violation("Versions Rise", f"{process.node_id} had {before} of {key}, now {version}")
        now, lost = self._timeline.now, self._lost.setdefault(process, {})
        for key, version in found.items():
            lost_at, lost_version = lost.get(key, (-RETURN_SECONDS, version))
            # What was out of reach for long may have been dropped, and be heard of once more.
            if (
                key not in known
                and version <= lost_version
                and now - lost_at < RETURN_SECONDS
                and key[1] == "connection"
            ):
                raise Violation("Removals Stay", f"{process.node_id} has {key} again, which its holder has removed")
        lost.update((key, (now, version)) for key, version in known.items() if key not in found)

    def _found(self, process: Process) -> dict[VersionKey, Version]:
        found: dict[VersionKey, Version] = {}
        for service in self._cluster.services:
            for each in process.hub.distro_publishers(NAMESPACE, GROUP, service):
                # An address is the same whoever holds it.
                holder = (each.node_id, each.boot) if each.kind == "connection" else ("", 0)
                key = (service, each.kind, *holder, each.publisher)
                found[key] = (each.epoch, each.node_id, each.boot, each.revision)
        return found

    # --- now and then ----------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Looks at every node that serves, and at those that do not yet."""
        self._timeline.after(LOOK_SECONDS, self.look)
        for process in self._cluster.processes():
            if not process.is_running or process.is_leaving:
                continue
            if not process.is_serving:
                self._check_ready(process)
                continue
            for (service, address), instance in self._facts.instances.items():
                listing = process.lists.get(service, {})
                live = self._facts.live((service, address))
                if live is not None:
                    self._check_known(process, live, is_listed=address in listing)
                elif address in listing and not instance.registrations:
                    self._check_gone(process, service, address, instance.gone_at, is_silent=instance.is_silent)

    def _check_ready(self, process: Process) -> None:
        waited = self._timeline.now - max(process.started_at, process.running_since)
        if waited > process.machine.timing.load_seconds + SERVE_SLACK_SECONDS:
            raise Violation("Ready In Time", f"{process.node_id} does not serve {waited:.1f} s after its start")

    def _check_known(self, process: Process, live: Registration, *, is_listed: bool) -> None:
        """Live Instances Are Listed: as soon as whoever lists could know of them."""
        if is_listed:
            return
        now = self._timeline.now
        since = self._known_since(process, live)
        if now > since:
            raise Violation(
                "Live Instances Are Listed",
                f"{process.node_id} does not list {live.key[1]} in {live.key[0]}, alive at {live.process.node_id} "
                f"since {live.since:.3f}; it should have known since {since:.3f}",
            )

    def _known_since(self, process: Process, live: Registration) -> float:
        if live.is_address:
            # Who holds it may be a third node, and who beats where may have changed.
            return max(self._cluster.disturbed_at, live.since, self._cluster.good_since()) + REPAIR_SECONDS
        if live.process is process:
            return live.since
        good_since = self._cluster.network.good_since(process, live.process)
        profile = self._cluster.network.links.profile
        if max(good_since, process.served_at or 0.0) <= live.since and live.process.machine.is_serving:
            return live.since + PROMPT_SECONDS + profile.delay_max_seconds
        return max(good_since, live.since, process.started_at) + REPAIR_SECONDS

    def _check_grace(self, process: Process, service: str, address: str, version: int) -> None:
        """Grace Is Kept: who had heard a node that ended lists what it held until its clients have had their time."""
        orphan = self._facts.orphans.get(version)
        if orphan is None or process not in orphan.reached:
            return
        passed = self._timeline.now - orphan.ended_at
        if passed < GRACE_SECONDS[False] - SILENT_SECONDS:
            raise Violation(
                "Grace Is Kept",
                f"{process.node_id} lists {address} in {service} no more, {passed:.3f} s after its node has ended",
            )

    def _check_gone(self, process: Process, service: str, address: str, gone_at: float, *, is_silent: bool) -> None:
        """Gone Instances Go: within the bound, while a majority is seen."""
        majority_since = process.majority_since
        if majority_since is None:
            return
        since = max(gone_at, majority_since, process.running_since, self._cluster.disturbed_at)
        bound = GONE_ADDRESS_SECONDS if is_silent else GONE_SECONDS
        if self._timeline.now > since + bound:
            raise Violation(
                "Gone Instances Go",
                f"{process.node_id} lists {address} in {service}, gone since {gone_at:.3f}, for "
                f"{self._timeline.now - since:.1f} s, and has seen a majority since {majority_since:.3f}",
            )

    def _shares_beats(self, process: Process, live: Registration) -> bool:
        """Where clocks jumped, or beats were heard by a node that this one could not reach all the time, it may have
        missed them, and lists the instance again as soon as it hears of it."""
        if self._cluster.has_jumped:
            return False
        since = self._timeline.now - GRACE_SECONDS[True]
        is_reached = live.process is process or self._cluster.network.good_since(process, live.process) <= since
        return is_reached and process.running_since <= since

    def _could_ask(self, process: Process, other: Process) -> bool:
        links = self._cluster.network.links
        is_cut = links.is_cut(process.node_id, other.node_id) or links.is_cut(other.node_id, process.node_id)
        is_early = self._timeline.now < process.started_at + process.machine.timing.load_seconds - 0.5
        return other is not process and other.is_serving and other.is_running and is_early and not is_cut

    def _has_listed(self, process: Process, key: Key, since: float) -> bool:
        is_listed = key[1] in process.lists.get(key[0], {})
        return is_listed and self._listed_since[process, *key] < since

    def _sees_majority(self, process: Process) -> bool:
        recently = self._timeline.now - process.machine.timing.suspicious_seconds - 2.0
        heard = sum(at >= recently for at in process.heard.values())
        return (1 + heard) * 2 > len(self._cluster.hosts)

    def _heard_at(self, process: Process, other: Process) -> float:
        if process is other:
            return self._timeline.now
        return process.heard.get(other.node_id, -1e9)
