"""What a node shows of all this: who is there, who holds what, and why something is still listed."""

from collections.abc import Mapping
from math import isinf

import msgspec

from nacos_core.distro.graces import Absence
from nacos_core.distro.machine import Machine
from nacos_core.distro.members import Member
from nacos_core.distro.records import Holder, Publisher


class MemberView(msgspec.Struct, frozen=True, rename="camel"):
    """Another node, as this one sees it."""

    node_id: str
    state: str
    """UP, SUSPICIOUS or DOWN."""
    boot: int
    status: str | None
    """starting or serving; None: it has not said, or has left."""
    is_linked: bool
    heard_ms_ago: int | None
    """None: not yet."""
    verified_revision: int
    """Up to there it has confirmed what this node holds."""
    sent_bytes: int
    """Frames of these rules that it was sent since this node started."""


class HolderView(msgspec.Struct, frozen=True, rename="camel"):
    """One boot of a node, and what is here of its records."""

    node_id: str
    boot: int
    is_own: bool
    records: int
    instances: int
    digest: str
    revision: int
    lag: int
    """Revisions that the holder has made and that are not here yet."""
    is_verified: bool | None
    """The last comparison found no difference; None: there was none."""
    verified_ms_ago: int | None
    repairs: int
    repaired_records: int
    gone: str | None
    """Why nobody answers for it any more; None: somebody does."""
    gone_ms: int | None
    drops_in_ms: int | None
    """When its connections are dropped; None: not as long as all stays as it is."""
    is_stale: bool
    """It is gone, and its records stay because no majority is seen."""


class Consistency(msgspec.Struct, frozen=True, rename="camel"):
    """One node's part."""

    node_id: str
    boot: int
    is_serving: bool
    reason: str
    """Why it serves, or does not yet."""
    sees_majority: bool
    responsible: list[str]
    """Among whom addresses are shared."""
    members: list[MemberView]
    holders: list[HolderView]


class PublisherView(msgspec.Struct, frozen=True, rename="camel"):
    """Somebody who offers a service."""

    node_id: str
    boot: int
    kind: str
    """connection or address."""
    publisher: str
    """The connection's number, or ip:port."""
    epoch: int
    revision: int
    published_ms: int | None
    last_beat_ms: int | None
    """None: it has none, or another node hears them."""
    instances: int
    hidden: int
    """How many of these are not listed because somebody else has published them since."""
    is_stale: bool
    why: str
    """Why it is still here."""


def consistency(machine: Machine, now: float, sent_bytes: Mapping[str, int]) -> Consistency:
    """As of now; seconds. ``sent_bytes``: by member."""
    return Consistency(
        node_id=machine.node_id,
        boot=machine.boot,
        is_serving=machine.is_serving,
        reason=machine.loading.reason,
        sees_majority=machine.members.majority_since is not None,
        responsible=machine.members.responsible() or [machine.node_id],
        members=[_member(member, now, sent_bytes.get(member.node_id, 0)) for member in machine.members.others],
        holders=[_holder(machine, holder, now) for holder in machine.records.distro_holders()],
    )


def publisher(machine: Machine, found: Publisher, now: float) -> PublisherView:
    """One publisher of a service, and why it is there; seconds."""
    absence = machine.graces.absence(found.node_id, found.boot)
    return PublisherView(
        node_id=found.node_id,
        boot=found.boot,
        kind=found.kind,
        publisher=found.publisher,
        epoch=found.epoch,
        revision=found.revision,
        published_ms=found.published_ms,
        last_beat_ms=found.last_beat_ms,
        instances=found.instances,
        hidden=found.hidden,
        is_stale=absence is not None and isinf(machine.graces.ends_at(absence)),
        why=_why(machine, found, absence, now),
    )


def _why(machine: Machine, found: Publisher, absence: Absence | None, now: float) -> str:
    is_connection = found.kind == "connection"
    if (found.node_id, found.boot) == (machine.node_id, machine.boot):
        return "its connection to this node is open" if is_connection else "this node hears its beats"
    if absence is None:
        liveness = machine.members.find(found.node_id)
        state = liveness.liveness.value if liveness is not None else "unknown"
        return f"node {found.node_id} holds it and is {state}"
    gone = f"node {found.node_id} is gone ({absence.reason.value}) since {_ms(now - absence.since)} ms"
    ends_at = machine.graces.ends_at(absence)
    if isinf(ends_at):
        return f"{gone}, and nothing is dropped as long as this node does not see a majority of the voters"
    if is_connection:
        return f"{gone}; it is dropped in {max(0, _ms(ends_at - now))} ms unless its client is heard of"
    return f"{gone}; the node that is responsible now adopts it and waits for its beats"


def _member(member: Member, now: float, sent_bytes: int) -> MemberView:
    return MemberView(
        node_id=member.node_id,
        state=member.liveness.value,
        boot=member.boot,
        status=member.status,
        is_linked=member.is_linked,
        heard_ms_ago=_ms(member.silent_seconds(now)) if member.boot else None,
        verified_revision=member.verified_revision,
        sent_bytes=sent_bytes,
    )


def _holder(machine: Machine, holder: Holder, now: float) -> HolderView:
    is_own = (holder.node_id, holder.boot) == (machine.node_id, machine.boot)
    member = machine.members.find(holder.node_id)
    announced = member.revision if member is not None and member.boot == holder.boot else 0
    checked = machine.repairs.checked(holder.node_id)
    checked_at = checked.at if checked.boot == holder.boot else None
    absence = None if is_own else machine.graces.absence(holder.node_id, holder.boot)
    ends_at = None if absence is None else machine.graces.ends_at(absence)
    return HolderView(
        node_id=holder.node_id,
        boot=holder.boot,
        is_own=is_own,
        records=holder.records,
        instances=holder.instances,
        digest=holder.digest.hex(),
        revision=holder.revision,
        lag=max(0, announced - holder.revision),
        is_verified=None if checked_at is None else checked.is_equal,
        verified_ms_ago=None if checked_at is None else _ms(now - checked_at),
        repairs=checked.repairs,
        repaired_records=checked.repaired_records,
        gone=None if absence is None else absence.reason.value,
        gone_ms=None if absence is None else _ms(now - absence.since),
        drops_in_ms=None if ends_at is None or isinf(ends_at) else max(0, _ms(ends_at - now)),
        is_stale=ends_at is not None and isinf(ends_at),
    )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
