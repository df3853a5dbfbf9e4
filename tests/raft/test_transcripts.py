"""Stories of whole clusters, each in a file that a human can read: what is done, and what happens then.

A line that begins with ``>`` does something; the lines below it, up to the next empty one, are what came of it. The
flag ``--rewrite-transcripts`` writes them anew; the difference is then to be read. ``Story`` lists what can be done.
"""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nacos_core import limits
from nacos_core._core import Log
from nacos_core.raft.configuration import AddMember, Change, Member, RemoveMember
from support.raft_cluster import Cluster, Flight, Node, log_of, members

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))


class Story:
    """One cluster and what can be done to it. Each method without underscore is a command of the transcripts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._cluster = Cluster()
        self._lines: list[str] = []
        self._cluster.said = lambda line: self._lines.append(line)

    def _do(self, line: str) -> list[str]:
        command, *arguments = line.split()
        self._lines = []
        getattr(self, command)(*arguments)
        return list(self._lines)

    # --- nodes -----------------------------------------------------------------------------------------------------

    def cluster(self, *node_ids: str) -> None:
        """Nodes that begin with the same configuration, which is entry 1 of term 1; ``+d`` is a learner."""
        voters = [node_id for node_id in node_ids if node_id[0] != "+"]
        self._cluster.bootstrap(*voters, learners=[node_id[1:] for node_id in node_ids if node_id[0] == "+"])
        self._cluster.start()

    def logs(self, *nodes: str) -> None:
        """Voters with logs: ``a=1,1,2`` has entries of these terms, and was last in the term of the last one."""
        logs = dict(node.split("=") for node in nodes)
        configuration = members(*logs)
        for node_id, terms in logs.items():
            log = log_of(*map(int, terms.split(",")), configuration=configuration)
            self._cluster.add(node_id, log)
        self._cluster.start()

    def term(self, node_id: str, term: str) -> None:
        """The node has heard of a term."""
        node = self._node(node_id)
        node.log.set_hard_state(int(term), "")

    def empty(self, node_id: str) -> None:
        """A node with an empty data folder."""
        self._cluster.add(node_id, Log.in_memory()).start()

    def crash(self, node_id: str) -> None:
        """The process is gone, and what was under way to it."""
        self._node(node_id).crash()
        self.drop(f"*->{node_id}")

    def start(self, node_id: str) -> None:
        """The process starts again, with its log."""
        self._node(node_id).start()

    # --- time ------------------------------------------------------------------------------------------------------

    def timeout(self, node_id: str) -> None:
        """The node's timer ends, before that of any other."""
        self._cluster.tick(node_id)

    def wait(self, milliseconds: str) -> None:
        """Time passes for all nodes; messages stay under way."""
        self._cluster.wait(int(milliseconds) / 1000)

    def run(self, milliseconds: str) -> None:
        """Time passes, and messages arrive at once; of all that happens, only who leads and what clients are told."""
        for _ in range(int(milliseconds) // 5):
            self._cluster.wait(0.005)
            self._cluster.deliver_all()
        self._lines = [line for line in self._lines if " -> " not in line]

    def chance(self, node_id: str, share: str) -> None:
        """Where between the shortest and the longest the node's next election timeouts are."""
        self._node(node_id).chance = float(share)

    # --- messages --------------------------------------------------------------------------------------------------

    def deliver(self, pattern: str = "") -> None:
        """What is under way from one to another (``a->b``, ``a->*``); without a pattern, until all is quiet."""
        if not pattern:
            self._cluster.deliver_all()
        for flight in self._under_way(pattern):
            self._cluster.deliver(flight)

    def repeat(self, pattern: str) -> None:
        """Delivers it, and it is still under way."""
        for flight in self._under_way(pattern):
            self._cluster.hand_over(flight)

    def drop(self, pattern: str = "*->*") -> None:
        """What is under way gets lost."""
        lost = self._under_way(pattern)
        self._cluster.flights = [flight for flight in self._cluster.flights if flight not in lost]

    def cut(self, node_id: str) -> None:
        """Nothing gets to the node or from it, up to ``heal``."""
        self._cluster.cut_off.add(node_id)
        self.drop(f"*->{node_id}")
        self.drop(f"{node_id}->*")

    def heal(self, node_id: str) -> None:
        """Messages get through again."""
        self._cluster.cut_off.discard(node_id)

    # --- what clients and operators want ---------------------------------------------------------------------------

    def elect(self, node_id: str) -> None:
        """The node's timer ends and all messages arrive, until everybody knows that it leads."""
        self._quietly(lambda: self._cluster.elect(node_id))
        self._quietly(lambda: self._cluster.tick(node_id))
        self._quietly(self._cluster.deliver_all)
        self._lines.append(f"{node_id} leads in term {self._node(node_id).replica.machine.current_term}")

    def write(self, node_id: str, word: str) -> None:
        """A client writes at the node."""
        self._cluster.write(node_id, word, lambda outcome: self._told(f"write {word}", outcome))

    def read(self, node_id: str) -> None:
        """A client asks the node for what is committed by now."""
        node = self._node(node_id)

        def confirmed(error: object) -> None:
            self._told(f"read at {node_id}", node.words.words if error is None else error)

        self._cluster.read(node_id, confirmed)

    def add(self, leader_id: str, node_id: str, part: str = "joining") -> None:
        """An operator adds a member."""
        self._change(leader_id, AddMember(Member(node_id, f"{node_id}:8848", 9849, part)))  # type: ignore[arg-type]

    def remove(self, leader_id: str, node_id: str) -> None:
        """An operator removes a member."""
        self._change(leader_id, RemoveMember(node_id))

    def transfer(self, leader_id: str, target_id: str = "") -> None:
        """The leader hands over."""
        self._node(leader_id).replica.transfer(target_id, self._cluster.now)
        self._node(leader_id).work()

    def snapshot(self, node_id: str, piece_bytes: str = "1000000") -> None:
        """The node takes a snapshot and compacts its log up to it; it is sent in pieces of that size."""
        self._monkeypatch.setattr(limits, "SNAPSHOT_PIECE_BYTES", int(piece_bytes))
        self._node(node_id).take_snapshot()

    def one_entry_a_message(self) -> None:
        """From now on."""
        self._monkeypatch.setattr(limits, "APPEND_BYTES_MAX", 1)

    # --- looking ---------------------------------------------------------------------------------------------------

    def show(self, *node_ids: str) -> None:
        """What nodes know; all of them if none is named. Below ``log`` are terms, ``[3]`` stands for compacted ones."""
        for node in [self._node(node_id) for node_id in node_ids] or self._cluster.nodes.values():
            self._lines.append(_state(node))

    def flights(self) -> None:
        """What is under way."""
        self._lines += [f"{flight.sender} -> {flight.to}: {type(flight.message).__name__}" for flight in self._all()]

    def _all(self) -> list[Flight]:
        return self._cluster.flights

    def _under_way(self, pattern: str) -> list[Flight]:
        sender, _, to = pattern.partition("->")
        return [flight for flight in self._all() if sender in ("*", flight.sender) and to in ("*", flight.to)]

    def _node(self, node_id: str) -> Node:
        return self._cluster.nodes[node_id]

    def _quietly(self, action: Callable[[], None]) -> None:
        count = len(self._lines)
        action()
        del self._lines[count:]

    def _told(self, what: str, outcome: object) -> None:
        shown = f"{type(outcome).__name__}: {outcome}" if isinstance(outcome, Exception) else str(outcome)
        self._lines.append(f"{what}: {shown}")

    def _change(self, leader_id: str, change: Change) -> None:
        def complete(result: object) -> None:
            self._told("members", result if isinstance(result, Exception) else _members(self._node(leader_id)))

        node = self._node(leader_id)
        node.replica.change(change, complete, self._cluster.now)
        node.work()


def _members(node: Node) -> str:
    configuration = node.replica.machine.state.configuration
    found = configuration.members if configuration else ()
    return " ".join(("" if member.part == "voter" else "+") + member.node_id for member in found) or "none"


def _state(node: Node) -> str:
    if not node.is_up:
        return f"{node.node_id}: down"
    machine, log = node.replica.machine, node.log
    compacted = [f"[{log.first_index - 1}]"] if log.first_index > 1 else []
    terms = " ".join([*compacted, *map(str, node.terms)]) or "empty"
    state = machine.state
    role = "removed" if state.is_removed else state.role.value
    parts = [f"{node.node_id}: {role}, term {machine.current_term}, commit {state.commit_index}, log {terms}"]
    if state.configuration_index != 1:
        parts.append(f"members {_members(node)}")
    if node.words.words:
        parts.append(f"words {' '.join(node.words.words)}")
    return ", ".join(parts)


def replayed(text: str, story: Story) -> Iterator[str]:
    """The transcript as it happens now."""
    lines = iter(text.splitlines())
    for line in lines:
        yield line
        if line.startswith("> "):
            was = list(takewhile(str.strip, lines))
            assert not [wrong for wrong in was if wrong.startswith(("> ", "#"))], (
                f"an empty line is missing after {line}"
            )
            yield from story._do(line[2:])
            yield ""


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_transcript(path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    text = path.read_text()
    happened = "\n".join(replayed(text, Story(monkeypatch))).rstrip() + "\n"
    if request.config.getoption("--rewrite-transcripts", default=False):
        path.write_text(happened)
    assert happened == path.read_text()


def test_a_transcript_that_does_not_happen_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    told = "> cluster a b c\n\n> elect a\nb leads in term 2\n"
    assert "\n".join(replayed(told, Story(monkeypatch))) != told
