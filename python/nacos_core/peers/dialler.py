"""Dials peers: once for a question, or again and again to keep a connection to a member."""

import logging
from typing import TYPE_CHECKING

import trio

from nacos_core import limits
from nacos_core.errors import HandshakeRefused, PeerUnreachable
from nacos_core.peers.back_off import BackOff
from nacos_core.peers.wire import Wire

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    import msgspec

    from nacos_core.peers.addresses import PeerAddress
    from nacos_core.peers.handshake import Handshake
    from nacos_core.peers.network import Connection, Network
    from nacos_core.peers.wire import Callbacks

_logger = logging.getLogger(__name__)


async def shake_hands(connection: "Connection", handshake: "Handshake") -> None:
    """Runs a handshake to its end; the stream stays open, also if it fails. There is no time limit.

    Raises:
        HandshakeRefused: one side said no; the other has been told why.
        trio.BrokenResourceError: the connection ended.
    """
    output = handshake.start()
    while True:
        if output:
            await connection.stream.send_all(output)
        if handshake.refusal:
            raise HandshakeRefused(handshake.refusal)
        if handshake.peer is not None:
            return
        # No more than is allowed, so that nothing else is kept for a peer that is not proven.
        data = await connection.stream.receive_some(handshake.bytes_left)
        if not data:
            raise trio.BrokenResourceError("closed by the other side before it had proven the cluster secret")
        output = handshake.feed(data)


class Dialler:
    """Opens connections to peers.

    Args:
        new_handshake: (are both ends loopback addresses) → the dialling side of a handshake.
    """

    def __init__(
        self,
        network: "Network",
        new_handshake: "Callable[[bool], Handshake]",
        frame_type: object,
        callbacks: "Callbacks",
    ) -> None:
        self._network = network
        self._new_handshake = new_handshake
        self._frame_type = frame_type
        self._callbacks = callbacks

    async def open(self, address: "PeerAddress") -> Wire:
        """Connects and proves both sides within the limits; whoever calls runs the wire.

        Raises:
            HandshakeRefused: one side said no.
            PeerUnreachable: nobody is there, or it does not answer in time.
        """
        try:
            with trio.fail_after(limits.PEER_DIAL_SECONDS):
                connection = await self._network.dial(address)
        except trio.TooSlowError:
            raise PeerUnreachable(f"{address} does not accept connections") from None
        except OSError as error:
            raise PeerUnreachable(f"{address} cannot be reached: {error.strerror or error}") from None
        handshake = self._new_handshake(connection.is_local)
        try:
            with trio.fail_after(limits.PEER_HANDSHAKE_SECONDS):
                await shake_hands(connection, handshake)
            assert handshake.peer is not None, "a handshake that does not fail knows its peer"
            return Wire(connection.stream, handshake.peer, self._frame_type, self._callbacks)
        except BaseException as error:
            await trio.aclose_forcefully(connection.stream)
            match error:
                case HandshakeRefused():
                    raise HandshakeRefused(f"{address}: refused: {error}") from None
                case trio.TooSlowError():
                    raise PeerUnreachable(f"{address} does not answer as a peer") from None
                case trio.BrokenResourceError() | trio.ClosedResourceError():
                    raise PeerUnreachable(f"{address}: {error or 'broken'}") from None
            raise


class Link:
    """Keeps a connection to one member, for as long as ``run`` runs."""

    def __init__(
        self, node_id: str, address: "PeerAddress", dialler: Dialler, callbacks: "Callbacks", chance: "random.Random"
    ) -> None:
        self.node_id = node_id
        self.address = address
        self.wire: Wire | None = None
        """The connection, while there is one."""
        self.dropped_count = 0
        """Messages to the member that were dropped."""
        self._scope = trio.CancelScope()
        self._dialler = dialler
        self._callbacks = callbacks
        self._back_off = BackOff(chance)
        self._woken = trio.Event()
        self._last_complaint = ""

    def send(self, message: "msgspec.Struct") -> int:
        """Queues a message and gives its bytes; 0 if there is no connection, or too much waits. Does not wait."""
        return 0 if self.wire is None else self.wire.tell(message)

    def wake(self) -> None:
        """The member has shown that it lives: dial it now."""
        self._woken.set()

    def stop(self) -> None:
        """Ends ``run`` for good. The connection counts as lost at once."""
        self._scope.cancel()
        self._lose()

    async def run(self) -> None:
        """Dials, and dials again after each failure, until ``stop`` is called or this is cancelled."""
        with self._scope:
            while True:
                self._woken = trio.Event()
                try:
                    wire = await self._dialler.open(self.address)
                except PeerUnreachable as error:
                    self._complain(str(error))
                else:
                    await self._use(wire)
                with trio.move_on_after(self._back_off.next_seconds()):
                    await self._woken.wait()

    async def _use(self, wire: Wire) -> None:
        if wire.peer.node_id != self.node_id:
            wire.end()
            await wire.run()
            self._complain(f"{self.address} is node {wire.peer.node_id} and not node {self.node_id}")
            self._callbacks.on_mismatch(self.node_id, wire.peer)
            return
        self._back_off.reset()
        self._last_complaint = ""
        self.wire = wire
        reason = "this node let it go"
        try:
            self._callbacks.on_connected(self.node_id)
            _logger.debug("connected to node %s at %s", self.node_id, self.address)
            reason = await wire.run()
        finally:
            self._lose()
            _logger.debug("connection to node %s at %s is over: %s", self.node_id, self.address, reason)

    def _lose(self) -> None:
        if self.wire is not None:
            self.wire = None
            self._callbacks.on_lost(self.node_id)

    def _complain(self, complaint: str) -> None:
        # A member that is down is dialled every second: said once, until something else is the matter.
        if complaint != self._last_complaint:
            self._last_complaint = complaint
            _logger.warning("no connection to node %s: %s", self.node_id, complaint)
