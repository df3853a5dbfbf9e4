"""Members and leader over HTTP (protocol/http.md section 7); what is done to them has paths of our own beside."""

from functools import partial
from typing import TYPE_CHECKING, Final

from nacos_core import limits
from nacos_core.errors import CallRefused, HandshakeRefused, MembershipRefused, NacosCoreError, WrongAddress
from nacos_core.peers.addresses import parse_member
from nacos_core.server import pages
from nacos_core.server.context import Context, status_of
from nacos_core.server.description import takes
from nacos_core.server.versions import V1, Version

if TYPE_CHECKING:
    from nacos_core._core import HttpRequest
    from nacos_core.raft.configuration import Member

_MEMBER_PATH: Final = "/nacos/v3/admin/core/cluster/member"


@takes(optional=("keyword", "address", "state"))
def members(version: Version, context: Context, request: "HttpRequest") -> None:
    """All members; ``keyword`` leaves those whose address contains it, ``state`` those that are in it."""
    keyword = request.parameters.get("keyword") or request.parameters.get("address") or ""
    shown = [_describe(context, member) for member in context.cluster.members() if keyword in member.address]
    state = request.parameters.get("state", "").upper()
    _answer(version, context, request, [each for each in shown if state in ("", each["state"])])


@takes()
def addresses(version: Version, context: Context, request: "HttpRequest") -> None:
    """The addresses of all members."""
    _answer(version, context, request, [member.address for member in context.cluster.members()])


@takes()
def this_node(version: Version, context: Context, request: "HttpRequest") -> None:
    """The member that answers."""
    own_id = context.cluster.node_id
    shown = [_describe(context, member) for member in context.cluster.members() if member.node_id == own_id]
    _answer(version, context, request, shown[0] if shown else None)


@takes()
def health(version: Version, context: Context, request: "HttpRequest") -> None:
    """The state of the member that answers, as it sees itself."""
    _answer(version, context, request, "UP" if context.is_ready() else "STARTING")


@takes(statuses=(501,))
def refuse_lookup(context: Context, request: "HttpRequest") -> None:
    """Not offered: members are agreed on, not looked up in a file or at an address server."""
    _refuse_unoffered(context, request, "members are agreed on by Raft, and not looked up")


@takes(statuses=(501,))
def refuse_report(context: Context, request: "HttpRequest") -> None:
    """Not offered: what a node is told of the members would not be what they have agreed on."""
    _refuse_unoffered(context, request, "a node does not take the members from a list: they are agreed on by Raft")


@takes(answer="text")
def server_list(context: Context, request: "HttpRequest") -> None:
    """The addresses of all members, one a line, for clients that are told an endpoint instead of servers.

    They ask for it before they log in.
    """
    known = [member.address for member in context.cluster.members() if member.address]
    body = "".join(f"{address}\n" for address in known).encode()
    context.hub.reply_http(request.connection, request.call, 200, pages.TEXT, body)


@takes()
def raft_state(context: Context, request: "HttpRequest") -> None:
    """Term, leader, indexes, and how far behind each follower is."""
    _reply(context, request, 200, pages.success(context.cluster.raft_state()))


@takes("address")
def add_member(context: Context, request: "HttpRequest") -> None:
    """Takes in the node at ``address`` (``host:port``)."""
    if address := _required(context, request, "address"):
        try:
            parse_member(address)
        except WrongAddress as error:
            _reply(context, request, 400, pages.failure(pages.VALIDATION, str(error)))
        else:
            context.cluster.add(address, partial(_finish, context, request))


@takes("member")
def remove_member(context: Context, request: "HttpRequest") -> None:
    """Takes out ``member``, named by its id or address."""
    if name := _required(context, request, "member"):
        context.cluster.remove(name, partial(_finish, context, request))


@takes(optional=("member",))
def transfer(context: Context, request: "HttpRequest") -> None:
    """Has ``member`` lead, a voter named by its id or address; without it, the one that has most."""
    context.cluster.transfer(request.parameters.get("member", ""), partial(_finish, context, request))


def _refuse_unoffered(context: Context, request: "HttpRequest", why: str) -> None:
    text = f"{why}. POST and DELETE {_MEMBER_PATH} take members in and out, one by one"
    _reply(context, request, 501, pages.failure(pages.NOT_OFFERED, text))


def _finish(context: Context, request: "HttpRequest", error: NacosCoreError | None) -> None:
    match error:
        case None:
            _reply(context, request, 200, pages.success("ok"))
        case MembershipRefused() | CallRefused() | HandshakeRefused():
            _reply(context, request, 400, pages.failure(pages.VALIDATION, str(error)))
        case _:
            _reply(context, request, status_of(error), pages.failure(pages.SERVER_ERROR, str(error)))


def _required(context: Context, request: "HttpRequest", name: str) -> str:
    value = request.parameters.get(name, "")
    if not value:
        message = f"Required parameter '{name}' type String is not present"
        _reply(context, request, 400, pages.failure(pages.PARAMETER_MISSING, message))
    return value


def _describe(context: Context, member: "Member") -> dict[str, object]:
    # A node that stands alone without sockets has no address.
    host, _, port_text = member.address.rpartition(":")
    port = int(port_text or 0)
    is_leader = member.node_id == context.cluster.leader_id
    return {
        "ip": host,
        "port": port,
        "state": context.cluster.state_of(member.node_id),
        "extendInfo": {
            "raftPort": str(member.peer_port or port + limits.PEER_PORT_OFFSET),
            "version": context.version,
            "nodeId": member.node_id,
            "part": member.part,
            "leader": is_leader,
            "supportGrayModel": True,
        },
        "address": member.address,
        "abilities": {"remoteAbility": {"supportRemoteConnection": True, "grpcReportEnabled": True}},
        "failAccessCnt": 0,
        "grpcReportEnabled": True,
    }


def _answer(version: Version, context: Context, request: "HttpRequest", data: object) -> None:
    """In v1 in the result that consoles of 1.x know."""
    _reply(context, request, 200, pages.rest_result(200, data=data) if version is V1 else pages.success(data))


def _reply(context: Context, request: "HttpRequest", status: int, body: bytes) -> None:
    context.hub.reply_http(request.connection, request.call, status, pages.JSON, body)
