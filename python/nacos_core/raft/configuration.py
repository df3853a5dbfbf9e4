"""Who belongs to the cluster: members, their addresses and their part in votes. It travels as an entry of the log.

One voter changes at a time (the thesis, section 4.1), so that any majority before and any majority after have a server
in common. Learners and addresses have no part in majorities and may change with it.
"""

from typing import Final, Literal, TypeAlias

import msgspec

CONFIGURATION_BYTE: Final = 0xC1
"""First byte of such an entry; msgpack never uses it, so no command begins with it."""

Part: TypeAlias = Literal["voter", "learner", "joining"]
"""A learner only receives entries; one that is joining becomes a voter once it has caught up."""


class Member(msgspec.Struct, frozen=True, array_like=True):
    """``node_id`` is for ever; ``address`` (``host:port`` of HTTP) is where it lives now."""

    node_id: str
    address: str
    peer_port: int
    part: Part = "voter"


class AddMember(msgspec.Struct, frozen=True, array_like=True, tag="add"):
    """Add a member that has no vote yet. It takes the place of a dead one at the same address."""

    member: Member


class PromoteMember(msgspec.Struct, frozen=True, array_like=True, tag="promote"):
    """Give a member its vote."""

    node_id: str


class EnrolMember(msgspec.Struct, frozen=True, array_like=True, tag="enrol"):
    """A learner is to get a vote as soon as it has caught up."""

    node_id: str


class RemoveMember(msgspec.Struct, frozen=True, array_like=True, tag="remove"):
    """Take a member out for good."""

    node_id: str


class MoveMember(msgspec.Struct, frozen=True, array_like=True, tag="move"):
    """A member has a new address."""

    node_id: str
    address: str
    peer_port: int


Change: TypeAlias = AddMember | EnrolMember | PromoteMember | RemoveMember | MoveMember


class ChangeRefused(Exception):
    """A change of members that makes no sense; the message says why."""


class Configuration(msgspec.Struct, frozen=True, array_like=True):
    """The members in the order of their ids. Made by ``make`` and ``changed``."""

    cluster_id: str
    members: tuple[Member, ...]

    @staticmethod
    def make(cluster_id: str, members: "list[Member]") -> "Configuration":
        """Sorts the members, so that equal configurations are equal."""
        return Configuration(cluster_id, tuple(sorted(members, key=lambda member: member.node_id)))

    @property
    def voters(self) -> tuple[str, ...]:
        """Ids of those whose votes and logs count."""
        return tuple(member.node_id for member in self.members if member.part == "voter")

    @property
    def node_ids(self) -> tuple[str, ...]:
        """Ids of all members."""
        return tuple(member.node_id for member in self.members)

    def find(self, node_id: str) -> Member | None:
        """The member of that id."""
        return next((member for member in self.members if member.node_id == node_id), None)

    def has_at(self, node_id: str, address: str, peer_port: int) -> bool:
        """Whether it is a member, and its peers look for it there."""
        member = self.find(node_id)
        return member is not None and (member.address, member.peer_port) == (address, peer_port)

    def changed(self, change: Change) -> "Configuration":
        """The configuration after one change, which moves at most one vote.

        Raises:
            ChangeRefused: says what is wrong.
        """
        match change:
            case AddMember(member):
                return self._added(member)
            case EnrolMember(node_id):
                if self._existing(node_id).part == "voter":
                    raise ChangeRefused(f"node {node_id} is a voter already")
                return self._replaced(msgspec.structs.replace(self._existing(node_id), part="joining"))
            case PromoteMember(node_id):
                return self._replaced(msgspec.structs.replace(self._existing(node_id), part="voter"))
            case RemoveMember(node_id):
                self._existing(node_id)
                return self._without_voter(node_id)
            case MoveMember(node_id, address, peer_port):
                self._refuse_taken(address, node_id)
                member = self._existing(node_id)
                return self._replaced(msgspec.structs.replace(member, address=address, peer_port=peer_port))

    def encode(self) -> bytes:
        """As an entry of the log."""
        return bytes((CONFIGURATION_BYTE,)) + msgspec.msgpack.encode(self)

    @staticmethod
    def decode(payload: bytes) -> "Configuration":
        """Raises ValueError for what ``encode`` did not give, and where nobody could vote."""
        try:
            configuration = _DECODER.decode(memoryview(payload)[1:])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"this is no configuration: {error}") from None
        if not configuration.voters:
            raise ValueError("a configuration has no voters")
        return configuration

    def _added(self, member: Member) -> "Configuration":
        if member.part == "voter":
            raise ChangeRefused("a member is added without a vote and gets it once it has caught up")
        if self.find(member.node_id) is not None:
            raise ChangeRefused(f"node {member.node_id} is a member already")
        stale = next((other for other in self.members if other.address == member.address), None)
        rest = self if stale is None else self._without_voter(stale.node_id)
        return Configuration.make(self.cluster_id, [*rest.members, member])

    def _without_voter(self, node_id: str) -> "Configuration":
        if self.voters == (node_id,):
            raise ChangeRefused(f"node {node_id} is the only voter")
        kept = [member for member in self.members if member.node_id != node_id]
        return Configuration.make(self.cluster_id, kept)

    def _replaced(self, member: Member) -> "Configuration":
        kept = [other for other in self.members if other.node_id != member.node_id]
        return Configuration.make(self.cluster_id, [*kept, member])

    def _existing(self, node_id: str) -> Member:
        member = self.find(node_id)
        if member is None:
            raise ChangeRefused(f"there is no node {node_id} (members: {', '.join(self.node_ids)})")
        return member

    def _refuse_taken(self, address: str, node_id: str) -> None:
        for member in self.members:
            if member.address == address and member.node_id != node_id:
                raise ChangeRefused(f"{address} is the address of node {member.node_id}")


_DECODER: Final = msgspec.msgpack.Decoder(Configuration)
