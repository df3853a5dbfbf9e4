"""Namespaces over HTTP (protocol/http.md sections 5, 6.2, 6.3 and 7). Lists and details are what this node knows."""

from functools import partial
from typing import TYPE_CHECKING

from nacos_core.errors import InvalidParameter, NacosCoreError
from nacos_core.namespaces import rules
from nacos_core.namespaces.rules import DEFAULT_NAMESPACE, NamespaceAbsent, NamespaceExists
from nacos_core.proposals import Result
from nacos_core.server import pages
from nacos_core.server.context import Context, status_of
from nacos_core.server.description import takes

if TYPE_CHECKING:
    from nacos_core._core import HttpRequest
    from nacos_core.commands import Command
    from nacos_core.namespaces.state import Namespace

_GLOBAL = 0
_CUSTOM = 1


# --- v2 and v3: results ----------------------------------------------------------------------------------------------


@takes()
def list_all(context: Context, request: "HttpRequest") -> None:
    """All namespaces: the default one first, then in the order in which they were made."""
    _reply(context, request, 200, pages.success(_list(context)))


@takes("namespaceId", statuses=(404,))
def detail(context: Context, request: "HttpRequest") -> None:
    """One namespace."""
    namespace = _required(context, request, "namespaceId")
    if namespace is None:
        return
    try:
        found = context.namespaces.find(namespace)
    except NamespaceAbsent as error:
        _refuse(context, request, error)
    else:
        _reply(context, request, 200, pages.success(_describe(context, found)))


@takes("namespaceName", optional=("namespaceId", "namespaceDesc"))
def create(context: Context, request: "HttpRequest") -> None:
    """Makes a namespace; without an id, or with a blank one, one is made up."""
    _create(context, request, request.parameters.get("namespaceId"))


@takes("namespaceName", optional=("customNamespaceId", "namespaceDesc"))
def create_for_console(context: Context, request: "HttpRequest") -> None:
    """Makes a namespace; without an id, or with a blank one, one is made up."""
    _create(context, request, request.parameters.get("customNamespaceId"))


def _create(context: Context, request: "HttpRequest", namespace: str | None) -> None:
    name = _required(context, request, "namespaceName", "required parameter 'namespaceName' is missing")
    if name is None:
        return
    try:
        command = context.namespaces.creation(namespace, name, request.parameters.get("namespaceDesc"))
    except InvalidParameter as error:
        _refuse(context, request, error)
    else:
        _propose(context, request, command, rules.exists(command.namespace))


@takes("namespaceId", "namespaceName", optional=("namespaceDesc",), statuses=(404,))
def update(context: Context, request: "HttpRequest") -> None:
    """Changes name and description of a namespace."""
    namespace = _required(context, request, "namespaceId", "required parameter 'namespaceId' is missing")
    if namespace is None:
        return
    name = _required(context, request, "namespaceName", "required parameter 'namespaceName' is missing")
    if name is None:
        return
    try:
        command = context.namespaces.change(namespace, name, request.parameters.get("namespaceDesc"))
    except InvalidParameter as error:
        _refuse(context, request, error)
    else:
        _propose(context, request, command, rules.absent(namespace))


@takes("namespaceId")
def remove(context: Context, request: "HttpRequest") -> None:
    """Removes a namespace. What is in it stays; one that is not there is gone already."""
    namespace = _required(context, request, "namespaceId")
    if namespace is None:
        return
    try:
        command = context.namespaces.removal(namespace)
    except InvalidParameter as error:
        _refuse(context, request, error)
    else:
        _propose(context, request, command, None)


@takes("namespaceId")
def count(context: Context, request: "HttpRequest") -> None:
    """How many namespaces have this id among those that were made, which the default one was not."""
    namespace = _required(context, request, "namespaceId")
    if namespace is not None:
        _reply(context, request, 200, pages.success(int(context.namespaces.is_made(namespace))))


@takes("customNamespaceId")
def exists(context: Context, request: "HttpRequest") -> None:
    """Whether an id is taken."""
    namespace = _required(context, request, "customNamespaceId")
    if namespace is not None:
        is_taken = namespace == DEFAULT_NAMESPACE or context.namespaces.is_made(namespace)
        _reply(context, request, 200, pages.success(is_taken))


# --- v1: bare answers, and false for whatever cannot be done ---------------------------------------------------------


@takes(optional=("show", "namespaceId", "checkNamespaceIdExist", "customNamespaceId"), answer="bare", statuses=(404,))
def query_v1(context: Context, request: "HttpRequest") -> None:
    """All namespaces, one (``show=all``), or whether there is one (``checkNamespaceIdExist=true``)."""
    get = request.parameters.get
    if get("show") == "all":
        _detail_v1(context, request)
    elif get("checkNamespaceIdExist") == "true":
        namespace = _required_v1(context, request, "customNamespaceId")
        if namespace is not None:
            _reply(context, request, 200, pages.to_json(context.namespaces.is_made(namespace)))
    else:
        _reply(context, request, 200, pages.to_json({"code": 200, "message": None, "data": _list(context)}))


@takes("namespaceName", optional=("customNamespaceId", "namespaceDesc"))
def create_v1(context: Context, request: "HttpRequest") -> None:
    """Makes a namespace, and says whether it did."""
    name = _required_v1(context, request, "namespaceName")
    if name is None:
        return
    get = request.parameters.get
    try:
        command = context.namespaces.creation(get("customNamespaceId"), name, get("namespaceDesc"))
    except InvalidParameter:
        _reply(context, request, 200, b"false")
    else:
        context.propose(command, partial(_finish_v1, context, request))


@takes("namespace", "namespaceShowName", optional=("namespaceDesc",))
def update_v1(context: Context, request: "HttpRequest") -> None:
    """Changes name and description of a namespace, and says whether it did."""
    namespace = _required_v1(context, request, "namespace")
    if namespace is None:
        return
    name = _required_v1(context, request, "namespaceShowName")
    if name is None:
        return
    try:
        command = context.namespaces.change(namespace, name, request.parameters.get("namespaceDesc"))
    except InvalidParameter:
        _reply(context, request, 200, b"false")
    else:
        context.propose(command, partial(_finish_v1, context, request))


@takes("namespaceId")
def remove_v1(context: Context, request: "HttpRequest") -> None:
    """Removes a namespace, and says whether it did."""
    namespace = _required_v1(context, request, "namespaceId")
    if namespace is None:
        return
    try:
        command = context.namespaces.removal(namespace)
    except InvalidParameter:
        _reply(context, request, 200, b"false")
        return

    def finish(result: Result) -> None:
        _finish_v1(context, request, result if isinstance(result, NacosCoreError) else True)

    context.propose(command, finish)


def _detail_v1(context: Context, request: "HttpRequest") -> None:
    namespace = _required_v1(context, request, "namespaceId")
    if namespace is None:
        return
    try:
        found = context.namespaces.find(namespace)
    except NamespaceAbsent as error:
        _reply(context, request, 404, f"caused: {error};".encode())
    else:
        _reply(context, request, 200, pages.to_json(_describe(context, found)))


def _finish_v1(context: Context, request: "HttpRequest", result: Result) -> None:
    if isinstance(result, NacosCoreError):
        _reply(context, request, status_of(result), f"caused: {result};".encode())
    else:
        _reply(context, request, 200, pages.to_json(bool(result)))


def _required_v1(context: Context, request: "HttpRequest", name: str) -> str | None:
    value = request.parameters.get(name)
    if value is None:
        message = f"Required parameter '{name}' is not present."
        _reply(context, request, 400, pages.error_page(400, message, request.path, context.wall_clock()))
    return value


# --- both ------------------------------------------------------------------------------------------------------------


def _propose(context: Context, request: "HttpRequest", command: "Command", refusal: InvalidParameter | None) -> None:
    """``refusal`` is the answer if the command finds, where it stands in the log, that it cannot be done."""

    def finish(result: Result) -> None:
        if isinstance(result, NacosCoreError):
            _reply(context, request, status_of(result), pages.failure(pages.SERVER_ERROR, str(result)))
        elif result or refusal is None:
            _reply(context, request, 200, pages.success(True))
        else:
            _refuse(context, request, refusal)

    context.propose(command, finish)


def _refuse(context: Context, request: "HttpRequest", error: InvalidParameter) -> None:
    match error:
        case NamespaceAbsent():
            status, code = 404, pages.NAMESPACE_ABSENT
        case NamespaceExists():
            status, code = 400, pages.NAMESPACE_EXISTS
        case _:
            status, code = 400, pages.NAMESPACE_ILLEGAL
    _reply(context, request, status, pages.failure(code, str(error)))


def _required(context: Context, request: "HttpRequest", name: str, text: str | None = None) -> str | None:
    value = request.parameters.get(name)
    if value is None:
        text = text or f"Required parameter '{name}' type String is not present"
        _reply(context, request, 400, pages.failure(pages.PARAMETER_MISSING, text))
    return value


def _list(context: Context) -> list[dict[str, object]]:
    return [_describe(context, namespace) for namespace in context.namespaces.all()]


def _describe(context: Context, namespace: "Namespace") -> dict[str, object]:
    id = namespace.namespace
    is_default = not id.strip() or id == DEFAULT_NAMESPACE
    key = DEFAULT_NAMESPACE if is_default else id
    usage, quota, _ = context.hub.config_quota(key)
    return {
        "namespace": id,
        "namespaceShowName": namespace.name,
        "namespaceDesc": namespace.description,
        "quota": quota,
        "configCount": usage,
        "type": _GLOBAL if is_default else _CUSTOM,
    }


def _reply(context: Context, request: "HttpRequest", status: int, body: bytes) -> None:
    context.hub.reply_http(request.connection, request.call, status, pages.JSON, body)
