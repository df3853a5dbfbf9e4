"""The seed's third step of an election says that a winner raises its term once more. This is what comes of it."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from simulation.mutants import raise_the_term_after_winning
from support.raft_cluster import Cluster

if TYPE_CHECKING:
    import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "simulation.md"


class Told:
    """A cluster of three, and what happens to it, line by line."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.cluster = Cluster()
        self.cluster.said = self.lines.append
        self.cluster.bootstrap("a", "b", "c")
        self.cluster.start()

    def remark(self, text: str) -> None:
        self.lines += ["", *(f"# {line}" for line in textwrap.wrap(text, 110))]

    def deliver(self, sender: str, to: str) -> None:
        for flight in [flight for flight in self.cluster.flights if (flight.sender, flight.to) == (sender, to)]:
            self.cluster.deliver(flight)

    def ask(self, candidate: str, voter: str) -> None:
        """One round of votes."""
        self.deliver(candidate, voter)
        self.deliver(voter, candidate)

    def lose_all(self) -> None:
        self.cluster.flights.clear()

    def logs(self) -> None:
        for node in self.cluster.nodes.values():
            self.lines.append(f"{node.node_id}: terms in its log {node.terms}, commit {node.replica.commit_index}")


def two_leaders() -> list[str]:
    told = Told()
    cluster = told.cluster
    outcomes: list[object] = []
    told.remark("a wins term 2 with b's vote, raises its term to 3 without asking anybody, and leads. c hears nothing.")
    cluster.tick("a")
    told.ask("a", "b")
    told.ask("a", "b")
    told.lose_all()
    told.remark(
        "c hears from b of term 2, and wins term 3 with b's vote, for b was never asked for one in term 3 before."
    )
    for _ in range(2):
        cluster.tick("c")
        told.ask("c", "b")
    told.ask("c", "b")
    assert len(cluster.leaders) == 2
    told.remark(
        "a leads in term 3 and c was elected in term 3. A client writes x at a: a's entries are of term 3, which is "
        "b's term, so b takes them. Two of three have x: it is committed, and the client is told so."
    )
    cluster.flights = []
    cluster.write("a", "x", outcomes.append)
    cluster.nodes["a"].replica.peer_lost("b", cluster.now)
    cluster.tick("a")
    for _ in range(2):
        told.ask("a", "b")
    assert outcomes == [1]
    told.lines.append(f"a: write x is answered: {outcomes[0]}")
    told.logs()
    told.remark("c, now in term 4, has never heard of x, and its entries take the place of a's at b: x is lost.")
    told.lose_all()
    cluster.nodes["c"].replica.peer_lost("b", cluster.now)
    cluster.tick("c")
    for _ in range(3):
        told.ask("c", "b")
    told.logs()
    told.remark(
        "Only a still has it, and is of no use any more: its log gives nothing up that it knows to be committed."
    )
    told.lose_all()
    cluster.nodes["c"].replica.peer_lost("a", cluster.now)
    cluster.tick("c")
    for _ in range(3):
        told.ask("c", "a")
    told.logs()
    return told.lines


def test_the_seed_s_wording_loses_an_acknowledged_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trace stands in docs/simulation.md."""
    raise_the_term_after_winning(monkeypatch)
    trace = "\n".join(two_leaders()).strip()
    print(trace)
    assert trace in DOCUMENT.read_text()
