"""Three processes check what they were given, each its share, and all show the same health."""

from __future__ import annotations

import http.server
import json
import re
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from support.cluster_process import ClusterProcess
from wire.client import GrpcConnection, call_http

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.node_process import NodeProcess, StartNode

INSTANCE = "/nacos/v1/ns/instance"
ADMIN = "/nacos/v3/admin"
LOOPBACK = ("--health-check-networks", "127.0.0.0/8")
FLIP_WITHIN_S = 25.0
pytestmark = pytest.mark.process


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ClusterProcess]:
    with ClusterProcess(tmp_path, *LOOPBACK) as cluster:
        cluster.start()
        consistency = f"{ADMIN}/core/distro/consistency"
        until(lambda: all(len(get(node, consistency)["responsible"]) == 3 for node in cluster.nodes))
        yield cluster


def until(is_so: Callable[[], bool], within_s: float = 10.0) -> None:
    ends_at = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < ends_at, "it did not come about in time"
        time.sleep(0.05)


def get(node: NodeProcess, path: str, **fields: Any) -> Any:
    return call_http(node.port, "GET", path, fields).json["data"]


def register(node: NodeProcess, port: int, ip: str = "127.0.0.1", name: str = "checked") -> None:
    form = {"serviceName": name, "ip": ip, "port": port, "ephemeral": "false"}
    assert call_http(node.port, "POST", INSTANCE, form=form).text == "ok"


def health(node: NodeProcess, name: str = "checked") -> dict[int, bool]:
    """As operators see it: what clients are shown may be protected."""
    hosts = get(node, f"{ADMIN}/ns/instance/list", serviceName=name)
    return {host["port"]: host["healthy"] for host in hosts}


def checked_counts(nodes: list[NodeProcess]) -> list[int]:
    texts = [call_http(node.port, "GET", "/nacos/actuator/prometheus").text for node in nodes]
    return [int(count) for text in texts for count in re.findall(r"^nacos_core_health_checked (\d+)$", text, re.M)]


def test_each_instance_is_checked_by_one_node_and_all_show_the_same(cluster: ClusterProcess) -> None:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(9)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for port in ports:
        register(cluster.nodes[0], port)
    until(lambda: sum(checked_counts(cluster.nodes)) == 9)
    listeners[0].close()
    expected = {port: port != ports[0] for port in ports}
    until(lambda: all(health(node) == expected for node in cluster.nodes), FLIP_WITHIN_S)
    counts = checked_counts(cluster.nodes)
    assert sum(counts) == 9
    assert max(counts) < 9
    cluster.nodes[1].kill()
    others = [cluster.nodes[0], cluster.nodes[2]]
    until(lambda: sum(checked_counts(others)) == 9, FLIP_WITHIN_S)
    listeners[1].close()
    expected[ports[1]] = False
    until(lambda: all(health(node) == expected for node in others), FLIP_WITHIN_S)
    for listener in listeners:
        listener.close()


class Page(http.server.BaseHTTPRequestHandler):
    """Answers with the status that its path names."""

    def do_GET(self) -> None:
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Says nothing."""


def test_an_http_check_follows_what_is_answered(start_node: StartNode) -> None:
    node = start_node(*LOOPBACK)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        server.status = 200  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        register(node, port)
        checker = json.dumps({"type": "HTTP", "path": "/ping", "headers": "X-One:1"})
        cluster = {"clusterName": "DEFAULT", "checkPort": "80", "useInstancePort4Check": "true"}
        form = {"serviceName": "checked", **cluster, "healthChecker": checker}
        assert call_http(node.port, "PUT", f"{ADMIN}/ns/cluster", form).json["code"] == 0
        pace = json.dumps({"max": 300, "min": 100, "factor": 0.0})
        form = {"entry": "httpHealthParams", "value": pace}
        assert call_http(node.port, "PUT", f"{ADMIN}/ns/ops/switches", form=form).json["code"] == 0
        server.status = 500  # type: ignore[attr-defined]
        until(lambda: health(node) == {port: False}, FLIP_WITHIN_S)
        server.status = 200  # type: ignore[attr-defined]
        until(lambda: health(node) == {port: True}, FLIP_WITHIN_S)
        server.shutdown()


def test_a_node_that_was_told_nothing_checks_nothing(start_node: StartNode) -> None:
    node = start_node()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(9)
        register(node, listener.getsockname()[1])
        with pytest.raises(TimeoutError):
            listener.accept()


def test_clients_of_all_nodes_are_shown_by_each(cluster: ClusterProcess) -> None:
    key = {"serviceName": "watched", "groupName": "DEFAULT_GROUP"}
    config = {"dataId": "watched", "group": "DEFAULT_GROUP", "tenant": "", "md5": "x"}
    connections = [GrpcConnection(node.grpc_port) for node in cluster.nodes]
    for number, connection in enumerate(connections):
        connection.set_up(version=f"client-{number}")
        connection.call("SubscribeServiceRequest", {"namespace": "public", **key, "subscribe": True, "clusters": ""})
        connection.call("ConfigBatchListenRequest", {"listen": True, "configListenContexts": [config]})
    for number, node in enumerate(cluster.nodes):
        shown = get(node, f"{ADMIN}/ns/service/subscribers", **key)["pageItems"]
        assert {each["agent"] for each in shown} == {"client-0", "client-1", "client-2"}
        alone = get(node, f"{ADMIN}/ns/service/subscribers", aggregation="false", **key)["pageItems"]
        assert {each["agent"] for each in alone} == {f"client-{number}"}
        listening = {"dataId": "watched", "groupName": "DEFAULT_GROUP"}
        assert get(node, f"{ADMIN}/cs/config/listener", **listening)["listenersStatus"] == {"127.0.0.1": "x"}
    connections[0].close()
    connections[1].close()
    listening = {"ip": "127.0.0.1"}
    for node in cluster.nodes[:2]:
        until(lambda node=node: len(get(node, f"{ADMIN}/ns/service/subscribers", **key)["pageItems"]) == 1)  # type: ignore[misc]
        held = get(node, f"{ADMIN}/cs/listener", **listening)["listenersStatus"]
        assert held == {"watched+DEFAULT_GROUP+public": "x"}, "it is a client of the third node"
        assert get(node, f"{ADMIN}/cs/listener", aggregation="false", **listening)["listenersStatus"] == {}
    connections[2].close()


def test_a_switch_that_one_node_was_told_holds_for_all_and_for_a_restarted_one(cluster: ClusterProcess) -> None:
    path = f"{ADMIN}/ns/ops/switches"
    form = {"entry": "healthCheckTimes", "value": "7"}
    assert call_http(cluster.nodes[0].port, "PUT", path, form=form).json["code"] == 0
    until(lambda: all(get(node, path)["checkTimes"] == 7 for node in cluster.nodes))
    assert get(cluster.nodes[0], f"{ADMIN}/core/state")["startup_mode"] == "cluster"
