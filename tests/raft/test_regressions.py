"""What the simulation found, each in the smallest form (docs/simulation.md has the seeds)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nacos_core._core import Log, unpack
from nacos_core.raft.configuration import AddMember, Change, Configuration, Member, RemoveMember
from nacos_core.raft.effects import Effect, Send, SendSnapshot
from nacos_core.raft.events import LogSynced, PeerLost, Received, Started, Tick
from nacos_core.raft.machine import Machine, bootstrap
from nacos_core.raft.messages import (
    AppendEntries,
    AppendResponse,
    Heartbeat,
    HeartbeatResponse,
    RequestVote,
    VoteResponse,
)
from support.raft_cluster import Cluster

if TYPE_CHECKING:
    from nacos_core.raft.messages import Message

TWO = Configuration.make("c", [Member("a", "a:1", 2), Member("b", "b:1", 2)])


def machine(node_id: str, log: Log) -> Machine:
    return Machine(node_id=node_id, log=log, chance=lambda: 0.5)


def sent(effects: list[Effect]) -> list[Message]:
    return [effect.message for effect in effects if isinstance(effect, Send)]


def sync(server: Machine, log: Log, now: float) -> list[Effect]:
    synced = log.poll()
    return server.step(LogSynced(synced.index, synced.ticket), now)


def leader_of_two() -> tuple[Machine, Log]:
    """a leads in term 2 with a no-op at index 2, which b has not answered."""
    log = Log.in_memory()
    bootstrap(log, TWO)
    server = machine("a", log)
    server.step(Started(), 0.0)
    assert any(isinstance(message, RequestVote) for message in sent(server.step(Tick(), server.deadline)))
    server.step(Received("b", VoteResponse(2, True, True)), 0.3)
    sync(server, log, 0.3)
    server.step(Received("b", VoteResponse(2, True)), 0.3)
    assert server.leading is not None
    return server, log


def test_a_probe_without_entries_is_what_a_follower_takes() -> None:
    """Seed 1: a probe of a follower that has everything was bytes that its log refuses."""
    leader, log = leader_of_two()
    sync(leader, log, 0.3)
    leader.step(Received("b", AppendResponse(2, True, 1, 2)), 0.3)
    leader.step(PeerLost("b"), 0.31)
    effects = leader.step(Received("b", HeartbeatResponse(2, 1)), 0.32)
    (probe,) = (message for message in sent(effects) if isinstance(message, AppendEntries))
    assert (probe.prev_log_index, probe.last_index) == (2, 2)
    assert unpack(probe.entries) == []

    other_log = Log.in_memory()
    bootstrap(other_log, TWO)
    other_log.append(2, [b""])
    follower = machine("b", other_log)
    answers = sent(follower.step(Received("a", probe), 0.33))
    assert next(answer for answer in answers if isinstance(answer, AppendResponse)).is_success


def test_a_lost_probe_is_sent_again_where_it_was() -> None:
    """Seed 4: a new leader whose first message got lost went back to the beginning, and so to a snapshot."""
    leader, log = leader_of_two()
    log.save_snapshot(1, 1, b"")
    log.compact(1)
    assert leader.leading is not None
    assert leader.leading.progress["b"].next_index == 2
    effects = leader.step(Received("b", HeartbeatResponse(2, 1)), 0.5)
    assert not any(isinstance(effect, SendSnapshot) for effect in effects)
    (probe,) = (message for message in sent(effects) if isinstance(message, AppendEntries))
    assert probe.prev_log_index == 1


def test_an_old_message_does_not_take_the_members_away() -> None:
    """Seed 4: entries that begin before a compacted configuration had the follower forget all members."""
    log = Log.in_memory()
    bootstrap(log, TWO)
    log.append(1, [b"x", b"y"])
    follower = machine("b", log)
    follower.step(Received("a", Heartbeat(1, 3, 1)), 0.0)
    assert follower.state.commit_index == 3
    log.save_snapshot(2, 1, b"")
    log.compact(2)
    source = Log.in_memory()
    bootstrap(source, TWO)
    source.append(1, [b"x", b"y", b"z"])
    last_index, entries = source.pack(1, 4, 1 << 20)
    follower.step(Received("a", AppendEntries(1, 0, 0, last_index, 3, entries)), 0.1)
    assert log.last_index == 4
    assert follower.state.configuration == TWO


def test_a_member_that_is_taken_in_again_has_its_write_applied_once() -> None:
    """Found by tests/property/test_raft_cluster.py: its session was forgotten with its removal, and it sent again."""
    cluster = Cluster()
    cluster.bootstrap("a", "b", "c")
    cluster.start()
    cluster.elect("a")
    leader = cluster.nodes["a"]

    def change_members(change: Change) -> None:
        leader.replica.change(change, lambda _: None, cluster.now)
        leader.work()

    cluster.write("c", "once")
    cluster.deliver(cluster.flights[0])
    change_members(RemoveMember("c"))
    cluster.deliver_all()
    assert leader.words.words == ["once"]
    change_members(AddMember(Member("c", "c:8848", 9849, "joining")))
    cluster.deliver_all()
    cluster.write("a", "later")
    cluster.deliver_all()
    assert [node.words.words for node in cluster.nodes.values()] == 3 * [["once", "later"]]
