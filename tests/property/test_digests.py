"""Digests of instance lists: equal for equal lists in any order, different for lists that differ in anything."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nacos_core._core import Hub
from property.sessions import DIGEST_KEY, NOW_MS, new_hub

KEY = ("public", "g", "s")

instances = st.fixed_dictionaries(
    {
        "ip": st.sampled_from(["10.0.0.1", "10.0.0.2"]),
        "port": st.integers(1, 3),
        "weight": st.sampled_from([1.0, 2.0, 0.5]),
        "healthy": st.booleans(),
        "enabled": st.just(True),
        "ephemeral": st.just(True),
        "clusterName": st.sampled_from(["DEFAULT", "c1"]),
        "metadata": st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy"), max_size=2),
    }
)
publications = st.lists(st.lists(instances, min_size=1, max_size=4), min_size=1, max_size=6)
Publications = list[list[dict[str, Any]]]


def published(several: Publications, hub: Hub | None = None) -> tuple[Hub, list[int]]:
    hub = hub or new_hub()
    publishers = []
    for some in several:
        publishers.append(hub.open_local())
        hub.register(publishers[-1], *KEY, json.dumps(some).encode(), NOW_MS)
    return hub, publishers


def digest(hub: Hub) -> bytes | None:
    return hub.service_digest(*KEY)


def canonical(several: Publications) -> list[str]:
    return sorted(json.dumps(one, sort_keys=True) for some in several for one in some)


@given(publications, st.randoms(use_true_random=False))
def test_order_does_not_matter(several: Publications, shuffle: Any) -> None:
    shuffled = [list(some) for some in several]
    shuffle.shuffle(shuffled)
    for some in shuffled:
        shuffle.shuffle(some)
    assert digest(published(several)[0]) == digest(published(shuffled)[0])


@given(publications, publications)
def test_lists_that_differ_have_different_digests(one: Publications, other: Publications) -> None:
    same = canonical(one) == canonical(other)
    assert (digest(published(one)[0]) == digest(published(other)[0])) == same


@given(publications, st.integers(2, 4))
def test_duplicates_do_not_cancel(several: Publications, times: int) -> None:
    once, often = digest(published(several)[0]), digest(published(several * times)[0])
    assert often != once
    assert often != digest(published([])[0])


@given(publications, publications)
def test_what_came_and_went_leaves_no_trace(stays: Publications, goes: Publications) -> None:
    hub, _ = published(stays)
    before = digest(hub)
    _, publishers = published(goes, hub)
    for publisher in publishers:
        hub.deregister(publisher, *KEY, NOW_MS + 1)
    assert digest(hub) == before
    assert digest(hub) == digest(published(stays)[0]), "kept up to date is the same as computed afresh"


@given(publications, publications)
def test_replacing_is_the_same_as_never_having_said_otherwise(first: Publications, then: Publications) -> None:
    count = min(len(first), len(then))
    hub, publishers = published(first[:count])
    for publisher, some in zip(publishers, then, strict=False):
        hub.register(publisher, *KEY, json.dumps(some).encode(), NOW_MS + 1)
    assert digest(hub) == digest(published(then[:count])[0])


@given(publications, st.binary(min_size=16, max_size=16))
def test_the_key_decides(several: Publications, key: bytes) -> None:
    other = Hub(digest_key=key, abilities={}, require_tokens=False)
    published(several, other)
    assert (digest(other) == digest(published(several)[0])) == (key == DIGEST_KEY)
