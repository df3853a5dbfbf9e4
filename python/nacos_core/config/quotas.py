"""How many configurations namespaces and groups may have, and how large ones, as the log tells it (docs/quotas.md).

What is there is counted by the core, and that is where publications are refused.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec

from nacos_core import limits
from nacos_core.errors import CommandRefused

if TYPE_CHECKING:
    from nacos_core._core import Hub
    from nacos_core.commands import SetConfigQuota


class QuotaDefaults(msgspec.Struct, frozen=True, array_like=True):
    """What holds for all that have no quota of their own."""

    is_enforced: bool = False
    """Whether any quota is; they are shown in any case."""
    cluster_count_max: int = limits.QUOTA_CLUSTER_COUNT
    namespace_count_max: int = limits.QUOTA_NAMESPACE_COUNT
    content_bytes_max: int = limits.QUOTA_CONTENT_BYTES


class Quota(msgspec.Struct, frozen=True, array_like=True):
    """What was set for a namespace, or for a group of one; 0: nothing, so that what is around it holds."""

    namespace: str
    group: str
    count_max: int = 0
    content_bytes_max: int = 0


class Quotas:
    """All of them, in the order in which they were first set. The core is told of each change."""

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub
        self._own: dict[tuple[str, str], Quota] = {}
        self.defaults = QuotaDefaults()
        self._tell()

    def __iter__(self) -> Iterator[Quota]:
        return iter(self._own.values())

    def set(self, command: "SetConfigQuota") -> None:
        """Changes the quota of a namespace or a group.

        Raises:
            CommandRefused: too many have one of their own already.
        """
        key = (command.namespace, command.group)
        before = self._own.get(key) or Quota(*key)
        count_max = before.count_max if command.count_max is None else command.count_max
        bytes_max = before.content_bytes_max if command.content_bytes_max is None else command.content_bytes_max
        if not count_max and not bytes_max:
            self._own.pop(key, None)
        elif key not in self._own and len(self._own) >= limits.QUOTAS_COUNT_MAX:
            text = f"{len(self._own)} namespaces and groups have a quota of their own, and no more may have one"
            raise CommandRefused(text)
        else:
            self._own[key] = Quota(*key, count_max, bytes_max)
        self._tell()

    def set_defaults(self, defaults: QuotaDefaults) -> None:
        """What holds for all others from now on."""
        self.defaults = defaults
        self._tell()

    def replace(self, defaults: QuotaDefaults, quotas: Iterable[Quota]) -> None:
        """Now there are these."""
        self.defaults = defaults
        self._own = {(quota.namespace, quota.group): quota for quota in quotas}
        self._tell()

    def _tell(self) -> None:
        own = [(each.namespace, each.group, each.count_max, each.content_bytes_max) for each in self]
        self._hub.set_config_quotas(
            own,
            enforced=self.defaults.is_enforced,
            cluster_count=self.defaults.cluster_count_max,
            namespace_count=self.defaults.namespace_count_max,
            content_bytes=self.defaults.content_bytes_max,
        )
