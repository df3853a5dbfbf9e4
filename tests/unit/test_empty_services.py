"""A service that nobody offers any more is forgotten after the time that operators chose."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from nacos_core import _core, limits
from nacos_core.drivers.heartbeat import run_heartbeats

KEY = ("public", "DEFAULT_GROUP", "orders")


class Pushes:
    """As much of pushing as looking after beats uses."""

    def __init__(self) -> None:
        self.expired = 0

    def expire_subscriptions(self) -> None:
        self.expired += 1


@pytest.mark.parametrize("empty_service_ms", [5000, limits.EMPTY_SERVICE_UNCHANGED_MS])
def test_an_empty_service_stays_for_its_time_and_goes(empty_service_ms: int) -> None:
    async def main() -> None:
        began = trio.current_time()

        def wall_clock() -> int:
            return round((trio.current_time() - began) * 1000) + 1

        hub = _core.Hub(digest_key=bytes(16), abilities={}, require_tokens=False)
        publisher = hub.open_local()
        hub.register(publisher, *KEY, b'[{"ip":"10.0.0.1","port":80}]', wall_clock())
        pushes = Pushes()
        async with trio.open_nursery() as nursery:

            async def run() -> None:
                await run_heartbeats(
                    hub=hub,
                    pushes=pushes,  # type: ignore[arg-type]
                    wall_clock=wall_clock,
                    settle=hub.take_changed_services,  # type: ignore[arg-type]  # as pushes do
                    empty_service_ms=empty_service_ms,
                )

            nursery.start_soon(run)
            await trio.sleep(150)
            assert hub.list_services("public", "DEFAULT_GROUP", 1, 10)[0] == 1, "somebody offers it"
            hub.deregister(publisher, *KEY, wall_clock())
            await trio.sleep(empty_service_ms / 1000 - 1)
            assert hub.list_services("public", "DEFAULT_GROUP", 1, 10)[0] == 1
            await trio.sleep(min(limits.EMPTY_SERVICE_SCAN_SECONDS, empty_service_ms / 1000) + 3)
            assert hub.list_services("public", "DEFAULT_GROUP", 1, 10)[0] == 0
            assert pushes.expired > 0
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
