"""Looks every second for instances whose beats are late and for connections without use, and now and then for services
that nobody offers."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from nacos_core import limits

if TYPE_CHECKING:
    from nacos_core._core import Hub
    from nacos_core.clock import WallClock
    from nacos_core.drivers.push import Pushes

_logger = logging.getLogger(__name__)


async def run_heartbeats(
    *,
    hub: "Hub",
    pushes: "Pushes",
    wall_clock: "WallClock",
    settle: Callable[[], None],
    empty_service_ms: int = limits.EMPTY_SERVICE_UNCHANGED_MS,
) -> None:
    """Runs until cancelled. ``empty_service_ms``: a service that nobody offers for so long is forgotten."""
    clean_seconds = min(limits.EMPTY_SERVICE_SCAN_SECONDS, empty_service_ms / 1000)
    clean_at = trio.current_time() + min(limits.EMPTY_SERVICE_FIRST_SCAN_SECONDS, clean_seconds)
    while True:
        await trio.sleep(limits.EXPIRY_INTERVAL_SECONDS)
        more = True
        while more:
            unhealthy, removed, more = hub.expire(wall_clock())
            if unhealthy or removed:
                _logger.info("beats missing: %d instances unhealthy, %d removed", unhealthy, removed)
                settle()
            await trio.lowlevel.checkpoint()
        hub.close_quiet_connections(wall_clock(), limits.QUIET_CONNECTION_MS)
        hub.drop_stalled_connections(wall_clock())
        if trio.current_time() >= clean_at:
            clean_at = trio.current_time() + clean_seconds
            hub.clean_empty_services(wall_clock(), empty_service_ms)
            pushes.expire_subscriptions()
        settle()
