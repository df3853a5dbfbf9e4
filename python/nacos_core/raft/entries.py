"""What stands in an entry of the log: who asked for it, when the leader took it, and the command.

A request is named by its origin, the origin's boot and a number, so that it is applied once however often it was sent:
``sessions`` keeps count. Configurations and the leader's no-op are entries of their own kinds.
"""

from typing import Final, NamedTuple

import msgspec


class Request(NamedTuple):
    """One write, as its origin names it."""

    origin_id: str
    boot: int
    """Rises with each start of the origin."""
    sequence: int
    oldest_open: int
    """The origin waits for no write below this one any more: what became of them can be forgotten."""


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """``command`` is msgpack of whatever the state machine knows."""

    origin_id: str
    boot: int
    sequence: int
    oldest_open: int
    stamped_ms: int
    """Wall time at the leader."""
    command: msgspec.Raw

    @property
    def request(self) -> Request:
        """Who asked for it."""
        return Request(self.origin_id, self.boot, self.sequence, self.oldest_open)


encode: Final = msgspec.msgpack.Encoder().encode

decode: Final = msgspec.msgpack.Decoder(Entry).decode
"""Raises ``msgspec.DecodeError``."""
