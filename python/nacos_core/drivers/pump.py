"""The pump: one task that lets the core serve thousands of connections, and handles what it hands up."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import trio

from nacos_core import limits

if TYPE_CHECKING:
    from nacos_core._core import Event, Reactor
    from nacos_core.clock import WallClock


async def run_pump(
    *,
    reactor: "Reactor",
    wall_clock: "WallClock",
    dispatch: "Callable[[Sequence[Event]], None]",
    settle: Callable[[], None],
) -> None:
    """Runs until cancelled. Each turn has a time budget, so that timers and elections keep their deadlines."""
    while True:
        await trio.lowlevel.wait_readable(reactor.fileno())
        while True:
            dispatch(reactor.turn(wall_clock(), limits.TURN_BUDGET_US))
            settle()
            if not reactor.more:
                break
            await trio.lowlevel.checkpoint()
