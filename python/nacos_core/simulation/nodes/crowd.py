"""Clients that go on calling, each at its own pace, until they are told to stop."""

from collections.abc import Awaitable, Callable, Sequence
from random import Random

import trio

from nacos_core.simulation.nodes.calls import Calls
from nacos_core.simulation.nodes.machine import Process
from nacos_core.simulation.nodes.scheduling import TrioTimeline


class Crowd:
    """Clients of one kind.

    Args:
        processes: gives those that run now, in a defined order.
    """

    def __init__(self, timeline: TrioTimeline, calls: Calls, processes: Callable[[], Sequence[Process]]) -> None:
        self.is_open = True
        """They go on calling."""
        self._timeline = timeline
        self._calls = calls
        self._processes = processes

    async def _call_on(
        self, name: str, pause_seconds: float, call: Callable[[Process, Random], Awaitable[object]]
    ) -> None:
        """One client: calls at any process, with such a pause on average, until ``is_open`` is taken away."""
        chance = self._timeline.chance(name)
        while self.is_open:
            await trio.sleep(chance.expovariate(1 / pause_seconds))
            process = self._any(chance)
            if process is not None and self.is_open:
                await call(process, chance)

    def _any(self, chance: Random) -> Process | None:
        processes = self._processes()
        return processes[chance.randrange(len(processes))] if processes else None
