"""Tells the watchers of patterns of one module what there is, and what comes and goes."""

from typing import TYPE_CHECKING

import msgspec

from nacos_core.push.fuzzy import Fields, Key, Sync, Words

if TYPE_CHECKING:
    from nacos_core._core import FuzzyWatched, Hub
    from nacos_core.push.tracker import PushTracker

_to_json = msgspec.json.Encoder().encode


class FuzzyPushes:
    """Lists on their way, and news, each sent again until it is acknowledged.

    Args:
        lists: keeps track of lists, by pattern.
        news: keeps track of what came or went, by key.
    """

    def __init__(self, hub: "Hub", words: Words, lists: "PushTracker[str]", news: "PushTracker[Key]") -> None:
        self._hub = hub
        self._words = words
        self._lists = lists
        self._news = news
        self._syncs: dict[tuple[int, str], Sync] = {}

    def watched(self, event: "FuzzyWatched", now: float) -> None:
        """A list is to be sent, in place of one that may be on its way."""
        sync = Sync(self._words, event.pattern, event.keys, is_initial=event.is_initial)
        self._syncs[event.connection, event.pattern] = sync
        self._send_list(event.connection, event.pattern, now, is_retry=False)

    def changed(self, key: Key, now: float) -> None:
        """Something came or went, or is another than before."""
        for connection in self._hub.fuzzy_watchers(self._words.module, *key):
            self._send_news(connection, key, now, is_retry=False)

    def acknowledged(self, connection: int, request_id: int, succeeded: bool, now: float) -> bool:
        """A client answered a push. False: it is none of these."""
        pattern = self._lists.acknowledged(connection, request_id, succeeded, now)
        if pattern is None:
            return self._news.acknowledged(connection, request_id, succeeded, now) is not None
        if succeeded:
            self._syncs[connection, pattern].acknowledged()
            self._send_list(connection, pattern, now, is_retry=False)
        return True

    def gone(self, connection: int) -> None:
        """Nothing is sent to this connection any more."""
        self._lists.gone(connection)
        self._news.gone(connection)
        for at in [at for at in self._syncs if at[0] == connection]:
            del self._syncs[at]

    def send_due(self, now: float) -> None:
        """Sends again what was not acknowledged in time, and closes connections that never acknowledge."""
        lists, news = self._lists.due(now), self._news.due(now)
        for connection, pattern in lists.retries:
            self._send_list(connection, pattern, now, is_retry=True)
        for connection, key in news.retries:
            self._send_news(connection, key, now, is_retry=True)
        for connection in (*lists.given_up, *news.given_up):
            self._hub.close_connection(connection)

    def next_deadline(self) -> float:
        """When ``send_due`` may have something to do; infinite if never."""
        return min(self._lists.next_deadline(), self._news.next_deadline())

    def _send_list(self, connection: int, pattern: str, now: float, *, is_retry: bool) -> None:
        sync = self._syncs[connection, pattern]
        request_id: int | None = None
        if not sync.is_done and self._hub.is_fuzzy_watching(self._words.module, connection, pattern):
            request_id = self._push(connection, self._words.sync_request, sync.message(self._is_present))
        if request_id is None:
            del self._syncs[connection, pattern]
            self._lists.dropped(connection, pattern)
        else:
            self._lists.sent(connection, request_id, pattern, now, is_retry=is_retry)

    def _send_news(self, connection: int, key: Key, now: float, *, is_retry: bool) -> None:
        request_id: int | None = None
        if not is_retry or connection in self._hub.fuzzy_watchers(self._words.module, *key):
            fields = self._words.change(key, self._is_present(key))
            request_id = self._push(connection, self._words.change_request, fields)
        if request_id is None:
            self._news.dropped(connection, key)
        else:
            self._news.sent(connection, request_id, key, now, is_retry=is_retry)

    def _is_present(self, key: Key) -> bool:
        return self._hub.is_present(self._words.module, *key)

    def _push(self, connection: int, request: str, fields: Fields) -> int | None:
        return self._hub.push(connection, request, self._words.module, _to_json(fields))
