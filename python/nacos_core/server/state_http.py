"""Health, state and metrics over HTTP (protocol/http.md sections 2, 6.2 and 7)."""

from typing import TYPE_CHECKING, Final

from nacos_core.server import pages
from nacos_core.server.context import Context
from nacos_core.server.description import takes
from nacos_core.server.figures import naming_metrics

if TYPE_CHECKING:
    from nacos_core._core import HttpRequest

_GUIDE: Final = "Services and configurations are administered over the API of this port, under /nacos/v3/admin."


@takes(answer="text")
def liveness_text(context: Context, request: "HttpRequest") -> None:
    """Whether this node runs, for the probes of 1.x and 2.x recipes."""
    _reply(context, request, pages.TEXT, b"OK")


@takes(answer="text")
def config_health(context: Context, request: "HttpRequest") -> None:
    """UP, or DOWN with the reason: whether configurations are served."""
    text = "UP" if context.is_ready() else f"DOWN:{context.why_not_ready()}"
    _reply(context, request, pages.TEXT, text.encode())


@takes(answer="text", statuses=(500,))
def readiness_text(context: Context, request: "HttpRequest") -> None:
    """Whether this node serves, for the probes of 1.x and 2.x recipes."""
    if context.is_ready():
        _reply(context, request, pages.TEXT, b"OK")
    else:
        _reply(context, request, pages.TEXT, context.why_not_ready().encode(), 500)


@takes()
def liveness_result(context: Context, request: "HttpRequest") -> None:
    """Whether this node runs."""
    _reply(context, request, pages.JSON, pages.success("ok"))


@takes(statuses=(500,))
def readiness_result(context: Context, request: "HttpRequest") -> None:
    """Whether this node serves."""
    if context.is_ready():
        _reply(context, request, pages.JSON, pages.success("ok"))
    else:
        _reply(context, request, pages.JSON, pages.failure(pages.SERVER_ERROR, context.why_not_ready()), 500)


@takes()
def state_result(context: Context, request: "HttpRequest") -> None:
    """Settings that clients and consoles ask for, as a result of texts."""
    state = {
        "version": context.version,
        "startup_mode": _mode(context),
        "function_mode": None,
        "server_port": str(context.settings.port),
        "config_retention_days": str(context.settings.config_history_days),
        "auth_enabled": _text(context.settings.auth),
        "auth_system_type": "nacos",
        "auth_admin_request": "false",
    }
    _reply(context, request, pages.JSON, pages.success(state))


@takes(answer="bare")
def state_map(context: Context, request: "HttpRequest") -> None:
    """Settings that consoles ask for, bare."""
    state = {
        "version": context.version,
        "standalone_mode": _mode(context),
        "function_mode": None,
        "auth_enabled": _text(context.settings.auth),
        "login_page_enabled": _text(context.settings.auth),
    }
    _reply(context, request, pages.JSON, pages.to_json(state))


@takes(optional=("onlyStatus",), answer="bare")
def metrics(context: Context, request: "HttpRequest") -> None:
    """Figures of naming; ``onlyStatus`` (true unless said) leaves out the counts."""
    only_status = request.parameters.get("onlyStatus", "true").lower() != "false"
    _reply(context, request, pages.JSON, pages.to_json(naming_metrics(context, with_counts=not only_status)))


@takes(answer="bare", statuses=(503,))
def actuator_health(context: Context, request: "HttpRequest") -> None:
    """Whether this node serves, as Spring Boot's actuator says it."""
    if context.is_ready():
        _reply(context, request, pages.JSON, pages.to_json({"status": "UP"}))
    else:
        _reply(context, request, pages.JSON, pages.to_json({"status": "OUT_OF_SERVICE"}), 503)


@takes()
def announcement(context: Context, request: "HttpRequest") -> None:
    """Nothing is announced."""
    _reply(context, request, pages.JSON, pages.success(None))


@takes()
def guide(context: Context, request: "HttpRequest") -> None:
    """What a console shows where there is nothing else to show."""
    _reply(context, request, pages.JSON, pages.success(_GUIDE))


def _mode(context: Context) -> str:
    return "standalone" if context.distro is None else "cluster"


def _text(flag: bool) -> str:
    return "true" if flag else "false"


def _reply(context: Context, request: "HttpRequest", headers: pages.Headers, body: bytes, status: int = 200) -> None:
    context.hub.reply_http(request.connection, request.call, status, headers, body)
