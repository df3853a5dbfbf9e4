"""The same faults, for real nodes."""

from nacos_core.simulation.faults import FaultProfile, Faults
from nacos_core.simulation.nodes.cluster import NodesCluster
from nacos_core.simulation.subjects import Host


class NodesFaults(Faults):
    """A stalled machine neither sends nor takes anything and its disk does not answer; only its timers go on."""

    def __init__(self, cluster: NodesCluster, profile: FaultProfile) -> None:
        super().__init__(cluster, profile)
        self._nodes = cluster
        if profile.kinds is None or "clean stop" in profile.kinds:
            self._kinds["clean stop"] = (6, self._stop)
        if profile.kinds is None or "returned node" in profile.kinds:
            self._kinds["returned node"] = (3, self._take_again)

    def _take_again(self, host: Host) -> bool:
        # In the order of ``_shrink``; it has what it had, so no disk is lost with it.
        configuration = self._nodes.configuration()
        if self._nodes.tasks or configuration is None or len(configuration.voters) <= 3:
            return False
        if configuration.find(host.node_id) is None or not self._nodes.may_lose(host.node_id):
            return False
        self._nodes.take_again(host.node_id)
        return True

    def _stop(self, host: Host) -> bool:
        machine = self._nodes.hosts[host.node_id]
        machine.stop()
        return machine.process is not None

    def _move(self, host: Host) -> bool:
        # The list with which a node was started names its address. As long as the lists differ no cluster begins, and
        # that is promised: whoever moves a machine before has to start all nodes anew with another list.
        return self._nodes.has_begun and super()._move(host)

    def _transfer(self, host: Host) -> bool:
        return self._nodes.hand_over(self._chance.choice(["", *self._nodes.hosts]))
