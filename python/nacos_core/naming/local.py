"""Publications of the program that embeds the node: one publisher, many instances a service."""

from collections.abc import Sequence
from typing import TypeAlias

from nacos_core.naming.model import Instance

ServiceKey: TypeAlias = tuple[str, str, str]


class LocalPublications:
    """What the embedding program has registered. The registry takes a publisher's whole list at once."""

    def __init__(self) -> None:
        self._services: dict[ServiceKey, dict[tuple[str, int, str], Instance]] = {}

    def with_instance(self, key: ServiceKey, instance: Instance) -> list[Instance]:
        """The list as it is to be published for this instance to be in it; nothing is remembered yet."""
        return self.with_instances(key, [instance])

    def with_instances(self, key: ServiceKey, instances: Sequence[Instance]) -> list[Instance]:
        """As ``with_instance``, for several."""
        added = {_place(instance): instance for instance in instances}
        return list({**self._services.get(key, {}), **added}.values())

    def without_instance(self, key: ServiceKey, ip: str, port: int, cluster: str) -> list[Instance]:
        """The list without this instance; nothing is remembered yet."""
        return [each for place, each in self._services.get(key, {}).items() if place != (ip, port, cluster)]

    def of(self, key: ServiceKey) -> list[Instance]:
        """What is remembered of one service."""
        return list(self._services.get(key, {}).values())

    def services(self) -> list[ServiceKey]:
        """The services of which something is remembered."""
        return list(self._services)

    def keep(self, key: ServiceKey, instances: Sequence[Instance]) -> None:
        """Remembers what has been published."""
        if instances:
            self._services[key] = {_place(instance): instance for instance in instances}
        else:
            self._services.pop(key, None)


def _place(instance: Instance) -> tuple[str, int, str]:
    return instance.ip, instance.port, instance.cluster
