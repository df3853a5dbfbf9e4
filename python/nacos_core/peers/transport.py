"""All connections of a node to the other nodes.

A node sends to members over the connections that it dialled, and receives over those that it accepted: two members have
two. Questions are answered over the connection they came by, and so are nodes that are not members.
"""

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import trio

from nacos_core import limits
from nacos_core.errors import HandshakeRefused, NacosCoreError, OutcomeUnknown, PeerUnreachable
from nacos_core.peers.dialler import Dialler, Link, shake_hands
from nacos_core.peers.handshake import NONCE_BYTES, Handshake, Identity
from nacos_core.peers.protocol import PROTOCOL, Protocol
from nacos_core.peers.wire import Callbacks, Wire

if TYPE_CHECKING:
    import random

    import msgspec

    from nacos_core.peers.addresses import PeerAddress
    from nacos_core.peers.network import Connection, Listener, Network

_logger = logging.getLogger(__name__)


class PeerState(NamedTuple):
    """How the connection to one member stands."""

    node_id: str
    address: "PeerAddress"
    is_connected: bool
    dropped_count: int
    """Messages to it that were dropped since its address was set."""


class Peers:
    """Made before anything runs; ``run`` keeps the connections.

    Args:
        identity: called for each handshake, as the cluster id and the address may come later.
        secret: the cluster secret, of ``peers.secret``; None if there is none.
        entropy: gives that many bytes that nobody can foretell.
        chance: for the jitter of back-off.
        callbacks: what to do with what comes in; may be changed at any time.
    """

    def __init__(
        self,
        *,
        network: "Network",
        identity: Callable[[], Identity],
        secret: bytes | None,
        entropy: Callable[[int], bytes],
        chance: "random.Random",
        callbacks: Callbacks | None = None,
        protocol: Protocol = PROTOCOL,
    ) -> None:
        self.callbacks = callbacks or Callbacks()
        self._identity = identity
        self._secret = secret
        self._entropy = entropy
        self._chance = chance
        self._frame_type = protocol.frame_type()
        self._dialler = Dialler(network, self._dialling_handshake, self._frame_type, self.callbacks)
        self._links: dict[str, Link] = {}
        self._nursery: trio.Nursery | None = None
        self._unproven_count = 0
        self._accepted: dict[Wire, None] = {}
        self._complaints: dict[tuple[str, str], float] = {}

    async def run(self, listener: "Listener | None" = None) -> None:
        """Dials the members and serves ``listener`` until cancelled. Then every connection is closed.

        Raises:
            ExceptionGroup: what a callback raised.
        """
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                for link in self._links.values():
                    nursery.start_soon(link.run)
                if listener is None:
                    await trio.sleep_forever()
                else:
                    await listener.serve(self.accept)
        finally:
            self._nursery = None

    def set_members(self, addresses: "Mapping[str, PeerAddress]") -> None:
        """Keeps connections to these nodes, by node id, and to no others; this node itself may be among them.

        A connection whose address stays the same is left as it is. Connections accepted from others stay too.
        """
        own_id = self._identity().node_id
        for node_id, link in list(self._links.items()):
            if addresses.get(node_id) != link.address:
                del self._links[node_id]
                link.stop()
        for node_id, address in addresses.items():
            if node_id != own_id and node_id not in self._links:
                link = Link(node_id, address, self._dialler, self.callbacks, self._chance)
                self._links[node_id] = link
                if self._nursery is not None:
                    self._nursery.start_soon(link.run)

    def send(self, node_id: str, message: "msgspec.Struct") -> int:
        """Queues a message and does not wait. Whether it arrives is not known; what one connection carries arrives in
        order. A node to which this one has no connection of its own, because it is not a member or was not reached yet,
        is told over the last one that was accepted from it.

        Returns:
            Its bytes as they are sent; 0 if it was dropped: there is no connection, or too much waits for that node.

        Raises:
            FrameError: the message is longer than any frame may be.
        """
        link = self._links.get(node_id)
        if link is not None and (sent_bytes := link.send(message)):
            return sent_bytes
        for wire in reversed(self._accepted):
            if wire.peer.node_id == node_id:
                return wire.tell(message)
        if link is not None:
            link.dropped_count += 1
        return 0

    async def ask(self, node_id: str, request: "msgspec.Struct", *, seconds: float = limits.PEER_CALL_SECONDS) -> Any:
        """Asks a member over the connection that there is, and gives its answer. Cancelled, the outcome is not known.

        Raises:
            PeerUnreachable: there is no connection, nothing was sent.
            Overloaded: too much waits for it, nothing was sent.
            CallRefused: the peer said no.
            OutcomeUnknown: no answer came in time, or before the connection ended.
        """
        link = self._links.get(node_id)
        if link is None or link.wire is None:
            raise PeerUnreachable(f"there is no connection to node {node_id}")
        return await _ask(link.wire, request, seconds)

    async def call(
        self, address: "PeerAddress", request: "msgspec.Struct", *, seconds: float = limits.PEER_CALL_SECONDS
    ) -> Any:
        """Asks whoever listens at an address, over a connection of its own unless a member is connected there. Works
        without ``run``, too.

        Args:
            seconds: limit for the answer; connecting has limits of its own.

        Raises:
            HandshakeRefused: the two do not belong together, nothing was sent.
            PeerUnreachable, Overloaded, CallRefused, OutcomeUnknown: as ``ask``.
        """
        for link in self._links.values():
            if link.address == address and link.wire is not None:
                return await _ask(link.wire, request, seconds)
        wire = await self._dialler.open(address)
        # What is raised inside a nursery comes out as a group; so the error is carried out by hand.
        failure: NacosCoreError | None = None
        response: Any = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wire.run)
            try:
                response = await _ask(wire, request, seconds)
            except NacosCoreError as error:
                failure = error
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return response

    def renew(self) -> None:
        """Ends every connection, and dials the members again: to be called once ``identity`` gives another cluster id,
        as the handshakes until now have not compared it."""
        for link in self._links.values():
            if link.wire is not None:
                link.wire.end()
        for wire in self._accepted:
            wire.end()

    async def drain(self) -> None:
        """Waits until everything queued was handed to the network, for a last word before the node stops. There is no
        time limit, whoever calls sets one."""
        for link in list(self._links.values()):
            if link.wire is not None:
                await link.wire.drain()

    def states(self) -> list[PeerState]:
        """How the connection to each member stands, in the order of node ids."""
        links = sorted(self._links.items())
        return [PeerState(id_, link.address, link.wire is not None, link.dropped_count) for id_, link in links]

    def is_connected(self, node_id: str) -> bool:
        """Whether there is a connection that this node dialled to that member."""
        link = self._links.get(node_id)
        return link is not None and link.wire is not None

    async def accept(self, connection: "Connection") -> None:
        """Serves one accepted connection until it ends; closes its stream."""
        if self._unproven_count >= limits.PEER_UNPROVEN_COUNT_MAX:
            self._complain(connection, "too many connections at once that have not proven the cluster secret")
            await trio.aclose_forcefully(connection.stream)
            return
        wire = await self._prove(connection)
        if wire is None:
            return
        self._accepted[wire] = None
        try:
            self.callbacks.on_accepted(wire.peer)
            if (link := self._links.get(wire.peer.node_id)) is not None:
                link.wake()
            reason = await wire.run()
            _logger.debug("connection of node %s from %s is over: %s", wire.peer.node_id, connection.remote, reason)
        finally:
            del self._accepted[wire]

    async def _prove(self, connection: "Connection") -> Wire | None:
        handshake = self._new_handshake(is_dialling=False, is_local=connection.is_local)
        wire: Wire | None = None
        self._unproven_count += 1
        try:
            with trio.fail_after(limits.PEER_HANDSHAKE_SECONDS):
                await shake_hands(connection, handshake)
            if len(self._accepted) >= limits.PEER_ACCEPTED_COUNT_MAX:
                self._complain(connection, "too many connections of peers")
            elif handshake.peer is not None:
                wire = Wire(connection.stream, handshake.peer, self._frame_type, self.callbacks)
        except HandshakeRefused as error:
            self._complain(connection, f"refused: {error}")
        except trio.TooSlowError:
            self._complain(connection, f"no proof within {limits.PEER_HANDSHAKE_SECONDS:g} s")
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            _logger.debug("connection from %s: %s", connection.remote, error)
        finally:
            self._unproven_count -= 1
            if wire is None:
                await trio.aclose_forcefully(connection.stream)
        return wire

    def _dialling_handshake(self, is_local: bool) -> Handshake:
        return self._new_handshake(is_dialling=True, is_local=is_local)

    def _new_handshake(self, *, is_dialling: bool, is_local: bool) -> Handshake:
        return Handshake(
            identity=self._identity(),
            secret=self._secret,
            nonce=self._entropy(NONCE_BYTES),
            is_dialling=is_dialling,
            is_local=is_local,
        )

    def _complain(self, connection: "Connection", complaint: str) -> None:
        # Anybody can connect as often as they like: that must not fill the log.
        host = connection.remote.rpartition(":")[0]
        now = trio.current_time()
        if self._complaints.get((host, complaint), now) > now:
            return
        if len(self._complaints) >= limits.PEER_COMPLAINTS_COUNT_MAX:
            self._complaints.clear()
        self._complaints[host, complaint] = now + limits.PEER_COMPLAINT_SECONDS
        _logger.warning("connection of a peer from %s: %s", connection.remote, complaint)


async def _ask(wire: Wire, request: "msgspec.Struct", seconds: float) -> Any:
    try:
        with trio.fail_after(seconds):
            return await wire.ask(request)
    except trio.TooSlowError:
        raise OutcomeUnknown(f"node {wire.peer.node_id} has not answered within {seconds:g} s") from None
