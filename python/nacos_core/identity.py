"""Who this node is: an id that is made once and kept in the data folder, and how often the node was started."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from nacos_core import keys
from nacos_core.errors import StartError

IDENTITY_FILE = "node.json"
NODE_ID_BYTES = 6


class Identity(msgspec.Struct, frozen=True):
    """An address says where a node lives now; the id says which it is, for ever."""

    node_id: str
    boot: int
    """Rises with each start, so that what was sent before is not taken for something new."""


def new_identity(entropy: Callable[[int], bytes]) -> Identity:
    """A node that nobody has met."""
    return Identity(entropy(NODE_ID_BYTES).hex(), 1)


def load_identity(folder: Path, entropy: Callable[[int], bytes]) -> Identity:
    """The node of that folder at its next start; durable when this returns.

    Raises:
        StartError: the file cannot be used; it names it.
    """
    path = folder / IDENTITY_FILE
    try:
        known = msgspec.json.decode(path.read_bytes(), type=Identity)
        identity = Identity(known.node_id, known.boot + 1)
    except FileNotFoundError:
        identity = new_identity(entropy)
    except (OSError, msgspec.DecodeError) as error:
        raise StartError(f"{path}: {error}") from None
    keys.replace_file(path, msgspec.json.encode(identity))
    return identity
