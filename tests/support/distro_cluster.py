"""Nodes that know who publishes what, in one process: a heap of events, links that can be cut, and no chance."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, NamedTuple

from nacos_core.distro.effects import AskForPage, HolderGone, MemberChanged, Send, Serve
from nacos_core.distro.events import (
    Event,
    Linked,
    MembersListed,
    OwnChanges,
    PageCame,
    PageRefused,
    Received,
    Stopping,
    Tick,
    Unlinked,
)
from nacos_core.distro.machine import Machine
from support.distro_records import FakeRecords

if TYPE_CHECKING:
    from collections.abc import Callable

    from nacos_core.distro.messages import DistroMessage
    from nacos_core.distro.timing import Timing

LATENCY_SECONDS = 0.002
EPOCH_MS = 1_700_000_000_000


class Seen(NamedTuple):
    """What a subscriber at one node was told."""

    at: float
    node_id: str
    instances: tuple[str, ...]


class Node:
    """One boot of a node."""

    def __init__(self, cluster: Cluster, node_id: str, boot: int) -> None:
        self.cluster = cluster
        self.node_id = node_id
        self.boot = boot
        self.records = FakeRecords(node_id, boot)
        self.machine = Machine(
            node_id=node_id, boot=boot, records=self.records, wall_clock=cluster.wall_clock, timing=cluster.timing
        )
        self.is_up = True
        self.is_paused = False
        self.missed: list[Event] = []
        """What came while it was paused."""
        self.noted: list[object] = []
        self.errors: list[str] = []
        self.served_at: float | None = None
        self.shown: dict[str, tuple[str, ...]] = {}

    def take(self, event: Event) -> None:
        if not self.is_up:
            return
        if self.is_paused:
            self.missed.append(event)
            return
        try:
            effects = self.machine.step(event, self.cluster.now)
        except ValueError as error:
            self.errors.append(str(error))
            return
        for effect in effects:
            match effect:
                case Send(to, message):
                    self.cluster.send(self, to, message)
                case AskForPage():
                    self.cluster.ask(self, effect)
                case Serve():
                    self.served_at = self.cluster.now
                    self.noted.append(effect)
                case MemberChanged() | HolderGone():
                    self.noted.append(effect)
                case _:
                    pass
        self.show()
        self.cluster.schedule_tick(self)

    def show(self) -> None:
        """Subscribers are told what has changed, as soon as this node serves."""
        if not self.machine.is_serving:
            return
        for service in {name for name, _ in self.records.records} | set(self.shown):
            instances = tuple(self.records.listed(service))
            if self.shown.get(service, ()) != instances:
                self.shown[service] = instances
                self.cluster.seen.setdefault(service, []).append(Seen(self.cluster.now, self.node_id, instances))

    def changed(self) -> None:
        """Clients have done something here."""
        self.take(OwnChanges())
        self.show()

    def listed(self, service: str = "orders") -> list[str]:
        return self.records.listed(service)


class Cluster:
    """Nodes "a", "b", "c" and so on, all voters."""

    def __init__(self, count: int = 3, timing: Timing | None = None, *, start: bool = True) -> None:
        self.now = 0.0
        self.timing = timing
        self.names = tuple("abcdefg"[:count])
        self.nodes: dict[str, Node] = {}
        self.boots: dict[str, int] = {}
        self.seen: dict[str, list[Seen]] = {}
        self.sent: list[tuple[float, str, str, DistroMessage]] = []
        self.drop: Callable[[str, str, DistroMessage], bool] = lambda sender, to, message: False
        self._cuts: set[frozenset[str]] = set()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        if start:
            for name in self.names:
                self.start(name)

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def wall_clock(self) -> int:
        return EPOCH_MS + round(self.now * 1000)

    # --- faults

    def start(self, name: str) -> Node:
        boot = self.boots[name] = self.boots.get(name, 0) + 1
        node = self.nodes[name] = Node(self, name, boot)
        node.take(MembersListed(self.names, self.names))
        for other in self.names:
            if other != name:
                self._link(name, other)
        self._expire(node)
        return node

    def kill(self, name: str) -> None:
        self.nodes[name].is_up = False
        for other in self.names:
            if other != name and other in self.nodes:
                self.nodes[other].take(Unlinked(name))

    def leave(self, name: str) -> None:
        self.nodes[name].take(Stopping())
        self.run(0.1)
        for key in list(self.nodes[name].records.records):
            self.nodes[name].records.close(key[1][3])
        self.nodes[name].changed()
        self.kill(name)

    def pause(self, name: str) -> None:
        self.nodes[name].is_paused = True

    def resume(self, name: str, *, timers_first: bool = True) -> None:
        node = self.nodes[name]
        node.is_paused = False
        missed, node.missed = node.missed, []
        if timers_first:
            node.take(Tick())
        for event in missed:
            node.take(event)

    def cut(self, one: str, *others: str) -> None:
        for other in others:
            self._cuts.add(frozenset((one, other)))

    def unlink(self, one: str, *others: str) -> None:
        """As ``cut``, and both sides notice."""
        self.cut(one, *others)
        for other in others:
            self.nodes[one].take(Unlinked(other))
            self.nodes[other].take(Unlinked(one))

    def heal(self) -> None:
        cuts, self._cuts = sorted(self._cuts, key=sorted), set()
        for one, other in map(sorted, cuts):
            self._link(one, other)

    # --- the world

    def run(self, seconds: float) -> None:
        """Lets time pass."""
        until = self.now + seconds
        while self._heap and self._heap[0][0] <= until:
            self.now, _, action = heapq.heappop(self._heap)
            action()
        self.now = until

    def at(self, when: float, action: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._heap, (max(when, self.now), self._count, action))

    def send(self, sender: Node, to: str, message: DistroMessage) -> None:
        self.sent.append((self.now, sender.node_id, to, message))
        if self._is_reachable(sender.node_id, to) and not self.drop(sender.node_id, to, message):
            target = self.nodes[to]
            self.at(self.now + LATENCY_SECONDS, lambda: self._deliver(sender.node_id, target, message))

    def ask(self, asking: Node, effect: AskForPage) -> None:
        def answer() -> None:
            from nacos_core.distro.messages import Load

            if not self._is_reachable(asking.node_id, effect.to):
                asking.take(PageRefused(effect.number))
                return
            page = self.nodes[effect.to].machine.page(Load(effect.after))
            asking.take(PageRefused(effect.number) if page is None else PageCame(effect.number, page))

        self.at(self.now + 2 * LATENCY_SECONDS, answer)

    def schedule_tick(self, node: Node) -> None:
        deadline = node.machine.deadline
        if deadline != float("inf"):
            self.at(deadline, lambda: self._tick(node, deadline))

    def up(self) -> list[Node]:
        return [node for node in self.nodes.values() if node.is_up]

    def are_equal(self) -> bool:
        """All nodes have the same records of the same holders."""
        pictures = {
            tuple(
                sorted(
                    (each.node_id, each.boot, each.records, each.digest)
                    for each in node.records.distro_holders()
                    if each.records
                )
            )
            for node in self.up()
        }
        return len(pictures) == 1

    def _deliver(self, sender_id: str, target: Node, message: DistroMessage) -> None:
        if self._is_reachable(sender_id, target.node_id) and self.nodes[target.node_id] is target:
            target.take(Received(sender_id, message))

    def _tick(self, node: Node, deadline: float) -> None:
        if node.machine.deadline == deadline:
            if node.is_paused:
                return
            node.take(Tick())

    def _link(self, one: str, other: str) -> None:
        if self._is_reachable(one, other) and self._is_reachable(other, one):
            self.nodes[one].take(Linked(other))
            self.nodes[other].take(Linked(one))

    def _is_reachable(self, one: str, other: str) -> bool:
        target = self.nodes.get(other)
        source = self.nodes.get(one)
        is_up = target is not None and target.is_up and source is not None and source.is_up
        return is_up and frozenset((one, other)) not in self._cuts

    def _expire(self, node: Node) -> None:
        if node.is_up and self.nodes[node.node_id] is node:
            if not node.is_paused and node.machine.is_serving:
                node.records.expire(self.wall_clock())
                node.changed()
            self.at(self.now + 1.0, lambda: self._expire(node))
