"""Brings requests of addresses to the member that handles them, and handles here what it cannot bring there."""

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from nacos_core import limits
from nacos_core.distro.forwarding import Forward, Forwarded
from nacos_core.errors import CallRefused, InvalidParameter, NotReady, OutcomeUnknown, Overloaded, PeerUnreachable

if TYPE_CHECKING:
    import trio

    from nacos_core._core import Hub, Misplaced
    from nacos_core.clock import WallClock
    from nacos_core.peers.handshake import Identity

_logger = logging.getLogger(__name__)

Ask: TypeAlias = "Callable[[str, Forward, float], Awaitable[Any]]"
"""(node id, question, limit in seconds) → ``Forwarded``; raises as ``Peers.ask``."""


class Forwarding:
    """An address that beats at the wrong node waits no longer than ``limits.FORWARD_SECONDS`` for the right one.

    What is handled here instead is not lost either way: this node then adopts the address, and whoever is responsible
    takes it back with one of its next beats.

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
        wall_clock: "WallClock",
        is_ready: Callable[[], bool],
        settle: Callable[[], None],
    ) -> None:
        self._hub = hub
        self._nursery = nursery
        self._ask = ask
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
            NotReady: this node is starting.
            InvalidParameter: it is nothing that nodes forward.
        """
        if not self._is_ready():
            raise NotReady("this node is starting")
        try:
            response = self._hub.serve_forwarded(question.request, question.remote_ip, self._wall_clock())
        except ValueError as error:
            raise InvalidParameter(str(error)) from None
        return Forwarded(response)

    async def _forward(self, event: "Misplaced") -> None:
        try:
            question = Forward(event.request, event.remote_ip)
            answer: Forwarded = await self._ask(event.node_id, question, limits.FORWARD_SECONDS)
            self._hub.reply_raw(event.connection, event.call, answer.response)
        except (PeerUnreachable, Overloaded, CallRefused, OutcomeUnknown, ValueError) as error:
            # A ValueError: the answer of the other node makes no sense.
            _logger.debug("a request of node %s is handled here: %s", event.node_id, error)
            self._handle_here(event)
        finally:
            self._in_flight_count -= 1
        self._settle()

    def _handle_here(self, event: "Misplaced") -> None:
        self._hub.handle_here(event.connection, event.call, self._wall_clock())
