"""The names of members as ``--cluster`` gives them: ``host:port`` of HTTP, or ``host:port@peer_port``."""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from nacos_core.errors import WrongAddress
from nacos_core.limits import GRPC_PORT_OFFSET, PEER_PORT_OFFSET

_PORT_MAX: Final = 65_535
_LABEL: Final = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?")
_HOST_NAME_CHARACTERS_MAX: Final = 253
_ANY_ADDRESS: Final = ("0.0.0.0", "::")


class PeerAddress(NamedTuple):
    """Where a node takes connections of its peers."""

    host: str
    port: int

    def __str__(self) -> str:
        return join(self.host, self.port)


@dataclass(frozen=True, slots=True, order=True)
class Member:
    """One entry of the list of members. The order is the same on every node, however the list was written."""

    host: str
    """Lower case; an IP address in its shortest form, without brackets."""
    port: int
    peer_port: int

    @property
    def name(self) -> str:
        """``host:port``, which names the member for people and in the list."""
        return join(self.host, self.port)

    @property
    def peer_address(self) -> PeerAddress:
        """Where its peers dial it."""
        return PeerAddress(self.host, self.peer_port)

    def __str__(self) -> str:
        is_usual = self.peer_port == self.port + PEER_PORT_OFFSET
        return self.name if is_usual else f"{self.name}@{self.peer_port}"


def join(host: str, port: int) -> str:
    """``host:port``, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_member(text: str) -> Member:
    """Reads ``host:port``, ``[ipv6]:port``, either with ``@peer_port``.

    Raises:
        WrongAddress: says what is wrong with the text.
    """
    name, has_peer_port, peer_port_text = text.strip().partition("@")
    host_text, has_port, port_text = name.rpartition(":")
    if not has_port or not host_text:
        raise WrongAddress(f"{text!r} is not host:port")
    # The gRPC port lies 1000 higher and must exist too.
    port = _parse_port(text, port_text, _PORT_MAX - GRPC_PORT_OFFSET)
    if has_peer_port:
        peer_port = _parse_port(text, peer_port_text, _PORT_MAX)
    elif (peer_port := port + PEER_PORT_OFFSET) > _PORT_MAX:
        raise WrongAddress(f"{text!r}: the peer port would be {peer_port}; name another one: {name}@PEER_PORT")
    return Member(_parse_host(text, host_text), port, peer_port)


def parse_members(text: str) -> tuple[Member, ...]:
    """Reads the list of ``--cluster``, separated by commas, in canonical order.

    Raises:
        WrongAddress: an entry cannot be read, or two do not go together.
    """
    members = tuple(sorted(parse_member(entry) for entry in text.split(",")))
    check_overlaps(members)
    return members


def check_overlaps(members: Iterable[Member]) -> None:
    """Members on one host must not want the same port, be it for HTTP, for gRPC or for peers.

    Raises:
        WrongAddress: names both members and the port.
    """
    taken: dict[tuple[str, int], tuple[Member, str]] = {}
    seen: set[tuple[str, int]] = set()
    for member in members:
        if (member.host, member.port) in seen:
            raise WrongAddress(f"the member {member.name} is named twice")
        seen.add((member.host, member.port))
        uses = (("HTTP", member.port), ("gRPC", member.port + GRPC_PORT_OFFSET), ("peers", member.peer_port))
        for use, port in uses:
            place = ("127.0.0.1" if member.host == "localhost" else member.host, port)
            if place in taken:
                other, other_use = taken[place]
                raise WrongAddress(
                    f"port {port} of {member.host} is wanted twice: by {other} for {other_use}, by {member} for {use}"
                )
            taken[place] = (member, use)


def find_self(
    members: Sequence[Member],
    *,
    host: str,
    port: int | None,
    advertise: str | None = None,
    peer_port: int | None = None,
) -> Member:
    """The one entry of the list that is this node: the one that ``--advertise`` names, or else ``host:port``.

    Args:
        port: None only with ``advertise``.
        peer_port: of ``--peer-port``, which the list must agree with; None takes what the list says.

    Raises:
        WrongAddress: none matches, or the list says something else about this node.
    """
    if port == 0:
        raise WrongAddress("--port 0 takes any free port, which no list of members can name: it excludes --cluster")
    listed = ", ".join(str(member) for member in members)
    if advertise is not None:
        source, wanted = "--advertise", parse_member(advertise)
    elif host in _ANY_ADDRESS:
        raise WrongAddress(
            f"this node listens on {host}, that is everywhere, so --advertise host:port must say which member it is: "
            f"{listed}"
        )
    else:
        source, wanted = "--host and --port", parse_member(join(host, port or 0))
    found = [member for member in members if (member.host, member.port) == (wanted.host, wanted.port)]
    if len(found) != 1:
        raise WrongAddress(
            f"{wanted.name} of {source} matches {len(found)} members; exactly one must be this node: {listed}"
        )
    if peer_port is not None and peer_port != found[0].peer_port:
        raise WrongAddress(
            f"--peer-port is {peer_port} but the list has {found[0].peer_port} for this node; "
            f"on every node it must say {found[0].name}@{peer_port}"
        )
    return found[0]


def is_loopback_host(host: str) -> bool:
    """Whether a host name or address stands for this machine only, as far as can be told without asking anybody."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _parse_port(text: str, port_text: str, port_max: int) -> int:
    if not (port_text.isascii() and port_text.isdigit() and len(port_text) <= 5 and 1 <= int(port_text) <= port_max):
        raise WrongAddress(f"{text!r}: {port_text!r} is not a port from 1 to {port_max}")
    return int(port_text)


def _parse_host(text: str, host_text: str) -> str:
    host = host_text.lower()
    if host.startswith("[") and host.endswith("]"):
        try:
            return ipaddress.IPv6Address(host[1:-1]).compressed
        except ValueError:
            raise WrongAddress(f"{text!r}: {host[1:-1]!r} is not an IPv6 address") from None
    if ":" in host:
        raise WrongAddress(f"{text!r}: an IPv6 address needs brackets, as in [{host}]:8848")
    try:
        return ipaddress.IPv4Address(host).compressed
    except ValueError:
        pass
    is_name = len(host) <= _HOST_NAME_CHARACTERS_MAX and _HOST_NAME.fullmatch(host)
    # A name whose last label is a number would be taken for a mistyped or shortened IPv4 address by the system.
    if not is_name or host.removesuffix(".").rpartition(".")[2].isdigit():
        raise WrongAddress(f"{text!r}: {host!r} is not a host name or an IP address")
    return host.removesuffix(".")
