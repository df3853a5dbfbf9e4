"""When instances are checked, and what flips their health."""

from __future__ import annotations

from math import inf

import msgspec
import pytest

from nacos_core.naming.changes import HealthChecker
from nacos_core.naming.health import (
    HealthSchedule,
    Target,
    Verdict,
    Watched,
    http_request,
    http_verdict,
    pace_of,
)
from nacos_core.naming.switches import Switches

TCP = HealthChecker("TCP")
PASSED, FAILED, SURELY = Verdict.PASSED, Verdict.FAILED, Verdict.FAILED_SURELY


def target(port: int = 80, *, healthy: bool = True, checker: HealthChecker = TCP) -> Target:
    return Target("public", "g", "a", "10.0.0.1", port, "DEFAULT", healthy, port, checker)


class World:
    """One watched instance, checked again and again."""

    def __init__(self, *, healthy: bool = True) -> None:
        self.schedule = HealthSchedule(lambda: 0.0)
        self.schedule.saw([target(healthy=healthy)], 0.0)
        self.switches = Switches()
        self.now = 0.0

    def take(self) -> Watched:
        self.now = self.schedule.next_due()
        (watched,) = self.schedule.due(self.now, 10)
        return watched

    def results(self, *verdicts: Verdict, took_ms: float = 1.0) -> list[bool | None]:
        return [self.schedule.checked(self.take(), each, took_ms, self.switches, self.now) for each in verdicts]


def test_three_results_in_a_row_flip_it() -> None:
    world = World()
    assert world.results(FAILED, FAILED, PASSED, FAILED, FAILED, FAILED) == [None] * 5 + [False]
    world = World(healthy=False)
    assert world.results(PASSED, PASSED, FAILED, PASSED, PASSED, PASSED) == [None] * 5 + [True]


def test_a_result_that_leaves_no_doubt_flips_it_at_once() -> None:
    world = World()
    assert world.results(SURELY) == [False]


def test_after_that_it_takes_three_again_to_come_back() -> None:
    world = World()
    watched = world.take()
    assert world.schedule.checked(watched, SURELY, 1.0, world.switches, world.now) is False
    world.schedule.flipped(watched, healthy=False)
    assert world.results(PASSED, PASSED, PASSED) == [None, None, True]


def test_what_was_not_written_is_asked_for_again_with_the_next_result() -> None:
    world = World()
    assert world.results(FAILED, FAILED, FAILED, FAILED) == [None, None, False, False]


def test_operators_say_how_many_results_it_takes() -> None:
    world = World()
    world.switches = Switches(check_times=1)
    assert world.results(FAILED) == [False]
    world = World()
    world.switches = Switches(check_times=5)
    assert world.results(*[FAILED] * 5) == [None] * 4 + [False]
    world = World()
    world.switches = Switches(check_times=5)
    assert world.results(SURELY) == [False], "what leaves no doubt needs no second look"


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 2.0), (0.5, 4.5), (1.0, 7.0)])
def test_the_first_check_is_at_a_random_time(chance: float, seconds: float) -> None:
    schedule = HealthSchedule(lambda: chance)
    schedule.saw([target()], 100.0)
    assert schedule.next_due() == pytest.approx(100.0 + seconds)


def test_the_time_between_checks_follows_how_long_they_take() -> None:
    world = World()
    fast = [world.take().interval_ms]
    world = World()
    for _ in range(12):
        watched = world.take()
        world.schedule.checked(watched, PASSED, 10.0, world.switches, world.now)
        fast.append(watched.interval_ms)
    assert fast[1] == pytest.approx(0.75 * fast[0] + 0.25 * 10.0)
    assert fast == sorted(fast, reverse=True)
    assert fast[-1] == 1000.0
    world.results(*[FAILED] * 40, took_ms=60_000.0)
    assert world.take().interval_ms == 5000.0


def test_each_kind_of_check_has_its_pace() -> None:
    switches = Switches()
    paces = [pace_of(HealthChecker(kind), switches) for kind in ("TCP", "HTTP", "MYSQL")]
    assert [(each.min_ms, each.max_ms, each.factor) for each in paces] == [
        (1000, 5000, 0.75),
        (500, 5000, 0.85),
        (2000, 3000, 0.65),
    ]


def test_what_is_not_seen_in_a_round_is_checked_no_more() -> None:
    schedule = HealthSchedule(lambda: 0.0)
    schedule.saw([target(1), target(2)], 0.0)
    schedule.end_round()
    assert len(schedule) == 2
    schedule.saw([target(2)], 1.0)
    schedule.end_round()
    assert len(schedule) == 1
    assert [watched.target.port for watched in schedule.due(10.0, 10)] == [2]


def test_an_instance_that_went_and_came_is_checked_once_at_a_time() -> None:
    schedule = HealthSchedule(lambda: 0.0)
    schedule.saw([target()], 0.0)
    schedule.end_round()
    schedule.end_round()
    schedule.saw([target()], 1.0)
    assert len(schedule.due(10.0, 10)) == 1
    assert schedule.next_due() == inf


def test_no_more_are_due_than_asked_for() -> None:
    schedule = HealthSchedule(lambda: 0.0)
    schedule.saw([target(port) for port in range(5)], 0.0)
    assert len(schedule.due(2.0, 3)) == 3
    assert len(schedule.due(2.0, 3)) == 2


def test_the_request_has_the_path_and_the_headers_of_its_cluster() -> None:
    checker = HealthChecker("HTTP", path="/ping?a=1", headers="X-One:1|X-Two: 2")
    assert http_request(checker, "10.0.0.1:80") == (
        b"GET /ping?a=1 HTTP/1.1\r\nHost: 10.0.0.1:80\r\nConnection: close\r\nUser-Agent: nacos-core\r\n"
        b"X-One: 1\r\nX-Two: 2\r\n\r\n"
    )


def test_nothing_breaks_out_of_the_request() -> None:
    checker = HealthChecker("HTTP", path="x HTTP/1.1\r\nA: b", headers="A:b\r\nC: d|E F:g|Host: other|no colon|é:1")
    request = http_request(checker, "h")
    assert request.startswith(b"GET /xHTTP/1.1A:b HTTP/1.1\r\nHost: h\r\n")
    assert request.count(b"\r\n") == 5


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        (b"HTTP/1.1 200 OK\r", PASSED),
        (b"HTTP/1.0 200", PASSED),
        (b"HTTP/1.1 503 Service Unavailable\r", FAILED),
        (b"HTTP/1.1 302 Found\r", FAILED),
        (b"HTTP/1.1 404 Not Found\r", SURELY),
        (b"HTTP/1.1 500\r", SURELY),
        (b"SSH-2.0-OpenSSH 200", SURELY),
        (b"", SURELY),
    ],
)
def test_the_status_decides(line: bytes, verdict: Verdict) -> None:
    assert http_verdict(line) is verdict


def test_a_target_is_read_as_the_core_writes_it() -> None:
    json = msgspec.json.encode([target(checker=HealthChecker("HTTP", "/x", "", 200))])
    (read,) = msgspec.json.decode(json, type=list[Target])
    assert read.key == ("public", "g", "a", "10.0.0.1", 80, "DEFAULT")
