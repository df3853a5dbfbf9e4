"""The client against real nodes, under trio and under asyncio."""

from __future__ import annotations

import random
import socket
from collections import Counter
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

import nacos_core
from nacos_core.client import AccessDenied, Instance, ServerRefused, Unreachable, open_client
from nacos_core.client.servers import parse_servers
from nacos_core.errors import AlreadyExists, CasMismatch, OutcomeUnknown, SettingsError
from support.node_thread import NodeThread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from nacos_core.client import Client, States

HEARD_WITHIN_S = 2.0
BACK_WITHIN_S = 8.0


@pytest.fixture(params=["trio", "asyncio"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeThread]:
    with NodeThread(tmp_path / "node") as started:
        yield started


def run(backend: str, work: Callable[..., Awaitable[Any]], *arguments: object) -> Any:
    async def limited() -> Any:
        with anyio.fail_after(40):
            return await work(*arguments)

    return anyio.run(limited, backend=backend)


async def the_next(states: States[Any], within_s: float = HEARD_WITHIN_S) -> Any:
    with anyio.fail_after(within_s):
        return await states.__anext__()


async def until(states: States[Any], holds: Callable[[Any], bool], within_s: float = BACK_WITHIN_S) -> Any:
    with anyio.fail_after(within_s):
        while not holds(state := await states.__anext__()):
            pass
        return state


async def eventually(holds: Callable[[], Awaitable[bool]], within_s: float = BACK_WITHIN_S) -> None:
    with anyio.fail_after(within_s):
        while not await holds():  # noqa: ASYNC110 - seen from outside
            await anyio.sleep(0.02)


def addresses(service: Any) -> list[str]:
    return sorted(f"{each.ip}:{each.port}" for each in service.hosts)


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


# --- servers that come and go


def test_everything_is_told_again_after_a_restart(backend: str, node: NodeThread) -> None:
    async def work() -> None:
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(open_client(node.url))
            await client.naming.register("s", "10.0.0.1", 80)
            await client.naming.register("s", "10.0.0.1", 81)
            await client.config.publish("a", "1")
            configs = await stack.enter_async_context(client.config.watch("a"))
            services = await stack.enter_async_context(client.naming.subscribe("s"))
            assert (await the_next(configs)).content == "1"
            assert len((await the_next(services)).hosts) == 2
            await anyio.to_thread.run_sync(node.stop)
            with pytest.raises(Unreachable, match=node.url):
                await client.config.get("a")
            assert client.server is None
            await anyio.to_thread.run_sync(node.start)
            other = await stack.enter_async_context(open_client(node.url))

            async def is_registered() -> bool:
                return addresses(await other.naming.list("s")) == ["10.0.0.1:80", "10.0.0.1:81"]

            await eventually(is_registered)
            await other.config.publish("a", "2")
            assert (await until(configs, lambda config: config.content == "2")).content == "2"
            await other.naming.register("s", "10.0.0.9", 90)
            assert len((await until(services, lambda service: len(service.hosts) == 3)).hosts) == 3
            assert client.server == node.url

    run(backend, work)


def test_the_next_server_of_the_list_is_used(backend: str, node: NodeThread, tmp_path: Path) -> None:
    async def work(other: NodeThread) -> None:
        async with open_client([node.url, other.url], chance=random.Random(1)) as client:
            await client.naming.register("s", "10.0.0.1", 80)
            at_first = node if client.server == node.url else other
            the_other = other if at_first is node else node
            await anyio.to_thread.run_sync(at_first.stop)
            async with open_client(the_other.url) as watcher, watcher.naming.subscribe("s") as states:
                assert addresses(await until(states, lambda service: bool(service.hosts))) == ["10.0.0.1:80"]
            assert client.server == the_other.url

    with NodeThread(tmp_path / "other") as other:
        run(backend, work, other)


def test_nobody_answers(backend: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

    async def work() -> None:
        async with open_client(f"127.0.0.1:{port}", grpc_port_offset=0) as client:
            for ask in (
                partial(client.config.get, "a"),
                partial(client.config.publish, "a", "1"),
                partial(client.naming.register, "s", "10.0.0.1", 80),
                partial(client.naming.list, "s"),
                partial(client.naming.select_one, "s"),
            ):
                with anyio.fail_after(2), pytest.raises(Unreachable, match=f"127.0.0.1:{port}"):
                    await ask()
            with pytest.raises(Unreachable):
                async with client.config.watch("a"):
                    raise AssertionError("there is nothing to watch")
            with pytest.raises(Unreachable):
                async with client.naming.subscribe("s"):
                    raise AssertionError("there is nothing to subscribe to")

    run(backend, work)


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 100])
def test_what_is_no_such_server_is_told_from_one(greeting: bytes) -> None:
    async def serve(stream: Any) -> None:
        async with stream:
            await stream.send(greeting) if greeting else None

    async def work() -> None:
        async with (
            await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(listener.serve, serve)
            port = listener.extra(anyio.abc.SocketAttribute.local_port)
            async with open_client(f"127.0.0.1:{port}", grpc_port_offset=0) as client:
                with pytest.raises(Unreachable):
                    await client.config.get("a")
            tasks.cancel_scope.cancel()

    run("trio", work)


@pytest.mark.parametrize("breaks", [False, True])
def test_a_write_that_nobody_answered_may_have_been_done(backend: str, node: NodeThread, breaks: bool) -> None:
    """Between client and server a wire that swallows what is asked from some time on, and breaks then or does not."""

    async def work() -> None:
        timeout_seconds = 30.0 if breaks else 0.5
        async with (
            _wire(node.port + 1000) as wire,
            open_client(
                f"127.0.0.1:{wire.port}", grpc_port_offset=0, request_timeout_seconds=timeout_seconds
            ) as client,
        ):
            await client.config.publish("a", "1")
            wire.is_cut = True
            async with anyio.create_task_group() as tasks:
                if breaks:
                    tasks.start_soon(wire.break_after, 0.2)
                with anyio.fail_after(3), pytest.raises(OutcomeUnknown, match="may have been done or not"):
                    await client.config.publish("a", "2")

    run(backend, work)


def test_a_client_that_is_asked_to_leave_goes_to_the_next_server(
    backend: str, node: NodeThread, tmp_path: Path
) -> None:
    async def work(other: NodeThread) -> None:
        async with open_client([node.url, other.url]) as client:
            await client.naming.register("s", "10.0.0.1", 80)
            at_first = client.server
            async with httpx.AsyncClient() as http:
                path = f"{at_first}/nacos/v3/admin/core/loader/reloadCurrent"
                answer = await http.post(path, data={"count": "0"})
            assert answer.status_code == 200, answer.text

            async def has_moved() -> bool:
                return client.server not in (None, at_first)

            await eventually(has_moved)
            assert addresses(await client.naming.list("s")) == ["10.0.0.1:80"]

    with NodeThread(tmp_path / "other") as other:
        run(backend, work, other)


def test_a_client_goes_to_the_server_that_it_is_sent_to(backend: str, tmp_path: Path) -> None:
    async def work(nodes: dict[str, NodeThread]) -> None:
        async with open_client(list(nodes)) as client, httpx.AsyncClient() as http:

            async def is_at(url: str) -> bool:
                return client.server == url

            async def send(url: str) -> None:
                form = {"count": "0", "redirectAddress": url.removeprefix("http://")}
                answer = await http.post(f"{client.server}/nacos/v3/admin/core/loader/reloadCurrent", data=form)
                assert answer.status_code == 200, answer.text

            await client.config.get("a")
            assert client.server is not None
            for _ in range(2):  # the one after the next, which comes last in turn
                urls = list(nodes)
                url = urls[(urls.index(client.server) + 2) % 3]
                await send(url)
                await eventually(partial(is_at, url))
            before = client.server
            await send("http://10.0.0.1:1")

            async def has_moved() -> bool:
                return client.server not in (None, before)

            await eventually(has_moved)

    with ExitStack() as stack:
        started = [stack.enter_context(NodeThread(tmp_path / str(number))) for number in range(3)]
        run(backend, work, {node.url: node for node in started})


class _wire:
    def __init__(self, target: int) -> None:
        self.target = target
        self.is_cut = False
        self.streams: list[Any] = []

    async def __aenter__(self) -> _wire:
        self.stack = AsyncExitStack()
        listener = await self.stack.enter_async_context(await anyio.create_tcp_listener(local_host="127.0.0.1"))
        self.port = listener.extra(anyio.abc.SocketAttribute.local_port)
        self.tasks = await self.stack.enter_async_context(anyio.create_task_group())
        self.tasks.start_soon(listener.serve, self.serve)
        return self

    async def __aexit__(self, *exception: Any) -> None:
        self.tasks.cancel_scope.cancel()
        await self.stack.__aexit__(*exception)

    async def serve(self, near: Any) -> None:
        async with near, await anyio.connect_tcp("127.0.0.1", self.target) as far, anyio.create_task_group() as tasks:
            self.streams += [near, far]
            tasks.start_soon(self.copy, far, near)
            await self.copy(near, far)
            tasks.cancel_scope.cancel()

    async def copy(self, source: Any, target: Any) -> None:
        try:
            async for piece in source:
                if not self.is_cut:
                    await target.send(piece)
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            return

    async def break_after(self, seconds: float) -> None:
        await anyio.sleep(seconds)
        for stream in self.streams:
            await stream.aclose()


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
