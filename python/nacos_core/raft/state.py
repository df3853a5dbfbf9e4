"""What a server of Raft knows (figure 2 of the paper). Only the machine's parts change it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from nacos_core.raft.configuration import Configuration

Chance = Callable[[], float]
"""A number from 0 up to 1, another one at each call."""


class Role(Enum):
    """Figure 4 of the paper, and the candidate that only asks whether it would win (the thesis, section 9.6)."""

    FOLLOWER = "follower"
    PRE_CANDIDATE = "pre-candidate"
    CANDIDATE = "candidate"
    LEADER = "leader"


@dataclass(frozen=True, slots=True)
class Timing:
    """Intervals in seconds. A timeout is drawn anew each time, so that two seldom stand for election at once."""

    election_timeout_min_seconds: float = 0.150
    election_timeout_max_seconds: float = 0.300
    heartbeat_seconds: float = 0.050

    def election_timeout_seconds(self, chance: Chance) -> float:
        """The next timeout."""
        low, high = self.election_timeout_min_seconds, self.election_timeout_max_seconds
        return low + (high - low) * chance()


@dataclass(slots=True)
class State:
    """One server's state. Term, vote and entries are kept by the log."""

    node_id: str

    # Volatile on all servers.
    role: Role = Role.FOLLOWER
    leader_id: str = ""
    commit_index: int = 0
    deadline: float = float("inf")
    """When the machine wants its next ``Tick``; seconds."""
    is_grace_given: bool = False
    """The timeout was noticed late, and was put off once for that."""
    leader_heard_at: float = float("-inf")
    """When the leader's last message came; seconds."""
    hard_state_ticket: int = 0
    """The log's ticket of the newest term and vote."""
    configurations: list[tuple[int, Configuration]] = field(default_factory=list)
    """Index and configuration: the last one known to be committed, then those after it; the last one counts."""
    is_removed: bool = False
    is_installing: bool = False
    """A snapshot is being restored; the log must not change meanwhile."""

    # Volatile on candidates.
    votes_granted: set[str] = field(default_factory=set)
    votes_refused: set[str] = field(default_factory=set)

    @property
    def configuration(self) -> Configuration | None:
        """The one that counts: the newest in the log, committed or not (the thesis, section 4.1). None: not yet any."""
        return self.configurations[-1][1] if self.configurations else None

    @property
    def configuration_index(self) -> int:
        """Where the configuration that counts stands in the log."""
        return self.configurations[-1][0] if self.configurations else 0
