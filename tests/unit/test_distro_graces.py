"""A dead node and one that is partitioned away look alike: nothing goes before the grace or without a majority."""

from __future__ import annotations

import pytest

from nacos_core import limits
from nacos_core.distro.events import Linked, MembersListed, Received
from nacos_core.distro.graces import Reason
from nacos_core.distro.members import Liveness
from nacos_core.distro.messages import Heartbeat
from nacos_core.distro.timing import Timing
from nacos_core.distro.view import consistency
from support.distro_cluster import Cluster, Node

GRACE = limits.DISTRO_CONNECTION_GRACE_SECONDS
DOWN = limits.DISTRO_DOWN_SECONDS


def cluster_with_an_instance_at(holder: str = "a", count: int = 3, timing: Timing | None = None) -> Cluster:
    cluster = Cluster(count, timing)
    cluster.run(0.1)
    cluster[holder].records.register("orders", 1, "10.0.0.1:80")
    cluster[holder].changed()
    cluster.run(1)
    assert all(node.listed() == ["10.0.0.1:80"] for node in cluster.up())
    return cluster


def liveness(node: Node, of: str) -> Liveness:
    member = node.machine.members.find(of)
    assert member is not None
    return member.liveness


# --- members ---------------------------------------------------------------------------------------------------------


def test_members_are_up_then_suspicious_then_down_then_up_again() -> None:
    cluster = cluster_with_an_instance_at()
    assert liveness(cluster["b"], "a") is Liveness.UP
    cluster.cut("a", "b", "c")
    cluster.run(limits.DISTRO_SUSPICIOUS_SECONDS + 1.1)
    assert liveness(cluster["b"], "a") is Liveness.SUSPICIOUS
    assert "a" in cluster["b"].records.members, "a slow node is not a dead node: it keeps its addresses"
    cluster.run(DOWN - limits.DISTRO_SUSPICIOUS_SECONDS)
    assert liveness(cluster["b"], "a") is Liveness.DOWN
    assert cluster["b"].records.members == ["b", "c"]
    assert cluster["a"].records.members == ["a"]
    cluster.heal()
    cluster.run(0.1)
    assert liveness(cluster["b"], "a") is Liveness.UP
    assert cluster["b"].records.members == ["a", "b", "c"]


def test_a_lost_connection_makes_suspicious_at_once() -> None:
    cluster = cluster_with_an_instance_at()
    cluster.kill("a")
    assert liveness(cluster["b"], "a") is Liveness.SUSPICIOUS


def test_what_an_earlier_boot_said_late_is_not_heard() -> None:
    cluster = cluster_with_an_instance_at()
    cluster.kill("a")
    cluster.start("a")
    cluster.run(1)
    member = cluster["b"].machine.members.find("a")
    assert member is not None
    cluster["b"].take(Received("a", Heartbeat(1, "starting", 77, 0)))
    assert (member.boot, member.status) == (2, "serving")
    assert member.revision != 77


def test_a_node_that_stood_still_takes_nobody_for_dead() -> None:
    cluster = cluster_with_an_instance_at()
    cluster.run(5)
    cluster.pause("b")
    cluster.kill("c")
    cluster.run(100)
    cluster.resume("b")
    assert liveness(cluster["b"], "a") is not Liveness.DOWN
    cluster.run(0.1)
    assert cluster["b"].listed() == ["10.0.0.1:80"]
    assert liveness(cluster["b"], "a") is Liveness.UP
    assert all(seen.instances for seen in cluster.seen["orders"])


def test_a_node_that_stood_still_drops_nothing_of_whom_it_could_not_hear() -> None:
    cluster = cluster_with_an_instance_at("a")
    cluster.run(5)
    cluster.pause("b")
    cluster.cut("a", "b")
    cluster.run(100)
    cluster.resume("b", timers_first=False)
    cluster.run(DOWN - 1)
    assert cluster["b"].listed() == ["10.0.0.1:80"], "a was alive, and b did not run"


# --- the grace -------------------------------------------------------------------------------------------------------


def test_instances_of_a_dead_node_stay_for_the_grace_and_go_after_it() -> None:
    cluster = cluster_with_an_instance_at("a")
    died_at = cluster.now
    cluster.kill("a")
    cluster.run(60)
    gone_at = {seen.node_id: seen.at for seen in cluster.seen["orders"] if not seen.instances}
    assert gone_at.keys() == {"b", "c"}
    for at in gone_at.values():
        assert GRACE - limits.DISTRO_HEARTBEAT_SECONDS <= at - died_at <= GRACE + limits.DISTRO_HEARTBEAT_SECONDS


def test_the_grace_can_be_chosen() -> None:
    cluster = cluster_with_an_instance_at("a", timing=Timing(connection_grace_seconds=40))
    cluster.kill("a")
    cluster.run(38)
    assert cluster["b"].listed()
    cluster.run(4)
    assert not cluster["b"].listed()


def test_a_grace_shorter_than_it_takes_to_be_sure_waits_until_then() -> None:
    cluster = cluster_with_an_instance_at("a", timing=Timing(connection_grace_seconds=1))
    cluster.kill("a")
    cluster.run(DOWN - 2)
    assert cluster["b"].listed()
    cluster.run(4)
    assert not cluster["b"].listed()


def test_a_member_that_comes_back_within_the_grace_has_lost_nothing() -> None:
    cluster = cluster_with_an_instance_at("a")
    cluster.unlink("a", "b", "c")
    cluster.run(GRACE - 2)
    cluster.heal()
    cluster.run(100)
    assert all(seen.instances for seen in cluster.seen["orders"])
    assert cluster.are_equal()


def test_nothing_goes_without_a_majority() -> None:
    cluster = cluster_with_an_instance_at("a")
    cluster.kill("a")
    cluster.kill("b")
    cluster.run(600)
    assert cluster["c"].listed() == ["10.0.0.1:80"]
    (holder,) = [each for each in consistency(cluster["c"].machine, cluster.now, {}).holders if each.node_id == "a"]
    assert holder.is_stale
    assert (holder.gone, holder.drops_in_ms) == ("down", None)


@pytest.mark.parametrize("later", [0.3, 0.9, 2.5])
def test_a_minority_notices_that_it_is_one_before_it_adopts_anything(later: float) -> None:
    """The others fall silent at once, but the last words of one may have come a little later."""
    cluster = cluster_with_an_instance_at("a")
    records = cluster["a"].records
    addresses = [f"10.0.1.{number}" for number in range(20)]
    for address in addresses:
        records.register_address("billing", address, 80, cluster.wall_clock())
    cluster["a"].changed()
    cluster.run(1)
    cluster.cut("c", "a")
    cluster.run(later)
    cluster.cut("c", "b")
    cluster.run(100)
    held = cluster["c"].records.records.values()
    assert all(record.holder == ("a", 1) for record in held if record.key[0] == "billing")
    assert len(cluster["c"].listed("billing")) == len(addresses)


def test_when_a_majority_is_seen_again_the_grace_begins_anew() -> None:
    """What was out of sight has its time to be heard, also through others."""
    cluster = cluster_with_an_instance_at("a")
    cluster.unlink("c", "a", "b")
    cluster.run(100)
    cluster.kill("a")
    cluster.heal()
    cluster.run(GRACE - 1)
    assert cluster["c"].listed() == ["10.0.0.1:80"]
    cluster.run(3)
    assert cluster["c"].listed() == []


def test_after_a_heal_all_are_equal_and_nobody_was_told_of_less() -> None:
    cluster = cluster_with_an_instance_at("a")
    cluster["c"].records.register("orders", 1, "10.0.0.3:80")
    cluster["c"].changed()
    cluster.run(1)
    cluster.unlink("c", "a", "b")
    cluster.run(GRACE + DOWN)
    assert cluster["a"].listed() == ["10.0.0.1:80"], "the majority has let go of what c held"
    assert cluster["c"].listed() == ["10.0.0.1:80", "10.0.0.3:80"], "the minority keeps all"
    cluster.heal()
    healed_at = cluster.now
    cluster.run(limits.DISTRO_VERIFY_SECONDS)
    assert cluster.are_equal()
    assert [node.listed() for node in cluster.up()] == [["10.0.0.1:80", "10.0.0.3:80"]] * 3
    told = [seen for seen in cluster.seen["orders"] if seen.at >= healed_at]
    assert [seen.instances for seen in told] == [("10.0.0.1:80", "10.0.0.3:80")] * 2, "a and b, once each"


def test_members_that_were_taken_out_are_gone_after_the_grace() -> None:
    cluster = cluster_with_an_instance_at("a")
    for name in "bc":
        cluster[name].take(MembersListed(("b", "c"), ("b", "c")))
    cluster["a"].take(MembersListed(("b", "c"), ("b", "c")))
    cluster.run(GRACE - 1)
    assert cluster["b"].listed()
    cluster.run(3)
    assert not cluster["b"].listed()
    assert cluster["a"].listed(), "its own are its own"


# --- another boot ----------------------------------------------------------------------------------------------------


def test_a_client_that_comes_back_to_the_restarted_node_is_never_missing() -> None:
    cluster = cluster_with_an_instance_at("a")
    cluster.kill("a")
    cluster.run(5)
    cluster.start("a")
    cluster.run(5)
    absence = cluster["b"].machine.graces.absence("a", 1)
    assert absence is not None
    assert absence.reason is Reason.SUPERSEDED
    cluster["a"].records.register("orders", 9, "10.0.0.1:80")
    cluster["a"].changed()
    cluster.run(100)
    assert all(seen.instances == ("10.0.0.1:80",) for seen in cluster.seen["orders"])
    assert {each.boot for node in cluster.up() for each in node.records.distro_holders() if each.records} == {2}


def test_clients_that_do_not_come_back_are_gone_after_the_grace_of_the_new_boot() -> None:
    cluster = cluster_with_an_instance_at("a")
    cluster.kill("a")
    cluster.run(5)
    cluster.start("a")
    cluster.run(GRACE - 1)
    assert [node.listed() for node in cluster.up()] == [["10.0.0.1:80"]] * 3
    cluster.run(4)
    assert [node.listed() for node in cluster.up()] == [[]] * 3


def test_a_client_that_moves_to_another_node_is_never_missing() -> None:
    cluster = cluster_with_an_instance_at("a")
    cluster.kill("a")
    cluster.run(3)
    cluster["b"].records.register("orders", 5, "10.0.0.1:80")
    cluster["b"].changed()
    cluster.run(100)
    assert all(seen.instances == ("10.0.0.1:80",) for seen in cluster.seen["orders"])


# --- addresses -------------------------------------------------------------------------------------------------------


def test_addresses_of_a_dead_node_are_adopted_by_those_who_are_responsible_and_then_live_by_their_beats() -> None:
    cluster = cluster_with_an_instance_at("a")
    names = [f"10.0.1.{number}" for number in range(30)]
    for name in names:
        cluster["a"].records.register_address("billing", name, 80, cluster.wall_clock())
    cluster["a"].changed()
    cluster.run(1)
    cluster.kill("a")
    died_at = cluster.now
    cluster.run(DOWN + 2)
    for node in cluster.up():
        held = [record for record in node.records.records.values() if record.key[0] == "billing"]
        assert {record.holder for record in held} == {("b", 1), ("c", 1)}
        assert {record.version[0] for record in held} == {2}
        for record in held:
            assert record.holder[0] == node.records.responsible(record.key[1][1], 80)
    cluster.run(limits.DISTRO_ADDRESS_GRACE_SECONDS - 4)
    assert cluster["b"].listed("billing") == sorted(f"{name}:80" for name in names)
    cluster.run(6)
    assert [node.listed("billing") for node in cluster.up()] == [[], []]
    first_gone = min(seen.at for seen in cluster.seen["billing"] if seen.at > died_at)
    assert first_gone - died_at >= limits.DISTRO_ADDRESS_GRACE_SECONDS


def test_a_majority_that_has_just_come_back_says_first_what_it_has_adopted() -> None:
    """c was away while a died; b has adopted what a held, and has dropped what did not beat."""
    cluster = cluster_with_an_instance_at("a")
    for number in range(30):
        cluster["a"].records.register_address("billing", f"10.0.1.{number}", 80, cluster.wall_clock())
    cluster["a"].changed()
    cluster.run(1)
    cluster.unlink("c", "a", "b")
    cluster.names = ("a", "b", "c", "d", "e")
    for name in ("d", "e"):
        cluster.start(name)
    for node in cluster.up():
        node.take(MembersListed(cluster.names, cluster.names))
    cluster.cut("c", "d", "e")
    cluster.run(1)
    cluster.kill("a")
    cluster.run(DOWN + limits.DISTRO_ADDRESS_GRACE_SECONDS + 5)
    assert cluster["b"].listed("billing") == []
    assert len(cluster["c"].listed("billing")) == 30
    cluster.heal()
    cluster.run(2)
    holders = {record.holder for record in cluster["c"].records.records.values() if record.key[0] == "billing"}
    assert ("c", 1) not in holders


def test_how_long_adopted_addresses_are_waited_for_can_be_chosen() -> None:
    cluster = cluster_with_an_instance_at("a", timing=Timing(address_grace_seconds=90))
    cluster["a"].records.register_address("billing", "10.0.1.1", 80, cluster.wall_clock())
    cluster["a"].changed()
    cluster.run(1)
    cluster.kill("a")
    cluster.run(DOWN + 85)
    assert cluster["b"].listed("billing")
    cluster.run(10)
    assert not cluster["b"].listed("billing")


def test_few_addresses_move_and_only_those_of_the_dead() -> None:
    cluster = cluster_with_an_instance_at("a", count=5)
    names = [f"10.0.2.{number}" for number in range(100)]
    before = {name: cluster["b"].records.responsible(name, 80) for name in names}
    cluster.kill("e")
    cluster.run(DOWN + 2)
    after = {name: cluster["b"].records.responsible(name, 80) for name in names}
    moved = {name for name in names if before[name] != after[name]}
    assert moved == {name for name in names if before[name] == "e"}
    assert 5 < len(moved) < 40


# --- to look at ------------------------------------------------------------------------------------------------------


def test_metadata_is_only_forgotten_where_everybody_is_seen() -> None:
    cluster = cluster_with_an_instance_at("a")
    assert cluster["b"].machine.sees_all
    cluster.kill("a")
    assert not cluster["b"].machine.sees_all


def test_a_member_that_joins_is_known_at_once() -> None:
    cluster = cluster_with_an_instance_at("a", count=2)
    cluster.names = ("a", "b", "c")
    for node in cluster.up():
        node.take(MembersListed(cluster.names, cluster.names))
    cluster.start("c")
    cluster.run(0.2)
    assert cluster["c"].listed() == ["10.0.0.1:80"]
    assert cluster["c"].machine.is_serving
    assert cluster["a"].records.members == ["a", "b", "c"]
    cluster["c"].take(Linked("nobody"))
