"""Who holds which lock, as the log tells it.

Time is that of the commands' stamps: a lock is free from the moment that its time is over, so whether something has
expired never depends on the clock of whoever asks, nor on when the expired ones are dropped.
"""

import heapq
from collections.abc import Iterable, Iterator

import msgspec

from nacos_core import limits
from nacos_core.errors import NacosCoreError

NOT_ACQUIRED = 0
"""No token: indexes of the log begin at 1."""


class TooManyLocks(NacosCoreError, ValueError):
    """There are as many as may be held at once, and none of them has expired."""


class Lock(msgspec.Struct, frozen=True, array_like=True):
    """One lock that is held, or whose time is over and which nobody has dropped yet."""

    key: str
    token: int
    """The index of the entry that acquired it: whoever acquires it later has a higher one (a fencing token)."""
    expires_ms: int


class Locks:
    """All of them, by key."""

    def __init__(self) -> None:
        self._by_key: dict[str, Lock] = {}
        self._by_expiry: list[tuple[int, int, str]] = []
        """A heap of time, token and key; those that were released early stay in it for a while."""

    def __len__(self) -> int:
        return len(self._by_key)

    def __iter__(self) -> Iterator[Lock]:
        """In the order in which they were acquired."""
        return iter(self._by_key.values())

    def holder(self, key: str, now_ms: int) -> Lock | None:
        """Who holds a lock now; None: it is free."""
        lock = self._by_key.get(key)
        return lock if lock is not None and now_ms < lock.expires_ms else None

    def acquire(self, key: str, token: int, now_ms: int, held_ms: int) -> int:
        """The token, or ``NOT_ACQUIRED`` if it is held by anybody, whoever asks: it is not re-entrant.

        Raises:
            TooManyLocks: says how many there may be.
        """
        if self.holder(key, now_ms) is not None:
            return NOT_ACQUIRED
        self._by_key.pop(key, None)
        if len(self._by_key) >= limits.LOCKS_COUNT_MAX and not self.expire(now_ms, 1):
            raise TooManyLocks(f"{limits.LOCKS_COUNT_MAX} locks are held, and no more than that can be")
        self._hold(Lock(key, token, now_ms + held_ms))
        return token

    def release(self, key: str, now_ms: int) -> bool:
        """Frees a lock, whoever holds it. False if it was free."""
        was_held = self.holder(key, now_ms) is not None
        self._by_key.pop(key, None)
        return was_held

    def expire(self, now_ms: int, count_max: int) -> int:
        """Drops locks whose time is over, the earliest first, and no more than so many; how many there were."""
        count = 0
        while count < count_max and (next_ms := self.next_expiry_ms()) is not None and next_ms <= now_ms:
            _, _, key = heapq.heappop(self._by_expiry)
            del self._by_key[key]
            count += 1
        return count

    def next_expiry_ms(self) -> int | None:
        """When the first of them expires, or has expired; None: nothing is held."""
        while self._by_expiry and not self._is_current(self._by_expiry[0]):
            heapq.heappop(self._by_expiry)
        return self._by_expiry[0][0] if self._by_expiry else None

    def replace(self, locks: Iterable[Lock]) -> None:
        """Now there are these."""
        self._by_key, self._by_expiry = {}, []
        for lock in locks:
            self._hold(lock)

    def _hold(self, lock: Lock) -> None:
        self._by_key[lock.key] = lock
        heapq.heappush(self._by_expiry, (lock.expires_ms, lock.token, lock.key))
        if len(self._by_expiry) > 2 * len(self._by_key) + limits.LOCKS_RELEASED_COUNT:
            self._by_expiry = [each for each in self._by_expiry if self._is_current(each)]
            heapq.heapify(self._by_expiry)

    def _is_current(self, entry: tuple[int, int, str]) -> bool:
        lock = self._by_key.get(entry[2])
        return lock is not None and lock.token == entry[1]
