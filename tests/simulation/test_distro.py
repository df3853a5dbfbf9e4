"""The rules of who publishes what, simulated: nothing is found, a seed is a seed, and each rule left out is found."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from nacos_core.simulation.distro import DistroSimulation
from nacos_core.simulation.timeline import Trace
from simulation.distro_mutants import MUTANTS, Mutant

if TYPE_CHECKING:
    from nacos_core.simulation.distro import DistroReport

SEEDS = range(1, 31)
CLEAN_SEEDS_COUNT = 5
WORLDS = {mutant.world.__name__: mutant.world for mutant in MUTANTS}


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
    mutant.patch(monkeypatch)
    reports: list[DistroReport] = []
    for seed in range(1, mutant.seeds_count + 1):
        reports.append(mutant.world(seed).run())
        if reports[-1].failure:
            break
    assert reports[-1].failure, f"{mutant.seeds_count} seeds of {mutant.world.__name__} have found nothing"
    assert reports[-1].rule in mutant.rules, reports[-1].details


@pytest.mark.parametrize("name", WORLDS)
def test_nothing_is_found_where_no_rule_is_left_out(name: str) -> None:
    for seed in range(1, CLEAN_SEEDS_COUNT + 1):
        report = WORLDS[name](seed).run()
        assert not report.failure, f"seed {seed}: {report.details}"
