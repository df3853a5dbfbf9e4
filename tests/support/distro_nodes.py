"""Real nodes in simulated time: machines of the simulation, with links that a test cuts and mends."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import trio

from nacos_core.simulation.links import LinkProfile
from nacos_core.simulation.node import NodeProfile
from nacos_core.simulation.nodes.machine import Machine, Process
from nacos_core.simulation.nodes.network import Wiring
from nacos_core.simulation.nodes.scheduling import TrioTimeline, run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from nacos_core.node import Node

NAMES = ("n1", "n2", "n3")


class Nodes:
    """Three of them; also the owner that the machines report to."""

    def __init__(self, nursery: trio.Nursery, timeline: TrioTimeline) -> None:
        self.wiring = Wiring(timeline, LinkProfile(), lambda *sent: None)
        self.machines = {
            name: Machine(
                node_id=name,
                host_name=name,
                wiring=self.wiring,
                nursery=nursery,
                profile=NodeProfile(),
                owner=self,
                cluster=",".join(f"{each}:8848" for each in NAMES),
            )
            for name in NAMES
        }

    def __getitem__(self, name: str) -> Node:
        process = self.machines[name].process
        assert process is not None, f"{name} does not run"
        return process.node

    def listed(self, name: str, service: str = "orders") -> list[str]:
        return sorted(host.ip for host in self[name].naming.list(service).hosts)

    async def start(self, *names: str) -> None:
        """Until they are ready."""
        for name in names:
            self.machines[name].start()
        while not all(self._is_ready(name) for name in names):  # noqa: ASYNC110
            await trio.sleep(0.01)

    def kill(self, name: str) -> None:
        self.machines[name].crash(is_power_cut=False)

    def isolate(self, name: str) -> None:
        for other in NAMES:
            if other != name:
                self.wiring.cut(name, other)
                self.wiring.cut(other, name)

    def heal(self) -> None:
        for one in NAMES:
            for other in NAMES:
                self.wiring.mend(one, other)

    def _is_ready(self, name: str) -> bool:
        process = self.machines[name].process
        return process is not None and process.node.is_ready

    # --- as ``Owner``

    def started(self, process: Process) -> None:
        pass

    def ready(self, process: Process, nursery: trio.Nursery) -> None:
        pass

    def stopped(self, process: Process) -> None:
        pass

    def failed(self, machine: Machine, error: Exception) -> None:
        raise AssertionError(f"{machine.node_id} failed") from error

    def left(self, machine: Machine) -> None:
        pass


def play(story: Callable[[Nodes], Awaitable[None]]) -> None:
    """Three nodes that are ready, and what happens to them; not inside a run of trio."""
    timeline = TrioTimeline(1)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(timeline.run)
            nodes = Nodes(nursery, timeline)
            await nodes.start(*NAMES)
            await story(nodes)
            for machine in nodes.machines.values():
                if machine.process is not None:
                    machine.process.node.abandon()
            nursery.cancel_scope.cancel()

    run(main, random.Random(1), trio.abc.Instrument())
