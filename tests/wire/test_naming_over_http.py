"""Naming for 1.x clients and the 3.x client API: beats instead of a connection, and pushes by UDP."""

from __future__ import annotations

import gzip
import json
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from wire import phrases
from wire.client import GrpcConnection, HttpAnswer, call_http

if TYPE_CHECKING:
    from support.node_process import NodeProcess

JAVA_AGENT = "Nacos-Java-Client:v1.4.0"
IMPATIENT = {
    "preserved.heart.beat.interval": "1000",
    "preserved.heart.beat.timeout": "2000",
    "preserved.ip.delete.timeout": "4000",
}
CHECK_EVERY_S = 5.0
"""The server looks at beats this often, so it may see a late one this much later."""


def register(node: NodeProcess, name: str, port: int = 80, **fields: Any) -> HttpAnswer:
    form = {"serviceName": name, "ip": "10.3.0.1", "port": port} | fields
    return call_http(node.port, "POST", phrases.V1_INSTANCE, form=form)


def listed(node: NodeProcess, name: str, **query: Any) -> list[dict[str, Any]]:
    answer = call_http(node.port, "GET", phrases.V1_LIST, {"serviceName": name} | query)
    hosts: list[dict[str, Any]] = answer.json["hosts"]
    return hosts


def beat(node: NodeProcess, name: str, port: int = 80, **fields: Any) -> dict[str, Any]:
    query = {"serviceName": name, "ip": "10.3.0.1", "port": port} | fields
    answer: dict[str, Any] = call_http(node.port, "PUT", phrases.V1_BEAT, query).json
    return answer


def test_a_light_beat_of_an_unknown_instance_asks_for_registration(node: NodeProcess) -> None:
    name = phrases.unique("beat")
    assert beat(node, name)["code"] == 20404
    assert register(node, name).text == "ok"
    assert beat(node, name) == {"clientBeatInterval": 5000, "code": 10200, "lightBeatEnabled": True}
    assert beat(node, name, port=81)["code"] == 20404


def test_a_full_beat_registers_what_it_tells_of(node: NodeProcess) -> None:
    name = phrases.unique("beat")
    told = {"ip": "10.3.0.2", "port": 90, "serviceName": f"{phrases.GROUP}@@{name}", "cluster": "c1", "weight": 2}
    told["metadata"] = {"a": "1"}
    assert beat(node, name, beat=json.dumps(told))["code"] == 10200
    (host,) = listed(node, name)
    assert (host["ip"], host["port"], host["weight"], host["clusterName"]) == ("10.3.0.2", 90, 2.0, "c1")
    assert host["metadata"] == {"a": "1"}


def test_the_interval_of_beats_may_be_set_by_metadata(node: NodeProcess) -> None:
    name = phrases.unique("beat")
    register(node, name, metadata=json.dumps({"preserved.heart.beat.interval": "3000"}))
    assert beat(node, name)["clientBeatInterval"] == 3000


def test_timeouts_shorter_than_the_interval_are_refused(node: NodeProcess) -> None:
    short = {"preserved.heart.beat.interval": "5000", "preserved.heart.beat.timeout": "1000"}
    assert register(node, phrases.unique("beat"), metadata=json.dumps(short)).status == 400


def test_a_silent_instance_turns_unhealthy_then_vanishes_and_subscribers_hear_both(
    node: NodeProcess, connection: GrpcConnection
) -> None:
    name, alive = phrases.unique("silent"), phrases.unique("alive")
    connection.call("SubscribeServiceRequest", phrases.subscribe(name))
    for each in (name, alive):
        register(node, each, metadata=json.dumps(IMPATIENT))
    began = time.monotonic()
    heard: dict[str, float] = {}
    while "removed" not in heard and time.monotonic() - began < 4.0 + 2 * CHECK_EVERY_S:
        beat(node, alive)
        connection.settle(0.2)
        for push in connection.pushes:
            hosts = push.body["serviceInfo"]["hosts"]
            told = "removed" if not hosts else "healthy" if hosts[0]["healthy"] else "unhealthy"
            if told != "removed" or "healthy" in heard:
                heard.setdefault(told, time.monotonic() - began)
        connection.pushes.clear()
    assert set(heard) == {"healthy", "unhealthy", "removed"}
    assert 2.0 <= heard["unhealthy"] <= 2.0 + CHECK_EVERY_S + 1
    assert 4.0 <= heard["removed"] <= 4.0 + CHECK_EVERY_S + 1
    assert [host["healthy"] for host in listed(node, alive)] == [True], "what goes on beating stays"
    assert beat(node, name)["code"] == 20404


def test_a_beat_heals_an_unhealthy_instance(node: NodeProcess, connection: GrpcConnection) -> None:
    name = phrases.unique("healed")
    slow = IMPATIENT | {"preserved.ip.delete.timeout": "60000"}
    register(node, name, metadata=json.dumps(slow))
    connection.call("SubscribeServiceRequest", phrases.subscribe(name))
    connection.wait_push("NotifySubscriberRequest", 10, lambda body: healths(body) == [False])
    assert listed(node, name, healthyOnly="true") == []
    assert beat(node, name)["code"] == 10200
    connection.wait_push("NotifySubscriberRequest", 2, lambda body: healths(body) == [True])


def test_operators_may_give_an_instance_more_time(node: NodeProcess) -> None:
    name = phrases.unique("patient")
    told = {"serviceName": name, "ip": "10.3.0.1", "port": 80}
    register(node, name, metadata=json.dumps(IMPATIENT))
    patience = {"preserved.heart.beat.interval": "3000", "preserved.heart.beat.timeout": "60000"}
    more = json.dumps(patience | {"preserved.ip.delete.timeout": "60000"})
    assert call_http(node.port, "PUT", phrases.V1_INSTANCE, told | {"metadata": more}).text == "ok"
    time.sleep(4.0 + 1.5)
    assert [host["healthy"] for host in listed(node, name)] == [True]
    assert beat(node, name)["clientBeatInterval"] == 3000


def healths(body: dict[str, Any]) -> list[bool]:
    return [host["healthy"] for host in body["serviceInfo"]["hosts"]]


def test_deregistration_compares_the_address_and_succeeds_for_what_is_absent(node: NodeProcess) -> None:
    name = phrases.unique("leaves")
    register(node, name, 1)
    register(node, name, 2)
    gone = {"serviceName": name, "ip": "10.3.0.1", "port": 1}
    for _ in range(2):
        assert call_http(node.port, "DELETE", phrases.V1_INSTANCE, gone).text == "ok"
    assert phrases.ports(listed(node, name)) == [2]


def test_services_are_listed_by_group_and_page(node: NodeProcess) -> None:
    group = phrases.unique("group")
    names = [f"service-{number}" for number in range(5)]
    for name in names:
        register(node, name, groupName=group)

    def page(number: int, size: int) -> tuple[int, list[str]]:
        query = {"pageNo": number, "pageSize": size, "groupName": group}
        answer = call_http(node.port, "GET", "/nacos/v1/ns/service/list", query).json
        return answer["count"], answer["doms"]

    pages = [page(number, 2) for number in (1, 2, 3)]
    assert [count for count, _ in pages] == [5, 5, 5]
    assert sorted(name for _, some in pages for name in some) == names
    assert page(4, 2) == (5, [])
    assert page(0, 10) == page(1, 10)


def test_groups_and_namespaces_are_apart(node: NodeProcess) -> None:
    name = phrases.unique("apart")
    register(node, name, 1)
    register(node, name, 2, groupName="other")
    register(node, name, 3, namespaceId="elsewhere")
    assert phrases.ports(listed(node, name)) == [1]
    assert phrases.ports(listed(node, name, groupName="other")) == [2]
    assert phrases.ports(listed(node, f"other@@{name}")) == [2]
    assert phrases.ports(listed(node, name, namespaceId="elsewhere")) == [3]
    assert phrases.ports(listed(node, name, namespaceId="public")) == [1]


def test_an_instance_may_ask_for_an_id_with_a_number(node: NodeProcess, connection: GrpcConnection) -> None:
    name, generator = phrases.unique("ids"), {"preserved.instance.id.generator": "snowflake"}
    for port in (80, 81):
        register(node, name, port, metadata=json.dumps(generator), clusterName="c1")
    told = {"ip": "10.3.0.1", "port": 82, "metadata": generator}
    assert beat(node, name, beat=json.dumps(told))["code"] == 10200
    connection.call("InstanceRequest", phrases.register(name, 83, metadata=generator))
    kept = {"instanceId": "mine", "metadata": generator}
    batch = phrases.batch(f"{name}-batch", [phrases.instance(84, metadata=generator), phrases.instance(85, **kept)])
    connection.call("BatchInstanceRequest", batch)
    register(node, f"{name}-kept", 86, metadata=json.dumps(generator), ephemeral="false")
    persistent = phrases.register(f"{name}-kept", 87, metadata=generator, ephemeral=False)
    connection.call("PersistentInstanceRequest", persistent)

    hosts = [host for each in (name, f"{name}-batch", f"{name}-kept") for host in listed(node, each)]
    ids = {host["port"]: host["instanceId"] for host in hosts}
    assert ids.pop(85) == "mine"
    numbers = [int(instance_id.partition("#")[0]) for _, instance_id in sorted(ids.items())]
    assert len(set(numbers)) == len(numbers) == 7
    assert ids[80].partition("#")[2] == f"c1#{phrases.GROUP}@@{name}"
    assert ids[87].partition("#")[2] == f"DEFAULT#{phrases.GROUP}@@{name}-kept"


@pytest.mark.parametrize("metadata", ['{"a":"1","b":"2"}', "a=1,b=2"])
def test_metadata_comes_as_json_or_as_pairs(node: NodeProcess, metadata: str) -> None:
    name = phrases.unique("metadata")
    assert register(node, name, metadata=metadata).text == "ok"
    assert [host["metadata"] for host in listed(node, name)] == [{"a": "1", "b": "2"}]


def test_the_other_spellings_of_parameters_are_read(node: NodeProcess) -> None:
    name = phrases.unique("spelling")
    register(node, name, cluster="c1", enable="false")
    register(node, name, 81, cluster="c1", enabled="true")
    assert [(host["port"], host["clusterName"]) for host in listed(node, name)] == [(81, "c1")]


def test_the_client_api_of_3x_renews_lists_and_removes(node: NodeProcess) -> None:
    keys = {"serviceName": phrases.unique("v3"), "ip": "10.3.0.1", "port": 80}

    def post(**more: Any) -> int:
        code: int = call_http(node.port, "POST", phrases.V3_INSTANCE, form=keys | more).json["code"]
        return code

    assert post(heartBeat="true") == 21003
    assert post() == 0
    assert post(heartBeat="true") == 0
    answer = call_http(node.port, "GET", f"{phrases.V3_INSTANCE}/list", {"serviceName": keys["serviceName"]}).json
    assert phrases.ports(answer["data"]) == [80]
    assert call_http(node.port, "DELETE", phrases.V3_INSTANCE, keys).json["code"] == 0
    assert post(heartBeat="true") == 21003


def test_the_client_api_of_3x_lists_one_cluster_and_all_that_is_enabled_in_it(node: NodeProcess) -> None:
    name = phrases.unique("v3")
    for port, more in ((80, {}), (81, {"healthy": "false"}), (82, {"enabled": "false"}), (83, {"clusterName": "c1"})):
        form = {"serviceName": name, "ip": "10.3.0.1", "port": port} | more
        assert call_http(node.port, "POST", phrases.V3_INSTANCE, form=form).json["code"] == 0

    def ports(**query: str) -> list[int]:
        answer = call_http(node.port, "GET", f"{phrases.V3_INSTANCE}/list", {"serviceName": name} | query)
        return phrases.ports(answer.json["data"])

    assert ports() == ports(clusterName="") == ports(clusterName="DEFAULT") == [80, 81]
    assert ports(clusterName="c1") == [83]
    assert ports(healthyOnly="true") == [80, 81], "which it does not take"


def test_a_list_request_with_a_udp_port_subscribes(node: NodeProcess) -> None:
    name = phrases.unique("udp")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(3)
        query = {"serviceName": name, "udpPort": listener.getsockname()[1], "clientIP": "127.0.0.1"}
        call_http(node.port, "GET", phrases.V1_LIST, query, headers={"User-Agent": JAVA_AGENT})
        register(node, name, 1)
        first = hear(listener, 1)
        assert first["name"] == f"{phrases.GROUP}@@{name}"
        for port in range(2, 12):
            register(node, name, port, metadata=json.dumps({"padding": "x" * 100}))
        assert hear(listener, 11)["lastRefTime"] > first["lastRefTime"], "gzip, as it is longer than 1024 bytes"


def hear(listener: socket.socket, count: int) -> dict[str, Any]:
    """Acknowledges pushes until one tells of so many instances; returns its service."""
    while True:
        datagram, sender = listener.recvfrom(65536)
        packed = datagram[:2] == b"\x1f\x8b"
        assert packed or len(datagram) < 1024
        push = json.loads(gzip.decompress(datagram) if packed else datagram)
        assert push["type"] == "dom"
        answer = {"type": "push-ack", "lastRefTime": push["lastRefTime"], "data": ""}
        listener.sendto(json.dumps(answer).encode(), sender)
        told: dict[str, Any] = json.loads(push["data"])
        if len(told["hosts"]) == count:
            return told


def test_a_namespace_has_plain_characters(node: NodeProcess) -> None:
    for namespace, status in (("dev-1_a", 200), ("n\u00e9", 400), ("a b", 400), ("n" * 65, 400)):
        form = {"namespaceId": namespace, "serviceName": "s", "ip": "10.0.0.1", "port": "80"}
        assert call_http(node.port, "POST", phrases.V1_INSTANCE, form=form).status == status, namespace
