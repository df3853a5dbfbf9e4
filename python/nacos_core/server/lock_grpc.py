"""Locks over gRPC (protocol/grpc.md section 6). Beyond that document the answer tells the fencing token."""

from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from nacos_core.errors import CommandRefused, InvalidParameter, NacosCoreError, NotReady, Overloaded
from nacos_core.locks import rules
from nacos_core.locks.state import NOT_ACQUIRED
from nacos_core.server.grpc_answers import INVALID_PARAMETER, OVER_THRESHOLD, SERVER_ERROR, fail, succeed

if TYPE_CHECKING:
    from nacos_core._core import GrpcRequest
    from nacos_core.commands import AcquireLock, ReleaseLock
    from nacos_core.proposals import Result
    from nacos_core.server.context import Context

ANSWER: Final = "LockOperationResponse"


class _Lock(msgspec.Struct, rename="camel", gc=False):
    key: str | None = None
    lock_type: str | None = None
    expired_time: int | None = None


class _Request(msgspec.Struct, rename="camel", gc=False):
    request_id: str | None = None
    lock_instance: _Lock | None = None
    lock_operation_enum: str | None = None


_read = msgspec.json.Decoder(_Request).decode


def operate(context: "Context", request: "GrpcRequest") -> None:
    """Acquires or frees a lock."""
    asked = _read(request.body)
    try:
        command = _command(asked)
    except InvalidParameter as error:
        fail(context, request, ANSWER, INVALID_PARAMETER, str(error), asked.request_id)
    else:
        context.propose(command, partial(_finish, context, request, asked.request_id))


def _command(asked: _Request) -> "AcquireLock | ReleaseLock":
    lock = asked.lock_instance or _Lock()
    match asked.lock_operation_enum:
        case "ACQUIRE":
            return rules.acquisition(lock.key, lock.lock_type, lock.expired_time)
        case "RELEASE":
            return rules.release(lock.key, lock.lock_type)
        case other:
            raise rules.LockRefused(f"lockOperationEnum {other!r} is not known: ACQUIRE and RELEASE are")


def _finish(context: "Context", request: "GrpcRequest", request_id: str | None, result: "Result") -> None:
    match result:
        case CommandRefused() | NotReady() | Overloaded():
            fail(context, request, ANSWER, OVER_THRESHOLD, str(result), request_id)
        case NacosCoreError():
            fail(context, request, ANSWER, SERVER_ERROR, str(result), request_id)
        case bool():
            succeed(context, request, ANSWER, request_id, result=result)
        case int() if result != NOT_ACQUIRED:
            succeed(context, request, ANSWER, request_id, result=True, fencingToken=result)
        case _:
            succeed(context, request, ANSWER, request_id, result=False)
