"""Gives each event of the core to its handler, and settles what a batch of them led to."""

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from nacos_core import _core
from nacos_core.server import grpc_api, http_api, persistent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nacos_core._core import (
        ConnectionReady,
        Event,
    )
    from nacos_core.drivers.forwarding import Forwarding
    from nacos_core.drivers.push import Pushes
    from nacos_core.server.context import Context

_logger = logging.getLogger(__name__)


class Dispatcher:
    """An exception in a handler is that event's alone: it is logged, and the next event follows.

    Args:
        forwarding: None for a node that stands alone, to which no request comes that another one handles.
    """

    def __init__(self, *, context: "Context", pushes: "Pushes", forwarding: "Forwarding | None") -> None:
        self._handlers: dict[type, Callable[[Any], None]] = {
            _core.HttpRequest: partial(http_api.handle, context),
            _core.GrpcRequest: partial(grpc_api.handle, context),
            _core.PersistentInstance: partial(persistent.handle, context),
            _core.LongPoll: pushes.hang,
            _core.UdpSubscribed: pushes.udp_subscribed,
            _core.FuzzyWatched: pushes.fuzzy_watched,
            _core.ConnectionReady: _note,
            _core.ConnectionGone: lambda event: pushes.gone(event.connection),
            _core.PushAcknowledged: pushes.acknowledged,
        }
        if forwarding is not None:
            self._handlers[_core.Misplaced] = forwarding.misplaced

    def dispatch(self, events: "Sequence[Event]") -> None:
        """Handles a batch."""
        for event in events:
            try:
                self._handlers[type(event)](event)
            except Exception:
                _logger.exception("handling %s failed", type(event).__name__)


def _note(event: "ConnectionReady") -> None:
    _logger.debug("connection %s of %s", event.connection_id, event.client_version)
