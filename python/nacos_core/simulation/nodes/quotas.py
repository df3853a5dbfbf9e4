"""Clients of a namespace that may have few configurations: they publish and remove them, and its quota changes."""

from random import Random
from typing import Final

import trio

from nacos_core._core import LogError
from nacos_core.errors import CommandRefused, NacosCoreError
from nacos_core.simulation.clients import PATIENCE_SECONDS
from nacos_core.simulation.invariants import Violation
from nacos_core.simulation.nodes.crowd import Crowd, Setting
from nacos_core.simulation.nodes.http import ask
from nacos_core.simulation.nodes.ledger import Ledger
from nacos_core.simulation.nodes.machine import Process, running
from nacos_core.simulation.nodes.meaning import REFUSED

LIMITED: Final = "limited"
"""The namespace."""
LIMITED_KEYS: Final = tuple(f"limited{number}" for number in range(6))
QUOTAS: Final = ("2", "3", "4")
CAPACITY_PATH: Final = "/nacos/v3/admin/cs/capacity"
CLIENTS_COUNT: Final = 2
CHANGE_PAUSES: Final = 2.0
"""How long each waits, in pauses of other clients."""
PUBLISH_SHARE: Final = 0.6
REMOVE_SHARE: Final = 0.2
"""The rest sets the quota."""


class QuotaClients(Crowd):
    """All clients of that namespace."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._told: list[tuple[int, bool]] = []
        """Of each publication of known outcome its value, and whether it was done."""

    async def run(self) -> None:
        """Runs until ``is_open`` is taken away."""
        async with trio.open_nursery() as nursery:
            for client in range(CLIENTS_COUNT):
                nursery.start_soon(self._call_on, f"quota client {client}", self._call, CHANGE_PAUSES)

    def check(self, ledger: Ledger, process: Process) -> None:
        """Raises Violation: a client was told something else than came of it, or the node holds something else."""
        for value, is_done in self._told:
            line = ledger.find(ledger.publishes.get(value, 0))
            if line is None or (line.expected is not REFUSED) != is_done:
                raise Violation("Acknowledged Stays", f"publication {value} was told to be {is_done}: {line}")
        for key in LIMITED_KEYS:
            view = process.node.config.get(key, namespace=LIMITED)
            value, of_log = 0 if view is None else int(view.content), ledger.state.values.get((LIMITED, key), 0)
            if value != of_log:
                raise Violation("Heals", f"{process.node_id} has {value} for {key}, the log says {of_log}")

    async def _call(self, process: Process, chance: Random) -> None:
        kind, key = chance.random(), chance.choice(LIMITED_KEYS)
        if kind < PUBLISH_SHARE:
            await self._publish(process, key)
        elif kind < PUBLISH_SHARE + REMOVE_SHARE:
            await self._remove(process, key)
        else:
            await ask(process, "POST", CAPACITY_PATH, {"namespaceId": LIMITED, "quota": chance.choice(QUOTAS)})

    async def _publish(self, process: Process, key: str) -> None:
        value, is_done = self._calls.next_number(), False
        running.set(process)
        try:
            with trio.move_on_after(PATIENCE_SECONDS) as patience:
                await process.node.config.publish(key, str(value), namespace=LIMITED)
                is_done = True
        except CommandRefused:
            pass
        except (NacosCoreError, LogError):
            return
        finally:
            running.set(None)
        self._timeline.note("quota", f"{key} {value}: {is_done}")
        if process.is_alive and not patience.cancelled_caught:
            self._told.append((value, is_done))

    async def _remove(self, process: Process, key: str) -> None:
        running.set(process)
        try:
            with trio.move_on_after(PATIENCE_SECONDS):
                await process.node.config.remove(key, namespace=LIMITED)
        except (NacosCoreError, LogError) as error:
            self._timeline.note("quota", f"{key}: {error}")
        finally:
            running.set(None)
