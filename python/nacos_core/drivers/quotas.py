"""The settings of the leader say what holds for all without a quota of their own; the others apply it with the log."""

import logging
from typing import TYPE_CHECKING

import msgspec
import trio

from nacos_core import limits
from nacos_core.commands import SetQuotaDefaults
from nacos_core.config.quotas import QuotaDefaults
from nacos_core.errors import NacosCoreError

if TYPE_CHECKING:
    from nacos_core.config.quotas import Quotas
    from nacos_core.in_process import Writes
    from nacos_core.raft.replica import Replica
    from nacos_core.settings import Settings

_logger = logging.getLogger(__name__)


class QuotaSettings:
    """What the settings of a node say, and whether it holds."""

    def __init__(self, settings: "Settings", quotas: "Quotas", writes: "Writes", replica: "Replica") -> None:
        self._wanted = QuotaDefaults(
            settings.config_quota,
            settings.config_quota_cluster,
            settings.config_quota_namespace,
            settings.config_quota_bytes,
        )
        self._quotas = quotas
        self._writes = writes
        self._replica = replica

    async def start(self, nursery: trio.Nursery) -> None:
        """A node that is alone serves nobody before its settings hold; in a cluster nobody waits for that."""
        if self._replica.machine.is_alone:
            await self._set()
        nursery.start_soon(self._run)

    async def _run(self) -> None:
        while True:
            if self._replica.is_leader:
                try:
                    await self._set()
                except NacosCoreError as error:
                    _logger.debug("the quotas of the settings do not hold yet: %s", error)
            await trio.sleep(limits.QUOTA_CHECK_SECONDS)

    async def _set(self) -> None:
        if self._quotas.defaults != self._wanted:
            await self._writes.apply(SetQuotaDefaults(*msgspec.structs.astuple(self._wanted)))
            _logger.info("quotas of configurations are now %s", self._wanted)
