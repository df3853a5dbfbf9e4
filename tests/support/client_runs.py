"""Runs what a test does with a client, on either loop, and waits for what it is to hear."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from nacos_core.client import States

HEARD_WITHIN_S = 2.0
BACK_WITHIN_S = 8.0


def run(backend: str, work: Callable[..., Awaitable[Any]], *arguments: object) -> Any:
    async def limited() -> Any:
        with anyio.fail_after(40):
            return await work(*arguments)

    return anyio.run(limited, backend=backend)


async def the_next(states: States[Any], within_s: float = HEARD_WITHIN_S) -> Any:
    with anyio.fail_after(within_s):
        return await states.__anext__()


async def until(states: States[Any], holds: Callable[[Any], bool], within_s: float = BACK_WITHIN_S) -> Any:
    with anyio.fail_after(within_s):
        while not holds(state := await states.__anext__()):
            pass
        return state


async def eventually(holds: Callable[[], Awaitable[bool]], within_s: float = BACK_WITHIN_S) -> None:
    with anyio.fail_after(within_s):
        while not await holds():  # noqa: ASYNC110 - seen from outside
            await anyio.sleep(0.02)


def addresses(service: Any) -> list[str]:
    return sorted(f"{each.ip}:{each.port}" for each in service.hosts)
