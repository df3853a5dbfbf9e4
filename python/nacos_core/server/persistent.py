"""Persistent instances: validated by the core, decided by the log, answered in the shape of the API they came by."""

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from nacos_core.commands import DeregisterPersistent, RegisterPersistent
from nacos_core.errors import CommandRefused, NacosCoreError, OutcomeUnknown
from nacos_core.proposals import Result
from nacos_core.server import grpc_answers, pages
from nacos_core.server.context import Context, status_of

if TYPE_CHECKING:
    from nacos_core._core import PersistentInstance


def handle(context: Context, event: "PersistentInstance") -> None:
    """Hands the registration or removal to the log."""
    make = RegisterPersistent if event.register else DeregisterPersistent
    command = make(event.namespace, event.group, event.service, event.instance)
    context.propose(command, partial(_finish, context, event))


def _finish(context: Context, event: "PersistentInstance", result: Result) -> None:
    error = result if isinstance(result, NacosCoreError) else None
    match event.api:
        case "grpc":
            _answer_grpc(context, event, error)
        case "v3":
            _answer_v3(context, event, error)
        case _:
            _answer_v1(context, event, error)


def _answer_v1(context: Context, event: "PersistentInstance", error: NacosCoreError | None) -> None:
    body = b"ok" if error is None else f"errCode: {_code(error)}, errMsg: {error} ".encode()
    context.hub.reply_http(event.connection, event.call, 200 if error is None else _code(error), pages.TEXT, body)


def _answer_v3(context: Context, event: "PersistentInstance", error: NacosCoreError | None) -> None:
    body = pages.success("ok") if error is None else pages.failure(pages.SERVER_ERROR, str(error))
    context.hub.reply_http(event.connection, event.call, 200 if error is None else _code(error), pages.JSON, body)


def _answer_grpc(context: Context, event: "PersistentInstance", error: NacosCoreError | None) -> None:
    if error is None:
        kind = "registerInstance" if event.register else "deregisterInstance"
        answer = {"resultCode": grpc_answers.OK, "errorCode": 0, "type": kind, "success": True}
        context.hub.reply_grpc(event.connection, event.call, "InstanceResponse", msgspec.json.encode(answer))
        return
    if isinstance(error, OutcomeUnknown):
        answer = {"resultCode": 500, "errorCode": 500, "message": str(error), "success": False}
    else:
        message = f"errCode: {_code(error)}, errMsg: {error} "
        answer = {"resultCode": _code(error), "errorCode": _code(error), "message": message, "success": False}
    context.hub.reply_grpc(event.connection, event.call, grpc_answers.ERROR_RESPONSE, msgspec.json.encode(answer))


def _code(error: NacosCoreError) -> int:
    return 400 if isinstance(error, CommandRefused) else status_of(error)
