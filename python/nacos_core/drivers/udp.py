"""The UDP socket over which 1.x clients are told of changes (protocol/semantics.md section 3, "UDP push").

IPv4 only, as the clients that ask for it are.
"""

import logging
import socket
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import trio

from nacos_core import limits
from nacos_core.settings import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable

_logger = logging.getLogger(__name__)

_GZIP_WINDOW_BITS = 31
_ACKNOWLEDGEMENT = "push-ack"


class _Push(msgspec.Struct, rename="camel"):
    type: str
    data: str
    last_ref_time: int


class _Acknowledgement(msgspec.Struct, rename="camel"):
    type: str
    last_ref_time: int


_read_acknowledgement = msgspec.json.Decoder(_Acknowledgement, strict=False).decode
_to_json = msgspec.json.Encoder().encode


class UdpPort:
    """Sends datagrams without waiting; what the network drops is sent once more by whoever waits for the answer.

    Args:
        addresses: the node's own, so that nobody else's datagrams reach a node that listens on loopback only.
    """

    def __init__(self, addresses: Sequence[str]) -> None:
        own = [address for address in addresses if ":" not in address]
        elsewhere = "127.0.0.1" if all(map(is_loopback, addresses)) else "0.0.0.0"
        self._host = own[0] if own else elsewhere
        self._socket: socket.socket | None = None
        self._stamp = 0
        self._opened = trio.Event()
        self.on_acknowledged: Callable[[tuple[str, int], int], None] = lambda address, stamp: None

    def push(self, address: tuple[str, int], service: bytes) -> tuple[int, bytes]:
        """Sends a service to a subscriber. Gives the stamp that the acknowledgement repeats, and the datagram.

        A service too big for a datagram is not sent (the datagram is empty): the client polls.
        """
        # The existing server stamps with nanoseconds; all that counts is that no two pushes have the same.
        self._stamp = max(self._stamp + 1, int(trio.current_time() * 1e9))
        datagram = _to_json(_Push("dom", service.decode(), self._stamp))
        if len(datagram) >= limits.UDP_PLAIN_BYTES_MAX:
            compressor = zlib.compressobj(wbits=_GZIP_WINDOW_BITS)
            datagram = compressor.compress(datagram) + compressor.flush()
        if len(datagram) > limits.UDP_DATAGRAM_BYTES_MAX:
            return self._stamp, b""
        self.send(address, datagram)
        return self._stamp, datagram

    def send(self, address: tuple[str, int], datagram: bytes) -> None:
        """Sends one datagram; a full buffer or an unreachable address loses it, as the network may."""
        try:
            self._open().sendto(datagram, address)
        except OSError as error:
            _logger.debug("datagram to %s lost: %s", address, error)

    async def run(self) -> None:
        """Receives acknowledgements until cancelled, and closes the socket."""
        try:
            await self._opened.wait()
            port = self._open()
            while True:
                await trio.lowlevel.wait_readable(port)
                try:
                    data, address = port.recvfrom(limits.UDP_DATAGRAM_BYTES_MAX)
                except OSError:
                    continue  # nothing there after all, or an ICMP error about an earlier datagram
                self._receive(data, address)
        finally:
            if self._socket is not None:
                self._socket.close()

    def _receive(self, data: bytes, address: tuple[str, int]) -> None:
        try:
            answer = _read_acknowledgement(data)
        except msgspec.MsgspecError:
            return
        if answer.type == _ACKNOWLEDGEMENT:
            self.on_acknowledged(address, answer.last_ref_time)

    def _open(self) -> socket.socket:
        # Most nodes never have a 1.x subscriber, so there is no socket before the first push.
        if self._socket is None:
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
            self._socket.bind((self._host, 0))
            self._opened.set()
        return self._socket
