"""Authentication on: every route there is, in whatever spelling, and every request of gRPC refuses who has no identity.

`test_authentication.py` tries the known ways around at a few routes; here no route can be forgotten.
"""

from __future__ import annotations

import http.client
import re
from typing import TYPE_CHECKING

import pytest

from nacos_core.server.grpc_answers import RESPONSE_TYPES
from nacos_core.server.http_api import ALL_ROUTES, ROUTES
from nacos_core.server.parameters import PARAMETERS
from support.node_process import NodeProcess
from wire.client import GrpcConnection, ask_http, call_http

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "correct horse battery staple"
LOGINS = {
    ("POST", path) for path in ("/nacos/v1/auth/login", "/nacos/v1/auth/users/login", "/nacos/v3/auth/user/login")
}
OPEN = LOGINS | {
    ("GET", f"/nacos/{path}")
    for path in (
        "actuator/health",
        "serverlist",
        "v1/console/health/liveness",
        "v1/console/health/readiness",
        "v1/cs/health",
        "v2/console/health/liveness",
        "v2/console/health/readiness",
        "v3/admin/core/ops/liveness",
        "v3/admin/core/ops/readiness",
        "v3/admin/core/state/liveness",
        "v3/admin/core/state/readiness",
        "v3/api-docs",
        "v3/console/health/liveness",
        "v3/console/health/readiness",
    )
}
"""Health, login, the document of the sources, and the addresses that clients ask for before they log in."""
GUARDED = sorted({(method, re.sub(r"\{\w+\}", "x", path)) for method, path in ALL_ROUTES} - OPEN)
OTHER_TYPES = [
    "ServerLoaderInfoRequest",
    "ServerReloadRequest",
    "DistroDataRequest",
    "MemberReportRequest",
    "Unknown",
    "",
]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    folder = tmp_path_factory.mktemp("every")
    with NodeProcess(folder, "--auth", "on", environment={"NACOS_CORE_ADMIN_PASSWORD": PASSWORD}) as node:
        yield node
    assert "Traceback" not in node.errors


def spellings(path: str) -> list[str]:
    """As filters that compare texts were got around, and as other versions and clients have it."""
    behind = path.removeprefix("/nacos")
    ends = [
        "",
        "/",
        "//",
        ";jsessionid=1",
        ".json",
        "%00",
        "%20",
        "?",
        "?accessToken=",
        "?x=/nacos/v1/auth/login",
        "#/x",
    ]
    begins = [
        "/",
        "/nacos",
        "/nacos/v1/console/health/liveness/../../../..",
        "/x/%2e%2e",
        "http://host",
        "/nacos;a=b/..",
    ]
    others = [behind, path.upper(), path.title(), path.replace("/", "/./"), path.replace("/", "%2f", 3)]
    others += [path.replace("v3", "v1"), path.replace("v1", "v3"), path.replace("v1", "v2")]
    others += [path.replace("/admin", "/console"), path.replace("/console", "/admin"), path.replace("/admin", "")]
    return [*(path + end for end in ends), *(begin + path for begin in begins), *others]


def test_nothing_is_open_but_what_must_be() -> None:
    assert {route for route, each in ROUTES.items() if each.is_open} == OPEN
    assert len(GUARDED) > 200


def test_every_route_refuses_without_identity_however_it_is_spelt(guarded: NodeProcess) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", guarded.port, timeout=10)
    answered = []
    for method, path in GUARDED:
        for spelling in spellings(path):
            for each in (method, "HEAD", "OPTIONS"):
                if (each, spelling.partition("?")[0]) in OPEN:
                    continue
                answer = ask_http(connection, each, spelling)
                if answer.status not in (400, 403):
                    answered.append((each, spelling, answer.status))
    connection.close()
    assert answered == []


@pytest.fixture(scope="module")
def token(guarded: NodeProcess) -> str:
    form = {"username": "nacos", "password": PASSWORD}
    given: str = call_http(guarded.port, "POST", min(LOGINS)[1], form=form).json["accessToken"]
    return given


def test_every_route_is_there_for_who_has_logged_in(guarded: NodeProcess, token: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", guarded.port, timeout=10)
    for method, path in GUARDED:
        answer = ask_http(connection, method, path, headers={"accessToken": token})
        assert answer.status not in (401, 403, 405), (method, path, answer)
    connection.close()


def test_no_answer_can_be_taken_for_a_page(guarded: NodeProcess, token: str) -> None:
    page = "<script>alert(1)</script>"
    everything = dict.fromkeys([*PARAMETERS, "Listening-Configs"], page)
    named = everything | {"pageNo": "1", "pageSize": "1", "dataId": "a", "group": "b", "groupName": "b", "type": "html"}
    connection = http.client.HTTPConnection("127.0.0.1", guarded.port, timeout=10)
    for method, path in GUARDED:
        for query in (everything, named):
            answer = ask_http(connection, method, path, query, headers={"accessToken": token})
            assert answer.headers["x-content-type-options"] == "nosniff", (method, path)
            assert "html" not in answer.headers.get("content-type", ""), (method, path)
    connection.close()


@pytest.mark.parametrize(
    "headers",
    [{}, {"User-Agent": "Nacos-Server"}, {"serverIdentity": "security"}, {"source": "cluster"}, {"accessToken": "x"}],
    ids=str,
)
def test_every_request_of_grpc_refuses_without_identity(guarded: NodeProcess, headers: dict[str, str]) -> None:
    with GrpcConnection(guarded.grpc_port) as connection:
        connection.set_up()
        for kind in [*RESPONSE_TYPES, *OTHER_TYPES]:
            answer = connection.call(kind, {}, headers)
            assert answer.kind == RESPONSE_TYPES.get(kind, "ErrorResponse")
            assert (answer.body["resultCode"], answer.body["errorCode"]) == (500, 403), kind
