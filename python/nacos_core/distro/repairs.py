"""What is here of a holder is compared with what it holds, and only what differs is sent.

A digest of everything, then of 64 parts, then of 64 parts of those that differ; then keys and versions, then records.
Only the holder itself is asked. All it sends to one node arrives in order, so that its answers and what is here are of
the same moment.
"""

from dataclasses import dataclass

from nacos_core.distro.effects import Effect, ListsChanged, Send
from nacos_core.distro.messages import (
    Changes,
    Digests,
    DigestsWanted,
    RecordsSent,
    RecordsWanted,
    Verified,
    Verify,
    Versions,
    VersionsWanted,
)
from nacos_core.distro.records import Records
from nacos_core.distro.timing import Timing
from nacos_core.limits import DISTRO_BATCH_BYTES_MAX, DISTRO_LEAVES_AT_ONCE, DISTRO_LEAVES_COUNT, DISTRO_NODES_COUNT

_ROOT = (-1,)
_DIGEST_BYTES = 16
_NO_DIGEST = bytes(_DIGEST_BYTES)
_INSTANCE_BYTES = 400
"""About what one takes in a batch."""


@dataclass(slots=True)
class Checked:
    """What came of comparing with one member; shown to whoever looks."""

    boot: int = 0
    revision: int = 0
    is_equal: bool = False
    at: float | None = None
    """When; None: not yet."""
    repairs: int = 0
    """How often something was different."""
    repaired_records: int = 0


@dataclass(slots=True)
class _Repair:
    boot: int
    progressed_at: float
    leaves_at_once: int
    leaves: tuple[int, ...] = ()
    """To be compared yet; those that are being compared are the first ones."""
    versions: bytes = b""
    """What the holder has in these."""
    is_counted: bool = False

    @property
    def compared(self) -> tuple[int, ...]:
        return self.leaves[: self.leaves_at_once]


class Repairs:
    """One at a time for each holder."""

    def __init__(self, records: Records, timing: Timing) -> None:
        self._records = records
        self._timing = timing
        self._repairs: dict[str, _Repair] = {}
        self._checked: dict[str, Checked] = {}

    def checked(self, node_id: str) -> Checked:
        """What came of comparing with this member."""
        return self._checked.setdefault(node_id, Checked())

    def forget(self, node_id: str) -> None:
        """What was under way with that member will not come."""
        self._repairs.pop(node_id, None)

    def shift(self, seconds: float) -> None:
        """This node stood still for so long."""
        for repair in self._repairs.values():
            repair.progressed_at += seconds

    def compare(self, holder_id: str, verify: Verify, now: float) -> list[Effect]:
        """The holder says what it has."""
        checked = self.checked(holder_id)
        checked.boot, checked.revision, checked.at = verify.boot, verify.revision, now
        checked.is_equal = self._held(holder_id, verify.boot) == (verify.records, verify.digest)
        if checked.is_equal:
            self._repairs.pop(holder_id, None)
            return [Send(holder_id, Verified(verify.boot, verify.revision))]
        under_way = self._repairs.get(holder_id)
        if (
            under_way is not None
            and under_way.boot == verify.boot
            and now - under_way.progressed_at < self._timing.verify_seconds / 2
        ):
            return []
        leaf_bytes = 1 + _INSTANCE_BYTES * verify.instances // max(1, min(verify.records, DISTRO_LEAVES_COUNT))
        at_once = max(1, min(DISTRO_LEAVES_AT_ONCE, DISTRO_BATCH_BYTES_MAX // leaf_bytes))
        self._repairs[holder_id] = _Repair(verify.boot, now, at_once)
        return [Send(holder_id, DigestsWanted(verify.boot, _ROOT))]

    def begin(self, holder_id: str, boot: int, now: float) -> list[Effect]:
        """Compares without having been told what the holder has."""
        self._repairs[holder_id] = _Repair(boot, now, DISTRO_LEAVES_AT_ONCE)
        return [Send(holder_id, DigestsWanted(boot, _ROOT))]

    def progressed_at(self, holder_id: str) -> float | None:
        """When an answer last came of what is being compared; None: nothing is."""
        repair = self._repairs.get(holder_id)
        return None if repair is None else repair.progressed_at

    def digests_came(self, holder_id: str, digests: Digests, now: float) -> list[Effect]:
        """Goes on below those that differ.

        Raises:
            ValueError: there are not as many as the parents have.
        """
        if len(digests.digests) != len(digests.parents) * DISTRO_NODES_COUNT * _DIGEST_BYTES:
            raise ValueError(f"{len(digests.digests)} bytes of digests for {len(digests.parents)} parents")
        repair = self._repairs.get(holder_id)
        if repair is None or repair.boot != digests.boot or repair.leaves:
            return []
        repair.progressed_at = now
        different = self._different(holder_id, digests)
        if not different:
            del self._repairs[holder_id]  # what was under way has come meanwhile
            return []
        if digests.parents == _ROOT:
            return [Send(holder_id, DigestsWanted(repair.boot, different))]
        repair.leaves = different
        return [Send(holder_id, VersionsWanted(repair.boot, repair.compared))]

    def versions_came(self, holder_id: str, versions: Versions, now: float) -> list[Effect]:
        """Asks for what is missing or older here, and about what the holder has not.

        Raises:
            ValueError: it makes no sense.
        """
        repair = self._repairs.get(holder_id)
        if repair is None or repair.boot != versions.boot or versions.leaves != repair.compared:
            return []
        found = self._records.distro_differences(holder_id, repair.boot, list(versions.leaves), versions.versions)
        repair.progressed_at = now
        if not found.wanted_count and not found.surplus:
            return self._next(holder_id, repair)
        if not repair.is_counted:
            repair.is_counted = True
            self.checked(holder_id).repairs += 1
        repair.versions = versions.versions
        return [Send(holder_id, RecordsWanted(repair.boot, repair.compared, found.wanted))]

    def records_came(self, holder_id: str, sent: RecordsSent, now: float, now_ms: int) -> list[Effect]:
        """Takes them, and then drops what the holder has not: an address that another node has adopted meanwhile is
        among what was sent, and is the other's from then on. The holder is told of what is newer here.

        Raises:
            ValueError: they make no sense.
        """
        repair = self._repairs.get(holder_id)
        if repair is None or repair.boot != sent.boot or sent.leaves != repair.compared:
            return []
        effects: list[Effect] = []
        repaired = 0
        if sent.batch:
            applied = self._records.distro_apply(sent.batch, now_ms)
            repaired = applied.applied
            if applied.ours:
                effects.append(Send(holder_id, Changes(applied.ours, is_answer=True)))
        repaired += self._records.distro_drop_surplus(
            holder_id, repair.boot, list(sent.leaves), repair.versions, now_ms
        )
        self.checked(holder_id).repaired_records += repaired
        repair.progressed_at = now
        if repaired:
            effects.append(ListsChanged())
        return effects + self._next(holder_id, repair)

    def _next(self, holder_id: str, repair: _Repair) -> list[Effect]:
        repair.leaves = repair.leaves[repair.leaves_at_once :]
        repair.versions = b""
        if repair.leaves:
            return [Send(holder_id, VersionsWanted(repair.boot, repair.compared))]
        del self._repairs[holder_id]
        return []

    def _held(self, node_id: str, boot: int) -> tuple[int, bytes]:
        for holder in self._records.distro_holders():
            if (holder.node_id, holder.boot) == (node_id, boot):
                return holder.records, holder.digest
        return 0, _NO_DIGEST

    def _different(self, holder_id: str, theirs: Digests) -> tuple[int, ...]:
        different: list[int] = []
        for place, parent in enumerate(theirs.parents):
            ours = self._records.distro_digests(holder_id, theirs.boot, parent)
            first = place * DISTRO_NODES_COUNT
            for number in range(DISTRO_NODES_COUNT):
                start = (first + number) * _DIGEST_BYTES
                own_start = number * _DIGEST_BYTES
                if theirs.digests[start : start + _DIGEST_BYTES] != ours[own_start : own_start + _DIGEST_BYTES]:
                    different.append(number if parent < 0 else parent * DISTRO_NODES_COUNT + number)
        return tuple(different)
