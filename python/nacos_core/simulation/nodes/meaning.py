"""What the commands of simulated clients mean, said once more: what each must come to when the log has come to it."""

import hashlib
from typing import Final, NamedTuple

from nacos_core.commands import AcquireLock, Command, ExpireLocks, PublishConfig, ReleaseLock
from nacos_core.state_machine import RawOutcome


class Held(NamedTuple):
    """A lock that somebody has. Its time is over with the first command that is stamped ``until_ms`` or later."""

    token: int
    until_ms: int


class Unsaid:
    """An outcome of which nothing is known beforehand."""


UNSAID: Final = Unsaid()
REFUSED: Final = ("refused",)
"""It changes nothing; in which words that is said is not looked at."""

Expected = RawOutcome | Unsaid | tuple[str, ...]


class Meaning:
    """The state after all commands so far."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {}
        """By key."""
        self.positions: dict[int, int] = {}
        """Of each value that was written, the entry which wrote it."""
        self.locks: dict[str, Held] = {}
        """By key; never changed, another one comes in its place."""

    def apply(self, index: int, stamped_ms: int, command: Command) -> Expected:
        """Gives what must come of it at every node."""
        match command:
            case PublishConfig():
                return self._publish(index, command)
            case AcquireLock(key, held_ms):
                if self._is_held(key, stamped_ms):
                    return 0
                self.locks = {**self.locks, key: Held(index, stamped_ms + held_ms)}
                return index
            case ReleaseLock(key):
                was_held = self._is_held(key, stamped_ms)
                self.locks = {other: held for other, held in self.locks.items() if other != key}
                return was_held
            case ExpireLocks():
                before = len(self.locks)
                self.locks = {key: held for key, held in self.locks.items() if stamped_ms < held.until_ms}
                return before - len(self.locks)
            case _:
                return UNSAID

    def _is_held(self, key: str, stamped_ms: int) -> bool:
        return key in self.locks and stamped_ms < self.locks[key].until_ms

    def _publish(self, index: int, command: PublishConfig) -> Expected:
        key, value = command.data_id, int(command.content)
        is_there = key in self.values
        is_expected = not command.cas_md5 or (is_there and md5_of(self.values[key]) == command.cas_md5)
        if (command.create_only and is_there) or not is_expected:
            return REFUSED
        self.values[key] = value
        self.positions[value] = index
        return md5_of(value)


def md5_of(value: int) -> str:
    """As clients are told it."""
    return hashlib.md5(str(value).encode(), usedforsecurity=False).hexdigest()
