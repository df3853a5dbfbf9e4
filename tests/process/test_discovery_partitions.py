"""Nodes in network namespaces, whose wires are pulled: consumers on both sides go on seeing what lives on theirs."""

from __future__ import annotations

import contextlib
import itertools
import time
from typing import TYPE_CHECKING, Any

from nacos_core import limits
from support.cluster_process import wait_until
from support.discovery_clients import BeatingProvider, Consumer, Provider, listed
from wire.client import call_http

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from support.network_namespaces import NamespaceCluster
    from support.node_process import NodeProcess

    Separate = Callable[..., NamespaceCluster]

GRACE_MS = 12_000
QUIET_S = 6.0
"""Longer than a verify interval: what is not yet equal would be found and pushed."""
MINORITY_HEARS_BEATS = "10.0.1.3"


def view(node: NodeProcess) -> Any:
    return call_http(node.port, "GET", "/nacos/v3/admin/core/distro/consistency", host=node.host).json["data"]


def digests(node: NodeProcess) -> dict[str, str]:
    return {holder["nodeId"]: holder["digest"] for holder in view(node)["holders"] if holder["records"]}


def wait_listed(nodes: Sequence[NodeProcess], wanted: list[str], within_s: float) -> None:
    wait_until(
        lambda: all(listed(node) == wanted for node in nodes), within_s, lambda: f"{[listed(node) for node in nodes]}"
    )


def publish_everywhere(stack: contextlib.ExitStack, cluster: NamespaceCluster) -> list[str]:
    """A provider over gRPC and one that beats at each node, which use no other one; gives what is to be listed."""
    for number, node in enumerate(cluster.nodes, 1):
        stack.enter_context(Provider(f"10.0.0.{number}", [node]))
        stack.enter_context(BeatingProvider(f"10.0.1.{number}", [node]))
    everything = sorted(f"10.0.{kind}.{number}" for kind in (0, 1) for number in (1, 2, 3))
    wait_listed(cluster.nodes, everything, 10)
    return everything


def started(separate: Separate) -> NamespaceCluster:
    cluster = separate("--distro-connection-grace-ms", str(GRACE_MS))
    wait_until(lambda: all(len(view(node)["responsible"]) == 3 for node in cluster.nodes), 10, lambda: "not all serve")
    return cluster


def test_a_partition_that_is_shorter_than_the_grace_is_seen_by_no_consumer(separate: Separate) -> None:
    cluster = started(separate)
    with contextlib.ExitStack() as stack:
        everything = publish_everywhere(stack, cluster)
        consumers = [stack.enter_context(Consumer(node)) for node in cluster.nodes]
        cluster.cut(cluster.nodes[2])
        time.sleep(GRACE_MS / 1000 - 4)
        assert not view(cluster.nodes[2])["seesMajority"]
        cluster.heal()
        time.sleep(QUIET_S)
        assert [listed(node) for node in cluster.nodes] == [everything] * 3
        assert [set(consumer.told) for consumer in consumers] == [{tuple(everything)}] * 3


def test_both_sides_of_a_partition_keep_what_lives_there_and_agree_afterwards(separate: Separate) -> None:
    cluster = started(separate)
    alone, majority = cluster.nodes[2], cluster.nodes[:2]
    with contextlib.ExitStack() as stack:
        everything = publish_everywhere(stack, cluster)
        # Addresses beat on at the node that is cut off, and nobody else hears them.
        living = [ip for ip in everything if ip not in ("10.0.0.3", MINORITY_HEARS_BEATS)]
        consumers = [stack.enter_context(Consumer(node)) for node in cluster.nodes]
        cluster.cut(alone)
        wait_until(lambda: "10.0.0.3" not in listed(majority[0]), GRACE_MS / 1000 + 10, lambda: "it stays")
        for node in majority:
            assert set(living) <= set(listed(node))
        # It keeps everything, for as long as it likes, and says that it does not know better.
        assert listed(alone) == everything
        stale = [holder["isStale"] for holder in view(alone)["holders"] if not holder["isOwn"] and holder["records"]]
        assert stale
        assert all(stale)
        # Both sides take registrations.
        for number, node in ((8, alone), (9, majority[1])):
            stack.enter_context(Provider(f"10.0.0.{number}", [node]))
        assert listed(alone) == sorted([*everything, "10.0.0.8"])
        cluster.heal()
        now_all = sorted([*everything, "10.0.0.8", "10.0.0.9"])
        wait_listed(cluster.nodes, now_all, 3 * limits.DISTRO_VERIFY_SECONDS)
        wait_until(
            lambda: all(consumer.told[-1] == tuple(now_all) for consumer in consumers), 5, lambda: "they are not told"
        )
        told_counts = [len(consumer.told) for consumer in consumers]
        time.sleep(QUIET_S)
        for consumer, count in zip(consumers, told_counts, strict=True):
            # What did not beat where it was heard may become healthy again; nothing else changes.
            assert set(consumer.told[count:]) <= {tuple(now_all)}
        assert digests(majority[0]) == digests(majority[1]) == digests(alone)
        for consumer in consumers[:2]:
            assert all(set(living) <= set(told) for told in consumer.told), consumer.told
        assert all(set(everything) <= set(told) for told in consumers[2].told), consumers[2].told
        for consumer in consumers:
            assert_no_flapping(consumer.told)


def assert_no_flapping(told: list[tuple[str, ...]]) -> None:
    """What has gone may come back once, when the wire is whole again; what is there then stays."""
    for ip in {ip for ips in told for ip in ips}:
        states = [ip in ips for ips in told]
        gone_count = sum(before and not after for before, after in itertools.pairwise(states))
        assert gone_count <= 1, (ip, told)
