"""Pushes that wait for their acknowledgement, and those that are to be tried again."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key")


@dataclass(slots=True, eq=False)
class _Awaited(Generic[Key]):
    connection: int
    key: Key
    tries: int
    request_id: int | None
    """None: failed, and waits to be tried again."""
    ends_at: float


@dataclass(frozen=True, slots=True)
class Due(Generic[Key]):
    """What ``PushTracker.due`` found."""

    retries: list[tuple[int, Key]]
    given_up: list[int]
    """Connections that did not acknowledge after the last try."""


class PushTracker(Generic[Key]):
    """One push for each connection and key: a newer one takes the place of an older one.

    Args:
        ack_timeout_seconds: how long the client has to acknowledge.
        retry_seconds: how long to wait after the n-th try has failed.
        tries_max: after so many tries the connection is given up; None: never.
    """

    def __init__(
        self,
        *,
        ack_timeout_seconds: float,
        retry_seconds: Callable[[int], float],
        tries_max: int | None,
    ) -> None:
        self._ack_timeout_seconds = ack_timeout_seconds
        self._retry_seconds = retry_seconds
        self._tries_max = tries_max
        self._by_connection: dict[int, dict[Key, _Awaited[Key]]] = {}
        self._by_request: dict[tuple[int, int], _Awaited[Key]] = {}
        self._deadlines: list[tuple[float, int, _Awaited[Key]]] = []
        self._sequence = 0

    def sent(self, connection: int, request_id: int, key: Key, now: float, *, is_retry: bool = False) -> None:
        """A push has gone out."""
        awaited_by_key = self._by_connection.setdefault(connection, {})
        before = awaited_by_key.get(key)
        tries = before.tries + 1 if is_retry and before is not None else 1
        if before is not None:
            self._cancel(before)
        awaited = _Awaited(connection, key, tries, request_id, now + self._ack_timeout_seconds)
        awaited_by_key[key] = awaited
        self._by_request[connection, request_id] = awaited
        self._wait(awaited)

    def acknowledged(self, connection: int, request_id: int, succeeded: bool, now: float) -> Key | None:
        """The client answered: the key that it was pushed. None: it is none of these pushes."""
        awaited = self._by_request.pop((connection, request_id), None)
        if awaited is None:
            return None
        if succeeded:
            self._forget(awaited)
        else:
            self._fail(awaited, now)
        return awaited.key

    def due(self, now: float) -> Due[Key]:
        """Pushes to try again (report each with ``sent`` or ``dropped``), and connections to give up."""
        retries: list[tuple[int, Key]] = []
        given_up: list[int] = []
        while self._deadlines and self._deadlines[0][0] <= now:
            ends_at, _, awaited = heapq.heappop(self._deadlines)
            if awaited.ends_at != ends_at:
                continue
            if awaited.request_id is not None:
                self._fail(awaited, now)
            elif self._is_last_try(awaited):
                given_up.append(awaited.connection)
                self.gone(awaited.connection)
            else:
                awaited.ends_at = float("inf")
                retries.append((awaited.connection, awaited.key))
        return Due(retries, given_up)

    def dropped(self, connection: int, key: Key) -> None:
        """It is not to be pushed any more: unsubscribed, or the connection has gone."""
        awaited = self._by_connection.get(connection, {}).get(key)
        if awaited is not None:
            self._forget(awaited)

    def gone(self, connection: int) -> None:
        """The connection closed."""
        for awaited in self._by_connection.pop(connection, {}).values():
            self._cancel(awaited)

    def next_deadline(self) -> float:
        """When ``due`` may have something to say; infinite if never."""
        while self._deadlines and self._deadlines[0][2].ends_at != self._deadlines[0][0]:
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else float("inf")

    def _fail(self, awaited: "_Awaited[Key]", now: float) -> None:
        self._cancel(awaited)
        awaited.request_id = None
        awaited.ends_at = now if self._is_last_try(awaited) else now + self._retry_seconds(awaited.tries)
        self._wait(awaited)

    def _is_last_try(self, awaited: "_Awaited[Key]") -> bool:
        return self._tries_max is not None and awaited.tries >= self._tries_max

    def _wait(self, awaited: "_Awaited[Key]") -> None:
        self._sequence += 1
        heapq.heappush(self._deadlines, (awaited.ends_at, self._sequence, awaited))

    def _forget(self, awaited: "_Awaited[Key]") -> None:
        self._cancel(awaited)
        awaited_by_key = self._by_connection.get(awaited.connection)
        if awaited_by_key is not None and awaited_by_key.get(awaited.key) is awaited:
            del awaited_by_key[awaited.key]
            if not awaited_by_key:
                del self._by_connection[awaited.connection]

    def _cancel(self, awaited: "_Awaited[Key]") -> None:
        if awaited.request_id is not None:
            self._by_request.pop((awaited.connection, awaited.request_id), None)
        awaited.ends_at = float("inf")
