"""The DNS port: datagrams, and TCP for answers that do not fit into one (RFC 7766)."""

import logging
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from nacos_core import limits
from nacos_core.errors import StartError
from nacos_core.naming.model import read_service

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nacos_core._core import Hub
    from nacos_core.clock import WallClock
    from nacos_core.dns.names import Key
    from nacos_core.naming.model import Instance

_logger = logging.getLogger(__name__)

_LENGTH_BYTES = 2


class DnsPort:
    """Listens on UDP and TCP. Made when the node is, so that a port that is taken keeps it from starting.

    Raises:
        StartError: the port is taken, or dnspython is not installed.
    """

    def __init__(
        self,
        *,
        address: str,
        port: int,
        hub: "Hub",
        wall_clock: "WallClock",
        is_ready: Callable[[], bool],
        chance: Callable[[], float],
    ) -> None:
        try:
            from nacos_core.dns.answers import DnsAnswers
        except ImportError:
            raise StartError("--dns-port needs nacos-core[dns]") from None
        self._hub = hub
        self._wall_clock = wall_clock
        self._answers = DnsAnswers(
            lookup=hub.dotted_services, instances=self._instances, is_ready=is_ready, chance=chance
        )
        self._datagrams, self._listener = _bind(address, port)
        self.port: int = self._datagrams.getsockname()[1]
        self._connections = trio.CapacityLimiter(limits.DNS_CONNECTIONS_COUNT_MAX)

    def close(self) -> None:
        """Closes both sockets."""
        self._datagrams.close()
        self._listener.close()

    async def run(self) -> None:
        """Answers until cancelled."""
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(self._listener))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._run_datagrams)
            await trio.serve_listeners(self._serve, [listener], handler_nursery=nursery)

    def _instances(self, key: "Key") -> "Sequence[Instance]":
        return read_service(self._hub.service_info(*key, "", False, self._wall_clock())).hosts

    async def _run_datagrams(self) -> None:
        while True:
            await trio.lowlevel.wait_readable(self._datagrams)
            # A few for each turn of the loop: timers come between.
            for _ in range(limits.DNS_DATAGRAMS_PER_TURN):
                try:
                    query, asker = self._datagrams.recvfrom(limits.DNS_TCP_BYTES_MAX)
                    if (answer := self._answer(query, over_udp=True)) is not None:
                        self._datagrams.sendto(answer, asker)
                except OSError:
                    break  # nothing more there, or an ICMP error about an earlier datagram

    async def _serve(self, stream: trio.SocketStream) -> None:
        if self._connections.available_tokens < 1:
            return await stream.aclose()
        try:
            async with self._connections, stream:
                while True:
                    with trio.fail_after(limits.DNS_CONNECTION_SECONDS):
                        length = int.from_bytes(await _receive(stream, _LENGTH_BYTES))
                        answer = self._answer(await _receive(stream, length), over_udp=False)
                        if answer is None:
                            return None
                        await stream.send_all(len(answer).to_bytes(_LENGTH_BYTES) + answer)
        except (trio.BrokenResourceError, trio.TooSlowError):
            return None

    def _answer(self, query: bytes, *, over_udp: bool) -> bytes | None:
        try:
            return self._answers.answer(query, over_udp=over_udp)
        except Exception:
            # One query that nobody foresaw must not end the node.
            _logger.exception("a DNS query could not be answered")
            return None


async def _receive(stream: trio.SocketStream, count: int) -> bytes:
    """That many bytes. BrokenResourceError: the peer ended before."""
    received = bytearray()
    while len(received) < count:
        piece = await stream.receive_some(count - len(received))
        if not piece:
            raise trio.BrokenResourceError
        received += piece
    return bytes(received)


def _bind(address: str, port: int) -> tuple[socket.socket, socket.socket]:
    """The same port for both; 0 takes one that is free for both."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for _ in range(limits.FREE_PAIR_TRIES_COUNT if port == 0 else 1):
        datagrams = socket.socket(family, socket.SOCK_DGRAM)
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, port))
            datagrams.bind((address, listener.getsockname()[1]))
            listener.listen(limits.DNS_CONNECTIONS_COUNT_MAX)
        except OSError as error:
            datagrams.close()
            listener.close()
            failure = error
            continue
        for each in (datagrams, listener):
            each.setblocking(False)
        return datagrams, listener
    raise StartError(f"cannot listen on {address} port {port} for DNS: {failure.strerror}")
