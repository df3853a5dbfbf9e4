"""A bounded slice of what `python -m nacos_core simulate --seeds` plays: nothing is found, and a seed is a seed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from nacos_core.simulation import Simulation
from nacos_core.simulation.timeline import Timeline, Trace

SEEDS = range(1, 41)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_found(seed: int) -> None:
    report = Simulation(seed).run()
    assert not report.failure, f"python -m nacos_core simulate --seed {seed}\n{report.details}"
    assert sum(report.faults.values()) >= 3
    assert report.calls_count >= 100
    assert report.answered_count > report.calls_count / 2
    assert report.elections_count >= 1


def test_one_seed_is_one_trace_in_any_process() -> None:
    """Byte for byte, whatever order sets and hashes have in that process."""
    outputs = set()
    for hash_seed in ("0", "1", "424242"):
        command = [sys.executable, "-m", "nacos_core", "simulate", "--seed", "7", "--minutes", "0.2", "--trace"]
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        played = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=True)
        outputs.add(played.stdout)
    (output,) = outputs
    assert output.count(b"\n") > 1000
    assert b"RequestVote" in output
    assert b"no seed failed" not in output


def test_another_seed_is_another_trace() -> None:
    digests = {Simulation(seed, seconds=2.0, trace=Trace()).run().digest for seed in (1, 2, 3)}
    assert len(digests) == 3


def test_tracing_changes_nothing() -> None:
    traced, untraced = Simulation(5, seconds=5.0, trace=Trace()).run(), Simulation(5, seconds=5.0).run()
    assert traced.events_count == untraced.events_count
    assert traced.history.lines() == untraced.history.lines()


def test_streams_of_chance_do_not_shift_each_other() -> None:
    one, other = Timeline(1), Timeline(1)
    one.chance("links").random()
    assert one.chance("faults").random() == other.chance("faults").random()
    assert one.chance("faults").random() != one.chance("links").random()


def test_many_seeds_are_summed_up() -> None:
    command = [sys.executable, "-m", "nacos_core", "simulate", "--seed", "3", "--seeds", "2", "--minutes", "0.05"]
    played = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "2 seeds" in played.stdout
    assert "no seed failed" in played.stdout
    assert "simulated s per real s" in played.stdout
