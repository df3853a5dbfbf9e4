"""The log against a model of it that is too simple to be wrong: a list of (term, payload)."""

import tempfile
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from nacos_core._core import Appended, Conflict, Log, LogError

PAYLOADS = st.lists(st.binary(max_size=300), min_size=1, max_size=5)


@dataclass
class Model:
    """`entries[0]` is the entry `base + 1`."""

    base: int = 0
    base_term: int = 0
    entries: list[tuple[int, bytes]] = field(default_factory=list)
    committed: int = 0
    marked: int = 0
    """What a mark must say; another may say more."""
    term: int = 0
    vote: str = ""
    snapshot: tuple[int, int, bytes] | None = None

    @property
    def last(self) -> int:
        return self.base + len(self.entries)

    def term_at(self, index: int) -> int | None:
        if index == self.base:
            return self.base_term
        if self.base < index <= self.last:
            return self.entries[index - self.base - 1][0]
        return self.snapshot[1] if self.snapshot and index == self.snapshot[0] else None

    def try_append(self, prev: int, prev_term: int, entries: list[tuple[int, bytes]]) -> Appended | Conflict | None:
        """None: to be refused."""
        if prev > self.last:
            return Conflict(None, None, self.last)
        own = self.term_at(prev) if prev >= self.base else prev_term
        if own != prev_term:
            if prev <= self.committed:
                return None
            first = min(i for i in range(self.base + 1, prev + 1) if self.term_at(i) == own)
            return Conflict(own, first, self.last)
        for at, (term, payload) in enumerate(entries):
            index = prev + 1 + at
            if index <= self.base or (index <= self.last and self.term_at(index) == term):
                continue
            before = self.term_at(index - 1)
            if before is None or term < before or index <= min(self.committed, self.last):
                return None
            del self.entries[index - self.base - 1 :]
            self.entries.append((term, payload))
        return Appended(prev + len(entries))


class LogMachine(RuleBasedStateMachine):
    """Any sequence of operations, with restarts in between, on a real folder."""

    @initialize()
    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="log-")
        self.model = Model()
        self.log = self.opened()

    def opened(self) -> Log:
        return Log.open(self.folder.name, segment_bytes=2000, unsafe_no_sync=True)

    def teardown(self) -> None:
        if hasattr(self, "log"):
            self.log.close()
            self.folder.cleanup()

    @rule(step=st.integers(0, 1), payloads=PAYLOADS)
    def append(self, step: int, payloads: list[bytes]) -> None:
        term = max(self.log.last_term, 1) + step
        self.model.entries += [(term, payload) for payload in payloads]
        assert self.log.append(term, payloads) == self.model.last

    @rule(back=st.integers(-1, 6), wrong=st.booleans(), steps=st.lists(st.integers(0, 1), max_size=5), data=st.data())
    def try_append(self, back: int, wrong: bool, steps: list[int], data: st.DataObject) -> None:
        prev = max(self.model.last - back, 0)
        prev_term = (self.model.term_at(prev) or 0) + wrong
        entries: list[tuple[int, bytes]] = []
        for at, step in enumerate(steps):
            there = self.model.term_at(prev + 1 + at)
            floor = entries[-1][0] if entries else max(prev_term, 1)
            term = max(there or floor, floor) + (step if at >= len(steps) // 2 else 0)
            entries.append((term, data.draw(st.binary(max_size=50))))
        expected = self.model.try_append(prev, prev_term, entries)
        if expected is None:
            with pytest.raises(LogError):
                self.log.try_append(prev, prev_term, entries)
        else:
            assert self.log.try_append(prev, prev_term, entries) == expected

    @rule(step=st.integers(0, 2), vote=st.sampled_from(["", "a", "b"]))
    def set_hard_state(self, step: int, vote: str) -> None:
        if step == 0 and self.model.vote not in ("", vote):
            with pytest.raises(LogError):
                self.log.set_hard_state(self.model.term, vote)
            return
        self.model.term, self.model.vote = self.model.term + step, vote
        self.log.set_hard_state(self.model.term, vote)

    @rule(back=st.integers(0, 3))
    def commit(self, back: int) -> None:
        index = max(self.model.last - back, 0)
        self.log.commit(index)
        self.model.committed = max(self.model.committed, index)

    @rule()
    def mark_commit(self) -> None:
        self.log.mark_commit()
        self.model.marked = self.model.committed

    @precondition(lambda self: self.model.committed > (self.model.snapshot or (0,))[0])
    @rule(data=st.binary(max_size=100))
    def save_snapshot(self, data: bytes) -> None:
        index = self.model.committed
        term = self.model.term_at(index)
        assert term is not None
        self.log.save_snapshot(index, term, data)
        self.model.snapshot = (index, term, data)

    @precondition(lambda self: self.model.snapshot is not None)
    @rule(back=st.integers(0, 3))
    def compact(self, back: int) -> None:
        assert self.model.snapshot is not None
        index = max(self.model.snapshot[0] - back, 0)
        self.log.compact(index)
        if index > self.model.base:
            term = self.model.term_at(index)
            assert term is not None
            del self.model.entries[: index - self.model.base]
            self.model.base, self.model.base_term = index, term

    @rule()
    def sync(self) -> None:
        self.log.sync()
        assert self.log.synced_index == self.model.last

    @rule()
    def reopen(self) -> None:
        self.log.close()
        self.log = self.opened()
        assert self.log.recovery_report is None
        # What was compacted away but shares a segment with what was not is back; it was committed, so it does no harm.
        assert self.log.first_index <= self.model.base + 1
        first = self.log.first_index - 1
        again = self.log.slice(first + 1, self.model.base, 1 << 20) if first < self.model.base else []
        self.model.entries[:0] = [(term, payload) for _, term, payload in again]
        self.model.base, self.model.base_term = first, self.log.term_at(first) or 0
        marked = max(self.model.marked, self.log.snapshot_index)
        assert marked <= self.log.committed_index <= self.model.committed
        self.model.marked = self.model.committed = self.log.committed_index

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "log"):
            return
        log, model = self.log, self.model
        assert (log.first_index, log.last_index) == (model.base + 1, model.last)
        assert (log.term, log.vote, log.committed_index) == (model.term, model.vote, model.committed)
        assert log.load_snapshot() == model.snapshot
        found: list[tuple[int, int, bytes]] = []
        while len(found) < len(model.entries):
            found += log.slice(model.base + 1 + len(found), model.last, 400)
        assert [(term, payload) for _, term, payload in found] == model.entries
        assert [log.term_at(index) for index, _, _ in found] == [term for term, _ in model.entries]


TestLog = LogMachine.TestCase
TestLog.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
