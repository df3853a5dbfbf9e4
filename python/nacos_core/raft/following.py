"""What a follower does with a leader's entries, heartbeats and snapshots (figures 2 and 13 of the paper)."""

from nacos_core._core import Appended, unpack
from nacos_core.raft.configuration import CONFIGURATION_BYTE, Configuration
from nacos_core.raft.effects import InstallKeptSnapshot, KeepSnapshotPiece, Removed
from nacos_core.raft.messages import (
    AppendEntries,
    AppendResponse,
    Heartbeat,
    HeartbeatResponse,
    InstallSnapshot,
    NotMember,
    SnapshotResponse,
)
from nacos_core.raft.server import Server


class Following:
    """The part of a follower that takes what its leader sends. The term has been looked at before."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._incoming = (0, 0, 0)
        """The leader's term, and index and term of the snapshot whose pieces are coming in. Another leader's snapshot
        may consist of other bytes, though it ends with the same entry."""
        self._received_bytes = 0

    def entries_sent(self, leader_id: str, message: AppendEntries) -> None:
        """Appends what fits, cuts what differs, and answers once that is durable (section 5.3)."""
        server = self._server
        if server.state.is_installing:
            return
        if message.prev_log_index < server.state.commit_index and message.last_index <= server.state.commit_index:
            # Committed entries agree; an old message must not be looked up in what was compacted.
            self._answer(leader_id, message, server.state.commit_index)
            return
        _check_configurations(message.entries)
        prev_log_index, prev_log_term = message.prev_log_index, message.prev_log_term
        if message.entries:
            answer = server.log.try_append_packed(prev_log_index, prev_log_term, message.entries)
        else:  # the leader only asks whether the logs agree there
            answer = server.log.try_append(prev_log_index, prev_log_term, ())
        if not isinstance(answer, Appended):
            server.send(
                leader_id,
                AppendResponse(
                    server.current_term,
                    False,
                    message.prev_log_index,
                    answer.last_index,
                    answer.term or 0,
                    answer.first_index or 0,
                ),
            )
            return
        if message.entries:
            # Committed entries stay as they are, and those that are compacted could not be read again.
            server.take_configurations(max(message.prev_log_index, server.state.commit_index) + 1)
        self._answer(leader_id, message, answer.last_index)
        server.commit(min(message.leader_commit, answer.last_index))

    def heartbeat_sent(self, leader_id: str, message: Heartbeat) -> None:
        """The leader lives, and says what is committed of what it knows to match here."""
        server = self._server
        if not server.state.is_installing:
            server.commit(message.commit_index)
        if message.round:
            server.send(leader_id, HeartbeatResponse(server.current_term, message.round))

    def snapshot_sent(self, leader_id: str, message: InstallSnapshot) -> None:
        """Keeps the pieces as they come; the last one has the snapshot installed."""
        server = self._server
        identity = (message.term, message.snapshot_index, message.snapshot_term)
        if message.snapshot_index <= server.state.commit_index:
            # What is known to be committed may still be on its way to the own disk.
            response = SnapshotResponse(server.current_term, message.snapshot_index, 0, True)
            server.send(leader_id, response, server.log.ticket)
            return
        if server.state.is_installing:
            return
        if identity != self._incoming:
            self._incoming, self._received_bytes = identity, 0
        if message.offset == self._received_bytes:
            self._received_bytes += len(message.data)
            server.effects.append(KeepSnapshotPiece(message.offset, message.data))
            if message.is_last:
                server.state.is_installing = True
                server.effects.append(InstallKeptSnapshot(message.snapshot_index, message.snapshot_term))
                return
        # A piece that came twice, or not in its turn, is answered with where the next one has to begin.
        response = SnapshotResponse(server.current_term, message.snapshot_index, self._received_bytes, False)
        server.send(leader_id, response)

    def snapshot_installed(self, index: int, configuration: Configuration, now: float) -> None:
        """The stores hold the snapshot, and the log begins behind it or agrees with it."""
        server = self._server
        state = server.state
        state.is_installing = False
        self._incoming, self._received_bytes = (0, 0, 0), 0
        state.commit_index = max(state.commit_index, index)
        server.log.commit(state.commit_index)
        state.configurations = [(index, configuration)]
        server.configuration_changed()
        server.take_configurations(index + 1)
        server.reset_election_timer(now)
        if state.leader_id:
            server.send(state.leader_id, SnapshotResponse(server.current_term, index, 0, True), server.log.ticket)

    def not_a_member(self, message: NotMember, now: float) -> None:
        """Believed only if it speaks of a newer configuration than the own. Whoever believes it asks for no votes."""
        server = self._server
        if message.configuration_index > server.state.configuration_index and not server.state.is_removed:
            server.become_follower(server.current_term, "", now)
            server.state.is_removed = True
            server.state.deadline = float("inf")
            server.effects.append(Removed())

    def _answer(self, leader_id: str, message: AppendEntries, last_index: int) -> None:
        server = self._server
        response = AppendResponse(server.current_term, True, message.prev_log_index, last_index)
        server.send(leader_id, response, server.log.ticket)


def _check_configurations(packed: bytes) -> None:
    """Raises ValueError for a configuration that cannot be read, while the log can still do without it."""
    if CONFIGURATION_BYTE not in packed:  # most often: entries need not be looked at
        return
    for _, payload in unpack(packed):
        if payload[:1] == bytes((CONFIGURATION_BYTE,)):
            Configuration.decode(payload)
