"""Configuration over HTTP (protocol/http.md sections 3 and 6.1). Hits of queries never get here: the core has them."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from nacos_core.config.gray import GrayNameRefused, GrayRefused
from nacos_core.config.rules import ConfigRefused, ParameterRefused, check_key, namespace_of
from nacos_core.errors import AlreadyExists, CasMismatch, CommandRefused, InvalidParameter, NacosCoreError
from nacos_core.proposals import Result
from nacos_core.server import config_change_http, config_copy_http, config_list_http, gray_http, pages
from nacos_core.server.context import Context, status_of
from nacos_core.server.description import ATTRIBUTES, GROUP, KEY, NAMESPACE, SOURCE_USER, TAGS, takes
from nacos_core.server.versions import V1, cause
from nacos_core.server.who import user_of

if TYPE_CHECKING:
    from nacos_core._core import HttpRequest

_Handler: TypeAlias = Callable[[Context, "HttpRequest"], None]

_ABSENT = b"config data not exist\n"


def other_question(request: "HttpRequest") -> _Handler | None:
    """What v1 has consoles ask under the path of contents; None: it is a content that is asked for."""
    parameters = request.parameters
    if parameters.get("search"):
        return partial(config_list_http.search, V1)
    if parameters.get("show") == "all":
        return partial(config_list_http.detail, V1)
    for name, with_v2 in (("export", False), ("exportV2", True)):
        if parameters.get(name) == "true":
            return partial(config_copy_http.export, V1, with_v2)
    if parameters.get("beta") == "true":
        return partial(gray_http.query_beta, V1)
    return None


def other_command(request: "HttpRequest") -> _Handler | None:
    """As ``other_question``, of publications."""
    if request.parameters.get("clone") == "true":
        return partial(config_copy_http.clone, V1)
    if request.parameters.get("import") == "true":
        return partial(config_copy_http.import_archive, V1)
    return None


def other_removal(request: "HttpRequest") -> _Handler | None:
    """As ``other_question``, of removals."""
    if request.parameters.get("delType") == "ids":
        return partial(config_change_http.remove_by_ids, V1)
    if request.parameters.get("beta") == "true":
        return partial(gray_http.remove_beta, V1)
    return None


@takes(
    optional=("dataId", GROUP, NAMESPACE, "tag", "linearizable", "search", "show", "export", "exportV2", "beta"),
    headers=("vipserver-tag",),
    answer="bare",
    statuses=(404,),
    also=(config_list_http.search, config_list_http.detail, config_copy_http.export, gray_http.query_beta),
)
def query_v1(context: Context, request: "HttpRequest") -> None:
    """The content of a configuration, or one of the other questions that v1 asks under this path.

    The core answers for what is there.
    """
    if other := other_question(request):
        other(context, request)
        return
    parameters = request.parameters
    if not _require(context, request, "dataId", "group"):
        return
    try:
        check_key(namespace_of(parameters.get("tenant")), parameters["group"], parameters["dataId"])
    except ParameterRefused as error:
        _refuse_parameter(context, request, error)
        return
    if not _is_linearizable(request):
        _reply(context, request, 404, _ABSENT)
        return

    def answer(error: NacosCoreError | None) -> None:
        key = (namespace_of(parameters.get("tenant")), parameters["group"], parameters["dataId"])
        if error is not None:
            _reply(context, request, status_of(error), f"caused: {error};".encode())
        elif not _reply_config(context, request, key, v3=False):
            _reply(context, request, 404, _ABSENT)

    context.confirm(answer)


@takes("dataId", optional=("groupName", "group", "namespaceId", "tag", "linearizable"), headers=("vipserver-tag",))
def query_v3(context: Context, request: "HttpRequest") -> None:
    """The content of a configuration; that there is none is said with status 200."""
    parameters = request.parameters
    if not parameters.get("dataId"):
        _refuse_missing_v3(context, request, "dataId")
    elif not (parameters.get("groupName") or parameters.get("group")):
        _refuse_missing_v3(context, request, "groupName")
    elif not _is_linearizable(request):
        _reply_v3(context, request, 200, pages.failure(pages.NOT_FOUND))
    else:
        group = parameters.get("groupName") or parameters["group"]
        key = (namespace_of(parameters.get("namespaceId")), group, parameters["dataId"])

        def answer(error: NacosCoreError | None) -> None:
            if error is not None:
                _reply_v3(context, request, status_of(error), pages.failure(pages.SERVER_ERROR, str(error)))
            elif not _reply_config(context, request, key, v3=True):
                _reply_v3(context, request, 200, pages.failure(pages.NOT_FOUND))

        context.confirm(answer)


@takes(
    optional=(*KEY, "content", NAMESPACE, *ATTRIBUTES, TAGS, SOURCE_USER, "createOnly", "clone", "import", "namespace"),
    in_query=("clone", "import", "policy", "targetNamespaceId", "namespace"),
    headers=gray_http.PUBLISH_HEADERS,
    statuses=(409, 500),
    also=(config_copy_http.clone, config_copy_http.import_archive),
)
def publish_v1(context: Context, request: "HttpRequest") -> None:
    """Publishes a configuration: ``true`` once that is durable and visible. Clones and imports have the same path."""
    if other := other_command(request):
        other(context, request)
        return
    if not _require(context, request, "dataId", "group", "content", may_be_empty="content"):
        return
    get = request.parameters.get
    header = request.headers.get
    try:
        command = gray_http.publication(
            V1,
            context,
            request,
            gray_http.terms(V1, request),
            get("tenant"),
            request.parameters["group"],
            request.parameters["dataId"],
            request.parameters["content"],
            get=get,
            cas_md5=header("casmd5") or get("casMd5"),
        )
    except ParameterRefused as error:
        _refuse_parameter(context, request, error)
    except (ConfigRefused, GrayRefused, GrayNameRefused) as error:
        _reply(context, request, 400, f"caused: {error};".encode())
    else:
        context.propose(command, partial(_finish, context, request))


@takes(
    optional=(*KEY, NAMESPACE, "tag", "delType", "beta"), also=(config_change_http.remove_by_ids, gray_http.remove_beta)
)
def remove_v1(context: Context, request: "HttpRequest") -> None:
    """Removes a configuration: ``true`` once that is durable, also if there was nothing to remove."""
    if other := other_removal(request):
        other(context, request)
        return
    if not _require(context, request, "dataId", "group"):
        return
    get = request.parameters.get
    try:
        formal = context.config.removal(
            get("tenant"),
            request.parameters["group"],
            request.parameters["dataId"],
            source_user=user_of(context, request, get("src_user")),
            source_ip=request.client_ip,
        )
    except ParameterRefused as error:
        _refuse_parameter(context, request, error)
    except ConfigRefused as error:
        _reply(context, request, 400, f"caused: {error};".encode())
    else:
        context.propose(gray_http.removal(formal, get("tag")), partial(_finish, context, request))


def _finish(context: Context, request: "HttpRequest", result: Result) -> None:
    match result:
        case CasMismatch():
            _reply(context, request, 500, b"false")
        case AlreadyExists():
            _reply(context, request, 409, cause(result))
        case CommandRefused() | InvalidParameter():
            _reply(context, request, 400, cause(result))
        case NacosCoreError():
            _reply(context, request, status_of(result), f"caused: {result};".encode())
        case _:
            context.hub.reply_http(request.connection, request.call, 200, pages.JSON_UTF8, b"true")


def _require(context: Context, request: "HttpRequest", *names: str, may_be_empty: str = "") -> bool:
    parameters = request.parameters
    for name in names:
        if name not in parameters or not (parameters[name] or name == may_be_empty):
            message = f"Required parameter '{name}' is not present."
            page = pages.error_page(400, message, request.path, context.wall_clock())
            _reply(context, request, 400, page)
            return False
    return True


def _refuse_parameter(context: Context, request: "HttpRequest", error: ParameterRefused) -> None:
    body = f"{error}\r\n".encode()
    context.hub.reply_http(request.connection, request.call, 400, pages.FILTERED, body)


def _refuse_missing_v3(context: Context, request: "HttpRequest", name: str) -> None:
    body = pages.failure(pages.PARAMETER_MISSING, f"Required parameter '{name}' type String is not present")
    context.hub.reply_http(request.connection, request.call, 400, pages.JSON, body)


def _reply_config(context: Context, request: "HttpRequest", key: tuple[str, str, str], *, v3: bool) -> bool:
    tag = request.parameters.get("tag")
    asked = tag or request.headers.get("vipserver-tag")
    who = (request.connection, request.call)
    return context.hub.reply_config(*who, *key, v3, client_ip=request.client_ip, tag=asked, by_tag=bool(tag))


def _is_linearizable(request: "HttpRequest") -> bool:
    """The core leaves the question whether it holds what is committed now to this side."""
    return request.parameters.get("linearizable", "").lower() == "true"


def _reply_v3(context: Context, request: "HttpRequest", status: int, body: bytes) -> None:
    context.hub.reply_http(request.connection, request.call, status, pages.JSON, body)


def _reply(context: Context, request: "HttpRequest", status: int, body: bytes) -> None:
    context.hub.reply_http(request.connection, request.call, status, pages.JSON_UTF8, body)
