"""Which members live, as this node sees it: a slow node is not a dead node."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from nacos_core.distro.messages import Status
from nacos_core.distro.timing import Timing


class Liveness(Enum):
    """What is shown of a member."""

    UP = "UP"
    SUSPICIOUS = "SUSPICIOUS"
    """Silent for a while, or the connection to it was lost. It may be slow: nothing of it is touched."""
    DOWN = "DOWN"
    """Silent for long, or it said that it leaves."""


@dataclass(slots=True)
class Member:
    """Another node. Times are seconds on the clock of ``now``."""

    node_id: str
    heard_at: float
    """When its last message came; before the first one, when it was listed."""
    boot: int = 0
    """The newest that was heard of; 0: none yet."""
    status: Status | None = None
    """None: it has not said since this boot of it, or since it left."""
    is_linked: bool = False
    left_at: float | None = None
    liveness: Liveness = Liveness.SUSPICIOUS
    revision: int = 0
    """Of its records, as it last said."""
    verified_revision: int = 0
    """Up to there it is known to have what this node holds."""
    clock_ahead_ms: int = 0
    """How much its clock is ahead of this node's, at least: what it said of it took its time to come."""

    @property
    def is_serving(self) -> bool:
        """It has loaded, and answers clients."""
        return self.status == "serving" and self.left_at is None

    def clock_came(self, clock_ms: int, now: float) -> None:
        """It has said what its clock shows."""
        self.clock_ahead_ms = clock_ms - math.ceil(now * 1000)

    def clock_ms(self, now: float) -> int:
        """What its clock shows now, at least."""
        return self.clock_ahead_ms + math.floor(now * 1000)

    def silent_seconds(self, now: float) -> float:
        """Since its last message."""
        return now - self.heard_at

    def watch(self, now: float, timing: Timing) -> bool:
        """Says whether it is seen in another state than before."""
        before = self.liveness
        silent_seconds = self.silent_seconds(now)
        if self.left_at is not None or silent_seconds >= timing.down_seconds:
            self.liveness = Liveness.DOWN
        elif silent_seconds > timing.suspicious_seconds or not self.boot or not self.is_linked:
            self.liveness = Liveness.SUSPICIOUS
        else:
            self.liveness = Liveness.UP
        return self.liveness is not before


class Members:
    """All other members, and whether a majority of the voters is seen."""

    def __init__(self, node_id: str, timing: Timing) -> None:
        self.node_id = node_id
        self.is_listed = False
        """This node has been told who the members are."""
        self.majority_since: float | None = None
        """Since when a majority has been seen without a break; None: it is not seen."""
        self._timing = timing
        self._others: dict[str, Member] = {}
        self._linked: set[str] = set()
        self._voters: tuple[str, ...] = ()

    @property
    def others(self) -> Sequence[Member]:
        """In the order of their ids."""
        return tuple(self._others.values())

    def find(self, node_id: str) -> Member | None:
        """None: it is not a member, or it is this node."""
        return self._others.get(node_id)

    def set(self, node_ids: Sequence[str], voters: Sequence[str], now: float) -> None:
        """These are the members now."""
        self.is_listed = True
        self._voters = tuple(voters)
        others = sorted(set(node_ids) - {self.node_id})
        self._others = {
            node_id: self._others.get(node_id) or Member(node_id, now, is_linked=node_id in self._linked)
            for node_id in others
        }

    def link(self, node_id: str, is_linked: bool) -> Member | None:
        """There is a connection to that node, or there is none any more; gives the member."""
        (self._linked.add if is_linked else self._linked.discard)(node_id)
        member = self._others.get(node_id)
        if member is not None:
            member.is_linked = is_linked
        return member

    def watch(self, now: float) -> list[Member]:
        """Looks at all of them; those that are seen in another state than before."""
        changed = [member for member in self._others.values() if member.watch(now, self._timing)]
        if not self._sees_majority(now):
            self.majority_since = None
        elif self.majority_since is None:
            self.majority_since = now
        return changed

    def shift(self, seconds: float) -> None:
        """This node stood still for so long: that was nobody's silence."""
        for member in self._others.values():
            member.heard_at += seconds
            if member.left_at is not None:
                member.left_at += seconds
        if self.majority_since is not None:
            self.majority_since += seconds

    def responsible(self) -> list[str]:
        """Who may be responsible for addresses: whoever answers clients and is not DOWN, this node among them.

        Empty: there are no other members, so there is nothing to share.
        """
        if not self._others:
            return []
        able = [
            each.node_id for each in self._others.values() if each.is_serving and each.liveness is not Liveness.DOWN
        ]
        return sorted([self.node_id, *able])

    def _sees_majority(self, now: float) -> bool:
        # Those that are suspicious do not count. Members on the other side of a partition fall silent together but are
        # found DOWN one after the other: until the last one is, the others would seem to be a majority.
        seen = sum(self._is_seen(node_id, now) for node_id in self._voters)
        return seen * 2 > len(self._voters)

    def _is_seen(self, node_id: str, now: float) -> bool:
        if node_id == self.node_id:
            return True
        member = self._others.get(node_id)
        return (
            member is not None
            and bool(member.boot)
            and member.left_at is None
            and member.silent_seconds(now) <= self._timing.suspicious_seconds
        )
