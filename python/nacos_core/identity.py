"""Who this node is: an id that is made once and kept in the data folder, and how often the node was started."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from nacos_core.errors import StartError

if TYPE_CHECKING:
    from nacos_core.storage import Storage

IDENTITY_FILE = "node.json"
NODE_ID_BYTES = 6


class Identity(msgspec.Struct, frozen=True):
    """An address says where a node lives now; the id says which it is, for ever."""

    node_id: str
    boot: int
    """Rises with each start, so that what was sent before is not taken for something new."""
    cluster_id: str = ""
    """Empty until the node belongs to a cluster, even to one of its own."""
    has_joined: bool = False
    """It is certain to be or to have been a member. If it is left out of a configuration, it was removed: it does not
    ask to join again, as one does whose entry was lost with the leader that took it in."""


def load_identity(storage: "Storage", entropy: Callable[[int], bytes], *, is_log_empty: bool) -> Identity:
    """The node that lives there at its next start, or a new one that nobody has met; durable when this returns.

    Raises:
        StartError: the file cannot be used, or the log is another node's; it names the file.
    """
    try:
        known = msgspec.json.decode(storage.read(IDENTITY_FILE), type=Identity)
        identity = msgspec.structs.replace(known, boot=known.boot + 1)
    except FileNotFoundError:
        if not is_log_empty:  # a new id would stand in none of its configurations, and wait for ever
            raise StartError(
                f"{storage.place} holds a log, but {IDENTITY_FILE}, which says whose it is, is gone: bring that file "
                "back, or start with an empty folder"
            ) from None
        identity = Identity(entropy(NODE_ID_BYTES).hex(), 1)
    except (OSError, msgspec.DecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise StartError(f"{storage.place / IDENTITY_FILE} cannot be read: {reason}") from None
    storage.replace(IDENTITY_FILE, msgspec.json.encode(identity))
    return identity


def remember_cluster(storage: "Storage", identity: Identity, cluster_id: str) -> Identity:
    """The node belongs to that cluster from now on; durable when this returns."""
    return _keep(storage, msgspec.structs.replace(identity, cluster_id=cluster_id))


def remember_joining(storage: "Storage", identity: Identity) -> Identity:
    """The node is or was a member; durable when this returns."""
    return _keep(storage, msgspec.structs.replace(identity, has_joined=True))


def _keep(storage: "Storage", identity: Identity) -> Identity:
    storage.replace(IDENTITY_FILE, msgspec.json.encode(identity))
    return identity


def check_log_is_there(storage: "Storage", identity: Identity, *, is_log_empty: bool) -> None:
    """A voter that has lost its log has forgotten its votes and what it acknowledged: it must not go on under its id.

    Raises:
        StartError: says what to do.
    """
    if identity.cluster_id and is_log_empty:
        raise StartError(
            f"{storage.place} is the folder of node {identity.node_id} of cluster {identity.cluster_id}, but its log "
            "is gone: start with an empty folder, and the node joins its cluster anew under another id"
        )
