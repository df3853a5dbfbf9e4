"""Makes a node a member: connects its replica with its peers, forms or joins a cluster, answers what peers ask."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import trio

from nacos_core import limits
from nacos_core._core import LogError, LogFailed
from nacos_core.cluster.formation import Adopt, AskToJoin, Decision, Follow, Wait, decide
from nacos_core.cluster.questions import (
    ChangeMembers,
    Done,
    HandOver,
    Introduce,
    Introduction,
    Join,
    Members,
)
from nacos_core.distro.messages import Load, Message
from nacos_core.errors import HandshakeRefused, MembershipRefused, NacosCoreError, NotReady
from nacos_core.peers.addresses import Member as ListedMember
from nacos_core.peers.addresses import PeerAddress, parse_member
from nacos_core.raft.configuration import AddMember, Change, Configuration, Member, MoveMember, Part
from nacos_core.raft.effects import RoleChanged
from nacos_core.raft.replica import Listener
from nacos_core.raft.state import Role

if TYPE_CHECKING:
    import msgspec

    from nacos_core.distro.messages import DistroMessage
    from nacos_core.drivers.distro import DistroDriver
    from nacos_core.drivers.raft import RaftDriver
    from nacos_core.peers.handshake import Identity as PeerIdentity
    from nacos_core.peers.network import Listener as PeerListener
    from nacos_core.peers.transport import Peers
    from nacos_core.peers.wire import RequestHandler
    from nacos_core.raft.messages import ReplicaMessage

_logger = logging.getLogger(__name__)


def peer_address(member: Member) -> PeerAddress:
    """Where a member takes connections of its peers."""
    return PeerAddress(parse_member(member.address).host, member.peer_port)


class ClusterDriver(Listener):
    """One node among others.

    Args:
        own: how this node is named in lists.
        listed: of ``--cluster``, in canonical order; empty without.
        join: of ``--join``.
        has_joined: it is known to be or to have been a member: it does not ask to join, unless it has lost its log.
        joined: called once that is so.
        new_cluster_id: another one at each call.
    """

    def __init__(
        self,
        *,
        node_id: str,
        own: ListedMember,
        listed: tuple[ListedMember, ...],
        join: ListedMember | None,
        peers: "Peers",
        has_joined: bool,
        joined: Callable[[], None],
        new_cluster_id: Callable[[], str],
    ) -> None:
        self._node_id = node_id
        self._own = own
        self._listed = listed
        self._contacts = listed or ((join,) if join is not None else ())
        self._part_when_joining: Part = "joining" if join is not None else "learner"
        self._peers = peers
        self._has_joined = has_joined
        self._joined = joined
        self._new_cluster_id = new_cluster_id
        self._raft: RaftDriver | None = None
        self._distro: DistroDriver | None = None
        self._cluster_id = ""
        self._heard_of: Configuration | None = None
        """Of the cluster that this node is about to join."""
        self._said = ""
        self._refused: dict[str, str] = {}
        self.is_removed = False
        callbacks = peers.callbacks
        callbacks.on_message = self._received
        callbacks.requests = {
            Introduce: lambda peer, question: self.introduce(),
            Join: self._asked_to_join,
            ChangeMembers: self._asked_to_change,
            HandOver: self._asked_to_hand_over,
        }

    def share(self, distro: "DistroDriver") -> None:
        """Who hears all that members say of publishers; to be called before ``attach``."""
        self._distro = distro
        self._peers.callbacks.on_connected = distro.linked
        self.answer(Load, distro.page_asked)

    def attach(self, raft: "RaftDriver") -> None:
        """The replica whose listener this is, and its driver."""
        self._raft = raft
        callbacks = self._peers.callbacks
        callbacks.settle = raft.settle_messages
        callbacks.on_lost = self._lost
        configuration = raft.replica.machine.state.configuration
        if configuration is not None:
            self._take(configuration)
        else:
            self._has_joined = False  # power was cut before its log was durable

    @property
    def raft(self) -> "RaftDriver":
        """Of this node."""
        assert self._raft is not None, "attach comes first"
        return self._raft

    @property
    def cluster_id(self) -> str:
        """ "": not a member of any cluster yet."""
        return self._cluster_id

    def answer(self, question: type, handler: "RequestHandler") -> None:
        """From now on peers may ask this, too."""
        self._peers.callbacks.requests[question] = handler

    async def ask(self, node_id: str, question: "msgspec.Struct", seconds: float) -> Any:
        """Asks a member. Raises what ``Peers.ask`` raises."""
        return await self._peers.ask(node_id, question, seconds=seconds)

    def send(self, to: str, message: "ReplicaMessage | DistroMessage") -> int:
        """Queues a message, which may be lost, and gives its bytes; 0 if it was dropped."""
        return self._peers.send(to, message)

    async def drain(self) -> None:
        """Waits a little until what was queued for the members has been handed to the network."""
        with trio.move_on_after(limits.LEAVE_SECONDS):
            await self._peers.drain()

    async def run(self, listener: "PeerListener") -> None:
        """Runs until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._peers.run, listener)
            nursery.start_soon(self._form)
            nursery.start_soon(self._keep_address)

    # --- what the replica notices ------------------------------------------------------------------------------------

    def role_changed(self, effect: RoleChanged) -> None:
        """As ``Listener``."""
        match effect.role:
            case Role.LEADER:
                _logger.info("this node leads in term %d", effect.term)
            case Role.FOLLOWER if effect.leader_id:
                _logger.info("node %s leads in term %d", effect.leader_id, effect.term)
            case _:
                _logger.debug("%s in term %d", effect.role.value, effect.term)

    def configuration_changed(self, index: int, configuration: Configuration) -> None:
        """As ``Listener``."""
        self._take(configuration)

    def removed(self) -> None:
        """As ``Listener``."""
        self.is_removed = True
        _logger.error(
            "node %s was removed from cluster %s: it serves what it has and takes no writes. To join again, "
            "start it with an empty data folder",
            self._node_id,
            self._cluster_id,
        )

    # --- members ---------------------------------------------------------------------------------------------------

    async def change_members(self, change: Change) -> Configuration:
        """Changes the members at the leader, wherever that is. Cancelled, the outcome is not known.

        Raises:
            MembershipRefused, CallRefused: says why not.
            NotReady, PeerUnreachable, OutcomeUnknown: there is no leader, or it did not answer.
        """
        replica = self.raft.replica
        if replica.is_leader:
            return await self.raft.change(change)
        answer: Members = await self._peers.ask(self._leader_id(), ChangeMembers(change))
        return answer.configuration

    async def add(self, address: str) -> Configuration:
        """Takes in the empty node that waits at ``host:port``; it gets a vote once it has caught up. So does a learner.

        Raises:
            As ``change_members``; MembershipRefused also if the node belongs to a cluster, or waits for another.
        """
        from nacos_core.raft.configuration import EnrolMember

        listed = parse_member(address)
        configuration = self.raft.replica.machine.state.configuration
        members = configuration.members if configuration is not None else ()
        for member in members:
            if member.address == listed.name:
                return await self.change_members(EnrolMember(member.node_id))
        found: Introduction = await self._peers.call(listed.peer_address, Introduce())
        if found.configuration is not None:
            raise MembershipRefused(
                f"{address} belongs to cluster {found.configuration.cluster_id} already, and this is {self._cluster_id}"
            )
        member = Member(found.node_id, found.address, found.peer_port, "joining")
        return await self.change_members(AddMember(member))

    async def hand_over(self, node_id: str) -> None:
        """Has another voter lead. Raises NotReady or what ``Peers.ask`` raises."""
        if self.raft.replica.is_leader:
            self.raft.transfer(node_id)
        else:
            await self._peers.ask(self._leader_id(), HandOver(node_id))

    def introduce(self) -> Introduction:
        """What this node says of itself."""
        state = self.raft.replica.machine.state
        return Introduction(
            node_id=self._node_id,
            address=self._own.name,
            peer_port=self._own.peer_port,
            listed=",".join(str(member) for member in self._listed),
            configuration_index=state.configuration_index,
            configuration=state.configuration,
        )

    def _leader_id(self) -> str:
        leader_id = self.raft.replica.leader_id
        if not leader_id:
            raise NotReady("no leader is known at the moment, try again later")
        return leader_id

    def _take(self, configuration: Configuration) -> None:
        if configuration.cluster_id != self._cluster_id:
            self._cluster_id = configuration.cluster_id
            self._peers.renew()
        if self._distro is not None:
            self._distro.set_members(configuration)
        self._peers.set_members({member.node_id: peer_address(member) for member in configuration.members})

    # --- what peers say --------------------------------------------------------------------------------------------

    def _lost(self, node_id: str) -> None:
        self.raft.peer_lost(node_id)
        if self._distro is not None:
            self._distro.unlinked(node_id)

    def _received(self, sender_id: str, message: "ReplicaMessage | DistroMessage") -> None:
        if isinstance(message, Message):
            if self._distro is not None:
                self._distro.receive(sender_id, message)
            return
        try:
            self.raft.receive(sender_id, message)
        except LogFailed:
            raise
        except (ValueError, LogError) as error:
            _logger.error("a %s of node %s makes no sense: %s", type(message).__name__, sender_id, error)

    async def _asked_to_join(self, peer: "PeerIdentity", question: Join) -> Members:
        configuration, member = self.raft.replica.machine.state.configuration, question.member
        change: Change = AddMember(member)
        if configuration is not None and configuration.find(member.node_id) is not None:
            if configuration.has_at(member.node_id, member.address, member.peer_port):
                return Members(configuration)
            change = MoveMember(member.node_id, member.address, member.peer_port)
        return Members(await self.change_members(change))

    async def _asked_to_change(self, peer: "PeerIdentity", question: ChangeMembers) -> Members:
        if not self.raft.replica.is_leader:
            raise NotReady("this node does not lead any more, try again")
        return Members(await self.raft.change(question.change))

    async def _asked_to_hand_over(self, peer: "PeerIdentity", question: HandOver) -> Done:
        if not self.raft.replica.is_leader:
            raise NotReady("this node does not lead any more, try again")
        self.raft.transfer(question.node_id)
        return Done()

    # --- becoming a member -----------------------------------------------------------------------------------------

    async def _form(self) -> None:
        """Until this node is a member. One that was a member asks once, to hear if others do not belong to it."""
        state = self.raft.replica.machine.state
        names = tuple(member.name for member in self._contacts)
        if state.configuration is not None:
            await self._ask_contacts()
        if self._has_joined:
            return
        while not self._is_settled():
            if not self._is_served():
                answers = await self._ask_contacts()
                await self._follow(decide(self.introduce(), names, answers, self._new_cluster_id))
            await trio.sleep(limits.FORMATION_INTERVAL_SECONDS)
        self._joined()

    def _is_settled(self) -> bool:
        """Whether a committed configuration has this node, or one has left it out: then it stays outside.

        A voter need not know what is committed: the first members have all begun with the same configuration, and
        nobody else gets a vote before the entry that adds it is committed.
        """
        state = self.raft.replica.machine.state
        index, configuration = state.configurations[0] if state.configurations else (0, None)
        member = configuration.find(self._node_id) if configuration is not None else None
        is_certain = member is not None and (member.part == "voter" or index <= state.commit_index)
        return state.is_removed or is_certain

    def _is_served(self) -> bool:
        """Whether a leader has this node among its members: it need not ask to be let in."""
        replica = self.raft.replica
        state = replica.machine.state
        if state.configuration is None:
            return False
        silent_seconds = trio.current_time() - state.leader_heard_at
        return replica.is_leader or silent_seconds < limits.JOINING_PATIENCE_SECONDS

    async def _follow(self, decision: Decision) -> None:
        match decision:
            case Wait(reason):
                self._say(reason)
            case Adopt(configuration):
                self.raft.bootstrap(configuration)
                _logger.info("cluster %s begins with %s", configuration.cluster_id, _names(configuration))
            case Follow(configuration):
                self._say(f"cluster {configuration.cluster_id} knows this node, waiting for its leader")
            case AskToJoin(names, configuration):
                self._heard_of = configuration
                await self._join(names)

    async def _join(self, names: tuple[str, ...]) -> None:
        """Asks one after the other until one takes this node in."""
        member = Member(self._node_id, self._own.name, self._own.peer_port, self._part_when_joining)
        known = self._known_addresses()
        refusals: list[str] = []
        for name in names:
            if name not in known:
                continue
            try:
                answer: Members = await self._peers.call(known[name], Join(member))
            except NacosCoreError as error:
                refusals.append(f"{name} does not let this node join: {error}")
            else:
                _logger.info("node %s joins cluster %s", self._node_id, answer.configuration.cluster_id)
                return
        self._say("; ".join(refusals))

    def _known_addresses(self) -> dict[str, PeerAddress]:
        """Whom this node can ask, by name: those that it was told of at its start, and members that it has heard of."""
        known = {contact.name: contact.peer_address for contact in self._contacts}
        for configuration in (self.raft.replica.machine.state.configuration, self._heard_of):
            if configuration is not None and not self._has_joined:
                for member in configuration.members:
                    known.setdefault(member.address, peer_address(member))
        known.pop(self._own.name, None)
        return known

    async def _ask_contacts(self) -> dict[str, Introduction]:
        answers: dict[str, Introduction] = {}

        async def ask(name: str, address: PeerAddress) -> None:
            try:
                answer = await self._peers.call(address, Introduce(), seconds=limits.PEER_DIAL_SECONDS)
            except HandshakeRefused as error:
                self._complain(name, str(error))
            except NacosCoreError as error:
                _logger.debug("%s: %s", name, error)
            else:
                answers[name] = answer

        async with trio.open_nursery() as nursery:
            for name, address in self._known_addresses().items():
                nursery.start_soon(ask, name, address)
        return answers

    async def _keep_address(self) -> None:
        """The cluster is told when this node lives at another address than before."""
        state = self.raft.replica.machine.state
        while True:
            known, own = state.configuration, self._own
            is_in = known is not None and known.find(self._node_id) is not None
            if known is not None and is_in and not known.has_at(self._node_id, own.name, own.peer_port):
                try:
                    await self.change_members(MoveMember(self._node_id, own.name, own.peer_port))
                except NacosCoreError as error:
                    self._say(f"the cluster does not know yet that this node is at {own.name}: {error}")
            await trio.sleep(limits.ADDRESS_INTERVAL_SECONDS)

    def _say(self, text: str) -> None:
        """Once, not at every try."""
        if text != self._said:
            self._said = text
            _logger.info(text)

    def _complain(self, name: str, text: str) -> None:
        """Once of each, as long as it stays the same."""
        if self._refused.get(name) != text:
            self._refused[name] = text
            _logger.warning("%s is listed, and is no member with this node: %s", name, text)


def _names(configuration: Configuration) -> str:
    return ", ".join(member.address for member in configuration.members)
