"""What a server of Raft knows (figure 2 of the paper). Only the machine changes it."""

from dataclasses import dataclass, field
from enum import Enum


class Role(Enum):
    """Figure 4 of the paper."""

    FOLLOWER = "follower"
    CANDIDATE = "candidate"
    LEADER = "leader"


@dataclass(slots=True)
class State:
    """One server's state. Indices start at 1; 0 is "nothing yet"."""

    node_id: str
    voters: tuple[str, ...]

    # Persistent on all servers: an answer or message that rests on these waits until they are durable.
    current_term: int = 0
    voted_for: str = ""

    # The log's ends; the entries themselves are kept by whoever carries out the effects.
    last_log_index: int = 0
    last_log_term: int = 0

    # Volatile on all servers.
    role: Role = Role.FOLLOWER
    leader_id: str = ""
    commit_index: int = 0
    last_applied: int = 0

    # Volatile on candidates and leaders.
    votes_granted: set[str] = field(default_factory=set)
    match_index: dict[str, int] = field(default_factory=dict)
    term_start_index: int = 0
    """Index of the no-op with which this leader began its term: only entries from here on are of its term."""
