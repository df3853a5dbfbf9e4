"""A whole cluster in one program: it serves, loses nodes, gets them back, and forgets nothing."""

from __future__ import annotations

import contextlib
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio

import nacos_core
from nacos_core import limits
from nacos_core.config.rules import ConfigRefused
from nacos_core.config.validation import Strictness
from nacos_core.embedded_cluster import EmbeddedCluster, _free_ports
from nacos_core.errors import OverQuota
from nacos_core.settings import Settings
from wire.client import HttpAnswer, call_http

if TYPE_CHECKING:
    from pathlib import Path

WITHIN_SECONDS = 20


async def content_at(node: nacos_core.Node, data_id: str, wanted: bytes | None) -> None:
    with trio.fail_after(5):
        while True:
            view = node.config.get(data_id)
            if (view.content if view is not None else None) == wanted:
                return
            await trio.sleep(0.01)


async def test_what_one_node_takes_all_have() -> None:
    with trio.fail_after(WITHIN_SECONDS):
        async with nacos_core.open_cluster(3) as cluster:
            for number, node in enumerate(cluster.nodes):
                await node.config.publish(f"a-{number}", f"of {number}")
            for node in cluster.nodes:
                for number in range(3):
                    await content_at(node, f"a-{number}", f"of {number}".encode())
            await cluster.nodes[0].config.remove("a-1")
            for node in cluster.nodes:
                await content_at(node, "a-1", None)


async def test_a_linearizable_read_sees_what_was_acknowledged_elsewhere() -> None:
    with trio.fail_after(WITHIN_SECONDS):
        async with nacos_core.open_cluster(3) as cluster:
            for turn in range(20):
                writer, reader = cluster.nodes[turn % 3], cluster.nodes[(turn + 1) % 3]
                await writer.config.publish("a", str(turn))
                view = await reader.config.get_linearizable("a")
                assert view is not None
                assert view.content == str(turn).encode()


async def test_compare_and_set_is_decided_once_for_all_nodes() -> None:
    with trio.fail_after(WITHIN_SECONDS):
        async with nacos_core.open_cluster(3) as cluster:
            first = await cluster.nodes[0].config.publish("a", "1")
            won: list[int] = []

            async def set_it(number: int) -> None:
                try:
                    await cluster.nodes[number].config.publish("a", f"by {number}", cas_md5=first)
                except nacos_core.CasMismatch:
                    return
                won.append(number)

            async with trio.open_nursery() as nursery:
                for number in range(3):
                    nursery.start_soon(set_it, number)
            assert len(won) == 1
            for node in cluster.nodes:
                await content_at(node, "a", f"by {won[0]}".encode())


async def test_the_cluster_goes_on_without_its_leader_and_the_leader_comes_back() -> None:
    with trio.fail_after(WITHIN_SECONDS):
        async with nacos_core.open_cluster(3) as cluster:
            await cluster.nodes[0].config.publish("before", "1")
            old = cluster.number_of(await cluster.leader())
            await cluster.kill(old)
            await cluster.nodes[0].config.publish("meanwhile", "2")
            node = await cluster.restart(old)
            await content_at(node, "before", b"1")
            await content_at(node, "meanwhile", b"2")
            await node.config.publish("after", "3")
            for other in cluster.nodes:
                await content_at(other, "after", b"3")


async def test_a_minority_acknowledges_nothing_and_still_answers_reads() -> None:
    with trio.fail_after(WITHIN_SECONDS):
        async with nacos_core.open_cluster(3) as cluster:
            await cluster.nodes[0].config.publish("a", "1")
            left = cluster.nodes[2]
            await content_at(left, "a", b"1")
            await cluster.kill(0)
            await cluster.kill(1)
            with pytest.raises((nacos_core.NotReady, nacos_core.OutcomeUnknown)):
                await left.config.publish("a", "2")
            with pytest.raises(nacos_core.NotReady):
                await left.config.get_linearizable("a")
            await content_at(left, "a", b"1")
            assert left.is_ready, "readiness never waits for a leader"


async def test_all_at_once_and_back() -> None:
    with trio.fail_after(WITHIN_SECONDS):
        async with nacos_core.open_cluster(3) as cluster:
            await cluster.nodes[1].config.publish("a", "1")
            for number in range(3):
                await cluster.kill(number)
            for number in range(3):
                await cluster.start(number)
            for node in cluster.nodes:
                await content_at(node, "a", b"1")
            await cluster.nodes[2].config.publish("a", "2")


async def test_listeners_on_a_follower_hear_of_a_change_elsewhere() -> None:
    with trio.fail_after(WITHIN_SECONDS):
        async with nacos_core.open_cluster(3) as cluster:
            leader = await cluster.leader()
            follower = next(node for node in cluster.nodes if node is not leader)
            async with follower.config.listen("a") as states:
                assert await anext(states) is None
                await leader.config.publish("a", "1")
                state = await anext(states)
                assert state is not None
                assert state.content == b"1"


async def test_persistent_instances_are_everywhere() -> None:
    with trio.fail_after(WITHIN_SECONDS):
        async with nacos_core.open_cluster(3) as cluster:
            await cluster.nodes[1].naming.register("orders", "10.0.0.1", 80, ephemeral=False)
            with trio.fail_after(5):
                while any(len(node.naming.list("orders").hosts) != 1 for node in cluster.nodes):  # noqa: ASYNC110
                    await trio.sleep(0.01)


async def call(node: nacos_core.Node, method: str, path: str, form: dict[str, str]) -> HttpAnswer:
    assert node.http_port is not None
    return await trio.to_thread.run_sync(partial(call_http, node.http_port, method, path, form=form))


async def ask(node: nacos_core.Node, path: str, **query: str) -> Any:
    assert node.http_port is not None
    get = partial(call_http, node.http_port, "GET", f"/nacos/v3/admin{path}", query)
    # A node that has just started still loads instances from the others.
    while (answer := await trio.to_thread.run_sync(get)).status == 503:  # noqa: ASYNC110
        await trio.sleep(0.05)
    return answer.json["data"]


async def test_namespaces_and_history_are_everywhere_also_where_a_snapshot_brought_them(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(limits, "SNAPSHOT_LOG_BYTES", 20_000)
    monkeypatch.setattr(limits, "TRAILING_ENTRIES_COUNT", 0)
    caplog.set_level(logging.INFO, "nacos_core.drivers.raft")
    key = {"dataId": "a", "groupName": "DEFAULT_GROUP", "namespaceId": "dev"}

    async def tell(node: nacos_core.Node) -> Any:
        """The same at every node, once it has caught up."""
        while (view := node.config.get("last")) is None or view.content != b"done":  # noqa: ASYNC110
            await trio.sleep(0.01)
        return await ask(node, "/core/namespace/list"), await ask(node, "/cs/history/list", **key)

    with trio.fail_after(WITHIN_SECONDS):
        async with nacos_core.open_cluster(3) as cluster:
            await cluster.leader()
            form = {"namespaceId": "dev", "namespaceName": "Development"}
            while (await call(cluster[0], "POST", "/nacos/v3/admin/core/namespace", form)).status == 503:  # noqa: ASYNC110
                await trio.sleep(0.05)
            await cluster[1].config.publish("a", "1", namespace="dev")
            away = next(number for number in range(3) if not cluster[number].raft.is_leader)
            await cluster.kill(away)
            here = cluster[(away + 1) % 3]
            for number in range(40):
                await here.config.publish("filler", str(number) * 1000)
            await here.config.publish("a", "2", namespace="dev")
            await here.config.remove("a", namespace="dev")
            await here.config.publish("last", "done")
            back = await cluster.restart(away)
            told = [await tell(node) for node in cluster.nodes]
            assert "from the leader, up to entry" in caplog.text
            assert told[0] == told[1] == told[2]
            namespaces, history = told[0]
            assert [(each["namespace"], each["configCount"]) for each in namespaces] == [("public", 2), ("dev", 0)]
            assert [each["opType"] for each in history["pageItems"]] == ["D", "U", "I"]
            whole = await ask(back, "/cs/history", nid=history["pageItems"][1]["id"], **key)
            assert whole["content"] == "1"


async def test_what_operators_say_at_one_node_is_in_the_lists_of_all() -> None:
    with trio.fail_after(WITHIN_SECONDS):
        async with nacos_core.open_cluster(3) as cluster:
            await cluster.leader()
            await cluster.nodes[0].naming.register("orders", "10.0.0.1", 80, ephemeral=False, metadata={"a": "1"})
            said = {"serviceName": "orders", "ip": "10.0.0.1", "port": "80", "weight": "3", "metadata": "b=2"}
            for number in range(3):
                node, said["weight"] = cluster.nodes[number], str(number + 2)
                while (await call(node, "PUT", "/nacos/v1/ns/instance", form=said)).status != 200:  # noqa: ASYNC110
                    await trio.sleep(0.01)
                with trio.fail_after(5):
                    for other in cluster.nodes:
                        while [host.weight for host in other.naming.list("orders").hosts] != [number + 2.0]:  # noqa: ASYNC110
                            await trio.sleep(0.01)
            for node in cluster.nodes:
                (host,) = node.naming.list("orders").hosts
                assert host.metadata == {"a": "1", "b": "2"}


async def test_a_token_of_one_node_is_good_at_all() -> None:
    with trio.fail_after(WITHIN_SECONDS):
        async with nacos_core.open_cluster(3, auth=True, admin_password="over-there") as cluster:
            await cluster.leader()
            login = {"username": "nacos", "password": "over-there"}
            token = ""
            while not token:
                answer = await call(cluster[0], "POST", "/nacos/v1/auth/login", form=login)
                assert answer.status in (200, 429), "429 until the leader has set the password"
                token = answer.json.get("accessToken", "")
                await trio.sleep(0.05)
            for node in cluster.nodes:
                config = {"dataId": "a", "group": "G", "content": "1"}
                assert (await call(node, "POST", "/nacos/v1/cs/configs", form=config)).status == 403
                config["accessToken"] = token
                while (await call(node, "POST", "/nacos/v1/cs/configs", form=config)).status != 200:  # noqa: ASYNC110
                    await trio.sleep(0.01)


async def test_a_new_cluster_with_authentication_wants_a_password() -> None:
    with pytest.raises(nacos_core.SettingsError, match="NACOS_CORE_ADMIN_PASSWORD"):
        async with nacos_core.open_cluster(3, auth=True):
            pass


async def test_a_cluster_that_begins_is_ready_before_anybody_leads(tmp_path: Path) -> None:
    ports = _free_ports(3)
    listed = ",".join(f"127.0.0.1:{port}" for port in ports)
    settings = [
        Settings(port=port, data=tmp_path / str(port), cluster=listed, election_timeout_ms=60_000) for port in ports
    ]
    with trio.fail_after(WITHIN_SECONDS):
        async with trio.open_nursery() as nursery:
            cluster = EmbeddedCluster(settings, nursery)
            for number in range(3):
                await cluster.start(number)
            with trio.fail_after(5):
                while not all(node.is_ready for node in cluster.nodes):  # noqa: ASYNC110
                    await trio.sleep(0.01)
            assert not any(node.raft.leader_id for node in cluster.nodes)
            nursery.cancel_scope.cancel()


async def test_only_the_node_that_is_asked_checks_a_content_against_its_schema(tmp_path: Path) -> None:
    """Whoever leads, and whatever the settings of those that apply what is in the log."""
    ports = _free_ports(3)
    listed = ",".join(f"127.0.0.1:{port}" for port in ports)
    settings = [
        Settings(port=port, data=tmp_path / str(port), cluster=listed, config_validation=strictness)
        for port, strictness in zip(ports, (Strictness.ERROR, Strictness.OFF, Strictness.ERROR), strict=True)
    ]
    unfit = {"content": "1", "type": "json", "schema": '{"type": "string"}'}
    with trio.fail_after(WITHIN_SECONDS):
        async with trio.open_nursery() as nursery:
            cluster = EmbeddedCluster(settings, nursery)
            await cluster.start_all()
            strict, lax, other = cluster.nodes
            await lax.config.publish("a", **unfit)
            for node in cluster.nodes:
                await content_at(node, "a", b"1")
            for node in (strict, other):
                with pytest.raises(ConfigRefused, match="does not conform to its schema"):
                    await node.config.publish("b", **unfit)
                assert lax.config.get("b") is None
            nursery.cancel_scope.cancel()


async def test_quotas_are_those_of_the_leader_and_hold_at_every_node(tmp_path: Path) -> None:
    ports = _free_ports(3)
    listed = ",".join(f"127.0.0.1:{port}" for port in ports)
    settings = [
        Settings(port=port, data=tmp_path / str(port), cluster=listed, config_quota=True, config_quota_namespace=5)
        for port in ports
    ]
    with trio.fail_after(WITHIN_SECONDS):
        async with trio.open_nursery() as nursery:
            cluster = EmbeddedCluster(settings, nursery)
            await cluster.start_all()
            await is_enforced_at(cluster)
            taken: list[str] = []

            async def publish(node: nacos_core.Node, name: str) -> None:
                with contextlib.suppress(OverQuota):
                    await node.config.publish(name, "1")
                    taken.append(name)

            async with trio.open_nursery() as publishing:
                for number in range(30):
                    publishing.start_soon(publish, cluster.nodes[number % 3], str(number))
            assert len(taken) == 5
            follower = next(node for node in cluster.nodes if not node.raft.is_leader)
            with pytest.raises(OverQuota, match="namespace 'public' has 5 configurations, and its quota is 5"):
                await follower.config.publish("one-more", "1")
            await follower.config.publish(taken[0], "2")
            for name in taken:
                for node in cluster.nodes:
                    await content_at(node, name, b"2" if name == taken[0] else b"1")
            nursery.cancel_scope.cancel()


async def is_enforced_at(cluster: EmbeddedCluster) -> None:
    for node in cluster.nodes:
        ask = partial(call_http, node.http_port or 0, "GET", "/nacos/v3/admin/cs/capacity")
        while not (await trio.to_thread.run_sync(ask)).json["data"]["enforced"]:  # noqa: ASYNC110
            await trio.sleep(0.01)
