"""Authentication on: who has no identity gets nothing but health and login, however the request is spelt.

The weaknesses that this family of servers had are tried one by one; each test fails on the vulnerable behaviour.
"""

from __future__ import annotations

import base64
import hmac
import http.client
import json
import re
import statistics
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from nacos_core import commands
from nacos_core._core import Log
from nacos_core.commands import SetAdministrator
from nacos_core.raft import entries
from support.node_process import NodeProcess
from wire import phrases
from wire.client import GrpcConnection, HttpAnswer, ask_http, call_http

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from support.node_process import StartNode

PASSWORD = "correct horse battery staple"
LOGINS = ["/nacos/v1/auth/login", "/nacos/v1/auth/users/login", "/nacos/v3/auth/user/login"]
OPEN = [
    "/nacos/v1/console/health/liveness",
    "/nacos/v1/console/health/readiness",
    "/nacos/v3/admin/core/state/liveness",
    "/nacos/v3/admin/core/state/readiness",
    "/nacos/v3/console/health/liveness",
    "/nacos/v3/console/health/readiness",
    "/nacos/actuator/health",
    "/nacos/v1/cs/health",
    "/nacos/v3/admin/core/ops/readiness",
    "/nacos/serverlist",
]
INSTANCE = {"serviceName": "guarded", "ip": "10.4.0.1", "port": "80"}
CONFIG = {"dataId": "guarded", "group": phrases.GROUP}
V3_CONFIG_KEY = {"dataId": "guarded", "groupName": phrases.GROUP}
GUARDED: list[tuple[str, str, dict[str, str]]] = [
    ("GET", "/nacos/actuator/prometheus", {}),
    ("GET", "/nacos/prometheus/namespaceId/public/service/guarded", {}),
    ("GET", "/nacos/v3/admin/ns/client/list", {}),
    ("GET", "/nacos/v3/admin/ns/service/subscribers", {"serviceName": "guarded"}),
    ("GET", "/nacos/v3/admin/cs/listener", {"ip": "127.0.0.1"}),
    ("PUT", "/nacos/v3/admin/ns/ops/switches", {"entry": "pushEnabled", "value": "true"}),
    ("POST", "/nacos/v2/ns/instance", INSTANCE),
    ("POST", phrases.V1_INSTANCE, INSTANCE),
    ("DELETE", phrases.V1_INSTANCE, INSTANCE),
    ("PUT", phrases.V1_BEAT, INSTANCE),
    ("PUT", phrases.V1_BEAT, {"serviceName": "guarded", "beat": json.dumps(INSTANCE)}),
    ("POST", phrases.V1_INSTANCE, INSTANCE | {"ephemeral": "false"}),
    ("GET", phrases.V1_LIST, {"serviceName": "guarded"}),
    ("GET", "/nacos/v1/ns/service/list", {"pageNo": "1", "pageSize": "10"}),
    ("GET", "/nacos/v1/ns/operator/metrics", {"onlyStatus": "false"}),
    ("GET", phrases.V1_CONFIG, CONFIG),
    ("POST", phrases.V1_CONFIG, CONFIG | {"content": "stolen"}),
    ("DELETE", phrases.V1_CONFIG, CONFIG),
    ("POST", phrases.V1_LISTEN, phrases.listening(("guarded", phrases.GROUP, ""))),
    ("POST", phrases.V3_INSTANCE, INSTANCE),
    ("DELETE", phrases.V3_INSTANCE, INSTANCE),
    ("GET", f"{phrases.V3_INSTANCE}/list", {"serviceName": "guarded"}),
    ("GET", phrases.V3_CONFIG, V3_CONFIG_KEY),
]
GUARDED_GRPC: list[tuple[str, str, dict[str, Any]]] = [
    ("ConfigQueryRequest", "ConfigQueryResponse", phrases.config("guarded")),
    ("ConfigPublishRequest", "ConfigPublishResponse", phrases.config("guarded", content="stolen")),
    ("ConfigRemoveRequest", "ConfigRemoveResponse", phrases.config("guarded")),
    ("ConfigBatchListenRequest", "ConfigChangeBatchListenResponse", phrases.listen(("guarded", ""))),
    ("InstanceRequest", "InstanceResponse", phrases.register("guarded")),
    ("BatchInstanceRequest", "BatchInstanceResponse", phrases.batch("guarded", [phrases.instance()])),
    ("PersistentInstanceRequest", "InstanceResponse", phrases.register("guarded", ephemeral=False)),
    ("SubscribeServiceRequest", "SubscribeServiceResponse", phrases.subscribe("guarded")),
    ("ServiceQueryRequest", "QueryServiceResponse", phrases.query("guarded")),
    ("ServiceListRequest", "ServiceListResponse", phrases.service("", pageNo=1, pageSize=10)),
]
HISTORIC_KEYS = [
    b"SecretKey012345678901234567890123456789012345678901234567890123456789",
    b"SecretKey01234567890123456789012345345678999987654901234567890123456789",
    base64.b64decode("VGhpc0lzTXlDdXN0b21TZWNyZXRLZXkwMTIzNDU2Nzg="),
    b"VGhpc0lzTXlDdXN0b21TZWNyZXRLZXkwMTIzNDU2Nzg=",
    base64.b64decode("SecretKey01234567890123456789012345678901234567890123456789012345678"),
    b"",
    b"nacos",
]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """A node with authentication on and one secret in it."""
    folder = tmp_path_factory.mktemp("guarded")
    with NodeProcess(folder, "--auth", "on", environment={"NACOS_CORE_ADMIN_PASSWORD": PASSWORD}) as node:
        token = log_in(node)
        form = CONFIG | {"content": "secret", "accessToken": token}
        assert call_http(node.port, "POST", phrases.V1_CONFIG, form=form).text == "true"
        yield node
    assert "Traceback" not in node.errors
    assert PASSWORD not in node.errors
    assert token not in node.errors


def log_in(node: NodeProcess, password: str = PASSWORD, path: str = LOGINS[0]) -> str:
    answer = call_http(node.port, "POST", path, form={"username": "nacos", "password": password})
    assert answer.status == 200, answer
    token: str = answer.json["accessToken"]
    return token


def ask(
    node: NodeProcess, method: str, path: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None
) -> HttpAnswer:
    """GET and DELETE take their parameters from the query, the others from a form."""
    where = {"query": fields} if method in ("GET", "DELETE") else {"form": fields}
    return call_http(node.port, method, path, headers=headers, **where)


def reads_secret(node: NodeProcess, headers: Mapping[str, str], **more: str) -> bool:
    """Whether a request with these headers gets through; anything but yes and the documented no is an error."""
    answer = ask(node, "GET", phrases.V1_CONFIG, CONFIG | more, headers)
    assert answer.status in (200, 403), answer
    assert (answer.status == 200) == ("secret" in answer.text)
    return answer.status == 200


def sign(header: Mapping[str, Any], claims: Mapping[str, Any], key: bytes, digest: str = "sha256") -> str:
    def part(content: bytes) -> str:
        return base64.urlsafe_b64encode(content).rstrip(b"=").decode()

    signed = f"{part(json.dumps(header, separators=(',', ':')).encode())}."
    signed += part(json.dumps(claims, separators=(",", ":")).encode())
    return f"{signed}.{part(hmac.digest(key, signed.encode(), digest))}"


def lasting() -> dict[str, Any]:
    return {"sub": "nacos", "exp": int(time.time()) + 3600}


# --- who has an identity


@pytest.mark.parametrize("path", LOGINS)
def test_login_gives_a_token(guarded: NodeProcess, path: str) -> None:
    answer = call_http(guarded.port, "POST", path, {"username": "nacos"}, {"password": PASSWORD})
    told = answer.json
    assert set(told) == {"accessToken", "tokenTtl", "globalAdmin", "username"}
    assert (type(told["tokenTtl"]), told["globalAdmin"], told["username"]) == (int, True, "nacos")
    assert answer.headers["authorization"] == f"Bearer {told['accessToken']}"
    assert reads_secret(guarded, {"accessToken": told["accessToken"]})


def test_an_identity_may_stand_in_any_of_its_places(guarded: NodeProcess) -> None:
    token = log_in(guarded)
    for headers in ({"accessToken": token}, {"ACCESSTOKEN": token}, {"Authorization": f"Bearer {token}"}):
        assert reads_secret(guarded, headers)
    assert reads_secret(guarded, {}, accessToken=token)
    assert reads_secret(guarded, {}, username="nacos", password=PASSWORD), "as the Node library does"
    with GrpcConnection(guarded.grpc_port) as connection:
        connection.set_up()
        for headers in ({"accessToken": token}, {"AccessToken": token}, {"Authorization": f"Bearer {token}"}):
            answer = connection.call("ConfigQueryRequest", phrases.config("guarded"), headers)
            assert answer.body["content"] == "secret"


def test_everything_works_for_who_has_logged_in(guarded: NodeProcess) -> None:
    token = {"accessToken": log_in(guarded)}
    name = {"serviceName": "allowed"}
    assert ask(guarded, "POST", phrases.V1_INSTANCE, INSTANCE | name, token).text == "ok"
    assert len(ask(guarded, "GET", phrases.V1_LIST, name, token).json["hosts"]) == 1
    assert ask(guarded, "PUT", phrases.V1_BEAT, INSTANCE | name, token).json["code"] == 10200
    with GrpcConnection(guarded.grpc_port) as connection:
        connection.set_up()
        for kind, _, body in GUARDED_GRPC:
            if kind not in ("ConfigRemoveRequest", "ConfigPublishRequest", "PersistentInstanceRequest"):
                assert connection.call(kind, body, token).body["success"] is True, kind


def test_history_names_who_has_logged_in_whatever_a_request_says(guarded: NodeProcess) -> None:
    token = {"accessToken": log_in(guarded)}
    key = {"dataId": "signed", "groupName": phrases.GROUP}
    admin, history = "/nacos/v3/admin/cs/config", "/nacos/v3/admin/cs/history"
    v1 = {"dataId": "signed", "group": phrases.GROUP, "src_user": "mallory"}
    v2 = {"dataId": "signed", "group": phrases.GROUP, "srcUser": "mallory"}
    mallory = {"srcUser": "mallory"}

    def events() -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = ask(guarded, "GET", f"{history}/list", key, token).json["data"]["pageItems"]
        return listed

    def change(method: str, path: str, fields: Mapping[str, str], headers: Mapping[str, str] = token) -> None:
        assert ask(guarded, method, path, fields, headers).status == 200, (method, path)

    change("POST", phrases.V1_CONFIG, v1 | {"content": "1"})
    change("POST", "/nacos/v2/cs/config", v2 | {"content": "2"})
    change("POST", admin, key | mallory | {"content": "3"}, {"Authorization": f"Bearer {token['accessToken']}"})
    change("POST", admin, key | mallory | {"content": "4", "username": "nacos", "password": PASSWORD}, {})
    change("POST", admin, key | mallory | {"content": "5", "grayPercent": "0"})
    change("POST", f"{admin}/gray/promote", key | mallory | {"grayName": "percent"})
    change("POST", f"{history}/rollback", key | mallory | {"nid": events()[-1]["id"]})
    with GrpcConnection(guarded.grpc_port) as connection:
        connection.set_up()
        published = phrases.config("signed", content="6", additionMap={"src_user": "mallory"})
        assert connection.call("ConfigPublishRequest", published, token).body["success"] is True
        assert connection.call("ConfigRemoveRequest", phrases.config("signed"), token).body["success"] is True
    change("POST", admin, key | {"content": "7"})
    change("DELETE", phrases.V1_CONFIG, v1)
    assert len(events()) >= 10
    assert {event["srcUser"] for event in events()} == {"nacos"}


def test_the_token_is_good_after_a_restart_and_nowhere_else(start_node: StartNode) -> None:
    environment = {"NACOS_CORE_ADMIN_PASSWORD": PASSWORD}
    node = start_node("--auth", "on", environment=environment)
    other = start_node("--auth", "on", name="other", environment=environment)
    token = log_in(node)
    query = {"serviceName": "a", "accessToken": token}
    assert call_http(other.port, "GET", phrases.V1_LIST, query).status == 403
    node.end()
    node.start()
    assert call_http(node.port, "GET", phrases.V1_LIST, query).status == 200


# --- who has none


@pytest.mark.parametrize(("method", "path", "fields"), GUARDED, ids=lambda value: str(value)[:40])
def test_a_route_refuses_without_identity(
    guarded: NodeProcess, method: str, path: str, fields: Mapping[str, str]
) -> None:
    plain = ask(guarded, method, path, fields)
    assert plain.status == 403
    assert "secret" not in plain.text
    tricks: list[dict[str, str]] = [
        {"User-Agent": "Nacos-Server"},
        {"User-Agent": "Nacos-Server:v1.4.0"},
        {"serverIdentity": "security"},
        {"User-Agent": "Nacos-Server", "serverIdentity": "security", "X-Forwarded-For": "127.0.0.1"},
        {"accessToken": ""},
        {"accessToken": "AUTH_DISABLED"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic bmFjb3M6bmFjb3M="},
        {"username": "nacos", "password": ""},
    ]
    for headers in tricks:
        answer = ask(guarded, method, path, fields, headers)
        assert answer.status == 403, headers
    assert reads_secret(guarded, {"accessToken": log_in(guarded)}), "and it changed nothing"


def test_the_refusal_is_the_error_page_that_clients_know(guarded: NodeProcess) -> None:
    answer = ask(guarded, "GET", phrases.V1_CONFIG, CONFIG)
    assert set(answer.json) == {"timestamp", "status", "error", "message", "path"}
    assert (answer.json["status"], answer.json["error"]) == (403, "Forbidden")
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(("kind", "answers", "body"), GUARDED_GRPC, ids=lambda value: str(value)[:30])
def test_a_request_over_grpc_refuses_in_its_own_type(
    guarded: NodeProcess, kind: str, answers: str, body: dict[str, Any]
) -> None:
    with GrpcConnection(guarded.grpc_port) as connection:
        connection.set_up()
        for headers in ({}, {"accessToken": "forged"}, {"username": "nacos"}, {"Authorization": "Bearer x"}):
            answer = connection.call(kind, body, headers)
            assert (answer.kind, answer.body["resultCode"], answer.body["errorCode"]) == (answers, 500, 403)
            assert (answer.body["success"], "secret" in str(answer.body)) == (False, False)


def test_health_and_login_ask_for_nobody(guarded: NodeProcess) -> None:
    for path in OPEN:
        assert call_http(guarded.port, "GET", path).status == 200
    with GrpcConnection(guarded.grpc_port) as connection:
        connection.set_up()
        assert connection.call("ServerCheckRequest", {}).body["success"] is True
        assert connection.call("HealthCheckRequest", {}).body["success"] is True


SPELLINGS = [
    "/nacos/v1/cs/configs/",
    "/nacos/v1/cs//configs",
    "//nacos/v1/cs/configs",
    "/nacos/v1/cs/./configs",
    "/nacos/v1/cs/x/../configs",
    "/nacos/v1/console/health/readiness/../../../cs/configs",
    "/nacos/v1/console/health/readiness/..;/..;/..;/cs/configs",
    "/nacos/v1/auth/login/../../cs/configs",
    "/nacos/v1/cs/%63onfigs",
    "/nacos/v1/cs%2fconfigs",
    "/nacos/v1/cs/%2e/configs",
    "/nacos/v1/cs/configs;x=1",
    "/nacos/v1;/cs/configs",
    "/nacos/v1/cs/configs%20",
    "/nacos/v1/cs/configs%00",
    "/nacos/v1/cs/configs.json",
    "/nacos/V1/CS/CONFIGS",
    "/v1/cs/configs",
    "http://a/nacos/v1/cs/configs",
    "/nacos/v1/cs/configs?x=/nacos/v1/auth/login",
    "/nacos/v1/cs/configs#/nacos/v1/auth/login",
]


@pytest.mark.parametrize("path", SPELLINGS)
@pytest.mark.parametrize("headers", [{}, {"User-Agent": "Nacos-Server"}], ids=["plain", "as a server"])
def test_no_spelling_of_a_path_gets_around(guarded: NodeProcess, path: str, headers: Mapping[str, str]) -> None:
    query = "&".join(f"{name}={value}" for name, value in CONFIG.items())
    joint = "&" if "?" in path else "?"
    for method in ("GET", "HEAD", "POST", "DELETE"):
        answer = call_http(guarded.port, method, f"{path}{joint}{query}&content=stolen", headers=headers)
        assert answer.status in (400, 403, 404, 405), (method, answer)
        assert "secret" not in answer.text
    assert reads_secret(guarded, {"accessToken": log_in(guarded)})


@pytest.mark.parametrize("key", HISTORIC_KEYS, ids=lambda key: repr(key[:12]))
def test_a_token_signed_with_a_published_key_is_refused(guarded: NodeProcess, key: bytes) -> None:
    for header, digest in [({"alg": "HS256"}, "sha256"), ({"alg": "HS512"}, "sha512"), ({"alg": "HS384"}, "sha384")]:
        for claims in (lasting(), lasting() | {"globalAdmin": True}):
            token = sign(header, claims, key, digest)
            assert not reads_secret(guarded, {"accessToken": token})
            assert not reads_secret(guarded, {"Authorization": f"Bearer {token}"})


def test_a_token_with_another_header_claim_or_signature_is_refused(guarded: NodeProcess) -> None:
    good = log_in(guarded)
    head, claims, signature = good.split(".")
    none = sign({"alg": "none"}, lasting(), b"").split(".")
    later = sign({"alg": "HS256"}, lasting() | {"exp": 99999999999}, b"").split(".")[1]
    forged = [
        f"{none[0]}.{none[1]}.",
        f"{none[0]}.{claims}.{signature}",
        f"{none[0]}.{claims}.",
        f"{head}.{later}.{signature}",
        f"{head}.{claims}.",
        f"{head}.{claims}",
        f"{head}.{claims}.{signature[:-1]}",
        f"{head}.{claims}.{'A' * len(signature)}",
        f"{head}.{claims}.{signature}.{signature}",
        f".{claims}.{signature}",
        "..",
        ".",
        "a" * 60_000,
        "\u00e4\u00f6",
        "%00",
    ]
    for token in forged:
        assert not reads_secret(guarded, {}, accessToken=token), token
    assert reads_secret(guarded, {}, accessToken=good)


def token_key(node: NodeProcess) -> bytes:
    log = Log.open(node.data / "log")
    try:
        payloads = [payload for _, _, payload in log.slice(2, log.last_index, 1 << 20) if payload]
    finally:
        log.close()
    found = [commands.decode(entries.decode(payload).command) for payload in payloads]
    (key,) = [command.token_key for command in found if isinstance(command, SetAdministrator)]
    return key


def test_not_even_the_own_key_signs_what_is_expired_or_of_another_kind(start_node: StartNode) -> None:
    """Whoever has the data folder has everything; it serves here to make tokens that only time would make."""
    node = start_node("--auth", "on", environment={"NACOS_CORE_ADMIN_PASSWORD": PASSWORD})
    head, claims, signature = log_in(node).split(".")
    node.kill()
    key = token_key(node)
    assert hmac.digest(key, f"{head}.{claims}".encode(), "sha256") == base64.urlsafe_b64decode(signature + "=")
    node.start()

    def passes(token: str) -> bool:
        return call_http(node.port, "GET", phrases.V1_LIST, {"serviceName": "a", "accessToken": token}).status == 200

    assert passes(sign({"alg": "HS256"}, lasting(), key))
    assert not passes(sign({"alg": "HS256"}, lasting() | {"exp": int(time.time()) - 1}, key))
    assert not passes(sign({"alg": "HS512"}, lasting(), key, "sha512"))
    assert not passes(sign({"alg": "none"}, lasting(), key))
    assert not passes(sign({"alg": "HS256"}, {"sub": "nacos"}, key))
    assert not passes(sign({"alg": "HS256"}, {"exp": int(time.time()) + 3600}, key))
    assert not passes(sign({"alg": "HS256"}, lasting() | {"sub": "somebody"}, key))
    assert not passes(sign({"alg": "HS256"}, lasting() | {"exp": "9999999999"}, key))


# --- passwords


@pytest.mark.parametrize("path", LOGINS)
def test_a_wrong_login_says_nothing_about_which_part_was_wrong(start_node: StartNode, path: str) -> None:
    node = start_node("--auth", "on", environment={"NACOS_CORE_ADMIN_PASSWORD": PASSWORD})
    tried = [("nacos", "wrong"), ("nobody", "wrong"), ("nobody", PASSWORD), ("nacos", "nacos")]
    answers, took_s = [], []
    for user, password in tried:
        began = time.monotonic()
        answers.append(call_http(node.port, "POST", path, form={"username": user, "password": password}))
        took_s.append(time.monotonic() - began)
    assert {answer.status for answer in answers} == {403}
    assert len({answer.content for answer in answers}) == 1
    assert "User not found! Please check user exist or password is right!" in answers[0].text
    assert max(took_s) < 20 * min(took_s), f"an unknown user takes as long as a wrong password: {took_s}"
    for form in ({}, {"username": "nacos"}, {"password": PASSWORD}, {"username": "nacos", "password": "x" * 10_000}):
        assert call_http(node.port, "POST", path, form=form).status == 403


def test_no_password_is_known_beforehand(start_node: StartNode) -> None:
    node = start_node("--auth", "on")
    (told,) = [line for line in node.lines if "password of" in line]
    password = told.rsplit(" ", 1)[1]
    assert re.fullmatch(r"\S{16,}", password)
    assert log_in(node, password)
    for known in ("nacos", "admin", "", "password"):
        form = {"username": "nacos", "password": known}
        assert call_http(node.port, "POST", LOGINS[0], form=form).status == 403
    node.end()
    node.start()
    assert not any("password of" in line for line in node.lines), "it is told once"
    assert log_in(node, password)
    kept = [path for path in node.data.rglob("*") if path.is_file()]
    assert not any(password.encode() in path.read_bytes() for path in kept)
    private = [node.data, *(path for path in kept if path.suffix == ".key")]
    assert len(private) > 1
    assert not any(path.stat().st_mode & 0o077 for path in private)


def test_with_authentication_off_login_welcomes_everybody(start_node: StartNode) -> None:
    node = start_node()
    for path in LOGINS:
        told = call_http(node.port, "POST", path, form={"username": "any", "password": "any"}).json
        assert (told["accessToken"], type(told["tokenTtl"])) == ("AUTH_DISABLED", int)
    query = {"serviceName": "a", "accessToken": "AUTH_DISABLED"}
    assert call_http(node.port, "GET", phrases.V1_LIST, query).status == 200


def test_guessing_is_slowed_down_whatever_address_it_claims_to_come_from(start_node: StartNode) -> None:
    node = start_node("--auth", "on", environment={"NACOS_CORE_ADMIN_PASSWORD": PASSWORD})
    statuses = []
    for attempt in range(40):
        headers = {"X-Forwarded-For": f"10.0.0.{attempt}", "X-Real-IP": f"10.0.0.{attempt}"}
        form = {"username": "nacos", "password": f"guess-{attempt}"}
        answer = call_http(node.port, "POST", LOGINS[0], form=form, headers=headers)
        statuses.append(answer.status)
        if answer.status == 429:
            assert int(answer.headers["retry-after"]) >= 1
            break
    assert set(statuses) <= {403, 429}
    assert 429 in statuses, "forty wrong passwords in a row"


def test_a_flood_of_logins_does_not_slow_registration(start_node: StartNode) -> None:
    node = start_node("--auth", "on", environment={"NACOS_CORE_ADMIN_PASSWORD": PASSWORD})
    token = log_in(node)
    quiet_s = registration_times(node, token)
    stop = threading.Event()

    def flood(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=10)
        headers = {"X-Forwarded-For": f"10.1.0.{number}"}
        for attempt in range(10_000):
            if stop.is_set():
                break
            form = {"username": "nacos", "password": f"{number}-{attempt}"}
            assert ask_http(connection, "POST", LOGINS[0], form=form, headers=headers).status in (403, 429)
        connection.close()

    threads = [threading.Thread(target=flood, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(0.3)
        flooded_s = registration_times(node, token)
    finally:
        stop.set()
        for thread in threads:
            thread.join(10)
    assert statistics.median(flooded_s) < max(0.05, 20 * statistics.median(quiet_s))
    assert max(flooded_s) < 0.5
    assert node.memory_bytes() < 200 * 1024 * 1024


def registration_times(node: NodeProcess, token: str) -> list[float]:
    connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=10)
    took_s = []
    for port in range(1, 101):
        form = INSTANCE | {"port": str(port), "accessToken": token}
        began = time.monotonic()
        assert ask_http(connection, "POST", phrases.V1_INSTANCE, form=form).text == "ok"
        took_s.append(time.monotonic() - began)
    connection.close()
    return took_s
