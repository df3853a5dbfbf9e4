"""What a node asks when an address beats at it that another one handles, and the answer."""

import msgspec


class Forward(msgspec.Struct, frozen=True, array_like=True, tag_field="question", tag="forward", gc=False):
    """Handle this request; its sender has been authorized."""

    request: bytes
    """Of ``Misplaced``, for ``Hub.serve_forwarded``."""
    remote_ip: str


class Forwarded(msgspec.Struct, frozen=True, array_like=True, tag_field="answer", tag="forwarded", gc=False):
    """It is done, and this is what its sender is to be told."""

    response: bytes
    """For ``Hub.reply_raw``."""


QUESTIONS = (Forward,)
ANSWERS = (Forwarded,)
