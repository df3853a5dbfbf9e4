"""The client speaks TLS where a server's URL says https, under trio and under asyncio."""

from __future__ import annotations

import ssl
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyio.streams.tls import TLSListener

from nacos_core.client import Unreachable, open_client
from nacos_core.client.admin import Admin
from nacos_core.client.login import Login
from nacos_core.client.servers import parse_servers
from nacos_core.client.tls import tls_for
from nacos_core.errors import SettingsError
from support.client_runs import run
from support.node_thread import NodeThread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CERTIFICATE = Path(__file__).parents[1] / "support" / "localhost.pem"
"""For localhost and 127.0.0.1, with its key, signed by itself: of no worth anywhere else."""
PASSWORD = "correct horse battery staple"


@asynccontextmanager
async def tls_before(node: NodeThread) -> AsyncIterator[tuple[str, int]]:
    """The URL of something that speaks TLS and hands everything on to a node; and where its gRPC port is from there."""
    async with AsyncExitStack() as stack, anyio.create_task_group() as tasks:
        ports = []
        for target, protocols in ((node.port, ["http/1.1"]), (node.port + 1000, ["h2"])):
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(CERTIFICATE)
            context.set_alpn_protocols(protocols)
            listener = await stack.enter_async_context(await anyio.create_tcp_listener(local_host="127.0.0.1"))
            ports.append(listener.extra(anyio.abc.SocketAttribute.local_port))
            secure = TLSListener(listener, context, standard_compatible=False)
            tasks.start_soon(secure.serve, partial(hand_on, target, protocols))
        yield f"https://127.0.0.1:{ports[0]}", ports[1] - ports[0]
        tasks.cancel_scope.cancel()


async def hand_on(target: int, protocols: list[str], near: Any) -> None:
    assert near.extra(anyio.streams.tls.TLSAttribute.alpn_protocol) in (*protocols, None)
    async with near, await anyio.connect_tcp("127.0.0.1", target) as far, anyio.create_task_group() as tasks:

        async def copy(source: Any, to: Any) -> None:
            try:
                async for piece in source:
                    await to.send(piece)
            except (anyio.ClosedResourceError, anyio.BrokenResourceError):
                pass
            tasks.cancel_scope.cancel()

        tasks.start_soon(copy, far, near)
        await copy(near, far)


def test_everything_goes_over_tls(backend: str, tmp_path: Path) -> None:
    async def work(guarded: NodeThread) -> None:
        async with tls_before(guarded) as (url, offset):
            user = {"username": "nacos", "password": PASSWORD}
            async with open_client(url, grpc_port_offset=offset, ca_file=CERTIFICATE, **user) as client:
                await client.config.publish("a", "x" * 300_000)
                assert client.server == url
                await client.naming.register("s", "10.0.0.1", 80)
                assert len((await client.naming.list("s")).hosts) == 1
                servers = parse_servers(url)
                tls = tls_for(servers, CERTIFICATE)
                login = Login("nacos", PASSWORD, tls)
                async with Admin(servers, "public", login, tls=tls) as admin:
                    assert [each.data_id async for each, _ in admin.search()] == ["a"]

    with NodeThread(tmp_path / "node", admin_password=PASSWORD) as guarded:
        run(backend, work, guarded)


def test_a_certificate_that_is_not_trusted_is_said_to_be_none(backend: str, node: NodeThread) -> None:
    async def work() -> None:
        async with tls_before(node) as (url, offset), open_client(url, grpc_port_offset=offset) as client:
            with pytest.raises(Unreachable, match="certificate verify failed"):
                await client.config.get("a")

    run(backend, work)


def test_a_server_without_tls_is_told_from_one_with_it(backend: str, node: NodeThread) -> None:
    async def work() -> None:
        async with open_client(node.url.replace("http:", "https:"), ca_file=CERTIFICATE) as client:
            with pytest.raises(Unreachable, match="TLS"):
                await client.config.get("a")

    run(backend, work)


def test_certificates_must_be_some_and_of_use(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    secure = parse_servers("https://127.0.0.1")
    for servers, file in ((secure, tmp_path / "none"), (secure, tmp_path / "empty"), (parse_servers("a"), CERTIFICATE)):
        with pytest.raises(SettingsError, match="certificates"):
            tls_for(servers, file)
    assert tls_for(parse_servers("a"), None) is None
