"""What servers say to each other. The transport says who sent a message and puts it on the wire as it stands here.

Terms, indexes and rules are those of the paper, figures 2 and 13. Pre-vote, check-quorum and transfer: D. Ongaro,
"Consensus: Bridging Theory and Practice" (the thesis), sections 9.6, 6.2 and 3.10; ReadIndex: section 6.4.
"""

from typing import Annotated, TypeAlias

import msgspec

Number: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
"""A term, an index or a count: nothing that another server sends may leave the range of the log's numbers."""


class _Message(msgspec.Struct, frozen=True, array_like=True, tag_field="message", gc=False):
    """What all messages have in common."""


class RequestVote(_Message, frozen=True, tag="vote"):
    """A pre-vote asks in the term that an election would have, and changes nothing at those who answer it."""

    term: Number
    last_log_index: Number
    last_log_term: Number
    is_pre_vote: bool = False
    is_transfer: bool = False
    """The leader itself wants this election: its lease does not count."""


class VoteResponse(_Message, frozen=True, tag="voted"):
    """``term``: the one asked for if it is granted, else that of whoever refuses."""

    term: Number
    is_granted: bool
    is_pre_vote: bool = False


class AppendEntries(_Message, frozen=True, tag="append"):
    """``entries`` as ``Log.pack`` gives them; ``last_index`` is that of the last one."""

    term: Number
    prev_log_index: Number
    prev_log_term: Number
    last_index: Number
    leader_commit: Number
    entries: bytes


class AppendResponse(_Message, frozen=True, tag="appended"):
    """``last_log_index``: up to there the logs agree, durably; or, refused, where the log of the follower ends.

    ``conflict_term`` and ``conflict_first_index`` name the follower's term at ``prev_log_index`` and its first entry of
    that term, so that a leader goes back a term at a time (section 5.3); 0 where there is no entry.
    """

    term: Number
    is_success: bool
    prev_log_index: Number
    last_log_index: Number
    conflict_term: Number = 0
    conflict_first_index: Number = 0


class Heartbeat(_Message, frozen=True, tag="beat"):
    """``commit_index`` is capped by what the leader knows to match. ``round`` 0 wants no answer."""

    term: Number
    commit_index: Number
    round: Number


class HeartbeatResponse(_Message, frozen=True, tag="beaten"):
    """Whoever answers a round still follows that leader."""

    term: Number
    round: Number


class InstallSnapshot(_Message, frozen=True, tag="snapshot"):
    """A piece of a snapshot; the next one is sent when this one is answered."""

    term: Number
    snapshot_index: Number
    snapshot_term: Number
    offset: Number
    is_last: bool
    data: bytes


class SnapshotResponse(_Message, frozen=True, tag="snapshotted"):
    """``received_bytes`` is where the next piece has to begin."""

    term: Number
    snapshot_index: Number
    received_bytes: Number
    is_installed: bool


class TimeoutNow(_Message, frozen=True, tag="timeout"):
    """Whoever gets this stands for election at once: the leader hands over."""

    term: Number


class ReadIndexRequest(_Message, frozen=True, tag="read"):
    """A follower wants to read what is committed now. No id is ever used again, not after a restart either."""

    read_ids: tuple[Number, ...]


class ReadIndexResponse(_Message, frozen=True, tag="readable"):
    """The reads may be answered once ``index`` is applied; None: this server does not lead."""

    read_ids: tuple[Number, ...]
    index: Number | None


class NotMember(_Message, frozen=True, tag="removed"):
    """A configuration that is committed at ``configuration_index`` does not have the receiver."""

    term: Number
    configuration_index: Number


class Forward(_Message, frozen=True, tag="forward"):
    """A write for the leader, named by its origin (the sender), the origin's boot and its number there."""

    boot: Number
    sequence: Number
    oldest_open: Number
    command: msgspec.Raw


class ForwardRefused(_Message, frozen=True, tag="unforwarded"):
    """The write was not appended: the receiver does not lead, or has too much to do."""

    boot: Number
    sequence: Number
    is_overloaded: bool


Message: TypeAlias = (
    RequestVote
    | VoteResponse
    | AppendEntries
    | AppendResponse
    | Heartbeat
    | HeartbeatResponse
    | InstallSnapshot
    | SnapshotResponse
    | TimeoutNow
    | ReadIndexRequest
    | ReadIndexResponse
    | NotMember
)
"""What the machine takes and sends."""

ReplicaMessage: TypeAlias = Message | Forward | ForwardRefused
"""What one replica takes from another."""
