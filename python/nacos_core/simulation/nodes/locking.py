"""Clients that acquire locks at any node, and release them, too late, or never: the holder has died."""

from functools import partial
from random import Random
from typing import Final

import trio

from nacos_core.simulation.history import Call, History
from nacos_core.simulation.invariants import Violation
from nacos_core.simulation.nodes.crowd import Crowd, Setting
from nacos_core.simulation.nodes.ledger import Ledger
from nacos_core.simulation.nodes.machine import Process

HOLDERS_SHARE: Final = 0.5
"""For each client of registers so many that want locks."""
LOCK_KEYS: Final = ("lock0", "lock1")
HELD_MS: Final = (200, 1000, 4000)
DEATHS_SHARE: Final = 0.25
"""How often a holder is not heard of again."""
LATENESS: Final = 1.5
"""The longest that a holder works, in times of what it asked for."""
WORK_SECONDS_MAX: Final = 3.0


class LockClients(Crowd):
    """All clients that want locks."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._asked_ms: set[int] = set()
        self._served_count = 0

    async def run(self) -> None:
        """Runs until ``is_open`` is taken away."""
        async with trio.open_nursery() as nursery:
            for client in range(int(HOLDERS_SHARE * self._profile.clients_count)):
                hold = partial(self._hold, 100 + client)
                nursery.start_soon(self._call_on, f"lock client {client}", hold)

    async def acquire(self, process: Process, key: str, held_ms: int, client: int = -1) -> Call:
        """One try; ``result`` is the token."""
        call = self._calls.new(client, "acquire", key)
        while held_ms in self._asked_ms:
            held_ms += 1  # so that what stands in the log tells whose call it was
        self._asked_ms.add(held_ms)
        call.held_ms = held_ms
        self._calls.history.calls.append(call)

        async def acquire() -> int:
            return await process.node.locks.acquire(key, expires_after_ms=held_ms) or 0

        await self._calls.make(process, call, acquire)
        return call

    async def release(self, process: Process, key: str, client: int = -1) -> bool:
        """Frees it, whoever holds it; says whether that is known to be done."""
        call = self._calls.new(client, "release", key)
        self._calls.history.calls.append(call)

        async def release() -> int:
            return int(await process.node.locks.release(key))

        return await self._calls.make(process, call, release)

    async def serve(self, process: Process, name: str) -> bool:
        """Acquires a lock that nobody else wants, releases it, and acquires it until its time is over; says whether
        all that is known to be done."""
        self._served_count += 1
        key, held_ms = f"{name} {self._served_count}", HELD_MS[0]  # one of unknown outcome is still held
        is_done = (
            (await self.acquire(process, key, held_ms)).result > 0
            and await self.release(process, key)
            and (await self.acquire(process, key, held_ms)).result > 0
        )
        await trio.sleep(held_ms / 1000)
        return is_done

    async def _hold(self, client: int, process: Process, chance: Random) -> None:
        key, held_ms = chance.choice(LOCK_KEYS), chance.choice(HELD_MS)
        call = await self.acquire(process, key, held_ms, client)
        if not call.result or chance.random() < DEATHS_SHARE:
            return
        await trio.sleep(min(WORK_SECONDS_MAX, chance.random() * LATENESS * held_ms / 1000))
        at = self._any(chance)
        if at is not None and self.is_open:
            await self.release(at, key, client)


def check_locks(history: History, ledger: Ledger) -> None:
    """What clients were told of locks is what the log says, and who acquires one later has a higher token.

    Raises:
        Violation: something does not fit.
    """
    calls = [call for call in history.calls if call.kind == "acquire"]
    for call in calls:
        index = ledger.acquisitions.get((call.key, call.held_ms), 0)
        line = ledger.find(index)
        if call.is_refused and line is not None:
            raise Violation("Refused Is Not Done", f"{call.key} was refused to client {call.client}: entry {index}")
        if call.returned_at is None:
            continue
        if line is None or line.expected != call.result:
            raise Violation(
                "Acknowledged Stays",
                f"client {call.client} was given token {call.result} of {call.key}; the log says {line}",
            )
    granted = [call for call in calls if call.returned_at is not None and call.result]
    for call in granted:
        floor = max((one.result for one in granted if one.key == call.key and _is_before(one, call)), default=0)
        if call.result <= floor:
            raise Violation(
                "Tokens Rise",
                f"client {call.client} was given token {call.result} of {call.key} when {floor} was known",
            )


def _is_before(one: Call, other: Call) -> bool:
    return one.returned_at is not None and one.returned_at < other.called_at
