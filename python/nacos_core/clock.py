"""Wall time. This is the only module that reads it; everything else is handed a ``WallClock``.

Durations and deadlines use trio's clock, which tests replace; timestamps use the wall clock, which is data.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

WallClock: TypeAlias = Callable[[], int]
"""Gives milliseconds since 1970."""


_IMPORTED: Final = time.perf_counter()


def system_wall_clock() -> int:
    """The clock of the machine, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def process_age_ms() -> int:
    """How long ago this process began, the start of the interpreter included where the system tells when that was."""
    try:
        # proc(5): field 22 of stat is the start in clock ticks since boot; fields are counted after the name's ")".
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        age_seconds = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError):
        age_seconds = time.perf_counter() - _IMPORTED
    return round(age_seconds * 1000)


def elapsed_seconds() -> float:
    """Of a clock that only goes on; for figures, never for rules."""
    return time.perf_counter()


def process_cpu_seconds() -> float:
    """The processor time that this process has used, all threads together; for figures, never for rules."""
    return time.process_time()


def timestamp(wall_ms: int) -> str:
    """As the error pages show it: ``2026-11-23T11:57:17.762+00:00``."""
    seconds, millis = divmod(wall_ms, 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{millis:03d}+00:00"
