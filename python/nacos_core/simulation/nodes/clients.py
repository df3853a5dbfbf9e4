"""Clients inside the process: they publish and read configurations at any node, and listen at all of them."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Final, Literal

import trio

from nacos_core._core import ConfigView, LogError
from nacos_core.commands import PublishConfig
from nacos_core.commands import decode as decode_command
from nacos_core.errors import CasMismatch, CommandRefused, NacosCoreError, OutcomeUnknown
from nacos_core.raft import entries
from nacos_core.raft.configuration import CONFIGURATION_BYTE, Configuration
from nacos_core.raft.sessions import Sessions, Verdict
from nacos_core.simulation.clients import PATIENCE_SECONDS, ClientProfile
from nacos_core.simulation.history import Call, History
from nacos_core.simulation.invariants import Invariants, Violation
from nacos_core.simulation.nodes.machine import Process, running
from nacos_core.simulation.nodes.scheduling import TrioTimeline

SERVICE: Final = "orders"
REGISTER_SHARE: Final = 0.05


def value_of(view: ConfigView | None) -> int:
    """0: nothing was published."""
    return 0 if view is None else int(view.content)


class NodesClients:
    """All clients of a cluster.

    Args:
        processes: gives those that run now, in a defined order.
    """

    def __init__(
        self, timeline: TrioTimeline, profile: ClientProfile, processes: Callable[[], Sequence[Process]]
    ) -> None:
        self.history = History()
        self.answered_count = 0
        self.refused_count = 0
        self.unknown_count = 0
        self.is_open = True
        """They go on calling."""
        self.keys = [f"key{number}" for number in range(profile.keys_count)]
        self.heard: dict[tuple[str, int], dict[str, int]] = {}
        """By node and boot: what the listener of each key was told last."""
        self._timeline = timeline
        self._profile = profile
        self._processes = processes
        self._next_number = 0

    @property
    def calls_count(self) -> int:
        """Calls that are over."""
        return self.answered_count + self.refused_count + self.unknown_count

    async def run(self) -> None:
        """Runs until ``is_open`` is taken away."""
        async with trio.open_nursery() as nursery:
            for client in range(self._profile.clients_count):
                nursery.start_soon(self._be_client, client, self._timeline.chance(f"client {client}"))

    async def listen(self, process: Process, key: str) -> None:
        """Listens at one node until cancelled."""
        running.set(process)
        heard = self.heard.setdefault((process.node_id, process.host.boot), {})
        async with process.node.config.listen(key) as states:
            async for view in states:
                heard[key] = value_of(view)

    async def write(self, process: Process, key: str, client: int = -1) -> bool:
        """One write; says whether it is known to be done."""
        call = self._new_call(client, "write", key)
        self.history.calls.append(call)
        return await self._call(process, call, lambda: process.node.config.publish(key, str(call.value)))

    async def swap(self, process: Process, key: str, client: int) -> bool:
        """One write on the condition that what this node has is still the truth."""
        call = self._new_call(client, "swap", key)
        view = process.node.config.get(key)
        call.expected = value_of(view)
        self.history.calls.append(call)
        config, content = process.node.config, str(call.value)
        if view is None:
            return await self._call(process, call, lambda: config.publish(key, content, create_only=True))
        md5 = view.md5
        return await self._call(process, call, lambda: config.publish(key, content, cas_md5=md5))

    async def read(self, process: Process, key: str, client: int = -1) -> bool:
        """One linearizable read."""
        call = self._new_call(client, "read", key)
        call.value = 0

        async def read() -> None:
            call.result = value_of(await process.node.config.get_linearizable(key))

        is_done = await self._call(process, call, read)
        if is_done:
            self.history.calls.append(call)
        return is_done

    async def _be_client(self, client: int, chance: Random) -> None:
        while self.is_open:
            await trio.sleep(chance.expovariate(1 / self._profile.pause_seconds))
            processes = self._processes()
            if not processes or not self.is_open:
                continue
            process = processes[chance.randrange(len(processes))]
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

    def _new_call(self, client: int, kind: Literal["write", "swap", "read"], key: str) -> Call:
        self._next_number += 1
        return Call(client, kind, key, trio.current_time(), self._next_number)

    async def _call(self, process: Process, call: Call, ask: Callable[[], Awaitable[object]]) -> bool:
        """Keeps what is known of the outcome."""
        running.set(process)
        outcome = "unknown"
        try:
            with trio.move_on_after(PATIENCE_SECONDS):
                await ask()
                outcome, call.result = "done", call.result if call.kind == "read" else 1
        except CasMismatch:
            outcome = "done"
        except CommandRefused as error:
            outcome = "done" if call.kind == "swap" else f"refused: {error}"
        except OutcomeUnknown:
            pass
        except NacosCoreError as error:
            outcome = f"refused: {error}"
        except LogError:
            # The node has lost its disk under the call.
            pass
        finally:
            running.set(None)
        if not process.is_alive:
            outcome = "unknown"
        self._timeline.note(f"client{call.client}", f"{call.kind} {call.key} {call.value}: {outcome} {call.result}")
        if outcome == "done":
            call.returned_at = trio.current_time()
            self.answered_count += 1
        elif outcome == "unknown":
            call.result = 0
            self.unknown_count += 1
        else:
            call.is_refused = True
            self.refused_count += 1
        return outcome == "done"


def check_history(history: History, invariants: Invariants) -> dict[str, int]:
    """Linearizability, with the log as the witness of the order; gives the value of each key in the end.

    Every value is written once, and the log says when. So it is enough that each answer is explained by the log, and
    that nobody is told of something older than what was known when the call was made (the thesis, section 6.3).

    Raises:
        Violation: something does not fit.
    """
    positions, values = _replay(invariants)
    calls = [call for call in history.calls if not call.is_refused]
    for call in history.calls:
        if call.is_refused and call.value in positions:
            raise Violation("Refused Is Not Done", f"{call.kind} {call.key} {call.value} was refused and is there")
    known: list[tuple[float, str, int]] = []
    for call in sorted(calls, key=lambda call: (call.called_at, call.value)):
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
    return values


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


def _replay(invariants: Invariants) -> tuple[dict[int, int], dict[str, int]]:
    """Applies the whole log: where each value was written, and what stands there in the end."""
    positions: dict[int, int] = {}
    values: dict[str, int] = {}
    sessions = Sessions()
    origin_ids: tuple[str, ...] = ()
    for index, payload in invariants.committed_payloads():
        if payload and payload[0] == CONFIGURATION_BYTE:
            origin_ids = Configuration.decode(payload).node_ids
            sessions.members_are(origin_ids)
        elif payload:
            entry = entries.decode(payload)
            command = decode_command(entry.command)
            if entry.origin_id not in origin_ids or sessions.begin(entry.request) is not Verdict.APPLY:
                continue
            sessions.remember(entry.request, None)
            if isinstance(command, PublishConfig) and _may_write(command, values):
                values[command.data_id] = int(command.content)
                positions[int(command.content)] = index
    return positions, values


def _may_write(command: PublishConfig, values: dict[str, int]) -> bool:
    key = command.data_id
    if command.create_only:
        return key not in values
    return not command.cas_md5 or (key in values and _md5(values[key]) == command.cas_md5)


def _md5(value: int) -> str:
    return hashlib.md5(str(value).encode(), usedforsecurity=False).hexdigest()
