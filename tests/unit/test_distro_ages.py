"""How old a forwarded request is, as whoever is asked finds without believing anybody's clock but its own."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from nacos_core import limits
from nacos_core.distro.effects import Send
from nacos_core.distro.events import MembersListed, Received
from nacos_core.distro.machine import Machine
from nacos_core.distro.messages import Heartbeat
from support.distro_records import FakeRecords

NAMES = ("a", "b")
LIMIT = limits.FORWARD_AGE_MS_MAX / 1000
B_IS_AHEAD = 80_000.0
"""Seconds, and nobody knows."""


class Pair(NamedTuple):
    """Members whose clocks have nothing to do with each other; a asks b."""

    a: Machine
    b: Machine

    def hear(self, sent_at: float, heard_at: float) -> None:
        """A heartbeat of b on its way to a; times of a's clock."""
        effects = self.b.step(MembersListed(NAMES, NAMES), sent_at + B_IS_AHEAD)
        beats = [each.message for each in effects if isinstance(each, Send) and isinstance(each.message, Heartbeat)]
        self.a.step(Received("b", beats[0]), heard_at)

    def is_late(self, asked_at: float, read_at: float) -> bool:
        question = self.a.forward("b", b"request", "10.0.0.9", asked_at)
        assert question is not None
        return self.b.is_late(question, read_at + B_IS_AHEAD)


def machine(node_id: str, boot: int = 1) -> Machine:
    records = FakeRecords(node_id, boot)
    return Machine(node_id=node_id, boot=boot, records=records, wall_clock=lambda: 0)


@pytest.fixture
def pair() -> Pair:
    pair = Pair(machine("a"), machine("b"))
    pair.a.step(MembersListed(NAMES, NAMES), 0.0)
    return pair


def test_a_request_is_done_within_the_limit_and_not_after_it(pair: Pair) -> None:
    pair.hear(sent_at=10.0, heard_at=10.0)
    for asked_at in (10.0, 10.7, 11.3):
        assert not pair.is_late(asked_at, asked_at + LIMIT - 0.002)
        assert pair.is_late(asked_at, asked_at + LIMIT + 0.002)


def test_a_heartbeat_that_was_late_makes_requests_older_and_never_younger(pair: Pair) -> None:
    pair.hear(sent_at=10.0, heard_at=10.5)
    assert not pair.is_late(11.0, 11.0 + LIMIT - 0.5 - 0.002)
    assert pair.is_late(11.0, 11.0 + LIMIT - 0.5 + 0.002)
    pair.hear(sent_at=12.0, heard_at=14.0)
    assert pair.is_late(14.0, 14.0), "it is refused without need, and then done where it was asked"
    pair.hear(sent_at=15.0, heard_at=15.0)
    assert not pair.is_late(15.0, 15.5), "with the next heartbeat all is well again"


def test_what_an_earlier_start_of_a_node_was_asked_is_late(pair: Pair) -> None:
    pair.hear(sent_at=10.0, heard_at=10.0)
    again = pair._replace(b=machine("b", 2))
    assert again.is_late(10.1, 10.1)
    again.hear(sent_at=10.2, heard_at=10.2)
    assert not again.is_late(10.3, 10.3)


def test_who_has_not_said_what_its_clock_shows_is_not_asked(pair: Pair) -> None:
    assert pair.a.forward("b", b"request", "10.0.0.9", 1.0) is None
    assert pair.a.forward("nobody", b"request", "10.0.0.9", 1.0) is None
