"""Gray releases: what they are called, who gets them before whom, and how their commands are applied (docs/gray.md).

How a rule is read, and whom it takes, is the core's (rust/core/src/configs/rule.rs).
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from nacos_core import _core, limits
from nacos_core.commands import PromoteGray, PublishConfig, PublishGray, RemoveGray
from nacos_core.errors import InvalidParameter

if TYPE_CHECKING:
    from collections.abc import Callable

    from nacos_core._core import Hub

    Get: TypeAlias = Callable[[str], str | None]

BETA: Final = "beta"
RULE_VERSION: Final = "1.0.0"
"""Of the JSON that describes a rule (protocol/semantics.md section 4.1)."""

_PRIORITIES: Final = {"beta": 2**31 - 1, "tag": 2**31 - 2, "label": 1000, "percent": 0}
_OWN_PRIORITY_MAX: Final = 2**31 - 3
"""Beta and tag come before all that operators name."""
_NAME_MISSING: Final = "Parameter 'grayName' is missing."

_is_name = re.compile(r"[\w\-:.]+").fullmatch


class GrayRefused(InvalidParameter):
    """The rule of a gray release is wrong; the message says what."""


class GrayNameRefused(InvalidParameter):
    """The name of a gray release is wrong; the message says what."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a gray release is called and who gets it."""

    name: str
    priority: int
    kind: str
    rule: str


def tag_name(tag: str) -> str:
    """The name of the release for a tag."""
    return f"tag_{tag}"


def terms_asked(beta_ips: str | None, tag: str | None, get: "Get") -> Terms | None:
    """The terms of what a request publishes; None: the formal version.

    ``get`` gives the parameters of our own: ``grayLabels`` or ``grayPercent``, with ``grayName`` and ``grayPriority``.

    Raises:
        GrayRefused, GrayNameRefused: says what is wrong.
    """
    own = [(kind, rule) for kind, name in (("label", "grayLabels"), ("percent", "grayPercent")) if (rule := get(name))]
    if own and (len(own) > 1 or beta_ips or tag):
        raise GrayRefused("A gray release has one rule: one of betaIps, tag, grayLabels and grayPercent.")
    if beta_ips:  # it comes before a tag, as in the existing server
        return _checked(Terms(BETA, _PRIORITIES["beta"], "beta", beta_ips))
    if tag:
        return _checked(Terms(tag_name(tag), _PRIORITIES["tag"], "tag", tag))
    if not own:
        if get("grayName") or get("grayPriority"):
            raise GrayRefused("A gray release needs a rule: grayLabels or grayPercent.")
        return None
    kind, rule = own[0]
    return _checked(Terms(_own_name(get("grayName") or kind), _own_priority(kind, get("grayPriority")), kind, rule))


def name_asked(get: "Get") -> str:
    """The name of the release that a request is about.

    Raises:
        GrayNameRefused: it is missing, or cannot be one.
    """
    name = get("grayName")
    if not name:
        raise GrayNameRefused(_NAME_MISSING)
    return _checked_name(name)


def publication(command: PublishConfig, terms: Terms, type: str | None) -> PublishGray:
    """The command that publishes to some what ``command`` would publish to all.

    Raises:
        GrayRefused: ``command`` is only for where nothing is.
    """
    if command.create_only:
        raise GrayRefused("createOnly is for publications to all, not for gray releases.")
    return PublishGray(
        command.namespace,
        command.group,
        command.data_id,
        terms.name,
        terms.priority,
        terms.kind,
        terms.rule,
        command.content,
        command.type if type else "",
        command.cas_md5,
        command.encrypted_data_key,
        command.application,
        command.source_user,
        command.source_ip,
    )


def apply(hub: "Hub", now_ms: int, command: PublishGray | RemoveGray | PromoteGray) -> str | bool | list[str]:
    """Applies a command of the log. Gives the md5, whether there was one to remove, or why it is refused.

    Raises:
        ValueError: the rule cannot be read.
    """
    key = (command.namespace, command.group, command.data_id)
    source_user, source_ip = command.source_user, command.source_ip
    match command:
        case PublishGray():
            return hub.publish_gray(
                *key,
                command.name,
                command.priority,
                command.kind,
                command.rule,
                command.content,
                command.type,
                now_ms=now_ms,
                cas_md5=command.cas_md5,
                encrypted_data_key=command.encrypted_data_key,
                application=command.application,
                source_user=source_user,
                source_ip=source_ip,
            )
        case RemoveGray():
            return hub.remove_gray(*key, command.name, now_ms=now_ms, source_user=source_user, source_ip=source_ip)
        case PromoteGray():
            return hub.promote_gray(
                *key,
                command.name,
                now_ms=now_ms,
                cas_md5=command.cas_md5,
                source_user=source_user,
                source_ip=source_ip,
            )


def rule_text(terms: tuple[str, int, str, str]) -> str:
    """The rule as the existing server shows it: JSON within the JSON."""
    _, priority, kind, rule = terms
    return msgspec.json.encode({"type": kind, "version": RULE_VERSION, "expr": rule, "priority": priority}).decode()


def _checked(terms: Terms) -> Terms:
    try:
        _core.check_gray_rule(terms.kind, terms.rule)
    except ValueError as error:
        raise GrayRefused(str(error)) from None
    return terms


def _own_name(name: str) -> str:
    if name == BETA or name.startswith(tag_name("")):
        text = "is taken: 'beta' and 'tag_...' are those by betaIps and tag."
        raise GrayNameRefused(f"The name '{name}' of a gray release {text}")
    return _checked_name(name)


def _checked_name(name: str) -> str:
    if len(name) > limits.GRAY_NAME_CHARACTERS_MAX or not _is_name(name):
        text = f"is not made of 1 to {limits.GRAY_NAME_CHARACTERS_MAX} letters, digits and - _ . :"
        raise GrayNameRefused(f"The name '{name}' of a gray release {text}")
    return name


def _own_priority(kind: str, text: str | None) -> int:
    if not text:
        return _PRIORITIES[kind]
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(_OWN_PRIORITY_MAX))
    if not is_number or int(text) > _OWN_PRIORITY_MAX:
        raise GrayRefused(f"The priority '{text}' of a gray release is no number from 0 to {_OWN_PRIORITY_MAX}.")
    return int(text)
