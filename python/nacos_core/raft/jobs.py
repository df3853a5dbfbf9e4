"""What a replica wants done that takes long: whoever drives it does it aside, and others go on meanwhile."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class LoadSnapshot:
    """Load the log's snapshot, then call ``Replica.snapshot_loaded``."""


@dataclass(frozen=True, slots=True)
class SaveSnapshot:
    """Make this the log's snapshot, compact the log up to ``compact_index``, then call ``Replica.snapshot_saved``."""

    index: int
    term: int
    compact_index: int
    encode: Callable[[], bytes]
    """Takes long; may run in another thread."""


@dataclass(frozen=True, slots=True)
class RestoreSnapshot:
    """Make this, which a leader has sent, the log's snapshot, then call ``Replica.snapshot_installed``."""

    index: int
    term: int
    data: bytes


Job: TypeAlias = LoadSnapshot | SaveSnapshot | RestoreSnapshot
