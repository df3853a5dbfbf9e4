"""What clients saw is linearizable, key by key: so says a judge that knows nothing but their histories."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nacos_core.simulation import Simulation, clients
from nacos_core.simulation.history import Call, History
from simulation import mutants

if TYPE_CHECKING:
    from simulation.conftest import Judge

SEEDS = range(1, 21)
CROWDED_SEEDS = range(1, 4)


def test_histories_are_linearizable(judge: Judge) -> None:
    histories = [Simulation(seed).run().history for seed in SEEDS]
    assert judge(histories) == ["linearizable"] * len(histories)
    assert sum(call.returned_at is None and not call.is_refused for history in histories for call in history.calls) > 10


def test_histories_of_many_clients_are_linearizable(judge: Judge) -> None:
    histories = [mutants.readers(seed).run().history for seed in CROWDED_SEEDS]
    assert judge(histories) == ["linearizable"] * len(histories)


@pytest.mark.parametrize("mutant", ["read_before_the_no_op", "read_with_an_earlier_round"])
def test_the_judge_finds_stale_reads_by_itself(mutant: str, judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the simulation knows of the order is kept from judging."""
    monkeypatch.setattr(clients._OneCall, "_seen", lambda self, position: None)
    getattr(mutants, mutant)(monkeypatch)
    histories = [mutants.readers(seed).run().history for seed in range(1, 21)]
    assert any(verdict.startswith("not linearizable") for verdict in judge(histories))


def history(*calls: Call) -> History:
    made = History()
    made.calls.extend(calls)
    return made


def test_the_judge_can_tell(judge: Judge) -> None:
    write = Call(0, "write", "k", 0.0, value=1, returned_at=1.0)
    unknown = Call(0, "write", "k", 0.0, value=1)
    stale = Call(1, "read", "k", 2.0, returned_at=3.0, result=0)
    fresh = Call(1, "read", "k", 2.0, returned_at=3.0, result=1)
    swap = Call(2, "swap", "k", 4.0, value=2, expected=1, returned_at=5.0, result=1)
    refused = Call(0, "write", "k", 0.0, value=1, returned_at=1.0, is_refused=True)
    assert judge(
        [
            history(write, fresh, swap),
            history(write, stale),
            history(unknown, stale),
            history(unknown, fresh, swap),
            history(unknown, fresh, Call(1, "read", "k", 4.0, returned_at=5.0, result=0)),
            history(refused, stale),
            history(refused, fresh),
            history(swap),
        ]
    ) == [
        "linearizable",
        "not linearizable: k",
        "linearizable",
        "linearizable",
        "not linearizable: k",
        "linearizable",
        "not linearizable: k",
        "not linearizable: k",
    ]


def test_the_judge_can_tell_of_locks(judge: Judge) -> None:
    first = Call(0, "acquire", "k", 0.0, held_ms=5000, returned_at=0.5, result=7)
    unknown = Call(0, "acquire", "k", 0.0, held_ms=5000)
    refused = Call(1, "acquire", "k", 1.0, held_ms=5000, returned_at=1.5)
    second = Call(1, "acquire", "k", 1.0, held_ms=5000, returned_at=1.5, result=9)
    older = Call(1, "acquire", "k", 6.0, held_ms=5000, returned_at=6.5, result=6)
    later = Call(1, "acquire", "k", 6.0, held_ms=5000, returned_at=6.5, result=9)
    refused_later = Call(1, "acquire", "k", 6.0, held_ms=5000, returned_at=6.5)
    released = Call(0, "release", "k", 0.6, returned_at=0.9, result=1)
    released_by_nobody_known = Call(0, "release", "k", 0.6)
    was_free = Call(0, "release", "k", 0.6, returned_at=0.9, result=0)
    assert judge(
        [
            history(first, refused, later),
            history(first, second),
            history(first, released, second),
            history(first, released, refused),
            history(first, released_by_nobody_known, second),
            history(first, released_by_nobody_known, refused),
            history(first, was_free),
            history(first, older),
            history(first, refused_later),
            history(unknown, refused, later),
            history(unknown, second),
            history(refused),
            history(released),
            history(was_free),
        ]
    ) == [
        "linearizable",
        "not linearizable: k",
        "linearizable",
        "not linearizable: k",
        "linearizable",
        "linearizable",
        "not linearizable: k",
        "not linearizable: k",
        "not linearizable: k",
        "linearizable",
        "linearizable",
        "not linearizable: k",
        "not linearizable: k",
        "linearizable",
    ]
