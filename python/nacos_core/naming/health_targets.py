"""Which addresses may be checked: whoever registers an instance chooses where this server connects to.

Only a parsed address is ever connected to, never a name, and only within the networks that the operator lists. Loopback
and link-local addresses, where a machine's own services and those of its cloud answer, take a network of their own in
that list: ``0.0.0.0/0`` does not open them (CWE-918, server-side request forgery).
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

ANY: Final = "any"
_EVERYTHING: Final = ("0.0.0.0/0", "::/0")
_GUARDED: Final = tuple(
    (ip_network(network), kind)
    for network, kind in (
        ("127.0.0.0/8", "a loopback address"),
        ("::1/128", "a loopback address"),
        ("169.254.0.0/16", "a link-local address"),
        ("fe80::/10", "a link-local address"),
    )
)
_NEVER: Final = tuple(
    (ip_network(network), kind)
    for network, kind in (
        ("0.0.0.0/8", "no address of a host"),
        ("::/128", "no address of a host"),
        ("224.0.0.0/4", "a multicast address"),
        ("ff00::/8", "a multicast address"),
        ("255.255.255.255/32", "the broadcast address"),
    )
)


@dataclass(frozen=True, slots=True)
class NotAllowed:
    """Why an address is not connected to."""

    reason: str


@dataclass(frozen=True, slots=True)
class Networks:
    """Where instances may be checked; empty: nowhere."""

    allowed: tuple[Network, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.allowed)

    def find(self, ip: str) -> Address | NotAllowed:
        """The address that ``ip`` is, if it may be connected to."""
        try:
            # What stands behind a percent sign chooses an interface, which is not for registrants to choose.
            address = _plain(ip_address(ip)) if "%" not in ip else None
        except ValueError:
            address = None
        if address is None:
            return NotAllowed("it is not an IP address, and names are not looked up")
        within = [network for network in self.allowed if _contains(network, address)]
        for closed, kind in _NEVER:
            if _contains(closed, address):
                return NotAllowed(f"it is {kind}")
        for guarded, kind in _GUARDED:
            if _contains(guarded, address) and not any(_is_part(network, guarded) for network in within):
                return NotAllowed(f"it is {kind}, and no network of these is listed")
        return address if within else NotAllowed("it is in none of the networks that are listed")


def parse_networks(text: str) -> Networks:
    """Networks by commas, ``any`` for all of them.

    Raises:
        ValueError: names what is no network.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    found: list[Network] = []
    for name in names:
        for each in _EVERYTHING if name.lower() == ANY else (name,):
            try:
                found.append(ip_network(each))
            except ValueError:
                raise ValueError(f"must be networks as 10.0.0.0/8, by commas, or any: {name!r} is none") from None
    return Networks(tuple(found))


def _plain(address: Address) -> Address:
    """``::ffff:127.0.0.1`` is connected to as ``127.0.0.1``, so it counts as that."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def _contains(network: Network, address: Address) -> bool:
    return network.version == address.version and address in network


def _is_part(network: Network, of: Network) -> bool:
    match network, of:
        case (IPv4Network(), IPv4Network()) | (IPv6Network(), IPv6Network()):
            return network.subnet_of(of)  # type: ignore[arg-type]
        case _:
            return False
