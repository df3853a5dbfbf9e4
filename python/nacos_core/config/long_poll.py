"""Listener requests of 1.x clients that hang until one of their keys changes (protocol/semantics.md section 4.2)."""

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from nacos_core import limits
from nacos_core.config.rules import namespace_of

ListenKey: TypeAlias = tuple[str, str, str | None]
"""Data id, group, and the tenant as the client sent it: the answer must repeat that form."""

HeldKey: TypeAlias = tuple[str, str, str | None, str]
"""The same with the md5 of what the client holds."""

IsNews: TypeAlias = Callable[["Hanging", str], bool]
"""Whether there is something else for the client of a request than what it holds, of this md5."""

_StoreKey: TypeAlias = tuple[str, str, str]


@dataclass(slots=True, eq=False)
class Hanging:
    """One request that waits for its answer."""

    connection: int
    call: int
    keys: list[HeldKey]
    ends_at: float
    client_ip: str = ""
    tag: str | None = None
    """With the address, what decides which version of a configuration is for the client."""
    answered: bool = False


class LongPolls:
    """All hanging requests of a node. An answered one is forgotten everywhere at once."""

    def __init__(self) -> None:
        self._by_key: dict[_StoreKey, dict[Hanging, HeldKey]] = {}
        self._by_connection: dict[int, dict[Hanging, None]] = {}
        self._deadlines: list[tuple[float, int, Hanging]] = []
        self._count = 0
        self._sequence = 0

    def __len__(self) -> int:
        return self._count

    def hang(
        self,
        connection: int,
        call: int,
        keys: Iterable[HeldKey],
        hang_ms: int,
        now: float,
        *,
        client_ip: str = "",
        tag: str | None = None,
    ) -> bool:
        """Keeps a request until something changes. False: too many hang already, answer it now."""
        if self._count >= limits.LONG_POLLS_COUNT_MAX:
            return False
        hang_seconds = min(hang_ms, limits.LONG_POLL_HANG_MS_MAX) / 1000
        hanging = Hanging(connection, call, list(keys), now + hang_seconds, client_ip, tag)
        for key in hanging.keys:
            self._by_key.setdefault(_store_key(key), {})[hanging] = key
        self._by_connection.setdefault(connection, {})[hanging] = None
        self._sequence += 1
        heapq.heappush(self._deadlines, (hanging.ends_at, self._sequence, hanging))
        self._count += 1
        return True

    def changed(
        self, namespace: str, group: str, data_id: str, is_news: IsNews | None = None
    ) -> list[tuple[Hanging, ListenKey]]:
        """Requests to be answered with this one key, and the key as each of them wrote it; all without ``is_news``."""
        waiting = self._by_key.get((namespace, group, data_id))
        if not waiting:
            return []
        answered = [
            (hanging, key[:3]) for hanging, key in waiting.items() if is_news is None or is_news(hanging, key[3])
        ]
        for hanging, _ in answered:
            self._forget(hanging)
        return answered

    def ended(self, now: float) -> list[Hanging]:
        """Requests whose time is up: nothing changed."""
        answered = []
        while self._deadlines and self._deadlines[0][0] <= now:
            hanging = heapq.heappop(self._deadlines)[2]
            if not hanging.answered:
                self._forget(hanging)
                answered.append(hanging)
        return answered

    def gone(self, connection: int) -> None:
        """The connection closed: nobody waits for the answers any more."""
        for hanging in list(self._by_connection.get(connection, ())):
            self._forget(hanging)

    def next_deadline(self) -> float:
        """When ``ended`` has something to say; infinite if never."""
        while self._deadlines and self._deadlines[0][2].answered:
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else float("inf")

    def told(self, namespace: str, group: str, data_id: str) -> list[tuple[str, str]]:
        """Who waits for a key: ip, and the md5 of what it holds."""
        waiting = self._by_key.get((namespace, group, data_id), {})
        return [(hanging.client_ip, key[3]) for hanging, key in waiting.items()]

    def listened(self, ip: str) -> list[tuple[str, str, str, str]]:
        """What the clients at an ip wait for: namespace, group, data id, and the md5 of what they hold."""
        of_all = [hanging for of_connection in self._by_connection.values() for hanging in of_connection]
        return [(*_store_key(key), key[3]) for hanging in of_all if hanging.client_ip == ip for key in hanging.keys]

    def _forget(self, hanging: Hanging) -> None:
        hanging.answered = True
        self._count -= 1
        for key in hanging.keys:
            store_key = _store_key(key)
            waiting = self._by_key.get(store_key)
            if waiting is not None:
                waiting.pop(hanging, None)
                if not waiting:
                    del self._by_key[store_key]
        of_connection = self._by_connection[hanging.connection]
        del of_connection[hanging]
        if not of_connection:
            del self._by_connection[hanging.connection]
        hanging.keys = []


def _store_key(key: HeldKey) -> _StoreKey:
    data_id, group, tenant, _ = key
    return namespace_of(tenant), group, data_id
