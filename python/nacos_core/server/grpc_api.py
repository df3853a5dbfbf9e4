"""The gRPC requests that the core hands up (protocol/grpc.md sections 1.2, 4 and 8)."""

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from nacos_core.config.gray import GrayRefused, terms_asked
from nacos_core.config.rules import ConfigRefused, ParameterRefused, check_key, namespace_of
from nacos_core.errors import (
    AlreadyExists,
    CommandRefused,
    InvalidParameter,
    NacosCoreError,
    OutcomeUnknown,
    OverQuota,
)
from nacos_core.proposals import Result
from nacos_core.server import gray_http, pages
from nacos_core.server.context import Context
from nacos_core.server.grpc_answers import (
    BAD_PAYLOAD,
    CONFIG_ABSENT,
    CONFIG_EXISTS,
    ERROR_RESPONSE,
    INVALID_PARAMETER,
    NO_HANDLER,
    NO_RIGHT,
    OF_NODES,
    OVER_THRESHOLD,
    RESPONSE_TYPES,
    SERVER_ERROR,
    fail,
    succeed,
)
from nacos_core.server.lock_grpc import operate
from nacos_core.server.versions import V1
from nacos_core.server.who import user_of

if TYPE_CHECKING:
    from nacos_core._core import GrpcRequest

_logger = logging.getLogger(__name__)

Handler: TypeAlias = Callable[[Context, "GrpcRequest"], None]


class _ConfigRequest(msgspec.Struct, rename="camel", gc=False):
    """The fields of the config requests that come here."""

    request_id: str | None = None
    data_id: str | None = None
    group: str | None = None
    tenant: str | None = None
    content: str | None = None
    cas_md5: str | None = None
    tag: str | None = None
    addition_map: dict[str, str | None] | None = None


_read_config_request = msgspec.json.Decoder(_ConfigRequest).decode


def handle(context: Context, request: "GrpcRequest") -> None:
    """Answers one request, now or when what it asks for is done; an exception becomes the failure of that request."""
    try:
        _route(context, request)
    except (msgspec.MsgspecError, RecursionError):  # nested deeper than anything that makes sense
        fail(context, request, ERROR_RESPONSE, BAD_PAYLOAD, "errCode: 101, errMsg: Nacos deserialize failed.  ")
    except Exception:
        _logger.exception("%s failed", request.type)
        fail(context, request, ERROR_RESPONSE, SERVER_ERROR, "Internal error, see the log of the server.")


def _route(context: Context, request: "GrpcRequest") -> None:
    handler = _HANDLERS.get(request.type)
    if not request.authorized:
        assert context.gate is not None, "without authentication the core authorizes everything"
        response_type = RESPONSE_TYPES.get(request.type, ERROR_RESPONSE)
        context.gate.admit(
            request,
            parameters={},
            refuse=partial(fail, context, request, response_type, NO_RIGHT),
            busy=partial(_refuse_busy, context, request, response_type),
        )
    elif handler is not None:
        handler(context, request)
    elif request.type in OF_NODES:
        fail(context, request, ERROR_RESPONSE, BAD_PAYLOAD, f"{request.type} is for nodes, not for clients")
    else:
        fail(context, request, ERROR_RESPONSE, NO_HANDLER, "RequestHandler Not Found")


def _refuse_busy(context: Context, request: "GrpcRequest", response_type: str, retry_seconds: int) -> None:
    message = f"Too many logins, try again in {retry_seconds} s."
    fail(context, request, response_type, OVER_THRESHOLD, message)


def _query(context: Context, request: "GrpcRequest") -> None:
    """A configuration that is not there; the core has answered the others."""
    asked = _read_config_request(request.body)
    answer = partial(fail, context, request, "ConfigQueryResponse", request_id=asked.request_id)
    try:
        check_key(namespace_of(asked.tenant), asked.group or "", asked.data_id or "")
    except ParameterRefused as error:
        answer(INVALID_PARAMETER, f"Param check invalid:{error}")
    else:
        answer(CONFIG_ABSENT, "config data not exist")


def _publish(context: Context, request: "GrpcRequest") -> None:
    asked = _read_config_request(request.body)
    get = (asked.addition_map or {}).get
    answer = partial(fail, context, request, "ConfigPublishResponse", request_id=asked.request_id)
    try:
        command = gray_http.publication(
            V1,
            context,
            request,
            terms_asked(get("betaIps"), get("tag") or asked.tag, lambda _: None),
            asked.tenant,
            asked.group or "",
            asked.data_id or "",
            asked.content or "",
            get=get,
            cas_md5=asked.cas_md5,
        )
    except ParameterRefused as error:
        answer(INVALID_PARAMETER, f"Param check invalid:{error}")
    except (ConfigRefused, GrayRefused) as error:
        answer(INVALID_PARAMETER, str(error))
    else:
        finish = partial(_finish, context, request, "ConfigPublishResponse", asked.request_id, SERVER_ERROR)
        context.propose(command, finish)


def _remove(context: Context, request: "GrpcRequest") -> None:
    asked = _read_config_request(request.body)
    answer = partial(fail, context, request, "ConfigRemoveResponse", request_id=asked.request_id)
    try:
        formal = context.config.removal(
            asked.tenant,
            asked.group or "",
            asked.data_id or "",
            source_user=user_of(context, request, None),
            source_ip=request.client_ip,
        )
    except ParameterRefused as error:
        answer(INVALID_PARAMETER, f"Param check invalid:{error}")
    except ConfigRefused as error:
        answer(0, str(error))  # the existing server leaves the code of a failed removal 0
    else:
        command = gray_http.removal(formal, asked.tag)
        context.propose(command, partial(_finish, context, request, "ConfigRemoveResponse", asked.request_id, 0))


def _finish(
    context: Context,
    request: "GrpcRequest",
    response_type: str,
    request_id: str | None,
    refused_code: int,
    result: Result,
) -> None:
    match result:
        case AlreadyExists():
            fail(context, request, response_type, CONFIG_EXISTS, str(result), request_id)
        case OverQuota():
            fail(context, request, response_type, pages.OVER_QUOTA[result.level][0], str(result), request_id)
        case CommandRefused():
            fail(context, request, response_type, refused_code, str(result), request_id)
        case InvalidParameter():
            fail(context, request, response_type, INVALID_PARAMETER, str(result), request_id)
        case OutcomeUnknown():
            fail(context, request, response_type, SERVER_ERROR, str(result), request_id)
        case NacosCoreError():
            fail(context, request, response_type, OVER_THRESHOLD, str(result), request_id)
        case _:
            succeed(context, request, response_type, request_id)


_HANDLERS: Final[dict[str, Handler]] = {
    "ConfigQueryRequest": _query,
    "ConfigPublishRequest": _publish,
    "ConfigRemoveRequest": _remove,
    "LockOperationRequest": operate,
}
