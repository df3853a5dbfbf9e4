"""Publishers over connections and over beats, and subscribers. All of them go elsewhere when their node is no use."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nacos_core.simulation.distro.facts import Facts, Registration
from nacos_core.simulation.distro.node import GROUP, NAMESPACE, Listing, Process

if TYPE_CHECKING:
    from random import Random

    from nacos_core.simulation.distro.cluster import Cluster

BEAT_SECONDS: Final = 5.0
PATIENCE_SECONDS: Final = 3.0
"""So long a client waits for a node that stands still, before it takes it for dead."""
Answered = Callable[[Process | None, bytes | None], None]
"""Which process was asked, and the body of its answer, if there was one."""
SERVICES: Final = ("orders", "prices", "stock", "users")


@dataclass(frozen=True, slots=True)
class ClientProfile:
    """How many clients of each kind there are, and how often they do something."""

    connections_count: int = 6
    addresses_count: int = 5
    subscribers_count: int = 4
    pause_seconds: float = 4.0
    """From one thing that a client does to the next, on average."""
    late_close_seconds_max: float = 4.0
    """How much later than its client a node may notice that a connection is closed."""


class Client(ABC):
    """What all of them have in common: the node that they use, and what they do when it is gone."""

    def __init__(self, cluster: "Cluster", facts: Facts, name: str, profile: ClientProfile) -> None:
        self.cluster = cluster
        self.facts = facts
        self.name = name
        self.profile = profile
        self.process: Process | None = None
        self.is_resting = False
        """It does nothing new."""
        self.timeline = cluster.timeline
        self.chance: Random = cluster.timeline.chance(f"client {name}")
        self.timeline.after(0.5 + self.chance.random(), self.live)

    def live(self) -> None:
        """From time to time, it looks after its node and does something."""
        self.timeline.after(self.chance.expovariate(1 / self.profile.pause_seconds), self.live)
        if not self.is_resting:
            self.cluster.operations_count += 1
            self.act()

    @abstractmethod
    def act(self) -> None:
        """Something of its own choice."""

    def choose(self, but: Process | None = None) -> Process | None:
        """A node that can be reached, another one than that if there is one."""
        reachable = [process for process in self.cluster.processes() if self.cluster.is_reachable(process)]
        others = [process for process in reachable if process is not but] or reachable
        return self.chance.choice(others) if others else None

    def has(self, process: Process) -> bool:
        """That process is still there, and can be reached."""
        return process.is_alive and process.is_running and self.cluster.is_reachable(process)


class Connected(Client):
    """Publishes over one connection, which it makes anew elsewhere when it is lost."""

    def __init__(self, cluster: "Cluster", facts: Facts, name: str, profile: ClientProfile, ip: str) -> None:
        super().__init__(cluster, facts, name, profile)
        self.ip = ip
        self.wanted: set[str] = set()
        self.connection: Connection | None = None
        self.timeline.after(0.6, self._look)

    def act(self) -> None:
        """Registers, changes, leaves, roams or dies."""
        what = self.chance.choices(("add", "change", "remove", "roam", "die"), (5, 3, 2, 2, 1))[0]
        self.timeline.note(self.name, what)
        service = self.chance.choice(SERVICES)
        match what:
            case "add" | "change":
                self.wanted.add(service)
                if self.connection is not None:
                    self.connection.register(service)
            case "remove":
                self.wanted.discard(service)
                if self.connection is not None:
                    self.connection.deregister(service)
            case "roam":
                self._roam()
            case _:
                self.wanted.clear()
                self.lose()

    def lose(self) -> None:
        """The connection is gone, as far as the client knows; the node learns it later."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close_later(self.chance.random() ** 2 * self.profile.late_close_seconds_max)

    def _roam(self) -> None:
        # As clients do it: the new connection first, or the old one closed first.
        old = self.connection
        if old is None:
            return
        self.connection = None
        if self.chance.random() < 0.3:
            old.close_later(0.0)
        else:
            self._connect(but=old.process)
            old.close_later(self.chance.random() * self.profile.late_close_seconds_max)

    def _look(self) -> None:
        """Looks after the connection."""
        self.timeline.after(0.3 + self.chance.random() * 0.7, self._look)
        connection = self.connection
        if connection is not None:
            if self.has(connection.process):
                connection.seen_at = self.timeline.now
            elif not connection.process.is_alive or self.timeline.now - connection.seen_at > PATIENCE_SECONDS:
                self.timeline.note(self.name, "loses its connection")
                self.lose()
        if self.connection is None and (self.wanted or not self.is_resting):
            self._connect()

    def _connect(self, but: Process | None = None) -> None:
        process = self.choose(but)
        if process is None or not process.is_serving or not process.is_running:
            return
        self.timeline.note(self.name, f"connects to {process.node_id}")
        self.connection = Connection(self, process)
        for service in sorted(self.wanted):
            self.connection.register(service)


class Connection:
    """To one process, with what was registered over it."""

    def __init__(self, client: Connected, process: Process) -> None:
        self.process = process
        self.seen_at = client.timeline.now
        self._client = client
        self._publisher = process.hub.open_local()
        process.local_publishers.append(self._publisher)
        self._registrations: dict[str, Registration] = {}

    def register(self, service: str) -> None:
        """In place of what it has there."""
        self.process.run(self._register, service, self._client.facts.next_version())

    def deregister(self, service: str) -> None:
        """Nothing there any more."""
        self.process.run(self._deregister, service)

    def close_later(self, delay_seconds: float) -> None:
        """So long it takes until the node notices."""
        self._client.timeline.after(delay_seconds, self.process.run, self._close)

    def _register(self, service: str, version: int) -> None:
        client, process = self._client, self.process
        if process.is_leaving:
            return
        instance = {"ip": client.ip, "port": 80, "metadata": {"version": str(version)}}
        body = json.dumps([instance]).encode()
        process.hub.register(self._publisher, NAMESPACE, GROUP, service, body, process.wall_clock())
        known = self._registrations.pop(service, None)
        self._registrations[service] = client.facts.registered((service, f"{client.ip}:80"), process, version)
        if known is not None:
            client.facts.end(known)
        process.settle()

    def _deregister(self, service: str) -> None:
        if self.process.is_leaving:
            return
        known = self._registrations.pop(service, None)
        if known is not None:
            self.process.hub.deregister(self._publisher, NAMESPACE, GROUP, service, self.process.wall_clock())
            self._client.facts.end(known)
            self.process.settle()

    def _close(self) -> None:
        if self._publisher in self.process.local_publishers:
            self.process.hub.close_connection(self._publisher)
            self.process.local_publishers.remove(self._publisher)
        for known in self._registrations.values():
            self._client.facts.end(known)
        self._registrations.clear()
        self.process.settle()


class Beating(Client):
    """An address that registers and beats over HTTP, at any node, and registers again when it is not known."""

    def __init__(self, cluster: "Cluster", facts: Facts, name: str, profile: ClientProfile, ip: str) -> None:
        super().__init__(cluster, facts, name, profile)
        self.ip = ip
        self.service = self.chance.choice(SERVICES)
        self.version = 0
        """0: it offers nothing."""
        self.registration: Registration | None = None
        self._round = 0
        self._is_leaving = False
        """It waits for the answer to its last word."""
        self._asks_count = 0
        """Requests that were not answered yet: it says nothing new before that."""

    def act(self) -> None:
        """Comes, changes, goes in good order, or falls silent."""
        if self._is_leaving or self._asks_count:
            return
        what = self.chance.choices(("add", "change", "roam", "remove", "die"), (5, 1, 3, 1, 1))[0]
        if what == "change" or (what == "add" and not self.version):
            self.timeline.note(self.name, what)
            self.version = self.facts.next_version()
            self._begin_round()
        elif what == "roam":
            self.process = self.choose(self.process)
        elif self.version and what in ("remove", "die"):
            self.timeline.note(self.name, what)
            self.version = 0
            self._round += 1
            if self.registration is not None:
                self.facts.end(self.registration, is_silent=True)
            if what == "remove":
                self._is_leaving = True
                self._ask("DELETE", "/nacos/v1/ns/instance", f"{self._name()}&ephemeral=true", self._removed)

    def _name(self) -> str:
        return f"serviceName={self.service}&ip={self.ip}&port=80"

    def _begin_round(self) -> None:
        self._round += 1
        self._register(self._round)

    def _ask(self, method: str, path: str, parameters: str, done: Answered) -> None:
        process = self.process
        if process is None or not self.has(process):
            process = self.process = self.choose(process)
        if process is None:
            self.timeline.after(0.3, done, None, None)
            return
        asked = process
        answers: list[bytes | None] = []

        def answered(body: bytes | None) -> None:
            if not answers:
                answers.append(body)
                self._asks_count -= 1
                done(asked, body)

        self._asks_count += 1

        def ask() -> None:
            if not answers:
                asked.request(method, path, parameters, answered)

        process.run(ask)
        self.timeline.after(PATIENCE_SECONDS, answered, None)

    def _register(self, round_: int) -> None:
        if round_ != self._round:
            return
        version = self.version
        metadata = f"&metadata=%7B%22version%22%3A%22{version}%22%7D"

        def done(process: Process | None, body: bytes | None) -> None:
            if body == b"ok" and process is not None:
                self._registered(process, version)
            if round_ == self._round:
                again = self._beat if body == b"ok" else self._register
                self._later(again, round_, is_done=body == b"ok")

        self._ask("POST", "/nacos/v1/ns/instance", f"{self._name()}&ephemeral=true{metadata}", done)

    def _beat(self, round_: int) -> None:
        if round_ != self._round:
            return

        def done(process: Process | None, body: bytes | None) -> None:
            is_known = body is not None and json.loads(body).get("code") == 10200
            if is_known and process is not None and self.registration is not None:
                self.registration.beat_at = self.timeline.now
                self.registration.process = process
            if round_ == self._round and body is not None and not is_known:
                self.timeline.note(self.name, "is not known")
                self._register(round_)
            elif round_ == self._round:
                self._later(self._beat, round_, is_done=is_known)

        self._ask("PUT", "/nacos/v1/ns/instance/beat", self._name(), done)

    def _later(self, call: Callable[[int], None], round_: int, *, is_done: bool) -> None:
        if not is_done:
            self.process = self.choose(self.process)
        self.timeline.after(BEAT_SECONDS if is_done else 0.3 + self.chance.random(), call, round_)

    def _registered(self, process: Process, version: int) -> None:
        known = self.registration
        key = (self.service, f"{self.ip}:80")
        self.registration = self.facts.registered(key, process, version, is_address=True)
        if known is not None:
            self.facts.end(known)
        if not self.version:
            # It was answered late, after the client had gone.
            self.facts.end(self.registration, is_silent=True)

    def _removed(self, process: Process | None, body: bytes | None) -> None:
        self._is_leaving = False


class Subscriber(Client):
    """Remembers what it was last told of each service."""

    def __init__(self, cluster: "Cluster", facts: Facts, name: str, profile: ClientProfile) -> None:
        super().__init__(cluster, facts, name, profile)
        self.lists: dict[str, Listing] = {}
        self.stamps: dict[str, int] = {}
        self._seen_at = 0.0
        self.timeline.after(0.7, self._look)

    def act(self) -> None:
        """Sometimes goes to another node."""
        if self.chance.random() < 0.2:
            self._subscribe(self.choose(self.process))

    def _look(self) -> None:
        self.timeline.after(0.3 + self.chance.random() * 0.7, self._look)
        process = self.process
        if process is not None and self.has(process):
            self._seen_at = self.timeline.now
        elif process is None or not process.is_alive or self.timeline.now - self._seen_at > PATIENCE_SECONDS:
            self._subscribe(self.choose(process))

    def _subscribe(self, process: Process | None) -> None:
        if process is None or not process.is_serving or not process.is_running:
            return
        if self.process is not None:
            for tellers in self.process.subscribers.values():
                tellers.pop(self.name, None)
        self.process = process
        self.timeline.note(self.name, f"subscribes at {process.node_id}")
        for service in SERVICES:
            process.subscribers.setdefault(service, {})[self.name] = self._teller(process, service)
            self._told(process, service, *process.read(service))

    def _teller(self, process: Process, service: str) -> Callable[[Listing, int], None]:
        return lambda listing, stamp: self._told(process, service, listing, stamp)

    def _told(self, process: Process, service: str, listing: Listing, stamp: int) -> None:
        self.cluster.pushes_count += 1
        before = self.lists.get(service, {})
        self.cluster.watcher.told(self, process, service, before, listing, self.stamps.get(service, 0), stamp)
        self.lists[service] = listing
        self.stamps[service] = stamp
