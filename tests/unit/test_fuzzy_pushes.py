"""What the watchers of a pattern are told: lists in batches, then what comes and goes, again until acknowledged."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from nacos_core.drivers.fuzzy import FuzzyPushes
from nacos_core.push.fuzzy import CONFIGS, SERVICES, Words
from nacos_core.push.tracker import PushTracker

PATTERN = "public>>G>>*"
Key = tuple[str, str, str]


def key(name: str) -> Key:
    return ("public", "G", name)


class Hub:
    """As much of the hub as these pushes use; everything is there unless it is said to be gone."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, str, dict[str, Any]]] = []
        self.gone: set[Key] = set()
        self.watchers: dict[int, set[str]] = {7: {PATTERN}}
        self.without_stream: set[int] = set()
        self.closed: list[int] = []
        self._ids = 100

    def fuzzy_watchers(self, _module: str, *_key: str) -> list[int]:
        return sorted(connection for connection, patterns in self.watchers.items() if patterns)

    def is_fuzzy_watching(self, _module: str, connection: int, pattern: str) -> bool:
        return pattern in self.watchers.get(connection, ())

    def is_present(self, _module: str, namespace: str, group: str, name: str) -> bool:
        return (namespace, group, name) not in self.gone

    def push(self, connection: int, kind: str, module: str, fields: bytes) -> int | None:
        if connection in self.without_stream:
            return None
        self._ids += 1
        self.sent.append((connection, kind, msgspec.json.decode(fields)))
        assert kind.lower().startswith(module)
        return self._ids

    def close_connection(self, connection: int) -> None:
        self.closed.append(connection)


def tracker() -> PushTracker[Any]:
    return PushTracker(ack_timeout_seconds=5.0, retry_seconds=lambda tries: 1.0, tries_max=3)


class World:
    """One watcher, and the pushes to it at times that the test says."""

    def __init__(self, words: Words = SERVICES) -> None:
        self.hub = Hub()
        self.pushes = FuzzyPushes(self.hub, words, tracker(), tracker())  # type: ignore[arg-type]

    def watch(self, *names: str, is_initial: bool = True) -> None:
        event: Any = SimpleNamespace(
            connection=7, pattern=PATTERN, keys=[key(name) for name in names], is_initial=is_initial
        )
        self.pushes.watched(event, 0.0)

    def acknowledge(self, number: int, succeeded: bool = True, now: float = 0.0) -> bool:
        """``number``: which of all pushes, from 1."""
        return self.pushes.acknowledged(7, 100 + number, succeeded, now)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [body for _, _, body in self.hub.sent]


def names(body: dict[str, Any]) -> list[str]:
    return [each["serviceKey"].split("@@")[2] for each in body["contexts"]]


def test_a_list_is_sent_batch_by_batch_and_then_said_to_be_all() -> None:
    world = World()
    world.watch(*(f"s{number:02}" for number in range(12)))
    assert len(world.bodies) == 1, "one waits for the other"
    assert world.acknowledge(1)
    assert world.acknowledge(2)
    assert world.acknowledge(3)
    first, second, finished = world.bodies
    assert (first["syncType"], first["totalBatch"], first["currentBatch"]) == ("FUZZY_WATCH_INIT_NOTIFY", 2, 1)
    assert (second["syncType"], second["totalBatch"], second["currentBatch"]) == ("FUZZY_WATCH_INIT_NOTIFY", 2, 2)
    assert names(first) == [f"s{number:02}" for number in range(10)]
    assert names(second) == ["s10", "s11"]
    assert finished == {
        "groupKeyPattern": PATTERN,
        "syncType": "FINISH_FUZZY_WATCH_INIT_NOTIFY",
        "totalBatch": 0,
        "currentBatch": 0,
    }
    assert world.pushes.next_deadline() == float("inf")


def test_an_empty_first_list_is_said_to_be_all_at_once() -> None:
    world = World()
    world.watch()
    assert [body["syncType"] for body in world.bodies] == ["FINISH_FUZZY_WATCH_INIT_NOTIFY"]


def test_who_has_had_its_list_is_told_the_difference_alone() -> None:
    world = World()
    world.hub.gone = {key("b")}
    world.watch("a", "b", is_initial=False)
    (body,) = world.bodies
    assert body["syncType"] == "FUZZY_WATCH_DIFF_SYNC_NOTIFY"
    assert body["contexts"] == [
        {"serviceKey": "public@@G@@a", "changedType": "ADD_SERVICE"},
        {"serviceKey": "public@@G@@b", "changedType": "DELETE_SERVICE"},
    ]
    world.acknowledge(1)
    world.watch(is_initial=False)
    assert len(world.bodies) == 1, "no difference, nothing to say"


@pytest.mark.parametrize("is_answered", [True, False])
def test_a_batch_is_sent_again_until_it_is_acknowledged_and_tells_what_is_so_now(is_answered: bool) -> None:
    world = World()
    world.watch("a")
    if is_answered:
        assert world.acknowledge(1, succeeded=False)
        world.pushes.send_due(1.0)
    else:
        world.pushes.send_due(5.0)
        world.hub.gone = {key("a")}
        world.pushes.send_due(6.0)
        assert world.bodies[1]["contexts"][0]["changedType"] == "DELETE_SERVICE"
    assert [body["currentBatch"] for body in world.bodies] == [1, 1]
    assert world.acknowledge(2)
    assert world.bodies[2]["syncType"] == "FINISH_FUZZY_WATCH_INIT_NOTIFY"


def test_a_new_watch_takes_the_place_of_a_list_on_its_way() -> None:
    world = World()
    world.watch("a")
    world.watch("b")
    assert not world.acknowledge(1), "the old batch is of no interest any more"
    assert world.acknowledge(2)
    assert [body["syncType"] for body in world.bodies[2:]] == ["FINISH_FUZZY_WATCH_INIT_NOTIFY"]


def test_a_cancelled_watch_gets_no_more_of_its_list() -> None:
    world = World()
    world.watch(*(f"s{number:02}" for number in range(12)))
    world.hub.watchers[7].clear()
    assert world.acknowledge(1)
    world.pushes.send_due(100.0)
    assert len(world.bodies) == 1


def test_a_change_is_told_to_every_watcher_until_acknowledged() -> None:
    world = World()
    world.hub.watchers[8] = {PATTERN}
    world.pushes.changed(key("a"), 0.0)
    assert [connection for connection, _, _ in world.hub.sent] == [7, 8]
    assert world.bodies[0] == {
        "syncType": "FUZZY_WATCH_RESOURCE_CHANGED",
        "serviceKey": "public@@G@@a",
        "changedType": "ADD_SERVICE",
    }
    assert world.acknowledge(1)
    world.pushes.send_due(5.0)
    world.hub.gone = {key("a")}
    world.pushes.send_due(6.0)
    assert [connection for connection, _, _ in world.hub.sent] == [7, 8, 8]
    assert world.bodies[2]["changedType"] == "DELETE_SERVICE", "as it is now"


def test_who_watches_no_more_is_not_told_again() -> None:
    world = World()
    world.pushes.changed(key("a"), 0.0)
    world.hub.watchers.clear()
    for now in (5.0, 6.0, 100.0):
        world.pushes.send_due(now)
    assert len(world.bodies) == 1
    assert world.pushes.next_deadline() == float("inf")


def test_who_never_acknowledges_is_given_up() -> None:
    world = World()
    world.pushes.changed(key("a"), 0.0)
    for now in range(100):
        world.pushes.send_due(float(now))
    assert (len(world.bodies), world.hub.closed) == (3, [7])


@pytest.mark.parametrize("without_stream", [False, True])
def test_a_connection_that_has_gone_is_forgotten(without_stream: bool) -> None:
    world = World()
    if without_stream:
        world.hub.without_stream = {7}
    world.watch("a")
    world.pushes.changed(key("b"), 0.0)
    if not without_stream:
        world.pushes.gone(7)
    world.pushes.send_due(100.0)
    assert len(world.bodies) == (0 if without_stream else 2)
    assert world.pushes.next_deadline() == float("inf")
    assert world.pushes._syncs == {}


def test_configurations_are_told_in_their_own_words_twenty_at_once() -> None:
    world = World(CONFIGS)
    world.hub.gone = {key("a+b%")}
    world.watch("a+b%", *(f"c{number:02}" for number in range(20)))
    assert (world.bodies[0]["totalBatch"], len(world.bodies[0]["contexts"])) == (2, 20)
    assert world.bodies[0]["contexts"][:2] == [
        {"groupKey": "a%2Bb%25+G+public", "changedType": "DELETE_CONFIG"},
        {"groupKey": "c00+G+public", "changedType": "ADD_CONFIG"},
    ]
    world.pushes.changed(key("a+b%"), 0.0)
    world.pushes.changed(key("c00"), 0.0)
    assert world.bodies[1:] == [
        {"groupKey": "a%2Bb%25+G+public", "changeType": "DELETE_CONFIG"},
        {"groupKey": "c00+G+public", "changeType": "CONFIG_CHANGED"},
    ]
    assert {kind for _, kind, _ in world.hub.sent} == {
        "ConfigFuzzyWatchSyncRequest",
        "ConfigFuzzyWatchChangeNotifyRequest",
    }
