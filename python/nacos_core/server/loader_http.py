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


@takes()
def current(context: Context, request: "HttpRequest") -> None:
    """The ids of the gRPC connections there are."""
    _reply(context, request, pages.success([connection_id for _, connection_id in context.hub.clients()]))


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
