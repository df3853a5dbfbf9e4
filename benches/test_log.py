"""The replicated log against one in plain Python (`baseline/log.py`); the number in brackets is the ratio of the two.

Both are used alike, in a steady state: what a round appended is compacted away before the next, as a node does, so
neither is measured by how fast the system hands out memory that was never touched. (On a virtual machine a page that
its host has yet to provide takes up to 14 microseconds, ten times what either log does with it; files are pages too.)
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from benches.baseline.log import PlainLog
from pytest_benchmark.fixture import BenchmarkFixture

from nacos_core._core import Log

BATCH_COUNT = 1_000
PAYLOADS = [os.urandom(256) for _ in range(BATCH_COUNT)]
BATCH = [(1, payload) for payload in PAYLOADS]
RECOVERED_COUNT = 1_000_000
KINDS = pytest.mark.parametrize("kind", ["core", "plain"])


class Subject(Protocol):
    """A log under measurement."""

    def append(self, term: int, payloads: list[bytes], /) -> int: ...
    def try_append(self, prev_index: int, prev_term: int, entries: list[tuple[int, bytes]], /) -> object: ...


class Bench:
    """Either log, with the little that differs."""

    def __init__(self, kind: str, folder: Path | None) -> None:
        self.core: Log | None = None
        self.plain: PlainLog | None = None
        if kind == "core":
            # Plain Python syncs nothing, so for the comparison the core does not either; `test_log_durable_batch` does.
            self.core = Log.in_memory() if folder is None else Log.open(folder / "core", unsafe_no_sync=True)
        else:
            self.plain = PlainLog(None if folder is None else open(folder / "plain", "wb+", buffering=0))  # noqa: SIM115

    @property
    def log(self) -> Subject:
        log = self.core or self.plain
        assert log is not None
        return log

    def last_index(self) -> int:
        log = self.core or self.plain
        assert log is not None
        return log.last_index

    def written(self) -> None:
        """Plain Python has written when it returns; the core's writer has when `sync` returns."""
        if self.core is not None:
            self.core.sync()

    def compact(self) -> None:
        if self.plain is not None:
            self.plain.compact()
        elif self.core is not None and self.core.last_index:
            index = self.core.last_index
            self.core.save_snapshot(index, self.core.last_term, b"")
            self.core.compact(index)
            self.core.sync()

    def close(self) -> None:
        if self.core is not None:
            self.core.close()
        if self.plain is not None and self.plain.file is not None:
            self.plain.file.close()


@pytest.fixture
def opened() -> Iterator[Callable[[str, Path | None], Bench]]:
    benches: list[Bench] = []

    def open_bench(kind: str, folder: Path | None = None) -> Bench:
        benches.append(Bench(kind, folder))
        return benches[-1]

    yield open_bench
    for bench in benches:
        bench.close()


def append(bench: Bench, batches: int) -> None:
    log = bench.log
    for _ in range(batches):
        log.append(1, PAYLOADS)
    bench.written()


def check_and_append(bench: Bench, batches: int) -> None:
    log, index = bench.log, bench.last_index()
    for _ in range(batches):
        log.try_append(index, 1 if index else 0, BATCH)
        index += BATCH_COUNT
    bench.written()


@KINDS
@pytest.mark.parametrize("operation", [append, check_and_append])
def test_log_batch_in_memory(
    benchmark: BenchmarkFixture, opened: Callable[..., Bench], kind: str, operation: Callable[[Bench, int], None]
) -> None:
    benchmark.group = f"log: {operation.__name__}, 1,000 x 256 B, in memory"
    bench = opened(kind)
    benchmark.pedantic(operation, args=(bench, 1), setup=bench.compact, rounds=500, warmup_rounds=20)
    assert bench.last_index() == 520 * BATCH_COUNT


@KINDS
@pytest.mark.parametrize("operation", [append, check_and_append])
def test_log_batches_with_the_file_write(
    benchmark: BenchmarkFixture,
    opened: Callable[..., Bench],
    tmp_path: Path,
    kind: str,
    operation: Callable[[Bench, int], None],
) -> None:
    benchmark.group = f"log: {operation.__name__}, 16 times 1,000 x 256 B, with the file write"
    bench = opened(kind, tmp_path)
    # Two segments of the core, of 15 rounds each, come and go before the measurement.
    benchmark.pedantic(operation, args=(bench, 16), setup=bench.compact, rounds=150, warmup_rounds=40)
    assert bench.last_index() == 190 * 16 * BATCH_COUNT


@KINDS
def test_log_conflict_truncation(benchmark: BenchmarkFixture, opened: Callable[..., Bench], kind: str) -> None:
    """A leader replaces the last 1,000 of 11,000 entries."""
    benchmark.group = "log: 1,000 entries that conflict are replaced by 1,000 others"
    bench = opened(kind)
    append(bench, 10)
    if bench.core is not None:
        bench.core.save_snapshot(10 * BATCH_COUNT, 1, b"")
    append(bench, 1)
    terms = iter(range(2, 1_000))

    def next_leader() -> tuple[tuple[list[tuple[int, bytes]]], dict[str, object]]:
        if bench.core is not None:
            # A log in memory lets go of what was cut when it is compacted.
            bench.core.compact(10 * BATCH_COUNT)
        term = next(terms)
        return ([(term, payload) for payload in PAYLOADS],), {}

    def replace(entries: list[tuple[int, bytes]]) -> None:
        bench.log.try_append(10 * BATCH_COUNT, 1, entries)

    benchmark.pedantic(replace, setup=next_leader, rounds=200, warmup_rounds=5)
    assert bench.last_index() == 11 * BATCH_COUNT


@KINDS
def test_log_recovery(benchmark: BenchmarkFixture, opened: Callable[..., Bench], tmp_path: Path, kind: str) -> None:
    benchmark.group = "log: recovery of 1,000,000 x 256 B"
    bench = opened(kind, tmp_path)
    for _ in range(RECOVERED_COUNT // BATCH_COUNT):
        append(bench, 1)
    bench.close()

    def recover() -> int:
        if kind == "core":
            log = Log.open(tmp_path / "core", unsafe_no_sync=True)
            log.close()
            return RECOVERED_COUNT
        with open(tmp_path / "plain", "rb", buffering=0) as file:
            return PlainLog.recover(file).last_index

    assert benchmark.pedantic(recover, rounds=3, warmup_rounds=1) == RECOVERED_COUNT


@pytest.mark.parametrize("count", [1, 64])
def test_log_durable_batch(benchmark: BenchmarkFixture, tmp_path: Path, count: int) -> None:
    """What a publish waits for: 1 KB entries, appended and synced to the disk."""
    benchmark.group = "log: 1 KB entries until they are durable"
    log = Log.open(tmp_path)
    payloads = [os.urandom(1024)] * count

    def durable() -> None:
        log.append(1, payloads)
        log.sync()

    benchmark.pedantic(durable, rounds=1_000, warmup_rounds=20)
    log.close()
