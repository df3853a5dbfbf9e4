"""The namespaces that were made, as the log tells it."""

from collections.abc import Iterable, Iterator

import msgspec

from nacos_core.namespaces.rules import DEFAULT_NAMESPACE


class Namespace(msgspec.Struct, frozen=True, array_like=True):
    """One namespace; configurations and services name it by its id."""

    namespace: str
    name: str
    description: str | None


class Namespaces:
    """All but the default one, in the order in which they were made."""

    def __init__(self) -> None:
        self._all: dict[str, Namespace] = {}

    def __iter__(self) -> Iterator[Namespace]:
        return iter(self._all.values())

    def get(self, namespace: str) -> Namespace | None:
        """The one of this id."""
        return self._all.get(namespace)

    def create(self, namespace: Namespace) -> bool:
        """Whether the id was free."""
        if namespace.namespace in self._all or namespace.namespace == DEFAULT_NAMESPACE:
            return False
        self._all[namespace.namespace] = namespace
        return True

    def update(self, namespace: Namespace) -> bool:
        """Whether there is one of this id."""
        if namespace.namespace not in self._all:
            return False
        self._all[namespace.namespace] = namespace
        return True

    def remove(self, namespace: str) -> bool:
        """Whether there was one."""
        return self._all.pop(namespace, None) is not None

    def replace(self, namespaces: Iterable[Namespace]) -> None:
        """Now there are these."""
        self._all = {namespace.namespace: namespace for namespace in namespaces}
