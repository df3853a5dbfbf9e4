"""Frames between nodes: a length of four bytes, big-endian, then one msgpack value of a known type.

Decoding checks the type of everything and builds nothing but the structs that it was given.
"""

from collections.abc import Iterator
from struct import Struct
from typing import Any, Final

import msgspec

from nacos_core.errors import FrameError
from nacos_core.limits import PEER_FRAME_BYTES_MAX

_LENGTH: Final = Struct(">I")
_encode = msgspec.msgpack.Encoder().encode

# What a decoder of msgspec raises for bytes that are not what was expected: its own errors, UnicodeDecodeError for text
# that is not UTF-8, OverflowError for numbers and RecursionError for values nested too deeply.
_DECODING_ERRORS: Final = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError)


def encode(frame: object) -> bytes:
    """The frame as bytes, its length before it.

    Raises:
        FrameError: it is longer than a peer would take.
    """
    body = _encode(frame)
    if len(body) > PEER_FRAME_BYTES_MAX:
        raise FrameError(f"a frame of {len(body)} bytes is longer than the {PEER_FRAME_BYTES_MAX} that a peer takes")
    return _LENGTH.pack(len(body)) + body


class FrameReader:
    """Cuts the bytes of one connection into frames.

    Args:
        frame_type: what a frame may be; a union of tagged structs.
        frame_bytes_max: a frame that announces more is refused when its length is read, before its bytes are kept.
    """

    def __init__(self, frame_type: Any, frame_bytes_max: int = PEER_FRAME_BYTES_MAX) -> None:
        self._decode = msgspec.msgpack.Decoder(frame_type).decode
        self._bytes_max = frame_bytes_max
        self._pending = bytearray()
        self._wanted = _LENGTH.size

    def feed(self, data: bytes | bytearray) -> Iterator[Any]:
        """Takes the next bytes and gives each frame that they complete; the frames must be taken to the last.

        However the bytes are cut, the same frames come, and then the same error. After an error the reader is done.

        Raises:
            FrameError: a length or a value is wrong; the frames before it have been given.
        """
        if self._pending:
            self._pending += data
            if len(self._pending) < self._wanted:
                return
            data = bytes(self._pending)
            self._pending.clear()
        view = memoryview(data)
        position, end = 0, len(data)
        while (start := position + _LENGTH.size) <= end:
            (length,) = _LENGTH.unpack_from(data, position)
            if not 0 < length <= self._bytes_max:
                raise FrameError(f"a frame of {length} bytes; 1 to {self._bytes_max} are allowed")
            position = start + length
            if position > end:
                self._keep(view[start - _LENGTH.size :], _LENGTH.size + length)
                return
            try:
                frame = self._decode(view[start:position])
            except _DECODING_ERRORS as error:
                raise FrameError(f"a frame of {length} bytes cannot be read: {error}") from None
            yield frame
        self._keep(view[position:], _LENGTH.size)

    @property
    def pending_bytes(self) -> int:
        """How much of a frame has come that is not whole yet."""
        return len(self._pending)

    def _keep(self, rest: memoryview, wanted: int) -> None:
        self._pending += rest
        self._wanted = wanted
