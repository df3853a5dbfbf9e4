"""Connections between machines. This is the only place of this package with sockets; a simulation has its own."""

import socket
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

import trio

from nacos_core.errors import StartError
from nacos_core.limits import LISTEN_BACKLOG_COUNT, PEER_UNACKNOWLEDGED_MS
from nacos_core.peers.addresses import PeerAddress, is_loopback_host, join


class Connection(NamedTuple):
    """A stream to another node, nothing proven yet."""

    stream: trio.abc.Stream
    remote: str
    """The other end as the network knows it, ``address:port``, for the log."""
    is_local: bool
    """Both ends are loopback addresses."""


Handler = Callable[[Connection], Awaitable[None]]


class Listener(Protocol):
    """A port that peers can dial; connections wait in it from when it was made."""

    @property
    def address(self) -> PeerAddress:
        """Where it listens; the port is a real one, also if port 0 was asked for."""

    async def serve(self, handler: Handler) -> None:
        """Runs ``handler`` in a task of its own for each connection, until cancelled. The handler closes the stream."""

    def close(self) -> None:
        """Takes no further connections. Not while ``serve`` runs."""


class Network(Protocol):
    """What connects nodes."""

    async def dial(self, address: PeerAddress) -> Connection:
        """Connects; there is no time limit, whoever calls sets one.

        Raises:
            OSError: nobody is there.
        """

    def listen(self, address: PeerAddress) -> Listener:
        """Begins to listen; port 0 takes a free one.

        Raises:
            StartError: the address cannot be used.
        """


class TcpNetwork:
    """The real one."""

    async def dial(self, address: PeerAddress) -> Connection:
        """As ``Network.dial``."""
        try:
            stream = await trio.open_tcp_stream(address.host, address.port)
        except OSError as error:
            # Trio tries every address of a name, and keeps what was the matter with each behind a summary.
            each = error.__cause__.exceptions if isinstance(error.__cause__, BaseExceptionGroup) else ()
            raise next((one for one in each if isinstance(one, OSError)), error) from None
        except UnicodeError:  # what the codec for host names says of one that cannot be
            raise OSError(0, "this is no host name") from None
        return _connection(stream)

    def listen(self, address: PeerAddress) -> "TcpListener":
        """As ``Network.listen``, on every address that the host name stands for."""
        try:
            found = socket.getaddrinfo(address.host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except (OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "this is no host name"
            raise StartError(f"cannot resolve {address.host}: {reason}") from None
        places = list(dict.fromkeys((family, str(place[0])) for family, _, _, _, place in found))
        sockets: list[socket.socket] = []
        port = address.port
        try:
            for family, host in places:
                sockets.append(_listen(family, host, port))
                port = sockets[0].getsockname()[1]
        except OSError as error:
            for one in sockets:
                one.close()
            raise StartError(f"cannot listen on {join(host, port)} for peers: {error.strerror}") from None
        return TcpListener(PeerAddress(address.host, port), sockets)


class TcpListener:
    """Bound sockets that listen already."""

    def __init__(self, address: PeerAddress, sockets: list[socket.socket]) -> None:
        self.address = address
        """As ``Listener.address``."""
        self._sockets = sockets

    async def serve(self, handler: Handler) -> None:
        """As ``Listener.serve``; closes the sockets at the end."""

        async def serve_one(stream: trio.SocketStream) -> None:
            try:
                connection = _connection(stream)
            except OSError:  # the other side has gone already
                await trio.aclose_forcefully(stream)
            else:
                await handler(connection)

        listeners = [trio.SocketListener(trio.socket.from_stdlib_socket(one)) for one in self._sockets]
        await trio.serve_listeners(serve_one, listeners)

    def close(self) -> None:
        """As ``Listener.close``."""
        for one in self._sockets:
            one.close()


def _listen(family: int, host: str, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if host == "::" else 1)
        listener.bind((host, port))
        listener.listen(LISTEN_BACKLOG_COUNT)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def _connection(stream: trio.SocketStream) -> Connection:
    """Has the socket find out soon when the other machine is gone. A ``SocketStream`` has TCP_NODELAY already."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # Where the system has them (all on Linux): probes while idle, and a limit on what is not acknowledged.
    options = {
        "TCP_KEEPIDLE": 1,
        "TCP_KEEPINTVL": 1,
        "TCP_KEEPCNT": 2,
        "TCP_USER_TIMEOUT": PEER_UNACKNOWLEDGED_MS,
    }
    for name, value in options.items():
        if hasattr(socket, name):
            stream.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    here, there = stream.socket.getsockname(), stream.socket.getpeername()
    is_local = is_loopback_host(here[0]) and is_loopback_host(there[0])
    return Connection(stream, join(there[0], there[1]), is_local)
