"""Nodes in network namespaces, whose wires are pulled: the majority goes on, the rest acknowledges nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from support.cluster_process import ask, is_published, is_ready, publish, read, wait_published, wait_until
from support.cluster_writers import Writers
from wire import phrases

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.network_namespaces import NamespaceCluster
    from support.node_process import NodeProcess

    Separate = Callable[..., NamespaceCluster]

RAFT_STATE = "/nacos/v3/admin/core/raft/state"


def check(cluster: NamespaceCluster, writers: Writers) -> None:
    held = cluster.wait_same(writers.data_ids, within_s=20)
    assert writers.complaints(held) == []


def term(node: NodeProcess) -> int:
    answer = ask(node, "GET", RAFT_STATE)
    assert answer is not None
    return int(answer.json["data"]["term"])


def read_linearizable(node: NodeProcess, data_id: str) -> int:
    query = {"dataId": data_id, "group": phrases.GROUP, "linearizable": "true"}
    answer = ask(node, "GET", phrases.V1_CONFIG, within_s=6, **query)
    assert answer is not None
    return answer.status


def test_a_leader_that_is_cut_off_acknowledges_nothing_and_the_others_go_on(separate: Separate) -> None:
    cluster = separate()
    with Writers(cluster.nodes) as writers:
        for round_number in range(2):
            writers.wait_acknowledged(50)
            alone = cluster.leader()
            others = [node for node in cluster.nodes if node is not alone]
            wait_published(alone, "known", f"before {round_number}")
            cluster.wait_same(["known"])
            cluster.cut(alone)
            answer = publish(alone, "alone", f"alone {round_number}")
            assert not is_published(answer)
            wait_published(others[0], "known", f"after {round_number}")
            writers.wait_acknowledged(50)
            assert read(alone, "known") == f"before {round_number}", "a local read needs no leader"
            assert read_linearizable(alone, "known") != 200, "what it holds is not what was acknowledged last"
            assert read_linearizable(others[1], "known") == 200
            assert is_ready(alone)
            assert not is_published(publish(alone, "alone", f"alone later {round_number}"))
            cluster.heal()
            wait_published(alone, "healed", f"{round_number}", within_s=15)
            assert cluster.wait_same(["known"]) == [f"after {round_number}"]
    check(cluster, writers)


def test_a_follower_that_is_cut_off_deposes_nobody_when_it_comes_back(separate: Separate) -> None:
    cluster = separate()
    leader, (alone, _other) = cluster.leader(), cluster.followers()
    before = term(leader)
    with Writers([node for node in cluster.nodes if node is not alone]) as writers:
        writers.wait_acknowledged(20)
        cluster.cut(alone)
        writers.wait_acknowledged(50)
        time.sleep(2)  # it asks whether it would be elected, again and again
        assert not is_published(publish(alone, "alone", "x"))
        cluster.heal()
        wait_published(alone, "healed", "x", within_s=15)
        writers.wait_acknowledged(50)
    assert cluster.leader() is leader
    assert term(leader) == before
    check(cluster, writers)


def test_two_of_five_with_the_old_leader_against_three(separate: Separate) -> None:
    cluster = separate(count=5)
    with Writers(cluster.nodes) as writers:
        writers.wait_acknowledged(50)
        leader = cluster.leader()
        few = [leader, cluster.followers()[0]]
        many = [node for node in cluster.nodes if node not in few]
        cluster.cut_together(*few)
        answers = [publish(node, "few", "x") for node in few]
        assert not any(is_published(answer) for answer in answers)
        wait_published(many[0], "many", "x")
        writers.wait_acknowledged(50)
        cluster.heal()
        for node in few:
            wait_published(node, "healed", "x", within_s=15)
    check(cluster, writers)
    assert cluster.wait_same(["many"]) == ["x"]


def test_when_nobody_reaches_anybody_all_can_be_read_and_nothing_is_written(separate: Separate) -> None:
    cluster = separate()
    wait_published(cluster.nodes[0], "known", "before")
    cluster.wait_same(["known"])
    cluster.cut(*cluster.nodes)
    time.sleep(1)
    for number, node in enumerate(cluster.nodes):
        answer = publish(node, f"alone-{number}", "x")
        assert answer is not None
        assert (answer.status, "no leader" in answer.text) == (503, True), answer
        assert read(node, "known") == "before"
        assert is_ready(node)
    cluster.heal()
    wait_published(cluster.nodes[0], "known", "after", within_s=15)
    assert cluster.wait_same(["known", "alone-0", "alone-1", "alone-2"]) == ["after", None, None, None]


def test_two_that_do_not_reach_each_other_and_a_third_that_reaches_both(separate: Separate) -> None:
    """The leader keeps the lead: whoever hears it helps nobody else."""
    cluster = separate()
    leader, (apart, between) = cluster.leader(), cluster.followers()
    with Writers([leader, between]) as writers:
        writers.wait_acknowledged(50)
        cluster.cut_between(leader, apart)
        time.sleep(1.5)
        before = term(between)
        writers.wait_acknowledged(100)
        time.sleep(1)
        writers.wait_acknowledged(50)
        assert term(between) == before, "leaders must not take turns"
        cluster.heal()
        wait_published(apart, "healed", "x", within_s=15)
    check(cluster, writers)
    wait_until(lambda: read(apart, "healed") == "x", 10, lambda: "the one apart does not catch up")
