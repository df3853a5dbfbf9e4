"""What a name of DNS stands for: ``<service>.<group>.<namespace>.nacos``.

Names of services and groups may hold dots and capitals, names of DNS have no case (RFC 4343). So a name is read in
every way that there is a service for, and the longest name of a service counts. Two services that are alike but for
their case cannot be told apart: neither is answered, for an answer of one in place of the other would be worse.
"""

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Key: TypeAlias = tuple[str, str, str]
Lookup: TypeAlias = Callable[[str, str], tuple[Sequence[Key], bool]]
"""For a namespace and a dotted name: the services that read so, the longest first, and whether names are below it."""
Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

ZONE = "nacos"


@dataclass(frozen=True, slots=True)
class FoundService:
    """The name of a service."""

    key: Key


@dataclass(frozen=True, slots=True)
class FoundInstance:
    """The name that SRV answers give an address: ``10-0-0-1.<service>…``."""

    key: Key
    address: Address


@dataclass(frozen=True, slots=True)
class Above:
    """Nothing itself, but there are names below it, so it must not be said not to exist (RFC 8020)."""


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """Several services, which only their case tells apart."""

    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Unknown:
    """There is no such name."""


Meaning: TypeAlias = FoundService | FoundInstance | Above | Ambiguous | Unknown


def meaning(labels: Sequence[str], lookup: Lookup) -> Meaning:
    """What the labels before ``nacos`` stand for."""
    if len(labels) < 2:
        # The zone itself, and namespaces, which need not exist for that.
        return Above()
    found = _look_up(labels, lookup)
    if not isinstance(found, Unknown) or len(labels) < 4:
        return found
    address = read_address_label(labels[0])
    below = _look_up(labels[1:], lookup)
    if address is not None and isinstance(below, FoundService):
        return FoundInstance(below.key, address)
    return found


def _look_up(labels: Sequence[str], lookup: Lookup) -> Meaning:
    keys, is_above = lookup(labels[-1], ".".join(labels[:-1]))
    if not keys:
        return Above() if is_above else Unknown()
    longest = [key for key in keys if len(key[2]) == len(keys[0][2])]
    return FoundService(longest[0]) if len(longest) == 1 else Ambiguous(tuple(longest))


def address_label(address: Address) -> str:
    """An address as one label: no address of one kind reads as one of the other."""
    return str(address).replace(".", "-").replace(":", "-") if address.version == 4 else _full_ipv6(address)


def read_address_label(label: str) -> Address | None:
    """The inverse of ``address_label``; None if it is none."""
    for separator in (".", ":"):
        try:
            return ipaddress.ip_address(label.replace("-", separator))
        except ValueError:
            continue
    return None


def _full_ipv6(address: Address) -> str:
    # All eight parts: a label may neither begin nor end with a dash, which "::" would lead to.
    return address.exploded.replace(":", "-")
