"""Watches of patterns, as Java 3.x clients have them (protocol/grpc.md sections 4.1 and 5.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.node_process import NodeProcess
from wire import phrases
from wire.client import GrpcConnection

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

QUIET_S = 0.4
TOO_MANY_PATTERNS = 50310
TOO_MANY_MATCHES = 50311


class Watcher:
    """One module's watches on one connection, and what it was told of them."""

    def __init__(self, module: str, connection: GrpcConnection) -> None:
        self.module = module
        self.connection = connection
        self.sync = f"{module}FuzzyWatchSyncRequest"
        self.notice = f"{module}FuzzyWatchChangeNotifyRequest"

    def ask(
        self, pattern: str, received: Iterable[str] = (), *, initial: bool = True, kind: str = "WATCH"
    ) -> dict[str, Any]:
        body = {"groupKeyPattern": pattern, "receivedGroupKeys": list(received), "watchType": kind}
        answer = self.connection.call(f"{self.module}FuzzyWatchRequest", body | {"initializing": initial})
        assert answer.kind == f"{self.module}FuzzyWatchResponse"
        return dict(answer.body)

    def watch(self, pattern: str, received: Iterable[str] = ()) -> list[tuple[str, str]]:
        """The first list: each key with the kind of change."""
        assert self.ask(pattern, received)["resultCode"] == 200
        told: list[tuple[str, str]] = []
        while True:
            body = self.connection.wait_push(self.sync, where=lambda body: body["groupKeyPattern"] == pattern).body
            if body["syncType"] == "FINISH_FUZZY_WATCH_INIT_NOTIFY":
                return told
            assert body["syncType"] == "FUZZY_WATCH_INIT_NOTIFY"
            told += contexts(body)

    def hears(self) -> tuple[str, str]:
        body = self.connection.wait_push(self.notice).body
        return body.get("serviceKey") or body["groupKey"], body.get("changedType") or body["changeType"]

    def hears_nothing(self) -> None:
        self.connection.settle(QUIET_S)
        assert [push for push in self.connection.pushes if push.kind in (self.sync, self.notice)] == []


def contexts(body: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each.get("serviceKey") or each["groupKey"], each["changedType"]) for each in body["contexts"]]


@pytest.fixture
def services(connection: GrpcConnection) -> Watcher:
    return Watcher("Naming", connection)


@pytest.fixture
def configs(connection: GrpcConnection) -> Watcher:
    return Watcher("Config", connection)


@pytest.fixture
def provider(node: NodeProcess) -> Any:
    with GrpcConnection(node.grpc_port) as opened:
        opened.set_up()
        yield opened


def service_key(name: str) -> str:
    return f"public@@{phrases.GROUP}@@{name}"


def group_key(data_id: str) -> str:
    return f"{data_id}+{phrases.GROUP}+public"


def publish(connection: GrpcConnection, data_id: str, content: str = "a") -> None:
    assert connection.call("ConfigPublishRequest", phrases.config(data_id, content=content)).body["success"]


def test_both_are_among_the_abilities(node: NodeProcess) -> None:
    with GrpcConnection(node.grpc_port) as connection:
        connection.open_stream()
        connection.send("ConnectionSetupRequest", {"clientVersion": "test", "abilityTable": {}})
        assert connection.wait_push("SetupAckRequest").body["abilityTable"]["fuzzyWatch"] is True


def test_a_new_pattern_is_answered_however_many_names_are_to_be_looked_through(
    services: Watcher, provider: GrpcConnection
) -> None:
    stem = phrases.unique("crowd")
    for number in range(5000):  # more than are looked at in one turn
        provider.call("InstanceRequest", phrases.register(f"{stem}-{number:04}"))
    assert services.watch(f"public>>*>>{stem}-477*") == [
        (service_key(f"{stem}-477{digit}"), "ADD_SERVICE") for digit in range(10)
    ]
    provider.call("InstanceRequest", phrases.deregister(f"{stem}-4771"))
    assert services.hears() == (service_key(f"{stem}-4771"), "DELETE_SERVICE")


# --- services --------------------------------------------------------------------------------------------------------


def test_a_watcher_is_told_what_services_there_are_and_of_each_that_comes_and_goes(
    services: Watcher, provider: GrpcConnection
) -> None:
    stem = phrases.unique("watched")
    for name in ("b", "a"):
        provider.call("InstanceRequest", phrases.register(f"{stem}-{name}"))
    told = services.watch(f"public>>{phrases.GROUP}>>{stem}*")
    assert told == [(service_key(f"{stem}-a"), "ADD_SERVICE"), (service_key(f"{stem}-b"), "ADD_SERVICE")]
    provider.call("InstanceRequest", phrases.register(f"{stem}-c"))
    assert services.hears() == (service_key(f"{stem}-c"), "ADD_SERVICE")
    provider.call("InstanceRequest", phrases.register(f"{stem}-c", 81))
    provider.call("InstanceRequest", phrases.register(phrases.unique("other")))
    services.hears_nothing()
    provider.call("InstanceRequest", phrases.deregister(f"{stem}-c"))
    assert services.hears() == (service_key(f"{stem}-c"), "DELETE_SERVICE")


def test_services_go_with_the_connection_that_published_them(services: Watcher, node: NodeProcess) -> None:
    name = phrases.unique("dies")
    services.watch(f"public>>*>>{name}")
    with GrpcConnection(node.grpc_port) as provider:
        provider.set_up()
        provider.call("InstanceRequest", phrases.register(name))
        assert services.hears() == (service_key(name), "ADD_SERVICE")
    assert services.hears() == (service_key(name), "DELETE_SERVICE")


def test_many_services_come_in_batches_of_ten(services: Watcher, provider: GrpcConnection) -> None:
    stem = phrases.unique("many")
    for number in range(23):
        provider.call("InstanceRequest", phrases.register(f"{stem}-{number:02}"))
    services.ask(f"public>>*>>{stem}*")
    batches = []
    for at in (1, 2, 3):
        body = services.connection.wait_push(services.sync).body
        assert (body["currentBatch"], body["totalBatch"]) == (at, 3)
        batches.append(contexts(body))
    assert [len(batch) for batch in batches] == [10, 10, 3]
    assert [key for batch in batches for key, _ in batch] == [
        service_key(f"{stem}-{number:02}") for number in range(23)
    ]


def test_who_comes_back_is_told_what_it_has_missed(services: Watcher, provider: GrpcConnection) -> None:
    stem = phrases.unique("missed")
    provider.call("InstanceRequest", phrases.register(f"{stem}-new"))
    provider.call("InstanceRequest", phrases.register(f"{stem}-same"))
    received = [service_key(f"{stem}-gone"), service_key(f"{stem}-same")]
    assert services.ask(f"public>>*>>{stem}*", received, initial=False)["resultCode"] == 200
    body = services.connection.wait_push(services.sync).body
    assert body["syncType"] == "FUZZY_WATCH_DIFF_SYNC_NOTIFY"
    new, gone = service_key(f"{stem}-new"), service_key(f"{stem}-gone")
    assert contexts(body) == [(gone, "DELETE_SERVICE"), (new, "ADD_SERVICE")]
    services.hears_nothing()


def test_a_cancelled_watch_hears_nothing(services: Watcher, provider: GrpcConnection) -> None:
    name = phrases.unique("cancelled")
    services.watch(f"public>>*>>{name}")
    assert services.ask(f"public>>*>>{name}", kind="CANCEL_WATCH")["resultCode"] == 200
    assert services.ask("public>>*>>never", kind="CANCEL_WATCH")["resultCode"] == 200
    provider.call("InstanceRequest", phrases.register(name))
    services.hears_nothing()


def test_a_batch_that_is_refused_comes_again(services: Watcher, provider: GrpcConnection) -> None:
    name = phrases.unique("refused")
    provider.call("InstanceRequest", phrases.register(name))
    services.connection.acknowledges = False
    services.ask(f"public>>*>>{name}")
    first = services.connection.wait_push(services.sync).body
    services.connection.send(
        "NamingFuzzyWatchSyncResponse", {"resultCode": 500, "errorCode": 500, "requestId": first["requestId"]}
    )
    services.connection.acknowledges = True
    again = services.connection.wait_push(services.sync).body
    assert (contexts(again), again["currentBatch"]) == (contexts(first), 1)
    assert again["requestId"] != first["requestId"]
    finished = services.connection.wait_push(services.sync).body
    assert finished["syncType"] == "FINISH_FUZZY_WATCH_INIT_NOTIFY"


# --- configurations --------------------------------------------------------------------------------------------------


def test_a_watcher_is_told_what_configurations_there_are_and_of_each_change(
    configs: Watcher, provider: GrpcConnection
) -> None:
    stem = phrases.unique("watched")
    for name in ("b", "a"):
        publish(provider, f"{stem}-{name}")
    told = configs.watch(f"public>>{phrases.GROUP}>>{stem}*")
    assert told == [(group_key(f"{stem}-a"), "ADD_CONFIG"), (group_key(f"{stem}-b"), "ADD_CONFIG")]
    publish(provider, f"{stem}-c")
    assert configs.hears() == (group_key(f"{stem}-c"), "CONFIG_CHANGED")
    publish(provider, f"{stem}-c", "b")
    assert configs.hears() == (group_key(f"{stem}-c"), "CONFIG_CHANGED")
    publish(provider, f"{stem}-c", "b")
    publish(provider, phrases.unique("other"))
    configs.hears_nothing()
    provider.call("ConfigRemoveRequest", phrases.config(f"{stem}-c"))
    assert configs.hears() == (group_key(f"{stem}-c"), "DELETE_CONFIG")


def test_many_configurations_come_in_batches_of_twenty(configs: Watcher, provider: GrpcConnection) -> None:
    stem = phrases.unique("many")
    for number in range(21):
        publish(provider, f"{stem}-{number:02}")
    configs.ask(f"public>>*>>{stem}*")
    bodies = [configs.connection.wait_push(configs.sync).body for _ in (1, 2)]
    assert [(body["currentBatch"], body["totalBatch"]) for body in bodies] == [(1, 2), (2, 2)]
    assert [len(body["contexts"]) for body in bodies] == [20, 1]


def test_who_comes_back_is_told_which_configurations_it_has_missed(configs: Watcher, provider: GrpcConnection) -> None:
    stem = phrases.unique("missed")
    publish(provider, f"{stem}-new")
    received = [group_key(f"{stem}-gone")]
    assert configs.ask(f"public>>*>>{stem}*", received, initial=False)["resultCode"] == 200
    body = configs.connection.wait_push(configs.sync).body
    assert body["syncType"] == "FUZZY_WATCH_DIFF_SYNC_NOTIFY"
    new, gone = group_key(f"{stem}-new"), group_key(f"{stem}-gone")
    assert contexts(body) == [(gone, "DELETE_CONFIG"), (new, "ADD_CONFIG")]


# --- both ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", ["Naming", "Config"])
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"groupKeyPattern": "public>>a"}, "not namespace>>group>>name"),
        ({"groupKeyPattern": None}, "not namespace>>group>>name"),
        ({"groupKeyPattern": f"public>>g>>{'a' * 1015}"}, "should not exceed 1024"),
        ({"watchType": "LOOK"}, 'watchType "LOOK" is not known'),
        ({"watchType": None}, 'watchType "" is not known'),
        ({"receivedGroupKeys": ["a"]}, "has not the form of a key"),
        ({"receivedGroupKeys": ["a+b+c@@d@@e"] * 10_001}, "10001 receivedGroupKeys, at most 10000 are allowed"),
    ],
)
def test_what_makes_no_sense_is_refused(
    connection: GrpcConnection, module: str, fields: dict[str, Any], words: str
) -> None:
    whole = {"groupKeyPattern": "public>>g>>a", "watchType": "WATCH", "receivedGroupKeys": [], "initializing": True}
    answer = connection.call(f"{module}FuzzyWatchRequest", whole | fields)
    assert answer.kind == f"{module}FuzzyWatchResponse"
    assert (answer.body["resultCode"], answer.body["errorCode"]) == (500, 400)
    assert words in answer.body["message"]
    assert connection.call(f"{module}FuzzyWatchRequest", b'{"initializing": 1}').kind == "ErrorResponse"


@pytest.mark.parametrize("module", ["Naming", "Config"])
def test_a_connection_watches_twenty_patterns_and_no_more(connection: GrpcConnection, module: str) -> None:
    watcher = Watcher(module, connection)
    patterns = [f"public>>{phrases.unique('group')}>>*" for _ in range(21)]
    assert [watcher.ask(pattern)["errorCode"] for pattern in patterns] == [0] * 20 + [TOO_MANY_PATTERNS]
    watcher.ask(patterns[0], kind="CANCEL_WATCH")
    assert watcher.ask(patterns[20])["errorCode"] == 0


def test_more_than_can_be_told_is_an_error_and_the_watch_is_kept(tmp_path: Path) -> None:
    with NodeProcess(tmp_path) as node, GrpcConnection(node.grpc_port) as connection:
        connection.set_up()
        for number in range(500):
            connection.call("InstanceRequest", phrases.register(f"s-{number:03}"))
        services = Watcher("Naming", connection)
        assert services.ask("public>>*>>s-*")["errorCode"] == TOO_MANY_MATCHES
        told: list[tuple[str, str]] = []
        while len(told) < 500:
            told += contexts(connection.wait_push(services.sync).body)
        connection.call("InstanceRequest", phrases.register("s-500"))
        assert services.hears() == (service_key("s-500"), "ADD_SERVICE")
        assert services.ask("public>>*>>s-4*")["errorCode"] == 0
    assert "Traceback" not in node.errors
