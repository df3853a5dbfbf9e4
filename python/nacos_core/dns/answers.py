"""From one query to its answer (RFC 1035, RFC 2782, RFC 6891). dnspython reads and writes the messages."""

import ipaddress
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from nacos_core import limits
from nacos_core.dns.names import (
    ZONE,
    Above,
    Address,
    Ambiguous,
    FoundInstance,
    FoundService,
    Key,
    Lookup,
    Unknown,
    address_label,
    meaning,
)
from nacos_core.naming.model import Instance

_logger = logging.getLogger(__name__)

_ZONE_NAME = dns.name.from_text(f"{ZONE}.")
_IN = dns.rdataclass.IN
_VERSIONS: Final = {dns.rdatatype.A: 4, dns.rdatatype.AAAA: 6}
_SRV_WEIGHT_MAX = 65_535
_SRV_WEIGHT_STEPS = 100
"""Weights of instances have fractions, those of SRV have none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsAnswers:
    """Answers queries from the lists that clients of this node are shown.

    Args:
        lookup: finds services by dotted names.
        instances: those of a service as all clients are shown them: the enabled ones, and where the service is
            protected all of them as healthy.
        is_ready: until then everything is answered with SERVFAIL, never with a part of the truth.
        chance: gives numbers from 0 to 1, for the order of the addresses.
    """

    lookup: Lookup
    instances: Callable[[Key], Sequence[Instance]]
    is_ready: Callable[[], bool]
    chance: Callable[[], float]
    _told: set[tuple[Key, ...]] = field(default_factory=set)
    """Services that cannot be told apart, as far as the log has them."""

    def answer(self, query: bytes, *, over_udp: bool) -> bytes | None:
        """The message to send back; None for what must not be answered: other answers, and what is no message."""
        try:
            message = dns.message.from_wire(query, ignore_trailing=True)
        except dns.exception.DNSException:
            return _malformed(query)
        if message.flags & dns.flags.QR:
            return None  # two servers could answer each other for ever
        response = dns.message.make_response(message, our_payload=limits.DNS_UDP_BYTES_MAX)
        response.set_rcode(self._fill(message, response))
        if not over_udp:
            return _to_wire(response, limits.DNS_TCP_BYTES_MAX)
        asked = message.payload if message.edns >= 0 else limits.DNS_PLAIN_UDP_BYTES_MAX
        return _fit(response, min(max(asked, limits.DNS_PLAIN_UDP_BYTES_MAX), limits.DNS_UDP_BYTES_MAX))

    def _fill(self, query: dns.message.Message, response: dns.message.Message) -> dns.rcode.Rcode:
        """Puts the answer into the response; gives its code."""
        if query.opcode() != dns.opcode.QUERY:
            return dns.rcode.NOTIMP
        if len(query.question) != 1:
            return dns.rcode.FORMERR
        question = query.question[0]
        name = question.name
        if question.rdclass != _IN or not name.is_subdomain(_ZONE_NAME):
            return dns.rcode.REFUSED
        if not self.is_ready():
            return dns.rcode.SERVFAIL
        response.flags |= dns.flags.AA
        code = self._fill_found(name, question.rdtype, response)
        if not response.answer:
            response.authority.append(_start_of_authority())
        return code

    def _fill_found(
        self, name: dns.name.Name, kind: dns.rdatatype.RdataType, response: dns.message.Message
    ) -> dns.rcode.Rcode:
        # Bytes beyond ASCII in a label stand for themselves: services may have such names.
        labels = [label.decode("utf-8", "replace") for label in name.relativize(_ZONE_NAME).labels]
        match meaning(labels, self.lookup):
            case FoundService(key):
                self._fill_service(name, key, kind, response)
            case FoundInstance(key, address):
                if address not in (_address(instance) for instance in self._healthy(key)):
                    return dns.rcode.NXDOMAIN
                _add_addresses(response.answer, name, [address], kind)
            case Above():
                if name == _ZONE_NAME and kind == dns.rdatatype.SOA:
                    response.answer.append(_start_of_authority())
            case Ambiguous(keys):
                self._tell_once(keys)
                return dns.rcode.NXDOMAIN
            case Unknown():
                return dns.rcode.NXDOMAIN
        return dns.rcode.NOERROR

    def _fill_service(
        self, name: dns.name.Name, key: Key, kind: dns.rdatatype.RdataType, response: dns.message.Message
    ) -> None:
        usable = [instance for instance in self._healthy(key) if instance.weight > 0]
        if kind == dns.rdatatype.SRV:
            _add_targets(response, name, self._drawn(usable))
            return
        version = _VERSIONS.get(kind)
        of_kind = [each for each in usable if (address := _address(each)) is not None and address.version == version]
        addresses = [_address(instance) for instance in self._drawn(of_kind)]
        _add_addresses(response.answer, name, [address for address in addresses if address is not None], kind)

    def _healthy(self, key: Key) -> list[Instance]:
        return [instance for instance in self.instances(key) if instance.healthy]

    def _tell_once(self, keys: tuple[Key, ...]) -> None:
        # Anybody may ask as often as they like, which must not fill the log.
        if keys not in self._told and len(self._told) < limits.DNS_TOLD_COUNT_MAX:
            self._told.add(keys)
            alike = ", ".join("{2} in group {1} of namespace {0}".format(*key) for key in keys)
            _logger.warning("DNS cannot tell services apart that differ in case only: %s", alike)

    def _drawn(self, instances: Sequence[Instance]) -> list[Instance]:
        """Some of them without repetition, in an order in which each comes first as often as its weight says.

        That is sampling by Efraimidis and Spirakis (2006): clients that take the first address honour weights so.
        """
        keys = {id(each): self.chance() ** (1 / each.weight) for each in instances}
        return sorted(instances, key=lambda each: -keys[id(each)])[: limits.DNS_ADDRESSES_COUNT_MAX]


def _add_addresses(
    section: list[dns.rrset.RRset], name: dns.name.Name, addresses: Sequence[Address], kind: dns.rdatatype.RdataType
) -> None:
    version = _VERSIONS.get(kind)
    of_kind = dict.fromkeys(str(address) for address in addresses if address.version == version)
    if of_kind:
        section.append(dns.rrset.from_text_list(name, limits.DNS_TTL_SECONDS, _IN, kind, of_kind))


def _add_targets(response: dns.message.Message, name: dns.name.Name, instances: Sequence[Instance]) -> None:
    records = []
    steps = min(_SRV_WEIGHT_STEPS, _SRV_WEIGHT_MAX / max((each.weight for each in instances), default=1.0))
    for instance in instances:
        target = _target(instance, name)
        if target is None:
            continue
        weight = max(1, round(instance.weight * steps))
        records.append(f"0 {weight} {instance.port} {target}")
        if (address := _address(instance)) is not None:
            kind = dns.rdatatype.A if address.version == 4 else dns.rdatatype.AAAA
            _add_addresses(response.additional, target, [address], kind)
    response.additional[:] = {rrset.name: rrset for rrset in response.additional}.values()
    if records:
        srv = dns.rrset.from_text_list(name, limits.DNS_TTL_SECONDS, _IN, dns.rdatatype.SRV, records)
        response.answer.append(srv)


def _target(instance: Instance, service: dns.name.Name) -> dns.name.Name | None:
    """Where SRV points: at a name below the service's, for it cannot point at an address."""
    address = _address(instance)
    try:
        if address is not None:
            return dns.name.Name((address_label(address).encode(), *service.labels))
        return dns.name.from_text(instance.ip)  # instances may have the name of a host for their address
    except dns.exception.DNSException:
        return None  # too long to be a name


def _address(instance: Instance) -> Address | None:
    try:
        return ipaddress.ip_address(instance.ip.strip("[]"))
    except ValueError:
        return None


def _start_of_authority() -> dns.rrset.RRset:
    """Its last number says how long it may be remembered that something is not there (RFC 2308)."""
    negative = limits.DNS_NEGATIVE_TTL_SECONDS
    record = f"ns.{ZONE}. hostmaster.{ZONE}. 1 60 60 60 {negative}"
    return dns.rrset.from_text(_ZONE_NAME, negative, _IN, dns.rdatatype.SOA, record)


def _fit(response: dns.message.Message, bytes_max: int) -> bytes:
    """Leaves out what need not be there, then all that does not fit: the client then asks again over TCP."""
    for _ in _without_more(response):
        try:
            return _to_wire(response, bytes_max)
        except dns.exception.TooBig:
            continue
    raise AssertionError("a question alone always fits")


def _to_wire(response: dns.message.Message, bytes_max: int) -> bytes:
    # The order is drawn already; dnspython would draw another one, without weights.
    return response.to_wire(max_size=bytes_max, want_shuffle=False)


def _without_more(response: dns.message.Message) -> Iterator[None]:
    yield
    response.additional.clear()
    yield
    response.answer.clear()
    response.authority.clear()
    response.flags |= dns.flags.TC
    yield


def _malformed(query: bytes) -> bytes | None:
    """FORMERR with the query's own id, where there is one and it is no answer."""
    if len(query) < limits.DNS_HEADER_BYTES or query[2] & 0x80:
        return None
    return query[:2] + bytes([0x80, dns.rcode.FORMERR]) + bytes(8)
