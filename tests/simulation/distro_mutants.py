"""Distro with one rule left out, again and again: the simulation has to find each of them.

Each is a patch of a part of ``distro/``, or something wrong between it and the registry, and exists only while a test
runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

from nacos_core.distro.effects import Send
from nacos_core.distro.graces import Graces
from nacos_core.distro.loading import Loading
from nacos_core.distro.machine import Machine
from nacos_core.distro.members import Members
from nacos_core.distro.messages import Changes, Leaving, Verify
from nacos_core.distro.repairs import Repairs
from nacos_core.simulation.distro import DistroSimulation, node
from nacos_core.simulation.distro.clients import ClientProfile
from nacos_core.simulation.distro.faults import FaultProfile
from nacos_core.simulation.distro.world import DistroProfile
from nacos_core.simulation.links import LinkProfile

if TYPE_CHECKING:
    import pytest

    from nacos_core._core import Hub

Patch = Callable[["pytest.MonkeyPatch"], None]

# --- worlds in which mistakes show soon -------------------------------------------------------------------------------

BUSY = ClientProfile(connections_count=8, addresses_count=6, pause_seconds=1.0)


def drawn(seed: int) -> DistroSimulation:
    """Whatever the seed says."""
    return DistroSimulation(seed)


def splits(seed: int) -> DistroSimulation:
    """Nodes cannot reach each other for longer than any grace, and clients go where they can."""
    kinds = ("isolation", "split", "cut link", "crash")
    faults = FaultProfile(pause_seconds=6.0, lasting_seconds=40.0, kinds=kinds)
    return DistroSimulation(seed, profile=DistroProfile(clients=BUSY, faults=faults))


def apart(seed: int) -> DistroSimulation:
    """One node after the other is alone for long, and clients seldom do anything."""
    faults = FaultProfile(pause_seconds=8.0, lasting_seconds=40.0, kinds=("isolation", "split"))
    clients = ClientProfile(connections_count=10, addresses_count=4, pause_seconds=15.0)
    return DistroSimulation(seed, profile=DistroProfile(clients=clients, faults=faults))


def restarts(seed: int) -> DistroSimulation:
    """Nodes crash, leave and come back all the time."""
    faults = FaultProfile(pause_seconds=4.0, lasting_seconds=20.0, kinds=("crash", "leave"))
    return DistroSimulation(seed, profile=DistroProfile(clients=BUSY, faults=faults))


def stalls(seed: int) -> DistroSimulation:
    """Nodes stand still, often for long."""
    faults = FaultProfile(pause_seconds=5.0, lasting_seconds=40.0, kinds=("stall", "isolation"))
    clients = ClientProfile(connections_count=10, addresses_count=4, pause_seconds=15.0)
    return DistroSimulation(seed, profile=DistroProfile(clients=clients, faults=faults))


def noise(seed: int) -> DistroSimulation:
    """Links that lose, double, delay and reorder."""
    links = LinkProfile(0.0005, 0.05, loss=0.05, duplication=0.1, is_ordered=False)
    faults = FaultProfile(pause_seconds=4.0, kinds=("slow links", "lossy links", "lost connection"))
    return DistroSimulation(seed, profile=DistroProfile(links=links, clients=BUSY, faults=faults))


def comings(seed: int) -> DistroSimulation:
    """Many addresses come and go, and nodes crash that have told only one of the others of it."""
    faults = FaultProfile(pause_seconds=3.0, lasting_seconds=20.0, kinds=("cut link", "one-way cut", "crash"))
    clients = ClientProfile(connections_count=1, addresses_count=20, pause_seconds=3.0)
    return DistroSimulation(seed, profile=DistroProfile(clients=clients, faults=faults))


# --- the mutants ------------------------------------------------------------------------------------------------------


def wrong_records(wrong: Callable[[Hub, str], Any]) -> Patch:
    """Something else than the hub answers the rules."""

    return lambda patcher: patcher.setattr(node, "records_of", wrong)


class Between:
    """Hands everything on to the hub."""

    def __init__(self, hub: Hub, node_id: str) -> None:
        self.hub = hub
        self.node_id = node_id

    def __getattr__(self, name: str) -> Any:
        return getattr(self.hub, name)


class KeepsSurplus(Between):
    """What a holder has no more stays."""

    def distro_drop_surplus(self, *arguments: object) -> int:
        return 0


class NeverDrops(Between):
    """Connections of nodes that are gone stay."""

    def distro_drop(self, node_id: str, boot: int, now_ms: int, *, with_addresses: bool = False) -> int:
        return 0


class ForgetsRemovals(Between):
    """A removal that was heard of, or told, is forgotten at once."""

    def distro_take_changes(self, bytes_max: int) -> bytes | None:
        batch = self.hub.distro_take_changes(bytes_max)
        self.hub.distro_forget_removals(1 << 60, 1 << 60)
        return batch

    def distro_apply(self, batch: bytes, now_ms: int) -> Any:
        applied = self.hub.distro_apply(batch, now_ms)
        self.hub.distro_forget_removals(1 << 60, 1 << 60)
        return applied


class KeepsAbandoned(Between):
    """Addresses of nodes that are gone stay, if nobody adopts them."""

    def distro_drop(self, node_id: str, boot: int, now_ms: int, *, with_addresses: bool = False) -> int:
        return self.hub.distro_drop(node_id, boot, now_ms)


def method(owner: type, name: str, wrong: Callable[..., Any]) -> Patch:
    """A method that does something else."""
    return lambda patcher: patcher.setattr(owner, name, wrong)


def _serve_at_once(self: Loading, now: float) -> list[Any]:
    return [] if self.is_serving or not self._members.is_listed else self._serve("it pushes while it loads")


def _serve_uncompared(self: Loading, able: list[Any], now: float) -> list[Any]:
    return self._serve("it loaded from one member, which may know less")


def _no_grace(self: Graces, absence: Any) -> float:
    return inf if self._members.majority_since is None else absence.since


def _superseded_stay(self: Graces, holder: Any, newest_boot: int, now: float) -> Any:
    member = self._members.find(holder.node_id)
    is_superseded = member is not None and holder.boot < member.boot
    return None if is_superseded else LOOK_AT(self, holder, holder.boot, now)


LOOK_AT = Graces._look_at
SEND_ALL = Machine._send_all
FLUSH = Machine._flush


def _skip_one_peer(self: Machine, message: Any) -> None:
    SEND_ALL(self, message)
    first = min((member.node_id for member in self.members.others), default="")
    self._effects = [
        each
        for each in self._effects
        if not (isinstance(each, Send) and each.to == first and isinstance(each.message, Changes))
    ]


def _forget_one_peer(patcher: pytest.MonkeyPatch) -> None:
    patcher.setattr(Machine, "_send_all", _skip_one_peer)
    patcher.setattr(Machine, "_verify", lambda self, members: None)


def _lose_gathered(self: Machine, now: float) -> None:
    has_gathered, effects_count = self._has_gathered, len(self._effects)
    FLUSH(self, now)
    if has_gathered and now >= self._gathers_until - self.timing.gather_seconds:
        self._effects = [
            each
            for place, each in enumerate(self._effects)
            if place < effects_count or not (isinstance(each, Send) and isinstance(each.message, Changes))
        ]


def _all_is_equal(self: Repairs, holder_id: str, verify: Verify, now: float) -> list[Any]:
    return []


@dataclass(frozen=True, slots=True)
class Mutant:
    """One rule left out, and what finds it."""

    name: str
    patch: Patch
    world: Callable[[int], DistroSimulation]
    seeds_count: int
    """So many seeds of the world find it."""
    rules: tuple[str, ...]
    """The promises that are broken then."""


def _keep_talking(self: Machine) -> None:
    self._send_all(Leaving(self.boot))


STAY = ("Live Instances Stay", "Live Instances Are Listed", "Load Before Serve", "Grace Is Kept")
STALE = ("Gone Instances Go", "Converges", "Lists Are True", "Subscribers Know")

MUTANTS = [
    Mutant("a node pushes while it loads", method(Loading, "look", _serve_at_once), restarts, 5, STAY),
    Mutant("a node serves what one member knew", method(Loading, "_compare", _serve_uncompared), splits, 10, STAY),
    Mutant("there is no grace", method(Graces, "ends_at", _no_grace), apart, 5, STAY),
    Mutant("no majority is asked for", method(Members, "_sees_majority", lambda self, now: True), apart, 5, STAY),
    Mutant("a node that stops says what it loses", method(Machine, "_stop", _keep_talking), restarts, 10, STAY),
    Mutant("connections of nodes that are gone stay", wrong_records(NeverDrops), restarts, 10, STALE),
    Mutant("records of an earlier boot stay", method(Graces, "_look_at", _superseded_stay), restarts, 10, STALE),
    Mutant("what nobody adopts stays", wrong_records(KeepsAbandoned), comings, 20, STALE),
    Mutant("surplus is never dropped", wrong_records(KeepsSurplus), splits, 25, (*STALE, *STAY)),
    Mutant("removals are forgotten at once", wrong_records(ForgetsRemovals), noise, 20, ("Removals Stay",)),
    Mutant("one peer is not told", _forget_one_peer, drawn, 5, (*STALE, *STAY)),
    Mutant("what was gathered is lost", method(Machine, "_flush", _lose_gathered), restarts, 5, (*STALE, *STAY)),
    Mutant("digests are not compared", method(Repairs, "compare", _all_is_equal), noise, 10, (*STALE, *STAY)),
    Mutant(
        "a standstill is not noticed",
        method(Machine, "_notice_standstill", lambda self, now: None),
        stalls,
        20,
        (*STALE, *STAY),
    ),
    Mutant("nothing is verified", method(Machine, "_verify", lambda self, members: None), noise, 10, (*STALE, *STAY)),
]
