"""What a leader knows of one follower, and how far ahead of its answers it may send."""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum

from nacos_core import limits


class Pace(Enum):
    """How entries go to a follower (compare the progress states of etcd's raft)."""

    PROBE = "probe"
    """Where the logs agree is not known: one message at a time."""
    REPLICATE = "replicate"
    """The logs agree: messages follow each other without waiting."""
    SNAPSHOT = "snapshot"
    """The entries it needs are compacted away: it gets a snapshot, a piece at a time."""


@dataclass(slots=True)
class Progress:
    """``match_index`` and ``next_index`` as in figure 2 of the paper."""

    next_index: int
    match_index: int = 0
    pace: Pace = Pace.PROBE
    is_paused: bool = False
    """A probe or a piece of a snapshot is on its way."""
    advanced_at: float = 0.0
    """When the oldest message without an answer left, or an answer came last; seconds."""
    in_flight: deque[int] = field(default_factory=deque)
    """The last index of each message that was not answered yet."""
    heard_at: float = float("-inf")
    """When anything came from it; seconds."""
    told_commit_index: int = 0
    """What is committed, as the last message said it; that one may be lost."""
    acknowledged_round: int = 0
    """The newest round of heartbeats that it has answered."""
    snapshot_offset: int = 0

    def may_send(self) -> bool:
        """Whether another message may leave before one is answered."""
        match self.pace:
            case Pace.REPLICATE:
                return len(self.in_flight) < limits.APPENDS_IN_FLIGHT_MAX
            case _:
                return not self.is_paused

    def probe(self, next_index: int) -> None:
        """Goes back to asking where the logs agree."""
        self.pace = Pace.PROBE
        self.next_index = max(next_index, self.match_index + 1)
        self.is_paused = False
        self.in_flight.clear()

    def lost(self) -> None:
        """What was under way has not arrived: it is sent again, from where the logs are known to agree if anywhere."""
        if self.pace is not Pace.SNAPSHOT:
            self.probe(self.next_index if self.pace is Pace.PROBE else self.match_index + 1)

    def sent(self, last_index: int, now: float) -> None:
        """A message with entries up to ``last_index`` has left."""
        if self.pace is Pace.REPLICATE:
            if not self.in_flight:
                self.advanced_at = now
            self.next_index = last_index + 1
            self.in_flight.append(last_index)
        else:
            self.is_paused = True
            self.advanced_at = now

    def is_overdue(self, now: float, patience_seconds: float) -> bool:
        """Whether something was sent, and no answer has come for so long that it must be lost."""
        return (self.is_paused or bool(self.in_flight)) and now - self.advanced_at >= patience_seconds

    def matched(self, index: int, now: float) -> bool:
        """The follower has everything up to ``index``; says whether that is news."""
        while self.in_flight and self.in_flight[0] <= index:
            self.in_flight.popleft()
        is_news = index > self.match_index
        self.advanced_at = now
        self.match_index = max(self.match_index, index)
        self.next_index = max(self.next_index, index + 1)
        if self.pace is Pace.PROBE:
            self.pace = Pace.REPLICATE
            self.is_paused = False
            self.next_index = self.match_index + 1
        return is_news

    def begin_snapshot(self) -> None:
        """The next messages are pieces of a snapshot."""
        self.pace = Pace.SNAPSHOT
        self.is_paused = False
        self.in_flight.clear()
        self.snapshot_offset = 0
