"""One node: its rules, its registry, and what its drivers would do between them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from nacos_core import limits
from nacos_core._core import Hub, Misplaced
from nacos_core.distro.effects import AskForPage, HolderGone, MemberChanged, Send, Serve
from nacos_core.distro.events import Event, MembersListed, OwnChanges, PageCame, PageRefused, Received, Stopping, Tick
from nacos_core.distro.forwarding import Forward, Forwarded, is_given_up
from nacos_core.distro.machine import Machine
from nacos_core.distro.messages import Changes, DistroMessage, Load, Page, RecordsSent
from nacos_core.distro.timing import Timing
from nacos_core.simulation.distro.network import Answer, Between, Network, Question
from nacos_core.simulation.timeline import Timeline

if TYPE_CHECKING:
    from nacos_core.distro.records import Records

EPOCH_MS: Final = 1_700_000_000_000
"""Wall time at the beginning."""
DIGEST_KEY: Final = b"simulated secret"
NAMESPACE: Final = "public"
GROUP: Final = "DEFAULT_GROUP"
WAKE_SECONDS: Final = 0.0001
"""Within so long a process that stood still notices what it has missed."""
PAGE_SECONDS: Final = 3.0
"""How long a member is waited for that was asked for records."""


class Shown(msgspec.Struct, frozen=True):
    """An instance in a list."""

    version: int
    """Which registration of its client this is."""
    healthy: bool


Listing = dict[str, Shown]
"""By address."""


class _Instance(msgspec.Struct):
    ip: str
    port: int
    healthy: bool
    clusterName: str
    metadata: dict[str, str]


class _Service(msgspec.Struct):
    hosts: list[_Instance]
    lastRefTime: int


_read_service = msgspec.json.Decoder(_Service).decode


@dataclass(frozen=True, slots=True)
class NodeProfile:
    """How the nodes of a cluster are set up."""

    timing: Timing = field(default_factory=Timing)


def records_of(hub: Hub, node_id: str) -> "Records":
    """What the rules work with. Tests put something wrong in its place."""
    return hub


class Watcher(Protocol):
    """Looks on and raises ``Violation`` for what must never happen."""

    def doubled(self, process: "Process", service: str, address: str, versions: set[int]) -> None:
        """An address stands twice in a list."""

    def listed(self, process: "Process", service: str, before: Listing, after: Listing) -> None:
        """A list of a node that serves has changed."""

    def served(self, process: "Process") -> None:
        """It answers clients from now on."""

    def applying(self, process: "Process") -> None:
        """It is about to take in records of others."""

    def applied(self, process: "Process") -> None:
        """It has taken in records of others."""


class Host:
    """A machine on which one process after the other runs."""

    def __init__(
        self, timeline: Timeline, network: Network, watcher: Watcher, profile: NodeProfile, node_id: str
    ) -> None:
        self.node_id = node_id
        self.process: Process | None = None
        self.boot = 0
        self.wall_offset_ms = 0
        self.timeline = timeline
        self.network = network
        self.watcher = watcher
        self.profile = profile
        self.chance = timeline.chance(f"node {node_id}")

    def start(self, members: tuple[str, ...]) -> None:
        """Starts the next process, with nothing in its registry."""
        assert self.process is None, "one process at a time"
        self.boot += 1
        self.process = Process(self)
        self.timeline.note(self.node_id, f"starts, boot {self.boot}")
        self.process.take(MembersListed(members, members))
        self.timeline.after(self.chance.random(), self.process.expire)

    def end(self) -> "Process | None":
        """The process is gone, whatever it was doing."""
        process, self.process = self.process, None
        if process is not None:
            self.timeline.note(self.node_id, "ends")
            process.is_alive = False
            self.network.disconnect_all(self.node_id)
        return process


class Process:
    """One boot of a node."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.node_id = host.node_id
        self.boot = host.boot
        self.is_alive = True
        self.started_at = self.running_since = host.timeline.now
        self.stalled_until = 0.0
        """It does not run until then: what comes meanwhile waits."""
        self.is_leaving = False
        self.served_at: float | None = None
        self.heard: dict[str, float] = {}
        """When this process last heard of another node."""
        self.lists: dict[str, Listing] = {}
        self.subscribers: dict[str, dict[str, Callable[[Listing, int], None]]] = {}
        """By service and name: what is called with each list that is pushed, and its ``lastRefTime``."""
        self.local_publishers: list[int] = []
        """Connections of clients."""
        self.hub = Hub(digest_key=DIGEST_KEY, abilities={}, require_tokens=False)
        self.hub.distro_open(host.node_id, host.boot)
        self.hub.distro_set_members([], own_id=host.node_id)
        self._timeline = host.timeline
        self._timer_at = float("inf")
        # Whole seconds: what is added and taken away again leaves no rounding error behind.
        self._clock_offset = host.timeline.chance(f"clock {host.node_id} {host.boot}").randrange(1_000_000)
        records = records_of(self.hub, host.node_id)
        self.machine = Machine(
            node_id=host.node_id,
            boot=host.boot,
            records=records,
            wall_clock=self.wall_clock,
            timing=host.profile.timing,
        )

    @property
    def is_running(self) -> bool:
        """It lives, and does not stand still."""
        return self.is_alive and self._timeline.now >= self.stalled_until

    @property
    def is_serving(self) -> bool:
        """It answers clients."""
        return self.served_at is not None and not self.is_leaving

    @property
    def majority_since(self) -> float | None:
        """Since when it has seen a majority."""
        since = self.machine.members.majority_since
        return None if since is None else since - self._clock_offset

    @property
    def clock(self) -> float:
        """Seconds; each process has its own clock, and what it shows means nothing to others."""
        return self._timeline.now + self._clock_offset

    def wall_clock(self) -> int:
        """Milliseconds, by the clock of this machine."""
        return EPOCH_MS + int(self._timeline.now * 1000) + self.host.wall_offset_ms

    # --- what happens ----------------------------------------------------------------------------------------------

    def run(self, call: Callable[..., None], *arguments: Any) -> None:
        """Whatever somebody wants of it, once it runs; never, if it does not run any more."""
        if not self.is_alive:
            return
        if self._timeline.now < self.stalled_until:
            # Timers come before what others have sent meanwhile, or after it.
            is_timer = call in (self._tick, self._expire)
            delay = WAKE_SECONDS * (self.host.chance.choice((1, 3)) if is_timer else 2)
            self._timeline.at(self.stalled_until + delay, self.run, call, *arguments)
            return
        call(*arguments)

    def stall(self, seconds: float) -> None:
        """Stands still for so long."""
        self.stalled_until = self.running_since = self._timeline.now + seconds
        self._timeline.at(self.stalled_until, self._wake, seconds)

    def _wake(self, seconds: float) -> None:
        # Nobody could be heard, and that is not counted as silence; what is shorter is, as a delay like any other.
        if seconds <= self.machine.timing.stall_seconds:
            return
        self.heard = {node_id: at + seconds for node_id, at in self.heard.items()}

    def take(self, event: Event) -> None:
        """Something of which the rules have to know."""
        self.run(self._step, event)

    def receive(self, sender_id: str, message: Between) -> None:
        """Something has come over a connection."""
        self.run(self._received, sender_id, message)

    def leave(self) -> None:
        """Stops in good order: after its last word it tells nobody anything more, and closes its connections."""
        self.is_leaving = True
        self.take(Stopping())

    def close_clients(self) -> None:
        """The last that a node does that stops."""
        connections, self.local_publishers = self.local_publishers, []
        for connection in connections:
            self.hub.close_connection(connection)
            self.settle()

    def expire(self) -> None:
        """Every second: addresses whose beats are late."""
        if not self.is_alive:
            return
        self._timeline.after(limits.EXPIRY_INTERVAL_SECONDS, self.expire)
        self.run(self._expire)

    def _expire(self) -> None:
        if self.is_serving:
            self.hub.expire(self.wall_clock())
            self.settle()

    def _received(self, sender_id: str, message: Between) -> None:
        match message:
            case Question(number, body):
                self.host.network.send(self, sender_id, Answer(number, self._answer(body)))
            case Answer():
                self.host.network.answered(message)
            case _:
                self.heard[sender_id] = self._timeline.now
                brings_records = isinstance(message, Changes | RecordsSent)
                if brings_records:
                    self.host.watcher.applying(self)
                self._step(Received(sender_id, message))
                if brings_records:
                    self.host.watcher.applied(self)

    def _answer(self, body: Load | Forward) -> Page | Forwarded | None:
        if isinstance(body, Load):
            return self.machine.page(body)
        if not self.is_serving:
            return None
        if self.machine.is_late(body, self.clock):
            self._timeline.note(self.node_id, "does not do what was asked too long ago")
            return None
        response = self.hub.serve_forwarded(body.request, body.remote_ip, self.wall_clock())
        self.settle()
        return Forwarded(response)

    def settle(self) -> None:
        """Clients may have changed something."""
        self._step(OwnChanges())

    # --- what is to be done ----------------------------------------------------------------------------------------

    def _step(self, event: Event) -> None:
        for effect in self.machine.step(event, self.clock):
            match effect:
                case Send(to, message):
                    self._send(to, message)
                case AskForPage(to, number, after):
                    self.host.network.ask(self, to, Load(after), PAGE_SECONDS, self._page_taker(number))
                case Serve(reason):
                    self._timeline.note(self.node_id, f"serves: {reason}")
                    self.served_at = self._timeline.now
                    self.hub.set_ready(True)
                case MemberChanged(node_id, liveness):
                    self._timeline.note(self.node_id, f"sees {node_id} {liveness.value}")
                case HolderGone(node_id, boot, records):
                    self._timeline.note(self.node_id, f"drops {records} records of {node_id} boot {boot}")
                case _:
                    pass
            if isinstance(effect, Serve):
                self._show_all()
        self._push()
        self._set_timer()

    def _send(self, to: str, message: DistroMessage) -> None:
        self.host.network.send(self, to, message)

    def _page_taker(self, number: int) -> Callable[[Page | Forwarded | None], None]:
        def came(answer: Page | Forwarded | None) -> None:
            self._step(PageCame(number, answer) if isinstance(answer, Page) else PageRefused(number))

        return came

    def _set_timer(self) -> None:
        deadline = self.machine.deadline - self._clock_offset
        if deadline < self._timer_at:
            self._timer_at = deadline
            self._timeline.at(deadline, self._timer_fires, deadline)

    def _timer_fires(self, time: float) -> None:
        if time == self._timer_at:
            self.run(self._tick, time)

    def _tick(self, time: float) -> None:
        if time != self._timer_at:
            return
        self._timer_at = float("inf")
        if self.clock >= self.machine.deadline:
            self._step(Tick())
        else:
            self._set_timer()

    # --- lists -----------------------------------------------------------------------------------------------------

    def read(self, service: str) -> tuple[Listing, int]:
        """The list as it is now, and its ``lastRefTime``."""
        now_ms = self.wall_clock()
        found = _read_service(self.hub.service_info(NAMESPACE, GROUP, service, "", False, now_ms))
        listing: Listing = {}
        for host in found.hosts:
            address = f"{host.ip}:{host.port}"
            shown = Shown(int(host.metadata["version"]), host.healthy)
            if address in listing:
                self.host.watcher.doubled(self, service, address, {listing[address].version, shown.version})
                shown = max(shown, listing[address], key=lambda each: each.version)
            listing[address] = shown
        return listing, found.lastRefTime

    def _show_all(self) -> None:
        self.hub.take_changed_services()
        _, names = self.hub.list_services(NAMESPACE, GROUP, 1, 1000)
        self.lists = {name: self.read(name)[0] for name in names}
        self.host.watcher.served(self)

    def _push(self) -> None:
        if not self.is_serving:
            return
        for _, _, service in self.hub.take_changed_services():
            before = self.lists.get(service, {})
            listing, stamp = self.read(service)
            self.lists[service] = listing
            self.host.watcher.listed(self, service, before, listing)
            for tell in list(self.subscribers.get(service, {}).values()):
                tell(listing, stamp)

    # --- clients ---------------------------------------------------------------------------------------------------

    def request(self, method: str, path: str, parameters: str, done: Callable[[bytes | None], None]) -> None:
        """One HTTP request of a client; ``done`` is called with the body of the answer, or None: it is starting."""
        text = f"{method} {path}?{parameters} HTTP/1.1\r\nHost: node\r\nContent-Length: 0\r\n\r\n"
        connection = self.hub.open("10.9.9.9", 1, grpc=False, now_ms=self.wall_clock())
        events = self.hub.feed(connection, text.encode(), self.wall_clock())
        if self.is_leaving:
            done(None)
        elif not events:
            self._give(connection, done)
        elif isinstance(events[0], Misplaced):
            self._forward(events[0], done)
        else:
            self.hub.closed(connection, self.wall_clock())
            done(None)

    def _forward(self, event: Misplaced, done: Callable[[bytes | None], None]) -> None:
        def answered(answer: Page | Forwarded | None) -> None:
            if isinstance(answer, Forwarded):
                self.hub.reply_raw(event.connection, event.call, answer.response)
            elif is_given_up(forwarded_at, self.clock):
                self._timeline.note(self.node_id, "does not do here what was forwarded too long ago")
                self.hub.closed(event.connection, self.wall_clock())
                done(None)
                return
            else:
                self.hub.handle_here(event.connection, event.call, self.wall_clock())
            self._give(event.connection, done)

        forwarded_at = self.clock
        question = self.machine.forward(event.node_id, event.request, event.remote_ip, self.clock)
        if question is None:
            answered(None)
        else:
            self.host.network.ask(self, event.node_id, question, limits.FORWARD_SECONDS, answered)

    def _give(self, connection: int, done: Callable[[bytes | None], None]) -> None:
        response = self.hub.take_output(connection)
        self.hub.closed(connection, self.wall_clock())
        done(response.partition(b"\r\n\r\n")[2])
        self.settle()
