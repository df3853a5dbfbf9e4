"""What the simulated log is for: a handful of registers, and an account of what was applied to them."""

import zlib
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import msgspec


class Operation(msgspec.Struct, frozen=True, array_like=True):
    """Write ``value``; "swap" does so only where ``expected`` stands. ``number`` is never used again."""

    kind: Literal["write", "swap"]
    number: int
    key: str
    value: int
    expected: int = 0


class Applied(NamedTuple):
    """What a client is told: how many operations were applied with its own, and whether it wrote."""

    position: int
    has_written: bool


class Frozen(NamedTuple):
    """The registers as they were."""

    values: dict[str, int]
    position: int
    digest: int

    def encode(self) -> bytes:
        """For ``Registers.restore``."""
        return msgspec.msgpack.encode(self)


Watch = Callable[[int, int, int], None]
"""Is told of each operation: position, digest of all until then, its number (0: a snapshot was restored)."""

encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Operation).decode
_decode_frozen = msgspec.msgpack.Decoder(tuple[dict[str, int], int, int]).decode


class Registers:
    """``position`` operations were applied; ``digest`` tells them and their order."""

    def __init__(self, watch: Watch) -> None:
        self.values: dict[str, int] = {}
        self.position = 0
        self.digest = 0
        self._watch = watch

    def apply(self, batch: Sequence[tuple[int, int, msgspec.Raw]]) -> list[tuple[int, bool]]:
        """As ``StateMachine.apply``."""
        return [self._apply(stamped_ms, command) for _, stamped_ms, command in batch]

    def _apply(self, stamped_ms: int, command: msgspec.Raw) -> tuple[int, bool]:
        operation = _decode(command)
        may_write = operation.kind == "write" or self.values.get(operation.key, 0) == operation.expected
        if may_write:
            self.values[operation.key] = operation.value
        self.position += 1
        self.digest = zlib.crc32(command, zlib.crc32(b"%d" % stamped_ms, self.digest))
        self._watch(self.position, self.digest, operation.number)
        return (self.position, may_write)

    def freeze(self) -> Frozen:
        """As ``StateMachine.freeze``."""
        return Frozen(dict(self.values), self.position, self.digest)

    def restore(self, data: bytes) -> None:
        """As ``StateMachine.restore``."""
        self.values, self.position, self.digest = _decode_frozen(data)
        self._watch(self.position, self.digest, 0)
