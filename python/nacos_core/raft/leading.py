"""What a leader does: entries, commits, heartbeats, snapshots, handing over (figure 2; the thesis, chapters 3 to 6)."""

from collections.abc import Sequence

from nacos_core import limits
from nacos_core.raft.configuration import Change, ChangeRefused, Configuration, PromoteMember
from nacos_core.raft.effects import ChangeDecided, ProposalRefused, Removed, RoleChanged, SendSnapshot
from nacos_core.raft.messages import (
    AppendEntries,
    AppendResponse,
    Heartbeat,
    HeartbeatResponse,
    NotMember,
    SnapshotResponse,
    TimeoutNow,
)
from nacos_core.raft.progress import Pace, Progress
from nacos_core.raft.reads import Reads
from nacos_core.raft.server import NO_OP, Server
from nacos_core.raft.state import Role


class Leading:
    """One term of one leader; made anew for each."""

    def __init__(self, server: Server, now: float) -> None:
        self._server = server
        state, log = server.state, server.log
        state.role, state.leader_id = Role.LEADER, state.node_id
        self.progress: dict[str, Progress] = {}
        self.term_start_index = log.last_index + 1
        """Index of the no-op with which this leader begins its term: only entries from here on are of its term."""
        self.reads = Reads(server, self)
        self._round = 0
        self._synced_index = 0
        self._transfer_to = ""
        self._transfer_ends_at = 0.0
        self._removed: tuple[str, ...] = ()
        """Those whom the newest configuration leaves out, until it is committed and they can be told."""
        # The leader keeps the term it was elected in: raising it again would break Election Safety.
        server.effects.append(RoleChanged(Role.LEADER, server.current_term, state.node_id))
        self._follow_members(now)
        self.append([NO_OP], now)

    # --- entries ---------------------------------------------------------------------------------------------------

    @property
    def is_handing_over(self) -> bool:
        """Another server is about to lead: until then nothing is appended."""
        return bool(self._transfer_to)

    def propose(self, payloads: Sequence[bytes], now: float) -> None:
        """Appends what clients want, unless this leader is handing over."""
        if self.is_handing_over:
            self._server.effects.append(ProposalRefused())
        else:
            self.append(payloads, now)

    def append(self, payloads: Sequence[bytes], now: float) -> None:
        """Entries go to the followers while the own log is still writing them (the thesis, section 10.2.1)."""
        server = self._server
        server.log.append(server.current_term, payloads)
        for node_id in self.progress:
            self._send_entries(node_id, now)

    def synced(self, index: int, now: float) -> None:
        """The own log holds the entries up to ``index`` durably: the leader counts as one of those who do."""
        if index > self._synced_index:
            self._synced_index = index
            self._advance_commit_index(now)

    def entries_answered(self, sender_id: str, response: AppendResponse, now: float) -> None:
        """Counts what matches, or goes back to where the logs may agree."""
        progress = self.progress.get(sender_id)
        if progress is None:
            return
        if response.is_success:
            self._refuse_beyond_log(sender_id, response.last_log_index)
        progress.heard_at = now
        if response.is_success:
            if progress.matched(response.last_log_index, now):
                self._advance_commit_index(now)
                self._tell_commit_index(sender_id, progress)
                self._look_after(sender_id, progress, now)
        elif self._is_news(progress, response):
            progress.probe(self._next_index_after(response))
        self._send_entries(sender_id, now)

    def _is_news(self, progress: Progress, response: AppendResponse) -> bool:
        # An answer that was overtaken says nothing any more.
        if progress.pace is Pace.PROBE:
            return response.prev_log_index == progress.next_index - 1
        return progress.pace is Pace.REPLICATE and progress.match_index < response.prev_log_index < progress.next_index

    def _next_index_after(self, response: AppendResponse) -> int:
        """Section 5.3: one message for each term in which the logs differ, not one for each entry."""
        if not response.conflict_term:
            return min(response.last_log_index + 1, response.prev_log_index)
        own_last_index = self._server.log.last_index_of_term(response.conflict_term) or 0
        if response.conflict_first_index <= own_last_index < response.prev_log_index:
            return own_last_index + 1  # entries of one term and index are the same entry
        return response.conflict_first_index

    def _send_entries(self, node_id: str, now: float) -> None:
        """Sends as much as may be under way; a follower whose entries are gone gets the snapshot."""
        server, progress = self._server, self.progress[node_id]
        if server.state.role is not Role.LEADER:
            return
        log = server.log
        while progress.pace is not Pace.SNAPSHOT and progress.may_send():
            next_index, last_index = progress.next_index, log.last_index
            if next_index > last_index and progress.pace is Pace.REPLICATE:
                return
            prev_log_term = log.term_at(next_index - 1)
            if prev_log_term is None or (next_index < log.first_index and next_index <= last_index):
                self._begin_snapshot(node_id, progress, now)
                return
            self._send_one(node_id, progress, prev_log_term, now)

    def _send_one(self, node_id: str, progress: Progress, prev_log_term: int, now: float) -> None:
        server = self._server
        next_index = progress.next_index
        last_index, entries = server.log.pack(next_index, server.log.last_index, limits.APPEND_BYTES_MAX)
        commit_index = server.state.commit_index
        message = AppendEntries(server.current_term, next_index - 1, prev_log_term, last_index, commit_index, entries)
        server.send(node_id, message)
        progress.sent(last_index, now)
        progress.told_commit_index = min(commit_index, last_index)

    def _refuse_beyond_log(self, sender_id: str, index: int) -> None:
        last_index = self._server.log.last_index
        if index > last_index:
            raise ValueError(f"{sender_id} answers for entry {index}, but the leader's log ends at {last_index}")

    # --- commits ---------------------------------------------------------------------------------------------------

    def _advance_commit_index(self, now: float) -> None:
        """Figure 2: a majority matches N, and the entry at N is of the current term (section 5.4.2)."""
        server = self._server
        before = server.state.commit_index
        matched = self._majority_match_index()
        if matched <= before or not self._is_of_own_term(matched):
            return
        server.commit(matched)
        for node_id, progress in self.progress.items():
            self._tell_commit_index(node_id, progress)
        self.reads.committed()
        self._after_configuration_committed(before, now)

    def _tell_commit_index(self, node_id: str, progress: Progress) -> None:
        # Whoever waits for an entry at a follower should not have to wait for the next heartbeat too.
        is_idle = progress.next_index > self._server.log.last_index
        if is_idle and self._known_commit_index(progress) > progress.told_commit_index:
            self._server.send(node_id, self._heartbeat(progress, 0))

    def _is_of_own_term(self, index: int) -> bool:
        return index >= self.term_start_index

    def _majority_match_index(self) -> int:
        server = self._server
        own_id = server.state.node_id
        matches = [
            self._synced_index if voter == own_id else self.progress[voter].match_index for voter in server.voters
        ]
        matches.sort(reverse=True)
        return matches[server.majority() - 1]

    # --- heartbeats ------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Heartbeats are due. A leader that no majority answers steps down (the thesis, section 6.2)."""
        server = self._server
        if not self._hears_majority(now):
            server.become_follower(server.current_term, "", now)
            return
        if self._transfer_to and now >= self._transfer_ends_at:
            self._transfer_to = ""  # it did not come about: clients are served again
        self.begin_round()
        self._set_deadline(now)

    def _set_deadline(self, now: float) -> None:
        # Alone there is nobody to send a heartbeat to.
        self._server.state.deadline = now + self._server.timing.heartbeat_seconds if self.progress else float("inf")

    def begin_round(self) -> int:
        """Sends a heartbeat to everybody; who answers it still follows."""
        self._round += 1
        for node_id, progress in self.progress.items():
            self._server.send(node_id, self._heartbeat(progress, self._round))
        return self._round

    def heartbeat_answered(self, sender_id: str, response: HeartbeatResponse, now: float) -> None:
        """The follower lives; what it has not answered for long is taken to be lost."""
        progress = self.progress.get(sender_id)
        if progress is None:
            return
        progress.heard_at = now
        progress.acknowledged_round = max(progress.acknowledged_round, response.round)
        self.reads.round_answered()
        self._look_after(sender_id, progress, now)
        self._resend_lost(sender_id, progress, now)
        self._send_entries(sender_id, now)

    def confirms(self, round_number: int) -> bool:
        """Whether a majority has answered that round or a later one."""
        server = self._server
        answered = {node_id for node_id, peer in self.progress.items() if peer.acknowledged_round >= round_number}
        return server.is_majority(answered | {server.state.node_id})

    def _heartbeat(self, progress: Progress, round_number: int) -> Heartbeat:
        progress.told_commit_index = self._known_commit_index(progress)
        return Heartbeat(self._server.current_term, progress.told_commit_index, round_number)

    def _known_commit_index(self, progress: Progress) -> int:
        # A follower must not take more for committed than is known to match: beyond that its entries may differ.
        return min(self._server.state.commit_index, progress.match_index)

    def _hears_majority(self, now: float) -> bool:
        server = self._server
        patience_seconds = server.timing.election_timeout_max_seconds
        heard = {node_id for node_id, peer in self.progress.items() if now - peer.heard_at < patience_seconds}
        return server.is_majority(heard | {server.state.node_id})

    def _resend_lost(self, node_id: str, progress: Progress, now: float) -> None:
        if not progress.is_overdue(now, self._server.timing.election_timeout_min_seconds):
            return
        if progress.pace is Pace.SNAPSHOT:
            self._send_snapshot(node_id, progress, now)
        else:
            progress.lost()

    def peer_lost(self, node_id: str) -> None:
        """Its connection has gone: what was under way may not arrive."""
        progress = self.progress.get(node_id)
        if progress is not None:
            progress.lost()

    # --- snapshots -------------------------------------------------------------------------------------------------

    def _begin_snapshot(self, node_id: str, progress: Progress, now: float) -> None:
        progress.begin_snapshot()
        self._send_snapshot(node_id, progress, now)

    def _send_snapshot(self, node_id: str, progress: Progress, now: float) -> None:
        progress.is_paused, progress.advanced_at = True, now
        self._server.effects.append(SendSnapshot(node_id, self._server.current_term, progress.snapshot_offset))

    def snapshot_answered(self, sender_id: str, response: SnapshotResponse, now: float) -> None:
        """The next piece, or entries again."""
        progress = self.progress.get(sender_id)
        if progress is None:
            return
        if response.is_installed:
            self._refuse_beyond_log(sender_id, response.snapshot_index)
        progress.heard_at = now
        if response.is_installed:
            was_snapshot = progress.pace is Pace.SNAPSHOT
            if progress.matched(response.snapshot_index, now):
                self._advance_commit_index(now)
            if was_snapshot:
                progress.probe(progress.match_index + 1)
            self._send_entries(sender_id, now)
        elif progress.pace is Pace.SNAPSHOT and self._asks_for_another_piece(progress, response):
            progress.snapshot_offset = response.received_bytes
            self._send_snapshot(sender_id, progress, now)

    @staticmethod
    def _asks_for_another_piece(progress: Progress, response: SnapshotResponse) -> bool:
        # An answer that came twice, or to a piece that came twice, must not have two pieces under way from then on.
        # Only a follower that has lost what it had asks for something earlier, and that is the beginning.
        received_bytes, offset = response.received_bytes, progress.snapshot_offset
        return received_bytes > offset or received_bytes == 0 < offset

    # --- members ---------------------------------------------------------------------------------------------------

    def change(self, change_id: int, change: Change, now: float) -> None:
        """Appends another configuration, which counts at once; or says why not."""
        server = self._server
        refusal = self._why_no_change()
        configuration = server.state.configuration
        assert configuration is not None, "a leader has a configuration"
        if not refusal:
            try:
                self._append_configuration(configuration.changed(change), now)
            except ChangeRefused as error:
                refusal = str(error)
        server.effects.append(ChangeDecided(change_id, server.state.configuration_index, refusal))

    def _why_no_change(self) -> str:
        state = self._server.state
        if state.commit_index < self.term_start_index:
            # Else two leaders could each append a configuration that the other has not seen (raft-dev, July 2015).
            return "the leader has just been elected, try again"
        if state.commit_index < state.configuration_index:
            return "another change of members is under way, try again"
        if self._transfer_to:
            return "the leader is handing over, try again"
        return ""

    def _append_configuration(self, configuration: Configuration, now: float) -> None:
        server = self._server
        first_index = server.log.last_index + 1
        server.log.append(server.current_term, [configuration.encode()])
        server.take_configurations(first_index)
        self._follow_members(now)
        self._advance_commit_index(now)
        for node_id in self.progress:
            self._send_entries(node_id, now)

    def _follow_members(self, now: float) -> None:
        """One progress for each other member."""
        known = self.progress
        self._removed = tuple(node_id for node_id in known if node_id not in self._server.peers)
        next_index = self._server.log.last_index + 1
        # A new member is taken for alive until it had time to answer.
        self.progress = {
            node_id: known.get(node_id) or Progress(next_index, heard_at=now) for node_id in self._server.peers
        }
        self._set_deadline(now)

    def _after_configuration_committed(self, before: int, now: float) -> None:
        server = self._server
        index, configuration = server.state.configuration_index, server.state.configuration
        if not before < index <= server.state.commit_index or configuration is None:
            return
        for node_id in self._removed:
            server.send(node_id, NotMember(server.current_term, index))
        self._removed = ()
        if server.state.node_id not in server.voters:
            # A leader that was removed leads until that is committed (the thesis, section 4.2.2).
            successor_id = self._best_voter(now)
            if successor_id:
                server.send(successor_id, TimeoutNow(server.current_term))
            server.become_follower(server.current_term, "", now)
            server.state.is_removed = True
            server.effects.append(Removed())

    def _look_after(self, node_id: str, progress: Progress, now: float) -> None:
        """A member that has caught up gets its vote, or the leadership, if it waits for that."""
        server = self._server
        if server.state.role is not Role.LEADER:
            return  # what has just been committed was that this server is removed
        if node_id == self._transfer_to and progress.match_index == server.log.last_index:
            server.send(node_id, TimeoutNow(server.current_term))
        configuration = server.state.configuration
        member = configuration.find(node_id) if configuration is not None else None
        has_caught_up = progress.pace is Pace.REPLICATE and progress.match_index >= server.state.commit_index
        if configuration is None or member is None or member.part != "joining" or not has_caught_up:
            return
        if not self._why_no_change():
            self._append_configuration(configuration.changed(PromoteMember(node_id)), now)

    # --- handing over ----------------------------------------------------------------------------------------------

    def transfer(self, target_id: str, now: float) -> None:
        """Hands over to that voter, or to the one that has most (the thesis, section 3.10)."""
        server = self._server
        target_id = target_id or self._best_voter(now)
        if target_id not in self.progress or target_id not in server.voters or self._transfer_to:
            return
        self._transfer_to = target_id
        self._transfer_ends_at = now + server.timing.election_timeout_max_seconds
        self._look_after(target_id, self.progress[target_id], now)

    def _best_voter(self, now: float) -> str:
        """The one that has most of those that were heard lately: one that is down would never take over."""
        patience_seconds = self._server.timing.election_timeout_max_seconds

        def worth(voter: str) -> tuple[bool, int]:
            progress = self.progress[voter]
            return now - progress.heard_at < patience_seconds, progress.match_index

        voters = [voter for voter in self._server.voters if voter in self.progress]
        return max(voters, key=worth, default="")
