"""Where a node keeps what must survive it: its log, and small files of its own."""

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Protocol

import trio

from nacos_core._core import Log
from nacos_core.errors import StartError

LOG_FOLDER: Final = "log"


class LogSync(Protocol):
    """Waits until the log may have become durable a little further."""

    async def wait(self) -> None:
        """Returns when ``Log.poll`` is worth a call."""


class DescriptorSync:
    """The log has a writer thread, which makes a descriptor readable."""

    def __init__(self, log: Log) -> None:
        self._log = log

    async def wait(self) -> None:
        """As ``LogSync.wait``."""
        await trio.lowlevel.wait_readable(self._log.fileno())


class Storage(Protocol):
    """What belongs to one node, whichever process runs it."""

    @property
    def place(self) -> Path:
        """Where it is, for people."""

    def open_log(self) -> tuple[Log, LogSync]:
        """Opens the log, or creates it. Raises LogError: it is damaged, or another process has it."""

    def read(self, name: str) -> bytes:
        """A small file. Raises FileNotFoundError: there is none; OSError: it cannot be read."""

    def replace(self, name: str, content: bytes) -> None:
        """Writes a small file, with no access for anybody else. It is durable when this returns; a crash leaves it as
        it was, or whole."""


class Folder:
    """A folder, made where there is none. What is not ``is_lasting`` need not survive a power cut.

    Raises:
        StartError: it cannot be made.
    """

    def __init__(self, place: Path, *, is_lasting: bool = True) -> None:
        self.place = place
        """As ``Storage.place``."""
        self._is_lasting = is_lasting
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StartError(f"cannot make the data folder {place}: {error.strerror}") from None

    def open_log(self) -> tuple[Log, LogSync]:
        """As ``Storage.open_log``."""
        log = Log.open(str(self.place / LOG_FOLDER), unsafe_no_sync=not self._is_lasting)
        return log, DescriptorSync(log)

    def read(self, name: str) -> bytes:
        """As ``Storage.read``."""
        return (self.place / name).read_bytes()

    def replace(self, name: str, content: bytes) -> None:
        """As ``Storage.replace``."""
        path = self.place / name
        beside = path.with_suffix(".new")
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, content)
            self._sync(descriptor)
        finally:
            os.close(descriptor)
        beside.rename(path)
        folder = os.open(self.place, os.O_RDONLY)
        try:
            self._sync(folder)
        finally:
            os.close(folder)

    def _sync(self, descriptor: int) -> None:
        if self._is_lasting:
            os.fsync(descriptor)


def open_folder(place: Path | None, resources: ExitStack) -> Folder:
    """The folder, or without one a temporary one that is removed with ``resources``.

    Raises:
        StartError: it cannot be made.
    """
    if place is not None:
        return Folder(place)
    from tempfile import TemporaryDirectory

    # What is removed at the end need not survive a power cut.
    return Folder(Path(resources.enter_context(TemporaryDirectory(prefix="nacos-core-"))), is_lasting=False)
