"""Clients: they write and read registers at any node, and keep a history of what they were told.

What was applied, and in which order, is known here; so every answer can be judged at once. That the judgement is right
is what the judge in tests/simulation says, which knows nothing but the history.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Final

from nacos_core.errors import NacosCoreError, OutcomeUnknown
from nacos_core.simulation import state
from nacos_core.simulation.history import Call, History
from nacos_core.simulation.invariants import Violation
from nacos_core.simulation.node import Process
from nacos_core.simulation.state import Operation
from nacos_core.simulation.timeline import Timeline

if TYPE_CHECKING:
    from nacos_core.raft.sessions import Outcome

PATIENCE_SECONDS: Final = 4.0
"""More than a node's own: then the node is gone."""


@dataclass(frozen=True, slots=True)
class ClientProfile:
    """How many there are, and how long each waits on average between an answer and the next call."""

    clients_count: int = 4
    keys_count: int = 3
    pause_seconds: float = 0.4
    writes_share: float = 0.6
    """Of all calls; some of them are swaps, and some of the others read what a node just has."""


class Clients:
    """All clients of a cluster.

    Args:
        processes: gives those that run now, in a defined order.
        refused: is told of each operation that has not happened, as a client was told.
    """

    def __init__(
        self,
        timeline: Timeline,
        profile: ClientProfile,
        processes: Callable[[], Sequence[Process]],
        refused: Callable[[int], None],
    ) -> None:
        self.history = History()
        self.refused = refused
        self.floor = 0
        """The position that some client knows to have been reached: nothing older may be told from then on."""
        self.answered_count = 0
        self.refused_count = 0
        self.unknown_count = 0
        self.is_open = True
        """They go on calling."""
        self._timeline = timeline
        self._profile = profile
        self._processes = processes
        self._next_number = 0
        for client in range(profile.clients_count):
            chance = timeline.chance(f"client {client}")
            self._pause(client, chance)

    @property
    def calls_count(self) -> int:
        """Calls that are over."""
        return self.answered_count + self.refused_count + self.unknown_count

    def next_number(self) -> int:
        """A number that no operation had before."""
        self._next_number += 1
        return self._next_number

    def _pause(self, client: int, chance: Random) -> None:
        self._timeline.after(chance.expovariate(1 / self._profile.pause_seconds), self._call, client, chance)

    def _call(self, client: int, chance: Random) -> None:
        if not self.is_open:
            return
        processes = self._processes()
        if not processes:
            self._pause(client, chance)
            return
        process = processes[chance.randrange(len(processes))]
        key = f"key{chance.randrange(self._profile.keys_count)}"
        kind = chance.random()
        finished = partial(self._pause, client, chance)
        writes_share = self._profile.writes_share
        if kind < writes_share * 0.75:
            operation = Operation("write", self.next_number(), key, self._next_number)
        elif kind < writes_share:
            expected = process.registers.values.get(key, 0)
            operation = Operation("swap", self.next_number(), key, self._next_number, expected)
        else:
            Reading(self, process, key, client, finished, is_local=kind > 0.9).begin()
            return
        Writing(self, process, operation, client, finished).begin()

    def write(self, process: Process, key: str, finished: Callable[[], None]) -> "Writing":
        """One write of nobody in particular."""
        number = self.next_number()
        writing = Writing(self, process, Operation("write", number, key, number), -1, finished)
        writing.begin()
        return writing

    def read(self, process: Process, key: str, finished: Callable[[], None]) -> "Reading":
        """One linearizable read of nobody in particular."""
        reading = Reading(self, process, key, -1, finished, is_local=False)
        reading.begin()
        return reading


class _OneCall:
    """A call that is under way, until it is answered or its node is gone."""

    def __init__(self, clients: Clients, process: Process, call: Call, finished: Callable[[], None]) -> None:
        self.is_answered = False
        self.is_done = False
        """It was answered with what was asked for."""
        self._clients = clients
        self._process = process
        self._record = call
        self._finished = finished
        self._timeline = process.host.timeline
        self._floor = clients.floor
        """What must be seen, as of the beginning of the call."""

    def _begin(self, call: Callable[[Process], None]) -> None:
        self._process.run(call)
        if not self.is_answered:
            self._timeline.after(PATIENCE_SECONDS, self._give_up)

    def _give_up(self) -> None:
        if not self.is_answered:
            self._over(is_known=False)

    def _over(self, *, is_known: bool) -> None:
        self.is_answered = True
        clients = self._clients
        if self._timeline.is_traced:
            record = self._record
            what = record.result if is_known else "unknown"
            self._timeline.note(f"client{record.client}", f"{record.kind} {record.key} {record.value}: {what}")
        if is_known:
            self._record.returned_at = self._timeline.now
            clients.answered_count += 1
        else:
            clients.unknown_count += 1
        self._timeline.at(self._timeline.now, self._finished)

    def _refused(self, error: NacosCoreError) -> None:
        """Nothing has happened."""
        self.is_answered = True
        self._clients.refused_count += 1
        if self._timeline.is_traced:
            record = self._record
            self._timeline.note(f"client{record.client}", f"{record.kind} {record.key} {record.value}: {error}")
        self._timeline.at(self._timeline.now, self._finished)

    def _seen(self, position: int) -> None:
        """Linearizability (the thesis, section 6.3): nothing is older than what anybody knew when the call was made."""
        if position < self._floor:
            record = self._record
            raise Violation(
                "Linearizability",
                f"client {record.client} was told of position {position} by {self._process.node_id} in a {record.kind} "
                f"that it called at {record.called_at:.6f}, when {self._floor} was known",
            )
        self._clients.floor = max(self._clients.floor, position)


class Writing(_OneCall):
    """A write or a swap."""

    def __init__(
        self, clients: Clients, process: Process, operation: Operation, client: int, finished: Callable[[], None]
    ) -> None:
        call = Call(
            client, operation.kind, operation.key, process.host.timeline.now, operation.value, operation.expected
        )
        super().__init__(clients, process, call, finished)
        self.position = 0
        self._operation = operation
        clients.history.calls.append(call)

    def begin(self) -> None:
        """Hands it to the node."""
        command = state.encode(self._operation)
        timeline = self._timeline
        self._begin(lambda process: process.replica.propose(command, self._complete, timeline.now))

    def _complete(self, outcome: "Outcome | NacosCoreError") -> None:
        if self.is_answered or not self._process.is_alive:
            return
        if isinstance(outcome, OutcomeUnknown):
            self._over(is_known=False)
        elif isinstance(outcome, NacosCoreError):
            self._record.is_refused = True
            self._clients.refused(self._operation.number)
            self._refused(outcome)
        else:
            self.position, has_written = outcome
            self._seen(self.position)
            self._record.result = int(has_written)
            self.is_done = True
            self._over(is_known=True)


class Reading(_OneCall):
    """A read, linearizable or of what the node just has."""

    def __init__(
        self,
        clients: Clients,
        process: Process,
        key: str,
        client: int,
        finished: Callable[[], None],
        *,
        is_local: bool,
    ) -> None:
        super().__init__(clients, process, Call(client, "read", key, process.host.timeline.now), finished)
        self._is_local = is_local

    def begin(self) -> None:
        """Asks the node."""
        if self._is_local:
            self._record.result = self._process.registers.values.get(self._record.key, 0)
            self._over(is_known=True)
        else:
            timeline = self._timeline
            self._begin(lambda process: process.replica.read(self._confirmed, timeline.now))

    def _confirmed(self, error: NacosCoreError | None) -> None:
        if self.is_answered or not self._process.is_alive:
            return
        if error is not None:
            self._refused(error)
            return
        registers = self._process.registers
        self._seen(registers.position)
        self._record.result = registers.values.get(self._record.key, 0)
        self._clients.history.calls.append(self._record)
        self.is_done = True
        self._over(is_known=True)
