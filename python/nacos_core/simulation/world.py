"""One simulation: a cluster, its clients, its faults, and the verdict on what happened."""

from dataclasses import dataclass, field
from random import Random
from typing import Final

from nacos_core.simulation.clients import ClientProfile, Clients
from nacos_core.simulation.cluster import Cluster
from nacos_core.simulation.disks import DiskProfile
from nacos_core.simulation.faults import FaultProfile, Faults
from nacos_core.simulation.healing import Healing
from nacos_core.simulation.history import History
from nacos_core.simulation.invariants import Invariants
from nacos_core.simulation.links import LinkProfile
from nacos_core.simulation.node import NodeProfile
from nacos_core.simulation.timeline import Timeline, Trace
from nacos_core.simulation.verdict import Verdict

CALLS_PER_SECOND_MIN: Final = 100 / 30
"""What is promised of 30 simulated seconds."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What kind of cluster it is, and what it has to suffer."""

    links: LinkProfile = field(default_factory=LinkProfile)
    node: NodeProfile = field(default_factory=NodeProfile)
    clients: ClientProfile = field(default_factory=ClientProfile)
    faults: FaultProfile = field(default_factory=FaultProfile)

    @staticmethod
    def drawn(chance: Random) -> "Profile":
        """Links that are near or far, good or bad; disks that are fast or slow; snapshots often or seldom."""
        near = chance.choice([0.0002, 0.001, 0.005])
        links = LinkProfile(
            delay_min_seconds=near,
            delay_max_seconds=near * chance.choice([2, 5, 10]),
            loss=chance.choice([0.0, 0.0, 0.01, 0.05]),
            duplication=chance.choice([0.0, 0.0, 0.02]),
            is_ordered=chance.random() < 0.5,
        )
        disk = DiskProfile(0.0002, chance.choice([0.001, 0.005, 0.02]))
        node = NodeProfile(
            disk=disk,
            snapshot_log_bytes=chance.choice([1024, 4096, 1 << 20]),
            trailing_entries_count=chance.choice([0, 5, 50]),
        )
        return Profile(links=links, node=node)


@dataclass(slots=True)
class Report(Verdict):
    """What clients and voters did."""

    answered_count: int = 0
    unknown_count: int = 0
    elections_count: int = 0
    history: History = field(default_factory=History)


class Simulation:
    """A cluster of ``nodes_count`` for ``seconds`` with faults, and as long as it takes to heal without.

    Args:
        profile: None lets the seed draw it.
        trace: takes a line for each event; None is faster.
    """

    def __init__(
        self,
        seed: int,
        *,
        nodes_count: int = 5,
        seconds: float = 30.0,
        profile: Profile | None = None,
        trace: Trace | None = None,
    ) -> None:
        self.seed = seed
        self.seconds = seconds
        self.trace = trace
        self.timeline = Timeline(seed, trace)
        self.profile = profile or Profile.drawn(self.timeline.chance("profile"))
        self.invariants = Invariants()
        self.cluster = Cluster(self.timeline, self.profile.links, self.profile.node, nodes_count, self.invariants)
        self.clients = Clients(self.timeline, self.profile.clients, self.cluster.processes, self.invariants.refused)
        self.faults = Faults(self.cluster, self.profile.faults)

    def run(self) -> Report:
        """Plays it to the end, or to the first thing that must not happen."""
        report = Report(self.seed, history=self.clients.history, faults=self.faults.counts)
        with report.judged(self.timeline, self.trace):
            self.cluster.start()
            self.timeline.run_until(self.seconds)
            # A seed whose faults left the clients little to do goes on until they have done enough.
            while (
                self.clients.calls_count < self.seconds * CALLS_PER_SECOND_MIN and self.timeline.now < 2 * self.seconds
            ):
                self.timeline.run_until(self.timeline.now + 1)
            self.faults.stop()
            Healing(self.cluster, self.clients).check()
        report.messages_count = self.cluster.links.sent_count
        report.calls_count = self.clients.calls_count
        report.answered_count = self.clients.answered_count
        report.unknown_count = self.clients.unknown_count
        report.elections_count = self.invariants.elections_count
        return report
