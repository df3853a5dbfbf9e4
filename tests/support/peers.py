"""A network in memory, and nodes of a cluster that only talk: for tests of what is between nodes."""

from __future__ import annotations

import logging
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import trio
import trio.testing

from nacos_core.peers.addresses import PeerAddress
from nacos_core.peers.handshake import Identity
from nacos_core.peers.network import Connection, Network
from nacos_core.peers.protocol import Protocol
from nacos_core.peers.transport import Peers
from nacos_core.peers.wire import Callbacks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AsyncExitStack

    import pytest

SECRET = b"the secret of all the tests"
MemoryStream = trio.StapledStream[trio.testing.MemorySendStream, trio.testing.MemoryReceiveStream]


class Note(msgspec.Struct, frozen=True, array_like=True, tag="note"):
    number: int
    content: bytes = b""


class Question(msgspec.Struct, frozen=True, array_like=True, tag="question"):
    text: str


class Reply(msgspec.Struct, frozen=True, array_like=True, tag="reply"):
    text: str


PROTOCOL = Protocol(messages=(Note,), requests=(Question,), responses=(Reply,))


class MemoryNetwork:
    """Connects nodes of one process; every dial is noted with its time."""

    def __init__(self, *, is_local: bool = True) -> None:
        self.dialled: list[tuple[float, PeerAddress]] = []
        self.streams: list[MemoryStream] = []
        """The dialling ends."""
        self._is_local = is_local
        self._listeners: dict[PeerAddress, trio.MemorySendChannel[Connection]] = {}

    async def dial(self, address: PeerAddress) -> Connection:
        self.dialled.append((trio.current_time(), address))
        await trio.lowlevel.checkpoint()
        if address not in self._listeners:
            raise ConnectionRefusedError(111, "Connection refused")
        here, there = trio.testing.memory_stream_pair()
        self.streams.append(here)
        self._listeners[address].send_nowait(Connection(there, "127.0.0.1:1", self._is_local))
        return Connection(here, str(address), self._is_local)

    def listen(self, address: PeerAddress) -> MemoryListener:
        sender, receiver = trio.open_memory_channel[Connection](1000)
        self._listeners[address] = sender
        return MemoryListener(self, address, receiver)

    def forget(self, address: PeerAddress) -> None:
        self._listeners.pop(address, None)


class MemoryListener:
    def __init__(self, network: MemoryNetwork, address: PeerAddress, waiting: trio.MemoryReceiveChannel[Any]) -> None:
        self.address = address
        self._network = network
        self._waiting = waiting

    async def serve(self, handler: Callable[[Connection], Awaitable[None]]) -> None:
        try:
            async with trio.open_nursery() as nursery:
                async for connection in self._waiting:
                    nursery.start_soon(handler, connection)
        finally:
            self.close()

    def close(self) -> None:
        self._network.forget(self.address)


class Event(NamedTuple):
    """What a node's callbacks were told."""

    kind: str
    node_id: str
    what: Any = None


class Talker:
    """One node: its peers, and all that they told it."""

    def __init__(
        self,
        network: Network,
        node_id: str,
        *,
        secret: bytes | None = SECRET,
        cluster_id: str = "",
        seed: int = 0,
        address: PeerAddress | None = None,
    ) -> None:
        self.node_id = node_id
        self.cluster_id = cluster_id
        self.address = address or PeerAddress(node_id, 9849)
        self.events: list[Event] = []
        self.settled_count = 0
        chance = random.Random(f"{node_id} {seed}")
        self.callbacks = Callbacks(
            on_message=lambda sender, message: self.events.append(Event("message", sender, message)),
            settle=self._settle,
            on_connected=lambda peer: self.events.append(Event("connected", peer)),
            on_lost=lambda peer: self.events.append(Event("lost", peer)),
            on_accepted=lambda peer: self.events.append(Event("accepted", peer.node_id)),
            on_mismatch=lambda peer, found: self.events.append(Event("mismatch", peer, found.node_id)),
        )
        self.callbacks.requests[Question] = lambda peer, question: Reply(f"{question.text}, {peer.node_id}")
        self.peers = Peers(
            network=network,
            identity=lambda: Identity(node_id, str(self.address), self.cluster_id),
            secret=secret,
            entropy=chance.randbytes,
            chance=chance,
            callbacks=self.callbacks,
            protocol=PROTOCOL,
        )
        self.network = network

    def _settle(self) -> None:
        self.settled_count += 1

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.events if event.kind == kind]

    def messages(self) -> list[Any]:
        return [event.what for event in self.of("message")]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Talker]:
        listener = self.network.listen(self.address)
        self.address = listener.address
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.peers.run, listener)
            yield self
            nursery.cancel_scope.cancel()

    def dials(self, *others: Talker) -> None:
        self.peers.set_members({other.node_id: other.address for other in others})


async def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    with trio.fail_after(seconds):
        while not condition():  # noqa: ASYNC110 - conditions here are about anything, not about one event
            await trio.sleep(0.001)


async def start(stack: AsyncExitStack, *talkers: Talker) -> None:
    for talker in talkers:
        await stack.enter_async_context(talker.running())


async def connected(one: Talker, other: Talker) -> None:
    one.dials(other)
    await until(lambda: one.peers.is_connected(other.node_id))


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
