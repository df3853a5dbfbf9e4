"""What operators do to a running node: levels of its loggers, its log, and what it counts (protocol/http.md 6.2).

Operations on the log take a body of JSON or parameters: the existing server documents the one, and its clients send the
other. There is one log and one group of it, so that ``groupId`` makes no difference.
"""

import logging
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from nacos_core.errors import CallRefused, HandshakeRefused, MembershipRefused, NacosCoreError
from nacos_core.server import pages
from nacos_core.server.context import Context, status_of
from nacos_core.server.description import takes
from nacos_core.server.naming_call import Call, Refused

if TYPE_CHECKING:
    from nacos_core._core import HttpRequest

_logger = logging.getLogger(__name__)

_ROOT: Final = "nacos_core"
_LEVELS: Final = {
    **dict.fromkeys(("all", "trace", "debug"), logging.DEBUG),
    "info": logging.INFO,
    **dict.fromkeys(("warn", "warning"), logging.WARNING),
    "error": logging.ERROR,
    "off": logging.CRITICAL + 1,
}
"""By the names of the protocol and of ``--log-level``."""
_KNOWN_AS: Final = {f"core-{name}": f"{_ROOT}.drivers.{name}" for name in ("raft", "distro", "cluster")}
"""Loggers that the existing server has, too."""

_MEMBERS: Final = "/nacos/v3/admin/core/cluster/member"
_ONE_BY_ONE: Final = f"members change one by one: POST or DELETE {_MEMBERS}"
_NOT_OFFERED: Final = {
    "removePeers": _ONE_BY_ONE,
    "changePeers": _ONE_BY_ONE,
    **dict.fromkeys(
        ("restRaftCluster", "resetRaftCluster"),
        "it would lose what a majority has agreed on. Members that are gone for good are taken out with "
        f"DELETE {_MEMBERS}",
    ),
}
"""Why: commands of the existing server, one of them as it is spelled there."""
_OFFERED: Final = ("transferLeader", "removePeer", "doSnapshot")


class _LogLevel(msgspec.Struct, rename="camel"):
    log_name: str
    log_level: str


class _Operation(msgspec.Struct, rename="camel"):
    command: str
    value: str | None = None


_Body = TypeVar("_Body", _LogLevel, _Operation)


@takes("logName", "logLevel", bodies=("logLevel",))
def set_log_level(call: Call) -> None:
    """Sets the level of a logger of this node, and of all below it, until the node stops."""
    if call.request.body:
        wanted = _read(call.request, _LogLevel)
    else:
        wanted = _LogLevel(call.required("logName"), call.required("logLevel"))
    level = _LEVELS.get(wanted.log_level.lower())
    if level is None:
        text = f"logLevel: one of {', '.join(_LEVELS)} wanted, not {wanted.log_level!r}"
        raise Refused(400, pages.VALIDATION, text)
    name = _KNOWN_AS.get(wanted.log_name, wanted.log_name)
    known = _loggers()
    if name not in known:
        text = f"logName: there is no logger {wanted.log_name!r}, there are {', '.join((*_KNOWN_AS, *known))}"
        raise Refused(400, pages.VALIDATION, text)
    for below in known:
        if below.startswith(f"{name}."):
            logging.getLogger(below).setLevel(logging.NOTSET)  # the one above counts
    logging.getLogger(name).setLevel(level)
    _logger.warning("the level of the logger %s is %s from now on", name, wanted.log_level.lower())
    call.answer()


def _loggers() -> list[str]:
    """Of this program, and the parts of their names that stand for several."""
    return sorted(name for name in logging.root.manager.loggerDict if f"{name}.".startswith(f"{_ROOT}."))


@takes()
def ids(call: Call) -> None:
    """The one counter there is, replicated: configurations and events of their history have ids from it."""
    call.answer([{"resource": "config", "info": {"currentId": call.context.hub.last_event_id, "workerId": 0}}])


@takes("command", optional=("value",), bodies=("raft",), statuses=(504,))
def raft(context: Context, request: "HttpRequest") -> None:
    """Has another member lead, takes one out, or takes a snapshot here: transferLeader, removePeer, doSnapshot."""
    _operate(False, context, request)


@takes("command", optional=("value",), bodies=("raft",), statuses=(504,))
def raft_v1(context: Context, request: "HttpRequest") -> None:
    """Has another member lead, takes one out, or takes a snapshot here: transferLeader, removePeer, doSnapshot."""
    _operate(True, context, request)


def _operate(is_v1: bool, context: Context, request: "HttpRequest") -> None:
    try:
        wanted = _operation(request)
    except Refused as error:
        _finish(is_v1, context, request, error)
        return
    finish = partial(_finish, is_v1, context, request)
    value = (wanted.value or "").strip()
    _logger.info("%s %r", wanted.command, value)
    match wanted.command:
        case "transferLeader":
            context.cluster.transfer(value, finish)
        case "removePeer":
            context.cluster.remove(value, finish)
        case _:
            context.cluster.snapshot(value, finish)


def _operation(request: "HttpRequest") -> _Operation:
    if request.body:
        wanted = _read(request, _Operation)
    else:
        wanted = _Operation(request.parameters.get("command", ""), request.parameters.get("value"))
    if wanted.command in _NOT_OFFERED:
        raise Refused(400, pages.VALIDATION, f"{wanted.command} is not offered: {_NOT_OFFERED[wanted.command]}")
    if wanted.command not in _OFFERED:
        text = f"command: one of {', '.join(_OFFERED)} wanted, not {wanted.command!r}"
        raise Refused(400, pages.VALIDATION, text)
    if wanted.command == "removePeer" and not wanted.value:
        raise Refused(400, pages.PARAMETER_MISSING, "value: the id or address of the member is wanted")
    return wanted


def _read(request: "HttpRequest", kind: type[_Body]) -> _Body:
    try:
        return msgspec.json.decode(request.body, type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Refused(400, pages.VALIDATION, f"the body cannot be read: {error}") from None


def _finish(is_v1: bool, context: Context, request: "HttpRequest", error: Refused | NacosCoreError | None) -> None:
    match error:
        case None:
            status, body = 200, pages.rest_result(200, data=None) if is_v1 else pages.success(None)
        case Refused():
            status, code = error.status, error.code
        case MembershipRefused() | CallRefused() | HandshakeRefused():
            status, code = 400, pages.VALIDATION
        case _:
            status, code = status_of(error), pages.SERVER_ERROR
    if error is not None:
        body = pages.rest_result(status, str(error)) if is_v1 else pages.failure(code, str(error))
    context.hub.reply_http(request.connection, request.call, status, pages.JSON, body)
