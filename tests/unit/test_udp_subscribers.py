"""1.x clients that are told by UDP: three minutes a subscription, ten seconds an acknowledgement, one resend."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from nacos_core import limits
from nacos_core.naming.udp_subscribers import Subscriber, UdpSubscribers

if TYPE_CHECKING:
    import pytest

KEY = ("public", "DEFAULT_GROUP", "orders")
HERE = ("10.0.0.1", 5000)


def test_a_subscription_ends_unless_it_is_renewed() -> None:
    udp = UdpSubscribers()
    udp.subscribe(KEY, HERE, "", 0.0)
    assert udp.of(KEY, 179.0) == [Subscriber(HERE, "")]
    assert udp.of(KEY, 180.0) == []
    udp.subscribe(KEY, HERE, "", 100.0)
    assert udp.of(KEY, 279.0) == [Subscriber(HERE, "")]
    udp.expire(279.0)
    assert len(udp) == 1
    udp.expire(280.0)
    assert len(udp) == 0


def test_clusters_are_subscribed_apart() -> None:
    udp = UdpSubscribers()
    udp.subscribe(KEY, HERE, "a", 0.0)
    udp.subscribe(KEY, HERE, "b", 0.0)
    assert [subscriber.clusters for subscriber in udp.of(KEY, 1.0)] == ["a", "b"]


def test_a_datagram_is_sent_once_more_and_then_given_up() -> None:
    udp = UdpSubscribers()
    udp.sent(HERE, 1, b"data", 0.0)
    assert udp.due(9.9) == []
    assert udp.due(10.0) == [(HERE, b"data")]
    assert udp.due(20.0) == []
    assert udp.next_deadline() == inf


def test_an_acknowledged_datagram_is_not_sent_again() -> None:
    udp = UdpSubscribers()
    udp.sent(HERE, 1, b"data", 0.0)
    udp.acknowledged(("10.0.0.2", 5000), 1)
    udp.acknowledged(HERE, 2)
    assert udp.next_deadline() == 10.0
    udp.acknowledged(HERE, 1)
    assert udp.next_deadline() == inf
    assert udp.due(10.0) == []


def test_there_is_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "UDP_SUBSCRIPTIONS_COUNT_MAX", 1)
    udp = UdpSubscribers()
    udp.subscribe(KEY, HERE, "", 0.0)
    udp.subscribe(KEY, ("10.0.0.2", 1), "", 0.0)
    udp.subscribe(KEY, HERE, "", 1.0)
    assert udp.of(KEY, 2.0) == [Subscriber(HERE, "")]
