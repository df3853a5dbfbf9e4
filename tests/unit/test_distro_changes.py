"""Changes are on all nodes at once, the newest wins wherever they arrive, and removals are kept as long as needed."""

from __future__ import annotations

import pytest

from nacos_core import limits
from nacos_core.distro.events import Received
from nacos_core.distro.messages import Changes, Heartbeat
from support.distro_cluster import LATENCY_SECONDS, Cluster
from support.distro_records import FakeRecords, Record, encode


def cluster_of(count: int = 3) -> Cluster:
    cluster = Cluster(count)
    cluster.run(0.1)
    assert all(node.machine.is_serving for node in cluster.up())
    return cluster


def test_a_change_is_everywhere_after_one_message() -> None:
    cluster = cluster_of()
    cluster["a"].records.register("orders", 1, "10.0.0.1:80")
    cluster["a"].changed()
    cluster.run(1.5 * LATENCY_SECONDS)
    assert [node.listed() for node in cluster.up()] == [["10.0.0.1:80"]] * 3


def test_the_first_change_goes_at_once_and_a_burst_goes_together() -> None:
    cluster = cluster_of()
    before = len(cluster.sent)
    for number in range(100):
        cluster["a"].records.register("orders", number, f"10.0.0.{number}:80")
        cluster["a"].changed()
    cluster.run(limits.DISTRO_GATHER_SECONDS + 2 * LATENCY_SECONDS)
    batches = [message for _, _, to, message in cluster.sent[before:] if isinstance(message, Changes) and to == "b"]
    assert len(batches) == 2
    assert len(cluster["b"].listed()) == 100


def test_an_older_record_never_overwrites_a_newer_one() -> None:
    cluster = cluster_of()
    taken: list[Changes] = []

    def keep(sender: str, to: str, message: object) -> bool:
        if isinstance(message, Changes) and to == "b":
            taken.append(message)
        return False

    cluster.drop = keep
    for instance in ("10.0.0.1:80", "10.0.0.2:80"):
        cluster["a"].records.register("orders", 1, instance)
        cluster["a"].changed()
        cluster.run(0.1)
    cluster["a"].records.close(1)
    cluster["a"].changed()
    cluster.run(0.1)
    assert cluster["b"].listed() == []
    for late in (taken[0], taken[1], taken[0]):
        cluster["b"].take(Received("a", late))
    assert cluster["b"].listed() == [], "what was sent before the removal came once more after it"


def test_a_removal_by_another_than_the_holder_does_not_count() -> None:
    cluster = cluster_of()
    cluster["a"].records.register("orders", 1, "10.0.0.1:80")
    cluster["a"].changed()
    cluster.run(0.1)
    key = ("orders", ("connection", "a", 1, 1))
    for version in ((1, "c", 1, 99), (9, "c", 1, 1)):
        cluster["b"].take(Received("c", Changes(encode([Record(key, version, ())]))))
    assert cluster["b"].listed() == ["10.0.0.1:80"]
    assert len(cluster["b"].errors) == 2


def test_what_this_node_holds_is_not_changed_by_what_others_say_of_it() -> None:
    cluster = cluster_of()
    cluster["a"].records.register("orders", 1, "10.0.0.1:80")
    cluster["a"].changed()
    forged = Record(("orders", ("connection", "a", 1, 1)), (1, "a", 1, 99), ())
    cluster["a"].take(Received("b", Changes(encode([forged]))))
    assert cluster["a"].listed() == ["10.0.0.1:80"]


def test_nothing_is_taken_of_nodes_that_are_no_members() -> None:
    cluster = cluster_of()
    record = Record(("orders", ("connection", "x", 1, 1)), (1, "x", 1, 1), ("10.0.0.9:80",))
    cluster["a"].take(Received("x", Changes(encode([record]))))
    assert cluster["a"].listed() == []


def test_nonsense_is_refused_and_what_else_was_to_be_done_is_done_later() -> None:
    cluster = cluster_of()
    cluster["a"].take(Received("b", Changes(b"nonsense")))
    assert len(cluster["a"].errors) == 1
    cluster["a"].records.register("orders", 1, "10.0.0.1:80")
    cluster["a"].changed()
    cluster.run(0.1)
    assert cluster["b"].listed() == ["10.0.0.1:80"]


def test_removals_are_let_go_once_all_live_members_have_compared() -> None:
    cluster = cluster_of()
    holder = cluster["a"].records
    holder.register("orders", 1, "10.0.0.1:80")
    cluster["a"].changed()
    cluster.run(1)
    cluster.unlink("a", "c")
    holder.close(1)
    cluster["a"].changed()
    cluster.run(6)
    assert len(holder.removals()) == 1, "c lives, and does not have it"
    cluster.heal()
    cluster.run(2 * limits.DISTRO_VERIFY_SECONDS + 1)
    assert holder.removals() == []
    assert [node.listed() for node in cluster.up()] == [[]] * 3
    cluster.run(65)
    assert [node.records.removals() for node in cluster.up()] == [[]] * 3


def test_a_member_that_is_down_does_not_keep_removals_for_ever() -> None:
    cluster = cluster_of()
    holder = cluster["a"].records
    holder.register("orders", 1, "10.0.0.1:80")
    cluster["a"].changed()
    cluster.run(0.5)
    cluster.unlink("c", "a", "b")
    holder.close(1)
    cluster["a"].changed()
    cluster.run(25)
    assert holder.removals() == []
    assert cluster["c"].listed() == ["10.0.0.1:80"], "nobody has told it, and it sees no majority"
    cluster.heal()
    cluster.run(2)
    assert cluster["c"].listed() == []


@pytest.mark.parametrize("back_after_seconds", [1.0, 20.0])
def test_an_address_that_was_adopted_belongs_to_the_other_from_then_on(back_after_seconds: float) -> None:
    cluster = cluster_of()
    cluster["a"].records.register_address("orders", "10.0.0.7", 80, cluster.wall_clock())
    cluster["a"].changed()
    cluster.run(0.1)
    cluster.unlink("a", "b", "c")
    cluster["b"].records.register_address("orders", "10.0.0.7", 80, cluster.wall_clock())
    cluster["b"].changed()
    cluster.run(back_after_seconds)
    cluster.heal()
    cluster.run(1)
    holders = {node.records.records["orders", ("address", "10.0.0.7", 0, 80)].holder for node in cluster.up()}
    assert len(holders) == 1
    assert holders != {("a", 1)}
    assert all(seen.instances for seen in cluster.seen["orders"]), "nobody has seen it missing"


def test_a_holder_that_does_not_know_that_it_is_none_any_more_is_told_at_once() -> None:
    cluster = cluster_of()
    cluster["a"].records.register_address("orders", "10.0.0.7", 80, cluster.wall_clock())
    cluster["a"].changed()
    cluster.run(0.1)
    cluster.drop = lambda sender, to, message: to == "a"
    cluster["b"].records.register_address("orders", "10.0.0.7", 80, cluster.wall_clock())
    cluster["b"].changed()
    cluster.run(0.1)
    cluster.drop = lambda sender, to, message: False
    cluster["a"].records.register_address("orders", "10.0.0.7", 80, cluster.wall_clock())
    cluster["a"].changed()
    cluster.run(0.1)
    key = ("orders", ("address", "10.0.0.7", 0, 80))
    assert {node.records.records[key].holder for node in cluster.up()} == {("b", 1)}


def test_an_adopted_address_whose_beats_went_elsewhere_does_not_take_a_live_one_with_it() -> None:
    """The clients of a, which is cut off, reach a only: the others adopt, wait, and drop. a knows better."""
    cluster = cluster_of()
    key = ("orders", ("address", "10.0.0.7", 0, 80))

    def beat() -> None:
        cluster["a"].records.beats[key] = cluster.wall_clock()
        cluster.at(cluster.now + 5, beat)

    cluster["a"].records.register_address("orders", "10.0.0.7", 80, cluster.wall_clock())
    cluster["a"].changed()
    beat()
    cluster.run(1)
    cluster.unlink("a", "b", "c")
    cluster.run(60)
    assert cluster["b"].listed() == []
    cluster.heal()
    cluster.run(6)
    assert [node.listed() for node in cluster.up()] == [["10.0.0.7:80"]] * 3
    assert all(seen.instances for seen in cluster.seen["orders"] if seen.node_id == "a")


def test_a_node_that_stops_says_so_and_removes_nothing() -> None:
    cluster = cluster_of()
    cluster["a"].records.register("orders", 1, "10.0.0.1:80")
    cluster["a"].changed()
    cluster.run(1)
    cluster.leave("a")
    cluster.run(0.1)
    assert cluster["a"].records.has_left, "what its connections take with them is noted no more"
    assert "a" not in cluster["b"].records.members
    assert cluster["b"].listed() == ["10.0.0.1:80"]
    cluster["b"].take(Received("a", Heartbeat(1, "serving", 1, 0)))
    assert "a" not in cluster["b"].records.members, "a late heartbeat does not bring it back"
    cluster.run(limits.DISTRO_CONNECTION_GRACE_SECONDS - 2)
    assert cluster["b"].listed() == ["10.0.0.1:80"]
    cluster.run(4)
    assert [cluster[name].listed() for name in "bc"] == [[], []]


def test_records_of_the_fake_are_ordered_as_they_are_in_the_core() -> None:
    records = FakeRecords("b", 1)
    key = ("orders", ("address", "10.0.0.1", 0, 80))
    for version, wins in [
        ((1, "a", 1, 5), True),
        ((1, "a", 1, 5), False),
        ((1, "a", 2, 1), True),
        ((2, "a", 1, 1), True),
    ]:
        assert records.distro_apply(encode([Record(key, version, ("10.0.0.1:80",))]), 0).applied == wins
