"""Watches of patterns as the core holds them: they belong to their connection and go with it."""

from __future__ import annotations

import json

import pytest

from nacos_core._core import FuzzyWatched
from property.sessions import NOW_MS, GrpcClient, Session

KEY = ("public", "g", "a-1")
PATTERN = "public>>*>>a*"


class Watching:
    """One client that has asked for one watch."""

    def __init__(self, module: str, *, is_set_up: bool = True) -> None:
        self.module = module.lower()
        self.session = Session(grpc=True)
        self.hub = self.session.hub
        self.connection = self.session.connection
        self.client = GrpcClient()
        self.events: list[FuzzyWatched] = []
        if is_set_up:
            self.client.set_up()
        asked = {"groupKeyPattern": PATTERN, "watchType": "WATCH", "initializing": True, "receivedGroupKeys": None}
        self.client.ask(f"{module}FuzzyWatchRequest", json.dumps(asked).encode())
        self.feed()

    def feed(self) -> None:
        came = self.hub.feed(self.connection, self.client.sent(), NOW_MS)
        self.events += [event for event in came if isinstance(event, FuzzyWatched)]

    @property
    def watchers(self) -> list[int]:
        return self.hub.fuzzy_watchers(self.module, *KEY)


@pytest.mark.parametrize("module", ["Naming", "Config"])
@pytest.mark.parametrize("how", ["closed here", "gone"])
def test_a_watch_goes_with_its_connection(module: str, how: str) -> None:
    watching = Watching(module)
    assert watching.watchers == [watching.connection]
    assert watching.hub.is_fuzzy_watching(watching.module, watching.connection, PATTERN)
    other = {"naming": "config", "config": "naming"}[watching.module]
    assert watching.hub.fuzzy_watchers(other, *KEY) == []
    if how == "gone":
        watching.hub.closed(watching.connection, NOW_MS)
    else:
        watching.hub.close_connection(watching.connection)
    assert watching.watchers == []


@pytest.mark.parametrize("module", ["Naming", "Config"])
def test_a_watch_is_handed_up_with_what_it_has_to_be_told(module: str) -> None:
    (event,) = Watching(module).events
    assert (event.module, event.pattern, event.is_initial, event.keys) == (module.lower(), PATTERN, True, [])


def test_who_is_not_set_up_watches_nothing() -> None:
    watching = Watching("Naming", is_set_up=False)
    assert (watching.watchers, watching.events) == ([], [])


def test_there_are_two_modules() -> None:
    hub = Session(grpc=True).hub
    with pytest.raises(ValueError, match="naming or config wanted"):
        hub.fuzzy_watchers("lock", *KEY)
