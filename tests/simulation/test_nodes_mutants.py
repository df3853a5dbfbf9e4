"""The simulation of whole nodes can fail: it finds every rule that is left out, and nothing where none is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from simulation.nodes_mutants import MUTANTS, Mutant

if TYPE_CHECKING:
    from nacos_core.simulation.world import Report

CLEAN_SEEDS_COUNT = 2
WORLDS = {mutant.world.__name__: mutant.world for mutant in MUTANTS}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_rule_left_out_is_found(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant.patch(monkeypatch)
    reports: list[Report] = []
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
