"""Drives the rules of who publishes what on trio: their timer, their messages, and questions of nodes that load."""

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import trio

from nacos_core import limits
from nacos_core.distro import view
from nacos_core.distro.effects import AskForPage, Effect, HolderGone, ListsChanged, MemberChanged, Send, Serve
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
from nacos_core.distro.forwarding import Forward
from nacos_core.distro.machine import Machine
from nacos_core.distro.members import Liveness
from nacos_core.distro.messages import DistroMessage, Load, Page
from nacos_core.distro.timing import Timing
from nacos_core.errors import FrameError, InvalidParameter, NacosCoreError, NotReady

if TYPE_CHECKING:
    import msgspec

    from nacos_core._core import Hub
    from nacos_core.clock import WallClock
    from nacos_core.drivers.cluster import ClusterDriver
    from nacos_core.identity import Identity as NodeIdentity
    from nacos_core.peers.handshake import Identity
    from nacos_core.raft.configuration import Configuration
    from nacos_core.settings import Settings

_logger = logging.getLogger(__name__)

Ask: TypeAlias = "Callable[[str, msgspec.Struct], Awaitable[Any]]"
"""(node id, question) → its answer; raises as ``Peers.ask``."""


class DistroDriver:
    """The loops around one machine.

    Args:
        send: queues a message for a member, which may be lost, and gives its bytes.
        ask: asks a member.
        settle: called after records of others have changed here, for what subscribers have to be told.
    """

    def __init__(
        self,
        *,
        machine: "Machine",
        hub: "Hub",
        send: "Callable[[str, DistroMessage], int]",
        ask: Ask,
        settle: Callable[[], None],
    ) -> None:
        self._machine = machine
        self._hub = hub
        self._send = send
        self._ask = ask
        self._settle = settle
        self._nursery: trio.Nursery | None = None
        self._early: list[AskForPage] = []
        self._serving = trio.Event()
        self._sleeps_until = float("inf")
        self._timer_changed = trio.Event()
        self._is_muted = False
        self._sent_bytes: dict[str, int] = {}
        """By member; answers to those that load are not counted."""

    @property
    def is_serving(self) -> bool:
        """Everything that can be known is known."""
        return self._machine.is_serving

    @property
    def reason(self) -> str:
        """Why this node serves, or does not yet."""
        return self._machine.loading.reason

    @property
    def sees_all(self) -> bool:
        """What is not known here exists nowhere."""
        return self._machine.sees_all

    async def wait_serving(self) -> None:
        """Until this node has loaded, or need not."""
        await self._serving.wait()

    def liveness(self, node_id: str) -> Liveness | None:
        """Of another member."""
        member = self._machine.members.find(node_id)
        return None if member is None else member.liveness

    def live_members(self) -> list[str]:
        """The other members that are not down, in the order of their ids."""
        members = self._machine.members.others
        return [each.node_id for each in members if each.liveness is not Liveness.DOWN]

    def consistency(self) -> view.Consistency:
        """What this node knows of all, as of now."""
        return view.consistency(self._machine, trio.current_time(), self._sent_bytes)

    def publishers(self, namespace: str, group: str, service: str) -> list[view.PublisherView]:
        """Who offers a service, and why they are still listed."""
        now = trio.current_time()
        found = self._hub.distro_publishers(namespace, group, service)
        return [view.publisher(self._machine, each, now) for each in found]

    def forward(self, to: str, request: bytes, remote_ip: str) -> Forward | None:
        """The question for the member that handles an address; None: it cannot be asked yet."""
        return self._machine.forward(to, request, remote_ip, trio.current_time())

    def is_late(self, question: Forward) -> bool:
        """Whoever asked may have given it up."""
        return self._machine.is_late(question, trio.current_time())

    # --- what happens ------------------------------------------------------------------------------------------------

    def set_members(self, configuration: "Configuration") -> None:
        """These are the members now."""
        node_ids = tuple(member.node_id for member in configuration.members)
        self._step(MembersListed(node_ids, configuration.voters))

    def linked(self, node_id: str) -> None:
        """There is a connection to a member."""
        self._step(Linked(node_id))

    def unlinked(self, node_id: str) -> None:
        """It has gone."""
        self._step(Unlinked(node_id))

    def receive(self, sender_id: str, message: DistroMessage) -> None:
        """A message of another node; whoever calls settles."""
        try:
            self._step(Received(sender_id, message), settles=False)
        except ValueError as error:
            _logger.error("a %s of node %s makes no sense: %s", type(message).__name__, sender_id, error)

    def flush(self) -> None:
        """Clients may have changed something."""
        self._step(OwnChanges(), settles=False)

    def page_asked(self, peer: "Identity", question: Load) -> Page:
        """A node that loads wants records.

        Raises:
            NotReady: this node is starting, too.
            InvalidParameter: there is no such cursor.
        """
        try:
            page = self._machine.page(question)
        except ValueError as error:
            raise InvalidParameter(str(error)) from None
        if page is None:
            raise NotReady("this node is starting and has not loaded either")
        return page

    def leave(self) -> None:
        """This node is about to stop: the others are told, and from now on nothing more."""
        self._step(Stopping(), settles=False)

    def mute(self) -> None:
        """Nothing is sent to peers any more."""
        self._is_muted = True

    async def run(self) -> None:
        """Keeps time until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            early, self._early = self._early, []
            for effect in early:
                nursery.start_soon(self._load, effect)
            while True:
                self._timer_changed = trio.Event()
                self._sleeps_until = self._machine.deadline
                with trio.move_on_at(self._sleeps_until):
                    await self._timer_changed.wait()
                    continue
                self._step(Tick())

    # --- inside ------------------------------------------------------------------------------------------------------

    def _step(self, event: Event, *, settles: bool = True) -> None:
        has_changed = False
        for effect in self._machine.step(event, trio.current_time()):
            match effect:
                case Send(to, message):
                    self._tell(to, message)
                case ListsChanged():
                    has_changed = True
                case AskForPage() if self._nursery is not None:
                    self._nursery.start_soon(self._load, effect)
                case AskForPage():
                    self._early.append(effect)
                case _:
                    self._note(effect)
        if self._machine.deadline < self._sleeps_until:
            self._timer_changed.set()
        if has_changed and settles:
            self._settle()

    def _note(self, effect: Effect) -> None:
        match effect:
            case Serve(reason):
                _logger.info("instances are served: %s", reason)
                self._serving.set()
            case MemberChanged(node_id, liveness):
                level = logging.WARNING if liveness is Liveness.DOWN else logging.DEBUG
                _logger.log(level, "node %s is %s", node_id, liveness.value)
            case HolderGone(node_id, boot, records):
                _logger.warning(
                    "%d publications over connections to boot %d of node %s are dropped: it is gone, and their clients "
                    "have not come elsewhere",
                    records,
                    boot,
                    node_id,
                )

    def _tell(self, to: str, message: DistroMessage) -> None:
        if self._is_muted:
            return
        try:
            self._sent_bytes[to] = self._sent_bytes.get(to, 0) + self._send(to, message)
        except FrameError as error:
            _logger.error("a %s for node %s is too long: %s", type(message).__name__, to, error)

    async def _load(self, effect: AskForPage) -> None:
        event: PageCame | PageRefused
        try:
            event = PageCame(effect.number, await self._ask(effect.to, Load(effect.after)))
        except NacosCoreError as error:
            _logger.debug("node %s gives no records: %s", effect.to, error)
            event = PageRefused(effect.number)
        try:
            self._step(event)
        except ValueError as error:
            _logger.error("the records of node %s make no sense: %s", effect.to, error)


def make_driver(
    identity: "NodeIdentity",
    settings: "Settings",
    *,
    hub: "Hub",
    cluster: "ClusterDriver",
    wall_clock: "WallClock",
    settle: Callable[[], None],
) -> DistroDriver:
    """Of a node that has peers; before anything is registered there."""
    hub.distro_open(identity.node_id, identity.boot)
    machine = Machine(
        node_id=identity.node_id,
        boot=identity.boot,
        records=hub,
        wall_clock=wall_clock,
        timing=Timing(
            connection_grace_seconds=settings.distro_connection_grace_ms / 1000,
            address_grace_seconds=settings.distro_address_grace_ms / 1000,
            load_seconds=settings.distro_load_timeout_ms / 1000,
        ),
    )

    async def ask(node_id: str, question: "msgspec.Struct") -> Any:
        return await cluster.ask(node_id, question, limits.PEER_CALL_SECONDS)

    driver = DistroDriver(machine=machine, hub=hub, send=cluster.send, ask=ask, settle=settle)
    cluster.share(driver)
    return driver
