"""What faults happen to, whichever way the nodes are simulated."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from nacos_core._core import Log
from nacos_core.raft.configuration import Configuration
from nacos_core.raft.replica import Replica
from nacos_core.simulation.disks import Disk
from nacos_core.simulation.timeline import Timeline


class Links(Protocol):
    """The network."""

    def cut(self, sender_id: str, receiver_id: str) -> None:
        """Nothing arrives any more in that direction."""

    def slow(self, sender_id: str, receiver_id: str, extra_seconds: float) -> None:
        """Everything takes up to so much longer."""

    def lose(self, sender_id: str, receiver_id: str, share: float) -> None:
        """That share gets lost."""

    def mend(self, sender_id: str, receiver_id: str) -> None:
        """The link is as new."""

    def be_kind(self) -> None:
        """From now on nothing is lost."""


class Process(Protocol):
    """A node that runs."""

    stalled_until: float

    @property
    def node_id(self) -> str:
        """What stands on the disk."""

    @property
    def host(self) -> "Host":
        """Where it runs."""

    @property
    def replica(self) -> Replica:
        """The node as a server of Raft."""

    @property
    def log(self) -> Log:
        """Its log, open."""

    def peer_lost(self, node_id: str) -> None:
        """It notices that a connection has gone."""


class Host(Protocol):
    """A machine with its disk."""

    wall_offset_ms: int
    boot: int
    is_damaged: bool
    """Its disk is lost: it does not start any more."""

    @property
    def node_id(self) -> str:
        """What stands on its disk."""

    @property
    def disk(self) -> Disk:
        """It stays when the process goes."""

    @property
    def process(self) -> Process | None:
        """None: it does not run."""

    def crash(self, *, is_power_cut: bool) -> None:
        """The process is gone."""


class Cluster(Protocol):
    """All of them, and their operator."""

    lost_ids: set[str]

    @property
    def timeline(self) -> Timeline:
        """Simulated time."""

    @property
    def links(self) -> Links:
        """Between the machines."""

    @property
    def hosts(self) -> Mapping[str, Any]:
        """By the ids of their nodes, in a defined order."""

    @property
    def tasks(self) -> Sequence[object]:
        """What the operator has still to do."""

    def leader(self) -> Any:
        """The process that leads, if any."""

    def configuration(self) -> Configuration | None:
        """The leader's, once it is committed."""

    def may_lose(self, node_id: str) -> bool:
        """Whether that is not too many."""

    def restart_later(self, host: Any, delay_seconds: float) -> None:
        """A while from now."""

    def replace(self, host: Any) -> None:
        """Its disk is lost."""

    def grow(self, *, is_learner: bool) -> None:
        """One node more."""

    def shrink(self, node_id: str) -> None:
        """One node less."""

    def move(self, node_id: str) -> None:
        """A node gets another address."""
