"""Which clients are where, and who asks them to go elsewhere (protocol/http.md sections 5 and 6.2).

Version 2 has the same under paths of its own, bare, and all of it with GET.
"""

from math import isfinite
from typing import TYPE_CHECKING, Final

import msgspec

from nacos_core.cluster.loads import ClientCount, moves
from nacos_core.push.leaving import ask_to_leave
from nacos_core.server import pages
from nacos_core.server.context import Context
from nacos_core.server.description import takes
from nacos_core.server.versions import INTEGER_MAX, V2, V3, Refused, Version, answer_later, integer_in, refuse

if TYPE_CHECKING:
    from nacos_core._core import HttpRequest

_FACTOR: Final = 0.1
"""What the protocol says where nothing is given."""
_DONE: Final = {V2: "success", V3: "ok"}
_NOTHING_TO_DO: Final = "ignore"


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
    _answer(V3, context, request, _connections(context))


@takes(answer="bare")
def current_v2(context: Context, request: "HttpRequest") -> None:
    """The gRPC connections there are, by their ids."""
    _answer(V2, context, request, _connections(context))


@takes("connectionId", optional=("redirectAddress",), statuses=(404,))
def reload_client(context: Context, request: "HttpRequest") -> None:
    """Asks the client of ``connectionId`` to leave, for ``redirectAddress`` (``ip:port``) if it is given."""
    _reload_client(V3, context, request)


@takes("connectionId", optional=("redirectAddress",), statuses=(404,), answer="bare")
def reload_client_v2(context: Context, request: "HttpRequest") -> None:
    """Asks the client of ``connectionId`` to leave, for ``redirectAddress`` (``ip:port``) if it is given."""
    _reload_client(V2, context, request)


@takes("count", optional=("redirectAddress",))
def reload_current(context: Context, request: "HttpRequest") -> None:
    """Asks so many clients to leave that ``count`` stay."""
    _reload_current(V3, context, request)


@takes("count", optional=("redirectAddress",), answer="bare")
def reload_current_v2(context: Context, request: "HttpRequest") -> None:
    """Asks so many clients to leave that ``count`` stay."""
    _reload_current(V2, context, request)


@takes()
def of_cluster(context: Context, request: "HttpRequest") -> None:
    """How many clients each member has that answers in time, and all of them together."""
    _of_cluster(V3, context, request)


@takes(answer="bare")
def of_cluster_v2(context: Context, request: "HttpRequest") -> None:
    """How many clients each member has that answers in time, and all of them together."""
    _of_cluster(V2, context, request)


@takes(optional=("loaderFactor", "loaderFactorStr"), statuses=(504,))
def even_out(context: Context, request: "HttpRequest") -> None:
    """Has members with too many clients ask some of them to go to those with too few.

    Clients of the Java line 3.x call the parameter ``loaderFactorStr``.
    """
    _even_out(V3, context, request)


@takes(optional=("loaderFactor", "loaderFactorStr"), statuses=(504,), answer="bare")
def even_out_v2(context: Context, request: "HttpRequest") -> None:
    """Has members with too many clients ask some of them to go to those with too few."""
    _even_out(V2, context, request)


def _connections(context: Context) -> dict[str, object]:
    told = {connection_id: context.hub.client_summary(connection_id) for _, connection_id in context.hub.clients()}
    return {each: _shown(summary) for each, summary in told.items() if summary}


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


def _reload_client(version: Version, context: Context, request: "HttpRequest") -> None:
    wanted = request.parameters.get("connectionId", "")
    for connection, connection_id in context.hub.clients():
        if connection_id == wanted:
            _ask(version, context, request, [(connection, connection_id)])
            return
    refuse(version, context, request, Refused(404, pages.NOT_FOUND, f"no connection has the id {wanted!r}"))


def _reload_current(version: Version, context: Context, request: "HttpRequest") -> None:
    try:
        count = integer_in("count", request.parameters.get("count", ""), INTEGER_MAX)
    except Refused as error:
        refuse(version, context, request, error)
    else:
        _ask(version, context, request, context.hub.clients()[count:])


def _ask(version: Version, context: Context, request: "HttpRequest", clients: list[tuple[int, str]]) -> None:
    address = request.parameters.get("redirectAddress", "")
    ip, _, port = address.rpartition(":")
    is_port = port.isascii() and port.isdigit() and len(port) < 6 and int(port) < 65536
    if address and not (ip and is_port):
        text = f"redirectAddress: ip:port wanted, not {address!r}"
        refuse(version, context, request, Refused(400, pages.VALIDATION, text))
        return
    ask_to_leave(context.hub, clients, address)
    _answer(version, context, request, _DONE[version])


def _of_cluster(version: Version, context: Context, request: "HttpRequest") -> None:
    async def work() -> None:
        _answer(version, context, request, _metrics(context, await context.loads.everywhere()))

    answer_later(version, context, request, work)


def _metrics(context: Context, counts: dict[str, ClientCount]) -> dict[str, object]:
    addresses = {member.node_id: member.address for member in context.cluster.members()}
    clients = [each.clients_count for each in counts.values()]
    average = sum(clients) // len(clients)
    detail = [
        {
            "address": addresses.get(node_id, ""),
            "sdkConCount": each.clients_count,
            "conCount": each.connections_count,
            "load": f"{each.load:.2f}",
            "cpu": f"{each.cpu:.2f}",
        }
        for node_id, each in counts.items()
    ]
    return {
        "detail": sorted(detail, key=lambda each: str(each["address"])),
        "memberCount": len(addresses),
        "metricsCount": len(counts),
        "completed": len(addresses) == len(counts),
        "max": max(clients),
        "min": min(clients),
        "avg": average,
        "threshold": f"{average * (1 + _FACTOR):.1f}",
        "total": sum(clients),
    }


def _even_out(version: Version, context: Context, request: "HttpRequest") -> None:
    async def work() -> None:
        factor = _factor(request)
        counts = await context.loads.everywhere()
        addresses = {member.node_id: member.address for member in context.cluster.members()}
        known = {node_id: each.clients_count for node_id, each in counts.items() if node_id in addresses}
        wanted = moves(known, factor)
        for giver, takers in wanted.items():
            await context.loads.send_away(giver, {addresses[taker]: count for taker, count in takers.items()})
        _answer(version, context, request, _DONE[version] if wanted else _NOTHING_TO_DO)

    answer_later(version, context, request, work)


def _factor(request: "HttpRequest") -> float:
    text = request.parameters.get("loaderFactor") or request.parameters.get("loaderFactorStr") or str(_FACTOR)
    try:
        factor = float(text)
    except ValueError:
        factor = -1.0
    if not (isfinite(factor) and factor >= 0):
        raise Refused(400, pages.VALIDATION, f"loaderFactor: a number from 0 wanted, not {text!r}")
    return factor


def _answer(version: Version, context: Context, request: "HttpRequest", data: object) -> None:
    if version is V3:
        headers, body = pages.JSON, pages.success(data)
    elif isinstance(data, str):
        headers, body = pages.TEXT, data.encode()
    else:
        headers, body = pages.JSON, pages.to_json(data)
    context.hub.reply_http(request.connection, request.call, 200, headers, body)
