"""Makes trio do the same things in the same order whenever the seed is the same, and lets time jump."""

from collections.abc import Awaitable, Callable
from random import Random
from typing import TypeVar

import trio
import trio.testing
from trio._core import _run

from nacos_core.simulation.timeline import Timeline, Trace

Result = TypeVar("Result")

SWITCH, CHANCE = "_ALLOW_DETERMINISTIC_SCHEDULING", "_r"
"""What trio offers for it, and only to those who look: the tests of trio itself use both."""


def run(main: Callable[[], Awaitable[Result]], chance: Random, instrument: trio.abc.Instrument) -> Result:
    """As ``trio.run``, with simulated time from 0 on; ``chance`` decides which of several ready tasks runs first."""
    before = {name: getattr(_run, name) for name in (SWITCH, CHANCE)}
    setattr(_run, SWITCH, True)
    setattr(_run, CHANCE, chance)
    try:
        return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.0), instruments=[instrument])
    finally:
        for name, value in before.items():
            setattr(_run, name, value)


class TrioTimeline(Timeline):
    """Events among tasks: ``run`` lets them happen when trio's clock has come to them."""

    def __init__(self, seed: int, trace: Trace | None = None) -> None:
        super().__init__(seed, trace)
        self._is_running = False
        self._sooner = trio.Event()
        self._sleeps_until = float("inf")

    def at(self, time: float, call: Callable[..., None], *arguments: object) -> None:
        """As ``Timeline.at``, from any task."""
        super().at(time, call, *arguments)
        if time < self._sleeps_until:
            self._sooner.set()

    def after(self, delay_seconds: float, call: Callable[..., None], *arguments: object) -> None:
        """As ``Timeline.after``, from any task."""
        self._look_at_clock()
        super().after(delay_seconds, call, *arguments)

    def note(self, who: str, what: str) -> None:
        """As ``Timeline.note``, from any task."""
        self._look_at_clock()
        super().note(who, what)

    async def run(self) -> None:
        """Runs until cancelled."""
        self._is_running = True
        while True:
            self.run_until(trio.current_time())
            self._sooner = trio.Event()
            self._sleeps_until = self.next_time
            with trio.move_on_at(self._sleeps_until):
                await self._sooner.wait()
            self._sleeps_until = -float("inf")

    def _look_at_clock(self) -> None:
        if self._is_running:
            self.now = trio.current_time()
