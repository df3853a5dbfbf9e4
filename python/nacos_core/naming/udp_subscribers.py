"""1.x clients that are told of changes by UDP (protocol/semantics.md section 3, "UDP push").

A subscription ends three minutes after the last list call. A datagram that is not acknowledged within ten seconds is
sent once more and then given up: the client polls anyway.
"""

import heapq
from dataclasses import dataclass
from typing import TypeAlias

from nacos_core import limits

ServiceKey: TypeAlias = tuple[str, str, str]
Address: TypeAlias = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Where to send, and which clusters it wants."""

    address: Address
    clusters: str
    agent: str = ""
    """Kind and version, as the client has them."""


@dataclass(slots=True, eq=False)
class _Sent:
    address: Address
    stamp: int
    datagram: bytes
    ends_at: float
    is_resend: bool


class UdpSubscribers:
    """Who subscribed by UDP, and which datagrams wait for their acknowledgement."""

    def __init__(self) -> None:
        self._by_service: dict[ServiceKey, dict[Subscriber, float]] = {}
        self._awaited: dict[tuple[Address, int], _Sent] = {}
        self._deadlines: list[tuple[float, int, _Sent]] = []
        self._sequence = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def subscribe(self, key: ServiceKey, address: Address, clusters: str, now: float, agent: str = "") -> None:
        """A list call with a UDP port; beyond the limit it is ignored, which leaves the client to polling."""
        subscribers = self._by_service.setdefault(key, {})
        subscriber = Subscriber(address, clusters, agent)
        if subscriber not in subscribers:
            if self._count >= limits.UDP_SUBSCRIPTIONS_COUNT_MAX:
                return
            self._count += 1
        subscribers[subscriber] = now + limits.UDP_SUBSCRIPTION_SECONDS

    def of(self, key: ServiceKey, now: float) -> list[Subscriber]:
        """Who is to be told of a change of this service."""
        return [subscriber for subscriber, ends_at in self._by_service.get(key, {}).items() if ends_at > now]

    def expire(self, now: float) -> None:
        """Forgets subscriptions that were not renewed."""
        for key in list(self._by_service):
            subscribers = self._by_service[key]
            ended = [subscriber for subscriber, ends_at in subscribers.items() if ends_at <= now]
            for subscriber in ended:
                del subscribers[subscriber]
            self._count -= len(ended)
            if not subscribers:
                del self._by_service[key]

    def sent(self, address: Address, stamp: int, datagram: bytes, now: float) -> None:
        """A datagram has gone out; ``stamp`` is what its acknowledgement repeats."""
        self._await(_Sent(address, stamp, datagram, now + limits.UDP_ACK_TIMEOUT_SECONDS, False))

    def acknowledged(self, address: Address, stamp: int) -> None:
        """The client has it."""
        sent = self._awaited.pop((address, stamp), None)
        if sent is not None:
            sent.ends_at = float("inf")

    def due(self, now: float) -> list[tuple[Address, bytes]]:
        """Datagrams to send once more, now."""
        again: list[tuple[Address, bytes]] = []
        while self._deadlines and self._deadlines[0][0] <= now:
            ends_at, _, sent = heapq.heappop(self._deadlines)
            if sent.ends_at != ends_at:
                continue
            del self._awaited[sent.address, sent.stamp]
            if not sent.is_resend:
                again.append((sent.address, sent.datagram))
                ends_at = now + limits.UDP_ACK_TIMEOUT_SECONDS
                self._await(_Sent(sent.address, sent.stamp, sent.datagram, ends_at, True))
        return again

    def next_deadline(self) -> float:
        """When ``due`` may have something to say; infinite if never."""
        while self._deadlines and self._deadlines[0][2].ends_at != self._deadlines[0][0]:
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else float("inf")

    def _await(self, sent: _Sent) -> None:
        before = self._awaited.get((sent.address, sent.stamp))
        if before is not None:
            before.ends_at = float("inf")
        self._awaited[sent.address, sent.stamp] = sent
        self._sequence += 1
        heapq.heappush(self._deadlines, (sent.ends_at, self._sequence, sent))
