"""Who gives how many clients to whom."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nacos_core.cluster.loads import moves

COUNTS = st.dictionaries(st.sampled_from("abcdefg"), st.integers(0, 10_000), min_size=1)


def after(counts: dict[str, int], factor: float) -> dict[str, int]:
    left = dict(counts)
    for giver, takers in moves(counts, factor).items():
        for taker, count in takers.items():
            left[giver] -= count
            left[taker] += count
    return left


def test_who_has_most_gives_to_who_has_least() -> None:
    assert moves({"a": 9, "b": 0, "c": 3}, 0.1) == {"a": {"b": 4, "c": 1}}


def test_nothing_moves_as_long_as_each_is_near_the_average() -> None:
    assert moves({"a": 11, "b": 9, "c": 10}, 0.1) == {}
    assert moves({"a": 12, "b": 9, "c": 9}, 0.1) != {}, "one is above"
    assert moves({"a": 11, "b": 11, "c": 8}, 0.1) != {}, "one is below"
    assert moves({"a": 12, "b": 9, "c": 9}, 0.2) == {}


def test_what_cannot_be_divided_stays_where_it_is() -> None:
    assert moves({"a": 1, "b": 0, "c": 0}, 0.1) == {}
    assert moves({"a": 0, "b": 0}, 0.1) == {}
    assert moves({"a": 7}, 0.0) == {}


@given(COUNTS, st.floats(0, 2))
def test_afterwards_all_have_the_same_or_are_near_the_average(counts: dict[str, int], factor: float) -> None:
    left = after(counts, factor)
    assert sum(left.values()) == sum(counts.values())
    average = sum(counts.values()) / len(counts)
    if left == counts:
        near = all(average * (1 - factor) <= count <= average * (1 + factor) for count in counts.values())
        assert near or max(left.values()) - min(left.values()) <= 1
    else:
        assert max(left.values()) - min(left.values()) <= 1


@given(COUNTS)
def test_nobody_gives_and_takes_and_no_more_move_than_must(counts: dict[str, int]) -> None:
    wanted = moves(counts, 0.0)
    assert not wanted.keys() & {taker for takers in wanted.values() for taker in takers}
    assert all(count > 0 for takers in wanted.values() for count in takers.values())
    left = after(counts, 0.0)
    moved = sum(sum(takers.values()) for takers in wanted.values())
    assert moved == sum(max(0, counts[each] - left[each]) for each in counts)
