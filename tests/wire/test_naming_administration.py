"""Services, clusters and instances as operators see and change them, over the v1 and the v3 API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from wire import phrases
from wire.client import GrpcConnection, HttpAnswer, call_http

if TYPE_CHECKING:
    from support.node_process import NodeProcess

V1 = "/nacos/v1/ns"
V3 = "/nacos/v3/admin/ns"
IP = "10.3.0.1"


class Operator:
    """Calls about one service of its own."""

    def __init__(self, port: int, name: str) -> None:
        self.port = port
        self.name = name
        self.grouped = f"{phrases.GROUP}@@{name}"

    def call(self, method: str, path: str, **fields: Any) -> HttpAnswer:
        return call_http(self.port, method, path, {"serviceName": self.name} | fields)

    def instance(self, method: str, path: str, **fields: Any) -> HttpAnswer:
        return self.call(method, path, **({"ip": IP, "port": 80} | fields))

    def register(self, **fields: Any) -> None:
        assert self.instance("POST", phrases.V1_INSTANCE, **fields).text == "ok"

    def listed(self, **fields: Any) -> dict[str, Any]:
        info: dict[str, Any] = self.call("GET", phrases.V1_LIST, **fields).json
        return info

    def host(self) -> dict[str, Any]:
        (host,) = self.listed()["hosts"]
        assert isinstance(host, dict)
        return host

    def detail(self) -> dict[str, Any]:
        answer = self.call("GET", f"{V3}/service")
        assert answer.status == 200
        data: dict[str, Any] = answer.json["data"]
        return data


@pytest.fixture
def operator(node: NodeProcess) -> Operator:
    return Operator(node.port, phrases.unique("admin"))


def is_result(answer: HttpAnswer, status: int, code: int) -> bool:
    return answer.status == status and set(answer.json) == {"code", "message", "data"} and answer.json["code"] == code


def done(answer: HttpAnswer) -> bool:
    return answer.status == 200 and (
        answer.text == "ok" or answer.json == {"code": 0, "message": "success", "data": "ok"}
    )


@pytest.mark.parametrize("base", [V1, V3])
def test_the_life_of_a_service(operator: Operator, base: str) -> None:
    path = f"{base}/service"
    metadata, selector = json.dumps({"a": "1"}), json.dumps({"type": "label", "expression": "x = y"})
    assert done(operator.call("POST", path, protectThreshold="0.5", metadata=metadata, selector=selector))
    assert operator.detail() == {
        "namespaceId": "public",
        "serviceName": operator.name,
        "groupName": phrases.GROUP,
        "clusterMap": {},
        "metadata": {"a": "1"},
        "protectThreshold": 0.5,
        "selector": {"type": "label", "expression": "x = y"},
        "ephemeral": False,
    }
    assert done(operator.call("PUT", path, protectThreshold="0", metadata="b=2,c=3"))
    assert operator.call("GET", f"{V1}/service").json == {
        "namespaceId": "public",
        "groupName": phrases.GROUP,
        "name": operator.name,
        "protectThreshold": 0.0,
        "metadata": {"b": "2", "c": "3"},
        "selector": {"type": "none"},
        "clusters": [],
    }
    assert done(operator.call("DELETE", path))
    assert operator.call("GET", path).status in (400, 404)


def test_v1_says_in_words_what_is_wrong_with_a_service(operator: Operator) -> None:
    path = f"{V1}/service"
    absent = operator.call("GET", path)
    assert absent.text == f"service not found, namespace: public, serviceName: {operator.grouped}"
    for method in ("PUT", "DELETE"):
        answer = operator.call(method, path, protectThreshold="0")
        assert (answer.status, answer.text) == (400, f"service {operator.grouped} not found!")
    assert operator.call("PUT", path).text == "Param 'protectThreshold' is required."
    operator.register()
    assert operator.call("POST", path).text == f"specified service {operator.grouped} already exists!"
    full = operator.call("DELETE", path)
    assert full.status == 400
    assert full.text.endswith("is not empty, can't be delete. Please unregister instance first")
    assert call_http(operator.port, "POST", path, {}).text == "Param 'serviceName' is required."
    spaced = call_http(operator.port, "POST", path, {"serviceName": "a b"})
    assert spaced.text == "Param 'serviceName' is illegal, illegal characters should not appear in the param.\r\n"
    other = Operator(operator.port, phrases.unique("bad"))
    for bad in (
        {"protectThreshold": "x"},
        {"protectThreshold": "1.5"},
        {"protectThreshold": "nan"},
        {"metadata": "{x"},
    ):
        assert other.call("POST", path, **bad).status == 400, bad
    for selector in ("x", "[]", '{"type":"other"}', '{"type":"label"}', "[" * 5000):
        assert other.call("POST", path, selector=selector).text.startswith("not match any type of selector"), selector
    assert other.call("GET", path).status == 400, "none of them was created"


def test_v3_says_by_codes_what_is_wrong_with_a_service(operator: Operator) -> None:
    path = f"{V3}/service"
    assert is_result(operator.call("GET", path), 404, 21008)
    assert is_result(operator.call("PUT", path), 400, 21008)
    assert is_result(operator.call("DELETE", path), 400, 21008)
    assert is_result(operator.call("POST", path, metadata="{x"), 400, 21005)
    assert is_result(operator.call("POST", path, selector="x"), 400, 21006)
    assert is_result(call_http(operator.port, "POST", path, {}), 400, 10000)
    operator.register()
    assert is_result(operator.call("POST", path), 400, 21007)
    assert is_result(operator.call("DELETE", path), 400, 21009)


def test_a_created_service_has_the_kind_it_was_created_with(operator: Operator) -> None:
    operator.call("POST", f"{V1}/service")
    refused = operator.instance("POST", phrases.V1_INSTANCE)
    assert (refused.status, "is persistent service" in refused.text) == (400, True)
    operator.register(ephemeral="false")
    other = Operator(operator.port, phrases.unique("kind"))
    other.call("POST", f"{V3}/service", ephemeral="true")
    other.register()


def test_protection_is_reached_where_the_ratio_is_equal(operator: Operator) -> None:
    operator.register()
    operator.register(port=81, healthy="false")
    assert operator.listed()["reachProtectionThreshold"] is False
    operator.call("PUT", f"{V1}/service", protectThreshold="0.5")
    info = operator.listed()
    assert (info["reachProtectionThreshold"], [host["healthy"] for host in info["hosts"]]) == (True, [True, True])
    info = operator.listed(healthyOnly="true")
    assert (info["reachProtectionThreshold"], len(info["hosts"])) == (False, 1)
    operator.call("PUT", f"{V1}/service", protectThreshold="0.4")
    assert operator.listed()["reachProtectionThreshold"] is False


def test_every_list_is_protected_and_says_so(operator: Operator, connection: GrpcConnection) -> None:
    """Of the clusters together half of the instances are healthy, of each alone all or none."""
    operator.register(clusterName="c1")
    operator.register(port=81, clusterName="c2", healthy="false")
    connection.call("SubscribeServiceRequest", phrases.subscribe(operator.name))
    operator.call("PUT", f"{V1}/service", protectThreshold="0.5")

    def ask(kind: str, body: dict[str, Any]) -> Any:
        return connection.call(kind, body).body["serviceInfo"]

    lists = (
        lambda cluster: operator.listed(clusters=cluster),
        lambda cluster: operator.call("GET", "/nacos/v2/ns/instance/list", clusterName=cluster).json["data"],
        lambda cluster: ask("ServiceQueryRequest", phrases.query(operator.name, cluster)),
        lambda cluster: ask("SubscribeServiceRequest", phrases.subscribe(operator.name, cluster)),
    )
    for listed in lists:
        for cluster, is_reached, healths in (("", True, [True, True]), ("c1", False, [True]), ("c2", True, [True])):
            info = listed(cluster)
            assert (info["reachProtectionThreshold"], [host["healthy"] for host in info["hosts"]]) == (
                is_reached,
                healths,
            )
    client_list = "/nacos/v3/client/ns/instance/list"
    assert [host["healthy"] for host in operator.call("GET", client_list, clusterName="c2").json["data"]] == [True]
    connection.call("SubscribeServiceRequest", phrases.subscribe(operator.name))
    operator.register(port=82, clusterName="c1")
    operator.register(port=83, clusterName="c2", healthy="false")
    connection.wait_push(
        "NotifySubscriberRequest",
        5,
        lambda body: body["serviceInfo"]["reachProtectionThreshold"] and len(body["serviceInfo"]["hosts"]) == 4,
    )


def test_without_data_of_clients_a_selector_of_labels_leaves_nothing_out(operator: Operator) -> None:
    operator.register()
    selector = json.dumps({"type": "label", "expression": "CONSUMER.label.zone = PROVIDER.label.zone"})
    assert done(operator.call("PUT", f"{V1}/service", protectThreshold="0", selector=selector))
    assert len(operator.listed()["hosts"]) == 1
    assert operator.detail()["selector"]["type"] == "label"


def test_lists_of_services(operator: Operator) -> None:
    operator.register()
    operator.register(port=81, healthy="false", clusterName="c1")
    empty = Operator(operator.port, f"{operator.name}-empty")
    empty.call("POST", f"{V1}/service")
    view = {
        "name": operator.name,
        "groupName": phrases.GROUP,
        "clusterCount": 2,
        "ipCount": 2,
        "healthyInstanceCount": 1,
        "triggerFlag": "false",
    }
    query = {"serviceNameParam": operator.name, "pageNo": 1, "pageSize": 10}
    catalog = call_http(operator.port, "GET", f"{V1}/catalog/services", query | {"withInstances": "false"}).json
    assert (catalog["count"], catalog["serviceList"][0]) == (2, view)
    whole = call_http(operator.port, "GET", f"{V1}/catalog/services", query | {"hasIpCount": "true"}).json
    assert [service["serviceName"] for service in whole] == [operator.name]
    assert [host["port"] for host in whole[0]["clusterMap"]["c1"]["hosts"]] == [81]
    page = call_http(operator.port, "GET", f"{V3}/service/list", query | {"pageSize": 1}).json["data"]
    assert page == {"totalCount": 2, "pageNumber": 1, "pagesAvailable": 2, "pageItems": [view]}
    ignored = query | {"ignoreEmptyService": "true", "withInstances": "true"}
    page = call_http(operator.port, "GET", f"{V3}/service/list", ignored).json["data"]
    assert [service["serviceName"] for service in page["pageItems"]] == [operator.name]
    assert call_http(operator.port, "GET", f"{V1}/catalog/services", {"pageSize": 1}).status == 400
    for bad in ("x", "-1", "9" * 20):
        answer = call_http(operator.port, "GET", f"{V3}/service/list", {"pageNo": bad})
        assert is_result(answer, 400, 20002), bad
    assert call_http(operator.port, "GET", f"{V3}/service/selector/types").json["data"] == ["label", "none"]


@pytest.mark.parametrize("base", [V1, V3])
def test_a_cluster_is_described(operator: Operator, base: str) -> None:
    checker = json.dumps({"type": "http", "path": "/health", "expectedResponseCode": 200})
    fields = {"clusterName": "c1", "checkPort": 81, "useInstancePort4Check": "false", "healthChecker": checker}
    path = f"{base}/cluster"
    assert operator.call("PUT", path, **fields).status == 400, "there is no such service"
    operator.register()
    assert done(operator.call("PUT", path, **fields, metadata='{"a":"1"}'))
    assert operator.detail()["clusterMap"]["c1"] == {
        "clusterName": "c1",
        "healthChecker": {"type": "HTTP", "path": "/health", "headers": "", "expectedResponseCode": 200},
        "healthyCheckPort": 81,
        "useInstancePortForCheck": False,
        "metadata": {"a": "1"},
        "hosts": None,
    }
    for name in fields:
        assert operator.call("PUT", path, **{key: value for key, value in fields.items() if key != name}).status == 400
    for bad in ({"checkPort": "x"}, {"checkPort": 70000}, {"healthChecker": "{}"}, {"clusterName": "a,b"}):
        assert operator.call("PUT", path, **(fields | bad)).status == 400, bad


@pytest.mark.parametrize("base", [V1, V3])
def test_what_is_said_of_an_instance_beats_its_registrant(operator: Operator, base: str) -> None:
    path = f"{base}/instance"
    operator.register(weight="1", metadata='{"a":"1"}')
    assert done(operator.instance("PUT", path, weight="2.5", metadata='{"b":"2"}'))
    operator.register(weight="7", metadata='{"a":"3"}')
    assert (operator.host()["weight"], operator.host()["metadata"]) == (2.5, {"a": "3", "b": "2"})
    assert done(operator.instance("PUT", path, enabled="false"))
    assert operator.listed()["hosts"] == []
    shown = operator.instance("GET", f"{V3}/instance").json["data"]
    assert (shown["enabled"], shown["weight"], shown["metadata"]) == (False, 1.0, {"a": "3"})


@pytest.mark.parametrize(("method", "path"), [("PATCH", f"{V1}/instance"), ("PUT", f"{V3}/instance/partial")])
def test_a_patch_leaves_what_it_does_not_name(operator: Operator, method: str, path: str) -> None:
    assert operator.instance(method, path, weight="2").status == 404
    operator.register(weight="5", metadata='{"a":"1"}')
    assert done(operator.instance(method, path, metadata='{"b":"2"}'))
    assert (operator.host()["weight"], operator.host()["metadata"]) == (5.0, {"a": "1", "b": "2"})
    assert done(operator.instance(method, path, weight="3"))
    assert (operator.host()["weight"], operator.host()["metadata"]) == (3.0, {"a": "1", "b": "2"})
    assert operator.instance(method, path, ip="10.9.9.9").status == 404


def test_one_instance_is_shown(operator: Operator) -> None:
    missing = operator.instance("GET", f"{V1}/instance")
    assert (missing.status, missing.text) == (404, f"no ips found for cluster DEFAULT in service {operator.grouped}")
    operator.register(clusterName="c1")
    assert operator.instance("GET", f"{V1}/instance").text == "no matched ip found!"
    assert operator.instance("GET", f"{V1}/instance", clusterName="c1").json == {
        "service": operator.grouped,
        "ip": IP,
        "port": 80,
        "clusterName": "c1",
        "weight": 1.0,
        "healthy": True,
        "instanceId": f"{IP}#80#c1#{operator.grouped}",
        "metadata": {},
    }
    assert is_result(operator.instance("GET", f"{V3}/instance"), 404, 20004)
    for path, cluster, count in (("instance/list", "c1", 1), ("instance/list", "", 1), ("instance/list", "c2", 0)):
        assert len(operator.call("GET", f"{V3}/{path}", clusterName=cluster).json["data"]) == count
    operator.register(port=81, healthy="false")
    for healthy_only, expected in (("true", [80]), ("false", [80, 81])):
        shown = operator.call("GET", f"{V3}/instance/list", healthyOnly=healthy_only).json["data"]
        assert phrases.ports(shown) == expected


def test_bad_parameters_of_an_instance_are_named(operator: Operator) -> None:
    operator.register()
    for fields in ({"port": "x"}, {"port": "70000"}, {"port": "-1"}):
        answer = operator.instance("PUT", f"{V1}/instance", **fields)
        assert (answer.status, "'port' is illegal" in answer.text) == (400, True), fields
    weight = operator.instance("PUT", f"{V1}/instance", weight="10001")
    assert weight.text == "instance format invalid: The weights range from 0.0 to 10000.0"
    assert is_result(operator.instance("PUT", f"{V3}/instance", weight="10001"), 400, 21001)
    assert is_result(operator.instance("PUT", f"{V3}/instance", metadata="{x"), 400, 21002)
    broken = operator.instance("PUT", f"{V1}/instance", metadata="{x")
    assert (broken.status, broken.json["error"]) == (500, "Internal Server Error")
    assert operator.instance("PUT", f"{V1}/instance", weight="nan").status == 400
    assert operator.instance("PUT", f"{V1}/instance", clusterName="a,b").status == 400
    assert operator.instance("PUT", f"{V1}/instance", metadata=f"k={'v' * 1024}").status == 400
    assert operator.call("PUT", f"{V1}/instance", port=80).text == "Param 'ip' is required."
    unknown = Operator(operator.port, phrases.unique("unknown"))
    answer = unknown.instance("PUT", f"{V1}/instance")
    assert (answer.status, answer.text.startswith("service not found")) == (400, True)
    assert (operator.host()["weight"], operator.host()["metadata"]) == (1.0, {})


@pytest.mark.parametrize("base", [V1, V3])
def test_metadata_of_many_is_added_and_taken_out(operator: Operator, base: str) -> None:
    path = f"{base}/instance/metadata/batch"
    operator.register(metadata='{"a":"1"}')
    operator.register(port=81, clusterName="c1")

    def updated(answer: HttpAnswer) -> set[str]:
        assert answer.status == 200
        body = answer.json if base == V1 else answer.json["data"]
        return set(body["updated"])

    of_80, of_81 = f"{IP}:80:unknown:DEFAULT:ephemeral", f"{IP}:81:unknown:c1:ephemeral"
    assert updated(operator.call("PUT", path, metadata='{"b":"2"}')) == {of_80, of_81}
    one = json.dumps([{"ip": IP, "port": 81, "clusterName": "c1"}, {"ip": "10.9.9.9", "port": 1}])
    assert updated(operator.call("PUT", path, metadata='{"c":"3"}', instances=one)) == {of_81}
    assert updated(operator.call("PUT", path, metadata='{"d":"4"}', consistencyType="persist")) == set()
    shown = {host["port"]: host["metadata"] for host in operator.listed()["hosts"]}
    assert shown == {80: {"a": "1", "b": "2"}, 81: {"b": "2", "c": "3"}}
    assert updated(operator.call("DELETE", path, metadata='{"a":"","b":""}', instances="[]")) == {of_80, of_81}
    shown = {host["port"]: host["metadata"] for host in operator.listed()["hosts"]}
    assert shown == {80: {"a": "1"}, 81: {"c": "3"}}, "what the registrant says stays"
    assert operator.call("PUT", path).status == 400
    for bad in ("x", "{}", '[{"ip":1}]'):
        assert operator.call("PUT", path, metadata='{"b":"2"}', instances=bad).status == 400, bad


@pytest.mark.parametrize("path", [f"{V1}/health", f"{V1}/health/instance", f"{V3}/health/instance"])
def test_health_may_be_set_where_nobody_checks_it(operator: Operator, path: str) -> None:
    operator.register(ephemeral="false")
    refused = operator.instance("PUT", path, healthy="false")
    assert (refused.status, "health check is still working" in refused.text) == (400, True)
    checker = json.dumps({"type": "NONE"})
    fields = {"clusterName": "DEFAULT", "checkPort": 80, "useInstancePort4Check": "true", "healthChecker": checker}
    assert done(operator.call("PUT", f"{V1}/cluster", **fields))
    assert operator.instance("PUT", path).status == 400
    assert done(operator.instance("PUT", path, healthy="false"))
    # With metadata there is protection: with none healthy, all are shown.
    assert operator.instance("GET", f"{V1}/instance").json["healthy"] is False
    assert operator.listed()["reachProtectionThreshold"] is True
    assert done(operator.instance("PUT", path, healthy="true"))
    assert operator.listed()["reachProtectionThreshold"] is False


def test_subscribers_hear_of_what_operators_say(operator: Operator, connection: GrpcConnection) -> None:
    operator.register()
    connection.call("SubscribeServiceRequest", phrases.subscribe(operator.name))
    operator.instance("PUT", f"{V1}/instance", weight="4")

    def weighs_4(body: dict[str, Any]) -> bool:
        return [host["weight"] for host in body["serviceInfo"]["hosts"]] == [4.0]

    connection.wait_push("NotifySubscriberRequest", 5, weighs_4)


def test_administrators_register_by_v3_too(operator: Operator) -> None:
    assert done(operator.instance("POST", f"{V3}/instance"))
    assert operator.host()["ip"] == IP
    assert done(operator.instance("DELETE", f"{V3}/instance"))
    assert operator.listed()["hosts"] == []
    assert operator.call("PATCH", f"{V3}/instance").status == 405
