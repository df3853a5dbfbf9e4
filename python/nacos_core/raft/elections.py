"""Who leads: timeouts, pre-votes, votes (section 5.2 of the paper; the thesis, sections 4.2.3 and 9.6)."""

from nacos_core.raft.effects import RoleChanged
from nacos_core.raft.messages import NotMember, RequestVote, VoteResponse
from nacos_core.raft.server import Server
from nacos_core.raft.state import Role


class Elections:
    """The part of a follower and of a candidate that decides who leads."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def timed_out(self, now: float) -> bool:
        """No leader was heard for a whole timeout. Says whether this server leads now."""
        server = self._server
        state = server.state
        if not server.may_stand():
            state.deadline = float("inf")
            return False
        if now - state.deadline >= server.timing.heartbeat_seconds and not state.is_grace_given:
            # This process did not run when it should have: the leader's messages may lie in its sockets unread.
            state.is_grace_given = True
            state.deadline = now + server.timing.heartbeat_seconds
            return False
        return self._ask(now, is_pre_vote=True)

    def stand(self, now: float, *, is_transfer: bool) -> bool:
        """Raises the term and asks for votes. Says whether this server leads now."""
        return self._ask(now, is_pre_vote=False, is_transfer=is_transfer)

    def vote_requested(self, sender_id: str, request: RequestVote, now: float) -> None:
        """Grants at most one vote a term, to a log at least as new as the own, and never against a live leader."""
        server = self._server
        state = server.state
        is_held = server.hears_leader(now) and not request.is_transfer
        if request.term > server.current_term and not request.is_pre_vote and not is_held and state.configurations:
            server.become_follower(request.term, "", now)
        if is_held or not self._may_grant(sender_id, request):
            server.send(sender_id, VoteResponse(server.current_term, False, request.is_pre_vote))
            self._tell_if_removed(sender_id, request)
            return
        if request.is_pre_vote:
            server.send(sender_id, VoteResponse(request.term, True, True))
            return
        # The vote is durable before it is told: else a crash could let this server vote twice in one term.
        server.save_hard_state(request.term, sender_id)
        server.reset_election_timer(now)
        server.send(sender_id, VoteResponse(request.term, True))

    def vote_answered(self, sender_id: str, response: VoteResponse, now: float) -> bool:
        """Counts a vote. Says whether this server leads now."""
        server = self._server
        state = server.state
        asked = Role.PRE_CANDIDATE if response.is_pre_vote else Role.CANDIDATE
        if state.role is not asked or (response.is_granted and response.term != self._asked_term()):
            return False
        (state.votes_granted if response.is_granted else state.votes_refused).add(sender_id)
        if server.is_majority(state.votes_refused):
            server.become_follower(server.current_term, "", now)
            return False
        return self._count(now)

    def own_vote_durable(self, now: float) -> bool:
        """The log has synced: the own vote counts from then on. Says whether this server leads now."""
        server = self._server
        if server.state.role is not Role.CANDIDATE or server.state.node_id in server.state.votes_granted:
            return False
        server.state.votes_granted.add(server.state.node_id)
        return self._count(now)

    def _ask(self, now: float, *, is_pre_vote: bool, is_transfer: bool = False) -> bool:
        server = self._server
        state = server.state
        state.role = Role.PRE_CANDIDATE if is_pre_vote else Role.CANDIDATE
        state.leader_id = ""
        state.votes_granted, state.votes_refused = set(), set()
        if is_pre_vote:
            state.votes_granted.add(state.node_id)
        else:
            server.save_hard_state(server.current_term + 1, state.node_id)
        server.reset_election_timer(now)
        server.effects.append(RoleChanged(state.role, server.current_term, ""))
        request = RequestVote(self._asked_term(), server.log.last_index, server.log.last_term, is_pre_vote, is_transfer)
        for voter in server.voters:
            if voter != state.node_id:
                server.send(voter, request)
        return self._count(now)

    def _asked_term(self) -> int:
        return self._server.current_term + (1 if self._server.state.role is Role.PRE_CANDIDATE else 0)

    def _count(self, now: float) -> bool:
        server = self._server
        if not server.is_majority(server.state.votes_granted):
            return False
        if server.state.role is Role.PRE_CANDIDATE:
            return self.stand(now, is_transfer=False)
        return True

    def _may_grant(self, sender_id: str, request: RequestVote) -> bool:
        server = self._server
        if not server.state.configurations:
            return False  # an empty data folder never votes: it may have been a voter that lost its vote
        if not server.is_up_to_date(request.last_log_index, request.last_log_term):
            return False
        if request.is_pre_vote:
            return request.term > server.current_term
        return request.term == server.current_term and self._is_vote_free(sender_id)

    def _is_vote_free(self, sender_id: str) -> bool:
        voted_for = self._server.log.vote
        return voted_for in ("", sender_id) and self._server.state.leader_id == ""

    def _tell_if_removed(self, sender_id: str, request: RequestVote) -> None:
        server = self._server
        index, configuration = server.state.configurations[0] if server.state.configurations else (0, None)
        is_behind = not server.is_up_to_date(request.last_log_index, request.last_log_term)
        if configuration is not None and configuration.find(sender_id) is None and is_behind:
            server.send(sender_id, NotMember(server.current_term, index))
