"""What Nacos 3.1 answered, asked again of an empty node: HTTP first, then gRPC on one connection, then its pushes.

An answer that belongs to later work waits in a list with its reason; it has to leave the list when it comes to pass.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.node_process import NodeProcess
from wire.client import GrpcAnswer, GrpcConnection, HttpAnswer, call_http
from wire.likeness import differences

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWERS = Path(__file__).parent / "answers"
HTTP: list[dict[str, Any]] = json.loads((ANSWERS / "http.json").read_text())
GRPC: dict[str, list[dict[str, Any]]] = json.loads((ANSWERS / "grpc.json").read_text())

DEFERRED_HTTP: dict[str, str] = {}
DEFERRED_GRPC: dict[str, str] = {}
ADDED_GRPC = {"LockOperationRequest": ("fencingToken", int)}
"""What is told beyond the recorded answer, for clients that know of it."""
ABILITIES_BUILT = {"supportPersistentInstanceByGrpc": True, "lock": True, "fuzzyWatch": True}
"""The recorded server could more: abilities say only what is built, or clients would ask for the rest."""

LAST_REQUEST = "NamingFuzzyWatchRequest"
"""The recording ended before what it led to was acknowledged, and so before what would have followed."""

PUSH_FOLLOWS = {
    "InstanceRequest",
    "deregister",
    "ConfigPublishRequest",
    "publish while listened to",
    "ConfigRemoveRequest",
}
"""Requests that cause a push, which has to arrive before the next request or it would be merged with the next one."""


@dataclass
class Replay:
    """Every answer of the node to the recorded requests."""

    http: dict[str, HttpAnswer] = field(default_factory=dict)
    grpc: dict[str, GrpcAnswer] = field(default_factory=dict)
    pushes: list[GrpcAnswer] = field(default_factory=list)


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replay]:
    with NodeProcess(tmp_path_factory.mktemp("replay")) as node:
        done = Replay()
        for entry in HTTP:
            asked = entry["request"]
            done.http[entry["name"]] = call_http(
                node.port, asked["method"], asked["path"], asked["query"], asked["form"], asked["headers"]
            )
        with GrpcConnection(node.grpc_port) as connection:
            replay_grpc(connection, done)
        yield done
    assert "Traceback" not in node.errors


def replay_grpc(connection: GrpcConnection, done: Replay) -> None:
    before_setup = 2
    for position, entry in enumerate(GRPC["unary"]):
        if position == before_setup:
            connection.open_stream()
            connection.send("ConnectionSetupRequest", {"clientVersion": "test", "abilityTable": {}, "labels": {}})
            connection.wait_registered()
        asked = entry["request"]
        body = asked["raw"].encode() if "raw" in asked else asked["body"]
        seen = len(connection.pushes)
        if asked["type"] == LAST_REQUEST:
            connection.acknowledges = False
        done.grpc[entry["name"]] = connection.call(asked["type"], body)
        if entry["name"] in PUSH_FOLLOWS:
            wait_for_one_more(connection, seen)
    connection.settle(0.8)
    done.pushes = connection.pushes


def wait_for_one_more(connection: GrpcConnection, seen: int) -> None:
    """The next push, or the time that the recording left for it."""
    for _ in range(8):
        if len(connection.pushes) > seen:
            return
        connection.settle(0.1)


@pytest.mark.parametrize("entry", HTTP, ids=lambda entry: entry["name"])
def test_http(replay: Replay, entry: dict[str, Any]) -> None:
    found = http_differences(entry, replay.http[entry["name"]])
    expect(found, DEFERRED_HTTP.get(entry["name"]))


@pytest.mark.parametrize("entry", GRPC["unary"], ids=lambda entry: entry["name"])
def test_grpc(replay: Replay, entry: dict[str, Any]) -> None:
    recorded, ours = entry["response"], replay.grpc[entry["name"]]
    if entry["name"] in ADDED_GRPC:
        added, kind = ADDED_GRPC[entry["name"]]
        assert isinstance(ours.body.pop(added), kind)
    found = differences(recorded["type"], ours.kind, "type") + differences(recorded["body"], ours.body)
    expect(found, DEFERRED_GRPC.get(entry["name"]))


def test_pushes_come_in_the_recorded_order_and_shape(replay: Replay) -> None:
    recorded = [entry["push"] for entry in GRPC["pushes"]]
    assert [push.kind for push in replay.pushes] == [push["type"] for push in recorded]
    for push, ours in zip(recorded, replay.pushes, strict=True):
        body = push["body"]
        if "abilityTable" in body:
            body = body | {"abilityTable": ABILITIES_BUILT}
            ours.body["abilityTable"] = {name: built for name, built in ours.body["abilityTable"].items() if built}
        assert differences(body, ours.body, ours.kind) == []


def test_each_push_has_an_id_of_its_own(replay: Replay) -> None:
    ids = [push.body["requestId"] for push in replay.pushes if "requestId" in push.body]
    assert len(set(ids)) == len(ids) > 0


def test_last_ref_time_strictly_grows_between_lists_that_differ(replay: Replay) -> None:
    """Go and Python clients discard a list whose lastRefTime is equal to the one they hold."""
    answered = [answer.body.get("serviceInfo") for answer in replay.grpc.values()]
    pushed = [push.body.get("serviceInfo") for push in replay.pushes]
    lists = [info for info in answered + pushed if info and info["name"] == "demo-grpc"]
    times: dict[int, str] = {}
    for info in lists:
        hosts = json.dumps(info["hosts"], sort_keys=True)
        assert times.setdefault(info["lastRefTime"], hosts) == hosts


def expect(found: list[str], deferred: str | None) -> None:
    if deferred is None:
        assert found == []
    else:
        assert found, f"as recorded now: take it off the list of what waits ({deferred})"


def http_differences(entry: dict[str, Any], ours: HttpAnswer) -> list[str]:
    found = differences(entry["status"], ours.status, "status")
    for name, value in entry["headers"].items():
        found += header_differences(name, value, ours.headers.get(name.lower()))
    if isinstance(entry["body"], str):
        return found + differences(entry["body"], ours.text, "body")
    try:
        return found + differences(entry["body"], ours.json, "body")
    except ValueError:
        return [*found, f"body: JSON expected, not {ours.content!r}"]


def header_differences(name: str, recorded: str, ours: str | None) -> list[str]:
    if name == "Last-Modified":
        looks_right = re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", ours or "")
        return [] if looks_right else [f"header {name}: {ours!r} is no HTTP date"]
    return [] if recorded == ours else [f"header {name}: {recorded!r} expected, not {ours!r}"]
