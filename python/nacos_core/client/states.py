"""What is watched: as it is now, then after each change."""

from collections.abc import Callable
from typing import Generic, Self, TypeVar

import anyio

State = TypeVar("State")


class States(Generic[State]):
    """An endless asynchronous iterator; whoever iterates slowly gets the last of several changes."""

    def __init__(self, read: Callable[[], State]) -> None:
        self._read = read
        self._changed = anyio.Event()
        self._changed.set()

    def note(self) -> None:
        """There was a change."""
        self._changed.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> State:
        await self._changed.wait()
        self._changed = anyio.Event()
        return self._read()
