"""Configurations cloned, exported and imported, in the words of v1 and v3."""

from __future__ import annotations

import http.client
import io
import json
import re
import zipfile
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from wire import phrases
from wire.client import HttpAnswer, call_http, http_headers

if TYPE_CHECKING:
    from support.node_process import NodeProcess

V1 = phrases.V1_CONFIG
ADMIN = "/nacos/v3/admin/cs/config"
CONSOLE = "/nacos/v3/console/cs/config"
V3 = (ADMIN, CONSOLE)
PATHS = (V1, *V3)


class Place:
    """A namespace of its own."""

    def __init__(self, node: NodeProcess, *data_ids: str) -> None:
        self.node = node
        self.namespace = phrases.unique("place")
        path = "/nacos/v3/admin/core/namespace"
        form = {"namespaceId": self.namespace, "namespaceName": "n"}
        assert call_http(node.port, "POST", path, form=form).json["data"] is True
        for data_id in data_ids:
            self.publish(data_id, f"content: {data_id}")

    def publish(self, data_id: str, content: str) -> None:
        form = {"dataId": data_id, "groupName": "G", "namespaceId": self.namespace, "content": content, "type": "yaml"}
        form |= {"appName": "shop", "desc": "what: 'for'", "configTags": "a,b", "encryptedDataKey": "k"}
        assert call_http(self.node.port, "POST", ADMIN, form=form).json["data"] is True

    def listed(self) -> list[dict[str, Any]]:
        query = {"namespaceId": self.namespace}
        items: list[dict[str, Any]] = call_http(self.node.port, "GET", f"{ADMIN}/list", query).json["data"]["pageItems"]
        return items

    def contents(self) -> dict[str, str]:
        return {item["dataId"]: self.detail(item["dataId"], item["groupName"])["content"] for item in self.listed()}

    def detail(self, data_id: str, group: str = "G") -> dict[str, Any]:
        query = {"namespaceId": self.namespace, "groupName": group, "dataId": data_id}
        shown: dict[str, Any] = call_http(self.node.port, "GET", ADMIN, query).json["data"]
        return shown

    def post(self, path: str, query: dict[str, str], kind: str, body: bytes) -> HttpAnswer:
        connection = http.client.HTTPConnection("127.0.0.1", self.node.port, timeout=10)
        try:
            connection.request("POST", f"{path}?{urlencode(query)}", body, {"Content-Type": kind})
            response = connection.getresponse()
            return HttpAnswer(response.status, http_headers(response), response.read())
        finally:
            connection.close()

    def clone(self, path: str, chosen: Any, **query: str) -> HttpAnswer:
        """Into this namespace."""
        if path == V1:
            whole = {"clone": "true", "tenant": self.namespace, "src_user": "ann"} | query
        else:
            name = "targetNamespaceId" if path == CONSOLE else "namespaceId"
            whole = {name: self.namespace, "src_user": "ann"} | query
        body = chosen if isinstance(chosen, bytes) else json.dumps(chosen).encode()
        return self.post(path if path == V1 else f"{path}/clone", whole, "application/json", body)

    def export(self, path: str, **query: str) -> HttpAnswer:
        if path == V1:
            whole = {"export": "true", "tenant": self.namespace} | query
            return call_http(self.node.port, "GET", V1, whole)
        return call_http(self.node.port, "GET", path, {"namespaceId": self.namespace} | query)

    def upload(self, path: str, archive: bytes, *, beside: dict[str, str] | None = None, **query: str) -> HttpAnswer:
        """Into this namespace, unless `beside` says all that the query does not."""
        own = {"import": "true"} if path == V1 else {}
        namespace = "namespace" if path == V1 else "namespaceId"
        whole = own | query
        if beside is None:
            whole = {namespace: self.namespace, "src_user": "ann"} | whole
        fields = "".join(
            f'--mark\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in (beside or {}).items()
        )
        head = b'--mark\r\nContent-Disposition: form-data; name="file"; filename="a.zip"\r\n\r\n'
        body = fields.encode() + head + archive + b"\r\n--mark--\r\n"
        whole_path = path if path == V1 else f"{path}/import"
        return self.post(whole_path, whole, "multipart/form-data; boundary=mark", body)


def done(path: str, answer: HttpAnswer) -> dict[str, Any]:
    """What became of it, out of the envelope of each version."""
    assert answer.status == 200
    assert answer.json["code"] == (200 if path == V1 else 0), answer.text
    data: dict[str, Any] = answer.json["data"]
    return data


def chosen(path: str, item: dict[str, Any], group: str = "", data_id: str = "") -> dict[str, Any]:
    if path == V1:
        return {"cfgId": item["id"], "group": group, "dataId": data_id}
    return {"configId": int(item["id"]), "targetGroupName": group or None, "targetDataId": data_id or None}


@pytest.mark.parametrize("path", PATHS)
def test_clones_have_everything_of_the_original_and_a_name_of_their_own(node: NodeProcess, path: str) -> None:
    source, target = Place(node, "a.yaml", "b.yaml"), Place(node)
    first, second = source.listed()
    answer = target.clone(path, [chosen(path, first), None, chosen(path, second, "H", "c")])
    assert done(path, answer) == {"succCount": 2, "skipCount": 0}
    assert target.contents() == {"a.yaml": "content: a.yaml", "c": "content: b.yaml"}
    original, cloned = source.detail("b.yaml"), target.detail("c", "H")
    for name in ("content", "type", "appName", "desc", "configTags", "encryptedDataKey", "md5"):
        assert cloned[name] == original[name]
    assert (cloned["createUser"], cloned["createIp"]) == ("ann", "127.0.0.1")
    if path == V1:
        assert answer.json["message"] == "Clone Completed Successfully"


@pytest.mark.parametrize("path", PATHS)
def test_a_policy_says_what_happens_to_what_is_there(node: NodeProcess, path: str) -> None:
    source, target = Place(node, "a", "b", "c"), Place(node)
    target.publish("b", "mine")
    clones = [chosen(path, item) for item in source.listed()]
    copied = done(path, target.clone(path, clones))
    b, c = {"dataId": "b", "group": "G"}, {"dataId": "c", "group": "G"}
    assert copied == {"succCount": 1, "skipCount": 1, "failData": [b], "skipData": [c]}
    assert target.contents() == {"a": "content: a", "b": "mine"}
    copied = done(path, target.clone(path, clones, policy="SKIP"))
    a = {"dataId": "a", "group": "G"}
    assert copied == {"succCount": 1, "skipCount": 2, "skipData": [a, b]}
    assert target.contents() == {"a": "content: a", "b": "mine", "c": "content: c"}
    assert done(path, target.clone(path, clones, policy="OVERWRITE")) == {"succCount": 3, "skipCount": 0}
    assert target.contents() == source.contents()


@pytest.mark.parametrize("path", PATHS)
def test_clones_that_cannot_be_made(node: NodeProcess, path: str) -> None:
    source, target = Place(node, "a"), Place(node)
    clones = [chosen(path, source.listed()[0])]
    for given, code in (
        ([], 100006),
        (b"", 100006),
        ([chosen(path, {"id": 2**62})], 100005),
    ):
        answer = target.clone(path, given)
        assert (answer.status, answer.json["code"], answer.json["data"]) == (200, code, {"succCount": 0})
    deep = b'[{"x": %s 1 %s}]' % (b'{"a":' * 50_000, b"}" * 50_000)
    for body in (b"{", b"{}", b'[{"cfgId": "x"}]', b"[1]", [chosen(path, {"id": -1})], deep):
        assert target.clone(path, body).status == 400, body[:100]
    answer = target.clone(path, clones, policy="PERHAPS")
    assert answer.status == 400
    assert "PERHAPS" in answer.text
    answer = target.clone(path, [chosen(path, source.listed()[0], "a b?")])
    assert (answer.status, answer.text[:21]) == (400, "Param 'group' is ille")
    target.namespace = phrases.unique("none")
    answer = target.clone(path, clones)
    assert (answer.json["code"], answer.json["message"]) == (22001, f"namespace not exist: {target.namespace}")


EXPORTS = (V1, f"{ADMIN}/export", f"{CONSOLE}/export", f"{CONSOLE}/export2")


@pytest.mark.parametrize("path", EXPORTS)
def test_an_export_holds_what_was_asked_for(node: NodeProcess, path: str) -> None:
    place = Place(node, "a.yaml", "b.yaml", "ü".replace("ü", "u"))
    group = "group" if path == V1 else "groupName"
    for query, names in (
        ({}, ["G/a.yaml", "G/b.yaml", "G/u"]),
        ({"dataId": "*.yaml", group: "G", "appName": "shop"}, ["G/a.yaml", "G/b.yaml"]),
        ({"appName": "other"}, []),
        ({"ids": place.listed()[1]["id"]}, ["G/b.yaml"]),
    ):
        answer = place.export(path, **query)
        assert answer.headers["content-type"] == "application/octet-stream"
        name = r"attachment;filename=nacos_config_export_\d{14}\.zip"
        assert re.fullmatch(name, answer.headers["content-disposition"])
        with zipfile.ZipFile(io.BytesIO(answer.content)) as file:
            metadata = (".meta.yml" if names else None) if path == V1 else ".metadata.yml"
            assert file.namelist() == names + ([metadata] if metadata else [])
            assert all(file.read(each) == f"content: {each[2:]}".encode() for each in names)


def test_v1_exports_in_the_second_layout_when_asked_to(node: NodeProcess) -> None:
    place = Place(node, "a.yaml")
    answer = call_http(node.port, "GET", V1, {"exportV2": "true", "tenant": place.namespace})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as file:
        assert file.namelist() == ["G/a.yaml", ".metadata.yml"]


@pytest.mark.parametrize("path", PATHS)
def test_what_was_exported_is_imported_with_what_its_layout_knows(node: NodeProcess, path: str) -> None:
    source = Place(node, "a.yaml", "b")
    for export in (V1, f"{ADMIN}/export"):
        target = Place(node)
        answer = target.upload(path, source.export(export).content)
        assert done(path, answer) == {"succCount": 2, "skipCount": 0}
        assert target.contents() == source.contents()
        shown, original = target.detail("a.yaml"), source.detail("a.yaml")
        known = ("type", "appName") if export == V1 else ("type", "appName", "desc", "configTags")
        assert {name: shown[name] for name in known} == {name: original[name] for name in known}
        assert (shown["createUser"], shown["createIp"]) == ("ann", "127.0.0.1")


@pytest.mark.parametrize("path", PATHS)
def test_imports_follow_the_policy_and_say_what_they_do_not_know(node: NodeProcess, path: str) -> None:
    source, target = Place(node, "a", "b"), Place(node, "b")
    buffer = io.BytesIO(source.export(f"{ADMIN}/export").content)
    with zipfile.ZipFile(buffer, "a") as file:
        file.writestr("readme", "x")
        file.writestr("G/more", "x")
    b = {"dataId": "b", "group": "G"}
    unknown = {"unrecognizedCount": 2}
    unknown["unrecognizedData"] = [{"itemName": "readme"}, {"itemName": "Item not found in metadata: G/more"}]  # type: ignore[assignment]
    copied = done(path, target.upload(path, buffer.getvalue(), policy="SKIP"))
    assert copied == {"succCount": 1, "skipCount": 1, "skipData": [b]} | unknown
    copied = done(path, target.upload(path, buffer.getvalue(), policy="OVERWRITE"))
    assert copied == {"succCount": 2, "skipCount": 0} | unknown
    assert done(path, target.upload(path, buffer.getvalue()))["succCount"] == 0


@pytest.mark.parametrize("path", PATHS)
def test_what_stands_beside_the_file_counts_unless_the_query_says_otherwise(node: NodeProcess, path: str) -> None:
    source, target = Place(node, "a"), Place(node)
    target.publish("a", "old")
    archive = source.export(f"{ADMIN}/export").content
    namespace = "namespace" if path == V1 else "namespaceId"
    beside = {namespace: target.namespace, "policy": "OVERWRITE", "src_user": "eve"}
    assert done(path, target.upload(path, archive, beside=beside, policy="SKIP"))["skipCount"] == 1
    assert target.contents() == {"a": "old"}
    assert done(path, target.upload(path, archive, beside=beside))["succCount"] == 1
    assert target.contents() == source.contents()
    assert target.detail("a")["createUser"] == "eve"


@pytest.mark.parametrize("path", PATHS)
def test_imports_that_cannot_be_made_change_nothing(node: NodeProcess, path: str) -> None:
    target = Place(node)

    def packed(**entries: str) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as file:
            for name, content in entries.items():
                file.writestr(name, content)
        return buffer.getvalue()

    good = {"G/a": "1"}
    for archive, code, word in (
        (b"", 100005, "file"),
        (b"PK", 100004, "no zip archive"),
        (packed(**good, **{"../b": "1"}), 100004, "../b"),
        (packed(**good, **{"G/b": " "}), 100004, "G/b: content is blank"),
        (packed(**good, **{"G/b?": "1"}), 100004, "Param 'dataId' is illegal"),
        (packed(**good, **{".metadata.yml": "x"}), 100002, "line 1"),
        (packed(readme="1"), 100005, ""),
    ):
        answer = target.upload(path, archive)
        assert (answer.status, answer.json["code"], answer.json["data"]) == (200, code, {"succCount": 0})
        assert word in answer.json["message"]
    assert target.listed() == []
    assert target.upload(path, packed(**good), policy="x").status == 400
    assert target.listed() == []
    target.namespace = phrases.unique("none")
    assert target.upload(path, packed(**good)).json["code"] == 22001
