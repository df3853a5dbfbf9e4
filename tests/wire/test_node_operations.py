"""What operators do to a running node: levels of loggers, its log, and what it refuses to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.node_process import NodeProcess
from wire import phrases
from wire.client import GrpcConnection, HttpAnswer, call_http

if TYPE_CHECKING:
    from collections.abc import Iterator

LOGS = [f"/nacos/v3/admin/{area}/ops/log" for area in ("core", "ns", "cs")]
RAFT = "/nacos/v3/admin/core/ops/raft"
OLD_RAFT = "/nacos/v2/core/ops/raft"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """A node whose loggers and log belong to this module."""
    with NodeProcess(tmp_path_factory.mktemp("operations")) as running:
        yield running
    assert "Traceback" not in running.errors


def set_level(node: NodeProcess, path: str, name: str, level: str) -> HttpAnswer:
    return call_http(node.port, "PUT", path, {"logName": name, "logLevel": level})


def operate(node: NodeProcess, path: str = RAFT, **wanted: str | None) -> HttpAnswer:
    return call_http(node.port, "POST", path, form=json.dumps(wanted).encode())


def raft_state(node: NodeProcess) -> dict[str, int]:
    return dict(call_http(node.port, "GET", "/nacos/v3/admin/core/raft/state").json["data"])


def take_snapshot(node: NodeProcess, path: str = RAFT) -> HttpAnswer:
    """With something new to have in it."""
    form = {"dataId": phrases.unique("op"), "group": phrases.GROUP, "content": "x"}
    assert call_http(node.port, "POST", phrases.V1_CONFIG, form=form).text == "true"
    return operate(node, path, command="doSnapshot")


def snapshots_told(node: NodeProcess) -> int:
    return node.errors.count("DEBUG nacos_core.drivers.raft: snapshot of ")


@pytest.mark.parametrize("path", LOGS)
@pytest.mark.parametrize("name", ["nacos_core.drivers.raft", "nacos_core.drivers", "nacos_core", "core-raft"])
def test_a_logger_is_as_loud_as_it_is_told_to_be(own: NodeProcess, path: str, name: str) -> None:
    def told_of_one_more() -> bool:
        before = snapshots_told(own)
        assert take_snapshot(own).status == 200
        return snapshots_told(own) == before + 1

    assert not told_of_one_more()
    assert set_level(own, path, name, "DEBUG").json == {"code": 0, "message": "success", "data": "ok"}
    assert told_of_one_more()
    assert set_level(own, path, name, "info").json["code"] == 0
    assert not told_of_one_more()


def test_a_level_comes_as_json_too_and_over_old_paths(own: NodeProcess) -> None:
    wanted = json.dumps({"logName": "nacos_core", "logLevel": "WARN"}).encode()
    assert call_http(own.port, "PUT", LOGS[0], form=wanted).json["code"] == 0
    assert set_level(own, "/nacos/v1/ns/operator/log", "nacos_core", "error").text == "ok"
    for path in ("/nacos/v1/ns/ops/log", "/nacos/v2/ns/operator/log", "/nacos/v2/ns/ops/log"):
        assert set_level(own, path, "nacos_core", "info").status == 200


def test_what_is_wrong_with_a_level_is_named(own: NodeProcess) -> None:
    level = set_level(own, LOGS[0], "nacos_core", "loud")
    assert (level.status, level.json["code"]) == (400, 20002)
    assert "'loud'" in level.json["data"]
    assert "debug" in level.json["data"]
    for name in ("root", "nacos_core.absent", "nacos_corex", ""):
        answer = set_level(own, LOGS[0], name, "info")
        assert answer.status == 400, name
    assert "nacos_core.drivers.raft" in set_level(own, LOGS[0], "trio", "info").json["data"], "those that there are"
    for body in (b"{", b"[]", b'{"logName": 1, "logLevel": "info"}', b'{"logName": "nacos_core"}'):
        assert call_http(own.port, "PUT", LOGS[0], form=body).status == 400, body


def test_a_snapshot_is_taken_when_it_is_asked_for(own: NodeProcess) -> None:
    before = raft_state(own)
    assert take_snapshot(own).json == {"code": 0, "message": "success", "data": None}
    after = raft_state(own)
    assert before["snapshotIndex"] < after["snapshotIndex"] == after["lastApplied"]
    assert operate(own, command="doSnapshot", value=own.address).json["code"] == 0, "there is nothing new to have in it"
    assert raft_state(own)["snapshotIndex"] == after["snapshotIndex"]
    assert take_snapshot(own, OLD_RAFT).json["code"] == 0
    form = {"command": "doSnapshot", "groupId": "naming_persistent_service"}
    assert call_http(own.port, "POST", RAFT, form=form).json["code"] == 0, "as the Java client sends it"
    assert call_http(own.port, "POST", "/nacos/v1/core/ops/raft", form=form).json == {
        "code": 200,
        "message": None,
        "data": None,
    }


def test_what_came_after_a_snapshot_and_what_is_in_it_are_there_after_a_restart(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with NodeProcess(tmp_path_factory.mktemp("restarted")) as node:
        names = [phrases.unique("kept") for _ in range(2)]
        for name in names:
            form = {"dataId": name, "group": phrases.GROUP, "content": name}
            assert call_http(node.port, "POST", phrases.V1_CONFIG, form=form).text == "true"
            if name == names[0]:
                assert operate(node, command="doSnapshot").status == 200
        node.kill()
        node.start()
        for name in names:
            query = {"dataId": name, "group": phrases.GROUP}
            assert call_http(node.port, "GET", phrases.V1_CONFIG, query).text == name


@pytest.mark.parametrize("command", ["removePeers", "changePeers", "restRaftCluster", "resetRaftCluster"])
def test_what_could_lose_what_was_agreed_on_is_refused_by_name(own: NodeProcess, command: str) -> None:
    answer = operate(own, command=command, value="127.0.0.1:1")
    assert (answer.status, answer.json["code"]) == (400, 20002)
    assert f"{command} is not offered" in answer.json["data"]
    assert "/nacos/v3/admin/core/cluster/member" in answer.json["data"]


def test_what_is_wrong_with_an_operation_is_named(own: NodeProcess) -> None:
    def refusal(**wanted: str | None) -> str:
        answer = operate(own, **wanted)
        assert answer.status == 400, wanted
        return str(answer.json["data"])

    assert "'x'" in refusal(command="x")
    assert "transferLeader, removePeer, doSnapshot" in refusal(command="x")
    assert "value" in refusal(command="removePeer")
    assert "stands alone" in refusal(command="transferLeader", value="127.0.0.1:1")
    assert "no member 127.0.0.1:1" in refusal(command="doSnapshot", value="127.0.0.1:1")
    assert "command" in refusal()
    old = operate(own, "/nacos/v1/core/ops/raft", command="x")
    assert (old.status, old.json["code"], old.json["data"]) == (400, 400, None)
    assert "'x'" in old.json["message"]


def test_members_are_not_looked_up_or_reported_and_the_right_way_is_named(own: NodeProcess) -> None:
    for path in ("lookup", "node/list"):
        for root in ("/nacos/v3/admin/core/cluster", "/nacos/v2/core/cluster"):
            answer = call_http(own.port, "PUT", f"{root}/{path}", {"type": "file"})
            assert (answer.status, answer.json["code"]) == (501, 40001)
            assert "/nacos/v3/admin/core/cluster/member" in answer.json["data"]


def test_ids_are_counted_by_one_counter(own: NodeProcess) -> None:
    def told() -> dict[str, object]:
        [generator] = call_http(own.port, "GET", "/nacos/v3/admin/core/ops/ids").json["data"]
        return dict(generator)

    before = told()
    assert (before["resource"], before["info"]["workerId"]) == ("config", 0)  # type: ignore[index]
    form = {"dataId": phrases.unique("id"), "group": phrases.GROUP, "content": "x"}
    assert call_http(own.port, "POST", phrases.V1_CONFIG, form=form).text == "true"
    query = {"dataId": form["dataId"], "groupName": phrases.GROUP}
    shown = call_http(own.port, "GET", "/nacos/v3/admin/cs/config", query).json["data"]
    assert told()["info"]["currentId"] == int(shown["id"]) == before["info"]["currentId"] + 1  # type: ignore[index]


def test_a_node_alone_tells_of_its_clients_as_of_a_cluster_of_one(own: NodeProcess) -> None:
    with GrpcConnection(own.grpc_port) as one, GrpcConnection(own.grpc_port) as other:
        ids = {one.set_up(), other.set_up()}
        told = call_http(own.port, "GET", "/nacos/v3/admin/core/loader/cluster").json["data"]
        [detail] = told.pop("detail")
        assert told == {"completed": True, "threshold": "2.2"} | dict.fromkeys(("memberCount", "metricsCount"), 1) | (
            dict.fromkeys(("max", "min", "avg", "total"), 2)
        )
        assert (detail["address"], detail["sdkConCount"]) == (own.address, 2)
        assert detail["conCount"] > 2, "the one that asks is one, too"
        assert 0 <= float(detail["cpu"]) <= 1
        assert float(detail["load"]) >= 0
        old = call_http(own.port, "GET", "/nacos/v2/core/loader/cluster").json
        assert old["detail"][0]["sdkConCount"] == 2
        assert call_http(own.port, "GET", "/nacos/v2/core/loader/current").json.keys() == ids
        assert call_http(own.port, "POST", "/nacos/v3/admin/core/loader/smartReloadCluster").json["data"] == "ignore"


def test_version_2_asks_clients_to_leave_with_get_and_is_answered_with_a_word(own: NodeProcess) -> None:
    with GrpcConnection(own.grpc_port) as connection:
        wanted = connection.set_up()
        root = "/nacos/v2/core/loader"
        assert call_http(own.port, "GET", f"{root}/reloadClient", {"connectionId": wanted}).text == "success"
        assert connection.wait_push("ConnectResetRequest").body["connectionId"] == wanted
        assert call_http(own.port, "GET", f"{root}/reloadCurrent", {"count": "0"}).text == "success"
        assert call_http(own.port, "GET", f"{root}/smartReloadCluster").text == "ignore"
        assert call_http(own.port, "GET", f"{root}/reloadClient", {"connectionId": "nobody"}).status == 404


@pytest.mark.parametrize("factor", ["-1", "x", "nan", "inf"])
def test_a_share_is_a_number(own: NodeProcess, factor: str) -> None:
    for name in ("loaderFactor", "loaderFactorStr"):
        path = "/nacos/v3/admin/core/loader/smartReloadCluster"
        answer = call_http(own.port, "POST", path, form={name: factor})
        assert (answer.status, answer.json["code"]) == (400, 20002)
        assert repr(factor) in answer.json["data"]
