"""Servers of Raft in one process; every message between them waits until a test delivers it, or twice, or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from nacos_core._core import Log, LogError
from nacos_core.raft.configuration import Configuration, Member
from nacos_core.raft.effects import RoleChanged
from nacos_core.raft.jobs import LoadSnapshot, RestoreSnapshot, SaveSnapshot
from nacos_core.raft.machine import BOOTSTRAP_TERM, bootstrap
from nacos_core.raft.replica import Listener, Replica
from nacos_core.raft.state import Timing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nacos_core.errors import NacosCoreError
    from nacos_core.raft.messages import ReplicaMessage

MANY_BYTES = 1 << 60
STEPS_MAX = 10_000


def members(*node_ids: str, learners: Sequence[str] = ()) -> Configuration:
    """A cluster of those voters and learners."""
    everybody = [Member(node_id, f"{node_id}:8848", 9849) for node_id in node_ids]
    everybody += [Member(node_id, f"{node_id}:8848", 9849, "learner") for node_id in learners]
    return Configuration.make("cluster", everybody)


class Words:
    """The simplest state machine: a list of what was written. A write's outcome is its place in it."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def apply(self, batch: Sequence[tuple[int, int, msgspec.Raw]]) -> list[int]:
        self.words += [msgspec.msgpack.decode(command, type=str) for _, _, command in batch]
        return list(range(len(self.words) - len(batch) + 1, len(self.words) + 1))

    def freeze(self) -> FrozenWords:
        return FrozenWords(tuple(self.words))

    def restore(self, data: bytes) -> None:
        self.words = msgspec.msgpack.decode(data, type=list[str]) if data else []


class FrozenWords:
    """The words as they were."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self._words = words

    def encode(self) -> bytes:
        return msgspec.msgpack.encode(self._words)


class Flight(msgspec.Struct, frozen=True):
    """A message under way. ``number`` says which was sent first."""

    number: int
    sender: str
    to: str
    message: ReplicaMessage


class Node(Listener):
    """One server: a log that stays, and a replica that is made anew at each start."""

    def __init__(self, cluster: Cluster, node_id: str, log: Log) -> None:
        self.cluster = cluster
        self.node_id = node_id
        self.log = log
        self.chance = 0.1
        """Where between the shortest and the longest the next election timeouts are."""
        self.boot = 0
        self.words = Words()
        self.replica: Replica = None  # type: ignore[assignment]
        self.is_up = False

    def start(self) -> None:
        """Reads its log and takes part."""
        self.boot += 1
        self.words = Words()
        self.replica = Replica(
            node_id=self.node_id,
            boot=self.boot,
            log=self.log,
            state_machine=self.words,
            wall_clock=lambda: round(self.cluster.now * 1000),
            chance=lambda: self.chance,
            timing=self.cluster.timing,
            listener=self,
            snapshot_log_bytes=MANY_BYTES,
            trailing_entries_count=0,
        )
        self.is_up = True
        self.replica.start(self.cluster.now)
        self.work()

    def crash(self) -> None:
        """The process is gone; what was under way to it or from it still is."""
        self.is_up = False

    def role_changed(self, effect: RoleChanged) -> None:
        self.cluster.say(self.node_id, effect)

    def removed(self) -> None:
        self.cluster.say(self.node_id, "is told that it is no member any more")

    def work(self) -> None:
        """What a driver does after each step: the log syncs, jobs are done, what is committed is applied."""
        for _ in range(STEPS_MAX):
            if not self.cluster.is_synced_by_hand:
                self.replica.poll_log(self.cluster.now)
            self.replica.apply_some(self.cluster.now)
            jobs = self.replica.take_jobs()
            for job in jobs:
                self._carry_out(job)
            for to, message in self.replica.take_outbox():
                self.cluster.send(self.node_id, to, message)
            if not jobs and not self.replica.has_work:
                return
        raise AssertionError(f"{self.node_id} always finds something to do")

    def take_snapshot(self) -> None:
        """Takes one now, if anything was applied since the last one, and compacts the log up to it."""
        if self.replica.last_applied <= self.log.snapshot_index:
            return
        self.replica._snapshot_log_bytes, self.replica._log_bytes = 0, 1
        self.work()
        self.replica._snapshot_log_bytes = MANY_BYTES

    def sync(self) -> None:
        """Where logs are synced by hand: all that was handed in becomes durable."""
        self.log.sync()
        self.replica.poll_log(self.cluster.now)
        self.work()

    def _carry_out(self, job: object) -> None:
        match job:
            case SaveSnapshot(index, term, compact_index, encode):
                data = encode()
                self.log.save_snapshot(index, term, data)
                self.log.compact(compact_index)
                self.replica.snapshot_saved(len(data))
            case LoadSnapshot():
                self.replica.snapshot_loaded(self.log.load_snapshot())
            case RestoreSnapshot(index, term, data):
                self.log.save_snapshot(index, term, data)
                self.replica.snapshot_installed(job, self.cluster.now)

    @property
    def terms(self) -> list[int]:
        """The terms of the entries in its log, from ``log.first_index`` on."""
        return [self.log.term_at(index) or 0 for index in range(self.log.first_index, self.log.last_index + 1)]


class Cluster:
    """Nodes, the messages between them, and one clock."""

    def __init__(self, timing: Timing | None = None, *, is_synced_by_hand: bool = False) -> None:
        self.timing = timing or Timing()
        self.is_synced_by_hand = is_synced_by_hand
        self.now = 0.0
        self.nodes: dict[str, Node] = {}
        self.flights: list[Flight] = []
        self.cut_off: set[str] = set()
        self.said: Callable[[str], None] = lambda line: None
        """Is told what happens, in words."""
        self._sent_count = 0

    def add(self, node_id: str, log: Log | None = None) -> Node:
        """A node that is not yet started; with an empty log if none is given."""
        node = self.nodes[node_id] = Node(self, node_id, Log.in_memory() if log is None else log)
        return node

    def bootstrap(self, *node_ids: str, learners: Sequence[str] = ()) -> None:
        """All of them begin with the same configuration."""
        configuration = members(*node_ids, learners=learners)
        for node_id in (*node_ids, *learners):
            bootstrap(self.add(node_id).log, configuration)

    def start(self) -> None:
        """Starts those that are not up."""
        for node in self.nodes.values():
            if not node.is_up:
                node.start()

    def send(self, sender: str, to: str, message: ReplicaMessage) -> None:
        self._sent_count += 1
        if sender not in self.cut_off and to not in self.cut_off:
            self.flights.append(Flight(self._sent_count, sender, to, message))

    def say(self, node_id: str, what: RoleChanged | str) -> None:
        if isinstance(what, RoleChanged):
            leader = what.leader_id
            of = f" of {leader}" if leader and leader != node_id else ""
            what = f"{what.role.value}{of} in term {self.nodes[node_id].replica.machine.current_term}"
        self.said(f"{node_id}: {what}")

    def deliver(self, flight: Flight) -> None:
        """Hands a message over; it is under way no more."""
        self.flights = [other for other in self.flights if other.number != flight.number]
        self.hand_over(flight)

    def hand_over(self, flight: Flight) -> None:
        """Hands a message over, which stays under way: it will come twice."""
        node = self.nodes.get(flight.to)
        if node is None or not node.is_up:
            self.said(f"{flight.sender} -> {flight.to}: lost")
            return
        self.said(f"{flight.sender} -> {flight.to}: {describe(flight.message)}")
        try:
            node.replica.receive(flight.sender, flight.message, self.now)
        except (ValueError, LogError) as error:
            self.said(f"{flight.to}: refuses that: {error}")
        node.replica.flush(self.now)
        node.work()

    def deliver_all(self) -> None:
        """Delivers until nothing is under way."""
        for _ in range(STEPS_MAX):
            if not self.flights:
                return
            self.deliver(self.flights[0])
        raise AssertionError("messages follow messages without end")

    def tick(self, node_id: str) -> None:
        """Time passes until that node's timer ends; nobody else's ends meanwhile."""
        replica = self.nodes[node_id].replica
        if replica.deadline == float("inf"):
            return
        self.now = max(self.now, replica.deadline)
        replica.tick(self.now)
        if replica.machine.state.is_grace_given:  # the clock was far ahead already
            self.now = replica.deadline
            replica.tick(self.now)
        self.nodes[node_id].work()

    def wait(self, seconds: float) -> None:
        """Time passes, and the timers of all nodes with it; messages wait."""
        end = self.now + seconds
        for _ in range(STEPS_MAX):
            up = [node for node in self.nodes.values() if node.is_up and node.replica.deadline <= end]
            if not up:
                self.now = end
                return
            node = min(up, key=lambda node: (node.replica.deadline, node.node_id))
            self.tick(node.node_id)
        raise AssertionError("timers end without end")

    def write(self, node_id: str, word: str, complete: Callable[[Any], None] | None = None) -> None:
        """A client writes at that node."""
        told = complete or (lambda outcome: None)
        node = self.nodes[node_id]
        node.replica.propose(msgspec.msgpack.encode(word), told, self.now)
        node.replica.flush(self.now)
        node.work()

    def read(self, node_id: str, confirmed: Callable[[NacosCoreError | None], None]) -> None:
        """A client asks that node for a linearizable read."""
        node = self.nodes[node_id]
        node.replica.read(confirmed, self.now)
        node.replica.flush(self.now)
        node.work()

    @property
    def leaders(self) -> list[str]:
        """Those that think that they lead."""
        return [node.node_id for node in self.nodes.values() if node.is_up and node.replica.is_leader]

    def elect(self, node_id: str) -> None:
        """Has that node win an election, and all others follow it."""
        self.tick(node_id)
        self.deliver_all()
        assert self.leaders == [node_id]


def log_of(*terms: int, configuration: Configuration) -> Log:
    """A log whose entries are of those terms: first the configuration, then entries without content."""
    assert terms[0] == BOOTSTRAP_TERM, "a log begins with the configuration that all members have appended"
    log = Log.in_memory()
    bootstrap(log, configuration)
    for term in terms[1:]:
        log.append(term, [b""])
    log.set_hard_state(terms[-1], "")
    return log


def describe(message: ReplicaMessage) -> str:
    """A message as a reader wants it: its name, then what it says; what is not set is left out."""
    shown: list[str] = []
    for field, value in msgspec.structs.asdict(message).items():
        if field in ("entries", "data"):
            shown.append(f"{field}={len(value)}B")
        elif field == "command":
            shown.append(f"command={msgspec.msgpack.decode(value)}")
        elif value not in (0, False):
            shown.append(field if value is True else f"{field}={value}")
    return " ".join([type(message).__name__, *shown])
