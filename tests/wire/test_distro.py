"""Three nodes: what is registered at one is listed and pushed at all, whatever happens to one of them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio

import nacos_core
from wire.client import GrpcConnection, HttpAnswer, call_http

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

WITHIN_SECONDS = 40
CONSISTENCY = "/nacos/v3/admin/core/distro/consistency"
READINESS = "/nacos/v3/admin/core/state/readiness"


@pytest.fixture
async def cluster() -> AsyncIterator[nacos_core.EmbeddedCluster]:
    with trio.fail_after(WITHIN_SECONDS):
        async with nacos_core.open_cluster(3) as cluster:
            await until(lambda: all(len(responsible(node)) == 3 for node in cluster.nodes))
            yield cluster


async def until(is_so: Callable[[], bool], seconds: float = 10) -> None:
    with trio.fail_after(seconds):
        while not is_so():  # noqa: ASYNC110
            await trio.sleep(0.005)


def responsible(node: nacos_core.Node) -> list[str]:
    assert node._distro is not None
    return node._distro.consistency().responsible


def is_linked(node: nacos_core.Node, to: nacos_core.Node) -> bool:
    assert node._distro is not None
    members = node._distro.consistency().members
    return any(member.is_linked for member in members if member.node_id == to.identity.node_id)


def listed(node: nacos_core.Node, service: str = "orders") -> list[str]:
    return sorted(f"{host.ip}:{host.port}" for host in node.naming.list(service).hosts)


async def call(node: nacos_core.Node, method: str, path: str, **form: Any) -> HttpAnswer:
    assert node.http_port is not None
    where = {"query": form} if method == "GET" else {"form": form}
    return await trio.to_thread.run_sync(partial(call_http, node.http_port, method, path, **where))


async def in_thread(work: Callable[[], Any]) -> Any:
    return await trio.to_thread.run_sync(work)


def instance(ip: str) -> dict[str, Any]:
    return {"ip": ip, "port": 80, "weight": 1.0, "healthy": True, "enabled": True, "ephemeral": True}


def registration(ip: str) -> dict[str, Any]:
    key = {"namespace": "public", "serviceName": "orders", "groupName": "DEFAULT_GROUP"}
    return {**key, "type": "registerInstance", "instance": instance(ip)}


async def test_what_a_grpc_client_registers_is_pushed_at_another_node_at_once(
    cluster: nacos_core.EmbeddedCluster,
) -> None:
    here, there = cluster.nodes[0].grpc_port, cluster.nodes[1].grpc_port
    assert here is not None
    assert there is not None

    def play() -> float:
        import time

        with GrpcConnection(here) as provider, GrpcConnection(there) as consumer:
            provider.set_up()
            consumer.set_up()
            key = {"namespace": "public", "serviceName": "orders", "groupName": "DEFAULT_GROUP"}
            answer = consumer.call("SubscribeServiceRequest", {**key, "subscribe": True, "clusters": ""})
            assert answer.body["serviceInfo"]["hosts"] == []
            began = time.monotonic()
            assert provider.call("InstanceRequest", registration("10.0.0.1")).body["resultCode"] == 200
            while True:
                push = consumer.wait_push("NotifySubscriberRequest")
                if push.body["serviceInfo"]["hosts"]:
                    return time.monotonic() - began

    assert await in_thread(play) < 0.3


async def test_a_watcher_of_a_pattern_hears_of_services_of_other_nodes(cluster: nacos_core.EmbeddedCluster) -> None:
    here, there = (node.grpc_port or 0 for node in cluster.nodes[:2])
    key = "public@@DEFAULT_GROUP@@orders"

    def play() -> list[tuple[str, str]]:
        with GrpcConnection(here) as watcher:
            watcher.set_up()
            pattern = {"groupKeyPattern": "public>>DEFAULT_GROUP>>ord*", "receivedGroupKeys": []}
            watcher.call("NamingFuzzyWatchRequest", {**pattern, "watchType": "WATCH", "initializing": True})
            with GrpcConnection(there) as provider:
                provider.set_up()
                provider.call("InstanceRequest", registration("10.0.0.1"))
                came = watcher.wait_push("NamingFuzzyWatchChangeNotifyRequest").body
            gone = watcher.wait_push("NamingFuzzyWatchChangeNotifyRequest").body
            return [(notice["serviceKey"], notice["changedType"]) for notice in (came, gone)]

    assert await in_thread(play) == [(key, "ADD_SERVICE"), (key, "DELETE_SERVICE")]


async def test_every_kind_of_publisher_is_everywhere_and_goes_everywhere(cluster: nacos_core.EmbeddedCluster) -> None:
    nodes = cluster.nodes
    await nodes[0].naming.register("orders", "10.0.0.1", 80)
    for number in range(6):
        ip = f"10.0.1.{number}"
        answer = await call(nodes[number % 3], "POST", "/nacos/v1/ns/instance", serviceName="orders", ip=ip, port=80)
        assert answer.text == "ok"
    wanted = ["10.0.0.1:80", *(f"10.0.1.{number}:80" for number in range(6))]
    await until(lambda: all(listed(node) == wanted for node in nodes))
    for number in range(6):
        ip = f"10.0.1.{number}"
        path = "/nacos/v1/ns/instance"
        answer = await call(nodes[(number + 1) % 3], "DELETE", path, serviceName="orders", ip=ip, port=80)
        assert answer.text == "ok"
    await until(lambda: all(listed(node) == ["10.0.0.1:80"] for node in nodes))
    await nodes[0].naming.deregister("orders", "10.0.0.1", 80)
    await until(lambda: all(listed(node) == [] for node in nodes))


async def test_each_node_counts_what_it_handles_itself(cluster: nacos_core.EmbeddedCluster) -> None:
    path, nodes = "/nacos/v1/ns/instance", cluster.nodes
    for number, node in enumerate(nodes):
        await node.naming.register("orders", f"10.0.0.{number}", 80)
    for port in range(12):
        assert (await call(nodes[0], "POST", path, serviceName="orders", ip="10.0.1.1", port=port)).text == "ok"
    persistent = {"serviceName": "kept", "ip": "10.0.1.2", "port": 80, "ephemeral": "false"}
    assert (await call(nodes[0], "POST", path, **persistent)).text == "ok"
    await until(lambda: all((len(listed(node)), len(listed(node, "kept"))) == (15, 1) for node in nodes))

    async def figures(node: nacos_core.Node) -> tuple[int, int, int]:
        shown = (await call(node, "GET", "/nacos/v1/ns/operator/metrics", onlyStatus="false")).json
        return shown["instanceCount"], shown["responsibleInstanceCount"], shown["responsibleClientCount"]

    told = [await figures(node) for node in nodes]
    assert [instances for instances, *_ in told] == [16, 16, 16]
    assert [sum(each[at] for each in told) for at in (1, 2)] == [16, 16]
    assert all(instances < 16 for _, instances, _ in told)


async def test_what_operators_say_of_an_instance_is_shown_by_all_and_outlives_restart_and_registration(
    cluster: nacos_core.EmbeddedCluster,
) -> None:
    path, nodes = "/nacos/v1/ns/instance", cluster.nodes
    form = {"serviceName": "orders", "ip": "10.0.0.1", "port": 80}
    assert (await call(nodes[0], "POST", path, **form, weight=1, metadata="a=1,b=1")).text == "ok"
    await until(lambda: all(listed(node) for node in nodes))
    assert (await call(nodes[1], "PUT", path, **form, weight=5, metadata="b=2")).text == "ok"

    def shows(node: nacos_core.Node, a: str) -> bool:
        hosts = node.naming.list("orders").hosts
        return [(host.weight, host.metadata) for host in hosts] == [(5.0, {"a": a, "b": "2"})]

    await until(lambda: all(shows(node, "1") for node in nodes))
    assert (await call(nodes[2], "POST", path, **form, weight=7, metadata="a=3,b=3")).text == "ok"
    await until(lambda: all(shows(node, "3") for node in nodes))
    restarted = await cluster.restart(2)
    await until(lambda: shows(restarted, "3"))


async def test_a_restarted_node_is_complete_when_it_is_ready(cluster: nacos_core.EmbeddedCluster) -> None:
    for number in range(500):
        await cluster[number % 2].naming.register(f"service-{number % 50}", f"10.0.{number // 250}.{number % 250}", 80)
    await until(lambda: len(listed(cluster[2], "service-0")) == 10)
    await cluster.kill(2)
    node = await cluster.start(2)
    seen: list[int] = []

    async def watch() -> None:
        async with node.naming.subscribe("service-0") as states:
            async for state in states:
                if node.is_ready:
                    seen.append(len(state.hosts))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        await until(lambda: node.is_ready)
        for service in range(50):
            assert len(listed(node, f"service-{service}")) == 10
        await trio.sleep(0.3)
        nursery.cancel_scope.cancel()
    assert set(seen) <= {10}


async def test_while_a_node_loads_it_says_so_and_tells_nothing(
    cluster: nacos_core.EmbeddedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nacos_core.distro.messages import Load

    await cluster[0].naming.register("orders", "10.0.0.1", 80)
    asked, go_on = trio.Event(), trio.Event()
    for node in (cluster[0], cluster[1]):
        assert node.cluster is not None
        answer = node.cluster._peers.callbacks.requests[Load]

        async def wait(peer: Any, question: Any, answer: Any = answer) -> Any:
            asked.set()
            await go_on.wait()
            return answer(peer, question)

        node.cluster.answer(Load, wait)
    await cluster.kill(2)
    node = await cluster.start(2)
    states: list[int] = []

    async def watch() -> None:
        async with node.naming.subscribe("orders") as found:
            await anext(found)
            async for state in found:
                states.append(len(state.hosts))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        await asked.wait()
        await until(lambda: is_linked(cluster[1], node))
        await cluster[1].naming.register("orders", "10.0.0.2", 80)
        await until(lambda: len(listed(node)) > 0)
        assert not node.is_ready
        readiness = await call(node, "GET", READINESS)
        assert (readiness.status, "loading from another member" in readiness.text) == (500, True)
        assert (await call(node, "GET", "/nacos/v1/ns/instance/list", serviceName="orders")).status == 503

        def subscribe() -> int:
            assert node.grpc_port is not None
            with GrpcConnection(node.grpc_port) as consumer:
                return int(consumer.call("ServerCheckRequest", {}).body["resultCode"])

        assert await in_thread(subscribe) != 200
        assert states == [], "what has come is only a part of the list"
        go_on.set()
        await until(lambda: bool(states))
        assert states == [2]
        assert node.is_ready
        nursery.cancel_scope.cancel()


async def test_without_a_leader_and_without_a_majority_discovery_goes_on(cluster: nacos_core.EmbeddedCluster) -> None:
    await cluster[0].naming.register("orders", "10.0.0.1", 80)
    left = cluster[2]
    await until(lambda: listed(left) == ["10.0.0.1:80"])
    await cluster.kill(0)
    await cluster.kill(1)
    await until(lambda: not left.raft.leader_id)
    path = "/nacos/v1/ns/instance"
    async with left.naming.subscribe("orders") as states:
        assert len((await anext(states)).hosts) == 1
        ports = range(1, 20)
        for port in ports:
            assert (await call(left, "POST", path, serviceName="orders", ip="10.0.1.1", port=port)).text == "ok"
        with trio.fail_after(5):
            async for state in states:
                if len(state.hosts) == 1 + len(ports):
                    break
        for port in ports:
            beat = await call(left, "PUT", f"{path}/beat", serviceName="orders", ip="10.0.1.1", port=port)
            assert beat.json["code"] == 10200
    assert not left.raft.leader_id
    found = await call(left, "GET", f"{path}/list", serviceName="orders")
    assert len(found.json["hosts"]) == 1 + len(ports)
    assert left.is_ready


async def test_a_client_that_moves_is_never_missing(cluster: nacos_core.EmbeddedCluster) -> None:
    counts: list[int] = []

    async def watch() -> None:
        async with cluster[2].naming.subscribe("orders") as states:
            await anext(states)
            async for state in states:
                counts.append(len(state.hosts))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        await cluster[0].naming.register("orders", "10.0.0.1", 80)
        await until(lambda: bool(counts))
        await cluster.kill(0)
        await cluster[1].naming.register("orders", "10.0.0.1", 80)
        await cluster.start(0)
        await until(lambda: cluster[0].is_ready)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert set(counts) == {1}


async def test_what_is_known_can_be_looked_at(cluster: nacos_core.EmbeddedCluster) -> None:
    await cluster[0].naming.register("orders", "10.0.0.1", 80)
    await until(lambda: listed(cluster[1]) == ["10.0.0.1:80"])
    own_id = cluster[0].identity.node_id
    here = (await call(cluster[1], "GET", CONSISTENCY)).json["data"]
    assert here["nodeId"] == cluster[1].identity.node_id
    assert (here["isServing"], here["seesMajority"]) == (True, True)
    assert [member["state"] for member in here["members"]] == ["UP", "UP"]
    there = (await call(cluster[0], "GET", CONSISTENCY)).json["data"]
    (held,) = [holder for holder in here["holders"] if holder["nodeId"] == own_id]
    (own,) = [holder for holder in there["holders"] if holder["isOwn"]]
    assert held["digest"] == own["digest"] != "0" * 32
    assert (held["records"], held["instances"], held["repairs"], held["isStale"]) == (1, 1, 0, False)
    service = (await call(cluster[1], "GET", CONSISTENCY, serviceName="orders")).json["data"]
    (publisher,) = service["publishers"]
    assert (publisher["nodeId"], publisher["kind"], publisher["isStale"]) == (own_id, "connection", False)
    assert publisher["why"] == f"node {own_id} holds it and is UP"
    members = (await call(cluster[1], "GET", "/nacos/v3/admin/core/cluster/node/list")).json["data"]
    assert {member["state"] for member in members} == {"UP"}
    await cluster.kill(0)
    service = (await call(cluster[1], "GET", CONSISTENCY, serviceName="orders")).json["data"]
    assert service["publishers"][0]["why"] == f"node {own_id} holds it and is SUSPICIOUS"
    assert (await call(cluster[1], "GET", CONSISTENCY, serviceName="")).status == 200


async def test_a_node_that_stands_alone_can_be_looked_at_too() -> None:
    async with nacos_core.open_node() as node:
        await node.naming.register("orders", "10.0.0.1", 80)
        found = (await call(node, "GET", CONSISTENCY)).json["data"]
        assert (found["reason"], found["members"]) == ("this node stands alone", [])
        service = (await call(node, "GET", CONSISTENCY, serviceName="DEFAULT_GROUP@@orders")).json["data"]
        assert [each["kind"] for each in service["publishers"]] == ["connection"]


async def test_a_node_that_stops_in_good_order_takes_nothing_with_it(tmp_path: Any) -> None:
    from nacos_core.embedded_cluster import _free_ports
    from nacos_core.node import run_node
    from nacos_core.settings import Settings

    ports = _free_ports(3)
    settings = [
        Settings(port=port, data=tmp_path / str(port), cluster=",".join(f"127.0.0.1:{each}" for each in ports))
        for port in ports
    ]
    nodes: dict[int, nacos_core.Node] = {}
    leave = trio.Event()

    async def run(number: int) -> None:
        async with run_node(settings[number]) as node:
            nodes[number] = node
            if number == 0:
                await leave.wait()
            else:
                await trio.sleep_forever()

    with trio.fail_after(WITHIN_SECONDS):
        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(run, number)
            await until(lambda: len(nodes) == 3 and all(len(responsible(node)) == 3 for node in nodes.values()))
            await nodes[0].naming.register("orders", "10.0.0.1", 80)
            await until(lambda: listed(nodes[1]) == ["10.0.0.1:80"])
            leave.set()
            await until(lambda: nodes[0].identity.node_id not in responsible(nodes[1]), 2)
            assert nodes[1]._distro is not None
            (member,) = [
                each for each in nodes[1]._distro.consistency().members if each.node_id == nodes[0].identity.node_id
            ]
            assert (member.state, member.status) == ("DOWN", None)
            await trio.sleep(1)
            assert listed(nodes[1]) == listed(nodes[2]) == ["10.0.0.1:80"]
            nursery.cancel_scope.cancel()
