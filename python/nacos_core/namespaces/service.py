"""Turns what is asked for into a command that makes sense, or says why it does not."""

from collections.abc import Callable

from nacos_core.commands import CreateNamespace, RemoveNamespace, UpdateNamespace
from nacos_core.namespaces import rules
from nacos_core.namespaces.rules import DEFAULT_DESCRIPTION, DEFAULT_NAMESPACE
from nacos_core.namespaces.state import Namespace, Namespaces

UUID_BYTES = 16


class NamespaceService:
    """The namespaces that this node knows of, and commands about them; every API goes through here."""

    def __init__(self, namespaces: Namespaces, entropy: Callable[[int], bytes]) -> None:
        self._namespaces = namespaces
        self._entropy = entropy

    def all(self) -> list[Namespace]:
        """The default one first, then in the order in which they were made."""
        return [self._default(DEFAULT_NAMESPACE), *self._namespaces]

    def find(self, namespace: str) -> Namespace:
        """The one of this id; blank is the default one.

        Raises:
            NamespaceAbsent: nobody made it.
        """
        if not namespace.strip() or namespace == DEFAULT_NAMESPACE:
            return self._default(namespace)
        found = self._namespaces.get(namespace)
        if found is None:
            raise rules.absent(namespace)
        return found

    def is_made(self, namespace: str) -> bool:
        """The default one was not made by anybody."""
        return self._namespaces.get(namespace) is not None

    def creation(self, namespace: str | None, name: str, description: str | None) -> CreateNamespace:
        """The command that creates a namespace; without an id, one is made up.

        Raises:
            NamespaceRefused: says what cannot be used.
            NamespaceExists: there is one of this id.
        """
        namespace = (namespace or "").strip() or self._new_id()
        rules.check_id(namespace)
        rules.check_texts(name, description)
        if namespace == DEFAULT_NAMESPACE or self.is_made(namespace):
            raise rules.exists(namespace)
        return CreateNamespace(namespace, name, description)

    def change(self, namespace: str, name: str, description: str | None) -> UpdateNamespace:
        """The command that changes name and description.

        Raises:
            NamespaceRefused: says what cannot be used.
        """
        rules.check_texts(name, description)
        rules.check_not_default(namespace)
        return UpdateNamespace(namespace, name, description)

    def removal(self, namespace: str) -> RemoveNamespace:
        """The command that removes a namespace, not what is in it.

        Raises:
            NamespaceRefused: it is the default one.
        """
        rules.check_not_default(namespace)
        return RemoveNamespace(namespace)

    def _default(self, namespace: str) -> Namespace:
        return Namespace(namespace, DEFAULT_NAMESPACE, DEFAULT_DESCRIPTION)

    def _new_id(self) -> str:
        """A UUID of version 4 (RFC 9562)."""
        drawn = bytearray(self._entropy(UUID_BYTES))
        drawn[6] = drawn[6] & 0x0F | 0x40
        drawn[8] = drawn[8] & 0x3F | 0x80
        digits = drawn.hex()
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
