"""What clients publish and subscribe to, as operators see it."""

from __future__ import annotations

import socket
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from wire import phrases
from wire.client import GrpcConnection, call_http

if TYPE_CHECKING:
    from support.node_process import NodeProcess

ADMIN = "/nacos/v3/admin/ns"
V2 = "/nacos/v2/ns"
BASES = (ADMIN, V2)


def get(node: NodeProcess, path: str, **fields: Any) -> Any:
    answer = call_http(node.port, "GET", path, fields)
    assert (answer.status, answer.json["code"]) == (200, 0), answer.text
    return answer.json["data"]


@pytest.mark.parametrize("base", BASES)
def test_clients_are_listed_and_shown(node: NodeProcess, base: str) -> None:
    name = phrases.unique("clients")
    for ephemeral in ("true", "false"):
        form = {"serviceName": f"{name}-{ephemeral}", "ip": "10.4.0.1", "port": 80, "ephemeral": ephemeral}
        assert call_http(node.port, "POST", phrases.V1_INSTANCE, form=form).text == "ok"
    with GrpcConnection(node.grpc_port) as connection:
        client_id = connection.set_up()
        ids = get(node, f"{base}/client/list")
        assert {client_id, "10.4.0.1:80#true", "10.4.0.1:80#false"} <= set(ids)
        shown = get(node, f"{base}/client", clientId=client_id)
        assert set(shown) == {
            "clientId", "ephemeral", "lastUpdatedTime", "clientType", "connectType", "appName", "version", "clientIp",
            "clientPort",
        }  # fmt: skip
        assert (shown["clientId"], shown["clientType"], shown["connectType"]) == (client_id, "connection", "GRPC")
        assert shown["ephemeral"] is True
        assert shown["lastUpdatedTime"] > 1_600_000_000_000
        assert client_id.endswith(f"_{shown['clientPort']}")
    for ephemeral in (True, False):
        shown = get(node, f"{base}/client", clientId=f"10.4.0.1:80#{str(ephemeral).lower()}")
        assert (shown["ephemeral"], shown["clientType"]) == (ephemeral, "ipPort")
        assert (shown["clientIp"], shown["clientPort"]) == ("10.4.0.1", 80)
        assert (shown["lastUpdatedTime"] > 0) == ephemeral
    assert client_id not in get(node, f"{base}/client/list")


def test_a_client_is_shown_with_what_it_says_of_itself(node: NodeProcess) -> None:
    with GrpcConnection(node.grpc_port) as connection:
        client_id = connection.set_up(version="Nacos-Go-Client:v2.2.7", labels={"AppName": "shop"})
        shown = get(node, f"{ADMIN}/client", clientId=client_id)
        assert (shown["version"], shown["appName"]) == ("Nacos-Go-Client:v2.2.7", "shop")


def test_what_a_client_publishes_is_listed(node: NodeProcess) -> None:
    name = phrases.unique("clients")
    with GrpcConnection(node.grpc_port) as connection:
        client_id = connection.set_up()
        connection.call("InstanceRequest", phrases.register(name, 81))
        assert get(node, f"{ADMIN}/client/publish/list", clientId=client_id) == [
            {
                "namespaceId": "public",
                "groupName": phrases.GROUP,
                "serviceName": name,
                "publisherInfo": {"clientId": client_id, "ip": "10.3.0.1", "port": 81, "clusterName": "DEFAULT"},
                "subscriberInfo": None,
            }
        ]
        assert get(node, f"{V2}/client/publish/list", clientId=client_id) == [
            {
                "namespace": "public",
                "group": phrases.GROUP,
                "serviceName": name,
                "registeredInstance": {"ip": "10.3.0.1", "port": 81, "cluster": "DEFAULT"},
            }
        ]
        publisher = {"clientId": client_id, "ip": "10.3.0.1", "port": 81}
        path = "client/service/publisher/list"
        assert get(node, f"{ADMIN}/{path}", serviceName=name) == [{**publisher, "clusterName": "DEFAULT"}]
        assert get(node, f"{V2}/{path}", serviceName=name, ip="10.3.0.1", port=81) == [publisher]
        for other in ({"ip": "10.3.0.2"}, {"port": 82}, {"groupName": "OTHER"}, {"namespaceId": "other"}):
            assert get(node, f"{ADMIN}/{path}", **({"serviceName": name} | other)) == []


def test_what_a_client_is_subscribed_to_is_listed(node: NodeProcess) -> None:
    name = phrases.unique("clients")
    with GrpcConnection(node.grpc_port) as connection:
        client_id = connection.set_up(version="Nacos-Java-Client:v2.4.3", labels={"AppName": "shop"})
        connection.call("SubscribeServiceRequest", phrases.subscribe(name))
        client = get(node, f"{ADMIN}/client", clientId=client_id)
        address = f"{client['clientIp']}:{client['clientPort']}"
        about = {"clientId": client_id, "appName": "shop", "agent": "Nacos-Java-Client:v2.4.3", "address": address}
        assert get(node, f"{ADMIN}/client/subscribe/list", clientId=client_id) == [
            {
                "namespaceId": "public",
                "groupName": phrases.GROUP,
                "serviceName": name,
                "publisherInfo": None,
                "subscriberInfo": about,
            }
        ]
        (shown,) = get(node, f"{V2}/client/subscribe/list", clientId=client_id)
        assert shown["subscriberInfo"] == {"app": "shop", "agent": "Nacos-Java-Client:v2.4.3", "addr": address}
        assert get(node, f"{ADMIN}/client/service/subscriber/list", serviceName=name) == [about]
        assert get(node, f"{V2}/client/service/subscriber/list", serviceName=name) == [
            {"clientId": client_id, "ip": client["clientIp"], "port": client["clientPort"]}
        ]
        connection.call("SubscribeServiceRequest", phrases.subscribe(name, subscribe=False))
        assert get(node, f"{ADMIN}/client/subscribe/list", clientId=client_id) == []


def test_subscribers_of_a_service_are_shown_by_connection_and_by_udp(node: NodeProcess) -> None:
    name = phrases.unique("subscribed")
    with GrpcConnection(node.grpc_port) as connection, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        connection.set_up(version="Nacos-Java-Client:v2.4.3")
        connection.call("SubscribeServiceRequest", phrases.subscribe(name))
        udp.bind(("127.0.0.1", 0))
        query = {"serviceName": name, "udpPort": udp.getsockname()[1], "clusters": "a"}
        agent = {"User-Agent": "Nacos-Java-Client:v1.4.7"}
        metrics = partial(get, node, f"{ADMIN}/ops/metrics", onlyStatus="false")
        before = metrics()["subscribeCount"]
        assert call_http(node.port, "GET", phrases.V1_LIST, query, headers=agent).status == 200
        assert metrics()["subscribeCount"] == before + 1
        for base in (ADMIN, "/nacos/v3/console/ns"):
            page = get(node, f"{base}/service/subscribers", serviceName=name)
            assert (page["totalCount"], page["pageNumber"], page["pagesAvailable"]) == (2, 1, 1)
            assert {each["agent"] for each in page["pageItems"]} == {
                "Nacos-Java-Client:v2.4.3",
                "Nacos-Java-Client:v1.4.7",
            }
            for each in page["pageItems"]:
                assert set(each) == {"namespaceId", "groupName", "serviceName", "ip", "port", "agent", "appName"}
                assert (each["serviceName"], each["ip"], each["appName"]) == (name, "127.0.0.1", "unknown")
        second = get(node, f"{ADMIN}/service/subscribers", serviceName=name, pageNo=2, pageSize=1, aggregation="false")
        assert (second["pagesAvailable"], len(second["pageItems"])) == (2, 1)
        v1 = call_http(node.port, "GET", "/nacos/v1/ns/service/subscribers", {"serviceName": name}).json
        assert v1["count"] == 2
        by_udp = next(each for each in v1["subscribers"] if each["agent"].endswith("v1.4.7"))
        port = udp.getsockname()[1]
        assert by_udp == {
            "addrStr": f"127.0.0.1:{port}",
            "agent": "Nacos-Java-Client:v1.4.7",
            "app": "unknown",
            "ip": "127.0.0.1",
            "port": port,
            "namespaceId": "public",
            "serviceName": f"{phrases.GROUP}@@{name}",
            "cluster": "a",
        }


@pytest.mark.parametrize("base", BASES)
def test_a_client_that_is_not_there_is_not_found(node: NodeProcess, base: str) -> None:
    for path in ("client", "client/publish/list", "client/subscribe/list"):
        for client_id in ("nobody", "10.9.9.9:1#true", "10.9.9.9#true", "#", "10.4.0.1:80#maybe"):
            answer = call_http(node.port, "GET", f"{base}/{path}", {"clientId": client_id})
            assert (answer.status, answer.json["code"]) == (404, 20004), client_id
            assert answer.json["data"] == f"clientId [ {client_id} ] not exist"
        assert call_http(node.port, "GET", f"{base}/{path}").json["code"] == 10000
    for path in ("client/service/publisher/list", "client/service/subscriber/list"):
        assert call_http(node.port, "GET", f"{base}/{path}").json["code"] == 10000
        refused = call_http(node.port, "GET", f"{base}/{path}", {"serviceName": "a", "port": "x"})
        assert refused.status == 200 or refused.json["code"] == 20002


def test_the_member_that_handles_an_address_is_named(node: NodeProcess) -> None:
    address = {"ip": "10.4.0.1", "port": 80}
    assert get(node, f"{ADMIN}/client/distro", **address) == {"responsibleServer": node.address}
    v1 = call_http(node.port, "GET", "/nacos/v1/ns/operator/distro/client", address)
    assert v1.json == {"responsibleServer": node.address}
    assert call_http(node.port, "GET", f"{ADMIN}/client/distro", {"ip": "10.4.0.1"}).json["code"] == 10000
