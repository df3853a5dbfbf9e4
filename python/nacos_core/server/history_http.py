"""What happened to configurations over HTTP (protocol/http.md sections 3, 5 and 6): reads of what this node holds.

The three versions of the API differ in the names of parameters and fields, and in what is wrapped around an answer.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from nacos_core import clock, limits
from nacos_core.config.rules import ParameterRefused, check_key, namespace_of
from nacos_core.server import pages
from nacos_core.server.context import Context

if TYPE_CHECKING:
    from nacos_core._core import ConfigView, HistoryEvent, HttpRequest

_PAGE_SIZE: Final = 100
_INTEGER_MAX: Final = 2**31 - 1
_LONG_MAX: Final = 2**63 - 1
_FORMAL: Final = "formal"
_OTHER_KEY: Final = "Please check dataId, group or namespaceId."


@dataclass(frozen=True, slots=True)
class Version:
    """How one version of the API names what it is asked for."""

    number: int
    namespace: str
    group: str


V1: Final = Version(1, "tenant", "group")
V2: Final = Version(2, "namespaceId", "group")
V3: Final = Version(3, "namespaceId", "groupName")


class _Refused(Exception):
    """What is asked for cannot be answered: the status, the code of v2 and v3, and the words."""

    def __init__(self, status: int, code: tuple[int, str], text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code


def list_or_event_v1(context: Context, request: "HttpRequest") -> None:
    """One path of v1 for both."""
    if request.parameters.get("search") == "accurate":
        list_events(V1, context, request)
    else:
        event(V1, context, request)


def list_events(version: Version, context: Context, request: "HttpRequest") -> None:
    """A page of what happened to one configuration, the newest first."""
    try:
        key = _key(version, request)
        number, size = _positive(version, request, "pageNo", 1), _positive(version, request, "pageSize", _PAGE_SIZE)
    except (_Refused, ParameterRefused) as error:
        _refuse(version, context, request, error)
        return
    size = min(size, limits.HISTORY_PAGE_SIZE_MAX)
    count, events = context.hub.config_history(*key, (number - 1) * size, size)
    page = {
        "totalCount": count,
        "pageNumber": number,
        "pagesAvailable": -(-count // size),
        "pageItems": [_describe(version, each) for each in events],
    }
    _answer(version, context, request, page)


def event(version: Version, context: Context, request: "HttpRequest") -> None:
    """One event by its id, ``nid``, with the content."""
    try:
        key = _key(version, request)
        nid = _integer(version, request, "nid")
        found = context.hub.history_event(nid)
        if found is None:
            raise _Refused(404, pages.NOT_FOUND, f"certain config history for nid = {nid} not exist")
        if (found.namespace, found.group, found.data_id) != key:
            raise _Refused(403, pages.ACCESS_DENIED, _OTHER_KEY)
    except (_Refused, ParameterRefused) as error:
        _refuse(version, context, request, error)
    else:
        _answer(version, context, request, _describe_whole(version, found))


def previous(version: Version, context: Context, request: "HttpRequest") -> None:
    """The event before another one, or the last one of a configuration: ``id`` is the id of either."""
    try:
        key = _key(version, request)
        id = _integer(version, request, "id")
        found = context.hub.history_event_before(*key, id)
        if found is None:
            raise _Refused(404, pages.NOT_FOUND, f"previous config history for id = {id} not exist")
    except (_Refused, ParameterRefused) as error:
        _refuse(version, context, request, error)
    else:
        _answer(version, context, request, _describe_whole(version, found))


def change_v2(context: Context, request: "HttpRequest") -> None:
    """One event by its id, with what was there before and what came."""
    try:
        key = _key(V2, request)
        found = context.hub.history_event(nid := _integer(V2, request, "nid"))
        if found is None:
            raise _Refused(404, pages.NOT_FOUND, f"certain config history for nid = {nid} not exist")
        if (found.namespace, found.group, found.data_id) != key:
            raise _Refused(403, pages.ACCESS_DENIED, _OTHER_KEY)
    except (_Refused, ParameterRefused) as error:
        _refuse(V2, context, request, error)
        return
    described = _describe(V2, found)
    for name in ("md5", "content", "encryptedDataKey", "extInfo"):
        described.pop(name)
    original = None if found.operation == "I" else found.config
    described |= {
        "id": found.id,
        **_side("original", "original", original),
        **_side("updated", "update", found.updated),
    }
    _answer(V2, context, request, described)


def configs(version: Version, context: Context, request: "HttpRequest") -> None:
    """All configurations of a namespace, without their contents."""
    try:
        namespace = namespace_of(_required(version, request, version.namespace, may_be_empty=True))
        check_key(namespace, "", "")
    except (_Refused, ParameterRefused) as error:
        _refuse(version, context, request, error)
    else:
        _answer(version, context, request, msgspec.Raw(context.hub.config_list(namespace, version is V3)))


def _describe(version: Version, event: "HistoryEvent") -> dict[str, object]:
    config = event.config
    common = {
        "id": str(event.id),
        "dataId": event.data_id,
        "appName": config.application,
        "md5": config.md5,
        "srcIp": event.source_ip,
        "srcUser": event.source_user,
        "opType": event.operation,
        "publishType": _FORMAL,
    }
    if version is V3:
        return common | {
            "namespaceId": event.namespace,
            "groupName": event.group,
            "type": config.type,
            "createTime": event.stamped_ms,
            "modifyTime": event.stamped_ms,
        }
    stamp = clock.timestamp(event.stamped_ms)
    return common | {
        "lastId": -1,
        "group": event.group,
        "tenant": event.namespace,
        "content": None,
        "grayName": "",
        "extInfo": _more(config),
        "createdTime": stamp,
        "lastModifiedTime": stamp,
        "encryptedDataKey": None,
    }


def _describe_whole(version: Version, event: "HistoryEvent") -> dict[str, object]:
    whole = {
        "content": event.config.content.decode(),
        "encryptedDataKey": event.config.encrypted_data_key,
        "grayName": "",
        "extInfo": _more(event.config),
    }
    return _describe(version, event) | whole


def _side(name: str, more_name: str, config: "ConfigView | None") -> dict[str, object]:
    return {
        f"{name}Md5": config.md5 if config is not None else "",
        f"{name}Content": config.content.decode() if config is not None else "",
        f"{name}EncryptedDataKey": config.encrypted_data_key if config is not None else "",
        f"{more_name}ExtInfo": _more(config) if config is not None else "",
    }


def _more(config: "ConfigView") -> str:
    """Further attributes, as JSON within the JSON."""
    more = {
        "type": config.type,
        "config_tags": config.tags,
        "effect": config.effect,
        "src_user": config.source_user,
        "c_desc": config.description,
        "c_use": config.use,
        "c_schema": config.schema,
    }
    return pages.to_json({name: value for name, value in more.items() if value}).decode()


def _key(version: Version, request: "HttpRequest") -> tuple[str, str, str]:
    # Version 3 looks at the group first.
    names = (version.group, "dataId") if version is V3 else ("dataId", version.group)
    for name in names:
        _required(version, request, name)
    get = request.parameters.get
    key = (namespace_of(get(version.namespace)), get(version.group, ""), get("dataId", ""))
    check_key(*key)
    return key


def _required(version: Version, request: "HttpRequest", name: str, *, may_be_empty: bool = False) -> str:
    value = request.parameters.get(name)
    if value is None or not (value or may_be_empty):
        text = "is not present." if version is V1 else "type String is not present"
        raise _Refused(400, pages.PARAMETER_MISSING, f"Required parameter '{name}' {text}")
    return value


def _integer(version: Version, request: "HttpRequest", name: str, at_most: int = _LONG_MAX) -> int:
    text = _required(version, request, name)
    # No number of this length can be in range, and Python refuses to read very long ones.
    value = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(at_most)) else -1
    if not 0 <= value <= at_most:
        raise _Refused(400, pages.VALIDATION, f"Failed to convert '{name}' with value: '{text}'")
    return value


def _positive(version: Version, request: "HttpRequest", name: str, default: int) -> int:
    if name not in request.parameters:
        return default
    value = _integer(version, request, name, _INTEGER_MAX)
    if value < 1:
        text = f"Required parameter '{name}' should be positive integer, current is {value}"
        raise _Refused(400, pages.VALIDATION, text)
    return value


def _answer(version: Version, context: Context, request: "HttpRequest", data: object) -> None:
    if version is V1:
        headers, body = pages.JSON_UTF8, pages.to_json(data)
    else:
        headers, body = pages.JSON, pages.success(data)
    context.hub.reply_http(request.connection, request.call, 200, headers, body)


def _refuse(version: Version, context: Context, request: "HttpRequest", error: _Refused | ParameterRefused) -> None:
    if isinstance(error, ParameterRefused):
        status, headers, body = 400, pages.FILTERED, f"{error}\r\n".encode()
    elif version is not V1:
        status, headers, body = error.status, pages.JSON, pages.failure(error.code, str(error))
    elif error.status == 400:  # what the web framework refuses by itself
        status, headers = 400, pages.JSON_UTF8
        body = pages.error_page(400, str(error), request.path, context.wall_clock())
    else:
        status, headers, body = error.status, pages.JSON_UTF8, f"caused: {error};".encode()
    context.hub.reply_http(request.connection, request.call, status, headers, body)
