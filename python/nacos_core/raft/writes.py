"""The writes that this node waits for: kept until they are applied here, sent again when the leader changes.

A write is never reported as failed unless it cannot have happened.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from nacos_core import limits
from nacos_core.errors import NacosCoreError, NotReady, OutcomeUnknown, Overloaded
from nacos_core.raft.sessions import Outcome

Complete: TypeAlias = Callable[[Outcome | NacosCoreError], None]
"""Is told the outcome, or the error instead of one."""


@dataclass(slots=True)
class _Write:
    command: msgspec.Raw
    complete: Complete
    expires_at: float
    sent_count: int = 0
    send_again_at: float = 0.0


class Writes:
    """In the order in which they came, which is that of their numbers."""

    def __init__(self) -> None:
        self._open: dict[int, _Write] = {}
        self._unsent: dict[int, None] = {}
        self._next_sequence = 1
        self._waiting_bytes = 0

    def add(self, command: bytes, complete: Complete, now: float) -> None:
        """Keeps a write until it is sent."""
        if self._waiting_bytes + len(command) > limits.PROPOSALS_BYTES_MAX:
            complete(Overloaded("too much is waiting to be written, try again later"))
            return
        self._waiting_bytes += len(command)
        sequence = self._next_sequence
        self._next_sequence += 1
        self._open[sequence] = _Write(msgspec.Raw(command), complete, now + limits.WRITE_WAIT_SECONDS)
        self._unsent[sequence] = None

    @property
    def oldest_open(self) -> int:
        """No write below it is waited for."""
        return next(iter(self._open), self._next_sequence)

    @property
    def has_unsent(self) -> bool:
        """Something waits to be sent."""
        return bool(self._unsent)

    def take_unsent(self, now: float) -> Iterator[tuple[int, msgspec.Raw]]:
        """What waits to be sent; it counts as sent from now on."""
        unsent, self._unsent = self._unsent, {}
        for sequence in unsent:
            write = self._open.get(sequence)
            if write is not None:
                write.sent_count += 1
                write.send_again_at = now + limits.WRITE_RETRY_SECONDS
                yield sequence, write.command

    def send_all_again(self) -> None:
        """Whether what was sent has arrived is not known any more. What arrives twice is applied once."""
        self._unsent = dict.fromkeys(self._open)

    def not_taken(self, sequence: int, *, is_overloaded: bool) -> None:
        """Whoever it was sent to did not append it."""
        write = self._open.get(sequence)
        if write is None:
            return
        if is_overloaded and write.sent_count == 1:
            self.applied(sequence, Overloaded("too much is waiting to be written, try again later"))
        elif not is_overloaded:
            write.sent_count -= 1

    def applied(self, sequence: int, outcome: Outcome | NacosCoreError) -> None:
        """Tells whoever waits for it; nothing if nobody does."""
        write = self._open.pop(sequence, None)
        if write is not None:
            self._waiting_bytes -= len(write.command)
            write.complete(outcome)

    def open_sequences(self) -> list[int]:
        """What is waited for."""
        return list(self._open)

    def expire(self, now: float) -> None:
        """Tells those that have waited long enough what is known, and sends again what may be lost."""
        for sequence, write in list(self._open.items()):
            if now >= write.expires_at:
                self._unsent.pop(sequence, None)
                self.applied(sequence, _gave_up(write, "the write was not confirmed in time"))
            elif now >= write.send_again_at:
                self._unsent[sequence] = None

    def give_up(self, reason: str) -> None:
        """The node stops: nothing more will be known."""
        for sequence, write in list(self._open.items()):
            self.applied(sequence, _gave_up(write, reason))
        self._unsent = {}

    @property
    def deadline(self) -> float:
        """When ``expire`` has something to do; seconds."""
        if not self._open:
            return float("inf")
        sequence, oldest = next(iter(self._open.items()))
        if sequence in self._unsent:
            return oldest.expires_at
        return min(oldest.expires_at, oldest.send_again_at)


def _gave_up(write: _Write, reason: str) -> NacosCoreError:
    if write.sent_count == 0:
        return NotReady("no leader accepts writes at the moment, try again later")
    return OutcomeUnknown(f"outcome unknown: {reason}")
