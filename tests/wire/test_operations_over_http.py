"""Switches, metrics and what probes and scrapers ask for."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from nacos_core import __version__
from wire import phrases
from wire.client import GrpcConnection, call_http

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.node_process import NodeProcess

SWITCHES = (
    "/nacos/v1/ns/operator/switches",
    "/nacos/v1/ns/ops/switches",
    "/nacos/v2/ns/operator/switches",
    "/nacos/v2/ns/ops/switches",
    "/nacos/v3/admin/ns/ops/switches",
)
SAMPLE = re.compile(r'^(nacos_core_[a-z0-9_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)+)\})? (-?[0-9.e+-]+)$')


@pytest.fixture(autouse=True)
def defaults(node: NodeProcess) -> Iterator[None]:
    """Other tests share the node."""
    yield
    for entry, value in (("lightBeatEnabled", "true"), ("pushEnabled", "true"), ("overriddenServerStatus", "")):
        call_http(node.port, "PUT", SWITCHES[-1], form={"entry": entry, "value": value})


def switches(node: NodeProcess, path: str) -> dict[str, Any]:
    shown: dict[str, Any] = call_http(node.port, "GET", path).json
    return shown if "/v1/" in path else shown["data"]


@pytest.mark.parametrize("path", SWITCHES)
def test_a_switch_is_set_and_shown(node: NodeProcess, path: str) -> None:
    before = switches(node, path)
    assert (before["lightBeatEnabled"], before["checkTimes"], before["distroThreshold"]) == (True, 3, 0.7)
    assert before["tcpHealthParams"] == {"max": 5000, "min": 1000, "factor": 0.75}
    answer = call_http(node.port, "PUT", path, form={"entry": "lightBeatEnabled", "value": "false"})
    assert "ok" in answer.text
    assert switches(node, path) == before | {"lightBeatEnabled": False}
    beat = {"serviceName": phrases.unique("light"), "ip": "10.7.0.1", "port": 80}
    assert call_http(node.port, "PUT", phrases.V1_BEAT, beat).json["lightBeatEnabled"] is False


def test_a_switch_that_there_is_not_is_refused(node: NodeProcess) -> None:
    for form in ({"entry": "unheard", "value": "1"}, {"entry": "healthCheckTimes", "value": "0"}):
        answer = call_http(node.port, "PUT", SWITCHES[-1], form=form)
        assert (answer.status, answer.json["code"]) == (400, 20002)
        assert form["entry"] in answer.json["data"]
        assert call_http(node.port, "PUT", SWITCHES[0], form=form).status == 400
    assert call_http(node.port, "PUT", SWITCHES[-1], form={"value": "1"}).json["code"] == 10000


def test_no_subscriber_is_told_while_pushes_are_off_and_all_are_afterwards(node: NodeProcess) -> None:
    name = phrases.unique("switched")
    with GrpcConnection(node.grpc_port) as connection:
        connection.set_up()
        connection.call("SubscribeServiceRequest", phrases.subscribe(name))
        connection.settle(0.3)
        connection.pushes.clear()
        call_http(node.port, "PUT", SWITCHES[-1], form={"entry": "pushEnabled", "value": "false"})
        form = {"serviceName": name, "ip": "10.7.0.1", "port": 80}
        assert call_http(node.port, "POST", phrases.V1_INSTANCE, form=form).text == "ok"
        connection.settle(0.5)
        assert connection.pushes == []
        call_http(node.port, "PUT", SWITCHES[-1], form={"entry": "pushEnabled", "value": "true"})
        (host,) = connection.wait_push("NotifySubscriberRequest").body["serviceInfo"]["hosts"]
        assert host["ip"] == "10.7.0.1"


@pytest.mark.parametrize(
    "path", ["/nacos/v1/ns/ops/metrics", "/nacos/v2/ns/operator/metrics", "/nacos/v3/admin/ns/ops/metrics"]
)
def test_metrics_count_what_there_is(node: NodeProcess, path: str) -> None:
    def metrics(**fields: str) -> dict[str, Any]:
        answer = call_http(node.port, "GET", path, fields).json
        shown: dict[str, Any] = answer if "/v1/" in path else answer["data"]
        return shown

    assert metrics() == {"status": "UP"}
    before = metrics(onlyStatus="false")
    form = {"serviceName": phrases.unique("counted"), "ip": "10.7.0.2", "port": time.monotonic_ns() % 60_000}
    assert call_http(node.port, "POST", phrases.V1_INSTANCE, form=form).text == "ok"
    after = metrics(onlyStatus="false")
    assert after["instanceCount"] == before["instanceCount"] + 1
    assert after["serviceCount"] == before["serviceCount"] + 1
    call_http(node.port, "PUT", SWITCHES[-1], form={"entry": "overriddenServerStatus", "value": "DOWN"})
    assert metrics() == {"status": "DOWN"}


@pytest.mark.parametrize("path", ["/nacos/v1/ns/health/checkers", "/nacos/v3/admin/ns/health/checkers"])
def test_the_health_checkers_are_told(node: NodeProcess, path: str) -> None:
    answer = call_http(node.port, "GET", path).json
    checkers = answer if "/v1/" in path else answer["data"]
    assert set(checkers) == {"TCP", "HTTP", "MYSQL", "NONE"}
    assert all(checker["type"] == name for name, checker in checkers.items())
    assert checkers["HTTP"]["expectedResponseCode"] == 200


def test_a_cluster_may_be_checked_as_mysql(node: NodeProcess) -> None:
    name = phrases.unique("mysql")
    base = "/nacos/v3/admin/ns"
    assert call_http(node.port, "POST", f"{base}/service", {"serviceName": name}).json["code"] == 0
    checker = {"type": "mysql", "user": "u", "pwd": "p", "cmd": "select 1"}
    cluster = {"clusterName": "c", "checkPort": "3306", "useInstancePort4Check": "true"}
    fields = {"serviceName": name, **cluster, "healthChecker": json.dumps(checker)}
    assert call_http(node.port, "PUT", f"{base}/cluster", fields).json["code"] == 0
    detail = call_http(node.port, "GET", f"{base}/service", {"serviceName": name}).json["data"]
    assert detail["clusterMap"]["c"]["healthChecker"] == checker | {"type": "MYSQL"}


def test_who_is_about_to_expire_is_told(node: NodeProcess) -> None:
    name = phrases.unique("silent")
    metadata = json.dumps({"preserved.heart.beat.interval": "1000", "preserved.heart.beat.timeout": "3000"})
    form = {"serviceName": name, "ip": "10.7.0.3", "port": 80, "metadata": metadata}
    assert call_http(node.port, "POST", phrases.V1_INSTANCE, form=form).text == "ok"
    path = "/nacos/v3/admin/ns/ops/silence"
    shown = call_http(node.port, "GET", path, {"withinMs": "3500", "count": "1000"}).json["data"]
    assert shown["watched"] >= 1
    assert shown["soonUnhealthy"] >= 1
    (silent,) = (each for each in shown["nearest"] if each["serviceName"] == name)
    assert (silent["ip"], silent["healthy"]) == ("10.7.0.3", True)
    assert 0 < silent["unhealthyInMs"] <= 3000 < silent["removedInMs"] <= 30_000
    near = call_http(node.port, "GET", path, {"withinMs": "1"}).json["data"]["nearest"]
    assert name not in {each["serviceName"] for each in near}
    assert call_http(node.port, "GET", path, {"withinMs": "soon"}).json["code"] == 20002


def samples(text: str) -> dict[str, float]:
    """Every line is a comment or a sample, each family is announced, and none comes twice."""
    found: dict[str, float] = {}
    announced: set[str] = set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in announced
            assert kind in ("gauge", "counter")
            assert (kind == "counter") == name.endswith("_total")
            announced.add(name)
        elif not line.startswith("# HELP "):
            sample = SAMPLE.match(line)
            assert sample is not None, line
            assert sample[1] in announced
            key = line.rpartition(" ")[0]
            assert key not in found
            found[key] = float(sample[3])
    return found


def test_a_scraper_is_told_everything(node: NodeProcess) -> None:
    def scrape() -> dict[str, float]:
        answer = call_http(node.port, "GET", "/nacos/actuator/prometheus")
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        return samples(answer.text)

    before = scrape()
    name = phrases.unique("scraped")
    with GrpcConnection(node.grpc_port) as connection:
        connection.set_up()
        connection.call("SubscribeServiceRequest", phrases.subscribe(name))
        connection.call("InstanceRequest", phrases.register(name))
        connection.call("ConfigBatchListenRequest", phrases.listen((name, "")))
        form = {"dataId": name, "group": phrases.GROUP, "content": "a"}
        assert call_http(node.port, "POST", phrases.V1_CONFIG, form=form).text == "true"
        after = scrape()
    grown = {key: after[key] - before[key] for key in after if key in before}
    for key in ("instances", "services", "subscriptions", "grpc_clients", "config_listeners", "configs"):
        assert grown[f"nacos_core_{key}"] == 1, key
    assert grown['nacos_core_requests_total{protocol="http"}'] == 2
    assert grown['nacos_core_requests_total{protocol="grpc"}'] >= 3
    assert grown["nacos_core_raft_commit_index"] >= 1
    assert (after["nacos_core_raft_leader"], after["nacos_core_up"]) == (1, 1)
    assert after["nacos_core_raft_apply_lag"] == 0
    (info,) = (key for key in after if key.startswith("nacos_core_info"))
    assert f'version="{__version__}"' in info


def test_probes_of_the_actuator_and_of_the_console_are_answered(node: NodeProcess) -> None:
    assert call_http(node.port, "GET", "/nacos/actuator/health").json == {"status": "UP"}
    for probe in ("liveness", "readiness"):
        answer = call_http(node.port, "GET", f"/nacos/v3/console/health/{probe}")
        assert answer.json == {"code": 0, "message": "success", "data": "ok"}
    for dump in ("env", "heapdump", "threaddump", "beans"):
        assert call_http(node.port, "GET", f"/nacos/actuator/{dump}").status == 404


def test_the_console_is_told_of_the_server(node: NodeProcess) -> None:
    console = "/nacos/v3/console"
    state = call_http(node.port, "GET", f"{console}/server/state").json
    assert (state["version"], state["standalone_mode"]) == (__version__, "standalone")
    nodes = call_http(node.port, "GET", f"{console}/core/cluster/nodes").json["data"]
    assert [member["address"] for member in nodes] == [node.address]
    assert call_http(node.port, "GET", f"{console}/core/cluster/nodes", {"keyword": "nowhere"}).json["data"] == []
    for page in ("announcement", "guide"):
        assert call_http(node.port, "GET", f"{console}/server/{page}").json["code"] == 0


def test_a_node_that_took_a_free_port_says_which(node: NodeProcess) -> None:
    state = call_http(node.port, "GET", "/nacos/v3/admin/core/state").json["data"]
    assert state["server_port"] == str(node.port)
