"""The same faults, for real nodes."""

from nacos_core.simulation.faults import Faults
from nacos_core.simulation.nodes.cluster import NodesCluster
from nacos_core.simulation.subjects import Host


class NodesFaults(Faults):
    """A stalled machine neither sends nor takes anything and its disk does not answer; only its timers go on."""

    _cluster: NodesCluster

    def _transfer(self, host: Host) -> bool:
        others = ["", *(node_id for node_id in self._cluster.hosts)]
        return self._cluster.hand_over(self._chance.choice(others))
