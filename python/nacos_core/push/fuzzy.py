"""What watchers of patterns are told, and in which words (protocol/grpc.md sections 4.1 and 5.1).

A watcher gets what there is in batches, each once the one before is acknowledged, then, if it waited for the first
list, that this was all. After that it is told of each thing that comes or goes. Whether something is there is looked
up when it is told, so that the last word is always true.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

Key: TypeAlias = tuple[str, str, str]
"""Namespace, group, name."""

Fields: TypeAlias = dict[str, object]

INITIAL: Final = "FUZZY_WATCH_INIT_NOTIFY"
DIFFERENCE: Final = "FUZZY_WATCH_DIFF_SYNC_NOTIFY"
FINISHED: Final = "FINISH_FUZZY_WATCH_INIT_NOTIFY"


@dataclass(frozen=True, slots=True)
class Words:
    """How one module says it."""

    module: str
    sync_request: str
    change_request: str
    batch_count: int
    describe: Callable[[Key, bool], Fields]
    """One thing in a batch; True: it is there."""
    change: Callable[[Key, bool], Fields]
    """One thing that came or went."""


class Sync:
    """One list on its way to one watcher."""

    def __init__(self, words: Words, pattern: str, keys: Sequence[Key], *, is_initial: bool) -> None:
        self._words = words
        self._pattern = pattern
        self._batches = [keys[at : at + words.batch_count] for at in range(0, len(keys), words.batch_count)]
        self._is_initial = is_initial
        self._sent_count = 0

    @property
    def is_done(self) -> bool:
        """All was acknowledged."""
        return self._sent_count == len(self._batches) + self._is_initial

    def acknowledged(self) -> None:
        """The next one may follow."""
        self._sent_count += 1

    def message(self, is_present: Callable[[Key], bool]) -> Fields:
        """What is to be sent now; the same again if it was not acknowledged."""
        count = len(self._batches)
        if self._sent_count == count:
            return {
                "groupKeyPattern": self._pattern,
                "syncType": FINISHED,
                "totalBatch": 0,
                "currentBatch": 0,
            }
        batch = self._batches[self._sent_count]
        return {
            "groupKeyPattern": self._pattern,
            "syncType": INITIAL if self._is_initial else DIFFERENCE,
            "contexts": [self._words.describe(key, is_present(key)) for key in batch],
            "totalBatch": count,
            "currentBatch": self._sent_count + 1,
        }


def _service(key: Key, is_present: bool) -> Fields:
    return {"serviceKey": "@@".join(key), "changedType": "ADD_SERVICE" if is_present else "DELETE_SERVICE"}


def _service_change(key: Key, is_present: bool) -> Fields:
    return {"syncType": "FUZZY_WATCH_RESOURCE_CHANGED"} | _service(key, is_present)


def _config(key: Key, is_present: bool) -> Fields:
    return {"groupKey": _group_key(key), "changedType": "ADD_CONFIG" if is_present else "DELETE_CONFIG"}


def _config_change(key: Key, is_present: bool) -> Fields:
    return {"groupKey": _group_key(key), "changeType": "CONFIG_CHANGED" if is_present else "DELETE_CONFIG"}


def _group_key(key: Key) -> str:
    namespace, group, data_id = (part.replace("%", "%25").replace("+", "%2B") for part in key)
    return f"{data_id}+{group}+{namespace}"


SERVICES: Final = Words(
    "naming", "NamingFuzzyWatchSyncRequest", "NamingFuzzyWatchChangeNotifyRequest", 10, _service, _service_change
)
CONFIGS: Final = Words(
    "config", "ConfigFuzzyWatchSyncRequest", "ConfigFuzzyWatchChangeNotifyRequest", 20, _config, _config_change
)
