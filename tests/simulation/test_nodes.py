"""A bounded slice of what `python -m nacos_core simulate --level b --seeds` plays: real nodes, and a seed is a seed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import trio
from trio._core import _run

from nacos_core.simulation.nodes import NodesSimulation, scheduling
from nacos_core.simulation.timeline import Trace

if TYPE_CHECKING:
    from simulation.conftest import Judge

SEEDS = range(1, 5)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_found(seed: int) -> None:
    report = NodesSimulation(seed).run()
    assert not report.failure, f"python -m nacos_core simulate --level b --seed {seed}\n{report.details}"
    assert sum(report.faults.values()) >= 3
    assert report.calls_count >= 100
    assert report.answered_count > report.calls_count / 2
    assert report.elections_count >= 1


def test_one_seed_is_one_trace_in_any_process() -> None:
    """Byte for byte, whatever order sets and hashes have there; the trace has a checksum of all bytes sent."""
    outputs = set()
    for hash_seed in ("0", "1", "424242"):
        command = [sys.executable, "-m", "nacos_core", "simulate", "--level", "b", "--seed", "7", "--minutes", "0.1"]
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        played = subprocess.run([*command, "--trace"], env=environment, capture_output=True, timeout=60, check=True)
        outputs.add(played.stdout)
    (output,) = outputs
    assert output.count(b"\n") > 1000
    assert b"RequestVote" in output


def test_histories_are_linearizable(judge: Judge) -> None:
    histories = [NodesSimulation(seed, seconds=10.0).run().history for seed in range(1, 4)]
    assert judge(histories) == ["linearizable"] * len(histories)
    assert all(len(history.calls) > 30 for history in histories)


def test_tracing_changes_nothing_and_another_seed_is_another_trace() -> None:
    traced = {seed: NodesSimulation(seed, seconds=2.0, trace=Trace()).run() for seed in (1, 2)}
    assert traced[1].digest != traced[2].digest
    untraced = NodesSimulation(1, seconds=2.0).run()
    assert traced[1].events_count == untraced.events_count
    assert traced[1].history.lines() == untraced.history.lines()


def test_trio_still_offers_what_determinism_needs_and_gets_it_back() -> None:
    before = (getattr(_run, scheduling.SWITCH), getattr(_run, scheduling.CHANCE))
    orders: set[tuple[int, ...]] = set()

    def play() -> tuple[int, ...]:
        order: list[int] = []

        async def note(number: int) -> None:
            for _ in range(3):
                await trio.sleep(1)
                order.append(number)

        async def main() -> None:
            async with trio.open_nursery() as nursery:
                for number in range(10):
                    nursery.start_soon(note, number)

        scheduling.run(main, random.Random(1), trio.abc.Instrument())
        return tuple(order)

    orders = {play() for _ in range(10)}
    assert len(orders) == 1
    assert (getattr(_run, scheduling.SWITCH), getattr(_run, scheduling.CHANCE)) == before


def found_within(seeds: int, rules: set[str]) -> None:
    """The simulator must be able to fail."""
    found = ""
    for seed in range(1, seeds + 1):
        found = NodesSimulation(seed).run().rule
        if found:
            break
    assert found in rules


def test_a_node_that_acknowledges_before_the_sync_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from nacos_core.raft.replica import Replica

    def send(self: Replica, send: object) -> None:
        self._outbox.append((send.to, send.message))  # type: ignore[attr-defined]

    monkeypatch.setattr(Replica, "_send", send)
    found_within(8, {"Durable Term", "Durable Vote", "Durable Entries", "One Vote a Term", "Committed Is Durable"})
