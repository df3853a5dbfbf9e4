"""What is true: which registrations are in force, at which process, whatever the nodes believe."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nacos_core.simulation.timeline import Timeline

if TYPE_CHECKING:
    from nacos_core.simulation.distro.node import Process

BEATING_SECONDS: Final = 14.0
"""An address whose last beat was answered no longer ago is alive: nodes wait for 30 s."""

Key = tuple[str, str]
"""Service and address."""


@dataclass(slots=True)
class Registration:
    """What one client has registered at one process."""

    key: Key
    process: "Process"
    """That took it; of an address, the last that answered a beat."""
    version: int
    since: float
    is_address: bool = False
    beat_at: float = 0.0
    """Of an address: when the last beat was answered."""
    ended_at: float | None = None
    """When the process learned that it is over."""


@dataclass(slots=True)
class Instance:
    """All that is known of one address in one service."""

    registrations: list[Registration] = field(default_factory=list)
    gone_at: float = 0.0
    """When the last registration ended."""
    is_silent: bool = False
    """It ended without a word: nodes find out when beats are missing."""


@dataclass(frozen=True, slots=True)
class Orphan:
    """A registration whose process has ended, and not its client."""

    ended_at: float
    reached: frozenset["Process"]
    """Who had heard that process up to then."""


class Facts:
    """One for a cluster."""

    def __init__(self, timeline: Timeline) -> None:
        self.instances: dict[Key, Instance] = {}
        self.holders: dict[int, tuple[str, int]] = {}
        """The node, and its boot, that took each registration."""
        self.orphans: dict[int, Orphan] = {}
        """By version; of connections, whose clients may come back within the grace."""
        self._timeline = timeline
        self._versions_count = 0

    def next_version(self) -> int:
        """Names one more registration."""
        self._versions_count += 1
        return self._versions_count

    def registered(self, key: Key, process: "Process", version: int, *, is_address: bool = False) -> Registration:
        """A process has taken it."""
        instance = self.instances.setdefault(key, Instance())
        now = self._timeline.now
        registration = Registration(key, process, version, now, is_address, now)
        instance.registrations.append(registration)
        self.holders[version] = (process.node_id, process.boot)
        return registration

    def end(self, registration: Registration, *, is_silent: bool = False) -> None:
        """Its process has learned that it is over, or is over itself; ``is_silent``: nobody has learned it."""
        if registration.ended_at is not None:
            return
        now = registration.ended_at = self._timeline.now
        instance = self.instances[registration.key]
        instance.is_silent = is_silent
        instance.registrations.remove(registration)
        if not instance.registrations:
            instance.gone_at = now

    def process_ended(self, process: "Process", reached: Iterable["Process"]) -> None:
        """All that was registered over connections to it is over; addresses go on beating elsewhere."""
        orphan = Orphan(self._timeline.now, frozenset(reached))
        for instance in self.instances.values():
            for registration in [each for each in instance.registrations if each.process is process]:
                if not registration.is_address:
                    self.orphans[registration.version] = orphan
                    self.end(registration)

    def live(self, key: Key) -> Registration | None:
        """The newest registration in force, if it is certain that its client lives."""
        instance = self.instances.get(key)
        if instance is None or not instance.registrations:
            return None
        newest = instance.registrations[-1]
        if newest.is_address and self._timeline.now - newest.beat_at > BEATING_SECONDS:
            return None
        return newest

    def is_over(self, key: Key) -> bool:
        """Nobody has it registered any more."""
        instance = self.instances.get(key)
        return instance is None or not instance.registrations

    def truth(self, services: "tuple[str, ...]") -> dict[str, dict[str, int]]:
        """What every list should say: versions by service and address."""
        lists: dict[str, dict[str, int]] = {service: {} for service in services}
        for (service, address), instance in sorted(self.instances.items()):
            if instance.registrations:
                lists[service][address] = instance.registrations[-1].version
        return lists
