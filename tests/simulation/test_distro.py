"""The rules of who publishes what, simulated: nothing is found, a seed is a seed, and each rule left out is found."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from nacos_core.simulation.distro import DistroSimulation
from nacos_core.simulation.timeline import Trace
from simulation.distro_mutants import MUTANTS, Mutant
from simulation.mutation import assert_found, assert_nothing_found, worlds_of

SEEDS = range(1, 31)
CLEAN_SEEDS_COUNT = 5
WORLDS = worlds_of(MUTANTS)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_found(seed: int) -> None:
    report = DistroSimulation(seed).run()
    assert not report.failure, f"python -m nacos_core simulate --level distro --seed {seed}\n{report.details}"
    assert report.faults
    assert report.calls_count >= 50
    assert report.pushes_count >= 50


def test_five_nodes_are_no_worse() -> None:
    for seed in range(1, 6):
        report = DistroSimulation(seed, nodes_count=5).run()
        assert not report.failure, report.details


def test_one_seed_is_one_trace_in_any_process() -> None:
    outputs = set()
    for hash_seed in ("0", "1", "424242"):
        chosen = ["--level", "distro", "--seed", "7", "--minutes", "0.5", "--trace"]
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-m", "nacos_core", "simulate", *chosen]
        played = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=True)
        outputs.add(played.stdout)
    (output,) = outputs
    assert output.count(b"\n") > 500
    assert b"Verify" in output
    assert b"equal again after" in output


def test_tracing_changes_nothing() -> None:
    traced, untraced = DistroSimulation(5, trace=Trace()).run(), DistroSimulation(5).run()
    assert traced.events_count == untraced.events_count
    assert traced.digest
    assert DistroSimulation(6, trace=Trace()).run().digest != traced.digest


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_rule_left_out_is_found(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_found(mutant, monkeypatch)


@pytest.mark.parametrize("name", WORLDS)
def test_nothing_is_found_where_no_rule_is_left_out(name: str) -> None:
    assert_nothing_found(WORLDS[name], CLEAN_SEEDS_COUNT)
