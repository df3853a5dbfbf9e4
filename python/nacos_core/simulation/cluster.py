"""The nodes of one simulated cluster, and its operator, who adds, replaces and removes them."""

from functools import partial
from typing import TYPE_CHECKING, Final

from nacos_core._core import LogError
from nacos_core.raft.configuration import (
    AddMember,
    Change,
    Configuration,
    EnrolMember,
    Member,
    MoveMember,
    PromoteMember,
    RemoveMember,
)
from nacos_core.simulation.invariants import Invariants
from nacos_core.simulation.links import LinkProfile, Links
from nacos_core.simulation.members import Members
from nacos_core.simulation.node import Host, NodeProfile, Process
from nacos_core.simulation.timeline import Timeline

if TYPE_CHECKING:
    from nacos_core.raft.messages import ReplicaMessage

OPERATOR_SECONDS: Final = 0.25
"""How often the operator looks after what is to be changed."""
RETIREMENT_SECONDS: Final = 3.0
"""How long a removed node goes on before it is switched off."""


class Cluster(Members[Process]):
    """Hosts by the ids of their nodes, in the order in which they came."""

    def __init__(
        self, timeline: Timeline, links: LinkProfile, node: NodeProfile, nodes_count: int, invariants: Invariants
    ) -> None:
        self.hosts: dict[str, Host] = {}
        self.lost_ids: set[str] = set()
        self.invariants = invariants
        self.timeline = timeline
        self.links: Links[ReplicaMessage] = Links(timeline, links, self._deliver)
        self.tasks: list[Change] = []
        """What the operator is to change, one after the other."""
        self._profile = node
        self._slots_count = 0
        self._generations: dict[str, int] = {}
        self._moves_count = 0
        self._first_members = [self._new_member("voter") for _ in range(nodes_count)]

    def start(self) -> None:
        """Starts the first members."""
        configuration = Configuration.make("simulated", self._first_members)
        for member in self._first_members:
            self._new_host(member.node_id).start(configuration)
        self.timeline.after(OPERATOR_SECONDS, self._operate)

    # --- looked at -------------------------------------------------------------------------------------------------

    def may_lose(self, node_id: str) -> bool:
        """Whether no majority, by anybody's configuration, has lost its disks even then; the same for removing it.

        Whoever is about to get a vote counts like a voter, and whoever is about to be removed does not.
        """
        if node_id in self.lost_ids:
            return False
        leaving = {task.node_id for task in self.tasks if isinstance(task, RemoveMember)} - self.lost_ids
        lost = self.lost_ids | {node_id}
        in_force = self.invariants.configurations_in_force(list(self.hosts))
        lost_count = len(lost & {node_id for configuration in in_force for node_id in configuration.node_ids})
        staying_counts = [sum(voter not in leaving for voter in some.voters) for some in in_force]
        return bool(in_force) and all(lost_count <= (count - 1) // 2 for count in staying_counts)

    # --- what happens to hosts -------------------------------------------------------------------------------------

    def restart(self, host: Host) -> None:
        """Starts what does not run; what is damaged does not start, and is replaced."""
        if host.process is not None or host.is_damaged or host.node_id not in self.hosts:
            return
        try:
            host.start()
            self.lost_ids.discard(host.node_id)
        except LogError as error:
            if host.node_id not in self.lost_ids:
                raise
            self.timeline.note(host.node_id, f"does not start: {error}")
            self.replace(host)

    def restart_later(self, host: Host, delay_seconds: float) -> None:
        """A while from now."""
        self.timeline.after(delay_seconds, self.restart, host)

    def replace(self, host: Host) -> None:
        """Its disk is lost: an empty node with a new id comes in its place, and has to join."""
        host.is_damaged = True
        self.lost_ids.add(host.node_id)
        self.hosts.pop(host.node_id, None)
        slot = host.node_id.partition(".")[0]
        member = self._member_at(slot, "joining")
        self._new_host(member.node_id).start()
        self.tasks += [AddMember(member), RemoveMember(host.node_id)]

    def grow(self, *, is_learner: bool) -> None:
        """One node more, which is to get a vote sooner or later."""
        member = self._new_member("learner" if is_learner else "joining")
        self._new_host(member.node_id).start()
        self.tasks.append(AddMember(member))
        if is_learner:
            self.tasks.append(EnrolMember(member.node_id))

    def shrink(self, node_id: str) -> None:
        """One node less."""
        self.tasks.append(RemoveMember(node_id))

    def move(self, node_id: str) -> None:
        """A node gets another address."""
        self._moves_count += 1
        self.tasks.append(MoveMember(node_id, f"moved{self._moves_count}:8848", 9849))

    # --- the rest --------------------------------------------------------------------------------------------------

    def _new_member(self, part: str) -> Member:
        self._slots_count += 1
        return self._member_at(f"n{self._slots_count}", part)

    def _member_at(self, slot: str, part: str) -> Member:
        generation = self._generations[slot] = self._generations.get(slot, 0) + 1
        node_id = slot if generation == 1 else f"{slot}.{generation}"
        return Member(node_id, f"{slot}:8848", 9849, part)  # type: ignore[arg-type]

    def _new_host(self, node_id: str) -> Host:
        host = self.hosts[node_id] = Host(self.timeline, self.links, self.invariants, self._profile, node_id)
        host.failed = partial(self.restart_later, delay_seconds=1.0)
        return host

    def _deliver(self, sender_id: str, receiver_id: str, data: bytes) -> None:
        host = self.hosts.get(receiver_id)
        if host is not None and host.process is not None:
            host.process.receive(sender_id, data)

    def _operate(self) -> None:
        self.timeline.after(OPERATOR_SECONDS, self._operate)
        leader, configuration = self.leader(), self.configuration()
        if not self.tasks or leader is None or configuration is None:
            return
        task = self.tasks[0]
        if _is_done(task, configuration):
            self.tasks.pop(0)
            if isinstance(task, RemoveMember):
                self.timeline.after(RETIREMENT_SECONDS, self._retire, task.node_id)
            return
        leader.run(lambda process: process.replica.change(task, lambda result: None, self.timeline.now))

    def _retire(self, node_id: str) -> None:
        host = self.hosts.pop(node_id, None)
        if host is not None:
            host.crash(is_power_cut=False)


def _is_done(task: Change, configuration: Configuration) -> bool:
    match task:
        case AddMember(member):
            return configuration.find(member.node_id) is not None
        case EnrolMember(node_id) | PromoteMember(node_id):
            found = configuration.find(node_id)
            return found is None or found.part != "learner"
        case RemoveMember(node_id):
            return configuration.find(node_id) is None
        case MoveMember(node_id, address, _):
            found = configuration.find(node_id)
            return found is None or found.address == address
