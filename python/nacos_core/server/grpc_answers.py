"""How gRPC requests are answered: codes and the shapes that all answers have (protocol/grpc.md section 1.2)."""

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from nacos_core._core import GrpcRequest
    from nacos_core.server.context import Context

OK: Final = 200
FAIL: Final = 500
INVALID_PARAMETER: Final = 400
CONFIG_ABSENT: Final = 300
NO_HANDLER: Final = 302
NO_RIGHT: Final = 403
CONFIG_EXISTS: Final = 410
SERVER_ERROR: Final = 500
BAD_PAYLOAD: Final = 502
OVER_THRESHOLD: Final = 503

ERROR_RESPONSE: Final = "ErrorResponse"
OF_NODES: Final = frozenset(
    {"ServerLoaderInfoRequest", "ServerReloadRequest", "MemberReportRequest"}
    | {"DistroDataRequest", "ConfigChangeClusterSyncRequest"}
)
"""What the existing servers ask each other, and refuse from clients (protocol/grpc.md section 3)."""
RESPONSE_TYPES: Final = {
    "ConfigQueryRequest": "ConfigQueryResponse",
    "ConfigPublishRequest": "ConfigPublishResponse",
    "ConfigRemoveRequest": "ConfigRemoveResponse",
    "ConfigBatchListenRequest": "ConfigChangeBatchListenResponse",
    "InstanceRequest": "InstanceResponse",
    "BatchInstanceRequest": "BatchInstanceResponse",
    "PersistentInstanceRequest": "InstanceResponse",
    "SubscribeServiceRequest": "SubscribeServiceResponse",
    "ServiceQueryRequest": "QueryServiceResponse",
    "ServiceListRequest": "ServiceListResponse",
    "NamingFuzzyWatchRequest": "NamingFuzzyWatchResponse",
    "ConfigFuzzyWatchRequest": "ConfigFuzzyWatchResponse",
    "LockOperationRequest": "LockOperationResponse",
}

# Fields that some SDK needs in every answer of the type, failures too (protocol/grpc.md sections 4 and 5).
_FIELDS_ALWAYS: Final[dict[str, dict[str, object]]] = {
    "ConfigQueryResponse": {"lastModified": 0, "beta": False},
    "ConfigChangeBatchListenResponse": {"changedConfigs": []},
    "ServiceListResponse": {"count": 0, "serviceNames": []},
}

_to_json = msgspec.json.Encoder().encode
_DONE: Final = b'{"resultCode":200,"errorCode":0,"success":true}'


def fail(
    context: "Context",
    request: "GrpcRequest",
    response_type: str,
    error_code: int,
    message: str,
    request_id: str | None = None,
) -> None:
    """Answers that it failed, in the request's own type or as ``ErrorResponse``."""
    body: dict[str, object] = {"resultCode": FAIL, "errorCode": error_code, "message": message}
    if request_id is not None:
        body["requestId"] = request_id
    body |= _FIELDS_ALWAYS.get(response_type, {})
    body["success"] = False
    context.hub.reply_grpc(request.connection, request.call, response_type, _to_json(body))


def succeed(
    context: "Context", request: "GrpcRequest", response_type: str, request_id: str | None, **fields: object
) -> None:
    """Answers that it was done, with what else the type has to tell."""
    body = _DONE
    if request_id is not None or fields:
        ids = {} if request_id is None else {"requestId": request_id}
        body = _to_json({"resultCode": OK, "errorCode": 0} | ids | fields | {"success": True})
    context.hub.reply_grpc(request.connection, request.call, response_type, body)
