"""What the log says must be applied, and what must come of it; every node is held against it whenever it applies.

Which entries count, and what commands mean, is said once more for it (``requests``, ``meaning``): by no rule of nodes.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NoReturn

from nacos_core.commands import AcquireLock, Command, ExpireLocks, PublishConfig, PublishGray, ReleaseLock
from nacos_core.commands import decode as decode_command
from nacos_core.raft import entries
from nacos_core.raft.configuration import CONFIGURATION_BYTE, Configuration
from nacos_core.simulation.invariants import Invariants, Violation
from nacos_core.simulation.nodes.meaning import REFUSED, UNSAID, Expected, State, apply
from nacos_core.simulation.nodes.requests import Requests
from nacos_core.state_machine import RawOutcome

if TYPE_CHECKING:
    import msgspec

    from nacos_core.raft.replica import Frozen, StateMachine
    from nacos_core.simulation.nodes.machine import Process

RESTORED: Final = None


@dataclass(frozen=True, slots=True)
class Applied:
    """Something that a node has applied."""

    index: int
    stamped_ms: int
    outcome: RawOutcome


class Witness:
    """A node's state machine, with a note of everything that happens to it."""

    def __init__(self, state_machine: "StateMachine") -> None:
        self.notes: list[Applied | None] = []
        """Since they were last looked at; ``RESTORED`` where a snapshot took the place of the state."""
        self.position = 0
        """What was applied when it was last looked at."""
        self._state_machine = state_machine

    def apply(self, batch: "Sequence[tuple[int, int, msgspec.Raw]]") -> list[RawOutcome]:
        """As ``StateMachine.apply``."""
        outcomes: list[RawOutcome] = self._state_machine.apply(batch)
        self.notes += [
            Applied(index, stamped_ms, outcome) for (index, stamped_ms, _), outcome in zip(batch, outcomes, strict=True)
        ]
        return outcomes

    def freeze(self) -> "Frozen":
        """As ``StateMachine.freeze``."""
        return self._state_machine.freeze()

    def restore(self, data: bytes) -> None:
        """As ``StateMachine.restore``."""
        self._state_machine.restore(data)
        self.notes.append(RESTORED)


@dataclass(slots=True)
class Line:
    """One entry that counts."""

    index: int
    stamped_ms: int
    command: Command
    expected: Expected
    """Where nothing was known beforehand: what came of it at the first node."""
    before: State
    after: State


@dataclass
class Ledger:
    """All entries that count, in their order, as far as anybody has applied them."""

    invariants: Invariants
    state: State = field(default_factory=State)
    """After all of them."""
    publishes: dict[int, int] = field(default_factory=dict)
    """Where each value was to be written, whether it was or not: what one client asked for once."""
    positions: dict[int, int] = field(default_factory=dict)
    """Where each value was written, of those that were."""
    acquisitions: dict[tuple[str, int], int] = field(default_factory=dict)
    """The same of locks, by key and time: no two clients ask for the same time."""

    def __post_init__(self) -> None:
        self._lines: list[Line] = []
        self._indexes: list[int] = []
        self._read_index = 0
        self._stamped_ms = 0
        self._requests = Requests()

    def find(self, index: int) -> Line | None:
        """The line of one entry; None if it does not count."""
        at = bisect_right(self._indexes, index) - 1
        return self._lines[at] if at >= 0 and self._indexes[at] == index else None

    def state_at(self, index: int) -> State:
        """What the log has come to with that entry."""
        at = bisect_right(self._indexes, index) - 1
        return self._lines[at].after if at >= 0 else State()

    # --- what nodes do ---------------------------------------------------------------------------------------------

    def stepped(self, process: "Process", lock_keys: Sequence[str]) -> None:
        """Looks at what a node has applied in one step."""
        witness, last_applied = process.witness, process.replica.last_applied
        if last_applied == witness.position and not witness.notes:
            return
        self._read(last_applied)
        position, notes = witness.position, witness.notes
        witness.position, witness.notes = last_applied, []
        for note in notes:
            if note is RESTORED:
                position = process.log.snapshot_index
                continue
            self._check_next(process, position, note.index)
            self._check_applied(process, note)
            position = note.index
        self._check_next(process, position, last_applied + 1)
        self._check_holders(process, lock_keys)

    def _check_next(self, process: "Process", position: int, index: int) -> None:
        """Between two entries that a node has applied there is none that counts."""
        at = bisect_right(self._indexes, position)
        if at < len(self._indexes) and self._indexes[at] < index:
            left_out = self._lines[at]
            raise Violation(
                "Nothing Is Left Out",
                f"{process.node_id} has not applied entry {left_out.index}, {left_out.command}, and goes on behind it",
            )

    def _check_applied(self, process: "Process", applied: Applied) -> None:
        line = self.find(applied.index)
        if line is None:
            raise Violation(
                "Applied Once", f"{process.node_id} applies entry {applied.index}, which has happened or was given up"
            )
        if applied.stamped_ms != line.stamped_ms:
            raise Violation(
                "State Machine Safety",
                f"{process.node_id} applies entry {applied.index} as of {applied.stamped_ms}, not {line.stamped_ms}",
            )
        outcome: Expected = applied.outcome
        if line.expected is UNSAID:
            line.expected = outcome
        if isinstance(outcome, list) and line.expected is REFUSED:
            return
        if outcome != line.expected:
            _object(process.node_id, line, applied.outcome)

    def _check_holders(self, process: "Process", lock_keys: Sequence[str]) -> None:
        locks, now_ms = self.state_at(process.witness.position).locks, process.host.wall_ms()
        for key in lock_keys:
            held, lock = locks.get(key), process.node.locks.holder(key)
            token = held.token if held is not None and now_ms < held.until_ms else 0
            if (lock.token if lock is not None else 0) != token:
                raise Violation(
                    "Locks Are As The Log Says",
                    f"{process.node_id} has {lock} of {key} after entry {process.witness.position}, the log {held}",
                )

    # --- what the log says -----------------------------------------------------------------------------------------

    def _read(self, index: int) -> None:
        for at in range(self._read_index + 1, index + 1):
            payload = self.invariants.committed_payload(at)
            if payload and payload[0] == CONFIGURATION_BYTE:
                self._requests.members_are(Configuration.decode(payload))
            elif payload:
                self._read_entry(at, entries.decode(payload))
            self._read_index = at

    def _read_entry(self, index: int, entry: entries.Entry) -> None:
        if not self._requests.counts(entry):
            return
        self._stamped_ms = max(self._stamped_ms, entry.stamped_ms)
        command, before = decode_command(entry.command), self.state
        self._check_asked(index, command)
        self.state, expected = apply(before, index, self._stamped_ms, command)
        if isinstance(command, PublishConfig) and expected is not REFUSED:
            self.positions[int(command.content)] = index
        self._lines.append(Line(index, self._stamped_ms, command, expected, before, self.state))
        self._indexes.append(index)

    def _check_asked(self, index: int, command: Command) -> None:
        """Every client asks for something else each time: what counts twice was sent twice, under whatever number."""
        match command:
            case PublishConfig() | PublishGray():
                other = self.publishes.setdefault(int(command.content), index)
            case AcquireLock(key, held_ms):
                other = self.acquisitions.setdefault((key, held_ms), index)
            case _:
                return
        if other != index:
            raise Violation("Asked For Once", f"{command} counts as entry {other} and as entry {index}")


def _object(node_id: str, line: Line, outcome: RawOutcome) -> NoReturn:
    """Names the rule that a wrong outcome breaks."""
    what = f"{node_id} says {outcome!r} of entry {line.index}, {line.command}: it must be {line.expected!r}"
    match line.command:
        case AcquireLock() if line.expected == 0:
            rule = "Mutual Exclusion"
        case AcquireLock() if outcome == 0:
            rule = "Free Locks Are Given"
        case AcquireLock():
            rule = "Tokens Are Indexes"
        case ReleaseLock():
            rule = "Releases Free"
        case ExpireLocks():
            rule = "Only What Is Over Expires"
        case _:
            rule = "State Machine Safety"
    raise Violation(rule, f"{what}, stamped {line.stamped_ms}, after {line.before}")
