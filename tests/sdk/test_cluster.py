"""Three nodes, clients of several languages each at a node of its own, and every node killed in turn."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Self
from urllib.parse import urlencode

import pytest

import test_go
import test_java
import test_node
from harness import GROUP, Client, instance, ports, unique
from scenarios import eventually
from support.cluster_process import ClusterProcess, ask, is_running, wait_ready

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness import ClientKind
    from support.node_process import NodeProcess

PROVIDERS = {7001: test_go.TestGo.kind, 7002: test_node.TestNode.kind, 7003: test_java.V2}
"""Libraries that register again within the grace. That of Python does so only every 30 s: whoever uses it sets
``--distro-connection-grace-ms`` higher."""
CONSISTENCY = "/nacos/v3/admin/core/distro/consistency"
BACK_WITHIN_S = 40.0
"""A client's library takes its time to find that its server is there again."""


class Watch:
    """Asks every node for the list of a service, all the time, and keeps what was not whole."""

    def __init__(self, cluster: ClusterProcess, service: str) -> None:
        self.broken: list[str] = []
        self.asked_count = 0
        self._began = time.monotonic()
        self._cluster = cluster
        self._path = f"/nacos/v1/ns/instance/list?{urlencode({'serviceName': service, 'groupName': GROUP})}"
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._is_over.set()
        self._thread.join(20)

    def _run(self) -> None:
        while not self._is_over.wait(0.02):
            for number, node in enumerate(self._cluster.nodes):
                answer = ask(node, "GET", self._path, within_s=2.0) if is_running(node) else None
                if answer is not None and answer.status == 200:  # until it has loaded it says that it is starting
                    self.asked_count += 1
                    found = ports(answer.json["hosts"])
                    if found != sorted(PROVIDERS):
                        self.broken.append(f"{time.monotonic() - self._began:.2f} s: node {number} listed {found}")


def is_held_by_the_living(node: NodeProcess, service: str) -> bool:
    """Every instance is published through a node that is there, in that node's present run."""
    answer = ask(node, "GET", CONSISTENCY, serviceName=service, groupName=GROUP)
    if answer is None or answer.status != 200:
        return False
    publishers = [each for each in answer.json["data"]["publishers"] if not each["hidden"]]
    return len(publishers) == len(PROVIDERS) and all("is gone" not in each["why"] for each in publishers)


@pytest.mark.sdk
@pytest.mark.timeout(600)  # the client programs may have to be built
def test_no_consumer_sees_a_live_provider_vanish_while_every_node_is_killed_in_turn(
    command_of: Callable[[ClientKind], list[str]], tmp_path: Path
) -> None:
    commands = {port: command_of(kind) for port, kind in PROVIDERS.items()}
    service = unique("cluster")
    clients: list[Client] = []
    with ClusterProcess(tmp_path / "nodes") as cluster:
        cluster.start()
        try:
            for (port, kind), node in zip(PROVIDERS.items(), cluster.nodes, strict=True):
                clients.append(Client(kind, commands[port], node.address, tmp_path / kind.name))
            for client, port in zip(clients, PROVIDERS, strict=True):
                assert client.wait_ready().register(service, instance(port))
            began = time.monotonic()
            subscriptions = [client.subscribe(service) for client in clients]
            for subscription in subscriptions:
                subscription.hears(sorted(PROVIDERS), began, 10)
            settled = time.monotonic()
            with Watch(cluster, service) as watch:
                for node in cluster.nodes:
                    node.kill()
                    time.sleep(1.0)
                    node.launch()
                    wait_ready(node)
                    eventually(
                        lambda node=node: is_held_by_the_living(node, service), BACK_WITHIN_S, "everybody is back"
                    )
            assert watch.asked_count > 100
            assert watch.broken == []
            for client in clients:
                told = [ports(event["instances"]) for event in client.events("instances", settled)]
                assert all(each == sorted(PROVIDERS) for each in told), f"{client.kind.name} was told {told}"
                assert ports(client.instances(service)) == sorted(PROVIDERS)
        finally:
            for client in clients:
                client.close()
