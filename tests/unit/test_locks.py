"""What the log makes of locks, and what may be asked of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
import trio
import trio.testing

from nacos_core import _core, commands, limits
from nacos_core.commands import AcquireLock, Command, ExpireLocks, ReleaseLock
from nacos_core.drivers.locks import run_lock_expiry
from nacos_core.errors import CommandRefused, NotReady
from nacos_core.locks import rules
from nacos_core.locks.rules import MUTEX, LockRefused
from nacos_core.state_machine import Outcome, StateMachine, read_outcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HELD_MS = 3000


class Log:
    """A state machine with the position in its log."""

    def __init__(self) -> None:
        hub = _core.Hub(digest_key=bytes(16), abilities={}, require_tokens=False)
        self.machine = StateMachine(hub, lambda: 1000)
        self.index = 0

    def apply(self, command: Command, stamped_ms: int) -> Outcome:
        self.index += 1
        (raw,) = self.machine.apply([(self.index, stamped_ms, msgspec.Raw(commands.encode(command)))])
        return read_outcome(raw)

    def acquire(self, key: str, stamped_ms: int, held_ms: int = HELD_MS) -> Outcome:
        return self.apply(AcquireLock(key, held_ms), stamped_ms)

    def release(self, key: str, stamped_ms: int) -> Outcome:
        return self.apply(ReleaseLock(key), stamped_ms)


@pytest.fixture
def log() -> Log:
    return Log()


def test_one_holds_it_until_it_is_released(log: Log) -> None:
    assert log.acquire("a", 1000) == 1
    assert log.acquire("a", 1001) == 0, "it is not re-entrant"
    assert log.acquire("b", 1002) == 3, "another key is another lock"
    assert log.release("a", 1003) is True
    assert log.release("a", 1004) is False
    assert log.acquire("a", 1005) == 6


def test_the_token_is_the_index_of_the_entry(log: Log) -> None:
    log.index = 41
    assert log.acquire("a", 1000) == 42


def test_it_is_free_from_the_moment_that_its_time_is_over(log: Log) -> None:
    log.acquire("a", 1000, 500)
    assert log.acquire("a", 1499) == 0
    assert log.release("b", 1499) is False
    assert log.acquire("a", 1500, 500) == 4
    assert log.release("a", 2000) is False, "its time was over"
    assert log.acquire("a", 2000) == 6


def test_expired_ones_are_dropped_by_a_command_the_earliest_first(log: Log) -> None:
    for number, held_ms in enumerate((300, 100, 200, 900)):
        log.acquire(f"lock-{number}", 1000, held_ms)
    assert log.apply(ExpireLocks(2), 1300) == 2
    assert [lock.key for lock in log.machine.locks] == ["lock-0", "lock-3"]
    assert log.apply(ExpireLocks(2), 1300) == 1
    assert log.apply(ExpireLocks(2), 1300) == 0
    assert log.machine.locks.next_expiry_ms() == 1900


def test_a_lock_that_was_taken_again_does_not_expire_with_the_first_one(log: Log) -> None:
    log.acquire("a", 1000, 100)
    log.release("a", 1050)
    log.acquire("a", 1060, 500)
    assert log.apply(ExpireLocks(10), 1200) == 0
    assert log.acquire("a", 1200) == 0


def test_what_was_released_early_does_not_pile_up(log: Log) -> None:
    for number in range(3 * limits.LOCKS_RELEASED_COUNT):
        log.acquire("a", 1000 + number)
        log.release("a", 1000 + number)
    assert len(log.machine.locks._by_expiry) <= limits.LOCKS_RELEASED_COUNT + 1


def test_there_is_a_limit_and_expired_ones_make_room(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LOCKS_COUNT_MAX", 2)
    log.acquire("a", 1000, 100)
    log.acquire("b", 1000, 200)
    refused = log.acquire("c", 1050)
    assert isinstance(refused, CommandRefused)
    assert str(refused) == "2 locks are held, and no more than that can be"
    assert log.acquire("a", 1050) == 0, "one that is there is not a further one"
    assert log.acquire("c", 1100) == 5
    assert len(log.machine.locks) == 2


def test_a_snapshot_holds_them(log: Log) -> None:
    log.acquire("a", 1000, 100)
    log.acquire("b", 1000, 900)
    other = Log()
    other.machine.restore(log.machine.freeze().encode())
    other.index = log.index
    assert list(other.machine.locks) == list(log.machine.locks)
    assert other.acquire("b", 1899) == 0
    assert other.apply(ExpireLocks(10), 1100) == 1
    assert other.acquire("b", 1900) == 5


def test_a_snapshot_from_before_there_were_locks_is_read(log: Log) -> None:
    log.acquire("a", 1000)
    parts = msgspec.msgpack.decode(Log().machine.freeze().encode())
    log.machine.restore(msgspec.msgpack.encode(parts[:4]))
    assert len(log.machine.locks) == 0
    assert log.machine.locks.next_expiry_ms() is None


# --- what may be asked -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked_ms", "held_ms"),
    [(None, 30_000), (-1, 30_000), (1, 1), (1_800_000, 1_800_000), (1_800_001, 1_800_000), (2**62, 1_800_000)],
)
def test_a_time_is_within_its_bounds(asked_ms: int | None, held_ms: int) -> None:
    assert rules.acquisition("a", MUTEX, asked_ms) == AcquireLock("a", held_ms)


@pytest.mark.parametrize(
    ("key", "lock_type", "asked_ms", "words"),
    [
        ("a", MUTEX, 0, "expiredTime 0"),
        ("a", "OTHER", 1, "lockType 'OTHER' is not known: only NACOS_LOCK is"),
        ("a", None, 1, "lockType None"),
        ("", MUTEX, 1, "key of the lock is missing"),
        (" ", MUTEX, 1, "key of the lock is missing"),
        (None, MUTEX, 1, "key of the lock is missing"),
        ("k" * 257, MUTEX, 1, "257 characters, at most 256"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(
    key: str | None, lock_type: str | None, asked_ms: int, words: str
) -> None:
    with pytest.raises(LockRefused, match=words):
        rules.acquisition(key, lock_type, asked_ms)


def test_a_release_needs_a_key_and_a_type_too() -> None:
    assert rules.release("k" * 256, MUTEX) == ReleaseLock("k" * 256)
    with pytest.raises(LockRefused, match="missing"):
        rules.release("", MUTEX)


# --- the leader's timer ----------------------------------------------------------------------------------------------


class Writes:
    """Applies at once, or says that there is no leader."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.now_ms = 0
        self.is_leader = True
        self.takes_writes = True
        self.proposed_count = 0

    async def apply(self, command: Command) -> Outcome:
        await trio.lowlevel.checkpoint()
        self.proposed_count += 1
        if not self.takes_writes:
            raise NotReady("no leader")
        return self.log.apply(command, self.now_ms)


@pytest.fixture
async def leader(log: Log, autojump_clock: trio.testing.MockClock) -> AsyncIterator[Writes]:
    writes = Writes(log)
    async with trio.open_nursery() as nursery:

        async def run() -> None:
            await run_lock_expiry(
                locks=log.machine.locks,
                writes=writes,  # type: ignore[arg-type]
                is_leader=lambda: writes.is_leader,
                wall_clock=lambda: writes.now_ms,
            )

        nursery.start_soon(run)
        yield writes
        nursery.cancel_scope.cancel()


async def test_the_leader_has_the_log_drop_what_has_expired(leader: Writes) -> None:
    log = leader.log
    for number in range(limits.LOCKS_EXPIRED_COUNT + 10):
        log.acquire(f"lock-{number}", 0, 1000)
    leader.now_ms = 999
    await trio.sleep(5)
    assert leader.proposed_count == 0
    leader.now_ms = 1000
    leader.is_leader = False
    await trio.sleep(5)
    assert leader.proposed_count == 0, "only the leader proposes it"
    leader.is_leader = True
    await trio.sleep(5)
    assert (len(log.machine.locks), leader.proposed_count) == (0, 2)


async def test_what_could_not_be_proposed_is_proposed_later(leader: Writes) -> None:
    leader.log.acquire("a", 0, 1000)
    leader.now_ms = 2000
    leader.takes_writes = False
    await trio.sleep(3.5)
    assert leader.proposed_count == 3
    leader.takes_writes = True
    await trio.sleep(1)
    assert len(leader.log.machine.locks) == 0
