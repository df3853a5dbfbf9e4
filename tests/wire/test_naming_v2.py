"""The v2 naming API: what v1 does, in results."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from wire import phrases
from wire.client import HttpAnswer, call_http

if TYPE_CHECKING:
    from support.node_process import NodeProcess

V2 = "/nacos/v2/ns"
IP = "10.6.0.1"


def call(node: NodeProcess, method: str, path: str, **fields: Any) -> HttpAnswer:
    return call_http(node.port, method, f"{V2}/{path}", fields)


def done(answer: HttpAnswer) -> bool:
    return answer.status == 200 and bool(answer.json == {"code": 0, "message": "success", "data": "ok"})


def test_the_life_of_an_instance(node: NodeProcess) -> None:
    name = phrases.unique("v2")
    instance = {"serviceName": name, "ip": IP, "port": 80}
    assert done(call(node, "POST", "instance", **instance, weight="2", metadata=json.dumps({"a": "1"})))
    info = call(node, "GET", "instance/list", serviceName=name).json["data"]
    assert (info["name"], info["groupName"]) == (f"{phrases.GROUP}@@{name}", phrases.GROUP)
    (host,) = info["hosts"]
    assert (host["ip"], host["weight"], host["metadata"]) == (IP, 2.0, {"a": "1"})
    assert call(node, "GET", "instance/list", serviceName=name, clusterName="other").json["data"]["hosts"] == []
    assert done(call(node, "PUT", "instance", **instance, weight="3"))
    shown = call(node, "GET", "instance", **instance).json["data"]
    assert shown == {
        "serviceName": f"{phrases.GROUP}@@{name}",
        "ip": IP,
        "port": 80,
        "clusterName": "DEFAULT",
        "weight": 3.0,
        "healthy": True,
        "instanceId": shown["instanceId"],
        "metadata": {"a": "1"},
    }
    assert done(call(node, "PATCH", "instance", **instance, enabled="false"))
    assert call(node, "GET", "instance/list", serviceName=name).json["data"]["hosts"] == []
    assert call(node, "PUT", "instance/beat", **instance).json["code"] == 10200
    assert done(call(node, "DELETE", "instance", **instance))
    absent = call(node, "GET", "instance", **instance)
    assert (absent.status, absent.json["code"]) == (404, 20004)


def test_a_persistent_instance_is_registered_and_its_metadata_changed(node: NodeProcess) -> None:
    name = phrases.unique("v2")
    instance = {"serviceName": name, "ip": IP, "port": 80}
    assert done(call(node, "POST", "instance", **instance, ephemeral="false"))
    batch = call(node, "PUT", "instance/metadata/batch", serviceName=name, metadata=json.dumps({"z": "1"}))
    assert batch.json["data"] == {"updated": [f"{IP}:80:unknown:DEFAULT:persist"]}
    (host,) = call(node, "GET", "instance/list", serviceName=name).json["data"]["hosts"]
    assert (host["ephemeral"], host["metadata"]) == (False, {"z": "1"})
    call(node, "DELETE", "instance/metadata/batch", serviceName=name, metadata=json.dumps({"z": ""}))
    (host,) = call(node, "GET", "instance/list", serviceName=name).json["data"]["hosts"]
    assert host["metadata"] == {}
    health = call(node, "PUT", "health/instance", **instance, healthy="false")
    assert (health.status, health.json["code"]) == (400, 21011), "its cluster says that it is checked"
    assert done(call(node, "DELETE", "instance", **instance, ephemeral="false"))


def test_the_life_of_a_service(node: NodeProcess) -> None:
    name = phrases.unique("v2")
    assert done(call(node, "POST", "service", serviceName=name, protectThreshold="0.5", groupName="V2"))
    detail = call(node, "GET", "service", serviceName=name, groupName="V2").json["data"]
    assert (detail["namespace"], detail["groupName"], detail["serviceName"]) == ("public", "V2", name)
    assert (detail["protectThreshold"], detail["clusterMap"]) == (0.5, {})
    listed = call(node, "GET", "service/list", groupName="V2", pageSize="500").json["data"]
    assert name in listed["services"]
    assert listed["count"] == len(listed["services"])
    assert done(call(node, "PUT", "service", serviceName=name, groupName="V2", metadata=json.dumps({"a": "1"})))
    assert call(node, "GET", "service", serviceName=name, groupName="V2").json["data"]["metadata"] == {"a": "1"}
    assert done(call(node, "DELETE", "service", serviceName=name, groupName="V2"))
    absent = call(node, "GET", "service", serviceName=name, groupName="V2")
    assert (absent.status, absent.json["code"]) == (404, 21008)


def test_what_is_wrong_has_a_code(node: NodeProcess) -> None:
    missing = call(node, "POST", "instance", serviceName="a", ip=IP)
    assert (missing.status, missing.json["code"]) == (400, 10000)
    weight = call(node, "POST", "instance", serviceName="a", ip=IP, port=80, weight="10001")
    assert (weight.status, weight.json["code"]) == (400, 21001)
    assert call(node, "GET", "instance/list").json["code"] == 10000
    assert call(node, "OPTIONS", "instance").status == 405


def test_a_list_of_services_in_what_cannot_be_a_namespace_is_refused(node: NodeProcess) -> None:
    for wrong in ({"namespaceId": "a b"}, {"groupName": "a b"}, {"namespaceId": "n" * 300}):
        refused = call(node, "GET", "service/list", **wrong)
        assert refused.status == 400
        assert "Param" in refused.text


def test_the_console_administers_services_and_instances(node: NodeProcess) -> None:
    base, name = "/nacos/v3/console/ns", phrases.unique("console")

    def ask(method: str, path: str, **fields: Any) -> HttpAnswer:
        return call_http(node.port, method, f"{base}/{path}", {"serviceName": name} | fields)

    assert done(ask("POST", "service"))
    for port in (80, 81, 82):
        form = {"serviceName": name, "ip": IP, "port": port, "ephemeral": "false"}
        assert call_http(node.port, "POST", phrases.V1_INSTANCE, form=form).text == "ok"
    page = ask("GET", "instance/list", pageNo="2", pageSize="2").json["data"]
    assert (page["totalCount"], page["pageNumber"], page["pagesAvailable"], len(page["pageItems"])) == (3, 2, 2, 1)
    assert done(ask("PUT", "instance", ip=IP, port="80", weight="7"))
    hosts = ask("GET", "instance/list").json["data"]["pageItems"]
    assert {host["port"]: host["weight"] for host in hosts} == {80: 7.0, 81: 1.0, 82: 1.0}
    checker = json.dumps({"type": "HTTP", "path": "/x"})
    cluster = {"clusterName": "DEFAULT", "checkPort": "81", "useInstancePort4Check": "false", "healthChecker": checker}
    assert done(ask("PUT", "service/cluster", **cluster))
    detail = ask("GET", "service").json["data"]
    assert detail["clusterMap"]["DEFAULT"]["healthyCheckPort"] == 81
    assert detail["clusterMap"]["DEFAULT"]["healthChecker"]["path"] == "/x"
    listed = ask("GET", "service/list", serviceNameParam=name).json["data"]["pageItems"]
    assert [each["name"] for each in listed] == [name]
    assert done(ask("PUT", "service", protectThreshold="0.1"))
    assert sorted(ask("GET", "service/selector/types").json["data"]) == ["label", "none"]
    refused = ask("DELETE", "service")
    assert (refused.status, refused.json["code"]) == (400, 21009)
