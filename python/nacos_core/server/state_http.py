"""Health, state and metrics over HTTP (protocol/http.md sections 2, 6.2 and 7)."""

from typing import TYPE_CHECKING

from nacos_core.server import pages
from nacos_core.server.context import Context

if TYPE_CHECKING:
    from nacos_core._core import HttpRequest


def liveness_text(context: Context, request: "HttpRequest") -> None:
    """For the probes of 1.x and 2.x recipes."""
    _reply(context, request, pages.TEXT, b"OK")


def readiness_text(context: Context, request: "HttpRequest") -> None:
    """For the probes of 1.x and 2.x recipes."""
    if context.is_ready():
        _reply(context, request, pages.TEXT, b"OK")
    else:
        _reply(context, request, pages.TEXT, context.why_not_ready().encode(), 500)


def liveness_result(context: Context, request: "HttpRequest") -> None:
    """For v2 and v3, as a result."""
    _reply(context, request, pages.JSON, pages.success("ok"))


def readiness_result(context: Context, request: "HttpRequest") -> None:
    """For v2 and v3, as a result."""
    if context.is_ready():
        _reply(context, request, pages.JSON, pages.success("ok"))
    else:
        _reply(context, request, pages.JSON, pages.failure(pages.SERVER_ERROR, context.why_not_ready()), 500)


def state_result(context: Context, request: "HttpRequest") -> None:
    """Settings that clients and consoles ask for, as a result of texts."""
    state = {
        "version": context.version,
        "startup_mode": "standalone",
        "function_mode": None,
        "server_port": str(context.settings.port),
        "auth_enabled": _text(context.settings.auth),
        "auth_system_type": "nacos",
        "auth_admin_request": "false",
    }
    _reply(context, request, pages.JSON, pages.success(state))


def state_map(context: Context, request: "HttpRequest") -> None:
    """The same for the v1 console, bare."""
    state = {
        "version": context.version,
        "standalone_mode": "standalone",
        "function_mode": None,
        "auth_enabled": _text(context.settings.auth),
        "login_page_enabled": _text(context.settings.auth),
    }
    _reply(context, request, pages.JSON, pages.to_json(state))


def metrics(context: Context, request: "HttpRequest") -> None:
    """``onlyStatus`` (true unless said) leaves out the counts."""
    status = "UP" if context.is_ready() else "STARTING"
    if request.parameters.get("onlyStatus", "true").lower() != "false":
        _reply(context, request, pages.JSON, pages.to_json({"status": status}))
        return
    counts = context.hub.counts()
    instances = counts["instances"]
    clients = counts["connection_publishers"] + counts["ephemeral_publishers"] + counts["persistent_publishers"]
    _reply(
        context,
        request,
        pages.JSON,
        pages.to_json(
            {
                "status": status,
                "serviceCount": counts["services"],
                "instanceCount": instances,
                "subscribeCount": counts["subscribers"],
                "responsibleInstanceCount": instances,
                "clientCount": clients,
                "connectionBasedClientCount": counts["connection_publishers"],
                "ephemeralIpPortClientCount": counts["ephemeral_publishers"],
                "persistentIpPortClientCount": counts["persistent_publishers"],
                "responsibleClientCount": clients,
                **_load(),
            }
        ),
    )


def _load() -> dict[str, float]:
    """Shares of the processor and the memory, and the load average; 0 where the system does not say."""
    import os
    import resource

    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    pages_count = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"cpu": min(1.0, load / (os.cpu_count() or 1)), "load": load, "mem": resident / pages_count}


def _text(flag: bool) -> str:
    return "true" if flag else "false"


def _reply(context: Context, request: "HttpRequest", headers: pages.Headers, body: bytes, status: int = 200) -> None:
    context.hub.reply_http(request.connection, request.call, status, headers, body)
