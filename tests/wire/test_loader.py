"""Clients are asked to connect anew, and clients of every language know the request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wire.client import GrpcConnection, call_http

if TYPE_CHECKING:
    from support.node_process import NodeProcess

LOADER = "/nacos/v3/admin/core/loader"


def test_connections_are_shown_by_their_ids(node: NodeProcess) -> None:
    with GrpcConnection(node.grpc_port) as shown:
        wanted = shown.set_up()
        told = call_http(node.port, "GET", f"{LOADER}/current").json["data"][wanted]
    meta = told["metaInfo"]
    assert (meta["connectionId"], meta["connectType"], meta["clientIp"]) == (wanted, "GRPC", "127.0.0.1")
    assert type(meta["remotePort"]) is int
    assert type(meta["lastActiveTime"]) is int


def test_one_client_is_asked_to_leave_for_another_address(node: NodeProcess) -> None:
    with GrpcConnection(node.grpc_port) as asked, GrpcConnection(node.grpc_port) as spared:
        wanted = asked.set_up()
        spared.set_up()
        assert wanted in call_http(node.port, "GET", f"{LOADER}/current").json["data"]
        form = {"connectionId": wanted, "redirectAddress": "10.0.0.1:8848"}
        assert call_http(node.port, "POST", f"{LOADER}/reloadClient", form=form).json["code"] == 0
        push = asked.wait_push("ConnectResetRequest").body
        assert (push["connectionId"], push["serverIp"], push["serverPort"]) == (wanted, "10.0.0.1", "8848")
        assert push["headers"] == {}, "the Rust library needs the key"
        spared.settle(0.2)
        assert [kind for kind in (push.kind for push in spared.pushes) if kind == "ConnectResetRequest"] == []


def test_so_many_clients_are_asked_that_the_count_stays(node: NodeProcess) -> None:
    with GrpcConnection(node.grpc_port) as one, GrpcConnection(node.grpc_port) as other:
        one.set_up()
        other.set_up()
        assert call_http(node.port, "POST", f"{LOADER}/reloadCurrent", form={"count": 0}).json["code"] == 0
        for connection in (one, other):
            assert "serverIp" not in connection.wait_push("ConnectResetRequest").body, "no address was given"


def test_what_is_wrong_is_named(node: NodeProcess) -> None:
    unknown = call_http(node.port, "POST", f"{LOADER}/reloadClient", form={"connectionId": "nobody"})
    assert (unknown.status, unknown.json["code"]) == (404, 20004)
    assert "nobody" in unknown.json["data"]
    wrong: list[dict[str, str]] = [{}, *({"count": count} for count in ("-1", "9" * 10, "9" * 5000, "x"))]
    wrong += [{"count": "1", "redirectAddress": address} for address in ("nowhere", "a:65536", f"a:{'9' * 5000}")]
    for form in wrong:
        answer = call_http(node.port, "POST", f"{LOADER}/reloadCurrent", form=form)
        assert (answer.status, answer.json["code"]) == (400, 20002), form
