"""Brings requests of addresses to the member that handles them, and handles here what it cannot bring there."""

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import trio

from nacos_core import limits
from nacos_core.distro.forwarding import Forward, Forwarded, is_given_up
from nacos_core.errors import CallRefused, InvalidParameter, NotReady, OutcomeUnknown, Overloaded, PeerUnreachable

if TYPE_CHECKING:
    from nacos_core._core import Hub, Misplaced
    from nacos_core.clock import WallClock
    from nacos_core.peers.handshake import Identity

_logger = logging.getLogger(__name__)

Ask: TypeAlias = "Callable[[str, Forward, float], Awaitable[Any]]"
"""(node id, question, limit in seconds) → ``Forwarded``; raises as ``Peers.ask``."""


_TOO_LATE_TEXT = b"The node that handles this address has not answered in time, please try again!"
_TOO_LATE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (
    len(_TOO_LATE_TEXT),
    _TOO_LATE_TEXT,
)


class Questions(Protocol):
    """What ``DistroDriver`` says of questions."""

    def forward(self, to: str, request: bytes, remote_ip: str) -> Forward | None:
        """The question for that member; None: it cannot be asked yet."""

    def is_late(self, question: Forward) -> bool:
        """Whoever asked may have given it up."""


class Forwarding:
    """An address that beats at the wrong node waits no longer than ``limits.FORWARD_SECONDS`` for the right one.

    What is handled here instead is not lost either way: this node then adopts the address, and whoever is responsible
    takes it back with one of its next beats. Nothing is handled here while it may still be done there: what has been
    asked and was not refused is waited for as long as the other node may carry it out, also without a connection.

    Args:
        ask: asks another member.
        is_ready: whether this node answers clients; until then it does not answer for others either.
        settle: called after what was not called from a batch of events.
    """

    def __init__(
        self,
        *,
        hub: "Hub",
        nursery: "trio.Nursery",
        ask: Ask,
        questions: Questions,
        wall_clock: "WallClock",
        is_ready: Callable[[], bool],
        settle: Callable[[], None],
    ) -> None:
        self._hub = hub
        self._nursery = nursery
        self._ask = ask
        self._questions = questions
        self._wall_clock = wall_clock
        self._is_ready = is_ready
        self._settle = settle
        self._in_flight_count = 0

    @property
    def in_flight_count(self) -> int:
        """Requests that another member has not answered yet."""
        return self._in_flight_count

    def misplaced(self, event: "Misplaced") -> None:
        """Forwards a request in the background, or handles it here if too many are on their way."""
        if self._in_flight_count >= limits.FORWARDS_COUNT_MAX:
            self._handle_here(event)
            return
        self._in_flight_count += 1
        self._nursery.start_soon(self._forward, event)

    def answer(self, peer: "Identity", question: Forward) -> Forwarded:
        """Handles what another member forwards; whoever calls settles.

        Raises:
            NotReady: this node is starting or stopping.
            Overloaded: it was asked so long ago that whoever asked may have given it up.
            InvalidParameter: it is nothing that nodes forward.
        """
        if not self._is_ready():
            raise NotReady("this node is starting or stopping")
        if self._questions.is_late(question):
            raise Overloaded("this was asked too long ago")
        try:
            response = self._hub.serve_forwarded(question.request, question.remote_ip, self._wall_clock())
        except ValueError as error:
            raise InvalidParameter(str(error)) from None
        return Forwarded(response)

    async def _forward(self, event: "Misplaced") -> None:
        forwarded_at = trio.current_time()
        question = self._questions.forward(event.node_id, event.request, event.remote_ip)
        try:
            if question is None:
                raise PeerUnreachable(f"node {event.node_id} has not been heard of")
            answer: Forwarded = await self._ask(event.node_id, question, limits.FORWARD_SECONDS)
            self._hub.reply_raw(event.connection, event.call, answer.response)
        except (PeerUnreachable, Overloaded, CallRefused, OutcomeUnknown, ValueError) as error:
            # A ValueError: the answer of the other node makes no sense.
            _logger.debug("a request of node %s is handled here: %s", event.node_id, error)
            if isinstance(error, OutcomeUnknown):
                await trio.sleep_until(forwarded_at + limits.FORWARD_SECONDS)
            if is_given_up(forwarded_at, trio.current_time()):
                self._hub.reply_raw(event.connection, event.call, _TOO_LATE)
            else:
                self._handle_here(event)
        finally:
            self._in_flight_count -= 1
        self._settle()

    def _handle_here(self, event: "Misplaced") -> None:
        self._hub.handle_here(event.connection, event.call, self._wall_clock())
