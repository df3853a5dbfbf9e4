"""Which configurations there are, and all that is known of one, over HTTP (protocol/http.md sections 3, 5 and 6)."""

from typing import TYPE_CHECKING, Final

import msgspec

from nacos_core import _core, limits
from nacos_core.config.rules import ParameterRefused, check_key, namespace_of
from nacos_core.server import pages
from nacos_core.server.context import Context
from nacos_core.server.description import KEY, NAMESPACE, takes
from nacos_core.server.versions import (
    V1,
    V3,
    Refused,
    Version,
    answer,
    answer_later,
    key_of,
    positive,
    refuse,
    required,
)

if TYPE_CHECKING:
    from nacos_core._core import ConfigSearch, ConfigView, HttpRequest

_PAGE_SIZE: Final = 100
_WAYS: Final = ("accurate", "blur")
_FILTERS: Final = ("configDetail", "config_detail", "configTags", "config_tags", "types", "type")
_WANTED: Final = ("pageNo", "pageSize", *KEY)
_ATTRIBUTES: Final = (
    *("createTime", "modifyTime", "createUser", "createIp"),
    *("desc", "use", "effect", "type", "schema", "configTags"),
)
ABSENT: Final = "Config not exist, please publish Config first."


@takes(
    optional=("pageNo", "pageSize", "search", *KEY, NAMESPACE, "appName", *_FILTERS),
    required_in={1: _WANTED, 2: _WANTED},
    answer="page",
)
def search(version: Version, context: Context, request: "HttpRequest") -> None:
    """A page of the configurations of a namespace: all, or those that are like what is asked for.

    ``search=accurate`` takes data id and group for names, ``blur`` for patterns with ``*``.
    """
    try:
        number, size = _page(version, request)
        asked = _search(version, request, skip_count=(number - 1) * size, count=size)
    except (Refused, ParameterRefused) as error:
        refuse(version, context, request, error)
        return

    async def work() -> None:
        await context.background.in_pieces(lambda: context.hub.search_configs(asked))
        page = {
            "totalCount": asked.total_count,
            "pageNumber": number,
            "pagesAvailable": -(-asked.total_count // size),
            "pageItems": msgspec.Raw(await _write(version, context, asked)),
        }
        answer(version, context, request, page)

    answer_later(version, context, request, work)


async def _write(version: Version, context: Context, found: "ConfigSearch") -> bytes:
    content_bytes = 0 if version is V3 else found.content_bytes
    if content_bytes > limits.CONFIG_PAGE_BYTES_MAX:
        text = (
            f"the contents of this page take {content_bytes} bytes, over {limits.CONFIG_PAGE_BYTES_MAX}: "
            "ask for a smaller pageSize"
        )
        raise Refused(400, pages.VALIDATION, text)
    if content_bytes > limits.CONFIG_PAGE_INLINE_BYTES:
        return await context.background.aside(found.to_json, "whole")
    return found.to_json("basic" if version is V3 else "whole")


@takes(*KEY, optional=(NAMESPACE,), statuses=(404,))
def detail(version: Version, context: Context, request: "HttpRequest") -> None:
    """One configuration with all its attributes."""
    try:
        key = key_of(version, request)
        config = context.hub.get_config(*key)
        if config is None:
            raise Refused(404, pages.NOT_FOUND, ABSENT)
    except (Refused, ParameterRefused) as error:
        refuse(version, context, request, error)
    else:
        answer(version, context, request, describe(version, key, config))


@takes(*KEY, optional=(NAMESPACE,), answer="bare", statuses=(404,))
def attributes_v1(context: Context, request: "HttpRequest") -> None:
    """The attributes of one configuration, without its content, in a result as consoles of 1.x know it."""
    try:
        key = key_of(V1, request)
        config = context.hub.get_config(*key)
        if config is None:
            raise Refused(404, pages.NOT_FOUND, ABSENT)
    except (Refused, ParameterRefused) as error:
        refuse(V1, context, request, error)
        return
    described = describe(V1, key, config)
    data = {name: described[name] for name in _ATTRIBUTES}
    answer(V1, context, request, {"code": 200, "message": None, "data": data})


def _page(version: Version, request: "HttpRequest") -> tuple[int, int]:
    if version is not V3:
        required(version, request, "pageNo")
        required(version, request, "pageSize")
    size = positive(version, request, "pageSize", _PAGE_SIZE)
    return positive(version, request, "pageNo", 1), min(size, limits.CONFIG_PAGE_SIZE_MAX)


def _search(version: Version, request: "HttpRequest", *, skip_count: int, count: int) -> "ConfigSearch":
    if version is not V3:
        for name in ("dataId", version.group):
            required(version, request, name, may_be_empty=True)
    get = request.parameters.get
    way = get("search", "blur")
    if way not in _WAYS:
        raise Refused(400, pages.VALIDATION, f"Parameter 'search' is {way!r}, neither accurate nor blur")
    namespace = namespace_of(get(version.namespace))
    data_id, group = get("dataId", ""), get(version.group, "")
    is_exact = way == "accurate"
    check_key(namespace, group if is_exact else "", data_id if is_exact else "")
    return _core.ConfigSearch(
        namespace,
        exact=is_exact,
        data_id=data_id,
        group=group,
        application=get("appName", ""),
        content=get("configDetail") or get("config_detail", ""),
        tags=_words(get("configTags") or get("config_tags", "")),
        types=_words(get("types") or get("type", "")),
        skip_count=skip_count,
        count=count,
    )


def _words(text: str) -> list[str]:
    return [word for part in text.split(",") if (word := part.strip())]


def describe(version: Version, key: tuple[str, str, str], config: "ConfigView") -> dict[str, object]:
    """All that is known of a version of a configuration."""
    namespace, group, data_id = key
    described: dict[str, object] = {
        "id": str(config.id),
        "dataId": data_id,
        "content": config.content.decode(),
        "md5": config.md5,
        "encryptedDataKey": config.encrypted_data_key,
        "appName": config.application,
        "type": config.type,
        "createTime": config.created_ms,
        "modifyTime": config.last_modified_ms,
        "createUser": config.source_user,
        "createIp": config.source_ip,
        "desc": config.description,
        "configTags": config.tags,
    }
    if version is V1:
        of_v1 = {"use": config.use, "effect": config.effect, "schema": config.schema}
        return described | of_v1 | {"tenant": namespace, "group": group}
    of_schema = {"schema": config.schema} if config.schema else {}  # the existing server shows it in v1 alone
    return described | {"namespaceId": namespace, "groupName": group} | of_schema
