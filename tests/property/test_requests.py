"""What sessions remember is enough: they come to what a memory comes to that forgets nothing."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from nacos_core.raft.configuration import Configuration, Member
from nacos_core.raft.entries import Entry
from nacos_core.raft.sessions import Sessions, Verdict
from nacos_core.simulation.nodes.requests import Requests

NODES = ("a", "b", "c")
small = st.integers(1, 4)
written = st.builds(
    Entry, st.sampled_from(NODES), small, small, small, st.just(0), st.just(msgspec.Raw(msgspec.msgpack.encode(None)))
)
configured = st.lists(st.sampled_from(NODES), min_size=1, unique=True).map(
    lambda ids: Configuration.make("c", [Member(node_id, f"{node_id}:8848", 9849, "voter") for node_id in ids])
)
RESTARTED = "a snapshot was taken, and restored"


@given(st.lists(st.one_of(written, written, written, configured, st.just(RESTARTED)), max_size=40))
def test_sessions_apply_what_counts(log: list[Entry | Configuration | str]) -> None:
    sessions, requests = Sessions(), Requests()
    members = Configuration.make("c", [Member("a", "a:8848", 9849, "voter")])
    for item in [members, *log]:
        match item:
            case Configuration():
                members = item
                sessions.members_are(members.node_ids)
                requests.members_are(members)
            case Entry():
                applies = item.origin_id in members.node_ids and sessions.begin(item.request) is Verdict.APPLY
                assert applies == requests.counts(item)
                if applies:
                    sessions.remember(item.request, None)
            case _:
                sessions = Sessions.from_data(sessions.to_data())
                sessions.members_are(members.node_ids)
