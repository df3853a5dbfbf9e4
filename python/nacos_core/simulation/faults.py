"""What goes wrong, and when: a schedule drawn from the seed."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from nacos_core.simulation import cuts
from nacos_core.simulation.cuts import Link
from nacos_core.simulation.subjects import Cluster, Host

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LEADER_SHARE: Final = 0.4
"""How often the leader is the one that it happens to."""


@dataclass(frozen=True, slots=True)
class FaultProfile:
    """Which faults there are, and how long it is on average from one to the next."""

    pause_seconds: float = 1.5
    lasting_seconds: float = 5.0
    """The longest that links and disks are bad, or a node is down."""
    kinds: "Sequence[str] | None" = None
    """None: all of them."""


class Faults:
    """Every fault ends by itself; ``stop`` ends them all."""

    def __init__(self, cluster: Cluster, profile: FaultProfile) -> None:
        self.counts: dict[str, int] = {}
        self._cluster = cluster
        self._timeline = cluster.timeline
        self._chance = cluster.timeline.chance("faults")
        self._pause_seconds = profile.pause_seconds
        self._lasting_seconds = profile.lasting_seconds
        self._is_over = False
        every: dict[str, tuple[int, Callable[[Host], bool]]] = {
            "kill": (10, self._kill),
            "power cut": (10, self._cut_power),
            "kill all": (1, self._kill_all),
            "power cut of all": (2, self._cut_power_of_all),
            "stall": (8, self._stall),
            "isolation": (8, self._isolate),
            "split": (8, self._split),
            "one-way cut": (6, self._cut_one_way),
            "cut link": (6, self._cut_link),
            "slow link": (4, self._slow_links),
            "lossy links": (4, self._lose_messages),
            "slow disk": (4, self._slow_disk),
            "failed sync": (4, self._fail_sync),
            "full disk": (2, self._fill_disk),
            "lost disk": (3, self._lose_disk),
            "flipped bits": (3, self._flip_bits),
            "new node": (3, self._grow),
            "removed node": (3, self._shrink),
            "moved node": (2, self._move),
            "transfer": (5, self._transfer),
            "clock jump": (2, self._jump),
        }
        self._kinds = {kind: fault for kind, fault in every.items() if profile.kinds is None or kind in profile.kinds}
        if self._kinds:
            self._timeline.after(self._chance.expovariate(1 / self._pause_seconds), self._next)

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self.counts.values())

    def stop(self) -> None:
        """Everything works again; what is down starts."""
        self._is_over = True
        cluster = self._cluster
        self._timeline.note("faults", "are over")
        cluster.links.be_kind()
        for host in list(cluster.hosts.values()):
            host.disk.be_kind()
            if host.process is not None:
                host.process.stalled_until = 0.0
            cluster.restart_later(host, self._chance.random())

    def _next(self) -> None:
        if self._is_over:
            return
        self._timeline.after(self._chance.expovariate(1 / self._pause_seconds), self._next)
        weights = [weight for weight, _ in self._kinds.values()]
        (kind,) = self._chance.choices(list(self._kinds), weights)
        host = self._victim()
        if host is not None and self._kinds[kind][1](host):
            self.counts[kind] = self.counts.get(kind, 0) + 1
            self._timeline.note("faults", f"{kind} at {host.node_id}")

    def _victim(self) -> Host | None:
        leader = self._cluster.leader()
        if leader is not None and self._chance.random() < LEADER_SHARE:
            return cast("Host", leader.host)
        hosts = list(self._cluster.hosts.values())
        return self._chance.choice(hosts) if hosts else None

    def _seconds(self, low: float) -> float:
        return self._share(low, max(low, self._lasting_seconds))

    def _share(self, low: float, high: float) -> float:
        """More often little than much."""
        return low + (high - low) * self._chance.random() ** 2

    # --- processes -------------------------------------------------------------------------------------------------

    def _crash(self, host: Host, *, is_power_cut: bool) -> bool:
        if host.process is None:
            return False
        host.crash(is_power_cut=is_power_cut)
        self._cluster.restart_later(host, self._seconds(0.05))
        return True

    def _kill(self, host: Host) -> bool:
        return self._crash(host, is_power_cut=False)

    def _cut_power(self, host: Host) -> bool:
        return self._crash(host, is_power_cut=True)

    def _kill_all(self, host: Host) -> bool:
        return self._crash_all(is_power_cut=False)

    def _cut_power_of_all(self, host: Host) -> bool:
        return self._crash_all(is_power_cut=True)

    def _crash_all(self, *, is_power_cut: bool) -> bool:
        crashed = [self._crash(host, is_power_cut=is_power_cut) for host in list(self._cluster.hosts.values())]
        return any(crashed)

    def _stall(self, host: Host) -> bool:
        if host.process is None:
            return False
        host.process.stalled_until = self._timeline.now + self._share(0.05, 1.5)
        return True

    def _jump(self, host: Host) -> bool:
        host.wall_offset_ms += self._chance.randrange(-10_000, 10_000)
        return True

    # --- links -----------------------------------------------------------------------------------------------------

    def _others(self, host: Host) -> list[str]:
        return [node_id for node_id in self._cluster.hosts if node_id != host.node_id]

    def _links_of(self, host: Host) -> list[Link]:
        return cuts.both_ways(host.node_id, self._others(host))

    def _cut(self, links: list[Link]) -> bool:
        cluster = self._cluster
        for link in links:
            cluster.links.cut(*link)
            if self._chance.random() < 0.3:
                # The end of a connection is noticed, or not.
                receiver = cluster.hosts.get(link[1])
                if receiver is not None and receiver.process is not None:
                    self._timeline.after(self._chance.random(), receiver.process.peer_lost, link[0])
        self._mend_later(links, self._seconds(0.1))
        return bool(links)

    def _mend_later(self, links: list[Link], seconds: float) -> None:
        for link in links:
            self._timeline.after(seconds, self._cluster.links.mend, *link)

    def _isolate(self, host: Host) -> bool:
        return self._cut(self._links_of(host))

    def _split(self, host: Host) -> bool:
        return self._cut(cuts.split(self._chance, host.node_id, self._others(host)))

    def _cut_one_way(self, host: Host) -> bool:
        return self._cut(cuts.one_way(self._chance, host.node_id, self._others(host)))

    def _cut_link(self, host: Host) -> bool:
        return self._cut(cuts.single(self._chance, host.node_id, self._others(host)))

    def _slow_links(self, host: Host) -> bool:
        links = self._links_of(host)
        for link in links:
            self._cluster.links.slow(*link, extra_seconds=self._share(0.01, 0.5))
        self._mend_later(links, self._seconds(0.3))
        return True

    def _lose_messages(self, host: Host) -> bool:
        links = [(one, other) for one in self._cluster.hosts for other in self._cluster.hosts if one != other]
        share = self._share(0.02, 0.5)
        for link in links:
            self._cluster.links.lose(*link, share=share)
        self._mend_later(links, self._seconds(0.3))
        return True

    # --- disks -----------------------------------------------------------------------------------------------------

    def _slow_disk(self, host: Host) -> bool:
        host.disk.slowness = self._chance.choice([10.0, 100.0, 300.0])
        self._timeline.after(self._seconds(0.3), self._speed_up, host)
        return True

    def _speed_up(self, host: Host) -> None:
        host.disk.slowness = 1.0

    def _fail_sync(self, host: Host) -> bool:
        if host.process is None:
            return False
        host.disk.fail_next_sync()
        return True

    def _fill_disk(self, host: Host) -> bool:
        if host.process is None:
            return False
        host.disk.fill()
        return True

    def _lose_disk(self, host: Host) -> bool:
        if not self._cluster.may_lose(host.node_id):
            return False
        self._cluster.lost_ids.add(host.node_id)
        host.is_damaged = True
        host.crash(is_power_cut=True)
        self._timeline.after(self._seconds(0.1), self._cluster.replace, host)
        return True

    def _flip_bits(self, host: Host) -> bool:
        if not self._cluster.may_lose(host.node_id):
            return False
        self._cluster.lost_ids.add(host.node_id)
        host.crash(is_power_cut=self._chance.random() < 0.5)
        for _ in range(self._chance.randrange(1, 4)):
            self._timeline.note(host.node_id, host.disk.damage())
        self._cluster.restart_later(host, self._seconds(0.1))
        return True

    # --- members ---------------------------------------------------------------------------------------------------

    def _grow(self, host: Host) -> bool:
        if self._cluster.tasks or len(self._cluster.hosts) > 6:
            return False
        self._cluster.grow(is_learner=self._chance.random() < 0.4)
        return True

    def _shrink(self, host: Host) -> bool:
        configuration = self._cluster.configuration()
        if self._cluster.tasks or configuration is None or len(configuration.voters) <= 3:
            return False
        if configuration.find(host.node_id) is None or not self._cluster.may_lose(host.node_id):
            return False
        self._cluster.shrink(host.node_id)
        return True

    def _move(self, host: Host) -> bool:
        if self._cluster.tasks:
            return False
        self._cluster.move(host.node_id)
        return True

    def _transfer(self, host: Host) -> bool:
        leader = self._cluster.leader()
        if leader is None:
            return False
        others = ["", *self._others(leader.host)]
        target_id = self._chance.choice(others)
        leader.run(lambda process: process.replica.transfer(target_id, self._timeline.now))
        return True
