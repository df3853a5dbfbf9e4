"""Processes of a cluster are killed, halted and restarted while clients write: what was acknowledged stays, once."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from support.cluster_process import is_published, is_ready, publish, read, wait_published, wait_ready, wait_until
from support.cluster_writers import Judge, Writers

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.cluster_process import ClusterProcess

    MakeCluster = Callable[..., ClusterProcess]


ELECTION_TIMEOUT_S = 0.3
"""The longest that is drawn."""


def check(cluster: ClusterProcess, writers: Writers) -> None:
    """Every node holds the same, and that is what was acknowledged."""
    held = cluster.wait_same(writers.data_ids)
    assert writers.complaints(held) == []


@pytest.mark.parametrize("count", [3, 5])
def test_leaders_are_killed_while_clients_write(cluster_of: MakeCluster, count: int) -> None:
    cluster = cluster_of("--log-level", "info", count=count)
    cluster.start()
    with Writers(cluster.nodes) as writers:
        for _ in range(3):
            writers.wait_acknowledged(50)
            leader = cluster.leader()
            leader.kill()
            cluster.leader(but_not=[leader])
            writers.wait_acknowledged(50)
            leader.launch()
            wait_ready(leader)
    check(cluster, writers)


def test_followers_are_killed_while_clients_write(cluster_of: MakeCluster) -> None:
    cluster = cluster_of()
    cluster.start()
    leader = cluster.leader()
    with Writers(cluster.nodes) as writers:
        for follower in cluster.followers() * 2:
            writers.wait_acknowledged(50)
            follower.kill()
            writers.wait_acknowledged(50)
            follower.launch()
            wait_ready(follower)
    assert cluster.leader() is leader, "who does not lead takes no leader away"
    check(cluster, writers)


def test_all_are_killed_at_once(cluster_of: MakeCluster) -> None:
    cluster = cluster_of()
    cluster.start()
    with Writers(cluster.nodes) as writers:
        for _ in range(3):
            writers.wait_acknowledged(100)
            for node in cluster.nodes:
                node.process.kill()
            for node in cluster.nodes:
                node.kill()
                node.launch()
            for node in cluster.nodes:
                wait_ready(node)
            cluster.leader()
        writers.wait_acknowledged(50)
    check(cluster, writers)


def test_a_leader_that_was_halted_acknowledges_nothing_that_is_not_kept(cluster_of: MakeCluster) -> None:
    cluster = cluster_of()
    cluster.start()
    with Writers(cluster.followers()) as writers:
        for round_number in range(2):
            halted = cluster.leader()
            told: list[bool] = []
            content = f"told to the halted leader {round_number}"
            halted.process.send_signal(signal.SIGSTOP)
            try:
                asking = threading.Thread(
                    target=lambda to=halted, said=content, into=told: into.append(
                        is_published(publish(to, "halted", said, within_s=10))
                    )
                )
                asking.start()  # lies in its socket until it runs again and takes itself for the leader
                cluster_without = [node for node in cluster.nodes if node is not halted]
                wait_published(cluster_without[0], "meanwhile", content)
                writers.wait_acknowledged(50)
                time.sleep(2)
            finally:
                halted.process.send_signal(signal.SIGCONT)
            asking.join(12)
            assert told, "the halted leader has not answered"
            if told[0]:
                assert cluster.wait_same(["halted"]) == [content], "acknowledged and not kept"
            writers.wait_acknowledged(50)
            assert cluster.wait_same(["meanwhile"]) == [content]
    check(cluster, writers)


def test_a_rolling_restart_keeps_no_client_waiting_for_an_election(cluster_of: MakeCluster) -> None:
    cluster = cluster_of()
    cluster.start()
    with Writers(cluster.nodes) as writers:
        writers.wait_acknowledged(50)
        gaps_s = []
        for _ in range(2):
            for node in cluster.nodes:
                began = time.monotonic()
                code, _took_s = node.end()
                assert code == 0
                writers.wait_acknowledged(20)
                gaps_s.append(writers.longest_gap_s(began))
                node.launch()
                wait_ready(node)
                writers.wait_acknowledged(20)
    print("longest gaps between writes, ms:", [round(gap * 1000) for gap in gaps_s])
    check(cluster, writers)
    assert sorted(gaps_s)[len(gaps_s) // 2] < ELECTION_TIMEOUT_S / 2, gaps_s


def test_without_a_majority_reads_go_on_and_writes_are_refused(cluster_of: MakeCluster) -> None:
    cluster = cluster_of()
    cluster.start()
    left = cluster.leader()
    wait_published(left, "known", "before")
    cluster.wait_same(["known"])
    others = cluster.followers()
    for node in others:
        node.kill()
    answer = publish(left, "known", "alone")
    assert not is_published(answer)
    assert read(left, "known") == "before"
    time.sleep(1)
    answer = publish(left, "other", "alone")
    assert answer is not None
    assert (answer.status, "no leader" in answer.text) == (503, True), answer
    assert is_ready(left), "readiness does not wait for a leader"
    left.kill()
    left.launch()
    wait_ready(left)
    assert read(left, "known") in ("before", "alone")
    assert read(left, "other") is None, "what was refused was not written"
    for node in others:
        node.launch()
        wait_ready(node)
    wait_published(left, "other", "together")
    judge = Judge("before", {"alone"})
    (held,) = cluster.wait_same(["known"])
    assert judge.allows(held)
    wait_until(lambda: [read(node, "other") for node in cluster.nodes] == ["together"] * 3, 5, lambda: "not everywhere")
