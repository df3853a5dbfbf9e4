"""What can happen to the rules."""

from dataclasses import dataclass
from typing import TypeAlias

from nacos_core.distro.messages import DistroMessage, Page


@dataclass(frozen=True, slots=True)
class MembersListed:
    """These nodes are the members now, this one among them unless it was taken out. Of ``voters`` a majority counts."""

    node_ids: tuple[str, ...]
    voters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Linked:
    """There is a connection to a member: what is sent from now on may arrive."""

    node_id: str


@dataclass(frozen=True, slots=True)
class Unlinked:
    """The connection to a member has gone, and what was on its way perhaps with it."""

    node_id: str


@dataclass(frozen=True, slots=True)
class Received:
    """A message of another node."""

    sender_id: str
    message: DistroMessage


@dataclass(frozen=True, slots=True)
class OwnChanges:
    """Own records may have changed."""


@dataclass(frozen=True, slots=True)
class PageCame:
    """The answer to ``AskForPage``."""

    number: int
    page: Page


@dataclass(frozen=True, slots=True)
class PageRefused:
    """There will be no answer to ``AskForPage``."""

    number: int


@dataclass(frozen=True, slots=True)
class Tick:
    """``Machine.deadline`` has come."""


@dataclass(frozen=True, slots=True)
class Stopping:
    """This node is about to stop in good order."""


Event: TypeAlias = MembersListed | Linked | Unlinked | Received | OwnChanges | PageCame | PageRefused | Tick | Stopping
