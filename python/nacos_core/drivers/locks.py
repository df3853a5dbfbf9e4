"""The leader has the log drop locks whose time is over; the others apply it with the log."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from nacos_core import limits
from nacos_core.commands import ExpireLocks
from nacos_core.errors import NacosCoreError

if TYPE_CHECKING:
    from nacos_core.clock import WallClock
    from nacos_core.in_process import Writes
    from nacos_core.locks.state import Locks

_logger = logging.getLogger(__name__)


async def run_lock_expiry(
    *, locks: "Locks", writes: "Writes", is_leader: Callable[[], bool], wall_clock: "WallClock"
) -> None:
    """Runs until cancelled. Nobody waits for it: a lock can be acquired as soon as its time is over."""
    while True:
        await trio.sleep(limits.LOCK_EXPIRY_SECONDS)
        while is_leader() and (next_ms := locks.next_expiry_ms()) is not None and next_ms <= wall_clock():
            try:
                dropped_count = await writes.apply(ExpireLocks(limits.LOCKS_EXPIRED_COUNT))
            except NacosCoreError as error:
                _logger.debug("expired locks are not dropped now: %s", error)
                break
            if not dropped_count:
                break  # the clock that stamps has been set back
