"""The linearizable reads that wait at this node, whichever node leads: asked in batches, asked again when refused."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from nacos_core import limits
from nacos_core.errors import NacosCoreError, NotReady

Confirmed: TypeAlias = Callable[[NacosCoreError | None], None]
"""Is told that what is applied now may be read, or why that is not known."""


@dataclass(slots=True)
class _Read:
    confirmed: Confirmed
    expires_at: float
    ask_again_at: float = 0.0
    index: int | None = None
    """What must be applied; None: not yet known."""


class Confirmations:
    """``boot`` rises with each start of the node, so that no answer to an earlier start is taken for one to this."""

    def __init__(self, boot: int) -> None:
        self._next_id = boot << 32
        self._open: dict[int, _Read] = {}
        self._unasked: dict[int, None] = {}

    def add(self, confirmed: Confirmed, now: float) -> None:
        """A read that has just come."""
        self._next_id += 1
        self._open[self._next_id] = _Read(confirmed, now + limits.READ_WAIT_SECONDS)
        self._unasked[self._next_id] = None

    def take_unasked(self, now: float) -> list[int]:
        """The reads to be asked for."""
        unasked, self._unasked = self._unasked, {}
        asked = [read_id for read_id in unasked if read_id in self._open]
        for read_id in asked:
            self._open[read_id].ask_again_at = now + limits.READ_RETRY_SECONDS
        return asked

    def decided(self, read_id: int, index: int | None) -> None:
        """It may be answered once ``index`` is applied; None: it is asked for again a little later."""
        read = self._open.get(read_id)
        if read is not None and read.index is None:
            read.index = index

    def may_answer(self, index: int) -> bool:
        """Whether ``applied`` would answer something."""
        return any(read.index is not None and read.index <= index for read in self._open.values())

    def applied(self, index: int) -> None:
        """Answers what waited for that."""
        for read_id, read in list(self._open.items()):
            if read.index is not None and read.index <= index:
                del self._open[read_id]
                read.confirmed(None)

    def expire(self, now: float) -> None:
        """Gives up what has waited long enough, and asks again for what was not answered."""
        for read_id, read in list(self._open.items()):
            if now >= read.expires_at:
                del self._open[read_id]
                read.confirmed(NotReady("no leader could confirm the read, try again later"))
            elif read.index is None and now >= read.ask_again_at:
                self._unasked[read_id] = None

    def give_up(self, reason: str) -> None:
        """The node stops."""
        waiting, self._open = self._open, {}
        for read in waiting.values():
            read.confirmed(NotReady(reason))

    @property
    def deadline(self) -> float:
        """When ``expire`` has something to do; seconds."""
        if not self._open:
            return float("inf")
        read_id, oldest = next(iter(self._open.items()))
        if read_id in self._unasked or oldest.index is not None:
            return oldest.expires_at
        return min(oldest.expires_at, oldest.ask_again_at)
