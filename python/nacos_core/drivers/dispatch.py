"""Gives each event of the core to its handler, and settles what a batch of them led to."""

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from nacos_core import _core
from nacos_core.server import grpc_api, http_api, persistent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nacos_core._core import (
        ConnectionGone,
        ConnectionReady,
        Event,
        LongPoll,
        PushAcknowledged,
        UdpSubscribed,
    )
    from nacos_core.drivers.push import Pushes
    from nacos_core.server.context import Context

_logger = logging.getLogger(__name__)


class Dispatcher:
    """An exception in a handler is that event's alone: it is logged, and the next event follows."""

    def __init__(self, *, context: "Context", pushes: "Pushes") -> None:
        self._pushes = pushes
        self._handlers: dict[type, Callable[[Any], None]] = {
            _core.HttpRequest: partial(http_api.handle, context),
            _core.GrpcRequest: partial(grpc_api.handle, context),
            _core.PersistentInstance: partial(persistent.handle, context),
            _core.LongPoll: self._hang,
            _core.UdpSubscribed: self._udp_subscribed,
            _core.ConnectionReady: self._ready,
            _core.ConnectionGone: self._gone,
            _core.PushAcknowledged: self._acknowledged,
        }

    def dispatch(self, events: "Sequence[Event]") -> None:
        """Handles a batch."""
        for event in events:
            try:
                self._handlers[type(event)](event)
            except Exception:
                _logger.exception("handling %s failed", type(event).__name__)

    def _hang(self, event: "LongPoll") -> None:
        self._pushes.hang(event)

    def _udp_subscribed(self, event: "UdpSubscribed") -> None:
        self._pushes.udp_subscribed(event)

    def _ready(self, event: "ConnectionReady") -> None:
        _logger.debug("connection %s of %s", event.connection_id, event.client_version)

    def _gone(self, event: "ConnectionGone") -> None:
        self._pushes.gone(event.connection)

    def _acknowledged(self, event: "PushAcknowledged") -> None:
        self._pushes.acknowledged(event.connection, event.request_id, event.succeeded)
