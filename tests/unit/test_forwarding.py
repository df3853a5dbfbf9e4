"""Requests of addresses that another member handles: brought there, and handled here if that cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from nacos_core import _core, limits
from nacos_core.distro.forwarding import Forward, Forwarded
from nacos_core.drivers.forwarding import Forwarding
from nacos_core.errors import (
    CallRefused,
    InvalidParameter,
    NacosCoreError,
    NotReady,
    OutcomeUnknown,
    Overloaded,
    PeerUnreachable,
)
from nacos_core.peers.handshake import Identity
from nacos_core.peers.protocol import PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

REGISTER = b"POST /nacos/v1/ns/instance?serviceName=orders&ip=10.0.0.1&port=%d HTTP/1.1\r\nHost: h\r\n\r\n"
PEER = Identity("b", "b:1", "c")


class Questions:
    """Everybody can be asked, and what was asked before 0 is late."""

    def __init__(self) -> None:
        self.is_known = True

    def forward(self, to: str, request: bytes, remote_ip: str) -> Forward | None:
        return Forward(request, remote_ip, 1, 0) if self.is_known else None

    def is_late(self, question: Forward) -> bool:
        return question.asked_ms < 0


class Side:
    """Member a, its client, and the way to member b, which a test plays."""

    def __init__(self, nursery: trio.Nursery, ask: Callable[[str, Forward, float], Awaitable[object]]) -> None:
        self.hub = _core.Hub(digest_key=bytes(16), abilities={}, require_tokens=False)
        self.hub.set_ready(True)
        self.hub.distro_set_members(["a", "b"], own_id="a")
        self.is_ready = True
        self.settled_count = 0
        self.questions = Questions()
        self.forwarding = Forwarding(
            hub=self.hub,
            nursery=nursery,
            ask=ask,
            questions=self.questions,
            wall_clock=lambda: 1,
            is_ready=lambda: self.is_ready,
            settle=self._settle,
        )
        self.port = next(port for port in range(100) if self.hub.distro_responsible("10.0.0.1", port) == "b")

    def _settle(self) -> None:
        self.settled_count += 1

    def register(self) -> int:
        """A client registers; gives its connection."""
        connection = self.hub.open("10.0.0.9", 1, grpc=False, now_ms=1)
        for event in self.hub.feed(connection, REGISTER % self.port, 1):
            assert isinstance(event, _core.Misplaced)
            self.forwarding.misplaced(event)
        return connection

    def body(self, connection: int) -> bytes:
        return self.hub.take_output(connection).rpartition(b"\r\n\r\n")[2]

    @property
    def instances_count(self) -> int:
        return self.hub.counts()["instances"]


async def test_the_answer_of_the_other_member_is_given() -> None:
    asked: list[tuple[str, Forward, float]] = []

    async def ask(node_id: str, question: Forward, seconds: float) -> Forwarded:
        asked.append((node_id, question, seconds))
        await trio.lowlevel.checkpoint()
        return there.forwarding.answer(PEER, question)

    async with trio.open_nursery() as nursery:
        here, there = Side(nursery, ask), Side(nursery, ask)
        connection = here.register()
        assert here.forwarding.in_flight_count == 1
        await trio.testing.wait_all_tasks_blocked()
        assert here.body(connection) == b"ok"
        assert (here.instances_count, there.instances_count) == (0, 1)
        assert here.settled_count == 1, "what was answered is written out"
        assert here.forwarding.in_flight_count == 0
    ((node_id, question, seconds),) = asked
    assert (node_id, question.remote_ip, seconds) == ("b", "10.0.0.9", limits.FORWARD_SECONDS)
    assert {Forward}.issubset(PROTOCOL.requests)
    assert {Forwarded}.issubset(PROTOCOL.responses)


@pytest.mark.parametrize("error", [PeerUnreachable, Overloaded, CallRefused, None])
async def test_without_an_answer_that_makes_sense_it_is_handled_here(error: type[NacosCoreError] | None) -> None:
    async def ask(node_id: str, question: Forward, seconds: float) -> Forwarded:
        await trio.lowlevel.checkpoint()
        if error is not None:
            raise error("no")
        return Forwarded(b"nonsense")

    async with trio.open_nursery() as nursery:
        side = Side(nursery, ask)
        connection = side.register()
        await trio.testing.wait_all_tasks_blocked()
        assert side.body(connection) == b"ok"
        assert (side.instances_count, side.settled_count, side.forwarding.in_flight_count) == (1, 1, 0)


async def test_while_it_may_still_be_done_there_it_is_not_done_here(autojump_clock: trio.testing.MockClock) -> None:
    async def ask(node_id: str, question: Forward, seconds: float) -> Forwarded:
        await trio.sleep(0.2)
        raise OutcomeUnknown("the connection is lost, and what was sent over it may wait to be read")

    async with trio.open_nursery() as nursery:
        side = Side(nursery, ask)
        connection = side.register()
        await trio.sleep(limits.FORWARD_SECONDS - 0.01)
        assert (side.body(connection), side.instances_count) == (b"", 0)
        assert limits.FORWARD_SECONDS * 1000 > limits.FORWARD_AGE_MS_MAX, "there it is refused by now"
        await trio.sleep(0.02)
        assert (side.body(connection), side.instances_count) == (b"ok", 1)


async def test_a_node_that_stood_still_while_it_waited_does_not_do_it_late_either(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Its client has given up, may have registered elsewhere, and may wait no more: 3 s are what clients wait for."""

    async def ask(node_id: str, question: Forward, seconds: float) -> Forwarded:
        await trio.sleep(3.0)
        raise OutcomeUnknown("no answer came in time")

    async with trio.open_nursery() as nursery:
        side = Side(nursery, ask)
        connection = side.register()
        await trio.sleep(3.1)
        assert side.hub.take_output(connection).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert (side.instances_count, side.forwarding.in_flight_count) == (0, 0)


async def test_what_was_asked_long_ago_is_not_done(autojump_clock: trio.testing.MockClock) -> None:
    """Its sender has handled it itself, and what its client has done since must stay."""

    async def ask(node_id: str, question: Forward, seconds: float) -> Forwarded:
        raise AssertionError

    async with trio.open_nursery() as nursery:
        side = Side(nursery, ask)
        with pytest.raises(Overloaded, match="too long ago"):
            side.forwarding.answer(PEER, Forward(REGISTER % 80, "10.0.0.9", 1, -1))
        assert side.instances_count == 0


async def test_a_member_that_has_not_been_heard_of_is_not_asked() -> None:
    async def ask(node_id: str, question: Forward, seconds: float) -> Forwarded:
        raise AssertionError

    async with trio.open_nursery() as nursery:
        side = Side(nursery, ask)
        side.questions.is_known = False
        connection = side.register()
        await trio.testing.wait_all_tasks_blocked()
        assert (side.body(connection), side.instances_count) == (b"ok", 1)


async def test_only_so_many_are_on_their_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FORWARDS_COUNT_MAX", 2)

    async def ask(node_id: str, question: Forward, seconds: float) -> Forwarded:
        await trio.sleep_forever()
        raise AssertionError

    async with trio.open_nursery() as nursery:
        side = Side(nursery, ask)
        connections = [side.register() for _ in range(3)]
        await trio.testing.wait_all_tasks_blocked()
        assert [side.body(connection) for connection in connections] == [b"", b"", b"ok"]
        nursery.cancel_scope.cancel()
    assert side.forwarding.in_flight_count == 0, "a node that ends leaves nothing behind"
    assert [side.body(connection) for connection in connections] == [b"", b"", b""]


async def test_a_client_that_has_gone_leaves_nothing_behind() -> None:
    answered = trio.Event()

    async def ask(node_id: str, question: Forward, seconds: float) -> Forwarded:
        await answered.wait()
        return Forwarded(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with trio.open_nursery() as nursery:
        side = Side(nursery, ask)
        connection = side.register()
        await trio.testing.wait_all_tasks_blocked()
        side.hub.closed(connection, 1)
        following = side.hub.open("10.0.0.9", 2, grpc=False, now_ms=1)
        answered.set()
        await trio.testing.wait_all_tasks_blocked()
        assert side.forwarding.in_flight_count == 0
        assert side.body(following) == b"", "the answer was for somebody else"
        assert side.hub.counts()["connections"] == 1


async def test_what_is_asked_is_checked() -> None:
    async def ask(node_id: str, question: Forward, seconds: float) -> Forwarded:
        raise AssertionError

    async with trio.open_nursery() as nursery:
        side = Side(nursery, ask)
        with pytest.raises(InvalidParameter, match="forwarded"):
            side.forwarding.answer(PEER, Forward(b"nonsense", "10.0.0.9", 1, 0))
        side.is_ready = False
        with pytest.raises(NotReady):
            side.forwarding.answer(PEER, Forward(REGISTER % 80, "10.0.0.9", 1, 0))
        assert side.instances_count == 0
        side.is_ready = True
        assert side.forwarding.answer(PEER, Forward(REGISTER % 80, "10.0.0.9", 1, 0)).response.endswith(b"ok")
