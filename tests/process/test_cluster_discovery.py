"""Three processes: what is registered at one is found at all, and stays while nodes are killed and come back."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import pytest

from support.cluster_process import ClusterProcess, wait_ready
from support.discovery_clients import BeatingProvider, Consumer, Provider, listed, register
from wire.client import GrpcConnection, call_http

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.node_process import NodeProcess

GRACE_MS = 12_000


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ClusterProcess]:
    with ClusterProcess(tmp_path, "--distro-connection-grace-ms", str(GRACE_MS)) as cluster:
        cluster.start()
        until(lambda: all(len(consistency(node)["responsible"]) == 3 for node in cluster.nodes))
        yield cluster


def until(is_so: Callable[[], bool], within_s: float = 10.0) -> None:
    ends_at = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < ends_at, "it did not come about in time"
        time.sleep(0.01)


def consistency(node: NodeProcess) -> Any:
    return call_http(node.port, "GET", "/nacos/v3/admin/core/distro/consistency").json["data"]


def test_a_killed_nodes_instances_stay_for_the_grace_and_go_and_nobody_else_is_missed(cluster: ClusterProcess) -> None:
    first, second, third = cluster.nodes
    with GrpcConnection(first.port + 1000) as dying, GrpcConnection(second.port + 1000) as living:
        dying.set_up()
        living.set_up()
        register(dying, "10.0.0.1")
        register(living, "10.0.0.2", "10.0.0.3")
        everything = ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
        until(lambda: all(listed(node) == everything for node in cluster.nodes), 0.5)
        killed_at = time.monotonic()
        first.kill()
        while time.monotonic() - killed_at < GRACE_MS / 1000 - 1.5:
            assert listed(third) == everything
            time.sleep(0.05)
        until(lambda: listed(third) == everything[1:], 5)
        until(lambda: listed(second) == everything[1:], 2)  # it counts from when it last heard the other


def test_every_node_is_killed_and_started_in_turn_and_a_client_that_moves_is_never_missing(
    cluster: ClusterProcess,
) -> None:
    def look() -> None:
        for node in cluster.nodes:
            if node is not away:
                assert listed(node) == ["10.0.0.1"], consistency(node)

    away: NodeProcess | None = None
    connection = GrpcConnection(cluster.nodes[0].port + 1000)
    connection.set_up()
    register(connection, "10.0.0.1")
    until(lambda: all(listed(node) == ["10.0.0.1"] for node in cluster.nodes))
    for number, node in enumerate(cluster.nodes):
        away = node
        node.kill()
        connection.close()
        look()
        connection = GrpcConnection(cluster.nodes[(number + 1) % 3].port + 1000)
        connection.set_up()
        register(connection, "10.0.0.1")
        for _ in range(20):
            look()
            time.sleep(0.05)
        node.launch()
        wait_ready(node)
        away = None
        for _ in range(20):
            look()
            time.sleep(0.05)
    connection.close()


def test_a_node_that_stops_tells_nobody_less(cluster: ClusterProcess) -> None:
    """Neither its own subscribers while it closes connections one after the other, nor the other nodes."""
    stopping, *others = cluster.nodes
    everything = [f"10.0.0.{number:02}" for number in range(20)]
    with contextlib.ExitStack() as stack:
        for ip in everything:
            connection = stack.enter_context(GrpcConnection(stopping.grpc_port))
            connection.set_up()
            register(connection, ip)
        until(lambda: all(listed(node) == everything for node in cluster.nodes))
        consumers = [stack.enter_context(Consumer(node)) for node in (stopping, stopping, *others)]
        stopped_at = time.monotonic()
        code, _ = stopping.end()
        assert code == 0
        until(lambda: consumers[0].has_ended and consumers[1].has_ended)
        while time.monotonic() - stopped_at < GRACE_MS / 1000 - 1.5:
            assert [listed(node) for node in others] == [everything] * 2
            time.sleep(0.1)
        assert [set(consumer.told) for consumer in consumers] == [{tuple(everything)}] * 4
        until(lambda: listed(others[0]) == [], 5)
        # They have not come back, so they go, all at once.
        until(lambda: consumers[2].told[-1] == (), 5)
        assert set(consumers[2].told) == {tuple(everything), ()}


def test_clients_with_a_list_of_servers_are_never_missing_while_one_is_down_for_longer_than_the_grace(
    cluster: ClusterProcess,
) -> None:
    with contextlib.ExitStack() as stack:
        providers = [
            stack.enter_context(kind(f"10.0.{at}.{number}", [*cluster.nodes[number:], *cluster.nodes[:number]]))
            for at, kind in enumerate((Provider, BeatingProvider))
            for number in range(3)
        ]
        everything = sorted(provider.ip for provider in providers)
        until(lambda: all(listed(node) == everything for node in cluster.nodes))
        away, *others = cluster.nodes
        consumers = [stack.enter_context(Consumer(node)) for node in others]
        away.kill()
        killed_at = time.monotonic()
        while time.monotonic() - killed_at < GRACE_MS / 1000 + 6:
            assert [listed(node) for node in others] == [everything] * 2
            time.sleep(0.1)
        away.launch()
        wait_ready(away)
        assert listed(away) == everything, "it is complete as soon as it is ready"
        time.sleep(3)
        for consumer in consumers:
            assert set(consumer.told) == {tuple(everything)}, consumer.told
        assert providers[0].moves_count == 1  # type: ignore[union-attr]
