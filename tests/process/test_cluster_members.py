"""How processes become a cluster, and who gets in later: lists, joining, lost folders, moved addresses, secrets."""

from __future__ import annotations

import json
import random
import shutil
import time
from typing import TYPE_CHECKING

from support.cluster_process import (
    ask,
    free_ports,
    is_published,
    is_ready,
    publish,
    wait_published,
    wait_ready,
    wait_said,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.cluster_process import ClusterProcess
    from support.node_process import NodeProcess

    MakeCluster = Callable[..., ClusterProcess]

MEMBERS = "/nacos/v3/admin/core/cluster/node/list"
MEMBER = "/nacos/v3/admin/core/cluster/member"


def node_id(node: NodeProcess) -> str:
    return str(json.loads((node.data / "node.json").read_bytes())["node_id"])


def known_cluster_id(node: NodeProcess) -> str:
    """A node is ready as soon as its cluster has begun, and remembers it once its log is synced."""
    wait_until(lambda: cluster_id(node) != "", 10.0, lambda: f"{node.address} remembers no cluster")
    return cluster_id(node)


def cluster_id(node: NodeProcess) -> str:
    return str(json.loads((node.data / "node.json").read_bytes())["cluster_id"])


def parts(node: NodeProcess) -> dict[str, str]:
    """What each member is, by address, as this node knows it."""
    answer = ask(node, "GET", MEMBERS)
    assert answer is not None
    return {member["address"]: member["extendInfo"]["part"] for member in answer.json["data"]}


def ids(node: NodeProcess) -> dict[str, str]:
    """What each member is, by its id, as this node knows it."""
    answer = ask(node, "GET", MEMBERS)
    assert answer is not None
    return {member["extendInfo"]["nodeId"]: member["extendInfo"]["part"] for member in answer.json["data"]}


def wait_part(node: NodeProcess, address: str, part: str) -> None:
    wait_until(lambda: parts(node).get(address) == part, 10, lambda: f"{parts(node)}, and not {address} a {part}")


def test_lists_in_any_order_and_nodes_started_one_after_the_other(cluster_of: MakeCluster) -> None:
    cluster = cluster_of()
    choice = random.Random(4)
    listed = cluster.members.split(",")
    for number, node in enumerate(cluster.nodes):
        choice.shuffle(listed)
        node.arguments[:2] = ["--cluster", ",".join(listed)]
        node.launch()
        if number < 2:
            wait_said(node, "waiting for")
            assert not is_ready(node), "a cluster begins when all of its list are there"
    for node in cluster.nodes:
        wait_ready(node)
        wait_published(node, f"through-{node.port}", "x")
    cluster.wait_same([f"through-{node.port}" for node in cluster.nodes])
    assert len({known_cluster_id(node) for node in cluster.nodes}) == 1
    assert len({node_id(node) for node in cluster.nodes}) == 3


def test_lists_that_differ_are_named_and_nothing_begins(cluster_of: MakeCluster) -> None:
    cluster = cluster_of()
    first, second, third = (node.address for node in cluster.nodes)
    for node in cluster.nodes[:2]:
        node.arguments[:2] = ["--cluster", f"{first},{second}"]
    for node in cluster.nodes[2:]:
        node.arguments[:2] = ["--cluster", f"{first},{second},{third}"]
    cluster.nodes[0].launch()
    cluster.nodes[2].launch()
    wait_said(cluster.nodes[2], f"{first} was started with another list of members: ")
    time.sleep(0.5)
    for node in (cluster.nodes[0], cluster.nodes[2]):
        assert not is_ready(node)
        assert cluster_id(node) == ""
    # The two that hold the same list may begin; the third is none of theirs, so it comes in like any other.
    cluster.nodes[1].launch()
    for node in cluster.nodes[:2]:
        wait_ready(node)
    wait_part(cluster.nodes[0], third, "learner")


def test_a_fourth_node_joins_and_gets_a_vote(cluster_of: MakeCluster) -> None:
    cluster = cluster_of()
    cluster.start()
    for number in range(20):
        assert is_published(publish(cluster.nodes[0], f"before-{number}", "x" * 100))
    fourth = cluster.make_node(free_ports(1)[0], "--join", cluster.followers()[0].address)
    cluster.nodes.append(fourth)
    fourth.launch()
    wait_ready(fourth)
    wait_part(cluster.nodes[0], fourth.address, "voter")
    wait_published(fourth, "through-the-fourth", "x")
    cluster.wait_same([f"before-{number}" for number in range(20)] + ["through-the-fourth"])
    listed = ask(fourth, "GET", "/nacos/serverlist")
    assert listed is not None
    assert sorted(listed.text.split()) == sorted(node.address for node in cluster.nodes)
    # Its vote counts: three of four are a majority, and without the leader it takes the fourth.
    cluster.leader().kill()
    wait_published(fourth, "after", "x")


def test_an_empty_folder_comes_back_as_a_learner_under_a_new_id(cluster_of: MakeCluster) -> None:
    cluster = cluster_of()
    cluster.start()
    wait_published(cluster.nodes[0], "kept", "x")
    lost = cluster.followers()[0]
    old_id = node_id(lost)
    lost.kill()
    shutil.rmtree(lost.data)
    lost.launch()
    wait_ready(lost)
    new_id = node_id(lost)
    assert new_id != old_id
    cluster.wait_same(["kept"])
    assert ids(cluster.leader())[new_id] == "learner", "who has forgotten what it promised has no vote"
    assert old_id not in ids(cluster.leader()), "the one whose place it takes does not come back"
    answer = ask(cluster.leader(), "POST", MEMBER, address=lost.address)
    assert answer is not None
    assert answer.status == 200, answer
    wait_until(lambda: ids(lost).get(new_id) == "voter", 10, lambda: f"{ids(lost)}")


def test_a_removed_log_with_a_kept_identity_does_not_start(cluster_of: MakeCluster) -> None:
    cluster = cluster_of()
    cluster.start()
    node = cluster.followers()[0]
    node.kill()
    shutil.rmtree(node.data / "log")
    node.launch()
    assert node.process.wait(10) == 1
    assert node_id(node) in node.errors
    assert "its log is gone" in node.errors


def test_a_member_that_is_not_told_of_its_cluster_does_not_start_alone(cluster_of: MakeCluster) -> None:
    cluster = cluster_of()
    cluster.start()
    node = cluster.followers()[0]
    belongs_to = known_cluster_id(node)
    node.end()
    node.arguments[:2] = []
    node.launch()
    assert node.process.wait(10) == 1
    assert f"belongs to a member of cluster {belongs_to}" in node.errors
    assert "--advertise" in node.errors


def test_a_member_that_comes_back_on_other_ports_is_the_same_member(cluster_of: MakeCluster) -> None:
    cluster = cluster_of()
    cluster.start()
    moved = cluster.followers()[0]
    old_id, old_address = node_id(moved), moved.address
    moved.end()
    wait_published(cluster.leader(), "meanwhile", "x")
    moved.port = free_ports(1)[0]
    moved.arguments[:2] = ["--advertise", moved.address]
    moved.launch()
    wait_ready(moved)
    wait_part(cluster.leader(), moved.address, "voter")
    assert old_address not in parts(cluster.leader())
    assert node_id(moved) == old_id
    cluster.wait_same(["meanwhile"])
    cluster.leader(but_not=[moved]).kill()
    wait_published(moved, "its-vote-counts", "x")


def test_two_clusters_do_not_merge(cluster_of: MakeCluster) -> None:
    ours, theirs = cluster_of(), cluster_of()
    ours.start()
    theirs.start()
    our_id, their_id = known_cluster_id(ours.nodes[0]), known_cluster_id(theirs.nodes[0])
    answer = ask(ours.leader(), "POST", MEMBER, address=theirs.nodes[0].address)
    assert answer is not None
    assert answer.status == 400, answer
    assert our_id in answer.text
    assert their_id in answer.text
    stray = theirs.followers()[0]
    stray.end()
    stray.arguments[:2] = ["--join", ours.nodes[0].address]
    stray.launch()
    wait_ready(stray)
    wait_said(stray, f"the dialling side belongs to cluster {their_id}, the accepting side to cluster {our_id}")
    assert len(parts(ours.leader())) == 3
    assert sorted(parts(stray)) == sorted(node.address for node in theirs.nodes)
    wait_published(stray, "where", "theirs")
    wait_published(ours.nodes[0], "where", "ours")
    assert theirs.wait_same(["where"]) == ["theirs"]
    assert ours.wait_same(["where"]) == ["ours"]


def test_ports_that_meet_are_refused_and_both_are_named(cluster_of: MakeCluster) -> None:
    cluster = cluster_of(count=1)
    (node,) = cluster.nodes
    node.arguments[:2] = ["--cluster", f"{node.address},127.0.0.1:{node.port + 1}"]
    node.launch()
    assert node.process.wait(10) == 2
    assert f"by {node.address} for peers, by 127.0.0.1:{node.port + 1} for gRPC" in node.errors


def test_members_elsewhere_need_a_secret(cluster_of: MakeCluster) -> None:
    cluster = cluster_of(count=1)
    (node,) = cluster.nodes
    node.arguments[:2] = ["--cluster", f"{node.address},10.0.0.2:8848"]
    node.launch()
    assert node.process.wait(10) == 2
    assert "the member 10.0.0.2:8848 is not on a loopback address and there is no cluster secret" in node.errors


def test_a_node_with_another_secret_or_none_stays_outside(cluster_of: MakeCluster) -> None:
    cluster = cluster_of()
    first, second, third = cluster.nodes
    first.environment["NACOS_CORE_CLUSTER_SECRET"] = "a secret of sixteen"
    second.environment["NACOS_CORE_CLUSTER_SECRET"] = "another of sixteen"
    for node in cluster.nodes:
        node.launch()
    wait_said(second, "the cluster secret differs")
    wait_said(third, "has a cluster secret and")
    time.sleep(0.3)
    for node in cluster.nodes:
        assert not is_ready(node)
        assert cluster_id(node) == ""
        assert "of sixteen" not in node.errors, "a secret is not told"
        node.kill()
    for node in cluster.nodes:
        node.environment["NACOS_CORE_CLUSTER_SECRET"] = "a secret of sixteen"
    cluster.start()
