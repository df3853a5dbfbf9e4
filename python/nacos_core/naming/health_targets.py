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
_TRANSLATED: Final = tuple(map(IPv6Network, ("::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")))
"""Networks whose addresses end with one of IPv4 (RFC 4291, RFC 2765, RFC 6052, RFC 8215)."""


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
            address = _plain(_parse(ip)) if "%" not in ip else None
        except ValueError:
            address = None
        if address is None:
            return NotAllowed("it is not an IP address, and names are not looked up")
        for reached in (address, *_embedded(address)):
            for closed, kind in _NEVER:
                if _contains(closed, reached):
                    return NotAllowed(f"it is {kind}")
            within = [network for network in self.allowed if _contains(network, reached)]
            for guarded, kind in _GUARDED:
                if _contains(guarded, reached) and not any(_is_part(network, guarded) for network in within):
                    return NotAllowed(f"it is {kind}, and no network of these is listed")
        if not any(_contains(network, address) for network in self.allowed):
            return NotAllowed("it is in none of the networks that are listed")
        return address


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


def _parse(ip: str) -> Address:
    """An IPv6 address may stand in brackets, as some clients register it."""
    return IPv6Address(ip[1:-1]) if ip.startswith("[") and ip.endswith("]") else ip_address(ip)


def _embedded(address: Address) -> list[IPv4Address]:
    """The IPv4 addresses in an IPv6 address that a translator or a tunnel on the way may connect to."""
    if isinstance(address, IPv4Address) or address.is_loopback:
        return []
    found = [IPv4Address(int(address) & 0xFFFF_FFFF)] if any(address in each for each in _TRANSLATED) else []
    return [each for each in (*found, address.sixtofour, *(address.teredo or ())) if each is not None]


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
