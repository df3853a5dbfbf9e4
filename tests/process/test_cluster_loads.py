"""A cluster counts the clients of its members, has them spread, and hands its leadership on when it is asked to."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from support.cluster_process import ClusterProcess, ask, is_published, publish, wait_until
from wire.client import GrpcConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.node_process import NodeProcess

    MakeCluster = Callable[..., ClusterProcess]

LOADER = "/nacos/v3/admin/core/loader"
RAFT = "/nacos/v3/admin/core/ops/raft"


@pytest.fixture
def clients() -> Iterator[Clients]:
    with contextlib.ExitStack() as stack:
        yield Clients(stack)


class Clients:
    """Clients that go where they are asked to go."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self.connections: list[GrpcConnection] = []

    def connect(self, count: int, port: int) -> None:
        for _ in range(count):
            connection = self._stack.enter_context(GrpcConnection(port + 1000))
            connection.set_up()
            self.connections.append(connection)

    def asked(self) -> Counter[int]:
        """HTTP ports that clients are asked to go to, and how many of them."""
        found: Counter[int] = Counter()
        for connection in self.connections:
            connection.settle(0.05)
            found.update(int(push.body["serverPort"]) for push in _resets(connection))
        return found

    def wait_asked(self, wanted: dict[int, int]) -> None:
        """As many as that are asked, and no more."""
        wait_until(lambda: self.asked() == wanted, 5, lambda: f"{self.asked()}, and not {wanted}")
        assert self.asked() == wanted

    def follow(self) -> None:
        """Those that are asked do what they are asked."""
        for connection in list(self.connections):
            if resets := _resets(connection):
                connection.close()
                self.connections.remove(connection)
                self.connect(1, int(resets[0].body["serverPort"]))


def _resets(connection: GrpcConnection) -> list[Any]:
    return [push for push in connection.pushes if push.kind == "ConnectResetRequest"]


def told(node: NodeProcess) -> dict[str, Any]:
    answer = ask(node, "GET", f"{LOADER}/cluster")
    assert answer is not None
    assert answer.status == 200, answer
    return dict(answer.json["data"])


def counts(node: NodeProcess) -> dict[str, int]:
    return {each["address"]: each["sdkConCount"] for each in told(node)["detail"]}


def even_out(node: NodeProcess, **named: str) -> str:
    answer = ask(node, "POST", f"{LOADER}/smartReloadCluster", **named)
    assert answer is not None
    assert answer.status == 200, answer
    return str(answer.json["data"])


def test_clients_of_all_members_are_counted_and_spread(cluster_of: MakeCluster, clients: Clients) -> None:
    cluster = cluster_of()
    cluster.start()
    full, one, other = cluster.nodes
    clients.connect(9, full.port)
    clients.connect(1, one.port)
    wait_until(lambda: told(other)["completed"], 5, lambda: f"{told(other)}")
    summed = told(other)
    assert [each["address"] for each in summed.pop("detail")] == sorted(node.address for node in cluster.nodes)
    assert summed == {"memberCount": 3, "metricsCount": 3, "completed": True} | {
        "max": 9,
        "min": 0,
        "avg": 3,
        "threshold": "3.3",
        "total": 10,
    }
    assert counts(full) == {full.address: 9, one.address: 1, other.address: 0}

    assert even_out(other, loaderFactor="3") == "ignore", "each may have up to four times the average"
    assert clients.asked() == Counter()
    assert even_out(other) == "ok"
    clients.wait_asked({one.port: 2, other.port: 3})
    clients.follow()
    wait_until(lambda: counts(one) == {full.address: 4, one.address: 3, other.address: 3}, 5, lambda: f"{counts(one)}")
    assert even_out(full, loaderFactorStr="0.3") == "ignore"
    assert clients.asked() == Counter()


def test_who_is_gone_is_neither_counted_nor_given_clients(cluster_of: MakeCluster, clients: Clients) -> None:
    cluster = cluster_of()
    cluster.start()
    full, one, gone = cluster.nodes
    clients.connect(4, full.port)
    gone.kill()
    assert gone.address not in counts(one), "it does not answer, whether it is known to be down or not"
    summed = told(one)
    assert (summed["memberCount"], summed["metricsCount"], summed["completed"]) == (3, 2, False)
    assert even_out(full) == "ok", "who is asked may give some itself"
    clients.wait_asked({one.port: 2})


def test_the_log_is_administered_as_in_the_existing_server(cluster_of: MakeCluster) -> None:
    cluster = cluster_of()
    cluster.start()
    target, other = cluster.followers()

    def operate(node: NodeProcess, command: str, value: str) -> tuple[int, str]:
        answer = ask(node, "POST", RAFT, within_s=15, command=command, value=value)
        assert answer is not None
        return answer.status, str(answer.json["data"])

    assert operate(other, "transferLeader", f"127.0.0.1:{target.port + 1001}") == (200, "None"), "the port of Raft"
    wait_until(lambda: cluster.leader() is target, 10, lambda: "it does not lead")
    assert is_published(publish(other, "d", "x"))
    status, text = operate(other, "doSnapshot", target.address)
    assert (status, f"ask {target.address} itself" in text) == (400, True)
    assert operate(target, "doSnapshot", target.address) == (200, "None")
    [removed] = [node for node in cluster.nodes if node not in (target, other)]
    assert operate(other, "removePeer", removed.address) == (200, "None")
    members = ask(other, "GET", "/nacos/v1/core/cluster/simple/nodes")
    assert members is not None
    assert sorted(members.json["data"]) == sorted([target.address, other.address])
