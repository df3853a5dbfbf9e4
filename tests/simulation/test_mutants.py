"""The simulation can fail: it finds every rule that is left out, and nothing where none is."""

from __future__ import annotations

import pytest

from simulation.mutants import MUTANTS, Mutant
from simulation.mutation import assert_found, assert_nothing_found, worlds_of

CLEAN_SEEDS_COUNT = 20
WORLDS = worlds_of(MUTANTS)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_rule_left_out_is_found(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_found(mutant, monkeypatch)


@pytest.mark.parametrize("name", WORLDS)
def test_nothing_is_found_where_no_rule_is_left_out(name: str) -> None:
    seeds_count = max(mutant.seeds_count for mutant in MUTANTS if mutant.world.__name__ == name)
    assert_nothing_found(WORLDS[name], min(seeds_count, CLEAN_SEEDS_COUNT))
