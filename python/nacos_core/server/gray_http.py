"""Gray releases over HTTP: the beta of the protocol (protocol/http.md sections 3 and 6), and paths of our own for all.

What publishes and removes configurations makes its commands here, because beta, tag and our own parameters turn a
publication into that of a gray release (docs/gray.md).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from nacos_core.commands import PromoteGray, PublishConfig, PublishGray, RemoveConfig, RemoveGray
from nacos_core.config import gray
from nacos_core.config.rules import ParameterRefused
from nacos_core.errors import CasMismatch, GrayAbsent, NacosCoreError
from nacos_core.proposals import Result
from nacos_core.server import pages
from nacos_core.server.config_list_http import describe
from nacos_core.server.context import Context
from nacos_core.server.description import KEY, NAMESPACE, SOURCE_USER, takes
from nacos_core.server.versions import V1, V3, Refused, Version, answer, key_of, refuse
from nacos_core.server.who import user_of

if TYPE_CHECKING:
    from nacos_core._core import GrayView, GrpcRequest, HttpRequest
    from nacos_core.config.service import Attributes

Key: TypeAlias = tuple[str, str, str]

OWN_TERMS: Final = ("grayLabels", "grayPercent", "grayName", "grayPriority")
PUBLISH_HEADERS: Final = ("betaips", "casmd5")
"""Parameters and headers with which a publication becomes that of a gray release, or is made only if."""

_BETA_ABSENT = "There is no beta release of this configuration."


def terms(version: Version, request: "HttpRequest") -> gray.Terms | None:
    """To whom a request publishes; None: to all. Our own parameters are those of version 3.

    Raises:
        GrayRefused, GrayNameRefused: says what is wrong.
    """
    get = request.parameters.get
    beta_ips = request.headers.get("betaips") or get("betaIps")
    return gray.terms_asked(beta_ips, get("tag"), get if version is V3 else lambda _: None)


def publication(
    version: Version,
    context: Context,
    request: "HttpRequest | GrpcRequest",
    terms: gray.Terms | None,
    tenant: str | None,
    group: str,
    data_id: str,
    content: str,
    *,
    get: Callable[[str], str | None],
    cas_md5: str | None,
) -> PublishConfig | PublishGray:
    """The command that publishes to all, or to some.

    A gray release is of the type of the formal version unless it says otherwise, and is checked against it.

    Args:
        version: whose names tags and user have; gRPC has those of version 1.
        get: gives what is said beside key and content, by its names in the protocol; None or empty: nothing.
        cas_md5: None or empty: whatever is there now.

    Raises:
        ParameterRefused, ConfigRefused, GrayRefused: says what is wrong.
    """
    type = get("type")
    attributes: Attributes = {
        "cas_md5": cas_md5 or "",
        "create_only": (get("createOnly") or "").lower() == "true",
        "encrypted_data_key": get("encryptedDataKey") or "",
        "description": get("desc"),
        "application": get("appName"),
        "tags": get(version.tags),
        "use": get("use"),
        "effect": get("effect"),
        "schema": get("schema"),
        "source_user": user_of(context, request, get(version.source_user)),
        "source_ip": request.client_ip,
    }
    command = context.config.publication(tenant, group, data_id, content, type, **attributes)
    if terms is None:
        return command
    formal = context.hub.get_config(command.namespace, group, data_id)
    if not type and formal is not None:
        type = formal.type
        command = context.config.publication(tenant, group, data_id, content, type, **attributes)
    return gray.publication(command, terms, type)


def removal(command: RemoveConfig, tag: str | None) -> RemoveConfig | RemoveGray:
    """The command that removes the formal version, or the release for a tag."""
    return _removal(command, gray.tag_name(tag)) if tag else command


def _removal(command: RemoveConfig, name: str) -> RemoveGray:
    return RemoveGray(command.namespace, command.group, command.data_id, name, command.source_user, command.source_ip)


@takes(*KEY, optional=(NAMESPACE,), statuses=(404,))
def query_beta(version: Version, context: Context, request: "HttpRequest") -> None:
    """The release for addresses.

    Version 1 answers with a result of its own, and with null if there is none.
    """
    try:
        key = key_of(version, request)
        found = _find(context, key, gray.BETA)
        if found is None and version is not V1:
            raise Refused(404, pages.NOT_FOUND, _BETA_ABSENT)
    except (Refused, ParameterRefused) as error:
        refuse(version, context, request, error)
        return
    data = None if found is None else _describe(version, key, found)
    if version is V1:
        if found is not None and data is not None:
            data |= {"betaIps": found.rule}
        answer(V1, context, request, {"code": 200, "message": "query beta ok", "data": data})
    else:
        answer(version, context, request, data)


@takes(*KEY, optional=(NAMESPACE, SOURCE_USER))
def remove_beta(version: Version, context: Context, request: "HttpRequest") -> None:
    """Ends the release for addresses, and also if there is none."""
    if version is V1:
        _remove(version, context, request, lambda: gray.BETA, {"code": 200, "message": "stop beta ok", "data": True})
    else:
        _remove(version, context, request, lambda: gray.BETA, True)


@takes(*KEY, optional=(NAMESPACE,))
def list_all(context: Context, request: "HttpRequest") -> None:
    """All gray releases of one configuration, without their contents, in the order in which they are tried."""
    try:
        key = key_of(V3, request)
    except (Refused, ParameterRefused) as error:
        refuse(V3, context, request, error)
        return
    listed = [_describe(V3, key, each) for each in context.hub.grays(*key)]
    for each in listed:
        del each["content"], each["encryptedDataKey"]
    answer(V3, context, request, listed)


@takes(*KEY, "grayName", optional=(NAMESPACE,), statuses=(404,))
def detail(context: Context, request: "HttpRequest") -> None:
    """One gray release by its name, with its content."""
    try:
        key = key_of(V3, request)
        name = gray.name_asked(request.parameters.get)
        found = _find(context, key, name)
        if found is None:
            raise Refused(404, pages.NOT_FOUND, f"there is no gray release '{name}' of this configuration")
    except (Refused, ParameterRefused, gray.GrayNameRefused) as error:
        refuse(V3, context, request, error)
    else:
        answer(V3, context, request, _describe(V3, key, found))


@takes(*KEY, "grayName", optional=(NAMESPACE, SOURCE_USER))
def remove(context: Context, request: "HttpRequest") -> None:
    """Ends a gray release by its name, and also if there is none: its clients get what others get."""
    _remove(V3, context, request, lambda: gray.name_asked(request.parameters.get), True)


@takes(*KEY, "grayName", optional=(NAMESPACE, SOURCE_USER, "casMd5"), headers=("casmd5",), statuses=(404, 500))
def promote(context: Context, request: "HttpRequest") -> None:
    """Publishes a gray release to all, as one command. ``casMd5``: only if that is what it holds."""
    get = request.parameters.get
    try:
        key = key_of(V3, request)
        name = gray.name_asked(get)
    except (Refused, ParameterRefused, gray.GrayNameRefused) as error:
        refuse(V3, context, request, error)
        return
    cas_md5 = request.headers.get("casmd5") or get("casMd5") or ""
    command = PromoteGray(*key, name, cas_md5, user_of(context, request, get(V3.source_user)), request.client_ip)

    def finish(result: Result) -> None:
        match result:
            case GrayAbsent():
                refuse(V3, context, request, Refused(404, pages.NOT_FOUND, str(result)))
            case CasMismatch():
                refuse(V3, context, request, Refused(500, pages.CONFLICT, str(result)))
            case NacosCoreError():
                refuse(V3, context, request, result)
            case _:
                answer(V3, context, request, {"md5": result})

    context.propose(command, finish)


def _remove(version: Version, context: Context, request: "HttpRequest", name: Callable[[], str], done: object) -> None:
    try:
        key = key_of(version, request)
        user = user_of(context, request, request.parameters.get(version.source_user))
        command = RemoveGray(*key, name(), user, request.client_ip)
    except (Refused, ParameterRefused, gray.GrayNameRefused) as error:
        refuse(version, context, request, error)
        return

    def finish(result: Result) -> None:
        if isinstance(result, NacosCoreError):
            refuse(version, context, request, result)
        else:
            answer(version, context, request, done)

    context.propose(command, finish)


def _find(context: Context, key: Key, name: str) -> "GrayView | None":
    return next((each for each in context.hub.grays(*key) if each.name == name), None)


def _describe(version: Version, key: Key, found: "GrayView") -> dict[str, object]:
    rule = gray.rule_text((found.name, found.priority, found.kind, found.rule))
    return describe(version, key, found.config) | {"grayName": found.name, "grayRule": rule}
