"""What goes wrong, and when: a schedule drawn from the seed, on the scale of graces."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from nacos_core.simulation import cuts
from nacos_core.simulation.cuts import Link
from nacos_core.simulation.distro.cluster import CLOSE_SECONDS, LEAVE_SECONDS, Cluster
from nacos_core.simulation.distro.node import Host

JUMP_MS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class FaultProfile:
    """Which faults there are, and how long it is on average from one to the next."""

    pause_seconds: float = 4.0
    lasting_seconds: float = 30.0
    """The longest that links are bad, or a node is down; longer than any grace of a connection."""
    kinds: Sequence[str] | None = None
    """None: all of them."""


class Faults:
    """Every fault ends by itself; ``stop`` ends them all."""

    def __init__(self, cluster: Cluster, profile: FaultProfile, seconds: float) -> None:
        self.counts: dict[str, int] = {}
        self._cluster = cluster
        self._timeline = cluster.timeline
        self._chance = cluster.timeline.chance("faults")
        self._profile = profile
        self._seconds_max = seconds
        self._is_over = False
        every: dict[str, tuple[int, Callable[[Host], bool]]] = {
            "crash": (10, self._crash),
            "crash of all": (1, self._crash_all),
            "leave": (6, self._leave),
            "stall": (6, self._stall),
            "isolation": (8, self._isolate),
            "split": (5, self._split),
            "one-way cut": (4, self._cut_one_way),
            "cut link": (6, self._cut_link),
            "lost connection": (4, self._disconnect),
            "slow links": (4, self._slow_links),
            "lossy links": (4, self._lose_messages),
            "clients cut off": (4, self._cut_clients_off),
            "clock jump": (2, self._jump),
        }
        self._kinds = {kind: fault for kind, fault in every.items() if profile.kinds is None or kind in profile.kinds}
        if self._kinds:
            self._timeline.after(2.0 + self._chance.expovariate(1 / profile.pause_seconds), self._next)

    def stop(self) -> None:
        """Everything works again; what is down starts."""
        self._is_over = True
        cluster = self._cluster
        self._timeline.note("faults", "are over")
        cluster.network.links.be_kind()
        cluster.unreachable.clear()
        cluster.disturbed_at = self._timeline.now
        for host in cluster.hosts.values():
            cluster.restart(host)
            # Who is just about to leave comes back, too.
            cluster.restart_later(host, LEAVE_SECONDS + CLOSE_SECONDS + 0.1)

    def _next(self) -> None:
        if self._is_over:
            return
        self._timeline.after(self._chance.expovariate(1 / self._profile.pause_seconds), self._next)
        weights = [weight for weight, _ in self._kinds.values()]
        (kind,) = self._chance.choices(list(self._kinds), weights)
        host = self._chance.choice(list(self._cluster.hosts.values()))
        self._timeline.note("faults", f"{kind} at {host.node_id}")
        if self._kinds[kind][1](host):
            self.counts[kind] = self.counts.get(kind, 0) + 1
            self._cluster.disturbed_at = self._timeline.now

    def _seconds(self, low: float) -> float:
        """More often short than long."""
        return low + max(0.0, self._profile.lasting_seconds - low) * self._chance.random() ** 2

    # --- processes -------------------------------------------------------------------------------------------------

    def _crash(self, host: Host) -> bool:
        if host.process is None:
            return False
        self._cluster.crash(host)
        self._cluster.restart_later(host, self._seconds(0.2))
        return True

    def _crash_all(self, host: Host) -> bool:
        crashed = [self._crash(each) for each in self._cluster.hosts.values()]
        return any(crashed)

    def _leave(self, host: Host) -> bool:
        if host.process is None or not host.process.is_running:
            return False
        self._cluster.leave(host)
        self._cluster.restart_later(host, self._seconds(0.5))
        return True

    def _stall(self, host: Host) -> bool:
        if host.process is None or not host.process.is_running:
            return False
        seconds = self._chance.choice((0.5, 2.0, 5.0, 12.0, 25.0)) * (0.5 + self._chance.random())
        host.process.stall(min(seconds, self._profile.lasting_seconds, self._seconds_max - self._timeline.now))
        return True

    def _jump(self, host: Host) -> bool:
        host.wall_offset_ms += self._chance.randrange(-JUMP_MS_MAX, JUMP_MS_MAX)
        self._cluster.has_jumped = True
        return True

    def _cut_clients_off(self, host: Host) -> bool:
        self._cluster.unreachable[host.node_id] = self._timeline.now + self._seconds(1.0)
        return True

    # --- links -----------------------------------------------------------------------------------------------------

    def _others(self, host: Host) -> list[str]:
        return [node_id for node_id in self._cluster.hosts if node_id != host.node_id]

    def _links_of(self, host: Host) -> list[Link]:
        return cuts.both_ways(host.node_id, self._others(host))

    def _cut(self, links: list[Link]) -> bool:
        network = self._cluster.network
        for link in links:
            network.links.cut(*link)
            if self._chance.random() < 0.5:
                # The end of a connection is noticed, or not.
                network.disconnect(*link, notice_seconds_max=2.0)
        self._mend_later(links, self._seconds(0.5))
        return bool(links)

    def _mend_later(self, links: list[Link], seconds: float) -> None:
        for link in links:
            self._timeline.after(seconds, self._mend, link)

    def _mend(self, link: Link) -> None:
        self._cluster.disturbed_at = self._timeline.now
        self._cluster.network.links.mend(*link)

    def _isolate(self, host: Host) -> bool:
        if self._chance.random() < 0.3:
            self._cut_clients_off(host)
        return self._cut(self._links_of(host))

    def _split(self, host: Host) -> bool:
        return self._cut(cuts.split(self._chance, host.node_id, self._others(host)))

    def _cut_one_way(self, host: Host) -> bool:
        return self._cut(cuts.one_way(self._chance, host.node_id, self._others(host)))

    def _cut_link(self, host: Host) -> bool:
        return self._cut(cuts.single(self._chance, host.node_id, self._others(host)))

    def _disconnect(self, host: Host) -> bool:
        others = self._others(host)
        if others:
            self._cluster.network.disconnect(host.node_id, self._chance.choice(others))
        return bool(others)

    def _slow_links(self, host: Host) -> bool:
        links = self._links_of(host)
        for link in links:
            self._cluster.network.links.slow(*link, extra_seconds=self._chance.choice((0.1, 0.5, 2.0)))
        self._mend_later(links, self._seconds(0.5))
        return True

    def _lose_messages(self, host: Host) -> bool:
        links = self._links_of(host)
        share = self._chance.choice((0.05, 0.2, 0.5))
        for link in links:
            self._cluster.network.links.lose(*link, share=share)
        self._mend_later(links, self._seconds(0.5))
        return True
