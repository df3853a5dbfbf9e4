"""The client against real nodes, under trio and under asyncio."""

from __future__ import annotations

import random
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import msgspec
import pytest

import nacos_core
from nacos_core.client import AccessDenied, Instance, ServerRefused, Unreachable, open_client
from nacos_core.client.servers import parse_servers
from nacos_core.errors import AlreadyExists, CasMismatch, SettingsError
from support.client_runs import addresses, eventually, run, the_next, until
from support.node_thread import NodeThread

if TYPE_CHECKING:
    from pathlib import Path

    from nacos_core.client import Client


# --- configuration


def test_what_is_published_is_read_until_it_is_removed(backend: str, node: NodeThread) -> None:
    async def work() -> None:
        async with open_client(node.url, namespace="dev") as client:
            assert await client.config.get("app.yaml") is None
            md5 = await client.config.publish("app.yaml", "grüß: dich", type="yaml", tags="a,b")
            config = await client.config.get("app.yaml")
            assert config is not None
            assert (config.content, config.type, config.md5) == ("grüß: dich", "yaml", md5)
            assert (config.namespace, config.group, config.is_stale) == ("dev", "DEFAULT_GROUP", False)
            async with open_client(node.url) as other:
                assert await other.config.get("app.yaml") is None, "another namespace"
            await client.config.remove("app.yaml")
            assert await client.config.get("app.yaml") is None
            await client.config.remove("app.yaml")

    run(backend, work)


def test_a_large_content_goes_both_ways(node: NodeThread) -> None:
    async def work() -> None:
        content = "0123456789abcdef" * 128 * 1024
        async with open_client(node.url) as client:
            await client.config.publish("large", content)
            config = await client.config.get("large")
            assert config is not None
            assert config.content == content

    run("trio", work)


def test_compare_and_set_publishes_only_over_what_was_seen(backend: str, node: NodeThread) -> None:
    async def work() -> None:
        async with open_client(node.url) as client:
            first = await client.config.publish("a", "1")
            second = await client.config.publish("a", "2", cas_md5=first)
            assert second != first
            with pytest.raises(CasMismatch):
                await client.config.publish("a", "3", cas_md5=first)
            config = await client.config.get("a")
            assert config is not None
            assert config.content == "2"

    run(backend, work)


def test_only_what_is_not_there_is_created(backend: str, node: NodeThread) -> None:
    async def work() -> None:
        async with open_client(node.url) as client:
            await client.config.publish("a", "1", create_only=True)
            with pytest.raises(AlreadyExists):
                await client.config.publish("a", "2", create_only=True)
            config = await client.config.get("a")
            assert config is not None
            assert config.content == "1"
            await client.config.remove("a")
            await client.config.publish("a", "3", create_only=True)
            with pytest.raises(SettingsError, match="one of them"):
                await client.config.publish("a", "4", create_only=True, cas_md5=config.md5)

    run(backend, work)


def test_every_attribute_that_is_published_is_there(node: NodeThread) -> None:
    async def work() -> None:
        async with open_client(node.url) as client, httpx.AsyncClient(base_url=node.url) as http:
            more = {"description": "what for", "application": "shop", "tags": "a,b", "encrypted_data_key": "key"}
            await client.config.publish("a", "1", type="yaml", **more)
            config = await client.config.get("a")
            assert config is not None
            assert (config.type, config.encrypted_data_key) == ("yaml", "key")
            query = {"dataId": "a", "groupName": "DEFAULT_GROUP"}
            shown = (await http.get("/nacos/v3/admin/cs/config", params=query)).json()["data"]
            names = ("type", "desc", "appName", "configTags", "encryptedDataKey")
            assert [shown[name] for name in names] == ["yaml", "what for", "shop", "a,b", "key"]

    run("trio", work)


def test_a_change_is_heard_within_two_seconds(backend: str, node: NodeThread) -> None:
    async def work() -> None:
        async with (
            open_client(node.url) as client,
            open_client(node.url) as other,
            client.config.watch("a") as states,
        ):
            assert await the_next(states) is None
            for content in ("1", "2", "3"):
                await other.config.publish("a", content)
                assert (await the_next(states)).content == content
            await other.config.remove("a")
            assert await the_next(states) is None
            await other.config.publish("b", "1")
            with pytest.raises(TimeoutError):
                await the_next(states, 0.3)

    run(backend, work)


def test_several_watch_one_configuration(node: NodeThread) -> None:
    async def work() -> None:
        async with open_client(node.url) as client:
            await client.config.publish("a", "1")
            async with client.config.watch("a") as first:
                async with client.config.watch("a") as second:
                    assert [(await the_next(each)).content for each in (first, second)] == ["1", "1"]
                    await client.config.publish("a", "2")
                    assert [(await the_next(each)).content for each in (first, second)] == ["2", "2"]
                await client.config.publish("a", "3")
                assert (await the_next(first)).content == "3"

    run("trio", work)


# --- naming


def test_instances_are_registered_listed_and_gone_with_the_client(backend: str, node: NodeThread) -> None:
    async def work() -> None:
        async with open_client(node.url) as watcher:
            async with open_client(node.url) as client:
                await client.naming.register("orders", "10.0.0.1", 80, weight=2.5, metadata={"zone": "a"})
                await client.naming.register("orders", "10.0.0.2", 80, cluster="c2")
                found = await watcher.naming.list("orders")
                assert addresses(found) == ["10.0.0.1:80", "10.0.0.2:80"]
                (first,) = [each for each in found.hosts if each.ip == "10.0.0.1"]
                assert (first.weight, first.metadata, first.cluster) == (2.5, {"zone": "a"}, "DEFAULT")
                assert addresses(await watcher.naming.list("orders", clusters="c2")) == ["10.0.0.2:80"]
                page = await watcher.naming.services()
                assert (page.count, page.names) == (1, ["orders"])
                await client.naming.deregister("orders", "10.0.0.1", 80)
                assert addresses(await watcher.naming.list("orders")) == ["10.0.0.2:80"]

            async def nobody() -> bool:
                return not (await watcher.naming.list("orders")).hosts

            await eventually(nobody)

    run(backend, work)


def test_a_batch_is_registered_at_once(node: NodeThread) -> None:
    async def work() -> None:
        async with open_client(node.url) as client:
            await client.naming.register_batch("s", [Instance(ip="10.0.0.1", port=port) for port in (1, 2, 3)])
            assert addresses(await client.naming.list("s")) == ["10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3"]
            await client.naming.deregister("s", "10.0.0.1", 2)
            assert addresses(await client.naming.list("s")) == ["10.0.0.1:1", "10.0.0.1:3"]

    run("trio", work)


def test_a_persistent_instance_outlives_its_client(backend: str, node: NodeThread) -> None:
    async def work() -> None:
        async with open_client(node.url) as client:
            await client.naming.register("db", "10.0.0.1", 5432, ephemeral=False)
        async with open_client(node.url) as client:
            (instance,) = (await client.naming.list("db")).hosts
            assert not instance.ephemeral
            await client.naming.deregister("db", "10.0.0.1", 5432, ephemeral=False)
            assert (await client.naming.list("db")).hosts == ()

    run(backend, work)


def test_a_subscriber_hears_of_every_list(backend: str, node: NodeThread) -> None:
    async def work() -> None:
        async with (
            open_client(node.url) as client,
            open_client(node.url) as other,
            client.naming.subscribe("s") as states,
        ):
            assert (await the_next(states)).hosts == ()
            await other.naming.register("s", "10.0.0.1", 80)
            assert addresses(await the_next(states)) == ["10.0.0.1:80"]
            await other.naming.deregister("s", "10.0.0.1", 80)
            assert (await the_next(states)).hosts == ()

    run(backend, work)


def test_a_list_that_was_overtaken_by_a_newer_one_is_not_told(backend: str, node: NodeThread) -> None:
    async def work() -> None:
        async with open_client(node.url) as client, client.naming.subscribe("s") as states:
            first = await the_next(states)
            for port, later_ms, known in ((1, 2, 1), (2, 1, 1), (3, 3, 3)):
                hosts, last_ref_time = (Instance(ip="10.0.0.1", port=port),), first.last_ref_time + later_ms
                pushed = msgspec.structs.replace(first, hosts=hosts, last_ref_time=last_ref_time)
                client.naming.pushed(msgspec.json.encode({"serviceInfo": pushed}))
                one = await client.naming.select_one("s")
                assert one is not None
                assert one.port == known
            assert addresses(await the_next(states)) == ["10.0.0.1:3"]

    run(backend, work)


def test_one_is_selected_by_weight_among_those_that_can_be_used(node: NodeThread) -> None:
    async def work() -> None:
        async with open_client(node.url, chance=random.Random(7)) as client:
            assert await client.naming.select_one("s") is None
            instances = [
                Instance(ip="10.0.0.1", port=1, weight=1),
                Instance(ip="10.0.0.1", port=2, weight=3),
                Instance(ip="10.0.0.1", port=3, weight=0),
                Instance(ip="10.0.0.1", port=4, weight=100, healthy=False),
                Instance(ip="10.0.0.1", port=5, weight=100, enabled=False),
            ]
            await client.naming.register_batch("s", instances)
            async with client.naming.subscribe("s") as states:
                await until(states, lambda service: len(service.hosts) == 4)
                chosen = [await client.naming.select_one("s") for _ in range(1000)]
            ports = Counter(instance.port for instance in chosen if instance is not None)
            assert set(ports) == {1, 2}
            assert 700 < ports[2] < 800
            again = await client.naming.select_one("s")
            assert again is not None
            assert again.port in (1, 2), "without a subscription, too"

    run("trio", work)


# --- what outlives the server


def test_the_cache_tells_what_was_heard_last(backend: str, node: NodeThread, tmp_path: Path) -> None:
    cache = tmp_path / "cache"

    async def fill() -> None:
        async with open_client(node.url, cache=cache) as client:
            await client.config.publish("a/odd".replace("/", ":"), "kept")
            await client.config.get("a:odd")
            await client.config.publish("removed", "x")
            await client.config.get("removed")
            await client.config.remove("removed")
            assert await client.config.get("removed") is None
            await client.naming.register_batch(
                "s", [Instance(ip="10.0.0.1", port=80), Instance(ip="10.0.0.2", port=80, cluster="c2", healthy=False)]
            )
            async with client.naming.subscribe("s") as states:
                await until(states, lambda service: len(service.hosts) == 2)
            await client.naming.list("s")

    async def read() -> None:
        async with open_client(node.url, cache=cache) as client:
            config = await client.config.get("a:odd")
            assert config is not None
            assert (config.content, config.is_stale) == ("kept", True)
            service = await client.naming.list("s")
            assert (addresses(service), service.is_stale) == (["10.0.0.1:80", "10.0.0.2:80"], True)
            assert addresses(await client.naming.list("s", clusters="c2")) == ["10.0.0.2:80"]
            assert addresses(await client.naming.list("s", healthy_only=True)) == ["10.0.0.1:80"]
            assert (await client.naming.select_one("s")) is not None
            for absent in ("removed", "never"):
                with pytest.raises(Unreachable):
                    await client.config.get(absent)
            async with client.config.watch("a:odd") as configs, client.naming.subscribe("s") as services:
                assert (await the_next(configs)).is_stale
                assert (await the_next(services)).is_stale
                await anyio.to_thread.run_sync(node.start)
                fresh = await until(configs, lambda config: not config.is_stale)
                assert fresh.content == "kept"
                assert (await until(services, lambda service: not service.is_stale)).hosts == ()

    run(backend, fill)
    node.stop()
    run(backend, read)


def test_a_cache_that_cannot_be_read_counts_as_nothing(node: NodeThread, tmp_path: Path) -> None:
    cache = tmp_path / "cache"

    async def fill() -> None:
        async with open_client(node.url, cache=cache) as client:
            await client.config.publish("a", "1")
            await client.config.get("a")

    async def read() -> None:
        async with open_client(node.url, cache=cache) as client:
            with pytest.raises(Unreachable):
                await client.config.get("a")

    run("trio", fill)
    node.stop()
    (file,) = (cache / "config").iterdir()
    whole = file.read_bytes()
    of_another = whole.replace(b'"DEFAULT_GROUP","a"]', b'"DEFAULT_GROUP","b"]')
    assert of_another != whole
    for damaged in (whole[: len(whole) // 2], b"", b'{"key":1}', b"\xff\xfe", of_another):
        file.write_bytes(damaged)
        run("trio", read)


# --- who may


def test_a_user_is_logged_in_and_again_when_the_token_is_refused(backend: str, tmp_path: Path) -> None:
    async def work(node: NodeThread) -> None:
        async with open_client(node.url, username="nacos", password="a secret of tests") as client:
            await client.config.publish("a", "1")
            assert client._session._login is not None
            tokens = client._session._login._tokens
            (server,) = tokens
            _, fetched_at, renew_at = tokens[server]
            tokens[server] = ("not.a.token", fetched_at - 10, renew_at)
            config = await client.config.get("a")
            assert config is not None
            assert config.content == "1"
            tokens[server] = ("not.a.token", fetched_at, anyio.current_time() - 1)
            assert await client.config.get("a") is not None, "it was due to be renewed"
        async with open_client(node.url) as client:
            with pytest.raises(AccessDenied):
                await client.config.get("a")
        async with open_client(node.url, username="nacos", password="wrong") as client:
            with pytest.raises(AccessDenied, match="password"):
                await client.config.get("a")

    with NodeThread(tmp_path / "node", admin_password="a secret of tests") as node:
        run(backend, work, node)


# --- bad input


def test_a_server_says_what_is_wrong(backend: str, node: NodeThread) -> None:
    async def work() -> None:
        async with open_client(node.url) as client:
            for ask in (
                partial(client.config.publish, "a b", "1"),
                partial(client.config.publish, "a", ""),
                partial(client.naming.register, "s", "10.0.0.1", 80, cluster="no such/name"),
                partial(client.naming.register, "s", "10.0.0.1", 80, weight=-1.0),
            ):
                with pytest.raises(ServerRefused) as refused:
                    await ask()
                assert str(refused.value)
            await client.naming.register("s", "10.0.0.1", 80)
            assert addresses(await client.naming.list("s")) == ["10.0.0.1:80"], "what was refused is not told again"

    run(backend, work)


def test_addresses_of_servers() -> None:
    found = parse_servers("http://a:1, b,c:65,[::1]:8848/nacos")
    assert [str(each) for each in found] == ["http://a:1", "http://b:8848", "http://c:65", "http://[::1]:8848"]
    assert [each.grpc_port for each in found] == [1001, 9848, 1065, 9848]
    (secure,) = parse_servers("https://a/nacos")
    assert (str(secure), secure.grpc_port, secure.is_secure) == ("https://a:8848", 9848, True)
    for wrong in ("", " , ", "https://", "ftp://a", "a:0", "a:70000", "a:65000", "a:b", "http://", "a/path", "a?b=c"):
        with pytest.raises(SettingsError):
            parse_servers(wrong)


def test_arguments_that_make_no_sense_are_refused(backend: str) -> None:
    async def work(**arguments: Any) -> None:
        async with open_client("a:1", **arguments):
            raise AssertionError("opened")

    for arguments in ({"username": "nacos"}, {"password": "x"}, {"request_timeout_seconds": 0.0}):
        with pytest.raises(SettingsError):
            run(backend, partial(work, **arguments))


def test_an_error_in_the_block_comes_out_as_it_is(backend: str, node: NodeThread) -> None:
    async def work() -> None:
        async with open_client(node.url) as client:
            await client.config.get("a")
            raise LookupError("of the caller")

    with pytest.raises(LookupError, match="of the caller"):
        run(backend, work)


def test_it_is_public(node: NodeThread) -> None:
    async def work() -> Client:
        async with nacos_core.open_client(node.url) as client:
            return client

    assert isinstance(run("trio", work), nacos_core.Client)
