"""When a changed service is pushed: the first change at once, what follows within the merge time as one.

A new subscription is always pushed to its connection, once the merge time is over: the client got the list with its
answer just now, and if a push to all subscribers comes meanwhile, that one serves.
"""

import heapq
from typing import TypeAlias

ServiceKey: TypeAlias = tuple[str, str, str]
"""Namespace, group, service name."""


class PushSchedule:
    """The services that changed lately, and the subscriptions that are new."""

    def __init__(self, merge_seconds: float) -> None:
        self._merge_seconds = merge_seconds
        self._windows: dict[ServiceKey, _Window] = {}
        self._deadlines: list[tuple[float, ServiceKey]] = []

    def changed(self, key: ServiceKey, now: float) -> bool:
        """A service changed; true if it is to be pushed to all its subscribers right now."""
        window = self._windows.get(key)
        if window is not None and window.is_quiet:
            window.is_dirty = True
            return False
        self._open(key, now)
        return True

    def subscribed(self, connection: int, key: ServiceKey, now: float) -> None:
        """A connection has subscribed."""
        window = self._windows.get(key)
        if window is None:
            window = self._open(key, now)
            window.is_quiet = False
        window.newcomers[connection] = None

    def due(self, now: float) -> tuple[list[ServiceKey], list[tuple[int, ServiceKey]]]:
        """What is to be pushed now: services to all their subscribers, and services to one connection each."""
        to_all: list[ServiceKey] = []
        to_one: list[tuple[int, ServiceKey]] = []
        while self._deadlines and self._deadlines[0][0] <= now:
            ends_at, key = heapq.heappop(self._deadlines)
            window = self._windows.get(key)
            if window is None or window.ends_at != ends_at:
                continue  # a later window has taken its place
            del self._windows[key]
            if window.is_dirty:
                to_all.append(key)
                self._open(key, now)
            else:
                to_one.extend((connection, key) for connection in window.newcomers)
        return to_all, to_one

    def next_deadline(self) -> float:
        """When ``due`` may have something to say; infinite if never."""
        return self._deadlines[0][0] if self._deadlines else float("inf")

    def _open(self, key: ServiceKey, now: float) -> "_Window":
        window = self._windows[key] = _Window(now + self._merge_seconds)
        heapq.heappush(self._deadlines, (window.ends_at, key))
        return window


class _Window:
    """The merge time of one service."""

    __slots__ = ("ends_at", "is_dirty", "is_quiet", "newcomers")

    def __init__(self, ends_at: float) -> None:
        self.ends_at = ends_at
        self.is_quiet = True
        """It began with a push to all; one that began with a subscription does not hold back the first change."""
        self.is_dirty = False
        self.newcomers: dict[int, None] = {}
