"""What was lost on the way is found by comparing, and only that is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from nacos_core import limits
from nacos_core.distro.events import Received
from nacos_core.distro.messages import (
    MESSAGES,
    Changes,
    Digests,
    DigestsWanted,
    RecordsSent,
    RecordsWanted,
    Versions,
    VersionsWanted,
)
from nacos_core.distro.view import consistency
from nacos_core.peers.frames import FrameReader, encode
from nacos_core.peers.protocol import PROTOCOL, Tell
from support.distro_cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

VERIFY = limits.DISTRO_VERIFY_SECONDS


def size_of(message: object) -> int:
    return len(msgspec.msgpack.encode(message))


def full_cluster(instances: int = 500) -> Cluster:
    cluster = Cluster(3)
    cluster.run(0.1)
    for number in range(instances):
        cluster["a"].records.register(f"service-{number % 50}", number, f"10.0.{number // 250}.{number % 250}:80")
    cluster["a"].changed()
    cluster.run(VERIFY + 1)
    assert cluster.are_equal()
    return cluster


def lose_changes(to: str) -> Callable[[str, str, object], bool]:
    return lambda sender, receiver, message: receiver == to and isinstance(message, Changes)


def repairs(cluster: Cluster, node: str, holder: str) -> tuple[int, int]:
    (view,) = [each for each in consistency(cluster[node].machine, cluster.now, {}).holders if each.node_id == holder]
    return view.repairs, view.repaired_records


def test_equal_nodes_only_say_that_they_are() -> None:
    cluster = full_cluster()
    before = len(cluster.sent)
    seconds = 60
    cluster.run(seconds)
    sent = [message for _, sender, to, message in cluster.sent[before:] if (sender, to) == ("a", "b")]
    assert sum(size_of(message) for message in sent) / seconds < 200
    assert repairs(cluster, "b", "a") == (0, 0)


def test_lost_changes_are_repaired_and_only_those() -> None:
    cluster = full_cluster()
    cluster.drop = lose_changes("b")
    records = cluster["a"].records
    for number in range(5):
        records.register("service-0", 1000 + number, f"10.1.0.{number}:80")
        records.register(f"service-{number}", number, f"10.2.0.{number}:80")
        records.close(100 + number)
    cluster["a"].changed()
    cluster.run(0.5)
    assert not cluster.are_equal()
    cluster.drop = lambda sender, to, message: False
    before = len(cluster.sent)
    cluster.run(VERIFY + 0.5)
    assert cluster.are_equal()
    assert repairs(cluster, "b", "a") == (1, 15)
    assert repairs(cluster, "c", "a") == (0, 0)
    kinds = Digests | DigestsWanted | Versions | VersionsWanted | RecordsSent | RecordsWanted
    sent = [message for _, sender, to, message in cluster.sent[before:] if isinstance(message, kinds)]
    assert sum(size_of(message) for message in sent) < 30_000


def test_a_link_that_comes_up_is_compared_over_at_once() -> None:
    cluster = full_cluster(20)
    cluster.unlink("a", "b")
    cluster["a"].records.register("orders", 1, "10.9.0.1:80")
    cluster["a"].changed()
    cluster.run(0.2)
    assert cluster["b"].listed() == []
    cluster.heal()
    cluster.run(0.1)
    assert cluster["b"].listed() == ["10.9.0.1:80"]


def test_what_is_gathered_goes_before_what_is_compared() -> None:
    """Else every burst would look like a difference."""
    cluster = full_cluster(20)
    before = len(cluster.sent)
    records = cluster["a"].records
    while cluster.now < 2.2 * VERIFY:
        for _ in range(3):
            records.register("orders", 1000, f"10.9.0.{round(cluster.now * 1000) % 250}:{len(cluster.sent)}")
            cluster["a"].changed()
        cluster.run(0.004)
    assert not [message for _, _, _, message in cluster.sent[before:] if isinstance(message, DigestsWanted)]


def test_changes_meanwhile_do_not_disturb_a_repair() -> None:
    cluster = full_cluster(100)
    cluster.drop = lose_changes("b")
    cluster["a"].records.register("orders", 1000, "10.9.0.1:80")
    cluster["a"].changed()
    cluster.run(0.1)
    cluster.drop = lambda sender, to, message: False
    for step in range(round((VERIFY + 1) / 0.02)):
        if step % 2:
            cluster["a"].records.register("orders", 2000 + step, f"10.8.{step // 250}.{step % 250}:80")
        else:
            cluster["a"].records.close(2000 + step - 1)
        cluster["a"].changed()
        cluster.run(0.02)
    cluster.run(2 * VERIFY)
    assert cluster.are_equal()
    shrunk = [
        (earlier, later)
        for earlier, later in zip(cluster.seen["orders"], cluster.seen["orders"][1:], strict=False)
        if "10.9.0.1:80" in earlier.instances
        and "10.9.0.1:80" not in later.instances
        and later.node_id == earlier.node_id
    ]
    assert not shrunk


def test_a_repair_whose_messages_are_lost_begins_again() -> None:
    cluster = full_cluster(100)
    cluster.drop = lambda sender, to, message: isinstance(message, Changes | Versions) and to == "b"
    cluster["a"].records.register("orders", 1000, "10.9.0.1:80")
    cluster["a"].changed()
    cluster.run(VERIFY + 1)
    assert cluster["b"].listed() == []
    cluster.drop = lambda sender, to, message: False
    cluster.run(VERIFY + 0.1)
    assert cluster["b"].listed() == ["10.9.0.1:80"]


def test_nothing_that_was_not_asked_for_is_taken_for_what_a_holder_has() -> None:
    """An old answer that names no records would empty everything."""
    cluster = full_cluster(100)
    leaves = tuple(range(limits.DISTRO_LEAVES_COUNT))
    nothing = msgspec.msgpack.encode([])
    for sender in "ac":
        cluster["b"].take(Received(sender, Versions(1, leaves, nothing)))
        cluster["b"].take(Received(sender, RecordsSent(1, leaves, b"")))
    assert cluster.are_equal()


def test_only_the_holder_is_asked_and_only_it_is_believed() -> None:
    """c has nothing of a; when b compares with c, nothing of a is touched."""
    cluster = full_cluster(100)
    cluster["c"].records.records.clear()
    cluster.drop = lambda sender, to, message: "a" in (sender, to)
    cluster["c"].records.register("orders", 1, "10.9.0.3:80")
    cluster["c"].changed()
    cluster.run(VERIFY + 1)
    held = [each for each in cluster["b"].records.distro_holders() if each.node_id == "a"]
    assert held[0].records == 100


def test_an_address_that_another_has_adopted_is_not_dropped_because_its_holder_has_it_no_more() -> None:
    """b hears from a and not from c, which has adopted the address: a says so."""
    cluster = full_cluster(20)
    cluster["a"].records.register_address("orders", "10.0.0.7", 80, cluster.wall_clock())
    cluster["a"].changed()
    cluster.run(0.1)
    cluster.drop = lambda sender, to, message: {sender, to} == {"b", "c"}
    cluster["c"].records.register_address("orders", "10.0.0.7", 80, cluster.wall_clock())
    cluster["c"].changed()
    cluster.run(VERIFY + 1)
    assert cluster["b"].listed() == ["10.0.0.7:80"]
    assert all(seen.instances for seen in cluster.seen["orders"])
    assert cluster["b"].records.records["orders", ("address", "10.0.0.7", 0, 80)].holder == ("c", 1)


def test_many_differences_are_compared_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nacos_core.distro.repairs.DISTRO_LEAVES_AT_ONCE", 7)
    cluster = full_cluster(50)
    cluster["b"].records.records.clear()
    cluster.run(VERIFY + 1)
    assert cluster.are_equal()
    asked = [message for _, sender, _, message in cluster.sent if isinstance(message, VersionsWanted) and sender == "b"]
    assert len(asked) >= 50 // 7
    assert max(len(message.leaves) for message in asked) == 7
    assert repairs(cluster, "b", "a") == (1, 50)


def test_large_records_make_smaller_parts() -> None:
    cluster = Cluster(3)
    cluster.run(0.1)
    for number in range(20):
        instances = [f"10.{number}.{each // 250}.{each % 250}:80" for each in range(2000)]
        cluster["a"].records.register("orders", number, *instances)
    cluster.drop = lose_changes("b")
    cluster["a"].changed()
    cluster.drop = lambda sender, to, message: sender == "b" and isinstance(message, VersionsWanted)
    cluster.run(VERIFY + 1)
    asked = [message for _, sender, _, message in cluster.sent if isinstance(message, VersionsWanted) and sender == "b"]
    assert {len(message.leaves) for message in asked} <= {1}


def test_digests_of_the_wrong_length_are_refused() -> None:
    cluster = full_cluster(20)
    cluster["b"].take(Received("a", Digests(1, (-1,), b"short")))
    assert len(cluster["b"].errors) == 1


def test_every_message_goes_over_the_wire() -> None:
    assert set(MESSAGES) <= set(PROTOCOL.messages)
    cluster = full_cluster(20)
    cluster.drop = lose_changes("b")
    cluster["a"].records.register("orders", 1000, "10.9.0.1:80")
    cluster["a"].changed()
    cluster.run(0.1)
    cluster.drop = lambda sender, to, message: False
    cluster.run(VERIFY + 1)
    cluster.leave("a")
    reader = FrameReader(PROTOCOL.frame_type())
    for _, _, _, message in cluster.sent:
        (frame,) = reader.feed(encode(Tell(message)))
        assert frame.message == message
    assert {type(message) for _, _, _, message in cluster.sent} == set(MESSAGES)
