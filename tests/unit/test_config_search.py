"""A hundred thousand configurations are searched in pieces, while everything else goes on."""

from __future__ import annotations

import gc
import weakref
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
import trio

from nacos_core import _core, limits
from nacos_core.config import copies
from nacos_core.drivers.background import Background
from nacos_core.errors import AlreadyExists
from nacos_core.server import config_copy_http
from nacos_core.server.versions import V3, answer_later

if TYPE_CHECKING:
    from trio.testing import MockClock

    from nacos_core._core import HttpRequest
    from nacos_core.commands import Command
    from nacos_core.in_process import Writes
    from nacos_core.server.context import Context

COUNT = 100_000


@pytest.fixture(scope="module")
def hub() -> _core.Hub:
    hub = _core.Hub(digest_key=bytes(16), abilities={}, require_tokens=False)
    filling = b"x" * 1000
    for number in range(COUNT):
        content = b"%sneedle %d" % (filling, number) if number % 1000 == 0 else filling
        hub.put_config("ns", f"G{number % 10}", f"{number:06}", content, type="text", now_ms=number)
    return hub


def pieces(hub: _core.Hub, search: _core.ConfigSearch) -> int:
    count = 1
    while not hub.search_configs(search):
        count += 1
    return count


def test_all_are_counted_and_only_a_page_is_looked_at_without_a_filter(hub: _core.Hub) -> None:
    search = _core.ConfigSearch("ns", skip_count=COUNT - 3, count=100)
    assert pieces(hub, search) < 10
    assert (search.total_count, len(search.found())) == (COUNT, 3)
    assert [data_id for _, _, data_id, _ in search.found()] == ["099979", "099989", "099999"]


def test_contents_are_read_in_pieces(hub: _core.Hub) -> None:
    search = _core.ConfigSearch("ns", content="needle", skip_count=90, count=100)
    assert 500 < pieces(hub, search) < 1000
    assert (search.total_count, len(search.found())) == (100, 10)
    assert all(b"needle" in config.content for *_, config in search.found())


def test_names_are_read_in_pieces(hub: _core.Hub) -> None:
    search = _core.ConfigSearch("ns", data_id="*999", group="G9", count=5)
    assert 100 < pieces(hub, search) < 300
    assert (search.total_count, len(search.found())) == (100, 5)


class World:
    """Long requests, with a count of what they were given."""

    def __init__(self, nursery: trio.Nursery, writes: object = None) -> None:
        self.background = Background(
            nursery=nursery,
            writes=cast("Writes", writes),
            aside=trio.to_thread.run_sync,
            settle=self._settle,
        )
        self.settled_count = 0

    def _settle(self) -> None:
        self.settled_count += 1


@pytest.mark.parametrize(("piece_turns", "expected_count"), [(0.3, 4), (1.0, 1), (5.0, 1)])
async def test_however_many_search_the_others_get_their_turn_when_it_is_time(
    mock_clock: MockClock, piece_turns: float, expected_count: int
) -> None:
    done = []
    turns = 0

    def piece() -> bool:
        done.append(turns)
        mock_clock.jump(piece_turns * limits.BACKGROUND_TURN_SECONDS)
        return len(done) >= 40

    async with trio.open_nursery() as nursery:
        world = World(nursery)
        for _ in range(10):
            assert world.background.start(lambda: world.background.in_pieces(piece))
        while world.settled_count < 10:
            turns += 1
            await trio.lowlevel.checkpoint()
    most_in_a_turn = max(done.count(turn) for turn in set(done))
    assert len(done) >= 40
    assert most_in_a_turn == expected_count


async def test_one_archive_is_in_memory_however_many_are_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    running, most = 0, 0

    async def import_slowly(*_: object) -> copies.Copied:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await trio.sleep(0.02)
        running -= 1
        return copies.Copied(0, 0)

    monkeypatch.setattr(config_copy_http, "_import", import_slowly)
    part = 'Content-Disposition: form-data; name="{}"\r\n\r\n{}\r\n--B'
    body = "\r\n".join(["--B", *(part.format(name, "SKIP") for name in ("file", "policy", "accessToken"))]).encode()
    replied: list[int] = []
    requests = [
        SimpleNamespace(
            headers={"content-type": "multipart/form-data; boundary=B"},
            body=body,
            parameters={},
            connection=number,
            call=1,
        )
        for number in range(5)
    ]
    async with trio.open_nursery() as nursery:
        hub = SimpleNamespace(reply_http=lambda connection, *_: replied.append(connection))
        context = cast("Context", SimpleNamespace(background=World(nursery).background, hub=hub))
        for request in requests:
            config_copy_http.import_archive(V3, context, cast("HttpRequest", request))
    assert (sorted(replied), most) == ([0, 1, 2, 3, 4], 1)
    assert requests[0].parameters == {"policy": "SKIP"}, "other parts are no parameters"


class Large:
    """What must not stay in memory."""


class Refusing:
    """Writes that are all refused."""

    async def apply(self, _: object) -> None:
        refused = AlreadyExists()
        raise refused


async def test_what_is_refused_stays_in_memory_no_longer_than_its_reason() -> None:
    gc.disable()
    try:
        async with trio.open_nursery() as nursery:
            background = World(nursery, Refusing()).background
            commands = [Large() for _ in range(3)]
            gone = [weakref.ref(each) for each in commands]
            reasons = await background.apply_all(cast("list[Command]", commands), 2)
            assert [type(reason) for reason in reasons] == [AlreadyExists] * 3
            del commands
            assert [each() for each in gone] == [None] * 3

            async def work() -> None:
                large = Large()
                gone.append(weakref.ref(large))
                refused = AlreadyExists()
                raise refused

            replied: list[int] = []
            hub = SimpleNamespace(reply_http=lambda connection, *_: replied.append(connection))
            context = cast("Context", SimpleNamespace(background=background, hub=hub))
            answer_later(V3, context, cast("HttpRequest", SimpleNamespace(connection=7, call=1)), work)
            while not replied:
                await trio.lowlevel.checkpoint()
            await trio.testing.wait_all_tasks_blocked()
            assert gone[-1]() is None
    finally:
        gc.enable()


async def test_there_is_an_end_to_what_is_begun_at_once() -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery)
        begun = [world.background.start(trio.sleep_forever) for _ in range(limits.BACKGROUND_COUNT_MAX + 1)]
        assert begun == [True] * limits.BACKGROUND_COUNT_MAX + [False]
        nursery.cancel_scope.cancel()
