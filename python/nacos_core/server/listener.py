"""Binds the pair of ports: HTTP on p, gRPC on p + 1000, on every address that the host name stands for."""

import random
import socket
from dataclasses import dataclass, field
from typing import TypeAlias

from nacos_core.errors import StartError
from nacos_core.limits import FREE_PAIR_TRIES_COUNT, GRPC_PORT_OFFSET, LISTEN_BACKLOG_COUNT

_Family: TypeAlias = tuple[socket.AddressFamily, str]

_FREE_PORTS = (20_000, 60_000)


@dataclass(slots=True)
class Listeners:
    """Bound sockets that listen already: a client that connects now is served as soon as the pump runs."""

    http_port: int
    http: list[socket.socket] = field(default_factory=list)
    grpc: list[socket.socket] = field(default_factory=list)

    def close(self) -> None:
        """Closes the sockets; whoever duplicated the descriptors goes on."""
        for listener in (*self.http, *self.grpc):
            listener.close()


def resolve(host: str) -> list[str]:
    """The numeric addresses of a host name or address.

    Raises:
        StartError: there is none.
    """
    return [address for _, address in _resolve(host)]


def bind_pair(host: str, port: int, choose: random.Random) -> Listeners:
    """Binds both ports on every address of ``host``; port 0 takes a pair that is free.

    Raises:
        StartError: says which address cannot be bound, and why.
    """
    families = _resolve(host)
    if port:
        return _bind(families, port)
    for _ in range(FREE_PAIR_TRIES_COUNT):
        try:
            return _bind(families, choose.randrange(*_FREE_PORTS))
        except StartError:
            continue
    raise StartError(f"found no free pair of ports (p, p + {GRPC_PORT_OFFSET}) on {host}")


def _bind(families: list[_Family], port: int) -> Listeners:
    listeners = Listeners(port)
    try:
        for family in families:
            listeners.http.append(_listen(family, port))
            listeners.grpc.append(_listen(family, port + GRPC_PORT_OFFSET))
    except BaseException:
        listeners.close()
        raise
    return listeners


def _listen(family: _Family, port: int) -> socket.socket:
    listener = socket.socket(family[0], socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family[0] is socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if family[1] == "::" else 1)
        listener.bind((family[1], port))
        listener.listen(LISTEN_BACKLOG_COUNT)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise StartError(f"cannot listen on {family[1]} port {port}: {error.strerror}") from None
    return listener


def _resolve(host: str) -> list[_Family]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise StartError(f"cannot resolve {host}: {error.strerror}") from None
    return list(dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found))
