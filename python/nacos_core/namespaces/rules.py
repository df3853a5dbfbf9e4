"""What namespaces may be called, in the words that the existing server uses (protocol/semantics.md section 5)."""

import re
from typing import Final

from nacos_core import limits
from nacos_core.errors import InvalidParameter

DEFAULT_NAMESPACE: Final = "public"
DEFAULT_DESCRIPTION: Final = "Default Namespace"


class NamespaceRefused(InvalidParameter):
    """An id, a name or a description cannot be used, or the namespace cannot be changed."""


class NamespaceExists(InvalidParameter):
    """There is one of this id."""


class NamespaceAbsent(InvalidParameter):
    """There is none of this id."""


_is_id = re.compile(r"[\w-]+", re.ASCII).fullmatch
_is_name = re.compile(r"[^@#$%^&*]+").fullmatch


def exists(namespace: str) -> NamespaceExists:
    """The refusal of an id that is taken."""
    if namespace == DEFAULT_NAMESPACE:
        return NamespaceExists(f"namespaceId [{namespace}] is default namespace id and already exist.")
    return NamespaceExists(f"namespaceId [{namespace}] already exist.")


def absent(namespace: str) -> NamespaceAbsent:
    """The refusal of an id that nobody made."""
    return NamespaceAbsent(f"namespaceId [ {namespace} ] not exist")


def check_id(namespace: str) -> None:
    """Raises ``NamespaceRefused`` for an id of other characters, or one that is too long."""
    if not _is_id(namespace):
        raise NamespaceRefused(f"namespaceId [{namespace}] mismatch the pattern")
    if len(namespace) > limits.NAMESPACE_ID_CHARACTERS_MAX:
        raise NamespaceRefused(f"too long namespaceId, over {limits.NAMESPACE_ID_CHARACTERS_MAX}")


def check_texts(name: str, description: str | None) -> None:
    """Raises ``NamespaceRefused`` for a name that is empty, too long or of other characters, or a long description."""
    if not _is_name(name):
        raise NamespaceRefused(f"namespaceName [{name}] contains illegal char")
    if len(name) > limits.NAMESPACE_NAME_CHARACTERS_MAX:
        raise NamespaceRefused(f"too long namespaceName, over {limits.NAMESPACE_NAME_CHARACTERS_MAX}")
    if description is not None and len(description) > limits.NAMESPACE_DESCRIPTION_CHARACTERS_MAX:
        raise NamespaceRefused(f"too long namespaceDesc, over {limits.NAMESPACE_DESCRIPTION_CHARACTERS_MAX}")


def check_not_default(namespace: str) -> None:
    """Raises ``NamespaceRefused`` for the one that is always there as it is."""
    if namespace == DEFAULT_NAMESPACE:
        raise NamespaceRefused(f"namespaceId [{namespace}] is default namespace id and can not be changed.")
