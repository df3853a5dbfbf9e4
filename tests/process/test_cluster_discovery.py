"""Three processes: what is registered at one is found at all, and stays while nodes are killed and come back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from support.cluster_process import ClusterProcess, wait_ready
from wire.client import GrpcConnection, call_http

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.node_process import NodeProcess

INSTANCE = "/nacos/v1/ns/instance"
GRACE_MS = 12_000
KEY = {"namespace": "public", "serviceName": "orders", "groupName": "DEFAULT_GROUP"}


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


def listed(node: NodeProcess) -> list[str]:
    hosts = call_http(node.port, "GET", f"{INSTANCE}/list", {"serviceName": "orders"}).json["hosts"]
    return sorted(host["ip"] for host in hosts)


def register(connection: GrpcConnection, *ips: str) -> None:
    instances = [
        {"ip": ip, "port": 80, "weight": 1.0, "healthy": True, "enabled": True, "ephemeral": True} for ip in ips
    ]
    request = {**KEY, "type": "batchRegisterInstance", "instances": instances}
    assert connection.call("BatchInstanceRequest", request).body["resultCode"] == 200


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
        assert listed(second) == everything[1:]


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
