"""What a server of Raft wants done. Effects are carried out in order; none of them waits for an earlier one to be
durable: what has to wait is only asked for once the event says that it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from nacos_core.raft.state import Role


@dataclass(frozen=True, slots=True)
class SaveHardState:
    """Make this durable, then report ``HardStateSaved``."""

    term: int
    voted_for: str


@dataclass(frozen=True, slots=True)
class AppendEntries:
    """Append to the own log, then report ``LogSynced`` once durable."""

    first_index: int
    term: int
    payloads: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class ApplyEntries:
    """Entries up to ``last_index`` are committed: apply those that are not, then report ``Applied``."""

    last_index: int


@dataclass(frozen=True, slots=True)
class RoleChanged:
    """This server has taken a role in a term."""

    role: Role
    term: int
    leader_id: str


@dataclass(frozen=True, slots=True)
class RefuseProposal:
    """The entries just proposed were not appended: this server does not lead."""

    leader_id: str


Effect: TypeAlias = SaveHardState | AppendEntries | ApplyEntries | RoleChanged | RefuseProposal
