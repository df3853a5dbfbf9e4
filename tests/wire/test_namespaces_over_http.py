"""Namespaces in the words of v1, v2 and v3 (protocol/http.md sections 5, 6 and 7; semantics.md section 5)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from wire import phrases
from wire.client import HttpAnswer, call_http

if TYPE_CHECKING:
    from support.node_process import NodeProcess

V1 = "/nacos/v1/console/namespaces"
V2 = "/nacos/v2/console/namespace"
ADMIN = "/nacos/v3/admin/core/namespace"
CONSOLE = "/nacos/v3/console/core/namespace"
RESULTS = (V2, ADMIN, CONSOLE)
ID_NAMES = {V2: "namespaceId", ADMIN: "namespaceId", CONSOLE: "customNamespaceId"}
DONE = {"code": 0, "message": "success", "data": True}
DEFAULT = {"namespace": "public", "namespaceShowName": "public", "namespaceDesc": "Default Namespace"}


def ask(node: NodeProcess, path: str, **query: str) -> HttpAnswer:
    return call_http(node.port, "GET", path, query)


def create(node: NodeProcess, path: str, id: str | None, name: str | None = "A name", **more: str) -> HttpAnswer:
    form = more | ({ID_NAMES[path]: id} if id is not None else {})
    form |= {"namespaceName": name} if name is not None else {}
    return call_http(node.port, "POST", path, form=form)


def listed(node: NodeProcess, path: str = f"{ADMIN}/list") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask(node, path).json["data"]
    return found


def ids(node: NodeProcess) -> list[str]:
    return [each["namespace"] for each in listed(node)]


def refusal(answer: HttpAnswer) -> tuple[int, int, str]:
    return answer.status, answer.json["code"], answer.json["data"]


@pytest.mark.parametrize("path", RESULTS)
def test_one_is_made_changed_and_removed(node: NodeProcess, path: str) -> None:
    id = phrases.unique("ns")
    assert create(node, path, f" {id} ", namespaceDesc="what for").json == DONE
    shown = {"namespace": id, "namespaceShowName": "A name", "namespaceDesc": "what for"}
    shown |= {"quota": 200, "configCount": 0, "type": 1}
    assert ask(node, path, namespaceId=id).json == {"code": 0, "message": "success", "data": shown}
    form = {"namespaceId": id, "namespaceName": "Another"}
    assert call_http(node.port, "PUT", path, form=form).json == DONE
    changed = shown | {"namespaceShowName": "Another", "namespaceDesc": None}
    assert [each for each in listed(node, f"{path}/list") if each["namespace"] == id] == [changed]
    assert call_http(node.port, "DELETE", path, {"namespaceId": id}).json == DONE
    assert id not in ids(node)
    assert call_http(node.port, "DELETE", path, {"namespaceId": id}).json == DONE, "it is gone already"


def test_v1_says_it_bare(node: NodeProcess) -> None:
    id = phrases.unique("ns")
    form = {"customNamespaceId": id, "namespaceName": "A name", "namespaceDesc": "what for"}
    assert call_http(node.port, "POST", V1, form=form).text == "true"
    assert call_http(node.port, "POST", V1, form=form).text == "false", "it is there already"
    answer = ask(node, V1).json
    assert (answer["code"], answer["message"]) == (200, None)
    assert answer["data"] == listed(node)
    one = ask(node, V1, show="all", namespaceId=id).json
    assert (one["namespace"], one["namespaceShowName"], one["type"]) == (id, "A name", 1)
    assert ask(node, V1, checkNamespaceIdExist="true", customNamespaceId=id).json is True
    form = {"namespace": id, "namespaceShowName": "Another", "namespaceDesc": ""}
    assert call_http(node.port, "PUT", V1, form=form).text == "true"
    assert ask(node, V1, show="all", namespaceId=id).json["namespaceShowName"] == "Another"
    assert call_http(node.port, "DELETE", V1, {"namespaceId": id}).text == "true"
    assert ask(node, V1, checkNamespaceIdExist="true", customNamespaceId=id).json is False
    assert ask(node, V1, show="all", namespaceId=id).status == 404
    assert call_http(node.port, "PUT", V1, form=form).text == "false", "there is none to change"
    assert call_http(node.port, "DELETE", V1, {"namespaceId": id}).text == "true"


def test_v1_says_false_to_what_cannot_be(node: NodeProcess) -> None:
    before = ids(node)
    for id, name in (("a b", "n"), ("a" * 129, "n"), ("public", "n"), ("fine", "n@"), ("fine", "")):
        answer = call_http(node.port, "POST", V1, form={"customNamespaceId": id, "namespaceName": name})
        assert (answer.status, answer.text) == (200, "false")
    assert call_http(node.port, "PUT", V1, form={"namespace": "public", "namespaceShowName": "n"}).text == "false"
    assert call_http(node.port, "DELETE", V1, {"namespaceId": "public"}).text == "false"
    assert ids(node) == before


def test_v1_names_what_is_missing(node: NodeProcess) -> None:
    asked: list[tuple[str, dict[str, str], str]] = [
        ("POST", {"customNamespaceId": "a"}, "namespaceName"),
        ("PUT", {"namespaceShowName": "a"}, "namespace"),
        ("PUT", {"namespace": "a"}, "namespaceShowName"),
        ("DELETE", {}, "namespaceId"),
        ("GET", {"show": "all"}, "namespaceId"),
        ("GET", {"checkNamespaceIdExist": "true"}, "customNamespaceId"),
    ]
    for method, query, name in asked:
        answer = call_http(node.port, method, V1, query)
        assert (answer.status, answer.json["message"]) == (400, f"Required parameter '{name}' is not present.")


@pytest.mark.parametrize("path", RESULTS)
def test_an_id_is_made_up_where_none_is_given(node: NodeProcess, path: str) -> None:
    for id in (None, "", " "):
        before = set(ids(node))
        assert create(node, path, id).json == DONE
        (made,) = set(ids(node)) - before
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", made)


@pytest.mark.parametrize("path", RESULTS)
def test_an_id_that_is_taken_is_refused(node: NodeProcess, path: str) -> None:
    id = phrases.unique("ns")
    create(node, path, id)
    answer = create(node, path, id, "Another")
    assert answer.json["message"] == "namespace already exist"
    assert refusal(answer) == (400, 22002, f"namespaceId [{id}] already exist.")
    text = "namespaceId [public] is default namespace id and already exist."
    assert refusal(create(node, path, "public")) == (400, 22002, text)
    assert ask(node, path, namespaceId=id).json["data"]["namespaceShowName"] == "A name"


@pytest.mark.parametrize("path", RESULTS)
def test_what_it_cannot_be_called_is_refused(node: NodeProcess, path: str) -> None:
    before = ids(node)
    for id in ("a b", "a.b", "a/b", "a:b", "\u00e4"):
        assert refusal(create(node, path, id)) == (400, 22000, f"namespaceId [{id}] mismatch the pattern")
    assert refusal(create(node, path, "a" * 129)) == (400, 22000, "too long namespaceId, over 128")
    for name in ("", *(f"n{character}" for character in "@#$%^&*")):
        text = f"namespaceName [{name}] contains illegal char"
        assert refusal(create(node, path, "fine", name)) == (400, 22000, text)
        form = {"namespaceId": "fine", "namespaceName": name}
        assert refusal(call_http(node.port, "PUT", path, form=form)) == (400, 22000, text)
    long = create(node, path, "fine", namespaceDesc="x" * 257)
    assert refusal(long) == (400, 22000, "too long namespaceDesc, over 256")
    assert ids(node) == before


@pytest.mark.parametrize("path", RESULTS)
def test_what_is_missing_is_named(node: NodeProcess, path: str) -> None:
    name = "required parameter 'namespaceName' is missing"
    assert refusal(create(node, path, "a", None)) == (400, 10000, name)
    assert refusal(call_http(node.port, "PUT", path, form={"namespaceId": "a"})) == (400, 10000, name)
    id = "required parameter 'namespaceId' is missing"
    assert refusal(call_http(node.port, "PUT", path, form={"namespaceName": "a"})) == (400, 10000, id)
    id = "Required parameter 'namespaceId' type String is not present"
    assert refusal(ask(node, path)) == (400, 10000, id)
    assert refusal(call_http(node.port, "DELETE", path)) == (400, 10000, id)
    assert ask(node, f"{ADMIN}/check").status == ask(node, f"{CONSOLE}/exist").status == 400


@pytest.mark.parametrize("path", RESULTS)
def test_one_that_nobody_made_is_not_there(node: NodeProcess, path: str) -> None:
    id = phrases.unique("none")
    absent = (404, 22001, f"namespaceId [ {id} ] not exist")
    assert refusal(ask(node, path, namespaceId=id)) == absent
    form = {"namespaceId": id, "namespaceName": "a"}
    assert refusal(call_http(node.port, "PUT", path, form=form)) == absent


@pytest.mark.parametrize("path", RESULTS)
def test_the_default_one_is_there_and_stays_as_it_is(node: NodeProcess, path: str) -> None:
    first = listed(node, f"{path}/list")[0]
    assert {name: first[name] for name in DEFAULT} == DEFAULT
    assert (first["quota"], first["type"]) == (200, 0)
    assert ask(node, path, namespaceId="public").json["data"] == first
    assert ask(node, path, namespaceId="").json["data"] == first | {"namespace": ""}
    form = {"namespaceId": "public", "namespaceName": "mine"}
    assert refusal(call_http(node.port, "PUT", path, form=form))[:2] == (400, 22000)
    assert refusal(call_http(node.port, "DELETE", path, {"namespaceId": "public"}))[:2] == (400, 22000)


def test_whether_an_id_is_taken(node: NodeProcess) -> None:
    id = phrases.unique("ns")
    asked = [(id, 0, False), ("public", 0, True), ("", 0, False)]
    for each, count, is_taken in asked:
        assert ask(node, f"{ADMIN}/check", namespaceId=each).json["data"] == count
        assert ask(node, f"{CONSOLE}/exist", customNamespaceId=each).json["data"] is is_taken
    create(node, CONSOLE, id)
    assert ask(node, f"{ADMIN}/check", namespaceId=id).json["data"] == 1
    assert ask(node, f"{CONSOLE}/exist", customNamespaceId=id).json["data"] is True


def test_configurations_are_counted_and_stay_when_their_namespace_goes(node: NodeProcess) -> None:
    id = phrases.unique("ns")
    of_default = listed(node)[0]["configCount"]
    form = {"dataId": "a", "group": phrases.GROUP, "tenant": id, "content": "1"}
    assert call_http(node.port, "POST", phrases.V1_CONFIG, form=form).text == "true", "nobody has to make it first"
    create(node, ADMIN, id)
    assert call_http(node.port, "POST", phrases.V1_CONFIG, form=form | {"dataId": "b"}).text == "true"
    assert ask(node, ADMIN, namespaceId=id).json["data"]["configCount"] == 2
    assert ask(node, ADMIN, namespaceId="public").json["data"]["configCount"] == of_default
    assert call_http(node.port, "DELETE", ADMIN, {"namespaceId": id}).json == DONE
    key = {"dataId": "a", "group": phrases.GROUP, "tenant": id}
    assert call_http(node.port, "GET", phrases.V1_CONFIG, key).text == "1"


def test_they_are_there_after_a_restart(tmp_path_factory: pytest.TempPathFactory) -> None:
    from support.node_process import NodeProcess

    with NodeProcess(tmp_path_factory.mktemp("namespaces")) as node:
        create(node, ADMIN, "dev")
        form = {"dataId": "a", "group": "G", "content": "1", "tenant": "dev"}
        assert call_http(node.port, "POST", phrases.V1_CONFIG, form=form).text == "true"
        node.kill()
        node.start()
        assert ask(node, ADMIN, namespaceId="dev").json["data"]["configCount"] == 1
        key = {"dataId": "a", "groupName": "G", "namespaceId": "dev"}
        assert ask(node, "/nacos/v3/admin/cs/history/list", **key).json["data"]["totalCount"] == 1
