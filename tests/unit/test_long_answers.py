"""Answers that may be very long: whole while they are short, else part by part as the client takes them."""

from __future__ import annotations

import json
import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import trio

from nacos_core import limits
from nacos_core.server import pages
from nacos_core.server.long_answers import answer_in_parts, list_in_parts

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

PART = b"x" * (100 * 1024)


class FakeHub:
    """One connection; its client takes ``taken_bytes`` each time that it is looked at what waits."""

    def __init__(self, taken_bytes: int = 1 << 30) -> None:
        self.said: list[str] = []
        self.sent = b""
        self.waiting_bytes = 0
        self.most_waiting_bytes = 0
        self.is_gone = False
        self._taken_bytes = taken_bytes

    def reply_http(self, connection: int, call: int, status: int, headers: Any, body: bytes) -> None:
        self.said.append(f"reply {status}")
        self.sent += body

    def begin_http(self, connection: int, call: int, status: int, headers: Any) -> bool:
        self.said.append(f"begin {status}")
        return not self.is_gone

    def continue_http(self, connection: int, call: int, part: bytes | None) -> int | None:
        if self.is_gone:
            return None
        if part is None:
            self.said.append("end")
        else:
            self.sent += part
            self.waiting_bytes += len(part)
            self.most_waiting_bytes = max(self.most_waiting_bytes, self.waiting_bytes)
        if part == b"":
            self.waiting_bytes = max(0, self.waiting_bytes - self._taken_bytes)
        return self.waiting_bytes

    def close_connection(self, connection: int) -> None:
        self.said.append("close")


class Given:
    """Parts, with how many of them were made and whether they were let go."""

    def __init__(self, *parts: bytes | Exception) -> None:
        self._parts = parts
        self.made_count = 0
        self.is_closed = False

    async def parts(self) -> AsyncGenerator[bytes, None]:
        try:
            for part in self._parts:
                if isinstance(part, Exception):
                    raise part
                self.made_count += 1
                yield part
        finally:
            self.is_closed = True


async def answer(hub: FakeHub, given: Given) -> None:
    background = SimpleNamespace(settle=lambda: hub.said.append("settle"))
    context: Any = SimpleNamespace(hub=hub, background=background)
    request: Any = SimpleNamespace(connection=1, call=2, method="GET", path="/long")
    await answer_in_parts(context, request, pages.JSON, given.parts())
    hub.said = [each for each in hub.said if each != "settle"]


async def test_what_stays_short_is_one_answer_with_its_length() -> None:
    hub, given = FakeHub(), Given(b"a", b"", b"b")
    await answer(hub, given)
    assert (hub.said, hub.sent) == (["reply 200"], b"ab")


async def test_what_becomes_long_goes_out_part_by_part(mock_clock: trio.testing.MockClock) -> None:
    mock_clock.autojump_threshold = 0
    hub, given = FakeHub(taken_bytes=10_000), Given(*[PART] * 30)
    await answer(hub, given)
    assert hub.said == ["begin 200", "end"]
    assert hub.sent == PART * 30
    assert hub.most_waiting_bytes <= limits.ANSWER_AHEAD_BYTES + len(PART), "no more is made than the client takes"


async def test_nothing_is_made_for_a_client_that_has_gone() -> None:
    hub, given = FakeHub(), Given(*[PART] * 30)
    hub.is_gone = True
    await answer(hub, given)
    assert (hub.sent, given.is_closed) == (b"", True)
    assert given.made_count < 5


async def test_a_client_that_takes_nothing_is_given_up(mock_clock: trio.testing.MockClock) -> None:
    mock_clock.autojump_threshold = 0
    hub, given = FakeHub(taken_bytes=0), Given(*[PART] * 30)
    await answer(hub, given)
    assert hub.said == ["begin 200", "close"]
    assert given.is_closed
    assert trio.current_time() == pytest.approx(limits.ANSWER_STALL_SECONDS, abs=0.1)


async def test_an_answer_that_breaks_off_is_taken_for_whole_by_nobody(caplog: pytest.LogCaptureFixture) -> None:
    hub, given = FakeHub(), Given(*[PART] * 5, ValueError("broken"))
    with caplog.at_level(logging.ERROR):
        await answer(hub, given)
    assert hub.said == ["begin 200", "close"]
    assert "GET /long failed in the middle of its answer" in caplog.text


async def test_what_breaks_before_anything_is_sent_can_be_refused() -> None:
    hub, given = FakeHub(), Given(b"a", ValueError("broken"))
    with pytest.raises(ValueError, match="broken"):
        await answer(hub, given)
    assert hub.said == []


@pytest.mark.parametrize("lists", [[], [[]], [["a"]], [[], ["a", "b"], [], ["c"], []]])
async def test_parts_of_a_list_are_one_list(lists: list[list[str]]) -> None:
    async def parts() -> AsyncGenerator[bytes, None]:
        for each in lists:
            yield pages.to_json(each)

    whole = b"".join([part async for part in list_in_parts(parts(), *pages.around_data())])
    assert json.loads(whole) == {"code": 0, "message": "success", "data": [word for each in lists for word in each]}
