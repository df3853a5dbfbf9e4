"""A whole cluster inside one trio program, for tests and trials: real sockets on loopback, temporary folders."""

import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from nacos_core import limits
from nacos_core.errors import StartError
from nacos_core.node import Node, only_error, run_node
from nacos_core.settings import Settings

_PORTS = (20_000, 60_000)
_TRIES_COUNT = 200


class EmbeddedCluster:
    """Running nodes, numbered from 0. Made by ``open_cluster``."""

    def __init__(self, settings: list[Settings], nursery: trio.Nursery) -> None:
        self._settings = settings
        self._nursery = nursery
        self._running: dict[int, tuple[Node, trio.CancelScope, trio.Event]] = {}

    def __getitem__(self, number: int) -> Node:
        """A running node. Raises KeyError if it is not running."""
        return self._running[number][0]

    @property
    def nodes(self) -> list[Node]:
        """Those that run, in the order of their numbers."""
        return [self._running[number][0] for number in sorted(self._running)]

    @property
    def addresses(self) -> list[str]:
        """``host:port`` of each node, running or not."""
        return [f"{settings.host}:{settings.port}" for settings in self._settings]

    async def leader(self, timeout_seconds: float = 10) -> Node:
        """The node that leads: of those that say so, the one of the newest term, once a majority follows it.

        Raises:
            trio.TooSlowError: there was none in time.
        """
        with trio.fail_after(timeout_seconds):
            while True:
                leaders = [node for node in self.nodes if node.raft.is_leader]
                leader = max(leaders, key=lambda node: node.raft.machine.current_term, default=None)
                if leader is not None:
                    following = sum(node.raft.leader_id == leader.identity.node_id for node in self.nodes)
                    if following > len(self._settings) // 2:
                        return leader
                await trio.sleep(0.01)

    def number_of(self, node: Node) -> int:
        """The number of a running node."""
        return next(number for number, (running, _, _) in self._running.items() if running is node)

    async def kill(self, number: int) -> None:
        """Ends a node as if its process had died: nobody is told, nothing is handed over."""
        node, scope, ended = self._running.pop(number)
        node.abandon()
        scope.cancel()
        await ended.wait()

    async def restart(self, number: int) -> Node:
        """Starts a node that was killed, with the data that it had."""
        if number in self._running:
            await self.kill(number)
        return await self.start(number)

    async def start_all(self) -> None:
        """Returns once a leader is elected and every node answers clients.

        Raises:
            trio.TooSlowError: that did not come about.
        """
        for number in range(len(self._settings)):
            await self.start(number)
        await self.leader()
        with trio.fail_after(10):
            while not all(node.is_ready for node in self.nodes):  # noqa: ASYNC110 - each node says so for itself
                await trio.sleep(0.01)

    async def start(self, number: int) -> Node:
        """Starts a node; returns once its ports are bound."""
        started: list[Node] = []
        bound = trio.Event()

        def announce(node: Node) -> None:
            started.append(node)
            bound.set()

        scope, ended = trio.CancelScope(), trio.Event()

        async def run() -> None:
            with scope:
                try:
                    async with run_node(self._settings[number], announce=announce):
                        await trio.sleep_forever()
                finally:
                    ended.set()

        self._nursery.start_soon(run)
        await bound.wait()
        self._running[number] = (started[0], scope, ended)
        return started[0]


@asynccontextmanager
async def open_cluster(
    count: int = 3,
    *,
    election_timeout_ms: int = 150,
    heartbeat_ms: int = 50,
    auth: bool = False,
    admin_password: str | None = None,
) -> AsyncIterator[EmbeddedCluster]:
    """Runs a cluster as long as the block lasts; at its end everything is gone.

    The block begins once a leader is elected and every node answers clients.

    Raises:
        StartError: a node cannot start.
        trio.TooSlowError: no leader came about.
    """
    import tempfile

    failure: Exception | None = None
    with tempfile.TemporaryDirectory(prefix="nacos-core-cluster-") as folder:
        ports = _free_ports(count)
        listed = ",".join(f"127.0.0.1:{port}" for port in ports)
        settings = [
            Settings(
                port=port,
                data=Path(folder) / str(number),
                cluster=listed,
                election_timeout_ms=election_timeout_ms,
                heartbeat_ms=heartbeat_ms,
                auth=auth,
                admin_password=admin_password,
            )
            for number, port in enumerate(ports)
        ]
        try:
            async with trio.open_nursery() as nursery:
                cluster = EmbeddedCluster(settings, nursery)
                try:
                    await cluster.start_all()
                    yield cluster
                except Exception as error:
                    failure = error  # raised below as it is, not within the group of the nursery
                nursery.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise only_error(group) from None
        if failure is not None:
            raise failure


def _free_ports(count: int) -> list[int]:
    """HTTP ports whose gRPC and peer ports are free as well."""
    choose = random.Random()
    ports: list[int] = []
    for _ in range(_TRIES_COUNT):
        port = choose.randrange(*_PORTS, 4)
        wanted = (port, port + limits.GRPC_PORT_OFFSET, port + limits.PEER_PORT_OFFSET)
        near = any(abs(port - other) in (0, limits.GRPC_PORT_OFFSET, limits.PEER_PORT_OFFSET) for other in ports)
        if not near and all(_is_free(one) for one in wanted):
            ports.append(port)
            if len(ports) == count:
                return ports
    raise StartError(f"found no free ports for {count} nodes")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
