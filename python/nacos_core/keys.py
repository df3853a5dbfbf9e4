"""Keys of the node's own, made at the first start and kept with its data."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from nacos_core.errors import StartError

if TYPE_CHECKING:
    from nacos_core.storage import Storage


def load_or_create(storage: "Storage", name: str, bytes_count: int, entropy: Callable[[int], bytes]) -> bytes:
    """The key in the file of that name, made and durably written the first time.

    Raises:
        StartError: the file is there, and is not a key of this length.
    """
    try:
        key = storage.read(name)
    except FileNotFoundError:
        key = entropy(bytes_count)
        storage.replace(name, key)
        return key
    if len(key) != bytes_count:
        raise StartError(
            f"{storage.place / name} has {len(key)} bytes instead of {bytes_count}: restore it, or remove it for a new "
            "key"
        )
    return key
