"""How a node comes to be a member: what it decides, and that it asks until it is certain."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import trio

from nacos_core.cluster.formation import Adopt, AskToJoin, Decision, Follow, Wait, decide
from nacos_core.cluster.questions import Introduce, Introduction, Join, Members
from nacos_core.drivers.cluster import ClusterDriver
from nacos_core.errors import CallRefused, PeerUnreachable
from nacos_core.identity import load_identity, remember_cluster, remember_joining
from nacos_core.peers.addresses import PeerAddress, parse_member
from nacos_core.peers.wire import Callbacks
from nacos_core.raft.configuration import AddMember, Change, Configuration, Member, MoveMember
from nacos_core.raft.state import State
from nacos_core.storage import Folder

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("a:8848", "b:8848", "c:8848")
LISTED = ",".join(NAMES)


def a_configuration(*node_ids: str) -> Configuration:
    return Configuration.make("the cluster", [Member(node_id, f"{node_id}:8848", 9849) for node_id in node_ids])


def says(
    node_id: str, index: int = 0, configuration: Configuration | None = None, listed: str = LISTED
) -> Introduction:
    return Introduction(node_id, f"{node_id}:8848", 9849, listed, index, configuration)


def decided(own: Introduction, *answers: Introduction, names: tuple[str, ...] = NAMES) -> Decision:
    return decide(own, names, {answer.address: answer for answer in answers}, lambda: "the cluster")


# --- decisions -----------------------------------------------------------------------------------------------------


def test_the_first_begins_when_all_are_there_with_the_same_list() -> None:
    assert decided(says("a"), says("b"), says("c")) == Adopt(a_configuration("a", "b", "c"))
    assert decided(says("b"), says("a"), says("c")) == Wait("waiting for a:8848 to begin")
    assert decided(says("a"), says("b")) == Wait("waiting for c:8848")
    with_another_list = says("c", listed="c:8848")
    assert decided(says("a"), says("b"), with_another_list) == Wait(
        "c:8848 was started with another list of members: c:8848"
    )


def test_who_is_not_listed_has_no_part_in_the_beginning() -> None:
    """It was heard of as a member of a cluster that has lost everything since."""
    assert decided(says("a"), says("b"), says("c"), says("x", listed="")) == Adopt(a_configuration("a", "b", "c"))


def test_the_first_configuration_is_taken_over_and_a_later_one_is_waited_for() -> None:
    configuration = a_configuration("a", "b", "c")
    assert decided(says("c"), says("a", 1, configuration)) == Adopt(configuration)
    assert decided(says("c"), says("a", 1, configuration), says("b", 5, configuration)) == Follow(configuration)
    assert decided(says("c", 1, configuration), says("a", 1, configuration)) == Follow(configuration)


def test_the_newest_configuration_says_who_is_a_member() -> None:
    """A node that was removed and left running, or cut off, knows an old one, and nobody there can let others in."""
    old, new = a_configuration("a", "b", "d"), a_configuration("b", "d")
    assert decided(says("c"), says("a", 1, old), says("b", 9, new)) == AskToJoin(("b:8848", "a:8848"), new)
    readmitted = a_configuration("b", "c", "d")
    assert decided(says("c"), says("a", 1, old), says("b", 9, readmitted)) == Follow(readmitted)


def test_members_that_were_not_named_at_the_start_count_too() -> None:
    configuration = a_configuration("b", "d")
    assert decided(says("c", listed=""), says("d", 9, configuration), names=("a:8848",)) == AskToJoin(
        ("d:8848",), configuration
    )


def test_a_member_that_is_looked_for_elsewhere_says_where_it_is() -> None:
    """It moved before it had heard of its cluster: it was waiting for a leader who could not reach it (seed 85)."""
    first = a_configuration("a", "b", "c")
    moved = Introduction("c", "moved:8848", 9849, LISTED, 0, None)
    assert decided(moved, says("a", 5, first), says("b", 5, first)) == AskToJoin(("a:8848", "b:8848"), first)
    assert decided(moved, says("a", 1, first)) == Adopt(first), "then it tells by itself"
    noted = first.changed(MoveMember("c", "moved:8848", 9849))
    assert decided(moved, says("a", 5, first), says("b", 6, noted)) == Follow(noted)


def test_indexes_of_two_clusters_are_not_compared() -> None:
    ours, theirs = a_configuration("a"), Configuration("another", (Member("b", "b:8848", 9849),))
    assert decided(says("c"), says("b", 9, theirs), says("a", 3, ours)) == AskToJoin(("a:8848",), ours)


def test_who_holds_a_part_of_the_log_that_does_not_know_it_asks_to_join() -> None:
    old, new = a_configuration("a", "b"), a_configuration("a", "b", "d")
    assert decided(says("c", 4, old), says("a", 9, new)) == AskToJoin(("a:8848",), new)
    assert decided(says("c", 4, old)) == Wait("waiting for the other members of cluster the cluster")


# --- asking --------------------------------------------------------------------------------------------------------


class Others:
    """Those who run, by name: what they introduce themselves with, and whether they let others in."""

    def __init__(self, **known: Configuration) -> None:
        self.known = known
        self.asked: list[tuple[str, float]] = []
        """Whom it asked to be let in, and when."""
        self.refusing: set[str] = set()
        self.callbacks = Callbacks()

    async def run(self, listener: object) -> None:
        await trio.sleep_forever()

    def set_members(self, addresses: object) -> None:
        pass

    def renew(self) -> None:
        pass

    async def call(self, address: PeerAddress, question: Introduce | Join, *, seconds: float = 5.0) -> Any:
        await trio.lowlevel.checkpoint()
        configuration = self.known.get(address.host)
        if configuration is None:
            raise PeerUnreachable(f"{address} does not accept connections")
        if isinstance(question, Introduce):
            return says(address.host, 9, configuration)
        self.asked.append((address.host, trio.current_time()))
        if address.host in self.refusing:
            raise CallRefused("no leader is known at the moment, try again later")
        return Members(configuration.changed(AddMember(question.member)))


class Asking:
    """A node ``n`` that was started with ``--join a:8848``."""

    def __init__(self, others: Others, *, has_joined: bool = False, holds: Configuration | None = None) -> None:
        self.state = State("n")
        if holds is not None:
            self.takes(1, holds)
        self.joined_count = 0
        self.changes: list[Change] = []
        """As the leader that it is in one test."""
        self.replica = SimpleNamespace(machine=SimpleNamespace(state=self.state), is_leader=False)
        raft = SimpleNamespace(replica=self.replica, settle_messages=None, peer_lost=None, change=self._change)
        self.driver = ClusterDriver(
            node_id="n",
            own=parse_member("n:8848"),
            listed=(),
            join=parse_member("a:8848"),
            peers=others,  # type: ignore[arg-type]
            has_joined=has_joined,
            joined=self._joined,
            new_cluster_id=lambda: "another",
        )
        self.driver.attach(raft)  # type: ignore[arg-type]

    def _joined(self) -> None:
        self.joined_count += 1

    async def _change(self, change: Change) -> Configuration:
        self.changes.append(change)
        assert self.state.configuration is not None
        return self.state.configuration.changed(change)

    async def play(self, seconds: float) -> None:
        with trio.move_on_after(seconds):
            await self.driver.run(None)  # type: ignore[arg-type]

    def takes(self, index: int, configuration: Configuration, *, is_committed: bool = True) -> None:
        self.state.configurations = [(index, configuration)]
        self.state.commit_index = index if is_committed else 0
        self.state.leader_heard_at = trio.current_time()


async def test_who_was_let_in_by_a_leader_that_lost_its_office_asks_again(autojump_clock: trio.abc.Clock) -> None:
    """It had been sent a snapshot, but the entry that added it was lost: nobody knew it, and it waited for ever."""
    others = Others(a=a_configuration("a", "b"))
    node = Asking(others)
    node.takes(4, a_configuration("a", "b"))
    await node.play(0.9)
    assert others.asked == [], "it is served by a leader"
    await node.play(0.3)
    assert others.asked[0] == ("a", pytest.approx(1.0))
    assert node.joined_count == 0


async def test_an_entry_that_is_not_committed_makes_no_member(autojump_clock: trio.abc.Clock) -> None:
    others = Others(a=a_configuration("a", "b"))
    node = Asking(others)
    configuration = a_configuration("a", "b").changed(AddMember(Member("n", "n:8848", 9849, "joining")))
    node.takes(5, configuration, is_committed=False)
    await node.play(1.2)
    assert others.asked[0][0] == "a"
    node.takes(5, configuration)
    others.asked.clear()
    await node.play(5)
    assert others.asked == []
    assert node.joined_count == 1


async def test_who_was_a_member_or_was_removed_does_not_ask_again(autojump_clock: trio.abc.Clock) -> None:
    others = Others(a=a_configuration("a", "b"))
    member = Asking(others, has_joined=True, holds=a_configuration("a", "b"))
    removed = Asking(others, holds=a_configuration("a", "b"))
    removed.state.is_removed = True
    first_member = Asking(others, holds=a_configuration("a", "b", "n"))
    first_member.takes(1, a_configuration("a", "b", "n"), is_committed=False)
    await member.play(5)
    await removed.play(5)
    await first_member.play(5)
    assert others.asked == []
    assert first_member.joined_count == 1, "it was removed before it had heard that anything is committed (seed 417)"
    assert removed.joined_count == 1, "so that it does not ask after its next start either"


async def test_who_has_lost_its_log_asks_like_an_empty_node(autojump_clock: trio.abc.Clock) -> None:
    """Power was cut after it had noted that it is a member, and before its log was durable."""
    others = Others(a=a_configuration("a"))
    node = Asking(others, has_joined=True)
    await node.play(0.05)
    assert [name for name, _ in others.asked] == ["a"]


async def test_members_are_asked_of_whom_it_has_only_heard(autojump_clock: trio.abc.Clock) -> None:
    """The one that ``--join`` named was removed, and is gone before long (simulation, seed 230)."""
    others = Others(a=a_configuration("a", "b"), b=a_configuration("b"))
    others.refusing = {"a"}
    node = Asking(others)
    await node.play(0.15)
    assert [name for name, _ in others.asked] == ["a", "a", "b"], "at first it knows of one only"
    del others.known["a"]
    others.asked.clear()
    await node.play(0.15)
    assert [name for name, _ in others.asked] == ["b", "b"]


async def test_who_asks_to_join_is_added_or_moved_or_known() -> None:
    others = Others()
    leader = Asking(others)
    leader.takes(4, a_configuration("a", "n"))
    leader.replica.is_leader = True

    async def asks(member: Member) -> Members:
        answer = others.callbacks.requests[Join](None, Join(member))  # type: ignore[arg-type]
        return await answer  # type: ignore[misc, return-value]

    added, moved = Member("c", "c:8848", 9849, "joining"), Member("a", "moved:8848", 9849, "learner")
    assert (await asks(added)).configuration.find("c") == added
    assert (await asks(moved)).configuration.find("a") == Member("a", "moved:8848", 9849, "voter")
    assert (await asks(Member("a", "a:8848", 9849, "learner"))).configuration == a_configuration("a", "n")
    assert leader.changes == [AddMember(added), MoveMember("a", "moved:8848", 9849)]


def test_that_it_has_joined_is_remembered(tmp_path: Path) -> None:
    entropy = random.Random(1).randbytes
    storage = Folder(tmp_path)
    identity = load_identity(storage, entropy, is_log_empty=True)
    assert not identity.has_joined
    remember_cluster(storage, remember_joining(storage, identity), "the cluster")
    known = load_identity(storage, entropy, is_log_empty=True)
    assert (known.has_joined, known.cluster_id, known.boot) == (True, "the cluster", 2)
