"""Distributed locks, as a Java 3.x client asks for them (protocol/grpc.md section 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

import nacos_core
from support.node_process import NodeProcess
from wire import phrases
from wire.client import GrpcAnswer, GrpcConnection

if TYPE_CHECKING:
    from pathlib import Path

WITHIN_SECONDS = 30


def operation(what: str | None, key: str | None, held_ms: int = 60_000, **changes: Any) -> dict[str, Any]:
    lock = {"key": key, "expiredTime": held_ms, "lockType": "NACOS_LOCK", "params": {}} | changes
    return {"lockInstance": lock, "lockOperationEnum": what}


def operate(connection: GrpcConnection, what: str, key: str, held_ms: int = 60_000) -> GrpcAnswer:
    answer = connection.call("LockOperationRequest", operation(what, key, held_ms))
    assert answer.kind == "LockOperationResponse"
    return answer


def acquire(connection: GrpcConnection, key: str, held_ms: int = 60_000) -> int:
    """The token, or 0."""
    body = operate(connection, "ACQUIRE", key, held_ms).body
    assert (body["resultCode"], body["success"]) == (200, True), body
    assert body["result"] is ("fencingToken" in body)
    return int(body.get("fencingToken", 0))


def release(connection: GrpcConnection, key: str) -> bool:
    body = operate(connection, "RELEASE", key).body
    assert (body["resultCode"], body["success"], "fencingToken" in body) == (200, True, False), body
    return bool(body["result"])


def test_one_of_two_clients_holds_it_and_anybody_releases_it(node: NodeProcess, connection: GrpcConnection) -> None:
    key = phrases.unique("lock")
    with GrpcConnection(node.grpc_port) as other:
        other.set_up()
        first = acquire(connection, key)
        assert first > 0
        assert acquire(other, key) == acquire(connection, key) == 0
        assert release(other, key) is True
        assert release(connection, key) is False
        assert acquire(other, key) > first, "a fencing token only rises"


def test_it_does_not_go_with_the_connection_of_its_holder(node: NodeProcess, connection: GrpcConnection) -> None:
    key = phrases.unique("lock")
    with GrpcConnection(node.grpc_port) as holder:
        holder.set_up()
        assert acquire(holder, key)
    connection.settle(0.2)
    assert acquire(connection, key) == 0


def test_its_time_comes_to_an_end(connection: GrpcConnection) -> None:
    key = phrases.unique("lock")
    assert acquire(connection, key, 300)
    assert acquire(connection, key) == 0
    connection.settle(0.35)
    assert release(connection, key) is False
    assert acquire(connection, key, 300)
    connection.settle(0.35)
    assert acquire(connection, key)


def test_a_request_id_comes_back(connection: GrpcConnection) -> None:
    asked = operation("ACQUIRE", phrases.unique("lock")) | {"requestId": "r-1"}
    assert connection.call("LockOperationRequest", asked).body["requestId"] == "r-1"


@pytest.mark.parametrize(
    ("what", "changes", "words"),
    [
        ("EXPIRE", {}, "lockOperationEnum 'EXPIRE' is not known: ACQUIRE and RELEASE are"),
        (None, {}, "lockOperationEnum None is not known: ACQUIRE and RELEASE are"),
        ("ACQUIRE", {"lockType": "OTHER"}, "lockType 'OTHER' is not known: only NACOS_LOCK is"),
        ("RELEASE", {"key": None}, "the key of the lock is missing"),
        ("ACQUIRE", {"key": "k" * 257}, "the key of the lock has 257 characters, at most 256 are allowed"),
        ("ACQUIRE", {"expiredTime": 0}, "expiredTime 0 holds a lock for no time"),
    ],
)
def test_what_makes_no_sense_is_refused(
    connection: GrpcConnection, what: str | None, changes: dict[str, Any], words: str
) -> None:
    asked = operation(what, **({"key": "k"} | changes))
    body = connection.call("LockOperationRequest", asked).body
    assert (body["resultCode"], body["errorCode"], body["success"]) == (500, 400, False)
    assert words in body["message"]


@pytest.mark.parametrize("body", [b'{"lockInstance": 1}', b'{"lockInstance": {"expiredTime": "soon"}}', b"{bad"])
def test_what_is_no_request_is_refused(connection: GrpcConnection, body: bytes) -> None:
    answer = connection.call("LockOperationRequest", body)
    assert (answer.kind, answer.body["errorCode"]) == ("ErrorResponse", 502)


def test_a_request_without_a_lock_is_refused(connection: GrpcConnection) -> None:
    body = connection.call("LockOperationRequest", {"lockOperationEnum": "ACQUIRE"}).body
    assert (body["resultCode"], body["errorCode"]) == (500, 400)


def test_it_is_held_over_a_crash(tmp_path: Path) -> None:
    with NodeProcess(tmp_path) as node:
        with GrpcConnection(node.grpc_port) as connection:
            connection.set_up()
            token = acquire(connection, "kept")
            acquire(connection, "short", 300)
        node.kill()
        node.start()
        with GrpcConnection(node.grpc_port) as connection:
            connection.set_up()
            assert acquire(connection, "kept") == 0
            connection.settle(0.3)
            assert acquire(connection, "short") > token


async def test_it_is_held_at_every_node_and_over_a_change_of_the_leader() -> None:
    with trio.fail_after(WITHIN_SECONDS):
        async with nacos_core.open_cluster(3) as cluster:
            tokens = [await acquire_at(node, f"of-{at}") for at, node in enumerate(cluster.nodes)]
            assert tokens == sorted(tokens)
            assert tokens[0] > 0
            assert [await acquire_at(node, "of-0") for node in cluster.nodes] == [0, 0, 0]
            leader = await cluster.leader()
            assert await acquire_at(leader, "short", 300) > tokens[-1]
            await cluster.kill(cluster.nodes.index(leader))
            await cluster.leader()
            assert [await acquire_at(node, f"of-{at}") for at in range(3) for node in cluster.nodes] == [0] * 6
            await trio.sleep(0.3)
            assert await acquire_at(cluster.nodes[0], "short") > tokens[-1]


async def acquire_at(node: nacos_core.Node, key: str, held_ms: int = 60_000) -> int:
    port = node.grpc_port
    assert port is not None

    def play() -> int:
        with GrpcConnection(port) as connection:
            connection.set_up()
            return acquire(connection, key, held_ms)

    return await trio.to_thread.run_sync(play)
