"""The client while servers come, go and send it away, under trio and under asyncio."""

from __future__ import annotations

import random
import socket
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from nacos_core.client import Unreachable, open_client
from nacos_core.errors import OutcomeUnknown
from support.client_runs import addresses, eventually, run, the_next, until
from support.node_thread import NodeThread

if TYPE_CHECKING:
    from pathlib import Path


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
