"""Wall time. This is the only module that reads it; everything else is handed a ``WallClock``.

Durations and deadlines use trio's clock, which tests replace; timestamps use the wall clock, which is data.
"""

import time
from collections.abc import Callable
from typing import TypeAlias

WallClock: TypeAlias = Callable[[], int]
"""Gives milliseconds since 1970."""


def system_wall_clock() -> int:
    """The clock of the machine, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def monotonic_ms() -> float:
    """For measuring how long the start took."""
    return time.perf_counter() * 1000


def timestamp(wall_ms: int) -> str:
    """As the error pages show it: ``2026-11-23T11:57:17.762+00:00``."""
    seconds, millis = divmod(wall_ms, 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{millis:03d}+00:00"
