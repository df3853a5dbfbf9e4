"""What can happen to a server of Raft."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from nacos_core.raft.configuration import Change, Configuration
from nacos_core.raft.messages import Message


@dataclass(frozen=True, slots=True)
class Started:
    """The log has been read; the machine may begin to take part."""


@dataclass(frozen=True, slots=True)
class Bootstrapped:
    """This is the first configuration of the cluster; every one of its members appends it by itself."""

    configuration: Configuration


@dataclass(frozen=True, slots=True)
class Tick:
    """``Machine.deadline`` has come."""


@dataclass(frozen=True, slots=True)
class Received:
    """A message from another server."""

    sender_id: str
    message: Message


@dataclass(frozen=True, slots=True)
class LogSynced:
    """The log's entries up to ``index`` and its operations up to ``ticket`` are durable on this server."""

    index: int
    ticket: int


@dataclass(frozen=True, slots=True)
class Proposed:
    """Clients want these entries, in this order."""

    payloads: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class ReadRequested:
    """Somebody wants to read what is committed by now."""

    read_ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class ChangeRequested:
    """Somebody wants another configuration. ``change_id`` comes back in ``ChangeDecided``."""

    change_id: int
    change: Change


@dataclass(frozen=True, slots=True)
class TransferRequested:
    """Another voter shall lead; "" leaves it to the machine which."""

    target_id: str


@dataclass(frozen=True, slots=True)
class SnapshotInstalled:
    """The snapshot that ``InstallSnapshot`` asked for is durable and is what the stores hold."""

    index: int
    term: int
    configuration_payload: bytes


@dataclass(frozen=True, slots=True)
class PeerLost:
    """The connection to a server has gone: what was on its way to it may not arrive."""

    node_id: str


Event: TypeAlias = (
    Started
    | Bootstrapped
    | Tick
    | Received
    | LogSynced
    | Proposed
    | ReadRequested
    | ChangeRequested
    | TransferRequested
    | SnapshotInstalled
    | PeerLost
)
