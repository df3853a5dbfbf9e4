"""Load before serve: nobody is told less because a node has just begun."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nacos_core import limits
from nacos_core.distro.events import MembersListed, Received
from nacos_core.distro.messages import Changes, Digests, DigestsWanted, DistroMessage, Load, Page, Verified, Verify
from support.distro_cluster import Cluster, Node

if TYPE_CHECKING:
    from nacos_core.distro.effects import AskForPage

LOAD = limits.DISTRO_LOAD_SECONDS


def test_a_lone_node_serves_at_once() -> None:
    cluster = Cluster(1)
    assert cluster["a"].machine.is_serving
    assert cluster["a"].records.members == [], "there is nobody to share addresses with"


def test_a_node_that_does_not_know_its_members_waits_for_them() -> None:
    cluster = Cluster(3, start=False)
    cluster.names = ()
    node = cluster.start("a")
    node.machine.members.is_listed = False
    assert Cluster(3)["a"].machine.is_serving is False


def test_members_that_begin_together_do_not_wait_for_each_other() -> None:
    cluster = Cluster(3)
    assert not any(node.machine.is_serving for node in cluster.up())
    cluster.run(0.1)
    assert all(node.machine.is_serving for node in cluster.up())


def test_a_node_that_hears_of_nobody_serves_after_the_limit() -> None:
    cluster = Cluster(3, start=False)
    cluster.start("a")
    cluster.run(LOAD - 0.1)
    assert not cluster["a"].machine.is_serving
    cluster.run(0.2)
    assert cluster["a"].machine.is_serving


def test_one_that_only_starts_is_not_enough_as_long_as_another_may_have_records() -> None:
    cluster = Cluster(3, start=False)
    cluster.start("a")
    cluster.start("b")
    cluster.run(LOAD - 0.1)
    assert not cluster["a"].machine.is_serving
    cluster.run(0.3)
    assert cluster["a"].machine.is_serving
    assert cluster["b"].machine.is_serving


def full_cluster(instances: int = 20) -> Cluster:
    cluster = Cluster(3)
    cluster.run(0.1)
    for number in range(instances):
        name = "abc"[number % 3]
        cluster[name].records.register("orders", number, f"10.0.0.{number}:80")
        cluster[name].changed()
    cluster.run(1)
    return cluster


def test_a_restarted_node_is_complete_when_it_serves_and_has_told_nobody_of_less() -> None:
    cluster = full_cluster()
    before = cluster["b"].listed()
    cluster.kill("a")
    cluster.run(2)
    started_at = cluster.now
    node = cluster.start("a")
    cluster.run(2)
    assert node.served_at is not None
    assert node.served_at - started_at < 0.5
    told = [seen for seen in cluster.seen["orders"] if seen.node_id == "a" and seen.at >= started_at]
    assert [seen.instances for seen in told] == [tuple(before)]


def test_another_member_is_asked_if_one_does_not_answer() -> None:
    cluster = full_cluster()
    cluster.kill("a")
    node = cluster.start("a")
    asked: list[str] = []
    ask = cluster.ask

    def ask_or_fail(asking: object, effect: object) -> None:
        asked.append(effect.to)  # type: ignore[attr-defined]
        if effect.to == "b":  # type: ignore[attr-defined]
            cluster.nodes["b"].is_up, was_up = False, True
            ask(asking, effect)  # type: ignore[arg-type]
            cluster.at(cluster.now + 0.01, lambda: setattr(cluster.nodes["b"], "is_up", was_up))
        else:
            ask(asking, effect)  # type: ignore[arg-type]

    cluster.ask = ask_or_fail  # type: ignore[method-assign]
    cluster.run(2)
    assert asked[0] == "b"
    assert "c" in asked
    assert node.machine.is_serving
    assert "loaded from node c" in node.machine.loading.reason
    assert len(node.listed()) == 20


def test_pages_that_make_no_sense_are_not_what_it_serves() -> None:
    cluster = full_cluster()
    cluster.kill("a")
    spoilt = iter([True])
    for name in "bc":
        machine = cluster[name].machine
        page = machine.page

        def spoil(question: Load, page=page) -> Page | None:  # type: ignore[no-untyped-def]
            return Page(b"nonsense", b"") if next(spoilt, False) else page(question)

        machine.page = spoil  # type: ignore[method-assign]
    node = cluster.start("a")
    cluster.run(2)
    assert len(node.errors) == 1
    assert node.machine.is_serving
    assert len(node.listed()) == 20


def test_a_node_that_has_not_loaded_gives_nobody_its_records() -> None:
    cluster = Cluster(3, start=False)
    node = cluster.start("a")
    assert node.machine.page(Load(b"")) is None
    cluster.run(LOAD + 1)
    assert node.machine.page(Load(b"")) is not None


def test_what_changes_while_a_node_loads_is_not_lost() -> None:
    cluster = full_cluster()
    cluster.kill("a")
    node = cluster.start("a")
    for step in range(30):
        cluster.run(0.002)
        cluster["b"].records.register("orders", 100 + step, f"10.0.1.{step}:80")
        cluster["b"].changed()
        cluster["c"].records.close(2 + 3 * (step % 6))
        cluster["c"].changed()
    cluster.run(1)
    assert node.listed() == cluster["b"].listed() == cluster["c"].listed()
    assert len(node.listed()) == 20 + 30 - 6


def test_comparing_before_loading_does_nothing() -> None:
    cluster = full_cluster()
    cluster.kill("a")
    cluster.ask = lambda asking, effect: None  # type: ignore[method-assign]
    node = cluster.start("a")
    before = len(cluster.sent)
    cluster.run(LOAD - 2)
    assert not node.machine.is_serving
    said = [message for _, sender, _, message in cluster.sent[before:] if sender == "a"]
    assert not [each for each in said if isinstance(each, Verified | DigestsWanted)]
    own = cluster["b"].records.distro_holders()[0]
    node.take(Received("b", Verify(1, own.revision, own.records, own.instances, own.digest)))
    assert not [each for _, sender, _, each in cluster.sent if sender == "a" and isinstance(each, DigestsWanted)]
    assert not any(seen.node_id == "a" and seen.at > 2 for seen in cluster.seen["orders"])


def test_while_it_loads_a_node_is_responsible_for_nothing() -> None:
    cluster = full_cluster()
    cluster.kill("a")
    cluster.ask = lambda asking, effect: None  # type: ignore[method-assign]
    cluster.start("a")
    cluster.run(3)
    assert cluster["b"].records.members == ["b", "c"]


def test_a_slow_load_goes_on_after_the_limit() -> None:
    cluster = full_cluster()
    cluster.kill("a")
    ask = cluster.ask
    cluster.ask = lambda asking, effect: cluster.at(cluster.now + 3, lambda: ask(asking, effect))  # type: ignore[method-assign]
    cluster.drop = lambda sender, to, message: to == "a" and not isinstance(message, Changes) and cluster.now > 2
    node = cluster.start("a")
    cluster.run(LOAD + 0.5)
    cluster.run(60)
    assert node.machine.is_serving
    node.take(MembersListed(cluster.names, cluster.names))


def breaking_while_it_compares(cluster: Cluster, back_after_seconds: float) -> Node:
    """Node a starts again and loads from b; c has what b does not know, and its connection to a breaks too early."""
    cluster.drop = lambda sender, to, message: (sender, to) == ("c", "b") and isinstance(message, Changes | Digests)
    cluster["c"].records.register("orders", 99, "10.0.0.99:80")
    cluster["c"].changed()
    cluster.run(0.1)
    assert "10.0.0.99:80" not in cluster["b"].listed()
    cluster.kill("a")
    send = cluster.send
    broken_at: list[float] = []

    def send_and_break(sender: Node, to: str, message: DistroMessage) -> None:
        send(sender, to, message)
        if (sender.node_id, to) == ("a", "c") and isinstance(message, DigestsWanted) and not broken_at:
            broken_at.append(cluster.now)
            cluster.at(cluster.now, lambda: cluster.unlink("a", "c"))
            cluster.at(cluster.now + back_after_seconds, cluster.heal)

    cluster.send = send_and_break  # type: ignore[method-assign]
    node = cluster.start("a")
    cluster.run(8)
    assert broken_at
    return node


def told_by(cluster: Cluster, node: Node) -> list[tuple[str, ...]]:
    """Since it serves."""
    assert node.served_at is not None
    told = [seen for seen in cluster.seen["orders"] if seen.node_id == node.node_id]
    return [seen.instances for seen in told if seen.at >= node.served_at]


def test_a_connection_that_breaks_while_comparing_is_waited_for_and_compared_over_anew() -> None:
    cluster = full_cluster()
    node = breaking_while_it_compares(cluster, 1.0)
    assert node.served_at is not None
    assert all("10.0.0.99:80" in told for told in told_by(cluster, node))


def test_a_connection_that_does_not_come_back_is_not_waited_for_longer_than_a_moment() -> None:
    cluster = full_cluster()
    started_at = cluster.now
    node = breaking_while_it_compares(cluster, 1000.0)
    assert node.served_at is not None
    assert limits.DISTRO_SUSPICIOUS_SECONDS < node.served_at - started_at < limits.DISTRO_SUSPICIOUS_SECONDS + 1


def test_what_others_have_heard_meanwhile_of_a_member_that_was_lost_is_loaded_once_more() -> None:
    cluster = full_cluster()
    cluster.kill("a")
    ask, send = cluster.ask, cluster.send
    asked: list[str] = []

    def note_and_ask(asking: Node, effect: AskForPage) -> None:
        if not effect.after:
            asked.append(effect.to)
        ask(asking, effect)

    def send_and_break(sender: Node, to: str, message: DistroMessage) -> None:
        send(sender, to, message)
        if (sender.node_id, to) == ("a", "c") and isinstance(message, DigestsWanted):
            # Once b's pages have come, b hears of this, and c is out of reach of a.
            cluster["c"].records.register("orders", 98, "10.0.0.98:80")
            cluster.at(cluster.now, lambda: cluster.unlink("a", "c"))
            cluster.at(cluster.now + 0.01, cluster["c"].changed)

    cluster.ask = note_and_ask  # type: ignore[method-assign]
    cluster.send = send_and_break  # type: ignore[method-assign]
    node = cluster.start("a")
    cluster.run(8)
    assert asked == ["b", "b"]
    assert all("10.0.0.98:80" in told for told in told_by(cluster, node))
