"""What becomes of records whose holder is gone: nothing for the whole grace, and nothing without a majority.

A dead node and one that is partitioned away look alike, also to a node that is itself the one that is away.
"""

from dataclasses import dataclass
from enum import Enum
from math import inf

from nacos_core.distro.effects import Effect, HolderGone, ListsChanged
from nacos_core.distro.members import Liveness, Members
from nacos_core.distro.records import Holder, Records
from nacos_core.distro.timing import Timing
from nacos_core.limits import DISTRO_BEAT_DELETE_SECONDS


class Reason(Enum):
    """Why a holder is gone."""

    DOWN = "down"
    LEFT = "left"
    SUPERSEDED = "superseded"
    """The node has been started again since."""
    UNLISTED = "not a member"


@dataclass(frozen=True, slots=True)
class Absence:
    """Since when a holder is gone; seconds on the clock of ``now``."""

    reason: Reason
    since: float


class Graces:
    """Holders that are gone, and how long they have been."""

    def __init__(self, *, node_id: str, boot: int, records: Records, members: Members, timing: Timing) -> None:
        self._node_id = node_id
        self._boot = boot
        self._records = records
        self._members = members
        self._timing = timing
        self._absences: dict[tuple[str, int], Absence] = {}

    def absence(self, node_id: str, boot: int) -> Absence | None:
        """None: the holder is here, as far as is known."""
        return self._absences.get((node_id, boot))

    def ends_at(self, absence: Absence) -> float:
        """When connections of that holder are dropped if nothing changes; infinite: not as long as no majority is seen.

        The grace begins anew when a majority is seen again: what was only out of sight has its time to be heard.
        """
        majority_since = self._members.majority_since
        if majority_since is None:
            return inf
        return max(absence.since, majority_since) + self._timing.connection_grace_seconds

    def shift(self, seconds: float) -> None:
        """This node stood still for so long."""
        self._absences = {
            key: Absence(absence.reason, absence.since + seconds) for key, absence in self._absences.items()
        }

    def look(self, now: float, now_ms: int) -> list[Effect]:
        """Adopts addresses of holders that are gone, and drops connections of those that were gone for the grace."""
        effects: list[Effect] = []
        for holder in self._note_absences(now):
            absence = self._absences[holder.node_id, holder.boot]
            if self._may_adopt(now) and self._adopt(holder, now_ms):
                effects.append(ListsChanged())
            if now >= self.ends_at(absence):
                # Who is responsible for an address adopts it; what it does not know, or has seen go, nobody does.
                is_abandoned = now >= self.ends_at(absence) + self._timing.address_grace_seconds
                dropped = self._records.distro_drop(holder.node_id, holder.boot, now_ms, with_addresses=is_abandoned)
                if dropped:
                    effects += [HolderGone(holder.node_id, holder.boot, dropped), ListsChanged()]
        return effects

    def _may_adopt(self, now: float) -> bool:
        # A majority that has just come back may have adopted them already; it is given the time to say so.
        since = self._members.majority_since
        return since is not None and now >= since + self._timing.suspicious_seconds

    def _adopt(self, holder: Holder, now_ms: int) -> int:
        # The core waits from the given moment on for the next beat, for as long as it always does.
        ahead_seconds = self._timing.address_grace_seconds - DISTRO_BEAT_DELETE_SECONDS
        return self._records.distro_adopt(holder.node_id, holder.boot, max(0, now_ms + round(ahead_seconds * 1000)))

    def _note_absences(self, now: float) -> list[Holder]:
        holders = self._records.distro_holders()[1:]
        newest = {self._node_id: self._boot}
        for holder in holders:
            newest[holder.node_id] = max(newest.get(holder.node_id, 0), holder.boot)
        absences: dict[tuple[str, int], Absence] = {}
        gone: list[Holder] = []
        for holder in holders:
            found = self._look_at(holder, newest[holder.node_id], now)
            if found is not None:
                key = (holder.node_id, holder.boot)
                known = self._absences.get(key)
                absences[key] = known if known is not None and known.reason is found.reason else found
                gone.append(holder)
        self._absences = absences
        return gone

    def _look_at(self, holder: Holder, newest_boot: int, now: float) -> Absence | None:
        member = self._members.find(holder.node_id)
        if holder.boot < max(newest_boot, member.boot if member is not None else 0):
            return Absence(Reason.SUPERSEDED, now)
        if member is None:
            return Absence(Reason.UNLISTED, now)
        if member.left_at is not None:
            return Absence(Reason.LEFT, member.left_at)
        if member.liveness is Liveness.DOWN:
            return Absence(Reason.DOWN, member.heard_at)
        return None
