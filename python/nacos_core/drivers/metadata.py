"""Looks every few seconds which metadata belongs to nothing any more, and has the log drop it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from nacos_core import limits
from nacos_core.commands import ChangeMetadata
from nacos_core.naming.changes import Expire, write_change

if TYPE_CHECKING:
    from nacos_core._core import Hub
    from nacos_core.clock import WallClock
    from nacos_core.proposals import Propose


async def run_metadata_expiry(
    *,
    hub: "Hub",
    propose: "Propose",
    wall_clock: "WallClock",
    sees_all: Callable[[], bool],
    settle: Callable[[], None],
) -> None:
    """Runs until cancelled. ``sees_all``: instances that this node does not hold are on no other either."""
    while True:
        await trio.sleep(limits.METADATA_SCAN_SECONDS)
        expired = hub.expired_metadata(wall_clock(), limits.METADATA_KEPT_MS, sees_all())
        for key, service, instances in expired:
            # Whether it is taken does not matter: what is not dropped is found again at the next look.
            propose(ChangeMetadata(*key, write_change(Expire(service, instances))), lambda result: None)
        if expired:
            settle()
