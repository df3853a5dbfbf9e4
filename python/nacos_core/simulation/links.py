"""The network: every message crosses as bytes, late, lost, twice, out of order, or not at all."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeVar

import msgspec

from nacos_core.raft.messages import Forward, ForwardRefused, ReplicaMessage
from nacos_core.simulation.timeline import Timeline

Deliver = Callable[[str, str, bytes], None]
"""Sender, receiver, and the message."""

decode: Final = msgspec.msgpack.Decoder(ReplicaMessage).decode
_encode: Final = msgspec.msgpack.Encoder().encode
Message = TypeVar("Message")


@dataclass(frozen=True, slots=True)
class LinkProfile:
    """What links do when no fault is at work: delays from ``delay_min_seconds`` on, some much later."""

    delay_min_seconds: float = 0.0005
    delay_max_seconds: float = 0.003
    loss: float = 0.0
    """Share of messages that get lost."""
    duplication: float = 0.0
    is_ordered: bool = True
    """As on one connection: no message overtakes another."""


def is_single(message: object) -> bool:
    """A connection brings nothing twice. Raft itself would stand it, but a refusal is one of the only copy."""
    return isinstance(message, Forward | ForwardRefused)


class Links(Generic[Message]):
    """One link from each node to each other.

    Args:
        is_single: which messages never arrive twice.
    """

    def __init__(
        self,
        timeline: Timeline,
        profile: LinkProfile,
        deliver: Deliver,
        is_single: Callable[[Message], bool] = is_single,
    ) -> None:
        self.profile = profile
        self._is_single = is_single
        self.sent_count = 0
        self._timeline = timeline
        self._deliver = deliver
        self._random = timeline.chance("links").random
        self._cut: set[tuple[str, str]] = set()
        self._slow: dict[tuple[str, str], float] = {}
        self._lossy: dict[tuple[str, str], float] = {}
        self._last_arrival: dict[tuple[str, str], float] = {}
        self._changed_at: dict[tuple[str, str], float] = {}
        self._kind_since = 0.0

    def good_since(self, sender_id: str, receiver_id: str) -> float:
        """Since when nothing has been wrong with that direction, nor held up; infinite: something is."""
        link = (sender_id, receiver_id)
        is_bad = link in self._cut or link in self._slow or link in self._lossy or self.profile.loss > 0
        return float("inf") if is_bad else max(self._kind_since, self._changed_at.get(link, 0.0))

    def is_cut(self, sender_id: str, receiver_id: str) -> bool:
        """Nothing arrives in that direction."""
        return (sender_id, receiver_id) in self._cut

    # --- faults ----------------------------------------------------------------------------------------------------

    def cut(self, sender_id: str, receiver_id: str) -> None:
        """Nothing arrives any more in that direction, nor what is on its way."""
        self._cut.add((sender_id, receiver_id))
        self._changed_at[(sender_id, receiver_id)] = self._timeline.now

    def slow(self, sender_id: str, receiver_id: str, extra_seconds: float) -> None:
        """Everything takes up to so much longer."""
        self._slow[(sender_id, receiver_id)] = extra_seconds
        self._changed_at[(sender_id, receiver_id)] = self._timeline.now

    def lose(self, sender_id: str, receiver_id: str, share: float) -> None:
        """That share gets lost, more than anyway."""
        self._lossy[(sender_id, receiver_id)] = share
        self._changed_at[(sender_id, receiver_id)] = self._timeline.now

    def mend(self, sender_id: str, receiver_id: str) -> None:
        """The link is as new."""
        link = (sender_id, receiver_id)
        self._changed_at[link] = max(self._timeline.now, self._last_arrival.get(link, 0.0))
        self._cut.discard(link)
        self._slow.pop(link, None)
        self._lossy.pop(link, None)

    def mend_all(self) -> None:
        """All links are as new."""
        for link in {*self._cut, *self._slow, *self._lossy}:
            self._changed_at[link] = max(self._timeline.now, self._last_arrival.get(link, 0.0))
        self._cut.clear()
        self._slow.clear()
        self._lossy.clear()

    def be_kind(self) -> None:
        """From now on nothing is lost or doubled."""
        self.mend_all()
        if self.profile.loss:
            self._kind_since = self._timeline.now
        self.profile = replace(self.profile, loss=0.0, duplication=0.0)

    # --- messages --------------------------------------------------------------------------------------------------

    def send(self, sender_id: str, receiver_id: str, message: Message) -> None:
        """It arrives later, or never, or more than once."""
        self.sent_count += 1
        link = (sender_id, receiver_id)
        if self._timeline.is_traced:
            self._timeline.note(sender_id, f"-> {receiver_id} {describe(message)}")
        if link in self._cut:
            return
        profile, chance = self.profile, self._random
        loss = self._lossy.get(link, profile.loss) if self._lossy else profile.loss
        if loss and chance() < loss:
            return
        data = _encode(message)
        self._send_once(link, data)
        if profile.duplication and not self._is_single(message) and chance() < profile.duplication:
            self._send_once(link, data)

    def _send_once(self, link: tuple[str, str], data: bytes) -> None:
        profile, timeline = self.profile, self._timeline
        delay = profile.delay_min_seconds + (profile.delay_max_seconds - profile.delay_min_seconds) * self._random()
        if self._slow:
            delay += self._slow.get(link, 0.0) * self._random()
        arrival = timeline.now + delay
        latest = self._last_arrival.get(link, 0.0)
        if profile.is_ordered:
            arrival = max(arrival, latest)
        self._last_arrival[link] = max(arrival, latest)
        timeline.at(arrival, self._arrive, link, data)

    def _arrive(self, link: tuple[str, str], data: bytes) -> None:
        if link not in self._cut:
            self._deliver(link[0], link[1], data)


def describe(message: Any) -> str:
    """Kind and fields, with the bytes of entries by their count."""
    fields = (getattr(message, name) for name in message.__struct_fields__)
    return f"{type(message).__name__} {' '.join(_short(field) for field in fields)}"


def _short(field: object) -> str:
    if field is None:
        return "-"
    if isinstance(field, bytes | msgspec.Raw):
        return f"{len(field)}B"
    if isinstance(field, msgspec.Struct):
        return f"({describe(field)})"
    return ("no", "yes")[field] if isinstance(field, bool) else str(field)
