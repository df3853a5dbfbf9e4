"""The leader trims what is remembered of configurations; the others apply it with the log."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from nacos_core import limits
from nacos_core.config.history import Retention
from nacos_core.errors import NacosCoreError

if TYPE_CHECKING:
    from nacos_core._core import Hub
    from nacos_core.clock import WallClock
    from nacos_core.in_process import Writes

_logger = logging.getLogger(__name__)


async def run_retention(
    *, hub: "Hub", writes: "Writes", retention: Retention, is_leader: Callable[[], bool], wall_clock: "WallClock"
) -> None:
    """Runs until cancelled."""
    while True:
        await trio.sleep(limits.HISTORY_CHECK_SECONDS)
        if not is_leader():
            continue
        before_ms = retention.before_ms(wall_clock())
        if before_ms is None:
            continue
        try:
            await _trim(hub, writes, retention, before_ms)
        except NacosCoreError as error:
            _logger.debug("history is not trimmed now: %s", error)


async def _trim(hub: "Hub", writes: "Writes", retention: Retention, before_ms: int) -> None:
    """Portion by portion, so that no node stands still; portions without old events are skipped."""
    after_id = 0
    while True:
        command = retention.trim(before_ms, after_id)
        old_count, after_id = hub.old_history(before_ms, command.keep_count, after_id, command.look_count)
        if old_count:
            await writes.apply(command)
        if not after_id:
            return
        await trio.lowlevel.checkpoint()
