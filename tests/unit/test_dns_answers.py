"""What is answered by DNS, from names to records."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacos_core import limits
from nacos_core._core import Hub
from nacos_core.dns.answers import DnsAnswers
from nacos_core.dns.names import address_label, read_address_label
from nacos_core.naming.changes import Selector, UpdateService, write_change
from nacos_core.naming.model import Instance, read_service, write_instances

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nacos_core.dns.names import Key

NOW_MS = 1_700_000_000_000


class World:
    """A hub and what DNS makes of it."""

    def __init__(self, chance: Callable[[], float] = lambda: 0.5) -> None:
        self.hub = Hub(digest_key=bytes(16), abilities={}, require_tokens=False)
        self.is_ready = True
        self.answers = DnsAnswers(
            lookup=self.hub.dotted_services,
            instances=self._instances,
            is_ready=lambda: self.is_ready,
            chance=chance,
        )

    def _instances(self, key: Key) -> Sequence[Instance]:
        return read_service(self.hub.service_info(*key, "", False, NOW_MS)).hosts

    def register(self, name: str, *instances: Instance, group: str = "DEFAULT_GROUP", space: str = "public") -> None:
        publisher = self.hub.open_local()
        self.hub.register(publisher, space, group, name, write_instances(instances), NOW_MS)

    def ask(self, name: str, kind: str = "A", *, over_udp: bool = True, edns: bool = True) -> dns.message.Message:
        query = dns.message.make_query(name, kind, use_edns=edns, payload=4096 if edns else None)
        answer = self.answers.answer(query.to_wire(), over_udp=over_udp)
        assert answer is not None
        read = dns.message.from_wire(answer)
        assert read.id == query.id
        return read

    def records(self, name: str, kind: str = "A") -> list[str]:
        return [record.to_text() for rrset in self.ask(name, kind).answer for record in rrset]

    def code(self, name: str) -> str:
        return dns.rcode.to_text(self.ask(name).rcode())


def at(ip: str, port: int = 80, **more: object) -> Instance:
    return Instance(ip=ip, port=port, **more)  # type: ignore[arg-type]


def test_addresses_of_a_service_are_given_by_kind() -> None:
    world = World()
    world.register("orders", at("10.0.0.1"), at("10.0.0.1", 81), at("10.0.0.2"), at("2001:db8::1"))
    assert sorted(world.records("orders.DEFAULT_GROUP.public.nacos")) == ["10.0.0.1", "10.0.0.2"]
    assert world.records("orders.DEFAULT_GROUP.public.nacos", "AAAA") == ["2001:db8::1"]
    assert world.ask("orders.DEFAULT_GROUP.public.nacos").answer[0].ttl == limits.DNS_TTL_SECONDS
    assert world.ask("orders.DEFAULT_GROUP.public.nacos").flags & dns.flags.AA


def test_srv_gives_ports_weights_and_where_the_addresses_are() -> None:
    world = World()
    world.register("orders", at("10.0.0.1", 8080, weight=2.5), at("2001:db8::1", 8081), at("shop.example.com", 8082))
    answer = world.ask("orders.default_group.PUBLIC.nacos", "SRV")
    below = "orders.default_group.PUBLIC.nacos."
    assert sorted(record.to_text() for record in answer.answer[0]) == [
        f"0 100 8081 2001-0db8-0000-0000-0000-0000-0000-0001.{below}",
        "0 100 8082 shop.example.com.",
        f"0 250 8080 10-0-0-1.{below}",
    ]
    assert sorted(rrset.to_text().split()[-1] for rrset in answer.additional) == ["10.0.0.1", "2001:db8::1"]
    assert world.records(f"10-0-0-1.{below}") == ["10.0.0.1"]
    assert world.code(f"10-0-0-9.{below}") == "NXDOMAIN"


def test_what_is_unhealthy_disabled_or_without_weight_is_not_given() -> None:
    world = World()
    world.register("orders", at("10.0.0.1", healthy=False), at("10.0.0.2", enabled=False), at("10.0.0.3", weight=0.0))
    answer = world.ask("orders.DEFAULT_GROUP.public.nacos")
    assert (answer.rcode(), answer.answer) == (dns.rcode.NOERROR, [])
    assert answer.authority[0].ttl == limits.DNS_NEGATIVE_TTL_SECONDS


def test_where_a_service_is_protected_all_are_given() -> None:
    world, name = World(), "orders.DEFAULT_GROUP.public.nacos"
    world.register("orders", at("10.0.0.1"), at("10.0.0.2", healthy=False), at("10.0.0.3", healthy=False))
    for threshold, expected in ((0.3, ["10.0.0.1"]), (0.5, ["10.0.0.1", "10.0.0.2", "10.0.0.3"])):
        update = UpdateService(ephemeral=True, protect_threshold=threshold, metadata={}, selector=Selector("none"))
        world.hub.change_metadata("public", "DEFAULT_GROUP", "orders", write_change(update), NOW_MS)
        assert sorted(world.records(name)) == expected
        assert len(world.records(name, "SRV")) == len(expected)


def test_the_longest_name_of_a_service_counts() -> None:
    world = World()
    world.register("a", at("10.0.0.1"), group="b.c")
    world.register("a.b", at("10.0.0.2"), group="c")
    assert world.records("a.b.c.public.nacos") == ["10.0.0.2"]


def test_services_that_differ_in_case_only_are_not_told_apart(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.register("orders", at("10.0.0.1"))
    world.register("Orders", at("10.0.0.2"))
    assert world.code("orders.DEFAULT_GROUP.public.nacos") == "NXDOMAIN"
    assert "Orders in group DEFAULT_GROUP of namespace public, orders in group" in caplog.text
    world.register("ORDERS", at("10.0.0.3"))
    for _ in range(3):
        assert world.code("orders.DEFAULT_GROUP.public.nacos") == "NXDOMAIN"
    assert len(caplog.messages) == 2, "once for the two and once for the three"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("nacos", "NOERROR"),
        ("public.nacos", "NOERROR"),
        ("default_group.public.nacos", "NOERROR"),
        ("orders.default_group.public.nacos", "NOERROR"),
        ("payments.default_group.public.nacos", "NXDOMAIN"),
        ("orders.default_group.dev.nacos", "NXDOMAIN"),
        ("orders.default_group.public.example.com", "REFUSED"),
        (".", "REFUSED"),
    ],
)
def test_what_is_above_a_service_exists_and_what_is_elsewhere_is_refused(name: str, code: str) -> None:
    world = World()
    world.register("orders", at("10.0.0.1"))
    assert world.code(name) == code


def test_the_zone_says_where_it_begins_and_for_how_long_nothing_is_remembered() -> None:
    world = World()
    for name, section in (("nacos", "answer"), ("public.nacos", "authority")):
        (start,) = getattr(world.ask(name, "SOA"), section)
        assert start.name.to_text() == "nacos."
        assert start[0].minimum == limits.DNS_NEGATIVE_TTL_SECONDS


def test_a_node_that_is_not_ready_says_nothing_of_services() -> None:
    world = World()
    world.register("orders", at("10.0.0.1"))
    world.is_ready = False
    assert world.code("orders.DEFAULT_GROUP.public.nacos") == "SERVFAIL"


def test_the_first_address_follows_the_weights() -> None:
    import random

    world = World(random.Random(1).random)
    world.register("orders", at("10.0.0.1", weight=3.0), at("10.0.0.2", weight=1.0))
    first = Counter(world.records("orders.DEFAULT_GROUP.public.nacos")[0] for _ in range(1000))
    assert 680 < first["10.0.0.1"] < 820


def test_an_answer_that_does_not_fit_says_so_and_comes_whole_over_tcp() -> None:
    world = World()
    world.register("o" * 60, *(at(f"2001:db8::{number}") for number in range(1, 40)))
    name = f"{'o' * 60}.DEFAULT_GROUP.public.nacos"
    cut = world.ask(name, "SRV", edns=False)
    assert cut.flags & dns.flags.TC
    assert not cut.answer
    for asked in (4096, 65_535):
        query = dns.message.make_query(name, "SRV", use_edns=True, payload=asked)
        answer = world.answers.answer(query.to_wire(), over_udp=True)
        assert answer is not None
        assert len(answer) <= limits.DNS_UDP_BYTES_MAX, "more may be cut to pieces on its way"
    whole = world.ask(name, "SRV", over_udp=False)
    assert not whole.flags & dns.flags.TC
    assert len(whole.answer[0]) == len(whole.additional) == limits.DNS_ADDRESSES_COUNT_MAX


def test_as_many_addresses_are_given_as_every_client_takes() -> None:
    world = World()
    world.register("orders", *(at(f"10.0.0.{number}") for number in range(1, 40)))
    answer = world.ask("orders.DEFAULT_GROUP.public.nacos", edns=False)
    assert not answer.flags & dns.flags.TC
    assert len(answer.answer[0]) == limits.DNS_ADDRESSES_COUNT_MAX


def test_other_operations_and_answers() -> None:
    world = World()
    update = dns.message.make_query("orders.DEFAULT_GROUP.public.nacos", "A")
    update.set_opcode(dns.opcode.NOTIFY)
    answer = world.answers.answer(update.to_wire(), over_udp=True)
    assert answer is not None
    assert dns.message.from_wire(answer).rcode() == dns.rcode.NOTIMP
    assert world.answers.answer(answer, over_udp=True) is None, "two servers would answer each other for ever"
    cut = world.answers.answer(update.to_wire()[:14], over_udp=True)
    assert cut is not None
    assert dns.message.from_wire(cut).rcode() == dns.rcode.FORMERR
    assert world.answers.answer(b"\x00" * 5, over_udp=True) is None


@given(st.ip_addresses())
def test_an_address_is_read_back_from_its_label(address: object) -> None:
    label = address_label(address)  # type: ignore[arg-type]
    assert read_address_label(label) == address
    assert dns.name.from_text(label, None).labels == (label.encode(),)
    assert not label.startswith("-")


@given(st.binary(max_size=600))
def test_no_bytes_are_too_strange(query: bytes) -> None:
    answer = World().answers.answer(query, over_udp=True)
    assert answer is None or len(answer) <= limits.DNS_UDP_BYTES_MAX


@given(st.binary(max_size=40), st.integers(0, 40))
def test_no_damage_to_a_query_is_too_strange(damage: bytes, place: int) -> None:
    world = World()
    world.register("orders", at("10.0.0.1"))
    query = bytearray(dns.message.make_query("orders.DEFAULT_GROUP.public.nacos", "A", use_edns=True).to_wire())
    query[place : place + len(damage)] = damage
    world.answers.answer(bytes(query), over_udp=True)
