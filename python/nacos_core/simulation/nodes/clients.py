"""Clients inside the process: they publish and read configurations at any node, and listen at all of them."""

from functools import partial
from random import Random
from typing import Final

import trio

from nacos_core._core import ConfigView, LogError
from nacos_core.errors import NacosCoreError
from nacos_core.simulation.clients import PATIENCE_SECONDS
from nacos_core.simulation.history import Call, History
from nacos_core.simulation.invariants import Violation
from nacos_core.simulation.nodes.crowd import Crowd, Setting
from nacos_core.simulation.nodes.ledger import Ledger
from nacos_core.simulation.nodes.machine import Process, running

SERVICE: Final = "orders"
REGISTER_SHARE: Final = 0.05
REGISTER_CALLS: Final = ("write", "swap", "read")


def value_of(view: ConfigView | None) -> int:
    """0: nothing was published."""
    return 0 if view is None else int(view.content)


class NodesClients(Crowd):
    """All clients of a cluster."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.keys = [f"key{number}" for number in range(self._profile.keys_count)]
        self.heard: dict[tuple[str, int], dict[str, int]] = {}
        """By node and boot: what the listener of each key was told last."""

    async def run(self) -> None:
        """Runs until ``is_open`` is taken away."""
        async with trio.open_nursery() as nursery:
            for client in range(self._profile.clients_count):
                call = partial(self._call, client)
                nursery.start_soon(self._call_on, f"client {client}", call)

    async def listen(self, process: Process, key: str) -> None:
        """Listens at one node until cancelled."""
        running.set(process)
        heard = self.heard.setdefault((process.node_id, process.host.boot), {})
        async with process.node.config.listen(key) as states:
            async for view in states:
                heard[key] = value_of(view)

    async def write(self, process: Process, key: str, client: int = -1) -> bool:
        """One write; says whether it is known to be done."""
        call = self._calls.new(client, "write", key)
        self._calls.history.calls.append(call)

        async def write() -> int:
            await process.node.config.publish(key, str(call.value))
            return 1

        return await self._calls.make(process, call, write)

    async def swap(self, process: Process, key: str, client: int) -> bool:
        """One write on the condition that what this node has is still the truth."""
        call = self._calls.new(client, "swap", key)
        view = process.node.config.get(key)
        call.expected = value_of(view)
        self._calls.history.calls.append(call)
        config, content = process.node.config, str(call.value)

        async def swap() -> int:
            if view is None:
                await config.publish(key, content, create_only=True)
            else:
                await config.publish(key, content, cas_md5=view.md5)
            return 1

        return await self._calls.make(process, call, swap)

    async def read(self, process: Process, key: str, client: int = -1) -> bool:
        """One linearizable read."""
        call = self._calls.new(client, "read", key)
        call.value = 0

        async def read() -> int:
            return value_of(await process.node.config.get_linearizable(key))

        is_done = await self._calls.make(process, call, read)
        if is_done:
            self._calls.history.calls.append(call)
        return is_done

    async def _call(self, client: int, process: Process, chance: Random) -> None:
        key = self.keys[chance.randrange(len(self.keys))]
        kind = chance.random()
        if kind < REGISTER_SHARE:
            await self._register(process, chance)
        elif kind < 0.45:
            await self.write(process, key, client)
        elif kind < 0.6:
            await self.swap(process, key, client)
        else:
            await self.read(process, key, client)

    async def _register(self, process: Process, chance: Random) -> None:
        """Persistent instances: not in the history, but the same everywhere at the end."""
        naming, port = process.node.naming, chance.randrange(1, 6)
        running.set(process)
        try:
            with trio.move_on_after(PATIENCE_SECONDS):
                if chance.random() < 0.6:
                    await naming.register(SERVICE, "10.0.0.1", port, ephemeral=False, weight=chance.randrange(1, 9))
                else:
                    await naming.deregister(SERVICE, "10.0.0.1", port, ephemeral=False)
        except (NacosCoreError, LogError) as error:
            self._timeline.note("client", f"instance {port}: {error}")
        finally:
            running.set(None)


def check_history(history: History, ledger: Ledger) -> None:
    """Linearizability, with the log as the witness of the order.

    Every value is written once, and the log says when. So it is enough that each answer is explained by the log, and
    that nobody is told of something older than what was known when the call was made (the thesis, section 6.3).

    Raises:
        Violation: something does not fit.
    """
    positions = ledger.positions
    of_registers = [call for call in history.calls if call.kind in REGISTER_CALLS]
    calls = [call for call in of_registers if not call.is_refused]
    for call in of_registers:
        if call.is_refused and call.value in ledger.publishes:
            raise Violation("Refused Is Not Done", f"{call.kind} {call.key} {call.value} was refused and is there")
        if call.returned_at is not None and call.value and call.value not in ledger.publishes:
            raise Violation("Acknowledged Stays", f"{call.kind} {call.key} {call.value} was answered and is not there")
        if call.returned_at is not None and call.value and bool(call.result) != (call.value in positions):
            raise Violation("Acknowledged Stays", f"{call.kind} {call.key} {call.value}: {call.result} is not so")
    known: list[tuple[float, str, int]] = []
    for call in calls:
        if call.returned_at is None:
            continue
        position = _position(call, positions)
        if position is not None:
            known.append((call.returned_at, call.key, position))
    for call in calls:
        if call.returned_at is None:
            continue
        position = _position(call, positions)
        floor = max((at for time, key, at in known if key == call.key and time < call.called_at), default=0)
        if position is not None and position < floor:
            raise Violation(
                "Linearizability",
                f"client {call.client} was told of entry {position} by a {call.kind} of {call.key} that it called at "
                f"{call.called_at:.6f}, when entry {floor} was known",
            )


def _position(call: Call, positions: dict[int, int]) -> int | None:
    """Where the log has what the call was told of; None where it was told of nothing."""
    if call.kind == "read":
        value = call.result
    elif call.result:
        value = call.value
    else:
        return None
    if value and value not in positions:
        raise Violation("Acknowledged Stays", f"{call.kind} of {call.key} told of {value}, which is nowhere in the log")
    return positions.get(value, 0)
