"""The hub's part of what nodes tell each other: bytes of one hub are understood by another, and nonsense is refused."""

import json

import pytest

from nacos_core._core import Hub

NOW_MS = 1_795_435_036_797
KEY = ("public", "DEFAULT_GROUP", "orders")
ALL_BYTES = 1 << 30
LEAVES = list(range(4096))


def hub(node_id: str, boot: int = 1) -> Hub:
    made = Hub(digest_key=b"k" * 16, abilities={}, require_tokens=False)
    made.distro_open(node_id, boot)
    return made


def register(into: Hub, *ips: str) -> int:
    publisher = into.open_local()
    into.register(publisher, *KEY, json.dumps([{"ip": ip, "port": 80} for ip in ips]).encode(), NOW_MS)
    return publisher


def shown(of: Hub) -> list[str]:
    hosts = json.loads(of.service_info(*KEY, "", False, NOW_MS))["hosts"]
    return sorted(host["ip"] for host in hosts)


def changes(of: Hub) -> bytes:
    batch = of.distro_take_changes(ALL_BYTES)
    assert batch is not None
    return batch


def test_what_one_hub_says_another_shows() -> None:
    one, other = hub("a"), hub("b")
    publisher = register(one, "10.0.0.1", "10.0.0.2")
    told = other.distro_apply(changes(one), NOW_MS)
    assert (told.applied, told.older, told.ours) == (1, 0, b"")
    assert one.distro_take_changes(ALL_BYTES) is None
    assert shown(other) == ["10.0.0.1", "10.0.0.2"]
    own, of_other = one.distro_holders()[0], other.distro_holders()[1]
    assert (own.node_id, own.boot, own.records, own.instances, own.revision) == ("a", 1, 1, 2, 1)
    assert (of_other.node_id, of_other.digest, of_other.changed_ms) == ("a", own.digest, NOW_MS)
    assert len(own.digest) == 16
    assert own.digest != other.distro_holders()[0].digest == bytes(16)
    (published,) = other.distro_publishers(*KEY)
    assert (published.node_id, published.boot, published.kind) == ("a", 1, "connection")
    assert (published.publisher, published.epoch, published.revision) == (str(publisher), 0, 1)
    assert (published.published_ms, published.last_beat_ms, published.hidden) == (NOW_MS, None, 0)
    assert one.deregister(publisher, *KEY, NOW_MS)
    assert other.distro_apply(changes(one), NOW_MS).applied == 1
    assert shown(other) == []
    assert (one.distro_forget_removals(NOW_MS, 1), one.distro_forget_removals(NOW_MS, 2)) == (0, 1)


def test_a_difference_is_narrowed_down_and_repaired() -> None:
    one, other = hub("a"), hub("b")
    register(one, "10.0.0.1")
    surplus = register(one, "10.0.0.2")
    other.distro_apply(changes(one), NOW_MS)
    register(one, "10.0.0.3")
    one.deregister(surplus, *KEY, NOW_MS)
    changes(one)

    def different(parent: int) -> list[int]:
        mine, theirs = one.distro_digests("a", 1, parent), other.distro_digests("a", 1, parent)
        assert len(mine) == len(theirs) == 64 * 16
        return [at for at in range(64) if mine[16 * at : 16 * at + 16] != theirs[16 * at : 16 * at + 16]]

    leaves = [64 * node + leaf for node in different(-1) for leaf in different(node)]
    assert 1 <= len(leaves) <= 2
    versions = one.distro_versions("a", 1, leaves)
    found = other.distro_differences("a", 1, leaves, versions)
    assert (found.wanted_count, found.surplus) == (1, 1)
    assert other.distro_apply(one.distro_records("a", 1, found.wanted), NOW_MS).applied == 1
    assert other.distro_drop_surplus("a", 1, leaves, versions, NOW_MS) == 1
    assert shown(other) == shown(one) == ["10.0.0.1", "10.0.0.3"]
    assert other.distro_holders()[1].digest == one.distro_holders()[0].digest


def test_a_hub_is_loaded_in_pages_and_a_dead_holder_dropped() -> None:
    one, other = hub("a"), hub("b")
    for number in range(20):
        register(one, f"10.0.0.{number}")
    after, pages = b"", 0
    while pages == 0 or after:
        batch, after = one.distro_load(after, 300)
        other.distro_apply(batch, NOW_MS)
        pages += 1
    assert pages > 3
    assert shown(other) == shown(one)
    assert other.distro_adopt("a", 1, NOW_MS) == 0
    assert other.distro_drop("a", 1, NOW_MS) == 20
    assert shown(other) == []
    assert [holder.node_id for holder in other.distro_holders()] == ["b"]


def test_nothing_is_noted_before_the_opening_or_after_the_end() -> None:
    alone = Hub(digest_key=b"k" * 16, abilities={}, require_tokens=False)
    publisher = register(alone, "10.0.0.1")
    assert alone.distro_take_changes(ALL_BYTES) is None
    assert alone.distro_publishers(*KEY)[0].published_ms is None
    with pytest.raises(ValueError, match="some were made before"):
        alone.distro_open("a", 1)
    one = hub("a")
    publisher = register(one, "10.0.0.1")
    changes(one)
    one.distro_leave()
    one.deregister(publisher, *KEY, NOW_MS)
    assert one.distro_take_changes(ALL_BYTES) is None


def test_nonsense_is_refused() -> None:
    one = hub("a")
    with pytest.raises(ValueError, match="a batch of publications must begin with"):
        one.distro_apply(b"nonsense", NOW_MS)
    for read in (
        lambda: one.distro_differences("a", 1, LEAVES, b""),
        lambda: one.distro_drop_surplus("a", 1, LEAVES, b"NPV\x01", NOW_MS),
        lambda: one.distro_records("a", 1, b"NPW\x01\xff\xff\xff\xff"),
    ):
        with pytest.raises(ValueError, match="what another node sent cannot be read"):
            read()
    with pytest.raises(ValueError, match="a cursor has 4 bytes"):
        one.distro_load(b"x", 1)
    for parent in (-2, 64):
        with pytest.raises(ValueError, match="in the tree of digests"):
            one.distro_digests("a", 1, parent)
    with pytest.raises(ValueError, match="there is no leaf or node 4096"):
        one.distro_versions("a", 1, [4096])
