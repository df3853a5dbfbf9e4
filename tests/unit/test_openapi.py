"""The API document is valid, whole, and says what the handlers read."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from nacos_core.server import openapi
from nacos_core.server.compatibility import audience_of
from nacos_core.server.core_routes import CORE_ROUTES
from nacos_core.server.description import Description, description_of, handler_of
from nacos_core.server.http_api import ROUTES
from nacos_core.server.parameters import HEADERS, PARAMETERS
from support.fuzz_words import DICTIONARY
from support.parameters_read import read_by_core, read_by_handler
from unit.test_compatibility import BESIDE, NEEDED

DESCRIPTIONS = {path: description_of(route.handler) for path, route in ROUTES.items()}
OPEN = {path for path, route in ROUTES.items() if route.is_open}
ALL = {path: (each, path in OPEN) for path, each in {**DESCRIPTIONS, **CORE_ROUTES}.items()}
DOCUMENT: dict[str, Any] = msgspec.to_builtins(openapi.document(ALL, "1.2.3"))
OPERATIONS = [(path, method, each) for path, item in DOCUMENT["paths"].items() for method, each in item.items()]

CORE_FUNCTIONS = {
    ("POST", "/nacos/v1/ns/instance"): "register_v1",
    ("DELETE", "/nacos/v1/ns/instance"): "deregister_v1",
    ("PUT", "/nacos/v1/ns/instance/beat"): "beat",
    ("GET", "/nacos/v1/ns/instance/list"): "list_v1",
    ("GET", "/nacos/v1/ns/service/list"): "service_list",
    ("POST", "/nacos/v1/cs/configs/listener"): "listen",
    ("POST", "/nacos/v2/ns/instance"): "register_v2",
    ("DELETE", "/nacos/v2/ns/instance"): "deregister_v3",
    ("PUT", "/nacos/v2/ns/instance/beat"): "beat",
    ("GET", "/nacos/v2/ns/instance/list"): "list_v2",
    ("POST", "/nacos/v3/client/ns/instance"): "register_v3",
    ("DELETE", "/nacos/v3/client/ns/instance"): "deregister_v3",
    ("GET", "/nacos/v3/client/ns/instance/list"): "list_v3",
    ("POST", "/nacos/v3/admin/ns/instance"): "register_v3",
    ("DELETE", "/nacos/v3/admin/ns/instance"): "deregister_v3",
}
"""Of rust/core/src/serve."""

BEFORE_HANDLERS = {("GET", "/nacos/v1/cs/configs"): "get_v1", ("GET", "/nacos/v3/client/cs/config"): "get_v3"}
"""What the core answers if it can, and else hands up."""


def told(description: Description, path: str) -> set[str]:
    """As `read_by_handler` names them, with the names of the version of this path."""
    version = openapi.version_of(path)
    names = openapi.wire_names(description.names(version.number), version)
    return {*names, *(f"header {name}" for name in description.headers)}


def of_other_versions(number: int) -> set[str]:
    """What the sources read for another version alone."""
    by_version = [each.only_in for each in DESCRIPTIONS.values()]
    return {name for only_in in by_version for version, own in only_in.items() if version != number for name in own}


def test_it_is_valid() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_every_route_is_in_it_and_nothing_else() -> None:
    described = {f"{method.upper()} {path}" for path, method, _ in OPERATIONS}
    assert described == {what for what, (is_built, _) in (NEEDED | BESIDE).items() if is_built}


@pytest.mark.parametrize(("method", "path"), sorted(ROUTES))
def test_a_handler_reads_what_its_route_says(method: str, path: str) -> None:
    handler = handler_of(ROUTES[method, path].handler)
    version = openapi.version_of(path)
    found = read_by_handler(handler.__module__.rpartition(".")[2], handler.__name__)
    if function := BEFORE_HANDLERS.get((method, path)):
        found |= read_by_core(function)
    read = set(openapi.wire_names(found, version))
    described = told(DESCRIPTIONS[method, path], path)
    assert described - read == set(), "described, and not read"
    assert read - described - of_other_versions(version.number) == set(), "read, and not described"


@pytest.mark.parametrize(("method", "path"), sorted(CORE_ROUTES))
def test_the_core_reads_what_its_route_says(method: str, path: str) -> None:
    assert told(CORE_ROUTES[method, path], path) == read_by_core(CORE_FUNCTIONS[method, path])


def test_what_the_core_answers_is_what_it_routes() -> None:
    assert CORE_FUNCTIONS.keys() == CORE_ROUTES.keys()


def test_each_operation_has_a_name_of_its_own_and_says_what_it_does() -> None:
    ids = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z][A-Za-z0-9]+", each) for each in ids)
    assert all(operation["summary"].endswith(".") for _, _, operation in OPERATIONS)


def test_only_what_routes_take_has_a_meaning() -> None:
    taken = set().union(*(told(each, path) for (_, path), (each, _) in ALL.items()))
    assert taken == {*PARAMETERS, *(f"header {name}" for name in HEADERS)}
    assert all(each.meaning.endswith(".") for each in PARAMETERS.values())


def test_what_is_fuzzed_with_words_is_a_parameter() -> None:
    assert DICTIONARY.keys() - PARAMETERS.keys() == set()


def operation(method: str, path: str) -> dict[str, Any]:
    return DOCUMENT["paths"][path][method.lower()]  # type: ignore[no-any-return]


def test_names_are_those_of_the_version() -> None:
    places = {
        version: [each["name"] for each in operation("DELETE", path)["parameters"]]
        for version, path in ((1, "/nacos/v1/cs/configs"), (2, "/nacos/v2/cs/config"), (3, "/nacos/v3/admin/cs/config"))
    }
    assert {"tenant", "group", "src_user"} <= set(places[1])
    assert set(places[2]) == {"dataId", "group", "namespaceId", "tag", "srcUser"}
    assert set(places[3]) == {"dataId", "groupName", "namespaceId", "tag", "srcUser"}


def test_what_is_published_is_a_form_and_what_is_imported_an_archive() -> None:
    form = operation("POST", "/nacos/v3/admin/cs/config")["requestBody"]
    schema = form["content"]["application/x-www-form-urlencoded"]["schema"]
    assert (form["required"], schema["required"]) == (True, ["dataId", "groupName", "content"])
    assert "grayLabels" in schema["properties"]
    assert "grayLabels" not in str(operation("POST", "/nacos/v2/cs/config")), "version 3 alone has it"
    imported = operation("POST", "/nacos/v3/admin/cs/config/import")
    assert list(imported["requestBody"]["content"]) == ["multipart/form-data"]
    assert {"policy", "namespaceId"} <= {each["name"] for each in imported["parameters"]}
    shared = operation("POST", "/nacos/v1/cs/configs")["requestBody"]
    assert list(shared["content"]) == ["application/x-www-form-urlencoded", "application/json", "multipart/form-data"]


def test_what_only_some_versions_want_is_required_there() -> None:
    def required(path: str) -> set[str]:
        return {each["name"] for each in operation("GET", path)["parameters"] if each.get("required")}

    assert required("/nacos/v3/console/cs/config/searchDetail") == set()
    assert required("/nacos/v2/cs/config/searchDetail") == {"dataId", "group", "pageNo", "pageSize"}


def test_answers_have_the_shape_of_their_version() -> None:
    def shape(method: str, path: str) -> object:
        return operation(method, path)["responses"]["200"]["content"]

    result = {"application/json": {"schema": {"$ref": "#/components/schemas/Result"}}}
    assert shape("GET", "/nacos/v3/admin/ns/service") == result
    assert shape("GET", "/nacos/v1/ns/service") == {"*/*": {}}
    assert shape("GET", "/nacos/v3/admin/cs/config/export") == {"application/octet-stream": {}}


def test_only_open_routes_ask_for_nobody() -> None:
    without = {(method.upper(), path) for path, method, each in OPERATIONS if each.get("security") == []}
    assert without == OPEN
    assert ("GET", "/nacos/v3/api-docs") in OPEN
    assert DOCUMENT["security"] == [{"bearer": []}, {"header": []}, {"parameter": []}]


def test_a_patch_release_is_not_told() -> None:
    assert DOCUMENT["info"]["version"] == "1.2"


def test_old_paths_are_deprecated_and_may_be_gone() -> None:
    deprecated = {(method.upper(), path) for path, method, each in OPERATIONS if each.get("deprecated")}
    assert deprecated == {route for route in ALL if audience_of(*route) is not None}
    assert {(method.upper(), path) for path, method, each in OPERATIONS if "410" in each["responses"]} == deprecated
    assert ("GET", "/nacos/v1/cs/configs") in deprecated
    assert ("GET", "/nacos/v3/admin/cs/config") not in deprecated
