"""Rules of Raft for any input: changes of members, sessions, messages, and machines that are told nonsense."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nacos_core._core import Log, LogError
from nacos_core.raft import messages
from nacos_core.raft.configuration import (
    AddMember,
    ChangeRefused,
    Configuration,
    EnrolMember,
    Member,
    MoveMember,
    PromoteMember,
    RemoveMember,
)
from nacos_core.raft.entries import Request
from nacos_core.raft.events import LogSynced, Proposed, Tick
from nacos_core.raft.sessions import Sessions, Verdict
from nacos_core.raft.state import Role
from support.raft_machine import a_follower, a_leader, a_server

names = st.sampled_from(["a", "b", "c", "d", "e", "f"])
parts = st.sampled_from(["voter", "learner", "joining"])
added = st.builds(Member, names, names.map(lambda name: f"{name}:1"), st.just(2), parts)
changes = st.one_of(
    st.builds(AddMember, added),
    st.builds(EnrolMember, names),
    st.builds(PromoteMember, names),
    st.builds(RemoveMember, names),
    st.builds(MoveMember, names, names.map(lambda name: f"{name}:1"), st.just(2)),
)


def majorities(configuration: Configuration) -> list[set[str]]:
    voters = configuration.voters
    return [set(chosen) for chosen in combinations(voters, len(voters) // 2 + 1)]


@given(st.lists(changes, max_size=12))
def test_any_majorities_before_and_after_a_change_have_a_server_in_common(wanted: list[Any]) -> None:
    """Section 4.1 of the thesis: it follows from moving one vote at most."""
    configuration = Configuration.make("c", [Member("a", "a:1", 2), Member("b", "b:1", 2), Member("c", "c:1", 2)])
    for change in wanted:
        try:
            after = configuration.changed(change)
        except ChangeRefused:
            continue
        assert len(set(after.voters) ^ set(configuration.voters)) <= 1
        assert after.voters
        assert all(old & new for old in majorities(configuration) for new in majorities(after))
        assert len(set(after.node_ids)) == len(after.members), "an id stands for one member"
        assert len({member.address for member in after.members}) == len(after.members), "and so does an address"
        assert after.cluster_id == "c"
        configuration = after


class Twin:
    """Sessions, too simple to be wrong: it remembers everything for ever."""

    def __init__(self) -> None:
        self.applied: set[Request] = set()
        self.given_up: dict[tuple[str, int], int] = {}
        self.newest_boot: dict[str, int] = {}

    def begin(self, request: Request) -> bool:
        origin, boot, sequence, oldest_open = request
        if boot < self.newest_boot.get(origin, 0):
            return False
        self.newest_boot[origin] = boot
        bound = self.given_up[origin, boot] = max(oldest_open, self.given_up.get((origin, boot), 0))
        known = request._replace(oldest_open=0)
        is_new = sequence >= bound and known not in self.applied
        self.applied.add(known)
        return is_new


requests = st.builds(Request, names, st.integers(1, 3), st.integers(1, 8), st.integers(1, 8))


@given(st.lists(requests, max_size=40), st.integers(0, 40))
def test_sessions_decide_as_if_they_forgot_nothing(history: list[Request], cut: int) -> None:
    sessions, twin = Sessions(), Twin()
    for at, request in enumerate(history):
        if at == cut:  # through a snapshot
            data = msgspec.msgpack.encode(sessions.to_data())
            sessions = Sessions.from_data(msgspec.msgpack.decode(data, type=dict[str, tuple[int, int, dict[int, Any]]]))
        is_new = sessions.begin(request) is Verdict.APPLY
        assert is_new == twin.begin(request)
        if is_new:
            sessions.remember(request, at)
            assert sessions.results(request.origin_id, request.boot)[request.sequence] == at


numbers = st.integers(0, 6) | st.integers(0, 2**62)
small = st.integers(0, 6)
flags = st.booleans()
blobs = st.binary(max_size=20)


@st.composite
def packed(draw: st.DrawFn) -> bytes:
    """Entries as a leader sends them, of terms that rise."""
    log = Log.in_memory()
    for term in sorted(draw(st.lists(st.integers(1, 6), max_size=4))):
        log.append(term, [draw(blobs)])
    return log.pack(1, log.last_index, 1 << 20)[1] if log.last_index else b""


def all_messages(number: st.SearchStrategy[int]) -> st.SearchStrategy[Any]:
    entries = packed() | blobs
    return st.one_of(
        st.builds(messages.RequestVote, number, number, number, flags, flags),
        st.builds(messages.VoteResponse, number, flags, flags),
        st.builds(messages.AppendEntries, number, number, number, number, number, entries),
        st.builds(messages.AppendResponse, number, flags, number, number, number, number),
        st.builds(messages.Heartbeat, number, number, number),
        st.builds(messages.HeartbeatResponse, number, number),
        st.builds(messages.InstallSnapshot, number, number, number, number, flags, blobs),
        st.builds(messages.SnapshotResponse, number, number, number, flags),
        st.builds(messages.TimeoutNow, number),
        st.builds(messages.ReadIndexRequest, st.lists(number, max_size=3).map(tuple)),
        st.builds(messages.ReadIndexResponse, st.lists(number, max_size=3).map(tuple), number | st.none()),
        st.builds(messages.NotMember, number, number),
    )


forwards = st.builds(
    messages.Forward,
    numbers,
    numbers,
    numbers,
    st.integers().filter(lambda n: abs(n) < 2**62).map(msgspec.msgpack.encode).map(msgspec.Raw),
) | st.builds(messages.ForwardRefused, numbers, numbers, flags)
DECODER = msgspec.msgpack.Decoder(messages.ReplicaMessage)


@given(all_messages(numbers) | forwards)
def test_messages_are_read_as_they_were_written(message: messages.ReplicaMessage) -> None:
    assert DECODER.decode(msgspec.msgpack.encode(message)) == message


@given(st.binary(max_size=60), all_messages(numbers), st.integers(0, 100), st.integers(0, 255))
def test_other_bytes_are_refused(noise: bytes, message: messages.Message, at: int, byte: int) -> None:
    encoded = bytearray(msgspec.msgpack.encode(message))
    encoded[at % len(encoded)] = byte
    for data in (noise, bytes(encoded), bytes(encoded[: at % len(encoded)])):
        try:
            decoded = DECODER.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):  # all that peers/frames.py expects, and less
            continue
        assert DECODER.decode(msgspec.msgpack.encode(decoded)) == decoded


@pytest.mark.parametrize("number", [-1, 2**62 + 1])
def test_numbers_stay_in_the_range_of_the_log(number: int) -> None:
    with pytest.raises(msgspec.DecodeError):
        DECODER.decode(msgspec.msgpack.encode(["beat", number, 0, 0]))


def makers() -> list[Any]:
    everybody = ("a", "b", "c")
    return [
        lambda: a_server(*everybody, terms=[1, 2, 3]),
        lambda: a_server("a", is_empty=True),
        lambda: a_follower("a", of="b", members=everybody, terms=[1, 2, 3], term=4),
        lambda: a_leader(*everybody, learners=["d"], terms=[1, 2, 3]),
    ]


received = st.tuples(st.sampled_from(["b", "c", "d", "stranger"]), all_messages(small) | all_messages(numbers))


def a_leader_of_three() -> Any:
    return a_leader("a", "b", "c", learners=["d"], terms=[1, 2, 3])


@example(a_leader_of_three, [("b", messages.AppendEntries(5, 0, 0, 0, 0, b"\x00"))], False)
@given(st.sampled_from(makers()), st.lists(received, min_size=1, max_size=8), st.booleans())
def test_a_machine_that_is_told_nonsense_stays_in_order(make: Any, told: list[tuple[str, Any]], is_timed: bool) -> None:
    """Any valid message of any term: it is taken, or refused with ValueError or LogError and changes no entry."""
    server = make()
    for sender, message in told:
        state, log = server.state, server.log
        before = (log.last_index, log.last_term, state.commit_index, state.configurations, log.term, log.vote)
        server.now += 0.01
        try:
            server.receives(sender, message)
        except (ValueError, LogError):
            after = (log.last_index, log.last_term, state.commit_index, state.configurations)
            assert after == before[:4]
        assert log.term >= before[4], "a term never goes back"
        assert log.term > before[4] or before[5] in ("", log.vote), "nor is a vote changed"
        assert before[2] <= state.commit_index <= max(log.last_index, before[2])
        assert (server.machine.leading is not None) == (state.role is Role.LEADER)
    if is_timed:
        server.times_out()
    server.step(Proposed([b"x"]))
    server.step(LogSynced(server.log.last_index, server.log.ticket))
    server.step(Tick())
