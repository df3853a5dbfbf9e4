"""What operators set for all nodes, by the names of the protocol."""

from __future__ import annotations

import msgspec
import pytest

from nacos_core import _core, commands
from nacos_core.commands import SetSwitch
from nacos_core.naming.switches import Switches, with_entry
from nacos_core.state_machine import StateMachine, read_outcome

BEAT = b"PUT /nacos/v1/ns/instance/beat?serviceName=a&ip=10.0.0.1&port=80 HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(
    ("entry", "value", "field", "expected"),
    [
        ("pushCacheMillis", "20000", "default_push_cache_millis", 20_000),
        ("clientBeatInterval", "1000", "client_beat_interval", 1000),
        ("distroThreshold", "0.5", "distro_threshold", 0.5),
        ("check", "false", "health_check_enabled", False),
        ("healthCheckEnabled", "True", "health_check_enabled", True),
        ("healthCheckTimes", "5", "check_times", 5),
        ("pushEnabled", "false", "push_enabled", False),
        ("limitedUrlMap", "/a:404, /b:503", "limited_url_map", {"/a": 404, "/b": 503}),
        ("overriddenServerStatus", "DOWN", "overridden_server_status", "DOWN"),
        ("overriddenServerStatus", "", "overridden_server_status", None),
    ],
)
def test_an_entry_sets_what_it_names(entry: str, value: str, field: str, expected: object) -> None:
    assert getattr(with_entry(Switches(), entry, value), field) == expected


def test_the_pace_of_checks_is_set_as_json() -> None:
    changed = with_entry(Switches(), "tcpHealthParams", '{"max":9000,"min":200,"factor":0.5}')
    pace = changed.tcp_health_params
    assert (pace.max_ms, pace.min_ms, pace.factor) == (9000, 200, 0.5)


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("unheard", "1"),
        ("check", "maybe"),
        ("healthCheckTimes", "0"),
        ("healthCheckTimes", "many"),
        ("clientBeatInterval", "1"),
        ("distroThreshold", "1.5"),
        ("distroThreshold", "nan"),
        ("tcpHealthParams", "{}"),
        ("tcpHealthParams", '{"max":1,"min":5,"factor":0.5}'),
        ("tcpHealthParams", '{"max":5000,"min":500,"factor":2}'),
        ("limitedUrlMap", "/a"),
    ],
)
def test_what_is_wrong_is_named(entry: str, value: str) -> None:
    with pytest.raises(ValueError, match=entry):
        with_entry(Switches(), entry, value)


class Node:
    """A state machine and its hub."""

    def __init__(self) -> None:
        self.hub = _core.Hub(digest_key=bytes(16), abilities={}, require_tokens=False)
        self.hub.set_ready(True)
        self.machine = StateMachine(self.hub, lambda: 1)

    def set(self, entry: str, value: str) -> object:
        (raw,) = self.machine.apply([(1, 1, msgspec.Raw(commands.encode(SetSwitch(entry, value))))])
        return read_outcome(raw)

    def beat(self) -> dict[str, object]:
        connection = self.hub.open("127.0.0.1", 1, grpc=False, now_ms=1)
        self.hub.feed(connection, BEAT, 1)
        answer: dict[str, object] = msgspec.json.decode(self.hub.take_output(connection).partition(b"\r\n\r\n")[2])
        return answer

    def cache_ms(self) -> object:
        return msgspec.json.decode(self.hub.service_info("public", "g", "a", "", False, 1))["cacheMillis"]


def test_clients_are_told_what_was_set() -> None:
    node = Node()
    assert (node.beat()["lightBeatEnabled"], node.cache_ms()) == (True, 10_000)
    assert node.set("lightBeatEnabled", "false") is None
    assert node.set("pushCacheMillis", "2000") is None
    assert (node.beat()["lightBeatEnabled"], node.cache_ms()) == (False, 2000)


def test_an_instance_that_says_nothing_beats_as_operators_want() -> None:
    node = Node()
    node.set("clientBeatInterval", "1500")
    for port, metadata, interval_ms in ((80, "", 1500), (81, "preserved.heart.beat.interval=700", 700)):
        for request in (
            f"POST /nacos/v1/ns/instance?serviceName=a&ip=10.0.0.1&port={port}&metadata={metadata}",
            f"PUT /nacos/v1/ns/instance/beat?serviceName=a&ip=10.0.0.1&port={port}",
        ):
            connection = node.hub.open("127.0.0.1", 1, grpc=False, now_ms=1)
            node.hub.feed(connection, f"{request} HTTP/1.1\r\nHost: a\r\n\r\n".encode(), 1)
            answer = node.hub.take_output(connection).partition(b"\r\n\r\n")[2]
        assert msgspec.json.decode(answer)["clientBeatInterval"] == interval_ms


def test_instances_without_a_word_of_their_kind_are_as_operators_want() -> None:
    def handed_up(node: Node, method: str, more: str = "") -> list[str]:
        request = f"{method} /nacos/v1/ns/instance?serviceName=a&ip=10.0.0.1&port=80{more}"
        connection = node.hub.open("127.0.0.1", 1, grpc=False, now_ms=1)
        events = node.hub.feed(connection, f"{request} HTTP/1.1\r\nHost: a\r\n\r\n".encode(), 1)
        return [type(event).__name__ for event in events]

    node = Node()
    for more in ("", "&ephemeral=false"):
        assert handed_up(node, "DELETE", more) == ["PersistentInstance"] * bool(more)
    node.set("defaultInstanceEphemeral", "false")
    for method in ("POST", "DELETE"):
        assert handed_up(node, method) == ["PersistentInstance"]
        assert handed_up(node, method, "&ephemeral=true") == []


def test_what_makes_no_sense_is_refused_and_changes_nothing() -> None:
    node = Node()
    assert "unheard" in str(node.set("unheard", "1"))
    assert node.machine.switches == Switches()


def test_a_node_that_takes_a_snapshot_has_the_switches() -> None:
    node, other = Node(), Node()
    node.set("lightBeatEnabled", "false")
    node.set("healthCheckTimes", "7")
    other.machine.restore(node.machine.freeze().encode())
    assert other.machine.switches == node.machine.switches
    assert other.beat()["lightBeatEnabled"] is False
