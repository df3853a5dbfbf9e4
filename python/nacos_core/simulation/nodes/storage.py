"""What a simulated node keeps: the log on the simulated disk, and small files beside it."""

from collections.abc import Callable
from pathlib import Path

import trio

from nacos_core._core import Log, LogFailed
from nacos_core.simulation.disks import Disk
from nacos_core.storage import LogSync


class SimulatedSync:
    """Takes what was written, waits as long as the disk takes, and makes it durable.

    Args:
        stalled_until: until when the machine does not run.
        failed: is told of a failed sync before the node is.
    """

    def __init__(
        self, log: Log, disk: Disk, stalled_until: Callable[[], float], failed: Callable[[LogFailed], None]
    ) -> None:
        self.is_syncing = False
        self._log = log
        self._disk = disk
        self._stalled_until = stalled_until
        self._failed = failed
        self._written = trio.Event()

    def look(self) -> None:
        """Called after every step of the node: something may wait to be written."""
        if not self._written.is_set() and self._log.has_work:
            self._written.set()

    async def wait(self) -> None:
        """As ``LogSync.wait``. Raises LogFailed: the sync failed."""
        while not self._log.begin_sync():
            self._written = trio.Event()
            await self._written.wait()
        self.is_syncing = True
        await trio.sleep(self._disk.sync_seconds())
        await trio.sleep_until(max(trio.current_time(), self._stalled_until()))
        self.is_syncing = False
        try:
            self._log.complete_sync()
        except LogFailed as error:
            self._failed(error)
            raise


class SimulatedStorage:
    """One for each disk; a lost disk is followed by another one.

    A small file is durable as soon as ``replace`` returns, and nothing else happens meanwhile.
    """

    def __init__(
        self, node_id: str, disk: Disk, stalled_until: Callable[[], float], failed: Callable[[LogFailed], None]
    ) -> None:
        self.place = Path(node_id)
        """As ``Storage.place``."""
        self.log: Log | None = None
        """As it was opened last."""
        self.sync: SimulatedSync | None = None
        self._disk = disk
        self._stalled_until = stalled_until
        self._failed = failed
        self._files: dict[str, bytes] = {}

    def open_log(self) -> tuple[Log, LogSync]:
        """As ``Storage.open_log``."""
        self.log = self._disk.open_log()
        self.sync = SimulatedSync(self.log, self._disk, self._stalled_until, self._failed)
        return self.log, self.sync

    def read(self, name: str) -> bytes:
        """As ``Storage.read``."""
        try:
            return self._files[name]
        except KeyError:
            raise FileNotFoundError(2, "No such file", name) from None

    def replace(self, name: str, content: bytes) -> None:
        """As ``Storage.replace``."""
        self._files[name] = content
