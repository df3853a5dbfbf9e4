"""What happened to configurations over HTTP (protocol/http.md sections 3, 5 and 6): reads of what this node holds.

The three versions of the API differ in the names of parameters and fields, and in what is wrapped around an answer.
"""

from typing import TYPE_CHECKING, Final

from nacos_core import _core, clock, limits
from nacos_core.config import gray
from nacos_core.config.rules import ParameterRefused, check_key, namespace_of
from nacos_core.server import pages
from nacos_core.server.context import Context
from nacos_core.server.description import KEY, NAMESPACE, takes
from nacos_core.server.long_answers import Parts
from nacos_core.server.versions import (
    V1,
    V2,
    V3,
    Refused,
    Version,
    answer,
    answer_later,
    answer_list,
    integer,
    key_of,
    positive,
    refuse,
    required,
)

if TYPE_CHECKING:
    from nacos_core._core import ConfigView, HistoryEvent, HttpRequest

_PAGE_SIZE: Final = 100
_FORMAL: Final = "formal"
_GRAY: Final = "gray"
_OTHER_KEY: Final = "Please check dataId, group or namespaceId."


@takes(*KEY, optional=(NAMESPACE, "search", "nid", "pageNo", "pageSize"), statuses=(403, 404))
def list_or_event_v1(context: Context, request: "HttpRequest") -> None:
    """A page of what happened to one configuration (``search=accurate``), or one event by its id, ``nid``."""
    if request.parameters.get("search") == "accurate":
        list_events(V1, context, request)
    else:
        event(V1, context, request)


@takes(*KEY, optional=(NAMESPACE, "pageNo", "pageSize"), answer="page")
def list_events(version: Version, context: Context, request: "HttpRequest") -> None:
    """A page of what happened to one configuration, the newest first."""
    try:
        key = key_of(version, request)
        number, size = positive(version, request, "pageNo", 1), positive(version, request, "pageSize", _PAGE_SIZE)
    except (Refused, ParameterRefused) as error:
        refuse(version, context, request, error)
        return
    size = min(size, limits.HISTORY_PAGE_SIZE_MAX)
    count, events = context.hub.config_history(*key, (number - 1) * size, size)
    page = {
        "totalCount": count,
        "pageNumber": number,
        "pagesAvailable": -(-count // size),
        "pageItems": [_describe(version, each) for each in events],
    }
    answer(version, context, request, page)


@takes(*KEY, "nid", optional=(NAMESPACE,), statuses=(403, 404))
def event(version: Version, context: Context, request: "HttpRequest") -> None:
    """One event by its id, ``nid``, with the content."""
    try:
        key = key_of(version, request)
        nid = integer(version, request, "nid")
        found = context.hub.history_event(nid)
        if found is None:
            raise Refused(404, pages.NOT_FOUND, f"certain config history for nid = {nid} not exist")
        if (found.namespace, found.group, found.data_id) != key:
            raise Refused(403, pages.ACCESS_DENIED, _OTHER_KEY)
    except (Refused, ParameterRefused) as error:
        refuse(version, context, request, error)
    else:
        answer(version, context, request, _describe_whole(version, found))


@takes(*KEY, "id", optional=(NAMESPACE,), statuses=(404,))
def previous(version: Version, context: Context, request: "HttpRequest") -> None:
    """The event before another one, or the last one of a configuration: ``id`` is the id of either."""
    try:
        key = key_of(version, request)
        id = integer(version, request, "id")
        found = context.hub.history_event_before(*key, id)
        if found is None:
            raise Refused(404, pages.NOT_FOUND, f"previous config history for id = {id} not exist")
    except (Refused, ParameterRefused) as error:
        refuse(version, context, request, error)
    else:
        answer(version, context, request, _describe_whole(version, found))


@takes(*KEY, "nid", optional=(NAMESPACE,), statuses=(403, 404))
def change_v2(context: Context, request: "HttpRequest") -> None:
    """One event by its id, with what was there before and what came."""
    try:
        key = key_of(V2, request)
        found = context.hub.history_event(nid := integer(V2, request, "nid"))
        if found is None:
            raise Refused(404, pages.NOT_FOUND, f"certain config history for nid = {nid} not exist")
        if (found.namespace, found.group, found.data_id) != key:
            raise Refused(403, pages.ACCESS_DENIED, _OTHER_KEY)
    except (Refused, ParameterRefused) as error:
        refuse(V2, context, request, error)
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
    answer(V2, context, request, described)


@takes(NAMESPACE)
def configs(version: Version, context: Context, request: "HttpRequest") -> None:
    """All configurations of a namespace, without their contents; in parts, for there may be very many."""
    try:
        namespace = namespace_of(required(version, request, version.namespace, may_be_empty=True))
        check_key(namespace, "", "")
    except (Refused, ParameterRefused) as error:
        refuse(version, context, request, error)
        return
    search = _core.ConfigSearch(namespace)

    async def parts() -> Parts:
        shown = "basic" if version is V3 else "without content"
        for first in range(0, search.found_count, limits.CONFIG_LIST_PART_COUNT):
            yield search.to_json(shown, first, limits.CONFIG_LIST_PART_COUNT)
        await context.background.aside(search.release)

    async def work() -> None:
        await context.background.in_pieces(lambda: context.hub.search_configs(search))
        await answer_list(version, context, request, parts())

    answer_later(version, context, request, work)


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
        "publishType": _FORMAL if event.gray is None else _GRAY,
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
        "grayName": _gray_name(event),
        "extInfo": _more(config, event),
        "createdTime": stamp,
        "lastModifiedTime": stamp,
        "encryptedDataKey": None,
    }


def _describe_whole(version: Version, event: "HistoryEvent") -> dict[str, object]:
    whole = {
        "content": event.config.content.decode(),
        "encryptedDataKey": event.config.encrypted_data_key,
        "grayName": _gray_name(event),
        "extInfo": _more(event.config, event),
    }
    return _describe(version, event) | whole


def _side(name: str, more_name: str, config: "ConfigView | None") -> dict[str, object]:
    return {
        f"{name}Md5": config.md5 if config is not None else "",
        f"{name}Content": config.content.decode() if config is not None else "",
        f"{name}EncryptedDataKey": config.encrypted_data_key if config is not None else "",
        f"{more_name}ExtInfo": _more(config) if config is not None else "",
    }


def _gray_name(event: "HistoryEvent") -> str:
    return "" if event.gray is None else event.gray[0]


def _more(config: "ConfigView", event: "HistoryEvent | None" = None) -> str:
    """Further attributes, as JSON within the JSON."""
    more = {
        "type": config.type,
        "config_tags": config.tags,
        "effect": config.effect,
        "src_user": config.source_user,
        "c_desc": config.description,
        "c_use": config.use,
        "c_schema": config.schema,
        "gray_rule": gray.rule_text(event.gray) if event is not None and event.gray is not None else None,
    }
    return pages.to_json({name: value for name, value in more.items() if value}).decode()
