"""What a server of Raft wants done. They are carried out in order; one that has to wait for durability says so.

The machine writes to its log itself: that is a step in memory, and the log says later what has become durable.
"""

from dataclasses import dataclass
from typing import TypeAlias

from nacos_core.raft.configuration import Configuration
from nacos_core.raft.messages import Message
from nacos_core.raft.state import Role


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message once the log's operations up to ``after_ticket`` are durable. It may be lost."""

    to: str
    message: Message
    after_ticket: int = 0


@dataclass(frozen=True, slots=True)
class Committed:
    """Entries up to ``index`` are committed: apply those that are not."""

    index: int


@dataclass(frozen=True, slots=True)
class RoleChanged:
    """This server has taken a role in a term, or has heard of another leader."""

    role: Role
    term: int
    leader_id: str


@dataclass(frozen=True, slots=True)
class ProposalRefused:
    """The entries just proposed were not appended: this server does not lead, or hands over."""


@dataclass(frozen=True, slots=True)
class ReadDecided:
    """The read may be answered once ``index`` is applied; None: it could not be confirmed, ask again."""

    read_id: int
    index: int | None


@dataclass(frozen=True, slots=True)
class ChangeDecided:
    """A change of members was appended at ``index``, or was refused because of ``refusal``."""

    change_id: int
    index: int
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class ConfigurationChanged:
    """From now on this configuration counts, committed or not."""

    index: int
    configuration: Configuration


@dataclass(frozen=True, slots=True)
class SendSnapshot:
    """Send the piece at ``offset`` of the own newest snapshot; 0 begins, with whichever is the newest then."""

    to: str
    term: int
    offset: int


@dataclass(frozen=True, slots=True)
class KeepSnapshotPiece:
    """A piece of a snapshot that a leader sends; ``offset`` 0 forgets what was kept before."""

    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class InstallKeptSnapshot:
    """All pieces are there: make the snapshot durable, restore it, then report ``SnapshotInstalled``."""

    index: int
    term: int


@dataclass(frozen=True, slots=True)
class Removed:
    """This server is not a member any more."""


Effect: TypeAlias = (
    Send
    | Committed
    | RoleChanged
    | ProposalRefused
    | ReadDecided
    | ChangeDecided
    | ConfigurationChanged
    | SendSnapshot
    | KeepSnapshotPiece
    | InstallKeptSnapshot
    | Removed
)
