"""The rules of one node: hands each event to the part that it concerns."""

import math
from collections.abc import Callable, Sequence

from nacos_core.distro.effects import Effect, ListsChanged, MemberChanged, Send, Serve
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
from nacos_core.distro.graces import Graces
from nacos_core.distro.loading import Loading
from nacos_core.distro.members import Liveness, Member, Members
from nacos_core.distro.messages import (
    Changes,
    Digests,
    DigestsWanted,
    DistroMessage,
    Heartbeat,
    Leaving,
    Load,
    Page,
    RecordsSent,
    RecordsWanted,
    Status,
    Verified,
    Verify,
    Versions,
    VersionsWanted,
)
from nacos_core.distro.records import Records
from nacos_core.distro.repairs import Repairs
from nacos_core.distro.timing import Timing
from nacos_core.limits import DISTRO_BATCH_BYTES_MAX, FORWARD_AGE_MS_MAX


class Machine:
    """``step`` is the only way to change it. It changes records itself; everything else it asks for by effects.

    Args:
        boot: rises with each start of the node.
        records: of this node, opened for it; nobody else calls what changes records of others.
        wall_clock: milliseconds, for the core; no rule in here depends on it.
    """

    def __init__(
        self, *, node_id: str, boot: int, records: Records, wall_clock: Callable[[], int], timing: Timing | None = None
    ) -> None:
        self.node_id = node_id
        self.boot = boot
        self.timing = timing = timing or Timing()
        self.records = records
        """To look at, as the next four."""
        self._wall_clock = wall_clock
        self.members = Members(node_id, timing)
        self.graces = Graces(node_id=node_id, boot=boot, records=records, members=self.members, timing=timing)
        self.repairs = Repairs(records, timing)
        self.loading = Loading(records, self.members, self.repairs, timing)
        self._effects: list[Effect] = []
        self._responsible: list[str] | None = None
        self._is_stopping = False
        self._now = 0.0
        """Of the step that is being taken."""
        self._stepped_at: float | None = None
        self._beat_at = -math.inf
        self._verify_at = -math.inf
        self._gathers_until = -math.inf
        self._has_gathered = False
        self._looks_after_holders = False

    @property
    def deadline(self) -> float:
        """When ``Tick`` is wanted; seconds on the clock of ``now``."""
        if self._is_stopping or not self.members.is_listed:
            return math.inf
        flush_at = self._gathers_until if self._has_gathered else math.inf
        return min(self._beat_at, self._verify_at, flush_at, self.loading.deadline)

    @property
    def is_serving(self) -> bool:
        """Clients may be answered, and subscribers be told."""
        return self.loading.is_serving

    @property
    def sees_all(self) -> bool:
        """What is not known here exists nowhere: this node has loaded, and all members are there and have loaded."""
        others = self.members.others
        return self.is_serving and all(each.liveness is Liveness.UP and each.is_serving for each in others)

    def step(self, event: Event, now: float) -> list[Effect]:
        """Takes one event at ``now`` (seconds, never going back) and says what is to be done.

        Raises:
            ValueError: what another node sent makes no sense. Nothing of it was applied; what else was to be done is
                given at the next step.
        """
        self._now = now
        self._notice_standstill(now)
        self._take(event, now)
        effects, self._effects = self._effects, []
        return effects

    def page(self, question: Load) -> Page | None:
        """The answer for a node that loads; None: this node has not loaded itself.

        Raises:
            ValueError: there is no such cursor.
        """
        if not self.is_serving:
            return None
        return Page(*self.records.distro_load(question.after, DISTRO_BATCH_BYTES_MAX))

    def forward(self, to: str, request: bytes, remote_ip: str, now: float) -> Forward | None:
        """The question for the member that handles an address; None: it has not said yet what its clock shows."""
        member = self.members.find(to)
        if member is None or member.status is None:
            return None
        return Forward(request, remote_ip, member.boot, member.clock_ms(now))

    def is_late(self, question: Forward, now: float) -> bool:
        """Whoever asked may have given it up: it must not be carried out.

        No clock of another node is believed. The sender says what this node's own clock showed at least when it asked,
        by this node's last heartbeat and the time since it came, as receivers answer to reports in RTCP (RFC 3550,
        section 6.4.1). So a request is never younger than it seems, however long it was on its way.
        """
        return question.boot != self.boot or _milliseconds(now) - question.asked_ms > FORWARD_AGE_MS_MAX

    def _notice_standstill(self, now: float) -> None:
        # There is a heartbeat every second, so a longer gap is this node's own: it was stopped, or had no processor.
        # What the others said meanwhile is not read yet, and nobody may be taken for dead because of that.
        if self._stepped_at is not None and self.members.is_listed:
            gap = now - self._stepped_at
            if gap > self.timing.stall_seconds:
                self.members.shift(gap)
                self.graces.shift(gap)
                self.repairs.shift(gap)
        self._stepped_at = now

    def _take(self, event: Event, now: float) -> None:
        if self._is_stopping:
            return
        match event:
            case OwnChanges():
                self._flush(now)
                return
            case Received(sender_id, message):
                self._received(sender_id, message, now)
            case Tick():
                self._tick(now)
            case MembersListed(node_ids, voters):
                self.members.set(node_ids, voters, now)
                self._beat_at = min(self._beat_at, now)
                self._tick(now)
            case Linked(node_id):
                self._linked(node_id)
            case Unlinked(node_id):
                self.members.link(node_id, False)
                self.loading.unlinked(node_id)
                self.repairs.forget(node_id)
            case PageCame(number, page):
                try:
                    self._add(self.loading.page_came(number, page, self._wall_clock()))
                except ValueError:
                    self.loading.page_refused(number, now)
                    raise
            case PageRefused(number):
                self.loading.page_refused(number, now)
            case Stopping():
                self._stop()
                return
        self._look(now)

    # --- time --------------------------------------------------------------------------------------------------------

    def _tick(self, now: float) -> None:
        if self._has_gathered and now >= self._gathers_until:
            self._flush(now)
        if now >= self._beat_at:
            self._beat_at = now + self.timing.heartbeat_seconds
            self._beat(self.members.others)
            self._looks_after_holders = True
        if now >= self._verify_at:
            self._verify_at = now + self.timing.verify_seconds
            self._forget_removals()
            self._verify(self.members.others)

    def _look(self, now: float) -> None:
        """After everything: who lives, who is responsible for what, and whether clients may be answered."""
        changed = self.members.watch(now)
        self._effects += [MemberChanged(member.node_id, member.liveness) for member in changed]
        if (responsible := self.members.responsible()) != self._responsible:
            self._responsible = responsible
            self.records.distro_set_members(responsible, own_id=self.node_id)
        self._add(self.loading.look(now))
        if self._looks_after_holders and self.is_serving:
            self._looks_after_holders = False
            self._add(self.graces.look(now, self._wall_clock()))
        self._flush(now)  # what was adopted, or had to be said once more

    def _add(self, effects: list[Effect]) -> None:
        self._effects += effects
        if any(isinstance(effect, Serve) for effect in effects):
            self._beat(self.members.others)

    def _stop(self) -> None:
        self._flush(math.inf)
        self._is_stopping = True
        self.records.distro_leave()
        self._send_all(Leaving(self.boot))

    # --- what this node says -----------------------------------------------------------------------------------------

    def _flush(self, now: float) -> None:
        """Own changes go out at once, those of the next moment together."""
        if now < self._gathers_until:
            self._has_gathered = True
            return
        self._has_gathered = False
        while (batch := self.records.distro_take_changes(DISTRO_BATCH_BYTES_MAX)) is not None:
            self._gathers_until = now + self.timing.gather_seconds
            self._send_all(Changes(batch))

    def _flush_before_answer(self) -> None:
        # Who compares must have got all that counts.
        while (batch := self.records.distro_take_changes(DISTRO_BATCH_BYTES_MAX)) is not None:
            self._send_all(Changes(batch))

    def _beat(self, members: Sequence[Member]) -> None:
        status: Status = "serving" if self.is_serving else "starting"
        revision = self.records.distro_holders()[0].revision
        heartbeat = Heartbeat(self.boot, status, revision, _milliseconds(self._now))
        self._effects += [Send(member.node_id, heartbeat) for member in members]

    def _verify(self, members: Sequence[Member]) -> None:
        self._flush_before_answer()
        own = self.records.distro_holders()[0]
        verify = Verify(self.boot, own.revision, own.records, own.instances, own.digest)
        self._effects += [Send(member.node_id, verify) for member in members if member.is_serving]

    def _send_all(self, message: DistroMessage) -> None:
        self._effects += [Send(member.node_id, message) for member in self.members.others]

    def _forget_removals(self) -> None:
        """A removal is kept until all that live have it; whoever was away hears of it when it compares."""
        known = [each.verified_revision for each in self.members.others if each.liveness is not Liveness.DOWN]
        up_to = min(known, default=self.records.distro_holders()[0].revision)
        self.records.distro_forget_removals(self._wall_clock(), up_to)

    def _linked(self, node_id: str) -> None:
        member = self.members.link(node_id, True)
        if member is not None:
            self._greet(member)

    def _greet(self, member: Member) -> None:
        self._beat([member])
        self._verify([member])

    # --- what others say ---------------------------------------------------------------------------------------------

    def _received(self, sender_id: str, message: DistroMessage, now: float) -> None:
        member = self.members.find(sender_id)
        if member is None:
            return  # not a member, or not yet here: it will say all of it again
        if isinstance(message, Heartbeat | Leaving | Verify) and not self._is_of_this_boot(member, message):
            return
        member.heard_at = now
        match message:
            case Heartbeat():
                self._heartbeat_came(member, message, now)
            case Leaving():
                member.left_at = now
                member.status = None
            case Changes(batch, is_answer):
                self._changes_came(sender_id, batch, is_answer)
            case Verify():
                if self.is_serving:
                    self._add(self.repairs.compare(sender_id, message, now))
            case Verified(boot, revision):
                if boot == self.boot:
                    member.verified_revision = max(member.verified_revision, revision)
            case Digests():
                self._add(self.repairs.digests_came(sender_id, message, now))
            case Versions():
                self._add(self.repairs.versions_came(sender_id, message, now))
            case RecordsSent():
                self._add(self.repairs.records_came(sender_id, message, now, self._wall_clock()))
            case DigestsWanted() | VersionsWanted() | RecordsWanted():
                if message.boot == self.boot:
                    self._flush_before_answer()
                    self._effects.append(Send(sender_id, self._answer(message)))

    def _is_of_this_boot(self, member: Member, message: Heartbeat | Leaving | Verify) -> bool:
        """What an earlier boot said is over, and so is what one said before it left."""
        if message.boot < member.boot or (message.boot == member.boot and member.left_at is not None):
            return False
        if message.boot > member.boot:
            member.boot = message.boot
            member.left_at = None
            member.status = None
            member.verified_revision = member.revision = 0
            self.repairs.forget(member.node_id)
        return True

    def _heartbeat_came(self, member: Member, heartbeat: Heartbeat, now: float) -> None:
        is_news = member.status != heartbeat.status
        member.status = heartbeat.status
        member.revision = heartbeat.revision
        member.clock_came(heartbeat.clock_ms, now)
        if is_news:
            # It has just come, or has just loaded: it need not wait for the next interval to know this node.
            self._greet(member)

    def _changes_came(self, sender_id: str, batch: bytes, is_answer: bool) -> None:
        applied = self.records.distro_apply(batch, self._wall_clock())
        if applied.applied:
            self._effects.append(ListsChanged())
        if applied.ours and not is_answer:
            self._effects.append(Send(sender_id, Changes(applied.ours, is_answer=True)))

    def _answer(self, message: DigestsWanted | VersionsWanted | RecordsWanted) -> Digests | Versions | RecordsSent:
        records, node_id, boot = self.records, self.node_id, self.boot
        match message:
            case DigestsWanted(_, parents):
                digests = b"".join(records.distro_digests(node_id, boot, parent) for parent in parents)
                return Digests(boot, parents, digests)
            case VersionsWanted(_, leaves):
                return Versions(boot, leaves, records.distro_versions(node_id, boot, list(leaves)))
            case RecordsWanted(_, leaves, keys):
                return RecordsSent(boot, leaves, records.distro_records(node_id, boot, keys) if keys else b"")


def _milliseconds(now: float) -> int:
    return math.floor(now * 1000)
