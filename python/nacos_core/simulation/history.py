"""What clients saw: each call with when it was made, when it was answered, and what is known of it."""

from typing import Literal

import msgspec


class Call(msgspec.Struct, omit_defaults=True):
    """One call of one client. Times are seconds of the simulation."""

    client: int
    kind: Literal["write", "swap", "read", "acquire", "release"]
    key: str
    called_at: float
    value: int = 0
    """What was to be written; of all that a client asks for, a number that it gave nothing else."""
    expected: int = 0
    """What had to stand there for a swap."""
    held_ms: int = 0
    """For how long a lock was to be acquired."""
    returned_at: float | None = None
    """None: it was never known what became of it. It may have happened at any time since, or never."""
    result: int = 0
    """What was read; of a swap, whether it wrote; of a lock, its token, or whether it was held when it was released."""
    is_refused: bool = False
    """It is known that nothing has happened."""


class History:
    """Calls in the order in which they were made known: what changes something when called, reads when answered."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def lines(self) -> str:
        """JSON, one call a line, for a judge of linearizability; what did not happen is left out."""
        encode = msgspec.json.encode
        return "".join(encode(call).decode() + "\n" for call in self.calls if not call.is_refused)
