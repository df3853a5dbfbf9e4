"""Clients that go on calling, each at its own pace, until they are told to stop."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random

import trio

from nacos_core.simulation.clients import ClientProfile
from nacos_core.simulation.nodes.calls import Calls
from nacos_core.simulation.nodes.machine import Process
from nacos_core.simulation.nodes.scheduling import TrioTimeline


@dataclass(frozen=True, slots=True)
class Setting:
    """What all clients of a cluster are given."""

    timeline: TrioTimeline
    profile: ClientProfile
    calls: Calls
    processes: Callable[[], Sequence[Process]]
    """Gives those that run now, in a defined order."""


class Crowd:
    """Clients of one kind."""

    def __init__(self, setting: Setting) -> None:
        self.is_open = True
        """They go on calling."""
        self._timeline = setting.timeline
        self._profile = setting.profile
        self._calls = setting.calls
        self._processes = setting.processes

    async def _call_on(
        self, name: str, call: Callable[[Process, Random], Awaitable[object]], pauses: float = 1
    ) -> None:
        """One client: calls at any process until ``is_open`` is taken away, after so many pauses of the profile."""
        pause_seconds = pauses * self._profile.pause_seconds
        chance = self._timeline.chance(name)
        while self.is_open:
            await trio.sleep(chance.expovariate(1 / pause_seconds))
            process = self._any(chance)
            if process is not None and self.is_open:
                await call(process, chance)

    def _any(self, chance: Random) -> Process | None:
        processes = self._processes()
        return processes[chance.randrange(len(processes))] if processes else None
