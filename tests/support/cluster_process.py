"""A cluster as its users have it: several processes, each with its folder, on loopback or wherever ``hosts`` says."""

from __future__ import annotations

import contextlib
import http.client
import random
import re
import socket
import time
from typing import TYPE_CHECKING, Self

from support.node_process import READY_WITHIN_S, NodeProcess
from wire import phrases
from wire.client import HttpAnswer, call_http

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

PORTS = range(18_000, 30_000)
"""Below the range from which the system takes the ports of outgoing connections."""
PORTS_OF_A_NODE = (0, 1000, 1001)
READINESS = "/nacos/v3/admin/core/state/readiness"
_LEADS = re.compile(r"(this node|node \w+) leads in term (\d+)")


def free_ports(count: int) -> list[int]:
    """HTTP ports of so many nodes, whose other ports are free too and do not meet each other."""
    found: list[int] = []
    with contextlib.ExitStack() as stack:
        for port in random.SystemRandom().sample(PORTS, 500):
            with contextlib.suppress(OSError), contextlib.ExitStack() as tried:
                for offset in PORTS_OF_A_NODE:
                    listener = tried.enter_context(socket.socket())
                    listener.bind(("127.0.0.1", port + offset))
                stack.push(tried.pop_all())
                found.append(port)
            if len(found) == count:
                return found
    raise RuntimeError("no free ports")


class ClusterProcess:
    """Nodes 0, 1, 2 ... of one list. Nothing runs before ``start``."""

    def __init__(self, folder: Path, *arguments: str, count: int = 3) -> None:
        self.folder = folder
        self.arguments = arguments
        ports = free_ports(count)
        self.members = ",".join(f"127.0.0.1:{port}" for port in ports)
        self.nodes = [self.make_node(port, "--cluster", self.members) for port in ports]

    def make_node(self, port: int, *arguments: str) -> NodeProcess:
        """One more process that this cluster does not know of."""
        node = NodeProcess(self.folder / f"node-{port}", *arguments, *self.arguments)
        node.port = port
        return node

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        for node in self.nodes:
            node.stop()

    def start(self) -> None:
        """Starts all at once and waits until all are ready and one leads."""
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            wait_ready(node)
        self.leader()

    def leader(self, but_not: Sequence[NodeProcess] = (), within_s: float = 10.0) -> NodeProcess:
        """The node that said last, of those that run, that it leads."""
        found: list[NodeProcess] = []

        def leads() -> bool:
            terms = {node: _newest_term(node) for node in self.nodes if is_running(node)}
            newest = max((term for term, _ in terms.values()), default=0)
            found[:] = [node for node, (term, is_leader) in terms.items() if is_leader and term == newest]
            return len(found) == 1 and found[0] not in but_not

        wait_until(leads, within_s, lambda: f"no leader; {[_newest_term(node) for node in self.nodes]}")
        return found[0]

    def followers(self) -> list[NodeProcess]:
        leader = self.leader()
        return [node for node in self.nodes if node is not leader]

    def wait_same(self, data_ids: Sequence[str], within_s: float = 10.0) -> list[str | None]:
        """Waits until every node that runs holds the same configurations, and gives these."""
        held: list[list[str | None]] = []

        def are_same() -> bool:
            held[:] = [[read(node, data_id) for data_id in data_ids] for node in self.nodes if is_running(node)]
            return all(each == held[0] for each in held)

        wait_until(are_same, within_s, lambda: f"the nodes differ: {held}")
        return held[0]


def is_running(node: NodeProcess) -> bool:
    return node.has_process and node.process.poll() is None


def wait_ready(node: NodeProcess, within_s: float = READY_WITHIN_S) -> None:
    wait_until(
        lambda: is_ready(node) or node.process.poll() is not None, within_s, lambda: f"{node.address}: {node.errors}"
    )
    assert node.process.poll() is None, node.errors


def is_ready(node: NodeProcess) -> bool:
    answer = ask(node, "GET", READINESS)
    return answer is not None and answer.status == 200


def ask(node: NodeProcess, method: str, path: str, within_s: float = 5.0, **named: str) -> HttpAnswer | None:
    """None: there is no answer."""
    try:
        form, query = (named, None) if method == "POST" else (None, named)
        return call_http(node.port, method, path, query, form, host=node.host, within_s=within_s)
    except (OSError, http.client.HTTPException):
        return None


def read(node: NodeProcess, data_id: str) -> str | None:
    answer = ask(node, "GET", phrases.V1_CONFIG, dataId=data_id, group=phrases.GROUP)
    assert answer is not None, f"{node.address} does not answer"
    assert answer.status in (200, 404), answer
    return answer.text if answer.status == 200 else None


def publish(node: NodeProcess, data_id: str, content: str, within_s: float = 5.0, **more: str) -> HttpAnswer | None:
    named = {"dataId": data_id, "group": phrases.GROUP, "content": content}
    return ask(node, "POST", phrases.V1_CONFIG, within_s, **named, **more)


def is_published(answer: HttpAnswer | None) -> bool:
    return answer is not None and answer.status == 200 and answer.text == "true"


def wait_published(node: NodeProcess, data_id: str, content: str, within_s: float = 10.0) -> float:
    """Publishes again and again until it is acknowledged; gives how many seconds that took."""
    began = time.monotonic()
    answers: list[HttpAnswer | None] = []

    def succeeds() -> bool:
        answers.append(publish(node, data_id, content))
        return is_published(answers[-1])

    wait_until(succeeds, within_s, lambda: f"{node.address} takes no writes: {answers[-1]}")
    return time.monotonic() - began


def wait_until(is_so: Callable[[], bool], within_s: float, complaint: Callable[[], str]) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline, complaint()
        time.sleep(0.01)


def wait_said(node: NodeProcess, text: str, within_s: float = 10.0) -> None:
    """Waits until the node has written these words to standard error."""
    wait_until(lambda: text in node.errors, within_s, lambda: f"{text!r} was not said, but: {node.errors}")


def _newest_term(node: NodeProcess) -> tuple[int, bool]:
    said = _LEADS.findall(node.errors)
    return (int(said[-1][1]), said[-1][0] == "this node") if said else (0, False)
