"""What takes minutes, with real nodes in simulated time: graces, partitions, and what consumers are told meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
import trio.testing

from nacos_core import limits
from nacos_core.drivers.cluster import ClusterDriver
from support.distro_nodes import NAMES, Nodes, play

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

GRACE = limits.DISTRO_CONNECTION_GRACE_SECONDS
DOWN = limits.DISTRO_DOWN_SECONDS
REGISTER = (
    b"POST /nacos/v1/ns/instance?serviceName=orders&ip=10.0.0.2&port=80&ephemeral=true HTTP/1.1\r\n"
    b"Host: n1\r\nContent-Length: 0\r\n\r\n"
)


async def until_listed(nodes: Nodes, name: str, wanted: list[str], within_seconds: float = 2) -> None:
    with trio.fail_after(within_seconds):
        while nodes.listed(name) != wanted:  # noqa: ASYNC110
            await trio.sleep(0.01)


class Consumer:
    """Somebody who subscribes at a node and remembers all that it was told."""

    def __init__(self, nodes: Nodes, name: str) -> None:
        self.told: list[tuple[float, list[str]]] = []
        self._node = nodes[name]

    async def run(self) -> None:
        async with self._node.naming.subscribe("orders") as states:
            async for state in states:
                self.told.append((trio.current_time(), sorted(host.ip for host in state.hosts)))


async def consumers(nodes: Nodes, nursery: trio.Nursery, *names: str) -> AsyncIterator[Consumer]:
    for name in names:
        consumer = Consumer(nodes, name)
        nursery.start_soon(consumer.run)
        yield consumer


def test_instances_of_a_killed_node_stay_for_the_grace_and_go_after_it() -> None:
    async def story(nodes: Nodes) -> None:
        async with trio.open_nursery() as nursery:
            await nodes["n1"].naming.register("orders", "10.0.0.1", 80)
            await until_listed(nodes, "n2", ["10.0.0.1"])
            (consumer,) = [each async for each in consumers(nodes, nursery, "n2")]
            await trio.sleep(1)
            nodes.kill("n1")
            killed_at = trio.current_time()
            await trio.sleep(GRACE - 1.5)
            assert nodes.listed("n2") == nodes.listed("n3") == ["10.0.0.1"]
            await trio.sleep(3)
            assert nodes.listed("n2") == nodes.listed("n3") == []
            assert [ips for _, ips in consumer.told] == [["10.0.0.1"], []]
            assert GRACE - 1 <= consumer.told[1][0] - killed_at <= GRACE + 1.5
            nursery.cancel_scope.cancel()

    play(story)


def test_one_node_alone_keeps_everything() -> None:
    async def story(nodes: Nodes) -> None:
        await nodes["n1"].naming.register("orders", "10.0.0.1", 80)
        await until_listed(nodes, "n3", ["10.0.0.1"])
        nodes.kill("n1")
        nodes.kill("n2")
        await trio.sleep(120)
        assert nodes.listed("n3") == ["10.0.0.1"]
        await nodes["n3"].naming.register("orders", "10.0.0.3", 80)
        assert nodes.listed("n3") == ["10.0.0.1", "10.0.0.3"]

    play(story)


def test_a_partition_heals_without_anybody_missing_for_the_minority() -> None:
    async def story(nodes: Nodes) -> None:
        async with trio.open_nursery() as nursery:
            for number, name in enumerate(NAMES):
                await nodes[name].naming.register("orders", f"10.0.0.{number}", 80)
            everything = ["10.0.0.0", "10.0.0.1", "10.0.0.2"]
            for name in NAMES:
                await until_listed(nodes, name, everything)
            away, at_home = [each async for each in consumers(nodes, nursery, "n3", "n1")]
            await trio.sleep(1)
            nodes.isolate("n3")
            await trio.sleep(GRACE + DOWN + 30)
            assert nodes.listed("n3") == everything
            assert nodes.listed("n1") == nodes.listed("n2") == everything[:2]
            nodes.heal()
            for name in NAMES:
                await until_listed(nodes, name, everything, 3 * limits.DISTRO_VERIFY_SECONDS)
            await trio.sleep(30)
            assert [ips for _, ips in away.told] == [everything]
            assert [ips for _, ips in at_home.told] == [everything, everything[:2], everything]
            nursery.cancel_scope.cancel()

    play(story)


def test_a_short_partition_is_not_noticed_by_anybody() -> None:
    async def story(nodes: Nodes) -> None:
        async with trio.open_nursery() as nursery:
            await nodes["n3"].naming.register("orders", "10.0.0.3", 80)
            await until_listed(nodes, "n1", ["10.0.0.3"])
            watching = [each async for each in consumers(nodes, nursery, *NAMES)]
            await trio.sleep(1)
            nodes.isolate("n3")
            await trio.sleep(GRACE - 3)
            nodes.heal()
            await trio.sleep(60)
            assert [[ips for _, ips in consumer.told] for consumer in watching] == [[["10.0.0.3"]]] * 3
            nursery.cancel_scope.cancel()

    play(story)


def test_every_node_restarted_in_turn_is_missed_by_nobody_whose_clients_come_back() -> None:
    async def story(nodes: Nodes) -> None:
        async with trio.open_nursery() as nursery:
            await nodes["n1"].naming.register("orders", "10.0.0.1", 80)
            holder = "n1"
            for name in NAMES:
                other = next(each for each in NAMES if each != name)
                if name == holder:
                    # Its client finds the node gone and goes elsewhere.
                    nodes.kill(name)
                    await trio.sleep(2)
                    await nodes[other].naming.register("orders", "10.0.0.1", 80)
                    holder = other
                else:
                    nodes.kill(name)
                    await trio.sleep(2)
                began = trio.current_time()
                await nodes.start(name)
                assert trio.current_time() - began < 5
                assert nodes.listed(name) == ["10.0.0.1"], "it is complete as soon as it is ready"
                (watching,) = [each async for each in consumers(nodes, nursery, name)]
                await trio.sleep(GRACE + DOWN + 5)
                assert {tuple(ips) for _, ips in watching.told} == {("10.0.0.1",)}
            nursery.cancel_scope.cancel()

    play(story)


def test_a_node_that_leaves_takes_nothing_and_tells_nobody_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is registered after its last word nobody would hear of, and what goes then has not gone from the cluster."""

    has_said_so = trio.Event()

    async def drain(cluster: ClusterDriver) -> None:
        has_said_so.set()
        await trio.sleep(0.5)

    monkeypatch.setattr(ClusterDriver, "drain", drain)

    async def story(nodes: Nodes) -> None:
        async with trio.open_nursery() as nursery:
            node = nodes["n1"]
            await node.naming.register("orders", "10.0.0.1", 80)
            for name in NAMES:
                await until_listed(nodes, name, ["10.0.0.1"])
            watching = [each async for each in consumers(nodes, nursery, "n1", "n2")]
            await trio.sleep(1)
            nodes.machines["n1"].stop()
            await has_said_so.wait()
            client, server = trio.testing.memory_stream_pair()
            async with client, trio.open_nursery() as serving:
                serving.start_soon(node.serve_stream, server)
                await client.send_all(REGISTER)
                answer = await client.receive_some()
                serving.cancel_scope.cancel()
            assert answer.startswith(b"HTTP/1.1 503 "), answer
            await node.naming.deregister("orders", "10.0.0.1", 80)
            await trio.sleep(5)
            assert [[ips for _, ips in consumer.told] for consumer in watching] == [[["10.0.0.1"]]] * 2
            assert nodes.listed("n2") == nodes.listed("n3") == ["10.0.0.1"]
            nursery.cancel_scope.cancel()

    play(story)
