"""Locks against their words: at any position of the log one holds a lock at most, and tokens only rise.

The leader's timer has expired locks dropped whenever it likes: the twin knows nothing of that, so nobody can notice it.
"""

from __future__ import annotations

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from nacos_core import commands
from nacos_core.commands import AcquireLock, Command, ExpireLocks, ReleaseLock
from nacos_core.state_machine import StateMachine, read_outcome
from property.sessions import new_hub

keys = st.sampled_from(["a", "b", "c"])
times_ms = st.integers(1, 20)


class Locks(RuleBasedStateMachine):
    """Two nodes apply the same log, one of them in batches and through snapshots."""

    def __init__(self) -> None:
        super().__init__()
        self.first = StateMachine(new_hub(), lambda: 1)
        self.second = StateMachine(new_hub(), lambda: 1)
        self.untold: list[tuple[int, int, msgspec.Raw]] = []
        self.index = 0
        self.now_ms = 0
        self.held: dict[str, tuple[int, int]] = {}
        """Key: token, and when its time is over."""
        self.last_token: dict[str, int] = {}

    def apply(self, command: Command, pause_ms: int) -> object:
        self.index += 1
        self.now_ms += pause_ms
        entry = (self.index, self.now_ms, msgspec.Raw(commands.encode(command)))
        self.untold.append(entry)
        (raw,) = self.first.apply([entry])
        return read_outcome(raw)

    def is_held(self, key: str) -> bool:
        return key in self.held and self.now_ms < self.held[key][1]

    @rule(key=keys, held_ms=times_ms, pause_ms=st.integers(0, 5))
    def acquire(self, key: str, held_ms: int, pause_ms: int) -> None:
        token = self.apply(AcquireLock(key, held_ms), pause_ms)
        if self.is_held(key):
            assert token == 0
            return
        assert token == self.index
        assert self.index > self.last_token.get(key, 0)
        self.last_token[key] = self.index
        self.held[key] = (self.index, self.now_ms + held_ms)

    @rule(key=keys, pause_ms=st.integers(0, 5))
    def release(self, key: str, pause_ms: int) -> None:
        was_held = self.apply(ReleaseLock(key), pause_ms)
        assert was_held is self.is_held(key)
        self.held.pop(key, None)

    @rule(count_max=st.integers(0, 3), pause_ms=st.integers(0, 5))
    def expire(self, count_max: int, pause_ms: int) -> None:
        self.apply(ExpireLocks(count_max), pause_ms)

    @rule(through_snapshot=st.booleans())
    def catch_up(self, through_snapshot: bool) -> None:
        """The second node has applied the same, and is the same."""
        self.second.apply(self.untold)
        self.untold = []
        if through_snapshot:
            self.second = StateMachine(new_hub(), lambda: 1)
            self.second.restore(self.first.freeze().encode())
        assert list(self.second.locks) == list(self.first.locks)
        assert self.second.locks.next_expiry_ms() == self.first.locks.next_expiry_ms()

    @invariant()
    def whoever_holds_is_the_only_one(self) -> None:
        keys = [lock.key for lock in self.first.locks]
        assert len(keys) == len(set(keys))
        for key in ("a", "b", "c"):
            holder = self.first.locks.holder(key, self.now_ms)
            assert (holder is not None) == self.is_held(key)
            assert holder is None or (holder.token, holder.expires_ms) == self.held[key]


TestLocks = Locks.TestCase
TestLocks.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
