"""The life of a gRPC connection: what lives and dies with it, and in which order it may be set up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wire import phrases
from wire.client import GrpcConnection, call_http

if TYPE_CHECKING:
    from support.node_process import NodeProcess

GONE_WITHIN_S = 2.0


def hosts(connection: GrpcConnection, name: str) -> list[int]:
    return phrases.ports(connection.call("ServiceQueryRequest", phrases.query(name)).body["serviceInfo"]["hosts"])


def test_abilities_are_acknowledged_only_to_who_told_its_own(node: NodeProcess) -> None:
    with GrpcConnection(node.grpc_port) as new, GrpcConnection(node.grpc_port) as old:
        new.open_stream()
        new.send("ConnectionSetupRequest", {"clientVersion": "test", "abilityTable": {"fuzzyWatch": True}})
        table = new.wait_push("SetupAckRequest").body["abilityTable"]
        assert {name for name, built in table.items() if built} == {
            "supportPersistentInstanceByGrpc",
            "fuzzyWatch",
            "lock",
        }
        old.set_up()
        old.settle(0.3)
        assert old.pushes == []


def test_the_server_check_may_come_after_the_setup(node: NodeProcess) -> None:
    """The order of the Rust library; the connection id must not be made by the check."""
    with GrpcConnection(node.grpc_port) as connection:
        connection.open_stream()
        connection.send("ConnectionSetupRequest", {"clientVersion": "test", "abilities": {}, "labels": {}})
        connection.wait_registered()
        first = connection.call("ServerCheckRequest", {}).body["connectionId"]
        assert connection.call("ServerCheckRequest", {}).body["connectionId"] == first
        assert connection.call("ServiceQueryRequest", phrases.query("none")).body["success"] is True


def test_what_a_connection_published_dies_with_it_and_subscribers_hear(
    node: NodeProcess, connection: GrpcConnection
) -> None:
    name = phrases.unique("dies")
    connection.call("SubscribeServiceRequest", phrases.subscribe(name))
    with GrpcConnection(node.grpc_port) as publisher:
        publisher.set_up()
        publisher.call("InstanceRequest", phrases.register(name, 7))
        connection.wait_push(
            "NotifySubscriberRequest", where=lambda body: phrases.ports(body["serviceInfo"]["hosts"]) == [7]
        )
    connection.wait_push("NotifySubscriberRequest", GONE_WITHIN_S, lambda body: body["serviceInfo"]["hosts"] == [])
    assert hosts(connection, name) == []


def test_a_connection_publishes_one_thing_per_service(connection: GrpcConnection) -> None:
    name = phrases.unique("one")
    connection.call("InstanceRequest", phrases.register(name, 1))
    connection.call("InstanceRequest", phrases.register(name, 2))
    assert hosts(connection, name) == [2], "the second registration replaces the first"
    connection.call("BatchInstanceRequest", phrases.batch(name, [phrases.instance(3), phrases.instance(4)]))
    assert hosts(connection, name) == [3, 4]
    connection.call("BatchInstanceRequest", phrases.batch(name, []))
    assert hosts(connection, name) == []
    connection.call("InstanceRequest", phrases.register(name, 5))
    connection.call("InstanceRequest", phrases.deregister(name, 99, ip="10.9.9.9"))
    assert hosts(connection, name) == [], "deregistration removes whatever is there: addresses are not compared"
    assert connection.call("InstanceRequest", phrases.deregister(name)).body["success"] is True


def test_two_connections_may_publish_the_same_address(node: NodeProcess, connection: GrpcConnection) -> None:
    name = phrases.unique("same")
    with GrpcConnection(node.grpc_port) as other:
        other.set_up()
        connection.call("InstanceRequest", phrases.register(name, 1))
        other.call("InstanceRequest", phrases.register(name, 1))
        other.call("InstanceRequest", phrases.deregister(name, 1))
        assert hosts(connection, name) == [1]


def test_disabled_instances_are_not_listed_and_unhealthy_ones_are(connection: GrpcConnection) -> None:
    name = phrases.unique("enabled")
    several = [phrases.instance(1, enabled=False), phrases.instance(2, healthy=False), phrases.instance(3)]
    connection.call("BatchInstanceRequest", phrases.batch(name, several))
    assert hosts(connection, name) == [2, 3]


def test_an_unsubscribed_connection_hears_nothing_more(node: NodeProcess, connection: GrpcConnection) -> None:
    name, other = phrases.unique("quiet"), phrases.unique("loud")
    for each in (name, other):
        connection.call("SubscribeServiceRequest", phrases.subscribe(each))
    connection.call("SubscribeServiceRequest", phrases.subscribe(name, subscribe=False))
    connection.settle(0.7)
    connection.pushes.clear()
    for each in (name, other):
        form = {"serviceName": each, "ip": "10.3.0.1", "port": 80}
        assert call_http(node.port, "POST", phrases.V1_INSTANCE, form=form).text == "ok"
    connection.wait_push("NotifySubscriberRequest", where=lambda body: body["serviceInfo"]["name"] == other)
    connection.settle(0.3)
    assert [push for push in connection.pushes if push.body["serviceInfo"]["name"] == name] == []


def test_a_list_that_has_not_changed_is_not_pushed_again(connection: GrpcConnection) -> None:
    name = phrases.unique("same")
    connection.call("InstanceRequest", phrases.register(name))
    connection.call("SubscribeServiceRequest", phrases.subscribe(name))
    connection.settle(1.0)
    connection.pushes.clear()
    connection.call("InstanceRequest", phrases.register(name))
    connection.settle(1.0)
    assert connection.pushes == []


def test_a_stream_that_ends_before_its_setup_is_let_go(node: NodeProcess) -> None:
    with GrpcConnection(node.grpc_port) as opened:
        opened.open_stream()
        opened.end_stream()
        assert opened.stream_ended(), "the server keeps the call for ever"
        assert opened.call("ServerCheckRequest", {}).body["resultCode"] == 200, "the connection goes on"


def test_many_calls_in_flight_are_all_answered_in_their_own_names(connection: GrpcConnection) -> None:
    names = [phrases.unique("flight") for _ in range(100)]
    calls = [connection.start("ServiceQueryRequest", phrases.query(name)) for name in names]
    answers = [connection.finish(call).body["serviceInfo"]["name"] for call in calls]
    assert answers == names


def test_http2_on_the_http_port_is_the_whole_of_grpc(node: NodeProcess) -> None:
    """One-port mode: h2c by prior knowledge beside HTTP/1.1 on the same port."""
    name = phrases.unique("one-port")
    with GrpcConnection(node.port) as connection:
        connection.set_up(abilities={})
        connection.call("SubscribeServiceRequest", phrases.subscribe(name))
        form = {"serviceName": name, "ip": "10.3.0.1", "port": 5}
        assert call_http(node.port, "POST", phrases.V1_INSTANCE, form=form).text == "ok"
        connection.wait_push(
            "NotifySubscriberRequest", where=lambda body: phrases.ports(body["serviceInfo"]["hosts"]) == [5]
        )
        connection.call("ConfigPublishRequest", phrases.config(name, content="a"))
        got = call_http(node.port, "GET", phrases.V1_CONFIG, {"dataId": name, "group": phrases.GROUP})
        assert got.text == "a"


def test_a_prior_knowledge_preface_may_arrive_in_pieces(node: NodeProcess) -> None:
    with GrpcConnection(node.port, pieces=True) as connection:
        assert connection.call("ServerCheckRequest", {}).body["success"] is True
