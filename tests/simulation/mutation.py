"""A rule that is left out, and the seeds that have to find it: said once for every kind of simulation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pytest

    from nacos_core.simulation.verdict import Verdict


class World(Protocol):
    """A simulation."""

    def run(self) -> Verdict: ...


class Mutant(Protocol):
    """A patch, where its mistake shows, and which rules may be the ones that find it."""

    @property
    def patch(self) -> Callable[[pytest.MonkeyPatch], None]: ...
    @property
    def world(self) -> Callable[[int], World]: ...
    @property
    def rules(self) -> tuple[str, ...]: ...
    @property
    def seeds_count(self) -> int: ...


def worlds_of(mutants: Iterable[Mutant]) -> dict[str, Callable[[int], World]]:
    """Those in which mutants are played, by their names."""
    return {mutant.world.__name__: mutant.world for mutant in mutants}


def assert_found(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of its seeds finds it, and by a rule that it may break."""
    mutant.patch(monkeypatch)
    for seed in range(1, mutant.seeds_count + 1):
        report = mutant.world(seed).run()
        if report.failure:
            assert report.rule in mutant.rules, report.details
            return
    raise AssertionError(f"{mutant.seeds_count} seeds of {mutant.world.__name__} have found nothing")


def assert_nothing_found(world: Callable[[int], World], seeds_count: int) -> None:
    """A world in which mutants are found is one in which the code itself is not at fault."""
    for seed in range(1, seeds_count + 1):
        report = world(seed).run()
        assert not report.failure, f"seed {seed}: {report.details}"
