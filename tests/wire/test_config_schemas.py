"""Configurations with a JSON Schema, over HTTP and gRPC: what does not conform is refused, wherever it comes from."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.node_process import NodeProcess
from wire import phrases
from wire.client import GrpcConnection, HttpAnswer, call_http
from wire.test_config_copies_over_http import ADMIN, PATHS, V1, Place, chosen, done

if TYPE_CHECKING:
    from collections.abc import Iterator

V2 = "/nacos/v2/cs/config"
HISTORY = "/nacos/v3/admin/cs/history"
SCHEMA = json.dumps({"properties": {"port": {"type": "integer"}}, "required": ["port"]})
RIGHT, WRONG, NONE = "port: 80", "port: http", "host: a"
NO_INTEGER = 'at /port: value is not of type "integer"'
LEVELS = {str(level): {"allOf": [{"$ref": f"#/$defs/{level + 1}"}] * 2} for level in range(60)}
ENDLESS = json.dumps({"$ref": "#/$defs/0", "$defs": LEVELS | {"60": {"type": "integer"}}})
"""Every level is looked at twice by the one before it."""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    with NodeProcess(tmp_path_factory.mktemp("schemas"), "--config-validation", "error") as running:
        yield running
    assert "Traceback" not in running.errors


class Config:
    """The name of a configuration that nobody else uses."""

    def __init__(self, node: NodeProcess) -> None:
        self.node = node
        self.data_id = phrases.unique("schema")
        self.name = f"{phrases.GROUP}/{self.data_id}"

    def ask(self, method: str, path: str, **fields: Any) -> HttpAnswer:
        group = "groupName" if "/v3/" in path else "group"
        whole = {"dataId": self.data_id, group: phrases.GROUP} | fields
        sent = {"form": whole} if method == "POST" else {"query": whole}
        return call_http(self.node.port, method, path, within_s=20, **sent)

    def publish(self, content: str, schema: str = SCHEMA, path: str = ADMIN, **fields: Any) -> HttpAnswer:
        return self.ask("POST", path, content=content, schema=schema, **{"type": "yaml"} | fields)

    def events(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.ask("GET", f"{HISTORY}/list").json["data"]["pageItems"]
        return items

    def is_published(self) -> str | None:
        answer = self.ask("GET", V1)
        return answer.text if answer.status == 200 else None

    def unfit(self, why: str) -> str:
        return f"the content of {self.name} does not conform to its schema: {why}"


@pytest.fixture
def config(node: NodeProcess) -> Config:
    return Config(node)


def test_v1_refuses_what_does_not_conform_and_shows_the_schema(config: Config) -> None:
    assert config.publish(RIGHT, path=V1).text == "true"
    refused = config.publish(WRONG, path=V1)
    assert (refused.status, refused.text) == (400, f"caused: {config.unfit(NO_INTEGER)};")
    assert config.is_published() == RIGHT
    assert config.ask("GET", V1, show="all").json["schema"] == SCHEMA


@pytest.mark.parametrize("path", [V2, ADMIN, "/nacos/v3/console/cs/config"])
def test_v2_and_v3_refuse_it_as_a_wrong_parameter(config: Config, path: str) -> None:
    assert config.publish(RIGHT, path=path).json["data"] is True
    refused = config.publish(WRONG, path=path)
    told = {"code": 20002, "message": "parameter validate error", "data": config.unfit(NO_INTEGER)}
    assert (refused.status, refused.json) == (400, told)
    refused = config.publish(RIGHT, path=path, schema='{"type": "strin"}')
    assert refused.status == 400
    assert refused.json["data"].startswith(
        f'the schema of {config.name} cannot be used: at /type: "strin" is not valid'
    )
    assert config.is_published() == RIGHT


def test_grpc_refuses_it_as_a_wrong_parameter(node: NodeProcess, config: Config) -> None:
    def publish(content: str, **more: str) -> Any:
        asked = phrases.config(config.data_id, content=content, additionMap={"type": "yaml"} | more)
        return connection.call("ConfigPublishRequest", asked).body

    with GrpcConnection(node.grpc_port) as connection:
        connection.set_up()
        assert publish(RIGHT, schema=SCHEMA)["success"]
        refused = publish(WRONG, schema=SCHEMA)
        assert (refused["success"], refused["errorCode"]) == (False, 400)
        assert refused["message"] == config.unfit(NO_INTEGER)
        assert config.is_published() == RIGHT
        assert publish(WRONG)["message"] == config.unfit(NO_INTEGER), "who knows of no schema does not take it away"
        assert publish(WRONG, schema="")["success"]
    assert config.ask("GET", V1, show="all").json["schema"] is None


@pytest.mark.parametrize(
    ("type", "content"), [("json", '{"port": "http"}'), ("yaml", WRONG), ("toml", 'port = "http"')]
)
def test_all_documents_are_checked_and_no_other_texts(config: Config, type: str, content: str) -> None:
    assert config.publish(content, type=type).json["data"] == config.unfit(NO_INTEGER)
    assert config.publish(content, type="properties").json["data"] is True


@pytest.mark.parametrize("path", [V1, V2, ADMIN])
def test_a_schema_stays_until_an_empty_one_comes(config: Config, path: str) -> None:
    config.publish(RIGHT)
    assert config.ask("POST", path, content=NONE).status == 400
    assert config.ask("POST", path, content="port: 81").status == 200
    told = config.ask("GET", ADMIN).json["data"]
    assert (told["schema"], told["type"]) == (SCHEMA, "yaml")
    assert config.ask("POST", path, content=NONE, type="yaml", schema="").status == 200
    assert "schema" not in config.ask("GET", ADMIN).json["data"]


def test_a_gray_release_must_conform_to_the_schema_of_the_formal_version(config: Config) -> None:
    config.publish(RIGHT)
    assert config.ask("POST", ADMIN, content=WRONG, betaIps="10.0.0.1").json["data"] == config.unfit(NO_INTEGER)
    assert config.ask("POST", V1, content=WRONG, tag="t").text == f"caused: {config.unfit(NO_INTEGER)};"
    assert config.ask("POST", ADMIN, content=WRONG, grayPercent="10").json["data"] == config.unfit(NO_INTEGER)
    assert config.ask("POST", ADMIN, content="port: 81", grayPercent="10").json["data"] is True
    stricter = json.dumps({"properties": {"port": {"maximum": 80}}})
    assert config.publish(RIGHT, stricter).json["data"] is True
    refused = config.ask("POST", f"{ADMIN}/gray/promote", grayName="percent")
    assert (refused.status, refused.json["code"]) == (400, 20002)
    assert refused.json["data"] == config.unfit("at /port: value is greater than the maximum of 80")
    assert config.is_published() == RIGHT
    config.publish(RIGHT)
    assert config.ask("POST", f"{ADMIN}/gray/promote", grayName="percent").status == 200
    assert (config.is_published(), config.ask("GET", ADMIN).json["data"]["schema"]) == ("port: 81", SCHEMA)


def test_a_rollback_brings_the_schema_of_then_with_the_content(config: Config) -> None:
    config.publish(RIGHT)
    config.publish(NONE, '{"required": ["host"]}')
    (newest, *_) = config.events()
    assert config.ask("POST", f"{HISTORY}/rollback", nid=newest["id"]).status == 200
    assert (config.is_published(), config.ask("GET", ADMIN).json["data"]["schema"]) == (RIGHT, SCHEMA)


def test_a_rollback_to_what_never_conformed_is_refused(tmp_path: Path) -> None:
    with NodeProcess(tmp_path, "--config-validation", "warn") as node:
        config = Config(node)
        for content in (WRONG, RIGHT):
            assert config.publish(content).json["data"] is True
        (newest, oldest) = config.events()
        node.end()
        assert node.errors.count(config.unfit(NO_INTEGER)) == 1, "a warning, at its publication"
        node.arguments = ["--config-validation", "error"]
        node.start()
        refused = config.ask("POST", f"{HISTORY}/rollback", nid=newest["id"])
        assert (refused.status, refused.json["code"], refused.json["data"]) == (400, 20002, config.unfit(NO_INTEGER))
        assert config.is_published() == RIGHT
        removed = config.ask("POST", f"{HISTORY}/rollback", nid=oldest["id"])
        assert (removed.json["data"], config.is_published()) == ({"md5": None}, None)


def publish_to(place: Place, data_id: str, content: str, schema: str = SCHEMA) -> None:
    form = {"dataId": data_id, "groupName": "G", "namespaceId": place.namespace, "content": content, "type": "yaml"}
    assert call_http(place.node.port, "POST", ADMIN, form=form | {"schema": schema}).json["data"] is True


@pytest.mark.parametrize("path", PATHS)
def test_clones_and_archives_carry_the_schema(node: NodeProcess, path: str) -> None:
    source, cloned, imported = Place(node), Place(node), Place(node)
    publish_to(source, "a", RIGHT)
    done(path, cloned.clone(path, [chosen(path, source.listed()[0])]))
    v2 = {"exportV2": "true", "export": "false"} if path == V1 else {}
    archive = source.export(path, **v2).content if path == V1 else source.export(f"{path}/export").content
    done(path, imported.upload(path, archive))
    for place in (cloned, imported):
        shown = place.detail("a")
        assert (shown["content"], shown["schema"], shown["type"]) == (RIGHT, SCHEMA, "yaml")


@pytest.mark.parametrize("path", PATHS)
def test_a_clone_is_as_its_original_and_an_archive_keeps_the_schema_that_is_there(node: NodeProcess, path: str) -> None:
    source, target = Place(node), Place(node)
    publish_to(source, "a", WRONG, schema="")
    archive = source.export(path if path == V1 else f"{path}/export").content
    publish_to(target, "a", RIGHT)
    refused = target.upload(path, archive, policy="OVERWRITE")
    assert "does not conform to its schema" in refused.text
    done(path, target.clone(path, [chosen(path, source.listed()[0])], policy="OVERWRITE"))
    assert (target.detail("a")["content"], target.detail("a").get("schema")) == (WRONG, None)


@pytest.mark.parametrize("path", PATHS)
def test_of_an_archive_nothing_is_published_if_something_does_not_conform(
    node: NodeProcess, path: str, tmp_path: Path
) -> None:
    with NodeProcess(tmp_path) as lax:
        source, target = Place(lax), Place(node)
        publish_to(source, "a", RIGHT)
        publish_to(source, "b", WRONG)
        archive = source.export(f"{ADMIN}/export").content
    refused = target.upload(path, archive, policy="OVERWRITE")
    why = f"the content of G/b does not conform to its schema: {NO_INTEGER}"
    assert (refused.status, refused.json["code"], why in refused.json["message"]) == (200, 100004, True)
    assert target.listed() == []


def test_a_schema_without_end_is_refused_while_others_are_answered(node: NodeProcess, config: Config) -> None:
    answers: list[HttpAnswer] = []
    asking = threading.Thread(target=lambda: answers.append(config.publish("1", ENDLESS)))
    bystander = Config(node)
    bystander.publish(NONE, "")
    asking.start()
    answered_count = 0
    while asking.is_alive():
        assert bystander.is_published() == NONE
        assert bystander.ask("POST", ADMIN, content=NONE).json["data"] is True, "what has no schema waits for no check"
        answered_count += 1
        time.sleep(0.005)
    asking.join()
    why = "cannot be checked against its schema: it takes more than 1 s of processor time"
    (refused,) = answers
    assert (refused.status, refused.json["data"]) == (400, f"the content of {config.name} {why}")
    assert answered_count > 5, "a node that stood still would have answered one at most"
    assert config.publish(RIGHT).json["data"] is True


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_the_process_that_checks_ends_with_the_node(tmp_path: Path) -> None:
    for end in (NodeProcess.end, NodeProcess.kill):
        with NodeProcess(tmp_path, "--config-validation", "error") as node:
            assert children(node) == []
            Config(node).publish(RIGHT)
            (child,) = children(node)
            end(node)
            until = time.monotonic() + 10
            while Path(f"/proc/{child}").exists():
                assert time.monotonic() < until
                time.sleep(0.01)


def children(node: NodeProcess) -> list[int]:
    tasks = Path(f"/proc/{node.process.pid}/task").glob("*/children")
    return [int(pid) for task in tasks for pid in task.read_text().split()]
