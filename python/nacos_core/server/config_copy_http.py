"""Many configurations at once: cloned, exported and imported (protocol/semantics.md section 4.4).

What cannot be done is said with status 200 and the code of the reason, as the existing server does.
"""

import re
from typing import TYPE_CHECKING, Final

import msgspec

from nacos_core import _core, clock, limits
from nacos_core.config import archive, copies
from nacos_core.config.archive import ArchiveRefused
from nacos_core.config.copies import Policy
from nacos_core.config.metadata_yaml import MetadataIllegal
from nacos_core.config.rules import DEFAULT_NAMESPACE, ConfigRefused, ParameterRefused, check_key, namespace_of
from nacos_core.errors import InvalidParameter
from nacos_core.server import pages
from nacos_core.server.context import Context
from nacos_core.server.description import GROUP, NAMESPACE, SOURCE_USER, takes
from nacos_core.server.long_answers import Parts, answer_in_parts, each_found
from nacos_core.server.multipart import parts as parts_of
from nacos_core.server.versions import V1, Refused, Version, answer, answer_later, ids_of, refuse
from nacos_core.server.who import user_of

if TYPE_CHECKING:
    from nacos_core._core import ConfigView, HttpRequest
    from nacos_core.commands import PublishConfig

_ZIP: Final[pages.Headers] = (*pages.JSON[:-1], ("Content-Type", "application/octet-stream"))

_TO: Final = ("policy", "targetNamespaceId", NAMESPACE, SOURCE_USER, "src_user")
_FORM: Final = {"policy", "targetNamespaceId", "namespace", "namespaceId", "tenant", "srcUser", "src_user"}
"""What may be a part of an upload beside its file."""


class _NotDone(Exception):
    """With the code of the reason, and more words about it."""

    def __init__(self, code: tuple[int, str], text: str = "") -> None:
        super().__init__(text)
        self.code = code


class _Chosen(msgspec.Struct):
    """A configuration to be cloned, in the words of v1 and of v3, and what its clone is to be called."""

    cfg_id: int | str | None = msgspec.field(default=None, name="cfgId")
    config_id: int | str | None = msgspec.field(default=None, name="configId")
    data_id: str | None = msgspec.field(default=None, name="dataId")
    target_data_id: str | None = msgspec.field(default=None, name="targetDataId")
    group: str | None = None
    target_group: str | None = msgspec.field(default=None, name="targetGroupName")


_read_chosen = msgspec.json.Decoder(list[_Chosen | None]).decode


@takes(optional=_TO, in_query=(*_TO, "namespace"), only_in={1: ("namespace",)}, bodies=("ids",))
def clone(version: Version, context: Context, request: "HttpRequest") -> None:
    """Copies configurations, named by their ids, into a namespace, there under another name if one is given."""

    async def work() -> None:
        try:
            policy, namespace = _policy(request), _target(version, context, request)
            chosen = await context.background.aside(_chosen, request.body)
            search = _core.ConfigSearch(None, ids=set(chosen))
            await context.background.in_pieces(lambda: context.hub.search_configs(search))
            if not search.found_count:
                raise _NotDone(pages.DATA_EMPTY, "none of these ids is that of a configuration")
            commands: list[PublishConfig] = []

            def add(each: "tuple[str, str, str, ConfigView]") -> None:
                _, group, data_id, config = each
                chosen_one = chosen[config.id]
                commands.append(_cloned(version, context, request, namespace, chosen_one, group, data_id, config))

            await context.background.for_each(each_found(search), add)
            await context.schemas.check_all(commands)
            copied = await copies.write(commands, policy, context.background.apply_all)
        except _NotDone as error:
            _refuse(version, context, request, error)
        else:
            _answer(version, context, request, "Clone Completed Successfully", copied)

    answer_later(version, context, request, work)


def _chosen(body: bytes) -> dict[int, _Chosen]:
    try:
        listed = [each for each in _read_chosen(body) if each is not None] if body else []
        chosen = {int(each.config_id or each.cfg_id or ""): each for each in listed}
    except (ValueError, RecursionError) as error:  # msgspec's are among them
        raise Refused(400, pages.VALIDATION, f"the body must be a list of configurations: {error}") from None
    if not chosen:
        raise _NotDone(pages.NOTHING_CHOSEN)
    if len(chosen) > limits.CONFIG_IDS_COUNT_MAX or not all(0 <= id < 2**64 for id in chosen):
        text = f"the body must name {limits.CONFIG_IDS_COUNT_MAX} configurations at most, by numbers from 0"
        raise Refused(400, pages.VALIDATION, text)
    return chosen


def _cloned(
    version: Version,
    context: Context,
    request: "HttpRequest",
    namespace: str,
    chosen: _Chosen,
    group: str,
    data_id: str,
    config: "ConfigView",
) -> "PublishConfig":
    return context.config.publication(
        namespace,
        chosen.target_group or chosen.group or group,
        chosen.target_data_id or chosen.data_id or data_id,
        config.content.decode(),
        config.type,
        encrypted_data_key=config.encrypted_data_key,
        description=config.description,
        application=config.application,
        tags=config.tags,
        use=config.use,
        effect=config.effect,
        schema=config.schema or "",  # a clone has none if its original has none
        source_user=_user(version, context, request),
        source_ip=request.client_ip,
    )


@takes(optional=("ids", "dataId", GROUP, NAMESPACE, "appName"), answer="archive")
def export(version: Version, with_v2: bool, context: Context, request: "HttpRequest") -> None:
    """An archive of the configurations of a namespace, or of those with the given ids."""
    get = request.parameters.get
    try:
        if get("ids"):
            search = _core.ConfigSearch(None, ids=ids_of(version, request, limits.CONFIG_IDS_COUNT_MAX))
        else:
            namespace = namespace_of(get(version.namespace))
            check_key(namespace, get(version.group, ""), "")
            search = _core.ConfigSearch(
                namespace, data_id=get("dataId", ""), group=get(version.group, ""), application=get("appName", "")
            )
    except (Refused, ParameterRefused) as error:
        refuse(version, context, request, error)
        return

    async def parts() -> Parts:
        packing = archive.pack(lambda: each_found(search), with_v2=with_v2)
        while (part := await context.background.aside(next, packing, None)) is not None:
            yield part
        await context.background.aside(search.release)

    async def work() -> None:
        await context.background.in_pieces(lambda: context.hub.search_configs(search))
        try:
            archive.check_size(search.content_bytes)
        except ArchiveRefused as error:
            raise Refused(400, pages.VALIDATION, str(error)) from None
        stamp = "".join(re.findall(r"\d+", clock.timestamp(context.wall_clock()))[:6])
        name = f"attachment;filename=nacos_config_export_{stamp}.zip"
        headers = (*_ZIP, ("Content-Disposition", name))
        await answer_in_parts(context, request, headers, parts())

    answer_later(version, context, request, work)


@takes(optional=_TO, in_query=(*_TO, "namespace"), only_in={1: ("namespace",)}, bodies=("file",))
def import_archive(version: Version, context: Context, request: "HttpRequest") -> None:
    """Publishes what is in an archive of either layout. The other parameters may be parts of the body, too."""

    async def work() -> None:
        try:
            kind = request.headers.get("content-type", "")
            uploaded = await context.background.aside(parts_of, kind, request.body)
            packed = uploaded.pop("file", None)
            for name in _FORM & uploaded.keys():  # the parts beside the file are a form, as the console sends them
                request.parameters.setdefault(name, uploaded[name].decode(errors="replace"))
            policy, namespace = _policy(request), _target(version, context, request)
            if not packed:
                raise _NotDone(pages.DATA_EMPTY, "there is no part of the name 'file' in a multipart/form-data body")
            async with context.background.archive:
                copied = await _import(version, context, request, packed, namespace, policy)
        except _NotDone as error:
            _refuse(version, context, request, error)
        except ArchiveRefused as error:
            _refuse(version, context, request, _NotDone(pages.PARSING_FAILED, str(error)))
        except MetadataIllegal as error:
            _refuse(version, context, request, _NotDone(pages.METADATA_ILLEGAL, str(error)))
        else:
            _answer(version, context, request, "Import Completed Successfully", copied)

    answer_later(version, context, request, work)


async def _import(
    version: Version, context: Context, request: "HttpRequest", packed: bytes, namespace: str, policy: Policy
) -> copies.Copied:
    unpacked = await context.background.aside(archive.unpack, packed)
    if not unpacked.configs:
        raise _NotDone(pages.DATA_EMPTY)
    commands: list[PublishConfig] = []

    def add(each: archive.Packed) -> None:
        try:
            command = context.config.publication(
                namespace,
                each.group,
                each.data_id,
                each.content,
                each.type,
                description=each.description,
                application=each.application,
                tags=each.tags,
                schema=each.schema,
                source_user=_user(version, context, request),
                source_ip=request.client_ip,
            )
        except InvalidParameter as error:
            raise _NotDone(pages.PARSING_FAILED, f"{each.group}/{each.data_id}: {error}") from None
        commands.append(command)

    await context.background.for_each(unpacked.configs, add)
    try:
        await context.schemas.check_all(commands)
    except ConfigRefused as error:
        raise _NotDone(pages.PARSING_FAILED, str(error)) from None
    copied = await copies.write(commands, policy, context.background.apply_all)
    copied.unrecognized_count = len(unpacked.unrecognized)
    copied.unrecognized_data = [{"itemName": name} for name in unpacked.unrecognized]
    return copied


def _user(version: Version, context: Context, request: "HttpRequest") -> str | None:
    named = request.parameters.get("src_user") or request.parameters.get(version.source_user)
    return user_of(context, request, named)


def _policy(request: "HttpRequest") -> Policy:
    return Policy.named(request.parameters.get("policy", "ABORT"))


def _target(version: Version, context: Context, request: "HttpRequest") -> str:
    """The namespace to write to, which must be there."""
    get = request.parameters.get
    # The console names the target of a clone in its own way, and v1 that of an import.
    name = get("targetNamespaceId") or get(version.namespace) or (get("namespace") if version is V1 else "")
    namespace = namespace_of(name)
    check_key(namespace, "", "")
    if namespace != DEFAULT_NAMESPACE and not context.namespaces.is_made(namespace):
        raise _NotDone(pages.NAMESPACE_ABSENT, namespace)
    return namespace


def _answer(version: Version, context: Context, request: "HttpRequest", text: str, copied: copies.Copied) -> None:
    data = {"code": 200, "message": text, "data": copied} if version is V1 else copied
    answer(version, context, request, data)


def _refuse(version: Version, context: Context, request: "HttpRequest", error: _NotDone) -> None:
    code, text = error.code
    message = f"{text}: {error}" if str(error) else text
    headers = pages.JSON_UTF8 if version is V1 else pages.JSON
    body = pages.failure((code, message), {"succCount": 0})
    context.hub.reply_http(request.connection, request.call, 200, headers, body)
