"""What was last heard, on disk: it outlives the servers, and this process.

One file for each configuration and each list of instances. A file is replaced as a whole, so that a crash leaves the
old one or the new one; what cannot be read is left alone and counts as nothing.
"""

import hashlib
import logging
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar, TypeVarTuple

import anyio
import anyio.to_thread
import msgspec

_logger = logging.getLogger(__name__)

_NAME_CHARACTERS = 60
_DIGEST_CHARACTERS = 16

Value = TypeVar("Value")
Arguments = TypeVarTuple("Arguments")
Key = tuple[str, str, str]


class _Entry(msgspec.Struct, Generic[Value]):
    """The key stands in it, for the name of the file is only a digest of it."""

    key: Key
    value: Value


class Cache:
    """A folder that several processes may share. None: nothing is kept.

    ``kind`` tells configurations from lists; a key is namespace, group and name.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._lock = anyio.Lock()

    async def save(self, kind: str, key: Key, value: object) -> None:
        """Replaces what was there. A disk that is full or read-only is no reason to fail: it is logged."""
        if self._folder is not None:
            await self._in_turn(_replace, self._path(kind, key), msgspec.json.encode({"key": key, "value": value}))

    async def forget(self, kind: str, key: Key) -> None:
        """A server said that it is not there any more."""
        if self._folder is not None:
            await self._in_turn(_remove, self._path(kind, key))

    async def load(self, kind: str, key: Key, type: type[Value]) -> Value | None:
        """What was saved last; None if there is nothing that can be read."""
        if self._folder is None:
            return None
        path = self._path(kind, key)
        try:
            entry = msgspec.json.decode(await anyio.to_thread.run_sync(path.read_bytes), type=_Entry[type])  # type: ignore[valid-type]
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            _logger.warning("%s is of no use: %s", path, error)
            return None
        return entry.value if entry.key == key else None

    def _path(self, kind: str, key: Key) -> Path:
        assert self._folder is not None, "there is a folder"
        digest = hashlib.sha256(msgspec.json.encode(key)).hexdigest()[:_DIGEST_CHARACTERS]
        readable = re.sub(r"[^a-zA-Z0-9._-]", "_", key[2])[:_NAME_CHARACTERS]
        return self._folder / kind / f"{readable}-{digest}.json"

    async def _in_turn(self, action: Callable[[*Arguments], None], *arguments: *Arguments) -> None:
        """One after the other, so that what was heard last stays."""
        async with self._lock:
            try:
                await anyio.to_thread.run_sync(action, *arguments)
            except OSError as error:
                _logger.warning("the cache in %s cannot be written: %s", self._folder, error)


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".new", delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
