"""Asks clients to connect anew, elsewhere or here (protocol/grpc.md section 2.1, protocol/http.md section 6.2)."""

from typing import TYPE_CHECKING

import msgspec

from nacos_core.server import pages
from nacos_core.server.context import Context
from nacos_core.server.description import takes

if TYPE_CHECKING:
    from nacos_core._core import HttpRequest


class _Reset(msgspec.Struct, omit_defaults=True, rename="camel"):
    connection_id: str
    server_ip: str | None = None
    server_port: str | None = None
    """Digits as a text: clients read it as one."""


class _Client(msgspec.Struct, rename="camel"):
    """What the core tells of a connection."""

    client_id: str
    last_updated_time: int
    """When it was last active, milliseconds since the epoch."""
    connect_type: str
    app_name: str
    version: str
    client_ip: str
    client_port: int


@takes()
def current(context: Context, request: "HttpRequest") -> None:
    """The gRPC connections there are, by their ids. What the node does not keep of one is left out."""
    told = {connection_id: context.hub.client_summary(connection_id) for _, connection_id in context.hub.clients()}
    _reply(context, request, pages.success({each: _shown(summary) for each, summary in told.items() if summary}))


def _shown(summary: bytes) -> dict[str, object]:
    client = msgspec.json.decode(summary, type=_Client)
    meta_info = {
        "connectType": client.connect_type,
        "clientIp": client.client_ip,
        "remotePort": client.client_port,
        "version": client.version,
        "connectionId": client.client_id,
        "lastActiveTime": client.last_updated_time,
        "appName": client.app_name,
    }
    return {"traced": False, "metaInfo": meta_info}


@takes("connectionId", optional=("redirectAddress",), statuses=(404,))
def reload_client(context: Context, request: "HttpRequest") -> None:
    """Asks the client of ``connectionId`` to leave, for ``redirectAddress`` (``ip:port``) if it is given."""
    wanted = request.parameters.get("connectionId", "")
    for connection, connection_id in context.hub.clients():
        if connection_id == wanted:
            _ask(context, request, [(connection, connection_id)])
            return
    _reply(context, request, pages.failure(pages.NOT_FOUND, f"no connection has the id {wanted!r}"), 404)


@takes("count", optional=("redirectAddress",))
def reload_current(context: Context, request: "HttpRequest") -> None:
    """Asks so many clients to leave that ``count`` stay."""
    count = request.parameters.get("count", "")
    if not (count.isascii() and count.isdigit()):
        _reply(context, request, pages.failure(pages.VALIDATION, f"count: a whole number wanted, not {count!r}"), 400)
        return
    _ask(context, request, context.hub.clients()[int(count) :])


def _ask(context: Context, request: "HttpRequest", clients: list[tuple[int, str]]) -> None:
    address = request.parameters.get("redirectAddress", "")
    ip, _, port = address.rpartition(":")
    if address and not (ip and port.isascii() and port.isdigit()):
        message = f"redirectAddress: ip:port wanted, not {address!r}"
        _reply(context, request, pages.failure(pages.VALIDATION, message), 400)
        return
    for connection, connection_id in clients:
        fields = msgspec.json.encode(_Reset(connection_id, ip or None, port or None))
        context.hub.push(connection, "ConnectResetRequest", "internal", fields)
    _reply(context, request, pages.success("ok"))


def _reply(context: Context, request: "HttpRequest", body: bytes, status: int = 200) -> None:
    context.hub.reply_http(request.connection, request.call, status, pages.JSON, body)
