"""One simulation: a cluster, its clients, its faults, and the verdict on what happened."""

from dataclasses import dataclass, field
from random import Random

from nacos_core.simulation.distro.clients import SERVICES, Beating, ClientProfile, Connected, Subscriber
from nacos_core.simulation.distro.cluster import Cluster
from nacos_core.simulation.distro.facts import Facts
from nacos_core.simulation.distro.faults import FaultProfile, Faults
from nacos_core.simulation.distro.healing import Healing
from nacos_core.simulation.distro.node import NodeProfile
from nacos_core.simulation.links import LinkProfile
from nacos_core.simulation.timeline import Timeline, Trace
from nacos_core.simulation.verdict import Verdict


@dataclass(frozen=True, slots=True)
class DistroProfile:
    """What kind of cluster it is, and what it has to suffer."""

    links: LinkProfile = field(default_factory=LinkProfile)
    node: NodeProfile = field(default_factory=NodeProfile)
    clients: ClientProfile = field(default_factory=ClientProfile)
    faults: FaultProfile = field(default_factory=FaultProfile)

    @staticmethod
    def drawn(chance: Random) -> "DistroProfile":
        """Links that are near or far, good or bad; faults that come seldom or all the time."""
        near = chance.choice([0.0002, 0.001, 0.02])
        links = LinkProfile(
            delay_min_seconds=near,
            delay_max_seconds=near * chance.choice([2, 5]),
            loss=chance.choice([0.0, 0.0, 0.0, 0.02]),
            duplication=chance.choice([0.0, 0.0, 0.02]),
            is_ordered=chance.random() < 0.7,
        )
        clients = ClientProfile(
            connections_count=chance.choice([3, 6, 10]),
            addresses_count=chance.choice([2, 5, 8]),
            pause_seconds=chance.choice([1.0, 4.0]),
        )
        faults = FaultProfile(
            pause_seconds=chance.choice([1.5, 3.0, 6.0]), lasting_seconds=chance.choice([5.0, 20.0, 40.0])
        )
        return DistroProfile(links=links, clients=clients, faults=faults)


@dataclass(slots=True)
class DistroReport(Verdict):
    """What was published and heard."""

    pushes_count: int = 0
    repairs_count: int = 0
    converged_seconds: float = 0.0
    """From the end of the faults until all nodes had equal digests and equal lists for good."""


class DistroSimulation:
    """A cluster of ``nodes_count`` for ``seconds`` with faults, and as long as it takes to be equal without.

    Args:
        profile: None lets the seed draw it.
        trace: takes a line for each event; None is faster.
    """

    def __init__(
        self,
        seed: int,
        *,
        nodes_count: int = 3,
        seconds: float = 60.0,
        profile: DistroProfile | None = None,
        trace: Trace | None = None,
    ) -> None:
        self.seed = seed
        self.seconds = seconds
        self.trace = trace
        self.timeline = timeline = Timeline(seed, trace)
        self.profile = profile = profile or DistroProfile.drawn(timeline.chance("profile"))
        self.facts = facts = Facts(timeline)
        self.cluster = cluster = Cluster(timeline, profile.links, profile.node, nodes_count, facts, SERVICES)
        who = profile.clients
        self.publishers = [
            Connected(cluster, facts, f"grpc{number}", who, f"10.0.1.{number}")
            for number in range(1, who.connections_count + 1)
        ]
        self.addresses = [
            Beating(cluster, facts, f"http{number}", who, f"10.0.2.{number}")
            for number in range(1, who.addresses_count + 1)
        ]
        self.subscribers = [
            Subscriber(cluster, facts, f"subscriber{number}", who) for number in range(1, who.subscribers_count + 1)
        ]
        self.faults = Faults(cluster, profile.faults, seconds)
        self.healing = Healing(cluster, facts, [*self.publishers, *self.addresses], self.subscribers, SERVICES)

    def run(self) -> DistroReport:
        """Plays it to the end, or to the first thing that must not happen."""
        report = DistroReport(self.seed, faults=self.faults.counts)
        with report.judged(self.timeline, self.trace):
            self.cluster.start()
            self.timeline.run_until(self.seconds)
            self.faults.stop()
            self.healing.check()
        report.messages_count = self.cluster.network.links.sent_count
        report.calls_count = self.cluster.operations_count
        report.pushes_count = self.cluster.pushes_count
        report.repairs_count = self.cluster.repairs_count
        report.converged_seconds = self.healing.converged_seconds
        return report
