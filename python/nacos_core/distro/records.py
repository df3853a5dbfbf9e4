"""The core's records, as the rules see them."""

from collections.abc import Sequence
from typing import Protocol


class Holder(Protocol):
    """One boot of a node, and what is known of its records."""

    @property
    def node_id(self) -> str:
        """Of the node."""

    @property
    def boot(self) -> int:
        """Which of its starts."""

    @property
    def records(self) -> int:
        """Publications that it holds; removals are not counted."""

    @property
    def instances(self) -> int:
        """In these publications."""

    @property
    def digest(self) -> bytes:
        """Over these publications, 16 bytes."""

    @property
    def revision(self) -> int:
        """The newest that is known here."""


class Publisher(Protocol):
    """Somebody who offers a service."""

    @property
    def node_id(self) -> str:
        """Of the holder."""

    @property
    def boot(self) -> int:
        """Of the holder."""

    @property
    def kind(self) -> str:
        """connection or address."""

    @property
    def publisher(self) -> str:
        """The connection's number, or ip:port."""

    @property
    def epoch(self) -> int:
        """How often it has changed its holder."""

    @property
    def revision(self) -> int:
        """Of the holder, when it last changed."""

    @property
    def published_ms(self) -> int | None:
        """When it was registered; wall time. None: nobody keeps it."""

    @property
    def last_beat_ms(self) -> int | None:
        """Wall time; None: it has none, or another node hears them."""

    @property
    def instances(self) -> int:
        """How many it offers."""

    @property
    def hidden(self) -> int:
        """How many of these are not listed because somebody else has published them since."""


class Applied(Protocol):
    """What became of a batch."""

    @property
    def applied(self) -> int:
        """Records that were newer than what was here."""

    @property
    def older(self) -> int:
        """Those that were not."""

    @property
    def ours(self) -> bytes:
        """The newer ones of this node, to be sent back; b"": none."""


class Differences(Protocol):
    """How what is here of a holder differs from what the holder says it has."""

    @property
    def wanted(self) -> bytes:
        """Keys to ask it about."""

    @property
    def wanted_count(self) -> int:
        """How many keys."""

    @property
    def surplus(self) -> int:
        """Records that it has not."""


class Records(Protocol):
    """The hub of the core; a table of dicts in tests. All raise ValueError for bytes that make no sense, and have then
    changed nothing."""

    def distro_take_changes(self, bytes_max: int) -> bytes | None:
        """Own records that changed since the last call, the newest state of each; None: there are none."""

    def distro_apply(self, batch: bytes, now_ms: int) -> Applied:
        """Takes each record that is newer than what is here."""

    def distro_holders(self) -> Sequence[Holder]:
        """This boot of this node first, then all others of which there are records, by id and boot."""

    def distro_digests(self, node_id: str, boot: int, parent: int) -> bytes:
        """The digests below the root (-1) or one of its nodes, 16 bytes each."""

    def distro_versions(self, node_id: str, boot: int, leaves: list[int]) -> bytes:
        """Keys and versions of the records in these leaves."""

    def distro_differences(self, node_id: str, boot: int, leaves: list[int], theirs: bytes) -> Differences:
        """Compares with ``distro_versions`` of the holder."""

    def distro_records(self, node_id: str, boot: int, wanted: bytes) -> bytes:
        """The records of these keys, as a batch."""

    def distro_drop_surplus(self, node_id: str, boot: int, leaves: list[int], theirs: bytes, now_ms: int) -> int:
        """Drops what the holder has not; says how many."""

    def distro_load(self, after: bytes, bytes_max: int) -> tuple[bytes, bytes]:
        """A batch of records of all holders after a cursor, and the next cursor; b"" begins and ends."""

    def distro_adopt(self, node_id: str, boot: int, now_ms: int) -> int:
        """Takes over the addresses of a holder for which this node is responsible; says how many."""

    def distro_drop(self, node_id: str, boot: int, now_ms: int, *, with_addresses: bool = False) -> int:
        """Forgets the connections of a holder, or all that it has; says how many records."""

    def distro_set_members(self, node_ids: Sequence[str], *, own_id: str) -> None:
        """Who may be responsible for addresses; none: this node for all."""

    def distro_forget_removals(self, now_ms: int, up_to_revision: int) -> int:
        """Own removals up to that revision are known to all; those of others go when they are old."""

    def distro_leave(self) -> None:
        """From now on no change is noted."""
