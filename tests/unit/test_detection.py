"""A silent connection is asked once, and closed if it does not answer in time."""

from __future__ import annotations

from nacos_core import limits
from nacos_core.drivers.detection import detect

ANSWER = limits.DETECTION_ANSWER_SECONDS


class Connections:
    """As much of the hub as detection uses: who is idle, and what was done to whom."""

    def __init__(self) -> None:
        self.idle: list[int] = []
        self.asked: list[int] = []
        self.closed: list[int] = []

    def idle_connections(self, now_ms: int, idle_ms: int) -> list[int]:
        assert (now_ms, idle_ms) == (1000, 20_000)
        return self.idle

    def push(self, connection: int, type: str, module: str, fields: bytes) -> int:
        assert (type, module, fields) == ("ClientDetectionRequest", "internal", b"{}")
        self.asked.append(connection)
        return len(self.asked)

    def close_connection(self, connection: int) -> None:
        self.closed.append(connection)

    def scan(self, asked: dict[int, float], now: float) -> dict[int, float]:
        return detect(self, asked, 1000, now)  # type: ignore[arg-type]


def test_a_silent_connection_is_asked_once_and_then_closed() -> None:
    hub = Connections()
    hub.idle = [7]
    asked = hub.scan({}, 0.0)
    assert (hub.asked, asked) == ([7], {7: ANSWER})
    asked = hub.scan(asked, ANSWER - 0.1)
    assert (hub.asked, hub.closed) == ([7], [])
    asked = hub.scan(asked, ANSWER)
    assert (hub.asked, hub.closed, asked) == ([7], [7], {})


def test_an_answer_ends_the_asking() -> None:
    hub = Connections()
    hub.idle = [7, 8]
    asked = hub.scan({}, 0.0)
    hub.idle = [8]
    asked = hub.scan(asked, ANSWER)
    assert (hub.closed, asked) == ([8], {})
    hub.idle = [7]
    asked = hub.scan(asked, 100.0)
    assert hub.asked == [7, 8, 7], "silent again, so it is asked again"
    assert asked == {7: 100.0 + ANSWER}
