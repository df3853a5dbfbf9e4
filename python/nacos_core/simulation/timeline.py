"""Simulated time: what is to happen when, where chance comes from, and what has happened so far."""

import hashlib
import heapq
import random
from collections import deque
from collections.abc import Callable
from typing import Any, Final

TRACE_LINES_KEPT: Final = 400


class Trace:
    """One line an event. Keeps the last ones, and a digest of all of them."""

    def __init__(self, write: Callable[[str], None] | None = None) -> None:
        self.lines: deque[str] = deque(maxlen=TRACE_LINES_KEPT)
        self._digest = hashlib.sha256()
        self._write = write

    def add(self, line: str) -> None:
        """One more event."""
        self.lines.append(line)
        self._digest.update(line.encode() + b"\n")
        if self._write is not None:
            self._write(line)

    @property
    def digest(self) -> str:
        """Of every line so far: two runs that agree in it were the same."""
        return self._digest.hexdigest()


class Timeline:
    """Calls in the order of their times; those of one time in the order in which they were put in.

    Args:
        trace: None saves the time that it takes to describe events.
    """

    def __init__(self, seed: int, trace: Trace | None = None) -> None:
        self.now = 0.0
        self.events_count = 0
        self._seed = seed
        self._trace = trace
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._next_number = 0

    def chance(self, name: str) -> random.Random:
        """A stream of chance of its own for each purpose: a draw more in one shifts no other."""
        return random.Random(f"{self._seed}/{name}")

    def at(self, time: float, call: Callable[..., None], *arguments: Any) -> None:
        """Calls at that time."""
        self._next_number += 1
        heapq.heappush(self._heap, (time, self._next_number, call, arguments))

    def after(self, delay_seconds: float, call: Callable[..., None], *arguments: Any) -> None:
        """Calls a while later."""
        self.at(self.now + delay_seconds, call, *arguments)

    @property
    def next_time(self) -> float:
        """When something is to happen next."""
        return self._heap[0][0] if self._heap else float("inf")

    def run_until(self, end: float) -> None:
        """Lets everything happen that is due until then."""
        heap = self._heap
        while heap and heap[0][0] <= end:
            self.now, _, call, arguments = heapq.heappop(heap)
            self.events_count += 1
            call(*arguments)
        self.now = end

    @property
    def is_traced(self) -> bool:
        """Whether it is worth the time to describe an event."""
        return self._trace is not None

    def note(self, who: str, what: str) -> None:
        """One line of the trace: when, who, what."""
        if self._trace is not None:
            self._trace.add(f"{self.now:.6f} {who} {what}")
