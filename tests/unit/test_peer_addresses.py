"""The names of members, and what must hold between them."""

from __future__ import annotations

import re
from itertools import permutations

import pytest

from nacos_core.errors import SettingsError, WrongAddress
from nacos_core.peers.addresses import (
    Member,
    PeerAddress,
    check_overlaps,
    find_self,
    is_loopback_host,
    parse_member,
    parse_members,
)


@pytest.mark.parametrize(
    ("text", "member"),
    [
        ("10.0.0.1:8848", Member("10.0.0.1", 8848, 9849)),
        ("Node-1.Example.com.:8848", Member("node-1.example.com", 8848, 9849)),
        (" localhost:1 ", Member("localhost", 1, 1002)),
        ("[::1]:8848", Member("::1", 8848, 9849)),
        ("[2001:DB8:0:0::1]:8848@7000", Member("2001:db8::1", 8848, 7000)),
        ("h:8848@1", Member("h", 8848, 1)),
        ("h:64534", Member("h", 64534, 65535)),
        ("h:64535@65535", Member("h", 64535, 65535)),
        ("my_service:8848", Member("my_service", 8848, 9849)),
        ("a" * 63 + ":8848", Member("a" * 63, 8848, 9849)),
    ],
)
def test_names_of_members(text: str, member: Member) -> None:
    assert parse_member(text) == member
    assert parse_member(str(member)) == member
    assert member.peer_address == PeerAddress(member.host, member.peer_port)


def test_names_as_they_are_shown() -> None:
    assert str(parse_member("[::1]:8848")) == "[::1]:8848"
    assert str(parse_member("h:8848@7000")) == "h:8848@7000"
    assert parse_member("h:8848@7000").name == "h:8848"
    assert str(PeerAddress("::1", 9849)) == "[::1]:9849"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is not host:port"),
        ("host", "is not host:port"),
        (":8848", "is not host:port"),
        ("host:", "'' is not a port from 1 to 64535"),
        ("host:0", "'0' is not a port"),
        ("host:+1", "is not a port"),
        ("host:٣", "is not a port"),
        ("host:64536", "'64536' is not a port from 1 to 64535"),
        ("host:999999999999", "is not a port"),
        ("host:64535", "the peer port would be 65536; name another one: host:64535@PEER_PORT"),
        ("host:8848@", "'' is not a port from 1 to 65535"),
        ("host:8848@65536", "is not a port"),
        ("host:8848@1@2", "is not a port"),
        ("::1:8848", "an IPv6 address needs brackets"),
        ("[::g]:8848", "'::g' is not an IPv6 address"),
        ("[10.0.0.1]:8848", "is not an IPv6 address"),
        ("10.0.0.256:8848", "is not a host name or an IP address"),
        ("10.1:8848", "is not a host name or an IP address"),
        ("ho st:8848", "is not a host name"),
        ("-host:8848", "is not a host name"),
        ("a..b:8848", "is not a host name"),
        ("http://host:8848", "brackets|is not a host name"),
        ("a" * 64 + ":8848", "is not a host name"),
        ("a." * 127 + "a:8848", "is not a host name"),
        ("hôte:8848", "is not a host name"),
    ],
)
def test_what_is_no_name(text: str, problem: str) -> None:
    with pytest.raises(WrongAddress, match=problem):
        parse_member(text)


def test_the_order_of_the_list_does_not_matter() -> None:
    entries = ["b:8848", "a:8850", "a:8848@7000"]
    lists = {parse_members(",".join(order)) for order in permutations(entries)}
    assert lists == {(Member("a", 8848, 7000), Member("a", 8850, 9851), Member("b", 8848, 9849))}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a:8848,b:8848,a:8848", "the member a:8848 is named twice"),
        ("a:8848,A:8848@7000", "the member a:8848 is named twice"),
        ("a:8848,a:9848", "port 9848 of a is wanted twice: by a:8848 for gRPC, by a:9848 for HTTP"),
        ("a:8848,a:8849", "port 9849 of a is wanted twice: by a:8848 for peers, by a:8849 for gRPC"),
        ("a:8848,a:8849@7000", "port 9849 of a is wanted twice: by a:8848 for peers, by a:8849@7000 for gRPC"),
        ("a:8848,a:8850@9849", "port 9849 of a is wanted twice: by a:8848 for peers, by a:8850@9849 for peers"),
        ("a:8848@8848", "port 8848 of a is wanted twice: by a:8848@8848 for HTTP, by a:8848@8848 for peers"),
        ("a:8848@9848", "port 9848 of a is wanted twice: by a:8848@9848 for gRPC, by a:8848@9848 for peers"),
        ("localhost:8848,127.0.0.1:8848@7000", "port 8848 of localhost is wanted twice"),
        ("a:8848,", "'' is not host:port"),
    ],
)
def test_lists_that_do_not_go_together(text: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(problem)):
        parse_members(text)


def test_lists_that_go_together() -> None:
    check_overlaps(parse_members("a:8848,a:8850,a:8852"))
    check_overlaps(parse_members("a:8848,b:8848,127.0.0.1:8848,127.0.0.2:8848"))


MEMBERS = parse_members("a:8848,127.0.0.1:8850,[::1]:8852,c:8848@7000")


def test_this_node_is_found_in_the_list() -> None:
    assert find_self(MEMBERS, host="127.0.0.1", port=8850) == Member("127.0.0.1", 8850, 9851)
    assert find_self(MEMBERS, host="::1", port=8852) == Member("::1", 8852, 9853)
    assert find_self(MEMBERS, host="0.0.0.0", port=8848, advertise="A:8848") == Member("a", 8848, 9849)
    assert find_self(MEMBERS, host="x", port=8848, advertise="c:8848", peer_port=7000) == Member("c", 8848, 7000)


@pytest.mark.parametrize(
    ("where", "problem"),
    [
        (
            {"host": "b", "port": 8848},
            "b:8848 of --host and --port matches 0 members; exactly one must be this node: 127.",
        ),
        ({"host": "a", "port": 8849}, "a:8849 of --host and --port matches 0 members"),
        ({"host": "a", "port": 8848, "advertise": "z:1"}, "z:1 of --advertise matches 0 members"),
        ({"host": "0.0.0.0", "port": 8848}, "listens on 0.0.0.0, that is everywhere, so --advertise host:port must"),
        (
            {"host": "::", "port": 8848},
            "so --advertise host:port must say which member it is: 127.0.0.1:8850, [::1]:8852",
        ),
        (
            {"host": "a", "port": 0},
            "--port 0 takes any free port, which no list of members can name: it excludes --cluster",
        ),
        ({"host": "a", "port": 0, "advertise": "a:8848"}, "--port 0 takes any free port"),
        (
            {"host": "c", "port": 8848, "peer_port": 9849},
            "the list has 7000 for this node; on every node it must say c:8848@9849",
        ),
    ],
)
def test_this_node_must_be_exactly_one_of_the_list(where: dict[str, object], problem: str) -> None:
    with pytest.raises(WrongAddress, match=re.escape(problem)):
        find_self(MEMBERS, **where)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:10.0.0.1", False),
        ("10.0.0.1", False),
        ("127.0.0.1.example.com", False),
        ("", False),
        ("fe80::1%eth0", False),
    ],
)
def test_what_stays_on_one_machine(host: str, expected: bool) -> None:
    assert is_loopback_host(host) is expected
