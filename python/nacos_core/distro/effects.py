"""What the rules want done, in this order."""

from dataclasses import dataclass
from typing import TypeAlias

from nacos_core.distro.members import Liveness
from nacos_core.distro.messages import DistroMessage


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message; it may be lost. What is sent to one node arrives in order, if it arrives."""

    to: str
    message: DistroMessage


@dataclass(frozen=True, slots=True)
class AskForPage:
    """Ask a member for records after a cursor, then report ``PageCame`` or ``PageRefused`` with the same number."""

    to: str
    number: int
    after: bytes


@dataclass(frozen=True, slots=True)
class Serve:
    """Everything that can be known is known: clients may be answered, and subscribers told."""

    reason: str


@dataclass(frozen=True, slots=True)
class ListsChanged:
    """Records of others were applied, adopted or dropped: subscribers may have to be told, if this node serves."""


@dataclass(frozen=True, slots=True)
class MemberChanged:
    """A member is seen in another state."""

    node_id: str
    liveness: Liveness


@dataclass(frozen=True, slots=True)
class HolderGone:
    """After the grace, records of a holder that is gone were dropped."""

    node_id: str
    boot: int
    records: int


Effect: TypeAlias = Send | AskForPage | Serve | ListsChanged | MemberChanged | HolderGone
