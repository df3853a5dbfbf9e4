"""The machines of one simulated cluster, and its operator, who adds, replaces, moves and removes them."""

import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import trio

from nacos_core._core import LogFailed
from nacos_core.errors import NacosCoreError
from nacos_core.peers.addresses import parse_member
from nacos_core.raft.configuration import AddMember, Configuration, Member, RemoveMember
from nacos_core.simulation.invariants import Invariants, Violation
from nacos_core.simulation.members import Members
from nacos_core.simulation.node import NodeProfile
from nacos_core.simulation.nodes.machine import Machine, Process, running
from nacos_core.simulation.nodes.network import Wiring
from nacos_core.simulation.nodes.scheduling import TrioTimeline

OPERATOR_SECONDS: Final = 0.25
"""How often the operator looks after what is to be changed."""
RETIREMENT_SECONDS: Final = 3.0
"""How long a removed node goes on before it is switched off."""
REPAIR_SECONDS: Final = 1.0
"""After a failed sync: how long until the machine is back."""


@dataclass(frozen=True, slots=True)
class Task:
    """Something that the operator asks for until it is so."""

    what: str
    is_done: Callable[[Configuration], bool]
    do: Callable[[Process], Awaitable[object]]
    after: Callable[[], None] = lambda: None


class NodesCluster(Members[Process]):
    """Machines by the ids of their nodes, in the order in which they came."""

    def __init__(
        self,
        *,
        timeline: TrioTimeline,
        wiring: Wiring,
        profile: NodeProfile,
        nodes_count: int,
        invariants: Invariants,
        nursery: trio.Nursery,
        greet: Callable[[Process, trio.Nursery], None],
    ) -> None:
        self.hosts: dict[str, Machine] = {}
        self.lost_ids: set[str] = set()
        self.timeline = timeline
        self.links = wiring
        self.tasks: list[Task] = []
        """What the operator is to do, one after the other."""
        self.invariants = invariants
        self._profile = profile
        self._nursery = nursery
        self._greet = greet
        self._chance = timeline.chance("operator")
        self._slots_count = nodes_count
        self._generations: dict[str, int] = {}
        self._moves_count = 0
        names = [f"n{number}" for number in range(1, nodes_count + 1)]
        listed = ",".join(f"{name}:8848" for name in names)
        for name in names:
            self._new_machine(name, name, cluster=listed).start()
        nursery.start_soon(self._operate)

    # --- looked at -------------------------------------------------------------------------------------------------

    @property
    def has_begun(self) -> bool:
        """A majority has the first configuration."""
        return len(self.invariants.committed_terms) > 1

    def may_lose(self, node_id: str) -> bool:
        """Whether no majority, by anybody's configuration, has lost its disks even then; the same for removing it.

        Whoever is about to get a vote counts like a voter. Before the cluster has begun, none may: the first node would
        begin another one.
        """
        if not self.has_begun:
            return False
        lost = self.lost_ids | {node_id}
        in_force = self.invariants.configurations_in_force(list(self.hosts))
        lost_count = len(lost & {node_id for configuration in in_force for node_id in configuration.node_ids})
        return bool(in_force) and all(lost_count <= (len(some.voters) - 1) // 2 for some in in_force)

    # --- what happens to machines ----------------------------------------------------------------------------------

    def started(self, process: Process) -> None:
        """As ``Owner.started``."""
        log, host = process.log, process.host
        self.timeline.note(host.node_id, f"starts, boot {host.boot}, term {log.term}, last entry {log.last_index}")
        self.invariants.started(process)
        if process.node_id in self.lost_ids:
            self.lost_ids.discard(process.node_id)

    def ready(self, process: Process, nursery: trio.Nursery) -> None:
        """As ``Owner.ready``."""
        self._greet(process, nursery)

    def stopped(self, process: Process) -> None:
        """As ``Owner.stopped``."""
        self.invariants.stopped(process)

    def failed(self, machine: Machine, error: Exception) -> None:
        """As ``Owner.failed``: what is damaged is replaced, what could not write comes back."""
        self.timeline.note(machine.node_id, f"stops: {error}")
        if machine.process is not None:
            machine.crash(is_power_cut=True)
            self.restart_later(machine, REPAIR_SECONDS)
        elif machine.node_id in self.lost_ids:
            self.replace(machine)
        else:
            details = "".join(traceback.format_exception(error))
            raise Violation("Starts Again", f"{machine.node_id} does not start: {error}\n{details}")

    def left(self, machine: Machine) -> None:
        """As ``Owner.left``."""
        self.timeline.note(machine.node_id, "has stopped")
        self.restart_later(machine, REPAIR_SECONDS * self._chance.random())

    def restart(self, host: Machine) -> None:
        """Starts what does not run; what is damaged does not start, and is replaced."""
        if host.process is None and not host.is_starting and not host.is_damaged and host.node_id in self.hosts:
            host.start()

    def restart_later(self, host: Machine, delay_seconds: float) -> None:
        """A while from now."""
        self.timeline.after(delay_seconds, self.restart, host)

    def replace(self, host: Machine) -> None:
        """Its disk is lost: an empty one comes in its place, under the same name, and has to join under a new id."""
        if host.node_id not in self.hosts:
            return
        host.is_damaged = True
        self.lost_ids.add(host.node_id)
        self.hosts.pop(host.node_id, None)
        slot = host.node_id.partition(".")[0]
        machine = self._new_machine(slot, host.host_name, cluster=self._list_for(host))
        machine.start()
        self._enrol(machine)
        # Who joins at the address of a lost one takes its place; but the lost one may have been about to move.
        self._remove(host.node_id, lambda: None)

    def grow(self, *, is_learner: bool) -> None:
        """One node more, which gets a vote once it has caught up, or once the operator says so."""
        self._slots_count += 1
        name = f"n{self._slots_count}"
        members = self.configuration()
        contacts = [
            host.address for host in self.hosts.values() if members is None or members.find(host.node_id) is not None
        ]
        if is_learner:
            machine = self._new_machine(name, name, cluster=self._list_with(f"{name}:8848"))
        else:
            machine = self._new_machine(name, name, cluster=None, join=self._chance.choice(contacts))
        machine.start()
        self._enrol(machine)

    def shrink(self, node_id: str) -> None:
        """One node less."""

        def retire() -> None:
            self.timeline.after(RETIREMENT_SECONDS, self._retire, node_id)

        self._remove(node_id, retire)

    def take_again(self, node_id: str) -> None:
        """A member is removed and goes on running; then it is taken in again, with all that it has."""
        host = self.hosts[node_id]

        async def add(process: Process) -> None:
            assert process.node.cluster is not None, "it has peers"
            address = parse_member(host.address).peer_address
            await process.node.cluster.change_members(AddMember(Member(node_id, host.address, address.port, "joining")))

        def is_over(members: Configuration) -> bool:
            return members.find(node_id) is not None or node_id in self.lost_ids

        self._remove(node_id, lambda: None)
        self.tasks.append(Task(f"take {node_id} in again", is_over, add))

    def move(self, node_id: str) -> None:
        """A machine gets another name, under which its node comes back."""
        host = self.hosts[node_id]
        if host.is_starting or host.is_damaged:
            return
        host.crash(is_power_cut=False)
        self._moves_count += 1
        old = host.address
        self.links.hosts.pop(host.host_name, None)
        host.host_name = f"moved{self._moves_count}"
        self.links.hosts[host.host_name] = node_id
        if host.cluster is not None:
            host.cluster = host.cluster.replace(old, host.address)
        self.restart_later(host, 0.2)

    def hand_over(self, target_id: str) -> bool:
        """The operator wants another leader."""
        leader = self.leader()
        if leader is None:
            return False
        cluster = leader.node.cluster
        assert cluster is not None, "it has peers"
        self._nursery.start_soon(self._ask, leader, lambda process: cluster.hand_over(target_id))
        return True

    # --- the rest --------------------------------------------------------------------------------------------------

    def _new_machine(self, slot: str, host_name: str, *, cluster: str | None, join: str | None = None) -> Machine:
        generation = self._generations[slot] = self._generations.get(slot, 0) + 1
        node_id = slot if generation == 1 else f"{slot}.{generation}"
        machine = self.hosts[node_id] = Machine(
            node_id=node_id,
            host_name=host_name,
            wiring=self.links,
            nursery=self._nursery,
            profile=self._profile,
            owner=self,
            cluster=cluster,
            join=join,
        )
        return machine

    def _list_for(self, lost: Machine) -> str:
        """The list that it had, unless all others on it have gone or moved: an empty node knows of nobody else."""
        listed = (lost.cluster or "").split(",")
        is_of_use = any(host.address in listed for host in self.hosts.values())
        return lost.cluster if lost.cluster and is_of_use else self._list_with(lost.address)

    def _list_with(self, address: str) -> str:
        return ",".join(sorted({address, *(host.address for host in self.hosts.values())}))

    def _remove(self, node_id: str, after: Callable[[], None]) -> None:
        async def remove(process: Process) -> None:
            assert process.node.cluster is not None, "it has peers"
            await process.node.cluster.change_members(RemoveMember(node_id))

        self.tasks.append(Task(f"remove {node_id}", lambda members: members.find(node_id) is None, remove, after))

    def _enrol(self, machine: Machine) -> None:
        def is_done(members: Configuration) -> bool:
            found = members.find(machine.node_id)
            return found is not None and found.part == "voter"

        async def add(process: Process) -> None:
            assert process.node.cluster is not None, "it has peers"
            configuration = process.replica.machine.state.configuration
            if configuration is not None and configuration.find(machine.node_id) is not None:
                await process.node.cluster.add(machine.address)

        def is_over(members: Configuration) -> bool:
            # It may be lost in its turn; then it is its successor that counts.
            return machine.is_damaged or is_done(members)

        self.tasks.append(Task(f"enrol {machine.node_id}", is_over, add))

    async def _operate(self) -> None:
        while True:
            await trio.sleep(OPERATOR_SECONDS)
            configuration, processes = self.configuration(), self.processes()
            if not self.tasks or configuration is None or not processes:
                continue
            task = self.tasks[0]
            if task.is_done(configuration):
                self.tasks.pop(0)
                task.after()
            else:
                await self._ask(self._chance.choice(processes), task.do)

    async def _ask(self, process: Process, do: Callable[[Process], Awaitable[object]]) -> None:
        """The operator's command at one node; whatever comes of it, it is tried again until it is so."""
        running.set(process)
        try:
            with trio.move_on_after(2.0):
                await do(process)
        except (NacosCoreError, LogFailed) as error:
            self.timeline.note("operator", f"{process.node_id} says: {error}")
        finally:
            running.set(None)

    def _retire(self, node_id: str) -> None:
        host = self.hosts.pop(node_id, None)
        if host is not None:
            host.crash(is_power_cut=False)
        # Whoever was removed before it had heard of its cluster is empty, and as long as it ran it asked to join like
        # any other empty node. The operator has not promised to switch it off first, so he removes it once more.
        if any(some.find(node_id) is not None for some in self.invariants.configurations_in_force(list(self.hosts))):
            self._remove(node_id, lambda: None)
