"""What a node asks when an address beats at it that another one handles, and the answer."""

from typing import Annotated

import msgspec

from nacos_core import limits


class Forward(msgspec.Struct, frozen=True, array_like=True, tag_field="question", tag="forward", gc=False):
    """Handle this request; its sender has been authorized."""

    request: bytes
    """Of ``Misplaced``, for ``Hub.serve_forwarded``."""
    remote_ip: str
    boot: Annotated[int, msgspec.Meta(ge=0)]
    """Which start of the node is asked."""
    asked_ms: int
    """What the clock of whoever is asked showed at least when this was written (``Heartbeat.clock_ms``)."""


class Forwarded(msgspec.Struct, frozen=True, array_like=True, tag_field="answer", tag="forwarded", gc=False):
    """It is done, and this is what its sender is to be told."""

    response: bytes
    """For ``Hub.reply_raw``."""


def is_given_up(forwarded_at: float, now: float) -> bool:
    """This node stood still while it waited for an answer, and the client may have gone elsewhere meanwhile: the
    request must not be handled here any more. Seconds on one clock."""
    return now - forwarded_at > limits.FORWARD_HANDLED_SECONDS_MAX


QUESTIONS = (Forward,)
ANSWERS = (Forwarded,)
