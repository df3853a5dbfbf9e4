"""Servers of Raft under any order of messages, with loss, repetition, crashes and power cuts: figure 3 of the paper.

Each server is a replica over a log on a simulated disk, which forgets what was not synced. After every step the five
properties that Raft promises are looked at, and that no server forgets a vote.
"""

from __future__ import annotations

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from nacos_core._core import Log, SimulatedDisk
from nacos_core.raft.configuration import AddMember, Member, RemoveMember
from nacos_core.raft.machine import bootstrap
from nacos_core.raft.messages import RequestVote, VoteResponse
from support.raft_cluster import MANY_BYTES, Cluster, Flight, Node, members

NODES = ("a", "b", "c")
nodes = st.sampled_from(NODES)
picks = st.integers(0, 1 << 16)


class WatchedCluster(Cluster):
    """Notes each vote as it leaves a server, and each message that a server refused as nonsense."""

    def __init__(self) -> None:
        super().__init__(is_synced_by_hand=True)
        self.votes: dict[tuple[str, int], str] = {}
        self.refusals: list[str] = []
        self.said = self._notice

    def _notice(self, line: str) -> None:
        if "refuses that" in line:
            self.refusals.append(line)

    def send(self, sender: str, to: str, message: object) -> None:
        match message:
            case RequestVote(is_pre_vote=False):
                self._voted(sender, message.term, sender)
            case VoteResponse(is_granted=True, is_pre_vote=False):
                self._voted(sender, message.term, to)
        super().send(sender, to, message)  # type: ignore[arg-type]

    def _voted(self, node_id: str, term: int, candidate_id: str) -> None:
        assert self.votes.setdefault((node_id, term), candidate_id) == candidate_id, "one vote a term"


class RaftMachine(RuleBasedStateMachine):
    """Three voters, and a fourth server that may join."""

    @initialize(seed=st.integers(0, 1000))
    def begin(self, seed: int) -> None:
        self.cluster = WatchedCluster()
        self.disks: dict[str, SimulatedDisk] = {}
        for number, node_id in enumerate((*NODES, "d")):
            self.disks[node_id] = SimulatedDisk(seed * 10 + number)
            log = self.opened(node_id)
            if node_id in NODES:
                bootstrap(log, members(*NODES))
                log.sync()
            self.cluster.add(node_id, log)
        self.cluster.start()
        self.leader_of_term: dict[int, str] = {}
        self.entries: dict[tuple[int, int], tuple[int, bytes]] = {}
        """Index and term of every entry ever seen: the term before it, and its content."""
        self.committed: dict[int, int] = {}
        """Index and term of every entry that ever was called committed."""
        self.words: list[str] = []
        self.commit_indexes: dict[tuple[str, int], int] = {}
        self.word_count = 0
        self.one_wins("a")

    def opened(self, node_id: str) -> Log:
        return Log.open_simulated(self.disks[node_id], salt=ord(node_id))

    def node(self, node_id: str) -> Node:
        return self.cluster.nodes[node_id]

    @property
    def leaders(self) -> list[Node]:
        return [self.node(node_id) for node_id in self.cluster.leaders]

    # --- time, disks, processes ------------------------------------------------------------------------------------

    @rule(node_id=nodes, share=st.floats(0, 1))
    def timer_ends(self, node_id: str, share: float) -> None:
        if self.node(node_id).is_up:
            self.node(node_id).chance = share
            self.cluster.tick(node_id)

    @rule(milliseconds=st.integers(1, 200))
    def time_passes(self, milliseconds: int) -> None:
        self.cluster.wait(milliseconds / 1000)

    @rule(node_id=st.sampled_from([*NODES, "d"]))
    def disk_syncs(self, node_id: str) -> None:
        if self.node(node_id).is_up:
            self.node(node_id).sync()

    @rule(node_id=st.sampled_from([*NODES, "d"]), is_power_cut=st.booleans())
    def crashes_and_starts(self, node_id: str, is_power_cut: bool) -> None:
        self.node(node_id).crash()
        if is_power_cut:
            self.disks[node_id].cut_power()
        else:
            self.disks[node_id].kill_process()
        self.node(node_id).log = self.opened(node_id)
        self.node(node_id).start()

    # --- messages --------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.cluster.flights)
    @rule(pick=picks)
    def message_arrives(self, pick: int) -> None:
        self.cluster.deliver(self.cluster.flights[pick % len(self.cluster.flights)])

    @precondition(lambda self: self.cluster.flights)
    @rule(count=st.integers(1, 10))
    def oldest_messages_arrive(self, count: int) -> None:
        for _ in range(min(count, len(self.cluster.flights))):
            self.cluster.deliver(self.cluster.flights[0])

    @precondition(lambda self: self.cluster.flights)
    @rule(pick=picks)
    def message_comes_twice(self, pick: int) -> None:
        self.cluster.hand_over(self.cluster.flights[pick % len(self.cluster.flights)])

    @precondition(lambda self: self.cluster.flights)
    @rule(pick=picks)
    def message_is_lost(self, pick: int) -> None:
        del self.cluster.flights[pick % len(self.cluster.flights)]

    @rule(node_id=nodes)
    def messages_to_one_are_lost(self, node_id: str) -> None:
        self.cluster.flights = [flight for flight in self.cluster.flights if flight.to != node_id]

    @rule(node_id=nodes)
    def one_wins(self, node_id: str) -> None:
        """As far as it can: leases may have passed."""
        self.cluster.now += 0.2
        self.timer_ends(node_id, 0.0)
        self.all_goes_well()

    @rule()
    def all_goes_well(self) -> None:
        for _ in range(30):
            for node in self.cluster.nodes.values():
                node.sync()
            flights: list[Flight] = self.cluster.flights
            if not flights:
                return
            for flight in flights[:20]:
                self.cluster.deliver(flight)

    # --- clients and operators -------------------------------------------------------------------------------------

    @rule(node_id=nodes)
    def client_writes(self, node_id: str) -> None:
        self.word_count += 1
        self.cluster.write(node_id, f"w{self.word_count}")

    @rule(node_id=nodes)
    def client_writes_and_all_goes_well(self, node_id: str) -> None:
        self.client_writes(node_id)
        self.all_goes_well()

    @rule(node_id=nodes)
    def client_reads(self, node_id: str) -> None:
        """Sees at least what anybody had applied when it asked."""
        seen_count, node = len(self.words), self.node(node_id)

        def confirmed(error: object) -> None:
            assert error is not None or len(node.words.words) >= seen_count, "a linearizable read went back"

        self.cluster.read(node_id, confirmed)

    @rule(node_id=nodes)
    def takes_snapshot(self, node_id: str) -> None:
        self.node(node_id).take_snapshot()

    @precondition(lambda self: self.leaders)
    @rule(node_id=st.sampled_from([*NODES, "d"]), is_removal=st.booleans(), pick=picks)
    def members_change(self, node_id: str, is_removal: bool, pick: int) -> None:
        leader = self.leaders[pick % len(self.leaders)]
        change = RemoveMember(node_id) if is_removal else AddMember(Member(node_id, f"{node_id}:8848", 9849, "joining"))
        leader.replica.change(change, lambda _: None, self.cluster.now)
        leader.work()

    @precondition(lambda self: self.leaders)
    @rule(pick=picks, target_id=nodes)
    def leader_hands_over(self, pick: int, target_id: str) -> None:
        leader = self.leaders[pick % len(self.leaders)]
        leader.replica.transfer(target_id, self.cluster.now)
        leader.work()

    # --- what must hold --------------------------------------------------------------------------------------------

    @invariant()
    def election_safety(self) -> None:
        """Section 5.2: at most one leader a term."""
        for leader in self.leaders:
            term = leader.replica.machine.current_term
            assert self.leader_of_term.setdefault(term, leader.node_id) == leader.node_id, f"two leaders of term {term}"

    @invariant()
    def log_matching(self) -> None:
        """Section 5.3: entries of one index and term are the same, and so is all before them. Leaders only append."""
        for node in self.cluster.nodes.values():
            log = node.log
            if log.last_index < log.first_index:
                continue
            for index, term, payload in log.slice(log.first_index, log.last_index, MANY_BYTES):
                before = log.term_at(index - 1)
                if before is not None:
                    assert self.entries.setdefault((index, term), (before, payload)) == (before, payload)

    @invariant()
    def committed_entries_stay(self) -> None:
        """Sections 5.4 and 5.4.3: what is committed is in the log of each later leader, and the same everywhere."""
        for node in self.cluster.nodes.values():
            commit_index = node.replica.commit_index
            boot = (node.node_id, node.boot)
            assert commit_index >= self.commit_indexes.get(boot, 0), "the commit index never goes back"
            self.commit_indexes[boot] = commit_index
            for index in range(node.log.first_index, commit_index + 1):
                term = node.log.term_at(index)
                assert term is not None
                assert self.committed.setdefault(index, term) == term, f"{node.node_id} commits another entry {index}"
        newest = max(self.leaders, key=lambda node: node.replica.machine.current_term, default=None)
        if newest is not None and newest.replica.machine.current_term >= max(self.leader_of_term, default=0):
            for index, term in self.committed.items():
                assert newest.log.term_at(index) == term or index < newest.log.first_index, f"{index} is gone"

    @invariant()
    def state_machine_safety(self) -> None:
        """Section 5.4.3: all apply the same in the same order, each write once."""
        for node in self.cluster.nodes.values():
            words = node.words.words
            assert words == self.words[: len(words)] or words[: len(self.words)] == self.words
            if len(words) > len(self.words):
                self.words = list(words)
        assert len(set(self.words)) == len(self.words), "a write was applied twice"

    @invariant()
    def nobody_talks_nonsense(self) -> None:
        assert not self.cluster.refusals

    @invariant()
    def outcomes_can_be_told(self) -> None:
        for node in self.cluster.nodes.values():
            msgspec.msgpack.encode(node.replica.sessions.to_data())


RaftMachine.TestCase.settings = settings(max_examples=120, stateful_step_count=80)
TestRaftMachine = RaftMachine.TestCase
