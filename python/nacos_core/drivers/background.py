"""What clients ask for that takes long: done beside everything else, in pieces between the turns of the others."""

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

import trio

from nacos_core import limits
from nacos_core.errors import NacosCoreError

if TYPE_CHECKING:
    from nacos_core.commands import Command
    from nacos_core.in_process import Writes
    from nacos_core.proposals import Result
    from nacos_core.surroundings import Aside

Arguments = TypeVarTuple("Arguments")
Given = TypeVar("Given")


class Background:
    """Long requests of one node.

    Args:
        settle: to be called after each answer, or part of one, so that it is written.
    """

    def __init__(self, *, nursery: trio.Nursery, writes: "Writes", aside: "Aside", settle: Callable[[], None]) -> None:
        self._nursery = nursery
        self._writes = writes
        self._aside = aside
        self.settle = settle
        self._count = 0
        self._piece = trio.Lock()
        self.archive = trio.Lock()
        """Held while a whole archive is in memory: unpacked it may be a thousand times as large as what was sent."""

    def start(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Has it done, or says that there is too much to do already. It must not raise."""
        if self._count >= limits.BACKGROUND_COUNT_MAX:
            return False
        self._count += 1

        async def run() -> None:
            try:
                await work()
            finally:
                self._count -= 1
            self.settle()

        self._nursery.start_soon(run)
        return True

    async def in_pieces(self, piece: Callable[[], bool]) -> None:
        """Calls it until it says that it is done. The others get their turn after each ``BACKGROUND_TURN_SECONDS``."""
        is_done = False
        while not is_done:
            async with self._piece:
                until = trio.current_time() + limits.BACKGROUND_TURN_SECONDS
                is_done = piece()
                while not is_done and trio.current_time() < until:
                    is_done = piece()
                await trio.lowlevel.checkpoint()

    async def for_each(self, things: Iterable[Given], do: Callable[[Given], None]) -> None:
        """Does something with each of many things, in pieces."""
        rest = iter(things)

        def piece() -> bool:
            for thing in rest:
                do(thing)
                return False
            return True

        await self.in_pieces(piece)

    async def aside(self, call: Callable[[*Arguments], Given], *arguments: *Arguments) -> Given:
        """Has something called that takes long and needs nothing of the node."""
        return await self._aside(call, *arguments)

    async def apply_all(
        self, commands: "Iterable[Command]", at_once_count: int, *, until_failure: bool = False
    ) -> "list[Result]":
        """Hands commands to the log, so many at a time, and gives what became of each.

        ``until_failure``: those behind the first one that fails are not handed on, and have no result.
        """
        results: dict[int, Result] = {}
        rest = iter(enumerate(commands))

        async def apply_some() -> None:
            for number, command in rest:
                try:
                    results[number] = await self._writes.apply(command)
                except NacosCoreError as error:
                    # Its traceback would hold this frame, and so itself and all commands.
                    results[number] = error.with_traceback(None)
                    if until_failure:
                        return

        async with trio.open_nursery() as nursery:
            for _ in range(at_once_count):
                nursery.start_soon(apply_some)
        return [results[number] for number in range(len(results))]
