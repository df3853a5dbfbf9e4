"""Reading, publishing and removing configurations in the words of v2 and v3 (protocol/http.md sections 5 and 6).

What v1 asks for by ids is here, too: it is an administrator's question.
"""

from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING, Final

from nacos_core import _core, limits
from nacos_core.commands import RemoveConfig
from nacos_core.config.gray import GrayNameRefused, GrayRefused
from nacos_core.config.rules import ConfigRefused, ParameterRefused
from nacos_core.errors import AlreadyExists, CasMismatch, CommandRefused, NacosCoreError, OverQuota, TooManyGrays
from nacos_core.proposals import Result
from nacos_core.server import gray_http, pages
from nacos_core.server.context import Context
from nacos_core.server.description import ATTRIBUTES, KEY, NAMESPACE, SOURCE_USER, TAGS, takes
from nacos_core.server.long_answers import each_found
from nacos_core.server.versions import (
    V1,
    V2,
    Refused,
    Version,
    answer,
    answer_later,
    ids_of,
    key_of,
    refuse,
    required,
)
from nacos_core.server.who import user_of

if TYPE_CHECKING:
    from nacos_core._core import ConfigView, GrayView, HttpRequest

WRITES_AT_ONCE_COUNT: Final = 64


@takes(*KEY, optional=(NAMESPACE, "tag", "linearizable"), headers=("vipserver-tag",), statuses=(404,))
def query_v2(context: Context, request: "HttpRequest") -> None:
    """The content of a configuration, with the headers that v1 has."""
    try:
        key = key_of(V2, request)
    except (Refused, ParameterRefused) as error:
        refuse(V2, context, request, error)
        return

    def reply(error: NacosCoreError | None) -> None:
        tag = request.parameters.get("tag")
        asked = tag or request.headers.get("vipserver-tag")
        found = context.hub.config_for(*key, client_ip=request.client_ip, tag=asked, by_tag=bool(tag))
        if error is not None:
            refuse(V2, context, request, error)
        elif found is None:
            refuse(V2, context, request, Refused(404, pages.NOT_FOUND, "config data not exist"))
        else:
            headers, body = _headers(*found), pages.success(found[0].content.decode())
            context.hub.reply_http(request.connection, request.call, 200, headers, body)

    if request.parameters.get("linearizable", "").lower() == "true":
        context.confirm(reply)
    else:
        reply(None)


def _headers(config: "ConfigView", release: "GrayView | None") -> pages.Headers:
    hit: pages.Headers = ()
    if release is not None and release.kind == "beta":
        hit = (("isBeta", "true"),)
    elif release is not None and release.kind == "tag":
        hit = (("tag", release.rule),)
    return (
        *hit,
        ("Config-Type", config.type),
        ("Content-MD5", config.md5),
        ("Last-Modified", formatdate(config.last_modified_ms // 1000, usegmt=True)),
        ("Encrypted-Data-Key", config.encrypted_data_key),
        *pages.FILTERED[:-1],
        ("Content-Type", "application/json"),
    )


@takes(
    *KEY,
    "content",
    optional=(NAMESPACE, *ATTRIBUTES, TAGS, SOURCE_USER, "createOnly"),
    only_in={3: gray_http.OWN_TERMS},
    headers=gray_http.PUBLISH_HEADERS,
    statuses=(409, 500),
)
def publish(version: Version, context: Context, request: "HttpRequest") -> None:
    """Publishes a configuration, or with ``createOnly=true`` makes it; answers once that is durable and visible."""
    get, header = request.parameters.get, request.headers.get
    try:
        namespace, group, data_id = key_of(version, request)
        content = required(version, request, "content")
        command = gray_http.publication(
            version,
            context,
            request,
            gray_http.terms(version, request),
            namespace,
            group,
            data_id,
            content,
            get=get,
            cas_md5=header("casmd5") or get("casMd5"),
        )
    except (Refused, ParameterRefused, ConfigRefused, GrayRefused, GrayNameRefused) as error:
        refuse(version, context, request, error)
    else:
        context.propose(command, partial(finish, version, context, request))


@takes(*KEY, optional=(NAMESPACE, "tag", SOURCE_USER))
def remove(version: Version, context: Context, request: "HttpRequest") -> None:
    """Removes a configuration, and answers once that is durable, also if there was nothing to remove."""
    try:
        key = key_of(version, request)
    except (Refused, ParameterRefused) as error:
        refuse(version, context, request, error)
        return
    user = user_of(context, request, request.parameters.get(version.source_user))
    formal = context.config.removal(*key, source_user=user, source_ip=request.client_ip)
    command = gray_http.removal(formal, request.parameters.get("tag"))
    context.propose(command, partial(finish, version, context, request))


@takes("ids", optional=(SOURCE_USER,))
def remove_by_ids(version: Version, context: Context, request: "HttpRequest") -> None:
    """Removes the configurations of these ids, in whatever namespace; ids of none are gone already."""
    try:
        ids = ids_of(version, request, limits.CONFIG_IDS_COUNT_MAX)
    except Refused as error:
        refuse(version, context, request, error)
        return
    user = user_of(context, request, request.parameters.get(version.source_user))

    async def work() -> None:
        search = _core.ConfigSearch(None, ids=ids)
        await context.background.in_pieces(lambda: context.hub.search_configs(search))
        commands = (
            RemoveConfig(namespace, group, data_id, user, request.client_ip)
            for namespace, group, data_id, _ in each_found(search)
        )
        for result in await context.background.apply_all(commands, WRITES_AT_ONCE_COUNT):
            if isinstance(result, NacosCoreError):
                raise result
        if version is V1:
            answer(V1, context, request, {"code": 200, "message": None, "data": True})
        else:
            answer(version, context, request, True)

    answer_later(version, context, request, work)


def finish(version: Version, context: Context, request: "HttpRequest", result: Result) -> None:
    """Says what became of a command, in the words of v2 and v3."""
    match result:
        case CasMismatch():
            refuse(version, context, request, Refused(500, pages.CONFLICT, str(result)))
        case AlreadyExists() | OverQuota():
            refuse(version, context, request, result)
        case TooManyGrays():
            refuse(version, context, request, Refused(400, pages.GRAY_COUNT, str(result)))
        case CommandRefused():
            refuse(version, context, request, Refused(400, pages.VALIDATION, str(result)))
        case NacosCoreError():
            refuse(version, context, request, result)
        case _:
            answer(version, context, request, True)
