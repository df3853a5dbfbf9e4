"""Quotas of configurations: shown, set, and what is over one refused in every version's words (docs/quotas.md)."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from support.node_process import NodeProcess
from wire import phrases
from wire.client import GrpcConnection, HttpAnswer, call_http
from wire.test_config_copies_over_http import PATHS, Place, chosen, done

if TYPE_CHECKING:
    from collections.abc import Iterator

V1 = phrases.V1_CONFIG
V2 = "/nacos/v2/cs/config"
V3 = "/nacos/v3/admin/cs/config"
CAPACITY_V1 = "/nacos/v1/cs/capacity"
CAPACITY = "/nacos/v3/admin/cs/capacity"
DONE = {"code": 0, "message": "success", "data": True}


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """A node that takes three configurations a namespace, of 20 bytes each."""
    folder = tmp_path_factory.mktemp("quotas")
    settings = ("--config-quota", "on", "--config-quota-namespace", "3", "--config-quota-bytes", "20")
    with NodeProcess(folder, *settings) as running:
        yield running
    assert "Traceback" not in running.errors


def fill(node: NodeProcess) -> str:
    """A namespace that has all that it may have."""
    place = Place(node)
    for data_id in ("a", "b", "c"):
        place.publish(data_id, "1")
    return place.namespace


def publish(node: NodeProcess, path: str, namespace: str, data_id: str, content: str = "1") -> HttpAnswer:
    space = "tenant" if path == V1 else "namespaceId"
    group = "groupName" if path == V3 else "group"
    form = {"dataId": data_id, group: "G", space: namespace, "content": content}
    return call_http(node.port, "POST", path, form=form)


def capacity(node: NodeProcess, **query: str) -> dict[str, Any]:
    shown: dict[str, Any] = call_http(node.port, "GET", CAPACITY, query).json["data"]
    return shown


@pytest.mark.parametrize("path", [V2, V3])
def test_what_is_over_a_quota_is_refused_with_its_code(strict: NodeProcess, path: str) -> None:
    namespace = fill(strict)
    answer = publish(strict, path, namespace, "d")
    text = f"namespace '{namespace}' has 3 configurations, and its quota is 3"
    assert (answer.status, answer.json) == (400, {"code": 5033, "message": "namespace is over its quota", "data": text})
    answer = publish(strict, path, namespace, "a", "x" * 21)
    text = f"the content has 21 bytes, and a configuration of group 'G' of namespace '{namespace}' may have 20"
    assert (answer.status, answer.json) == (400, {"code": 5034, "message": "content is over its limit", "data": text})
    assert publish(strict, path, namespace, "a", "x" * 20).json == DONE, "an update adds none"
    form = {"namespaceId": namespace, "groupName": "G", "quota": "1"}
    call_http(strict.port, "DELETE", V3, {"dataId": "a", "groupName": "G", "namespaceId": namespace})
    assert call_http(strict.port, "POST", CAPACITY, form=form).json == DONE
    answer = publish(strict, path, namespace, "a")
    text = f"group 'G' of namespace '{namespace}' has 2 configurations, and its quota is 1"
    assert (answer.status, answer.json) == (400, {"code": 5032, "message": "group is over its quota", "data": text})


def test_v1_says_it_as_a_text(strict: NodeProcess) -> None:
    namespace = fill(strict)
    answer = publish(strict, V1, namespace, "d")
    text = f"caused: errCode: 5033, errMsg: namespace '{namespace}' has 3 configurations, and its quota is 3;"
    assert (answer.status, answer.text) == (400, text)
    assert publish(strict, V1, namespace, "a", "2").text == "true"


def test_grpc_has_the_code_as_the_code_of_the_error(strict: NodeProcess) -> None:
    namespace = fill(strict)
    with GrpcConnection(strict.grpc_port) as connection:
        connection.set_up()
        fields = {"dataId": "d", "group": "G", "tenant": namespace, "content": "1"}
        answer = connection.call("ConfigPublishRequest", fields).body
        assert (answer["resultCode"], answer["errorCode"], answer["success"]) == (500, 5033, False)
        assert answer["message"] == f"namespace '{namespace}' has 3 configurations, and its quota is 3"
        answer = connection.call("ConfigPublishRequest", fields | {"dataId": "a", "content": "x" * 21}).body
        assert answer["errorCode"] == 5034
        assert connection.call("ConfigPublishRequest", fields | {"dataId": "a"}).body["success"]


def test_whatever_makes_a_configuration_needs_room_for_it(strict: NodeProcess) -> None:
    namespace = fill(strict)
    over = {"code": 5033, "message": "namespace is over its quota"}
    over["data"] = f"namespace '{namespace}' has 3 configurations, and its quota is 3"
    key = {"dataId": "d", "groupName": "G", "namespaceId": namespace}
    release = key | {"content": "1", "betaIps": "10.0.0.1"}
    assert call_http(strict.port, "POST", V3, form=release).json == DONE, "gray releases do not count"
    answer = call_http(strict.port, "POST", f"{V3}/gray/promote", form=key | {"grayName": "beta"})
    assert (answer.status, answer.json) == (400, over)
    answer = call_http(strict.port, "POST", V3, form=release | {"content": "x" * 21})
    assert (answer.status, answer.json["code"]) == (400, 5034)
    a = key | {"dataId": "a"}
    assert call_http(strict.port, "DELETE", V3, a).json == DONE
    assert publish(strict, V3, namespace, "e").json == DONE
    removed = call_http(strict.port, "GET", "/nacos/v3/admin/cs/history/list", a).json["data"]["pageItems"][0]
    assert removed["opType"].strip() == "D"
    take_back = ("POST", "/nacos/v3/admin/cs/history/rollback")
    answer = call_http(strict.port, *take_back, form=a | {"nid": removed["id"]})
    assert (answer.status, answer.json) == (400, over)
    assert call_http(strict.port, "DELETE", V3, key | {"dataId": "e"}).json == DONE
    assert call_http(strict.port, *take_back, form=a | {"nid": removed["id"]}).status == 200


@pytest.mark.parametrize("path", PATHS)
def test_clones_that_are_over_a_quota_are_named_one_by_one(strict: NodeProcess, path: str) -> None:
    source, target = Place(strict), Place(strict)
    for data_id in ("a", "b", "c"):
        source.publish(data_id, "1")
    for data_id in ("a", "x"):
        target.publish(data_id, "mine")
    clones = [chosen(path, item) for item in source.listed()]
    text = f"namespace '{target.namespace}' has 3 configurations, and its quota is 3"
    a, c = {"dataId": "a", "group": "G"}, {"dataId": "c", "group": "G"}
    copied = done(path, target.clone(path, clones, policy="SKIP"))
    assert copied == {"succCount": 1, "skipCount": 1, "failData": [c | {"message": text}], "skipData": [a]}
    copied = done(path, target.clone(path, clones, policy="OVERWRITE"))
    assert copied == {"succCount": 2, "skipCount": 0, "failData": [c | {"message": text}]}
    assert target.contents() == {"a": "1", "b": "1", "x": "mine"}


@pytest.mark.parametrize("path", PATHS)
def test_an_import_that_comes_to_a_quota_goes_on_or_stops_as_its_policy_says(strict: NodeProcess, path: str) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for data_id in ("a", "b", "c", "large", "d"):
            archive.writestr(f"G/{data_id}", "x" * 21 if data_id == "large" else "1")
    target = Place(strict)
    target.publish("x", "mine")
    copied = done(path, target.upload(path, packed.getvalue(), policy="ABORT"))
    assert (copied["succCount"], [item["dataId"] for item in copied["failData"]]) == (2, ["c"])
    assert [item["dataId"] for item in copied["skipData"]] == ["large", "d"], "what was not tried any more"
    copied = done(path, target.upload(path, packed.getvalue(), policy="OVERWRITE"))
    assert (copied["succCount"], [item["dataId"] for item in copied["failData"]]) == (2, ["c", "large", "d"])
    assert set(target.contents()) == {"x", "a", "b"}


@pytest.mark.parametrize("policy", ["ABORT", "SKIP"])
@pytest.mark.parametrize("path", PATHS)
def test_an_import_tells_what_failed_and_what_was_skipped(strict: NodeProcess, path: str, policy: str) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for data_id in ("a", "b", "c"):
            archive.writestr(f"G/{data_id}", "1")
    target = Place(strict)
    target.publish("b", "mine")
    copied = done(path, target.upload(path, packed.getvalue(), policy=policy))
    b, c = {"dataId": "b", "group": "G"}, {"dataId": "c", "group": "G"}
    if policy == "ABORT":
        assert copied == {"succCount": 1, "skipCount": 1, "failData": [b], "skipData": [c]}
        assert target.contents() == {"a": "1", "b": "mine"}
    else:
        assert copied == {"succCount": 2, "skipCount": 1, "skipData": [b]}


def test_usage_and_quota_are_shown_and_set(strict: NodeProcess) -> None:
    namespace = fill(strict)
    shown = {"namespaceId": namespace, "groupName": None, "quota": 3, "usage": 3, "maxSize": 20}
    shown |= {"maxAggrCount": 0, "maxAggrSize": 0, "enforced": True}
    assert capacity(strict, namespaceId=namespace) == shown
    form = {"namespaceId": namespace, "quota": "4", "maxSize": "30", "maxAggrCount": "1"}
    assert call_http(strict.port, "POST", CAPACITY, form=form).json == DONE
    assert capacity(strict, namespaceId=namespace) == shown | {"quota": 4, "maxSize": 30}
    assert publish(strict, V3, namespace, "d", "x" * 30).json == DONE
    in_group = shown | {"groupName": "G", "quota": 4, "maxSize": 30, "usage": 4}
    assert capacity(strict, namespaceId=namespace, groupName="G") == in_group
    assert capacity(strict, namespaceId=namespace, groupName="H") == in_group | {"groupName": "H", "usage": 0}
    detail = call_http(strict.port, "GET", "/nacos/v3/admin/core/namespace", {"namespaceId": namespace}).json["data"]
    assert (detail["quota"], detail["configCount"]) == (4, 4)
    call_http(strict.port, "POST", CAPACITY, form={"namespaceId": namespace, "quota": "0", "maxSize": "0"})
    assert capacity(strict, namespaceId=namespace) == shown | {"usage": 4}, "0: what all others have"
    assert publish(strict, V3, namespace, "d", "2").json == DONE, "there are too many, and each may change"


def test_v1_shows_and_sets_them_in_its_words(strict: NodeProcess) -> None:
    namespace = fill(strict)
    answer = call_http(strict.port, "POST", CAPACITY_V1, form={"tenant": namespace, "group": "G", "quota": "9"})
    assert answer.json == {"code": 200, "message": None, "data": True}
    answer = call_http(strict.port, "GET", CAPACITY_V1, {"tenant": namespace, "group": "G"})
    told = answer.json["data"]
    assert (answer.json["code"], told["tenant"], told["group"]) == (200, namespace, "G")
    assert (told["quota"], told["usage"], told["maxSize"]) == (9, 3, 20)


def test_the_cluster_as_a_whole_is_shown_and_has_a_quota_too(tmp_path: Any) -> None:
    settings = ("--config-quota", "on", "--config-quota-cluster", "2")
    with NodeProcess(tmp_path, *settings) as node:
        for namespace in ("one", "two"):
            assert publish(node, V3, namespace, "a").json == DONE
        answer = publish(node, V3, "three", "a")
        text = "the cluster has 2 configurations, and its quota is 2"
        assert (answer.status, answer.json) == (
            400,
            {"code": 5031, "message": "cluster is over its quota", "data": text},
        )
        told = capacity(node)
        assert (told["namespaceId"], told["quota"], told["usage"]) == (None, 2, 2)
        assert (told["maxSize"], told["enforced"]) == (100 * 1024, True)


def test_quotas_are_there_after_a_restart_and_enforced_as_the_settings_say(tmp_path: Any) -> None:
    with NodeProcess(tmp_path, "--config-quota", "on") as node:
        call_http(node.port, "POST", CAPACITY, form={"namespaceId": "dev", "quota": "1"})
        assert publish(node, V3, "dev", "a").json == DONE
        assert publish(node, V3, "dev", "b").json["code"] == 5033
        node.kill()
        node.start()
        assert publish(node, V3, "dev", "b").json["code"] == 5033
        node.stop()
        node.arguments = []
        node.start()
        assert publish(node, V3, "dev", "b").json == DONE
        told = capacity(node, namespaceId="dev")
        assert (told["quota"], told["usage"], told["enforced"]) == (1, 2, False), "counted, and not enforced"


@pytest.mark.parametrize("path", [CAPACITY_V1, CAPACITY])
def test_what_cannot_be_a_quota_is_refused(strict: NodeProcess, path: str) -> None:
    space = "tenant" if path == CAPACITY_V1 else "namespaceId"
    for form, words in (
        ({"quota": "1"}, "the quota of the cluster is a setting"),
        ({space: "dev"}, "'quota' or 'maxSize' is wanted"),
        ({space: "dev", "maxAggrSize": "1"}, "there are no aggregated configurations"),
        ({space: "dev", "quota": "-1"}, "Failed to convert 'quota' with value: '-1'"),
        ({space: "dev", "maxSize": str(2**31)}, "Failed to convert 'maxSize'"),
        ({space: "a b?", "quota": "1"}, "Param 'namespaceId/tenant' is illegal"),
    ):
        answer = call_http(strict.port, "POST", path, form=form)
        assert answer.status == 400
        told = answer.text
        if path == CAPACITY_V1 and told.startswith("{"):
            told = json.loads(told)["message"]
        assert words in told, form
    assert call_http(strict.port, "GET", path, {space: "a b?"}).status == 400


def test_a_node_that_is_told_nothing_counts_and_refuses_nothing(node: NodeProcess) -> None:
    place = Place(node)
    call_http(node.port, "POST", CAPACITY, form={"namespaceId": place.namespace, "quota": "1", "maxSize": "1"})
    for data_id in ("a", "b"):
        place.publish(data_id, "more than one byte")
    told = capacity(node, namespaceId=place.namespace)
    assert (told["quota"], told["usage"], told["maxSize"], told["enforced"]) == (1, 2, 1, False)
    assert capacity(node, namespaceId="nobody")["quota"] == 200
