"""A check connects to a parsed address within the networks that are listed, and nowhere else."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from nacos_core.naming.health_targets import Networks, NotAllowed, parse_networks

EVERYWHERE = parse_networks("any")


def test_without_networks_nothing_is_checked() -> None:
    assert not Networks()
    assert isinstance(Networks().find("10.0.0.1"), NotAllowed)


def test_what_is_listed_may_be_checked() -> None:
    networks = parse_networks("10.0.0.0/8, fd00::/8")
    assert networks.find("10.1.2.3") == ip_address("10.1.2.3")
    assert networks.find("fd00::1") == ip_address("fd00::1")
    for other in ("11.0.0.1", "fe00::1", "192.168.0.1"):
        assert networks.find(other) == NotAllowed("it is in none of the networks that are listed")
    assert EVERYWHERE.find("192.168.0.1") == ip_address("192.168.0.1")


@pytest.mark.parametrize(
    "name",
    ["localhost", "db.example.org", "10.0.0.1,127.0.0.1", "10.0.0.1:3306", "", " 10.0.0.1", "010.0.0.1", "0x7f.1", "1",
     "fd00::1%lo", "10.0.0.1/8", "10.0.0.1?allowLoadLocalInfile=true", "2130706433", "0x7f000001", "127.1",
     "[10.0.0.1]", "[[fd00::1]]", "[fd00::1%lo]", "fd00::1]"],
)  # fmt: skip
def test_names_and_whatever_else_is_no_address_are_never_connected_to(name: str) -> None:
    assert isinstance(EVERYWHERE.find(name), NotAllowed)


@pytest.mark.parametrize(
    ("ip", "kind"),
    [
        ("127.0.0.1", "loopback"),
        ("127.255.0.1", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("169.254.169.254", "link-local"),
        ("::ffff:169.254.169.254", "link-local"),
        ("fe80::1", "link-local"),
        ("[::1]", "loopback"),
        ("[::ffff:7f00:1]", "loopback"),
    ],
)
def test_loopback_and_link_local_addresses_take_a_network_of_their_own(ip: str, kind: str) -> None:
    refused = EVERYWHERE.find(ip)
    assert isinstance(refused, NotAllowed)
    assert kind in refused.reason
    named = parse_networks("0.0.0.0/0, ::/0, 127.0.0.0/8, ::1, 169.254.0.0/16, fe80::/10")
    assert not isinstance(named.find(ip), NotAllowed)
    assert parse_networks("127.0.0.0/8").find("127.0.0.1") == ip_address("127.0.0.1")


@pytest.mark.parametrize(
    ("prefix", "suffix"),
    [("::", ""), ("::ffff:0:", ""), ("64:ff9b::", ""), ("64:ff9b:1::", ""), ("2002:", "::")],
)
def test_an_address_within_another_one_is_no_way_around(prefix: str, suffix: str) -> None:
    def find(ipv4: str) -> object:
        number = int(ip_address(ipv4))
        return EVERYWHERE.find(f"{prefix}{number >> 16:x}:{number & 0xFFFF:x}{suffix}")

    assert not isinstance(find("10.0.0.1"), NotAllowed)
    for ipv4, kind in (("127.0.0.1", "loopback"), ("169.254.169.254", "link-local"), ("224.0.0.1", "multicast")):
        refused = find(ipv4)
        assert isinstance(refused, NotAllowed)
        assert kind in refused.reason


def test_the_far_end_of_a_tunnel_is_no_way_around() -> None:
    loopback_inverted = 0xFFFF_FFFF ^ int(ip_address("127.0.0.1"))
    far_end = f"{loopback_inverted >> 16:x}:{loopback_inverted & 0xFFFF:x}"
    assert isinstance(EVERYWHERE.find(f"2001:0:102:304:8000:63bf:{far_end}"), NotAllowed)  # RFC 4380


def test_brackets_of_an_ipv6_address_do_not_count() -> None:
    assert parse_networks("fd00::/8").find("[fd00::1]") == ip_address("fd00::1")


@pytest.mark.parametrize("ip", ["0.0.0.0", "0.0.0.1", "::", "224.0.0.1", "ff02::1", "255.255.255.255"])
def test_what_is_no_address_of_one_host_is_never_connected_to(ip: str) -> None:
    named = parse_networks(f"any, 0.0.0.0/8, 224.0.0.0/4, {ip}")
    assert isinstance(named.find(ip), NotAllowed)


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "localhost", "10.0.0.0/8;11.0.0.0/8"])
def test_a_list_that_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="is none"):
        parse_networks(text)
