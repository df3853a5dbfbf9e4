"""Who runs, who leads and who is a member: asked of every cluster whose nodes are servers of Raft."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from nacos_core.raft.configuration import Configuration
from nacos_core.simulation import subjects

if TYPE_CHECKING:
    from nacos_core.raft.replica import Replica

P = TypeVar("P", bound=subjects.Process)
P_co = TypeVar("P_co", covariant=True)


class Host(Protocol[P_co]):
    """A machine."""

    @property
    def process(self) -> P_co | None:
        """None: it does not run."""


class Members(Generic[P]):
    """What can be seen of a cluster from outside."""

    hosts: Mapping[str, Host[P]]
    """By the ids of their nodes, in a defined order."""
    lost_ids: set[str]
    """Nodes whose disks are lost."""

    def processes(self) -> Sequence[P]:
        """Those that run, in the order of their hosts."""
        return [process for host in self.hosts.values() if (process := host.process) is not None]

    def leader(self) -> P | None:
        """Who leads in the newest term, as far as anybody does."""
        leaders = [process for process in self.processes() if process.replica.is_leader]
        return max(leaders, key=lambda process: process.replica.machine.current_term, default=None)

    def configuration(self) -> Configuration | None:
        """The leader's, once it is committed."""
        leader = self.leader()
        if leader is None:
            return None
        state = leader.replica.machine.state
        return state.configuration if state.commit_index >= state.configuration_index else None

    def members(self) -> Sequence[P]:
        """Those that run and are members."""
        configuration = self.configuration()
        node_ids = () if configuration is None else configuration.node_ids
        return [process for process in self.processes() if process.node_id in node_ids]

    def has_one_leader(self) -> bool:
        """All members whose disks are not lost run, and follow the same leader in its term."""
        leader, configuration = self.leader(), self.configuration()
        if leader is None or configuration is None:
            return False
        members = self.members()
        return len(members) == len(set(configuration.node_ids) - self.lost_ids) and all(
            process.replica.leader_id == leader.node_id
            and process.replica.machine.current_term == leader.replica.machine.current_term
            for process in members
        )

    def describe(self) -> str:
        """One clause for each process."""
        return "; ".join(
            _describe(process.node_id, process.replica, process.log.last_index) for process in self.processes()
        )


def _describe(node_id: str, replica: "Replica", last_index: int) -> str:
    return (
        f"{node_id} {replica.machine.state.role.value} of {replica.leader_id or 'nobody'} in term "
        f"{replica.machine.current_term}, committed {replica.commit_index} of {last_index}, "
        f"applied {replica.last_applied}"
    )
