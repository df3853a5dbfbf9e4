"""Old APIs can be switched off, each kind alone; then every path of it answers 410, whoever would have answered."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from nacos_core.server.compatibility import Audience, audience_of
from nacos_core.server.http_api import ALL_ROUTES
from support.node_process import NodeProcess
from wire import phrases
from wire.client import call_http

if TYPE_CHECKING:
    from collections.abc import Iterator

Without = tuple[Audience, NodeProcess]
"""What is off, and the node where it is."""

OLD = sorted(route for route in ALL_ROUTES if route[1].startswith(("/nacos/v1/", "/nacos/v2/")))
PROBES = {
    ("GET", f"/nacos/v{version}/console/health/{name}") for version in (1, 2) for name in ("liveness", "readiness")
} | {("GET", "/nacos/v1/cs/health")}
CONFIGS = "/nacos/v1/cs/configs"
FOR_CONSOLES = [
    ("GET", {"search": "accurate"}),
    ("GET", {"show": "all"}),
    ("GET", {"export": "true"}),
    ("GET", {"exportV2": "true"}),
    ("GET", {"beta": "true"}),
    ("POST", {"clone": "true"}),
    ("POST", {"import": "true"}),
    ("DELETE", {"delType": "ids"}),
    ("DELETE", {"beta": "true"}),
]
"""What consoles ask under the path of clients."""


@pytest.fixture(scope="module", params=Audience)
def without(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Without]:
    audience: Audience = request.param
    with NodeProcess(tmp_path_factory.mktemp(audience.value), f"--api-compatibility-{audience.value}", "off") as node:
        yield audience, node
    assert "Traceback" not in node.errors


def is_gone(node: NodeProcess, method: str, path: str, query: dict[str, str] | None = None) -> bool:
    return call_http(node.port, method, path, query).status == 410


def test_there_are_old_routes_of_the_core_and_of_handlers() -> None:
    assert len(OLD) > 80
    assert {audience_of(*route) for route in OLD} == {None, *Audience}


def test_every_old_route_is_gone_with_its_switch_and_only_then(without: Without) -> None:
    off, node = without
    assert [route for route in OLD if is_gone(node, *route)] == [route for route in OLD if audience_of(*route) is off]


def test_nothing_is_gone_that_nobody_has_switched_off(node: NodeProcess) -> None:
    assert [route for route in ALL_ROUTES if is_gone(node, *route)] == []


def test_what_is_new_stays_whatever_is_off(without: Without) -> None:
    _, node = without
    assert [route for route in ALL_ROUTES if route not in OLD and is_gone(node, *route)] == []


def test_probes_have_no_switch() -> None:
    assert {route for route in OLD if audience_of(*route) is None} == PROBES


@pytest.mark.parametrize(
    ("audience", "method", "path"),
    [
        (Audience.CLIENT, "POST", phrases.V1_INSTANCE),
        (Audience.CLIENT, "PUT", "/nacos/v1/ns/instance/beat"),
        (Audience.CLIENT, "GET", "/nacos/v1/ns/operator/metrics"),
        (Audience.CLIENT, "GET", CONFIGS),
        (Audience.CLIENT, "POST", "/nacos/v1/cs/configs/listener"),
        (Audience.CLIENT, "POST", "/nacos/v1/auth/users/login"),
        (Audience.ADMIN, "PUT", phrases.V1_INSTANCE),
        (Audience.ADMIN, "GET", phrases.V1_INSTANCE),
        (Audience.ADMIN, "POST", "/nacos/v1/ns/service"),
        (Audience.ADMIN, "POST", "/nacos/v2/ns/instance"),
        (Audience.ADMIN, "GET", "/nacos/v2/cs/config"),
        (Audience.CONSOLE, "GET", "/nacos/v1/cs/history"),
        (Audience.CONSOLE, "GET", "/nacos/v1/console/namespaces"),
        (Audience.CONSOLE, "GET", "/nacos/v2/console/namespace/list"),
    ],
)
def test_for_whom_a_path_is(audience: Audience, method: str, path: str) -> None:
    assert audience_of(method, path) is audience


def test_an_old_path_that_nobody_has_tagged_is_found() -> None:
    with pytest.raises(LookupError, match="GET /nacos/v1/ns/instance/newest"):
        audience_of("GET", "/nacos/v1/ns/instance/newest")


@pytest.mark.parametrize(("method", "query"), FOR_CONSOLES)
def test_what_consoles_ask_under_the_path_of_clients_is_theirs(
    without: Without, method: str, query: dict[str, str]
) -> None:
    off, node = without
    assert is_gone(node, method, CONFIGS, query) is (off is Audience.CONSOLE)


def test_what_is_gone_says_so_in_the_shape_of_the_protocol(without: Without) -> None:
    off, node = without
    method, path = next(route for route in OLD if audience_of(*route) is off)
    answer = call_http(node.port, method, path)
    assert {key: answer.json[key] for key in ("status", "error", "path")} == {
        "status": 410,
        "error": "Gone",
        "path": path,
    }
    told = json.loads(answer.json["message"])
    assert (told["code"], told["data"]) == (40000, None)
    assert told["message"].startswith("Current API will be deprecated, ")
    assert f"--api-compatibility-{off.value} off" in told["message"]


def test_what_is_gone_changes_nothing(without: Without) -> None:
    off, node = without
    name = phrases.unique("gone")
    form = {"serviceName": name, "ip": "10.0.0.1", "port": 80}
    registered = call_http(node.port, "POST", phrases.V1_INSTANCE, form=form)
    assert (registered.status == 200) is (off is not Audience.CLIENT)
    listed = call_http(node.port, "GET", "/nacos/v3/client/ns/instance/list", {"serviceName": name}).json["data"]
    assert len(listed) == (0 if off is Audience.CLIENT else 1)


def test_who_is_not_known_is_told_that_it_is_gone_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    arguments = ("--auth", "on", "--api-compatibility-client", "off")
    with NodeProcess(tmp_path_factory.mktemp("guarded"), *arguments) as node:
        assert is_gone(node, "GET", "/nacos/v1/ns/instance/list", {"serviceName": "s"})
        assert call_http(node.port, "GET", "/nacos/v3/client/ns/instance/list", {"serviceName": "s"}).status == 403
