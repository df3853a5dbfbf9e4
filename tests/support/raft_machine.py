"""One machine of Raft for tests that go event by event: what goes in, what comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nacos_core._core import Log
from nacos_core.raft.effects import Effect, Send
from nacos_core.raft.events import Event, LogSynced, Received, Started, Tick
from nacos_core.raft.machine import Machine
from nacos_core.raft.messages import AppendResponse, Heartbeat, Message, VoteResponse
from nacos_core.raft.state import Role, State
from support.raft_cluster import log_of, members

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nacos_core.raft.configuration import Configuration

Sent = list[tuple[str, Message]]


class Server:
    """A machine, its log and a clock. What was last asked for is in ``effects``."""

    def __init__(self, node_id: str, log: Log, snapshot: tuple[int, Configuration] | None = None) -> None:
        self.now = 100.0
        self.chance = 0.0
        self.log = log
        self.machine = Machine(node_id=node_id, log=log, chance=lambda: self.chance, snapshot=snapshot)
        self.effects: list[Effect] = []
        self.step(Started())
        self.sync()

    @property
    def state(self) -> State:
        return self.machine.state

    def step(self, event: Event, after_seconds: float = 0.0) -> list[Effect]:
        self.now += after_seconds
        self.effects = self.machine.step(event, self.now)
        return self.effects

    def receives(self, sender_id: str, message: Message, *, is_synced: bool = True) -> Sent:
        """What it sends because of a message; then its log syncs."""
        sent = _sent(self.step(Received(sender_id, message)))
        if is_synced:
            effects = self.effects
            sent += self.sync()
            self.effects = effects + self.effects
        return sent

    def times_out(self) -> Sent:
        self.now = max(self.now, self.machine.deadline)
        return _sent(self.step(Tick()))

    def sync(self) -> Sent:
        synced = self.log.poll()
        return _sent(self.step(LogSynced(synced.index, synced.ticket)))


def _sent(effects: list[Effect]) -> Sent:
    return [(effect.to, effect.message) for effect in effects if isinstance(effect, Send)]


def a_server(
    *voters: str,
    node_id: str = "",
    learners: Sequence[str] = (),
    terms: Sequence[int] = (1,),
    is_empty: bool = False,
) -> Server:
    """The first of the voters, unless told otherwise, with entries of these terms."""
    log = Log.in_memory() if is_empty else log_of(*terms, configuration=members(*voters, learners=learners))
    return Server(node_id or voters[0], log)


def a_follower(node_id: str, *, of: str, members: Sequence[str], terms: Sequence[int] = (1,), term: int = 2) -> Server:
    """It has just heard that leader."""
    server = a_server(*members, node_id=node_id, terms=terms)
    server.receives(of, Heartbeat(term, 0, 1))
    assert (server.state.role, server.state.leader_id) == (Role.FOLLOWER, of)
    return server


def a_leader(*voters: str, learners: Sequence[str] = (), terms: Sequence[int] = (1,)) -> Server:
    """The first of the voters was elected by the others in the term after the last one; its no-op is not committed."""
    server = a_server(*voters, learners=learners, terms=terms)
    term = server.machine.current_term + 1
    server.times_out()
    for is_pre_vote in (True, False):
        for voter in voters[1:]:
            server.receives(voter, VoteResponse(term, True, is_pre_vote))
    assert server.state.role is Role.LEADER
    server.sync()
    return server


def an_established_leader(*voters: str, learners: Sequence[str] = (), terms: Sequence[int] = (1,)) -> Server:
    """A leader whose followers have all that it has."""
    server = a_leader(*voters, learners=learners, terms=terms)
    for follower in (*voters[1:], *learners):
        server.receives(follower, matches(server))
    assert server.state.commit_index == server.log.last_index
    return server


def matches(server: Server, index: int | None = None) -> AppendResponse:
    """A follower's answer that it has everything up to there."""
    index = server.log.last_index if index is None else index
    return AppendResponse(server.machine.current_term, True, index - 1, index)
