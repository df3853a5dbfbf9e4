"""What decided whether released clients worked against other servers: one test for each thing that went wrong there."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from support.node_process import NodeProcess
from wire import phrases
from wire.client import GrpcConnection, call_http

if TYPE_CHECKING:
    from pathlib import Path

HEARD_WITHIN_S = 2.0


def md5(content: str) -> str:
    return hashlib.md5(content.encode()).hexdigest()


def config_form(data_id: str, content: str) -> dict[str, str]:
    return {"dataId": data_id, "group": phrases.GROUP, "content": content}


def test_every_answer_says_success(connection: GrpcConnection) -> None:
    """The Go library of 2.2.3 reads nothing else, and takes a missing key for failure."""
    name = phrases.unique("success")
    asked = [
        ("HealthCheckRequest", {}),
        ("ServerCheckRequest", {}),
        ("InstanceRequest", phrases.register(name)),
        ("ServiceQueryRequest", phrases.query(name)),
        ("ServiceListRequest", phrases.service("", pageNo=1, pageSize=10)),
        ("SubscribeServiceRequest", phrases.subscribe(name)),
        ("ConfigPublishRequest", phrases.config(name, content="a")),
        ("ConfigQueryRequest", phrases.config(name)),
        ("ConfigBatchListenRequest", phrases.listen((name, ""))),
        ("ConfigRemoveRequest", phrases.config(name)),
        ("ConfigQueryRequest", phrases.config(name)),
        ("NoSuchRequest", {}),
    ]
    for kind, body in asked:
        answer = connection.call(kind, body).body
        assert answer["success"] is (answer["resultCode"] == 200), kind
        assert isinstance(answer["errorCode"], int), kind
        assert None not in answer.values(), f"{kind}: a null breaks the Python library, a missing key does not"


def test_cas_compares_over_grpc(connection: GrpcConnection) -> None:
    data_id = phrases.unique("cas")
    first = connection.call("ConfigPublishRequest", phrases.config(data_id, content="one", casMd5=md5("other")))
    assert first.body["success"] is True, "no row to compare with: CAS inserts"
    stale = connection.call("ConfigPublishRequest", phrases.config(data_id, content="two", casMd5=md5("other")))
    assert (stale.body["success"], stale.body["errorCode"]) == (False, 500)
    assert connection.call("ConfigQueryRequest", phrases.config(data_id)).body["content"] == "one"
    right = connection.call("ConfigPublishRequest", phrases.config(data_id, content="two", casMd5=md5("one")))
    assert right.body["success"] is True
    assert connection.call("ConfigQueryRequest", phrases.config(data_id)).body["content"] == "two"


def test_cas_compares_over_http(node: NodeProcess) -> None:
    data_id = phrases.unique("cas")
    assert call_http(node.port, "POST", phrases.V1_CONFIG, form=config_form(data_id, "one")).text == "true"
    stale = call_http(
        node.port, "POST", phrases.V1_CONFIG, form=config_form(data_id, "two"), headers={"casMd5": md5("other")}
    )
    assert (stale.status, stale.text) == (500, "false")
    right = call_http(
        node.port, "POST", phrases.V1_CONFIG, form=config_form(data_id, "two"), headers={"casMd5": md5("one")}
    )
    assert (right.status, right.text) == (200, "true")


def test_a_persistent_instance_is_taken_over_grpc_and_outlives_its_connection(node: NodeProcess) -> None:
    name = phrases.unique("persistent")
    with GrpcConnection(node.grpc_port) as connection:
        connection.set_up()
        answer = connection.call("PersistentInstanceRequest", phrases.register(name, ephemeral=False))
        assert (answer.kind, answer.body["success"]) == ("InstanceResponse", True)
    with GrpcConnection(node.grpc_port) as other:
        other.set_up()
        hosts = other.call("ServiceQueryRequest", phrases.query(name)).body["serviceInfo"]["hosts"]
        assert [host["ephemeral"] for host in hosts] == [False]
        gone = other.call("PersistentInstanceRequest", phrases.deregister(name, ephemeral=False))
        assert gone.body["success"] is True
        assert other.call("ServiceQueryRequest", phrases.query(name)).body["serviceInfo"]["hosts"] == []


def test_clusters_filter_lists_queries_subscriptions_and_pushes(node: NodeProcess, connection: GrpcConnection) -> None:
    name = phrases.unique("clusters")
    for port, cluster in [(1, "c1"), (2, "c2"), (3, "c3")]:
        form = {"serviceName": name, "ip": "10.3.0.1", "port": port, "clusterName": cluster}
        assert call_http(node.port, "POST", phrases.V1_INSTANCE, form=form).text == "ok"
    for asked, wanted in [("c1", [1]), ("c1,c3", [1, 3]), ("", [1, 2, 3]), ("none", [])]:
        listed = call_http(node.port, "GET", phrases.V1_LIST, {"serviceName": name, "clusters": asked}).json
        assert phrases.ports(listed["hosts"]) == wanted
        queried = connection.call("ServiceQueryRequest", phrases.query(name, asked)).body["serviceInfo"]
        assert phrases.ports(queried["hosts"]) == wanted
        subscribed = connection.call("SubscribeServiceRequest", phrases.subscribe(name, asked)).body["serviceInfo"]
        assert phrases.ports(subscribed["hosts"]) == wanted
    connection.call("SubscribeServiceRequest", phrases.subscribe(name, "c2"))
    form = {"serviceName": name, "ip": "10.3.0.1", "port": 4, "clusterName": "c2"}
    assert call_http(node.port, "POST", phrases.V1_INSTANCE, form=form).text == "ok"
    connection.wait_push(
        "NotifySubscriberRequest",
        HEARD_WITHIN_S,
        lambda body: phrases.ports(body["serviceInfo"]["hosts"]) == [2, 4],
    )


@pytest.mark.parametrize(
    "path",
    [
        "/nacos/v1/console/health/readiness",
        "/nacos/v1/console/health/liveness",
        "/nacos/v3/admin/core/state/readiness",
        "/nacos/v3/admin/core/state/liveness",
    ],
)
def test_readiness_is_on_the_main_port_under_every_name(node: NodeProcess, path: str) -> None:
    assert call_http(node.port, "GET", path).status == 200


@pytest.mark.parametrize(("cluster", "accepted"), [("a_b-9", True), ("a.b", False), ("a b", False), ("c%", False)])
def test_a_cluster_name_may_hold_an_underscore_and_nothing_special(
    node: NodeProcess, connection: GrpcConnection, cluster: str, accepted: bool
) -> None:
    form = {"serviceName": phrases.unique("name"), "ip": "10.3.0.1", "port": 80, "clusterName": cluster}
    assert call_http(node.port, "POST", phrases.V1_INSTANCE, form=form).status == (200 if accepted else 400)
    answer = connection.call("InstanceRequest", phrases.register(phrases.unique("name"), clusterName=cluster)).body
    assert answer["success"] is accepted
    assert answer["errorCode"] == (0 if accepted else 400)


def test_an_unhealthy_instance_of_a_batch_stays_listed_and_unhealthy(connection: GrpcConnection) -> None:
    name = phrases.unique("batch")
    several = [phrases.instance(1), phrases.instance(2), phrases.instance(3, healthy=False)]
    assert connection.call("BatchInstanceRequest", phrases.batch(name, several)).body["success"] is True
    hosts = connection.call("ServiceQueryRequest", phrases.query(name)).body["serviceInfo"]["hosts"]
    assert {host["port"]: host["healthy"] for host in hosts} == {1: True, 2: True, 3: False}
    healthy = connection.call("ServiceQueryRequest", phrases.query(name, healthy_only=True)).body["serviceInfo"]
    assert phrases.ports(healthy["hosts"]) == [1, 2]


@pytest.mark.parametrize("host", ["::1", "localhost"])
def test_both_ports_serve_ipv6_loopback(tmp_path: Path, host: str) -> None:
    with NodeProcess(tmp_path, "--host", host) as node:
        reached = "::1" if host == "::1" else "127.0.0.1"
        assert call_http(node.port, "GET", "/nacos/v1/ns/operator/metrics", host=reached).json == {"status": "UP"}
        with GrpcConnection(node.grpc_port, host=reached) as connection:
            connection.set_up()
            assert connection.call("HealthCheckRequest", {}).body["success"] is True


def test_a_publish_straight_after_the_first_start_is_read_at_once(tmp_path: Path) -> None:
    with NodeProcess(tmp_path) as node, GrpcConnection(node.grpc_port) as connection:
        connection.set_up()
        for attempt in range(20):
            published = connection.call("ConfigPublishRequest", phrases.config("first", content=f"{attempt}"))
            assert published.body["success"] is True
            assert connection.call("ConfigQueryRequest", phrases.config("first")).body["content"] == f"{attempt}"
            got = call_http(node.port, "GET", phrases.V1_CONFIG, {"dataId": "first", "group": phrases.GROUP})
            assert got.text == f"{attempt}"


def test_a_change_of_a_config_is_heard_in_time(connection: GrpcConnection) -> None:
    data_id = phrases.unique("heard")
    connection.call("ConfigBatchListenRequest", phrases.listen((data_id, "")))
    for content in ["one", "two"]:
        connection.call("ConfigPublishRequest", phrases.config(data_id, content=content))
        connection.wait_push("ConfigChangeNotifyRequest", HEARD_WITHIN_S, lambda body: body["dataId"] == data_id)


def test_a_registration_is_heard_in_time(connection: GrpcConnection) -> None:
    name = phrases.unique("heard")
    connection.call("SubscribeServiceRequest", phrases.subscribe(name))
    for port in [1, 2]:
        connection.call("InstanceRequest", phrases.register(name, port))
        connection.wait_push(
            "NotifySubscriberRequest",
            HEARD_WITHIN_S,
            lambda body, port=port: phrases.ports(body["serviceInfo"]["hosts"]) == [port],
        )
