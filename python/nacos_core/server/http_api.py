"""The HTTP requests that the core hands up: one table of routes, decided by path and method, nothing else.

A path is there as it is sent, but for parts in braces, which stand for a parameter.

What the core answers itself comes here only when the sender is not known yet, when the node is not ready, or when
what was asked for is not there.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import unquote

from nacos_core.server import (
    auth_http,
    cluster_http,
    config_http,
    config_list_http,
    figures,
    history_http,
    namespace_http,
    openapi,
    pages,
    state_http,
    targets_http,
)
from nacos_core.server.config_routes import CONFIG_ROUTES
from nacos_core.server.context import Context
from nacos_core.server.core_routes import CORE_ROUTES
from nacos_core.server.description import description_of, takes
from nacos_core.server.naming_routes import NAMING_ROUTES
from nacos_core.server.node_routes import NODE_ROUTES
from nacos_core.server.versions import V1, V2, V3

if TYPE_CHECKING:
    from nacos_core._core import HttpRequest

_logger = logging.getLogger(__name__)

Handler: TypeAlias = Callable[[Context, "HttpRequest"], None]


@dataclass(frozen=True, slots=True)
class Route:
    """Who answers, and whether anybody may ask."""

    handler: Handler
    is_open: bool = False


def _history_v3(path: str) -> dict[tuple[str, str], Route]:
    return {
        ("GET", path): Route(partial(history_http.event, V3)),
        ("GET", f"{path}/list"): Route(partial(history_http.list_events, V3)),
        ("GET", f"{path}/previous"): Route(partial(history_http.previous, V3)),
        ("GET", f"{path}/configs"): Route(partial(history_http.configs, V3)),
    }


def _namespaces(path: str, create: Handler) -> dict[tuple[str, str], Route]:
    return {
        ("GET", f"{path}/list"): Route(namespace_http.list_all),
        ("GET", path): Route(namespace_http.detail),
        ("POST", path): Route(create),
        ("PUT", path): Route(namespace_http.update),
        ("DELETE", path): Route(namespace_http.remove),
    }


@takes(answer="bare")
def api_document(context: Context, request: "HttpRequest") -> None:
    """This document.

    Anybody may read it: it is made of the sources alone, so that it tells nothing of this node, what it holds or how it
    is set up, and generators of clients have no token.
    """
    context.hub.reply_http(request.connection, request.call, 200, pages.JSON, _document(context.version))


@cache
def _document(version: str) -> bytes:
    descriptions = {path: (description_of(route.handler), route.is_open) for path, route in ROUTES.items()}
    core = {path: (description, False) for path, description in CORE_ROUTES.items()}
    return pages.to_json(openapi.document(descriptions | core, version))


ROUTES: Final[dict[tuple[str, str], Route]] = {
    ("GET", "/nacos/v3/api-docs"): Route(api_document, is_open=True),
    ("GET", "/nacos/v1/cs/configs"): Route(config_http.query_v1),
    ("POST", "/nacos/v1/cs/configs"): Route(config_http.publish_v1),
    ("DELETE", "/nacos/v1/cs/configs"): Route(config_http.remove_v1),
    ("GET", "/nacos/v1/cs/configs/catalog"): Route(config_list_http.attributes_v1),
    ("GET", "/nacos/v3/client/cs/config"): Route(config_http.query_v3),
    ("GET", "/nacos/v1/cs/history"): Route(history_http.list_or_event_v1),
    ("GET", "/nacos/v1/cs/history/previous"): Route(partial(history_http.previous, V1)),
    ("GET", "/nacos/v1/cs/history/configs"): Route(partial(history_http.configs, V1)),
    ("GET", "/nacos/v2/cs/history"): Route(partial(history_http.event, V2)),
    ("GET", "/nacos/v2/cs/history/list"): Route(partial(history_http.list_events, V2)),
    ("GET", "/nacos/v2/cs/history/detail"): Route(history_http.change_v2),
    ("GET", "/nacos/v2/cs/history/previous"): Route(partial(history_http.previous, V2)),
    ("GET", "/nacos/v2/cs/history/configs"): Route(partial(history_http.configs, V2)),
    ("GET", "/nacos/v1/console/namespaces"): Route(namespace_http.query_v1),
    ("POST", "/nacos/v1/console/namespaces"): Route(namespace_http.create_v1),
    ("PUT", "/nacos/v1/console/namespaces"): Route(namespace_http.update_v1),
    ("DELETE", "/nacos/v1/console/namespaces"): Route(namespace_http.remove_v1),
    ("POST", "/nacos/v1/auth/login"): Route(auth_http.login_v1, is_open=True),
    ("POST", "/nacos/v1/auth/users/login"): Route(auth_http.login_v1, is_open=True),
    ("POST", "/nacos/v3/auth/user/login"): Route(auth_http.login_v3, is_open=True),
    ("GET", "/nacos/v1/ns/operator/metrics"): Route(state_http.metrics),
    ("GET", "/nacos/v1/console/health/liveness"): Route(state_http.liveness_text, is_open=True),
    ("GET", "/nacos/v1/console/health/readiness"): Route(state_http.readiness_text, is_open=True),
    ("GET", "/nacos/v2/console/health/liveness"): Route(state_http.liveness_result, is_open=True),
    ("GET", "/nacos/v2/console/health/readiness"): Route(state_http.readiness_result, is_open=True),
    ("GET", "/nacos/v3/admin/core/state/liveness"): Route(state_http.liveness_result, is_open=True),
    ("GET", "/nacos/v3/admin/core/state/readiness"): Route(state_http.readiness_result, is_open=True),
    # The maintainer client of 3.2 asks there.
    ("GET", "/nacos/v3/admin/core/ops/liveness"): Route(state_http.liveness_result, is_open=True),
    ("GET", "/nacos/v3/admin/core/ops/readiness"): Route(state_http.readiness_result, is_open=True),
    ("GET", "/nacos/v1/cs/health"): Route(state_http.config_health, is_open=True),
    ("GET", "/nacos/v3/admin/core/state"): Route(state_http.state_result),
    ("GET", "/nacos/serverlist"): Route(cluster_http.server_list, is_open=True),
    ("GET", "/nacos/v1/console/server/state"): Route(state_http.state_map),
    ("GET", "/nacos/v3/console/server/state"): Route(state_http.state_map),
    ("GET", "/nacos/v3/console/server/announcement"): Route(state_http.announcement),
    ("GET", "/nacos/v3/console/server/guide"): Route(state_http.guide),
    ("GET", "/nacos/v3/console/health/liveness"): Route(state_http.liveness_result, is_open=True),
    ("GET", "/nacos/v3/console/health/readiness"): Route(state_http.readiness_result, is_open=True),
    ("GET", "/nacos/actuator/health"): Route(state_http.actuator_health, is_open=True),
    ("GET", "/nacos/actuator/prometheus"): Route(figures.prometheus),
    ("GET", "/nacos/prometheus"): Route(targets_http.all_targets),
    ("GET", "/nacos/prometheus/namespaceId/{namespaceId}"): Route(targets_http.targets_of_namespace),
    ("GET", "/nacos/prometheus/namespaceId/{namespaceId}/service/{serviceName}"): Route(
        targets_http.targets_of_service
    ),
    **_history_v3("/nacos/v3/admin/cs/history"),
    **_history_v3("/nacos/v3/console/cs/history"),
    **_namespaces("/nacos/v2/console/namespace", namespace_http.create),
    **_namespaces("/nacos/v3/admin/core/namespace", namespace_http.create),
    ("GET", "/nacos/v3/admin/core/namespace/check"): Route(namespace_http.count),
    **_namespaces("/nacos/v3/console/core/namespace", namespace_http.create_for_console),
    ("GET", "/nacos/v3/console/core/namespace/exist"): Route(namespace_http.exists),
    **{path: Route(handler) for path, handler in CONFIG_ROUTES.items()},
    **{path: Route(handler) for path, handler in NAMING_ROUTES.items()},
    **{path: Route(handler) for path, handler in NODE_ROUTES.items()},
}


ALL_ROUTES: Final = (*CORE_ROUTES, *ROUTES)
"""Method and path of everything that is answered, here or by the core."""

ASKED_BY_CONSOLES: Final = {
    ("GET", "/nacos/v1/cs/configs"): config_http.other_question,
    ("POST", "/nacos/v1/cs/configs"): config_http.other_command,
    ("DELETE", "/nacos/v1/cs/configs"): config_http.other_removal,
}
"""Of requests under paths of clients, which ones only consoles make: gives None for those of clients."""


def _methods_of_paths() -> dict[str, tuple[str, ...]]:
    methods: dict[str, tuple[str, ...]] = {}
    for method, path in ALL_ROUTES:
        methods[path] = (*methods.get(path, ()), method)
    return methods


_METHODS: Final = _methods_of_paths()
_TEMPLATES: Final = [(path, path.split("/")) for path in _METHODS if "{" in path]


def _find(path: str) -> tuple[str, dict[str, str]]:
    """The path as the table has it, and the parameters that stand in it."""
    parts = path.split("/")
    for template, names in _TEMPLATES:
        pairs = list(zip(names, parts, strict=False))
        if len(names) == len(parts) and all(part if name.startswith("{") else part == name for name, part in pairs):
            return template, {name[1:-1]: unquote(part) for name, part in pairs if name.startswith("{")}
    return path, {}


def handle(context: Context, request: "HttpRequest") -> None:
    """Answers one request, now or when what it asks for is done; an exception becomes the 500 of that request."""
    try:
        gone = context.compatibility.why_gone(request)
        if gone is not None:
            refuse(context, request, 410, gone)
        else:
            _route(context, request)
    except Exception:
        _logger.exception("%s %s failed", request.method, request.path)
        refuse(context, request, 500, "Internal error, see the log of the server.")


def _route(context: Context, request: "HttpRequest") -> None:
    route = ROUTES.get((request.method, request.path))
    if route is None:
        template, in_path = _find(request.path)
        route = ROUTES.get((request.method, template))
        request.parameters.update(in_path)
    if route is not None and route.is_open:
        route.handler(context, request)
    elif not context.is_ready():
        # What is not read back yet must not be answered for as if it were not there.
        refuse(context, request, 503, "Server is starting, please try again later!")
    elif not request.authorized:
        assert context.gate is not None, "without authentication the core authorizes everything"
        context.gate.admit(
            request,
            parameters=request.parameters,
            refuse=partial(refuse, context, request, 403),
            busy=partial(auth_http.refuse_busy, context, request),
        )
    elif route is not None:
        route.handler(context, request)
    else:
        _refuse_unknown(context, request)


def _refuse_unknown(context: Context, request: "HttpRequest") -> None:
    methods = _METHODS.get(_find(request.path)[0])
    if methods is None:
        refuse(context, request, 404, f"No endpoint {request.method} {request.path}.")
    else:
        refuse(context, request, 405, f"Method '{request.method}' is not supported.", ("Allow", ", ".join(methods)))


def refuse(context: Context, request: "HttpRequest", status: int, message: str, *more_headers: tuple[str, str]) -> None:
    """Answers with an error page."""
    body = pages.error_page(status, message, request.path, context.wall_clock())
    headers = (*pages.error_page_headers(request.path), *more_headers)
    context.hub.reply_http(request.connection, request.call, status, headers, body)
