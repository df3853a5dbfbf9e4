"""What is said of a configuration is changed on its own, and what is published is made only where nothing is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wire import phrases
from wire.client import GrpcConnection, call_http
from wire.test_config_changes_over_http import ADMIN, CONSOLE, DONE, V1, V2, V3, Config

if TYPE_CHECKING:
    from support.node_process import NodeProcess


@pytest.fixture
def config(node: NodeProcess) -> Config:
    return Config(node)


@pytest.mark.parametrize("path", [f"{ADMIN}/metadata", f"{CONSOLE}/metadata"])
def test_description_and_tags_change_and_the_content_does_not(config: Config, path: str) -> None:
    config.ask("POST", ADMIN, content="1", type="json", appName="shop", desc="old", configTags="a")
    before = config.detail()
    assert config.ask("PUT", path, desc="new", configTags="b,c", srcUser="ann").json == DONE
    shown = config.detail()
    assert (shown["desc"], shown["configTags"], shown["createUser"]) == ("new", "b,c", "ann")
    for name in ("id", "content", "md5", "type", "appName", "createTime"):
        assert shown[name] == before[name]
    assert config.ask("PUT", path, desc="newer").json == DONE
    assert (config.detail()["desc"], config.detail()["configTags"]) == ("newer", "b,c"), "what is not named stays"
    form = {"dataId": config.data_id, "groupName": phrases.GROUP, "configTags": ""}
    assert call_http(config.node.port, "PUT", path, form=form).json == DONE
    assert (config.detail()["desc"], config.detail()["configTags"]) == ("newer", None), "an empty text takes it away"
    key = {"dataId": config.data_id, "groupName": phrases.GROUP}
    events = call_http(config.node.port, "GET", "/nacos/v3/admin/cs/history/list", key).json["data"]["pageItems"]
    assert [event["opType"] for event in events] == ["U", "U", "U", "I"]


@pytest.mark.parametrize("path", [f"{ADMIN}/metadata", f"{CONSOLE}/metadata"])
def test_what_cannot_be_said_of_a_configuration_is_refused(config: Config, path: str) -> None:
    answer = config.ask("PUT", path, desc="new")
    text = "Config not exist, please publish Config first."
    assert (answer.status, answer.json) == (404, {"code": 20004, "message": "resource not found", "data": text})
    assert config.ask("GET", ADMIN).status == 404, "it was not made"
    config.ask("POST", ADMIN, content="1", desc="old")
    for fields, code, words in (
        ({}, 20002, "neither description nor tags are given: there is nothing to change"),
        ({"desc": "x" * 129}, 20002, "too long desc"),
        ({"configTags": "1,2,3,4,5,6"}, 20002, "too much config_tags"),
        ({"configTags": "x" * 65}, 20002, "too long tag"),
        ({"desc": "new", "dataId": None}, 10000, "Required parameter 'dataId' type String is not present"),
    ):
        answer = config.ask("PUT", path, **fields)
        assert (answer.status, answer.json["code"], answer.json["data"]) == (400, code, words)
    assert config.detail()["desc"] == "old"


def test_listeners_are_not_told_of_a_description(config: Config, connection: GrpcConnection) -> None:
    loud = phrases.unique("loud")
    config.ask("POST", ADMIN, content="1")
    for data_id in (config.data_id, loud):
        context = {"dataId": data_id, "group": phrases.GROUP, "tenant": "", "md5": ""}
        listen = {"listen": True, "configListenContexts": [context]}
        connection.call("ConfigBatchListenRequest", listen)
    connection.settle(0.2)
    connection.pushes.clear()
    assert config.ask("PUT", f"{ADMIN}/metadata", desc="new").json == DONE
    connection.call("ConfigPublishRequest", phrases.config(loud, content="a"))
    push = connection.wait_push("ConfigChangeNotifyRequest")
    assert push.body["dataId"] == loud, "that one came later, and alone"


@pytest.mark.parametrize("path", [V2, *V3])
def test_what_is_there_is_not_made_again(config: Config, path: str) -> None:
    assert config.ask("POST", path, content="1", createOnly="true").json == DONE
    answer = config.ask("POST", path, content="2", createOnly="true")
    text = "config already exist"
    assert (answer.status, answer.json) == (409, {"code": 410, "message": text, "data": text})
    assert config.detail()["content"] == "1"
    assert config.ask("POST", path, content="2", createOnly="false").json == DONE


def test_v1_has_the_code_in_its_text(config: Config) -> None:
    assert config.ask("POST", V1, content="1", createOnly="true").text == "true"
    answer = config.ask("POST", V1, content="2", createOnly="true")
    assert (answer.status, answer.text) == (409, "caused: errCode: 410, errMsg: config already exist;")
    assert config.detail()["content"] == "1"
    assert config.ask("POST", V1, content="2").text == "true"


def test_grpc_has_it_among_the_additions(config: Config, connection: GrpcConnection) -> None:
    asked = phrases.config(config.data_id, content="1") | {"additionMap": {"createOnly": "true"}}
    assert connection.call("ConfigPublishRequest", asked).body["success"]
    answer = connection.call("ConfigPublishRequest", asked | {"content": "2"}).body
    assert (answer["resultCode"], answer["errorCode"], answer["message"]) == (500, 410, "config already exist")
    assert config.detail()["content"] == "1"
    assert connection.call("ConfigPublishRequest", phrases.config(config.data_id, content="2")).body["success"]
