"""Finds gRPC clients that are gone without having closed (protocol/grpc.md section 2.1).

Every request and every answer counts as a sign of life. A connection without one for 20 s is asked; one that does not
answer within 5 s is closed, which drops what it published.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from nacos_core import limits

if TYPE_CHECKING:
    from nacos_core._core import Hub
    from nacos_core.clock import WallClock

_logger = logging.getLogger(__name__)


async def run_detection(*, hub: "Hub", wall_clock: "WallClock", settle: Callable[[], None]) -> None:
    """Runs until cancelled."""
    asked: dict[int, float] = {}
    while True:
        wait_seconds = limits.DETECTION_INTERVAL_SECONDS
        if asked:
            wait_seconds = min(wait_seconds, max(0.0, min(asked.values()) - trio.current_time()))
        await trio.sleep(wait_seconds)
        asked = detect(hub, asked, wall_clock(), trio.current_time())
        settle()


def detect(hub: "Hub", asked: dict[int, float], now_ms: int, now: float) -> dict[int, float]:
    """One scan. ``asked``: until when each connection may answer; gives the same for the next scan."""
    still_asked: dict[int, float] = {}
    for connection in hub.idle_connections(now_ms, limits.DETECTION_IDLE_MS):
        answer_until = asked.get(connection)
        if answer_until is None:
            hub.push(connection, "ClientDetectionRequest", "internal", b"{}")
            still_asked[connection] = now + limits.DETECTION_ANSWER_SECONDS
        elif now < answer_until:
            still_asked[connection] = answer_until
        else:
            _logger.info("connection %d does not answer: closing it", connection)
            hub.close_connection(connection)
    return still_asked
