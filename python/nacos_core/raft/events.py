"""What can happen to a server of Raft."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Started:
    """The log has been read; the machine may begin to take part."""


@dataclass(frozen=True, slots=True)
class HardStateSaved:
    """This term and vote are durable."""

    term: int
    voted_for: str


@dataclass(frozen=True, slots=True)
class LogSynced:
    """Every entry up to ``index`` is durable on this server."""

    index: int


@dataclass(frozen=True, slots=True)
class Proposed:
    """Clients want these entries, in this order."""

    payloads: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Applied:
    """The state machine has applied every entry up to ``index``."""

    index: int


Event: TypeAlias = Started | HardStateSaved | LogSynced | Proposed | Applied
