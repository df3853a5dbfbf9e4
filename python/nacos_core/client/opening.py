"""A client: one session with the servers, and what is asked over it."""

import os
import random
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from nacos_core import limits
from nacos_core.client.cache import Cache
from nacos_core.client.config import ConfigClient
from nacos_core.client.login import Login
from nacos_core.client.naming import NamingClient
from nacos_core.client.servers import parse_servers
from nacos_core.client.session import Session
from nacos_core.client.tls import tls_for
from nacos_core.config.rules import namespace_of
from nacos_core.errors import SettingsError


class Client:
    """A client of the servers of one cluster. Made by ``open_client``."""

    def __init__(self, config: ConfigClient, naming: NamingClient, session: Session, namespace: str) -> None:
        self.config = config
        self.naming = naming
        self.namespace = namespace
        self._session = session

    @property
    def server(self) -> str | None:
        """The URL of the server that is connected now; None: nobody is."""
        server = self._session.server
        return None if server is None else server.url


@asynccontextmanager
async def open_client(
    servers: str | Iterable[str] = "http://127.0.0.1:8848",
    *,
    namespace: str = "public",
    username: str | None = None,
    password: str | None = None,
    cache: str | os.PathLike[str] | None = None,
    ca_file: str | os.PathLike[str] | None = None,
    request_timeout_seconds: float = limits.CLIENT_REQUEST_SECONDS,
    grpc_port_offset: int = limits.GRPC_PORT_OFFSET,
    chance: random.Random | None = None,
) -> AsyncIterator[Client]:
    """Talks to a server as long as the block lasts; at its end the instances registered here are gone.

    It opens at once, whether or not a server answers, and from then on finds one by itself whenever it has none. It
    runs under trio and under asyncio.

    Args:
        servers: members of one cluster, ``http://host:port`` each, in a list or with commas between; ``https://``: both
            of its ports speak TLS.
        username, password: both or neither.
        cache: a folder for what was last heard, which is told while no server answers; None: nothing is kept.
        ca_file: PEM, the certificates that are trusted; None: those of the system.
        request_timeout_seconds: longest time for one request, looking for a server included.
        grpc_port_offset: where gRPC is, counted from the HTTP port.
        chance: chooses the first server and ``select_one``; None: nobody can foretell.

    Raises:
        SettingsError: an argument makes no sense.
    """
    if (username is None) != (password is None):
        raise SettingsError("user name and password are given both or not at all")
    if request_timeout_seconds <= 0:
        raise SettingsError(f"a request takes longer than {request_timeout_seconds:g} s")
    chance = chance or random.Random()
    namespace = namespace_of(namespace)
    addresses = parse_servers(servers, grpc_port_offset)
    tls = tls_for(addresses, ca_file)
    session = Session(
        servers=addresses,
        namespace=namespace,
        login=None if username is None or password is None else Login(username, password, tls),
        tls=tls,
        request_timeout_seconds=request_timeout_seconds,
        chance=chance,
        on_push=lambda type, body: _push(config, naming, type, body),
    )
    kept = Cache(None if cache is None else Path(cache))
    config = ConfigClient(session, kept, namespace)
    naming = NamingClient(session, kept, namespace, chance)
    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        for run in (session.run, config.run, config.run_reconnects, naming.run, naming.run_saving, naming.watches.run):
            tasks.start_soon(run)
        try:
            yield Client(config, naming, session, namespace)
        except Exception as error:
            failure = error  # raised below as it is, not within a group
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


def _push(config: ConfigClient, naming: NamingClient, type: str, body: bytes) -> None:
    match type:
        case "ConfigChangeNotifyRequest":
            config.changed(body)
        case "NotifySubscriberRequest":
            naming.pushed(body)
        case "NamingFuzzyWatchSyncRequest":
            naming.watches.synced(body)
        case "NamingFuzzyWatchChangeNotifyRequest":
            naming.watches.changed(body)
        case _:
            pass
