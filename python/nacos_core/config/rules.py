"""What names and attributes a configuration may have, in the words that the existing server uses.

Rules: protocol/semantics.md section 4; texts: protocol/answers. Two kinds of refusal, because clients see them in
different shapes: the parameter filter's (``ParameterRefused``) and the handler's (``ConfigRefused``).
"""

import re
from typing import Final

from nacos_core import limits
from nacos_core.commands import PublishConfig
from nacos_core.errors import InvalidParameter

DEFAULT_NAMESPACE: Final = "public"
DEFAULT_TYPE: Final = "text"
TYPES: Final = frozenset({"text", "json", "xml", "yaml", "html", "properties", "toml"})


class ParameterRefused(InvalidParameter):
    """The parameter filter, which runs before any handler, refuses a name."""


class ConfigRefused(InvalidParameter):
    """The handler refuses what is published."""


_is_key = re.compile(r"[a-zA-Z0-9\-_:.]+").fullmatch
_is_namespace = re.compile(r"[\w\-]+", re.ASCII).fullmatch


def namespace_of(tenant: str | None) -> str:
    """None, blank and ``public`` are one namespace (section 1)."""
    return (tenant or "").strip() or DEFAULT_NAMESPACE


def group_key(data_id: str, group: str, namespace: str) -> str:
    """The three in one text (section 4, "Key")."""
    return "+".join(part.replace("%", "%25").replace("+", "%2B") for part in (data_id, group, namespace))


def check_key(namespace: str, group: str, data_id: str) -> None:
    """What the parameter filter checks; empty names pass it.

    Raises:
        ParameterRefused: says which name is wrong, and how.
    """
    if len(namespace) > limits.NAMESPACE_CHARACTERS_MAX or not _is_namespace(namespace):
        _refuse("namespaceId/tenant", namespace, limits.NAMESPACE_CHARACTERS_MAX)
    if data_id and (len(data_id) > limits.DATA_ID_CHARACTERS_MAX or not _is_key(data_id)):
        _refuse("dataId", data_id, limits.DATA_ID_CHARACTERS_MAX)
    if group and (len(group) > limits.GROUP_CHARACTERS_MAX or not _is_key(group)):
        _refuse("group", group, limits.GROUP_CHARACTERS_MAX)


def check_key_present(group: str, data_id: str) -> None:
    """What the handler checks of the key.

    Raises:
        ConfigRefused: a name is blank.
    """
    if not data_id.strip():
        raise ConfigRefused(f"invalid dataId : {data_id}")
    if not group.strip():
        raise ConfigRefused(f"invalid group : {group}")


def check_content(content: str) -> None:
    """Raises ``ConfigRefused`` for blank or oversize content."""
    if not content or content.isspace():
        raise ConfigRefused("content is blank : ")
    if len(content) > limits.CONTENT_CHARACTERS_MAX:
        raise ConfigRefused(f"invalid content, over {limits.CONTENT_CHARACTERS_MAX}")


def known_type(name: str | None) -> str:
    """Anything unknown is stored as text (section 4).

    Raises:
        ConfigRefused: it is too long to be a type.
    """
    if not name:
        return DEFAULT_TYPE
    if len(name) > limits.TYPE_CHARACTERS_MAX:
        raise ConfigRefused("too long type")
    lowered = name.lower()
    return lowered if lowered in TYPES else DEFAULT_TYPE


def check_attributes(publication: PublishConfig) -> None:
    """Lengths of the optional attributes.

    Raises:
        ConfigRefused: names the attribute that is too long.
    """
    check_description(publication.description, publication.tags)
    _check_length("use", publication.use, limits.USE_CHARACTERS_MAX)
    _check_length("effect", publication.effect, limits.EFFECT_CHARACTERS_MAX)
    _check_length("schema", publication.schema, limits.SCHEMA_CHARACTERS_MAX)


def check_description(description: str | None, tags: str | None) -> None:
    """Raises ``ConfigRefused`` for a description that is too long, for too many tags or one that is too long."""
    if tags:
        each = tags.split(",")
        if len(each) > limits.CONFIG_TAGS_COUNT_MAX:
            raise ConfigRefused("too much config_tags")
        if any(len(tag) > limits.CONFIG_TAG_CHARACTERS_MAX for tag in each):
            raise ConfigRefused("too long tag")
    _check_length("desc", description, limits.DESCRIPTION_CHARACTERS_MAX)


def _check_length(name: str, value: str | None, characters_max: int) -> None:
    if value is not None and len(value) > characters_max:
        raise ConfigRefused(f"too long {name}")


def _refuse(name: str, value: str, characters_max: int) -> None:
    if len(value) > characters_max:
        raise ParameterRefused(f"Param '{name}' is illegal, the param length should not exceed {characters_max}.")
    raise ParameterRefused(f"Param '{name}' is illegal, illegal characters should not appear in the param.")
