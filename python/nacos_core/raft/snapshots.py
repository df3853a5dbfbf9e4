"""Snapshots: what is in them besides the state, and how one goes to a follower piece by piece."""

import msgspec

from nacos_core import limits
from nacos_core.raft.configuration import Configuration
from nacos_core.raft.effects import SendSnapshot
from nacos_core.raft.messages import InstallSnapshot
from nacos_core.raft.sessions import Outcome

SNAPSHOT_VERSION = 1


class Snapshot(msgspec.Struct, frozen=True, array_like=True):
    """Everything that follows from the entries up to ``index``."""

    version: int
    index: int
    configuration_index: int
    configuration: Configuration | None
    last_stamp_ms: int
    sessions: dict[str, tuple[int, int, dict[int, Outcome]]]
    state: bytes


_DECODER = msgspec.msgpack.Decoder(Snapshot)


def encode(snapshot: Snapshot) -> bytes:
    """For the log's snapshot file."""
    return msgspec.msgpack.encode(snapshot)


def decode(data: bytes) -> Snapshot:
    """Raises ValueError: this is no snapshot of a version that can be read."""
    try:
        snapshot = _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"this is no snapshot: {error}") from None
    if snapshot.version != SNAPSHOT_VERSION:
        raise ValueError(f"the snapshot has version {snapshot.version}, this program reads {SNAPSHOT_VERSION}")
    return snapshot


class Incoming:
    """The pieces of the snapshot that a leader sends."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def keep(self, offset: int, data: bytes) -> None:
        """Offset 0 forgets what was kept before."""
        if offset == 0:
            self._pieces = []
        self._pieces.append(data)

    def take(self) -> bytes:
        """The whole."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


class Outgoing:
    """The snapshot that followers are being sent; loaded when the first piece is wanted, dropped in the end."""

    def __init__(self) -> None:
        self._loaded: tuple[int, int, bytes] | None = None
        self._is_loading = False
        self._waiting: dict[str, SendSnapshot] = {}
        """By receiver: who asks again while the snapshot is being loaded does not get it twice."""

    def want(self, effect: SendSnapshot, newest_index: int) -> bool:
        """Says whether the snapshot has to be loaded for it. Whoever begins gets the newest one: after an older one it
        would miss entries that are compacted, and begin again without end."""
        self._waiting[effect.to] = effect
        if effect.offset == 0 and self._loaded is not None and self._loaded[0] != newest_index:
            self._loaded = None
        if self._loaded is not None or self._is_loading:
            return False
        self._is_loading = True
        return True

    def loaded(self, snapshot: tuple[int, int, bytes] | None) -> None:
        """Index, term and data."""
        self._loaded = snapshot
        self._is_loading = False
        if snapshot is None:
            self._waiting = {}

    def take_pieces(self) -> list[tuple[str, InstallSnapshot]]:
        """The pieces that are wanted, with their receivers."""
        if self._loaded is None:
            return []
        index, term, data = self._loaded
        waiting, self._waiting = self._waiting, {}
        pieces: list[tuple[str, InstallSnapshot]] = []
        for effect in waiting.values():
            end = min(effect.offset + limits.SNAPSHOT_PIECE_BYTES, len(data))
            piece = data[effect.offset : end]
            message = InstallSnapshot(effect.term, index, term, effect.offset, end == len(data), piece)
            pieces.append((effect.to, message))
        return pieces

    def drop(self) -> None:
        """Nobody needs a snapshot any more."""
        self._loaded = None
        self._waiting = {}
