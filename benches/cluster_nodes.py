"""Clusters of processes to measure: this one and r-nacos, started, killed and asked the same way."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

from compare_servers import GRPC_OFFSET, Address, free_port, is_ready, stop

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

CONFIG_PATH = "/nacos/v1/cs/configs"
GROUP = "DEFAULT_GROUP"
START_SECONDS = 20.0
POLL_SECONDS = 0.01


@dataclass
class Node:
    """One process, with its folder; it keeps both over kills and starts."""

    address: Address
    folder: Path
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None, "not started"
        return self.process.pid

    @property
    def log(self) -> str:
        """What it has said, over all its lives."""
        return (self.folder / "output").read_text(errors="replace")

    def launch(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("NACOS_CORE_")}
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment | self.environment,
                cwd=self.folder,
            )

    def kill(self) -> None:
        assert self.process is not None, "not started"
        self.process.kill()
        self.process.wait()

    def get(self, path: str, timeout_seconds: float = 5.0) -> Any:
        """The JSON at a path; None if there is none."""
        connection = http.client.HTTPConnection(self.address.host, self.address.http_port, timeout=timeout_seconds)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return json.loads(response.read()) if response.status == 200 else None
        except (OSError, ValueError, http.client.HTTPException):
            return None
        finally:
            connection.close()


@dataclass
class Cluster:
    """Some nodes, and how to ask one of them for the leader's address and the term."""

    name: str
    nodes: list[Node]
    leader_of: Callable[[Node, Sequence[Node]], tuple[Node | None, int]]
    start_pause_seconds: float = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        for node in self.nodes:
            if node.process is not None and node.process.poll() is None:
                stop(node.process)

    def start(self) -> None:
        """All ready, and every one takes writes."""
        for node in self.nodes:
            node.launch()
            time.sleep(self.start_pause_seconds)
        for node in self.nodes:
            self.wait_ready(node)
        for node in self.nodes:
            complaint = f"{self.name} on {node.address.http} takes no writes"
            wait_for(lambda each=node: publish(each, "start", "x") == 200, START_SECONDS, complaint, self.last_words)

    def wait_ready(self, node: Node) -> None:
        def is_up() -> bool:
            if node.process is not None and node.process.poll() is not None:
                raise RuntimeError(f"{self.name} on {node.address.http} has ended:\n{node.log[-2000:]}")
            return is_ready(node.address)

        wait_for(is_up, START_SECONDS, f"{self.name} on {node.address.http} is not ready", self.last_words)

    def last_words(self) -> str:
        """What the nodes said last, for a complaint."""
        return "\n".join(f"{node.address.http}: {node.log[-1000:]}" for node in self.nodes)

    def leader(self) -> Node:
        """The one that the nodes agree on."""
        found: list[Node] = []

        def is_known() -> bool:
            named = [self.leader_of(node, self.nodes)[0] for node in self.nodes]
            found[:] = [named[0]] if named[0] is not None and named.count(named[0]) == len(named) else []
            return bool(found)

        wait_for(is_known, START_SECONDS, f"{self.name} has no leader")
        return found[0]

    def term(self) -> int:
        return max(self.leader_of(node, self.nodes)[1] for node in self.nodes)


def wait_for(
    is_so: Callable[[], bool], within_seconds: float, complaint: str, more: Callable[[], str] = lambda: ""
) -> None:
    deadline = time.monotonic() + within_seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{complaint}\n{more()}")
        time.sleep(POLL_SECONDS)


def publish(node: Node, data_id: str, content: str, timeout_seconds: float = 5.0) -> int:
    """The status of the answer; 0 without one."""
    with contextlib.closing(connect(node, timeout_seconds)) as connection:
        return publish_over(connection, data_id, content)


def publish_over(connection: http.client.HTTPConnection, data_id: str, content: str) -> int:
    """As ``publish``, over a connection that is kept."""
    body = urlencode({"dataId": data_id, "group": GROUP, "content": content})
    try:
        connection.request("POST", CONFIG_PATH, body, {"Content-Type": "application/x-www-form-urlencoded"})
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        return 0
    return response.status


def read(node: Node, data_id: str) -> str | None:
    with contextlib.closing(connect(node, 5.0)) as connection:
        try:
            connection.request("GET", f"{CONFIG_PATH}?{urlencode({'dataId': data_id, 'group': GROUP})}")
            response = connection.getresponse()
            content = response.read().decode()
        except (OSError, http.client.HTTPException):
            return None
        return content if response.status == 200 else None


def connect(node: Node, timeout_seconds: float) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(node.address.host, node.address.http_port, timeout=timeout_seconds)


def this_cluster(folder: Path, program: Sequence[str] = ("-m", "nacos_core"), name: str = "nacos-core") -> Cluster:
    """Three nodes of the interpreter that runs this."""
    addresses = _addresses()
    listed = ",".join(address.http for address in addresses)
    nodes = []
    for address in addresses:
        place = folder / f"{name}-{address.http_port}"
        command = [sys.executable, *program, "--port", str(address.http_port), "--data", str(place / "data")]
        nodes.append(Node(address, place, [*command, "--cluster", listed]))
    return Cluster(name, nodes, _our_leader)


def rnacos_cluster(program: Path, folder: Path) -> Cluster:
    """Three nodes of r-nacos as its manual has them: the first begins, the others join it."""
    nodes = []
    addresses = _addresses()
    for number, address in enumerate(addresses, 1):
        place = folder / f"rnacos-{address.http_port}"
        environment = {
            "RUST_LOG": "error",
            "RNACOS_SDK_HOST": address.host,
            "RNACOS_HTTP_PORT": str(address.http_port),
            "RNACOS_GRPC_PORT": str(address.grpc_port),
            "RNACOS_HTTP_CONSOLE_PORT": str(address.http_port + 2 * GRPC_OFFSET),
            "RNACOS_DATA_DIR": str(place),
            "RNACOS_CONFIG_DB_DIR": str(place),
            "RNACOS_RAFT_NODE_ID": str(number),
            "RNACOS_RAFT_NODE_ADDR": address.grpc,
        }
        begins = {"RNACOS_RAFT_AUTO_INIT": "true"} if number == 1 else {"RNACOS_RAFT_JOIN_ADDR": addresses[0].grpc}
        nodes.append(Node(address, place, [str(program)], environment | begins))
    return Cluster("r-nacos", nodes, _their_leader, start_pause_seconds=1.0)


def raft_state(node: Node) -> dict[str, Any]:
    """Of one of our nodes; empty if it does not answer."""
    answer = node.get("/nacos/v3/admin/core/raft/state")
    return dict(answer["data"]) if answer else {}


def _our_leader(node: Node, nodes: Sequence[Node]) -> tuple[Node | None, int]:
    state = raft_state(node)
    listed = node.get("/nacos/v3/admin/core/cluster/node/list")
    addresses = {each["extendInfo"]["nodeId"]: each["address"] for each in listed["data"]} if listed else {}
    wanted = addresses.get(state.get("leaderId", ""))
    return next((each for each in nodes if each.address.http == wanted), None), int(state.get("term", 0))


def _their_leader(node: Node, nodes: Sequence[Node]) -> tuple[Node | None, int]:
    metrics = node.get("/nacos/v1/raft/metrics") or {}
    number = metrics.get("current_leader")
    return nodes[number - 1] if number else None, int(metrics.get("current_term", 0))


def _addresses() -> list[Address]:
    ports: list[int] = []
    while len(ports) < 3:
        port = free_port()
        if all(abs(port - other) > 2 and abs(abs(port - other) - 1000) > 2 for other in ports):
            ports.append(port)
    return [Address("127.0.0.1", port, port + GRPC_OFFSET) for port in ports]
