"""What consoles and scripts of 1.x and 2.x list, beside what clients are shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from wire import phrases
from wire.client import HttpAnswer, call_http

if TYPE_CHECKING:
    from support.node_process import NodeProcess

V1 = "/nacos/v1/ns"
V2 = "/nacos/v2/ns"
IP = "10.8.0.1"


def call(node: NodeProcess, path: str, **query: Any) -> HttpAnswer:
    return call_http(node.port, "GET", path, query)


def register(node: NodeProcess, name: str, port: int, **fields: Any) -> None:
    form = {"serviceName": name, "ip": IP, "port": port} | fields
    assert call_http(node.port, "POST", phrases.V1_INSTANCE, form=form).text == "ok"


@pytest.fixture
def name(node: NodeProcess) -> str:
    """A service with two healthy instances, one of them disabled, and an unhealthy one in a cluster of its own."""
    name = phrases.unique("catalog")
    register(node, name, 80)
    register(node, name, 81, enabled="false")
    register(node, name, 82, healthy="false", clusterName="c1")
    return name


def test_instances_are_listed_page_by_page(node: NodeProcess, name: str) -> None:
    path = f"{V1}/catalog/instances"
    pages = [call(node, path, serviceName=name, pageNo=number, pageSize=2).json for number in (1, 2, 3)]
    assert [(page["count"], len(page["list"])) for page in pages] == [(3, 2), (3, 1), (3, 0)]
    shown = [host for page in pages for host in page["list"]]
    assert phrases.ports(shown) == [80, 81, 82], "the disabled one, too"
    assert {host["port"]: host["healthy"] for host in shown} == {80: True, 81: True, 82: False}
    of_cluster = call(node, path, serviceName=name, clusterName="c1", pageNo=1, pageSize=10).json
    assert (of_cluster["count"], phrases.ports(of_cluster["list"])) == (1, [82])
    for wrong in ({"serviceName": name, "clusterName": "c2"}, {"serviceName": phrases.unique("absent")}):
        absent = call(node, path, pageNo=1, pageSize=10, **wrong)
        assert (absent.status, "is not found" in absent.text) == (404, True)
    assert call(node, path, serviceName=name, pageNo=1).status == 400


def test_v2_chooses_by_what_instances_are(node: NodeProcess, name: str) -> None:
    def listed(**query: Any) -> dict[str, Any]:
        answer = call(node, f"{V2}/catalog/instances", serviceName=name, pageNo=1, pageSize=10, **query).json
        assert (answer["code"], set(answer["data"])) == (0, {"instances", "count"})
        data: dict[str, Any] = answer["data"]
        assert data["count"] == len(data["instances"])
        return data

    assert phrases.ports(listed()["instances"]) == [80, 81, 82]
    assert phrases.ports(listed(healthyOnly="true", enabledOnly="true")["instances"]) == [80]
    assert phrases.ports(listed(healthyOnly="false")["instances"]) == [82]
    absent = call(node, f"{V2}/catalog/instances", serviceName=phrases.unique("absent"), pageNo=1, pageSize=1)
    assert (absent.status, absent.json["code"]) == (404, 21008)


def test_a_service_is_shown_with_its_clusters(node: NodeProcess, name: str) -> None:
    checker = json.dumps({"type": "HTTP", "path": "/x"})
    cluster = {"clusterName": "c1", "checkPort": 81, "useInstancePort4Check": "false", "healthChecker": checker}
    assert call_http(node.port, "PUT", f"{V1}/cluster", {"serviceName": name, **cluster}).text == "ok"
    update = {"serviceName": name, "protectThreshold": "0.5", "metadata": "a=1"}
    assert call_http(node.port, "PUT", f"{V1}/service", update).text == "ok"
    shown = call(node, f"{V1}/catalog/service", serviceName=name).json
    assert shown["service"] == {
        "name": name,
        "groupName": phrases.GROUP,
        "protectThreshold": 0.5,
        "selector": {"type": "none"},
        "metadata": {"a": "1"},
    }
    assert [cluster["name"] for cluster in shown["clusters"]] == ["DEFAULT", "c1"]
    assert shown["clusters"][1] == {
        "name": "c1",
        "serviceName": f"{phrases.GROUP}@@{name}",
        "healthChecker": {"type": "HTTP", "path": "/x", "headers": "", "expectedResponseCode": 200},
        "metadata": {},
        "defaultPort": 80,
        "defaultCheckPort": 81,
        "useIPPort4Check": False,
    }
    assert call(node, f"{V1}/catalog/service", serviceName=phrases.unique("absent")).status == 404


def test_names_of_services_are_found_by_a_part_of_them(node: NodeProcess, name: str) -> None:
    register(node, name, 80, namespaceId="names", groupName="g")
    register(node, phrases.unique("other"), 80, namespaceId="names")
    grouped = f"{phrases.GROUP}@@{name}"
    found = call(node, f"{V1}/service/names", expr=name).json
    assert found["services"] == {"public": [grouped], "names": [f"g@@{name}"]}
    assert (found["META-INF/services"], found["count"]) == (found["services"], 2)
    assert call(node, f"{V1}/service/names", namespaceId="public", expr=name).json["services"] == {"public": [grouped]}
    none = call(node, f"{V1}/service/names", namespaceId="nowhere").json
    assert (none["services"], none["count"]) == ({"nowhere": []}, 0)


def test_the_health_of_instances_is_told_by_their_addresses(node: NodeProcess, name: str) -> None:
    def told(key: str) -> list[str]:
        return sorted(call(node, f"{V1}/instance/statuses", key=key).json["ips"])

    expected = [f"{IP}:80_true", f"{IP}:81_true", f"{IP}:82_false"]
    assert told(f"public##{phrases.GROUP}@@{name}") == told(f"{phrases.GROUP}@@{name}") == told(name) == expected
    assert told(f"nowhere##{name}") == []
    for wrong in ("", "public##", "@@a"):
        assert call(node, f"{V1}/instance/statuses", key=wrong).status == 400, wrong


def test_naming_says_that_it_answers(node: NodeProcess, name: str) -> None:
    assert "healthy" in call(node, f"{V1}/health/server").json["msg"]
