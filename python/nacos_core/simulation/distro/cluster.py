"""The nodes of one simulated cluster, and who can reach whom."""

from collections.abc import Sequence

from nacos_core.simulation.distro.facts import Facts
from nacos_core.simulation.distro.network import Network
from nacos_core.simulation.distro.node import Host, NodeProfile, Process
from nacos_core.simulation.distro.watching import Watching
from nacos_core.simulation.links import LinkProfile
from nacos_core.simulation.timeline import Timeline

LEAVE_SECONDS = 0.2
"""From the last word of a node that stops until it closes its connections."""
CLOSE_SECONDS = 0.2
"""From then until it is gone: so long what it might still say arrives."""


class Cluster:
    """Hosts by the ids of their nodes; all are voters."""

    def __init__(
        self,
        timeline: Timeline,
        links: LinkProfile,
        node: NodeProfile,
        nodes_count: int,
        facts: Facts,
        services: tuple[str, ...],
    ) -> None:
        self.timeline = timeline
        self.hosts: dict[str, Host] = {}
        self.network = Network(timeline, links, self.hosts)
        self.facts = facts
        self.operations_count = 0
        """What clients have done."""
        self.pushes_count = 0
        self.has_jumped = False
        """Some clock was set."""
        self.services = services
        self._repairs_count = 0
        self.unreachable: dict[str, float] = {}
        """Nodes that clients cannot reach, and until when."""
        self.ended_at = 0.0
        """When a process last ended with what it alone knew."""
        self.disturbed_at = 0.0
        """When something last went wrong, or was mended."""
        self.watcher = Watching(self, facts)
        self._names = tuple(f"n{number}" for number in range(1, nodes_count + 1))
        for name in self._names:
            self.hosts[name] = Host(timeline, self.network, self.watcher, node, name)

    def start(self) -> None:
        """Starts all of them, at about the same time."""
        chance = self.timeline.chance("start")
        for host in self.hosts.values():
            self.timeline.after(chance.random() * 0.3, self.restart, host)
        self.network.start()
        self.timeline.after(1.0, self.watcher.look)

    def processes(self) -> Sequence[Process]:
        """Those that run."""
        return [host.process for host in self.hosts.values() if host.process is not None]

    def is_reachable(self, process: Process) -> bool:
        """For clients."""
        return self.unreachable.get(process.node_id, 0.0) <= self.timeline.now

    def good_since(self) -> float:
        """Since when all nodes have run, and reached each other; infinite: they do not."""
        processes = self.processes()
        if len(processes) < len(self.hosts):
            return float("inf")
        pairs = ((one, other) for one in processes for other in processes if one is not other)
        return max(self.network.good_since(*pair) for pair in pairs)

    @property
    def repairs_count(self) -> int:
        """How often a node found that it differed from a holder, as nodes count it."""
        return self._repairs_count + sum(map(_repairs, self.processes()))

    # --- what happens to hosts -------------------------------------------------------------------------------------

    def restart(self, host: Host) -> None:
        """Starts what does not run."""
        if host.process is None:
            self.disturbed_at = self.timeline.now
            host.start(self._names)

    def restart_later(self, host: Host, delay_seconds: float) -> None:
        """A while from now."""
        self.timeline.after(delay_seconds, self.restart, host)

    def crash(self, host: Host) -> None:
        """The process is gone at once."""
        self.disturbed_at = self.timeline.now
        reached = [each for each in self.processes() if host.process and self._is_good(each, host.process)]
        process = host.end()
        if process is not None:
            self.ended_at = self.timeline.now
            self._repairs_count += _repairs(process)
            self.facts.process_ended(process, reached)

    def leave(self, host: Host) -> None:
        """The process stops in good order."""
        process = host.process
        if process is not None:
            process.leave()
            self.timeline.after(LEAVE_SECONDS, self._left, host, process)

    def _left(self, host: Host, process: Process) -> None:
        if host.process is process:
            process.close_clients()
            self.timeline.after(CLOSE_SECONDS, self._gone, host, process)

    def _gone(self, host: Host, process: Process) -> None:
        if host.process is process:
            self.crash(host)

    def _is_good(self, one: Process, other: Process) -> bool:
        return one is not other and self.network.good_since(one, other) < float("inf")


def _repairs(process: Process) -> int:
    others = process.machine.members.others
    return sum(process.machine.repairs.checked(other.node_id).repairs for other in others)
