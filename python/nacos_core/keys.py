"""Small files of the node's own, keys above all, kept in its data folder with no access for anybody else."""

import os
from collections.abc import Callable
from pathlib import Path

from nacos_core.errors import StartError


def load_or_create(path: Path, bytes_count: int, entropy: Callable[[int], bytes]) -> bytes:
    """The key in the file at ``path``, made and durably written the first time.

    Raises:
        StartError: the file is there, and is not a key of this length.
    """
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        key = entropy(bytes_count)
        replace_file(path, key)
        return key
    if len(key) != bytes_count:
        raise StartError(
            f"{path} has {len(key)} bytes instead of {bytes_count}: restore it, or remove it for a new key"
        )
    return key


def replace_file(path: Path, content: bytes) -> None:
    """Writes a small file durably; a crash leaves it as it was, or whole."""
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    beside.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
