"""Records in dicts, with the rules of the core, for tests of the rules above it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DELETE_MS = 30_000
REMOVAL_KEPT_MS = 60_000
NODES = 64

Publisher = tuple[str, str, int, int]
"""("connection", node, boot, number) or ("address", ip, 0, port)."""

Key = tuple[str, Publisher]
"""Service and publisher."""

Version = tuple[int, str, int, int]
"""Epoch, node, boot, revision; compared in this order."""


class Record(msgspec.Struct, frozen=True, array_like=True):
    """What one publisher has in one service. No instances: it is a removal."""

    key: Key
    version: Version
    instances: tuple[str, ...]
    published_ms: int = 0

    @property
    def holder(self) -> tuple[str, int]:
        return self.version[1], self.version[2]

    def hash(self) -> int:
        return number_of((self.key, self.version, self.instances))

    def check(self) -> None:
        kind, node_id, boot, _ = self.key[1]
        if kind not in ("connection", "address"):
            raise ValueError(f"a publisher of the kind {kind}")
        if kind == "connection" and (node_id, boot) != self.holder:
            raise ValueError("a connection is changed by the node that has it, and by nobody else")


class Holder(NamedTuple):
    node_id: str
    boot: int
    records: int
    instances: int
    digest: bytes
    revision: int


class Applied(NamedTuple):
    applied: int
    older: int
    ours: bytes


class Differences(NamedTuple):
    wanted: bytes
    wanted_count: int
    surplus: int


def number_of(value: object) -> int:
    """A hash of 128 bits, the same on all nodes."""
    return int.from_bytes(hashlib.blake2b(msgspec.msgpack.encode(value), digest_size=16).digest(), "big")


def leaf_of(key: Key) -> int:
    return number_of(key) >> (128 - 12)


def encode(records: Iterable[Record]) -> bytes:
    found = list(records)
    return msgspec.msgpack.encode(found) if found else b""


def decode(batch: bytes) -> list[Record]:
    try:
        records = msgspec.msgpack.decode(batch, type=list[Record])
    except (msgspec.MsgspecError, ValueError) as error:
        raise ValueError(str(error)) from None
    for record in records:
        record.check()
    return records


class FakeRecords:
    """One node's. ``records`` and ``beats`` are to be looked at."""

    def __init__(self, node_id: str, boot: int) -> None:
        self.own = (node_id, boot)
        self.records: dict[Key, Record] = {}
        self.beats: dict[Key, int] = {}
        """Of own addresses: wall time of the last one."""
        self.members: list[str] = []
        self.has_left = False
        self._revision = 0
        self._revisions: dict[tuple[str, int], int] = {}
        self._changed: dict[Key, None] = {}
        self._removed_at: dict[Key, int] = {}

    # --- what clients do

    def register(self, service: str, connection: int, *instances: str, now_ms: int = 0) -> None:
        self._change((service, ("connection", *self.own, connection)), instances, now_ms)

    def close(self, connection: int, now_ms: int = 0) -> None:
        publisher = ("connection", *self.own, connection)
        for key in [key for key in self.records if key[1] == publisher]:
            self._change(key, (), now_ms)

    def register_address(self, service: str, ip: str, port: int, now_ms: int = 0) -> None:
        """Here and now, wherever the address belongs."""
        key: Key = (service, ("address", ip, 0, port))
        self._change(key, (f"{ip}:{port}",), now_ms, adopt=True)
        self.beats[key] = now_ms

    def expire(self, now_ms: int) -> int:
        """Own addresses without beats go."""
        late = [key for key, beat_ms in self.beats.items() if now_ms - beat_ms >= DELETE_MS]
        for key in late:
            del self.beats[key]
            self._change(key, (), now_ms)
        return len(late)

    def listed(self, service: str) -> list[str]:
        """Instances as clients see them."""
        found = {each for (name, _), record in self.records.items() if name == service for each in record.instances}
        return sorted(found)

    # --- the protocol of records

    def distro_take_changes(self, bytes_max: int) -> bytes | None:
        if not self._changed:
            return None
        taken = [self.records[key] for key in self._changed if key in self.records]
        self._changed.clear()
        return encode(taken) or None

    def distro_apply(self, batch: bytes, now_ms: int) -> Applied:
        applied = older = 0
        ours: list[Record] = []
        for record in decode(batch):
            have = self.records.get(record.key)
            if have is not None and have.version >= record.version:
                older += 1
                if have.version > record.version:
                    ours.append(have)
            elif record.holder == self.own:
                older += 1
            elif have is not None and have.holder == self.own and not record.instances and record.key in self.beats:
                # It was adopted elsewhere and went there for want of beats, which were heard here all the time.
                self._change(record.key, have.instances, have.published_ms, epoch=record.version[0] + 1)
            else:
                applied += 1
                self._put(record, now_ms)
                self.beats.pop(record.key, None)
        return Applied(applied, older, encode(ours))

    def distro_holders(self) -> list[Holder]:
        holders = {self.own: [0, 0, 0]}
        for record in self.records.values():
            counts = holders.setdefault(record.holder, [0, 0, 0])
            if record.instances:
                counts[0] += 1
                counts[1] += len(record.instances)
                counts[2] = (counts[2] + record.hash()) % 2**128
        others = sorted(holder for holder in holders if holder != self.own)
        return [self._holder(holder, *holders[holder]) for holder in (self.own, *others)]

    def distro_digests(self, node_id: str, boot: int, parent: int) -> bytes:
        sums = [0] * NODES
        for record in self._held(node_id, boot):
            node, leaf = divmod(leaf_of(record.key), NODES)
            if parent in (-1, node):
                place = node if parent == -1 else leaf
                sums[place] = (sums[place] + record.hash()) % 2**128
        return b"".join(each.to_bytes(16, "big") for each in sums)

    def distro_versions(self, node_id: str, boot: int, leaves: list[int]) -> bytes:
        held = [(record.key, record.version) for record in self._held(node_id, boot) if leaf_of(record.key) in leaves]
        return msgspec.msgpack.encode(held)

    def distro_differences(self, node_id: str, boot: int, leaves: list[int], theirs: bytes) -> Differences:
        versions = self._versions(theirs)
        surplus = self._surplus(node_id, boot, leaves, versions)
        wanted = [
            key for key, version in versions.items() if key not in self.records or self.records[key].version < version
        ]
        wanted += [key for key in versions if key in self.records and self.records[key].version > versions[key]]
        wanted += surplus  # the holder may know whose they are now
        return Differences(msgspec.msgpack.encode(wanted), len(wanted), len(surplus))

    def distro_records(self, node_id: str, boot: int, wanted: bytes) -> bytes:
        keys = msgspec.msgpack.decode(wanted, type=list[Key])
        return encode(self.records[key] for key in keys if key in self.records)

    def distro_drop_surplus(self, node_id: str, boot: int, leaves: list[int], theirs: bytes, now_ms: int) -> int:
        surplus = self._surplus(node_id, boot, leaves, self._versions(theirs))
        for key in surplus:
            del self.records[key]
        return len(surplus)

    def distro_load(self, after: bytes, bytes_max: int) -> tuple[bytes, bytes]:
        """Two records a page."""
        start = int(after or b"0")
        everything = sorted(self.records.values(), key=lambda record: record.key)
        end = start + 2
        return encode(everything[start:end]), str(end).encode() if end < len(everything) else b""

    def distro_adopt(self, node_id: str, boot: int, now_ms: int) -> int:
        adopted = [
            record.key
            for record in self._held(node_id, boot)
            if record.key[1][0] == "address" and self.responsible(record.key[1][1], record.key[1][3]) == self.own[0]
        ]
        for key in adopted:
            record = self.records[key]
            self._change(key, record.instances, record.published_ms, adopt=True)
            self.beats[key] = now_ms
        return len(adopted)

    def distro_drop(self, node_id: str, boot: int, now_ms: int, *, with_addresses: bool = False) -> int:
        assert (node_id, boot) != self.own
        dropped = [
            key
            for key, each in self.records.items()
            if each.holder == (node_id, boot) and (with_addresses or key[1][0] == "connection")
        ]
        for key in dropped:
            del self.records[key]
        return len(dropped)

    def distro_set_members(self, node_ids: Sequence[str], *, own_id: str) -> None:
        assert own_id == self.own[0]
        self.members = list(node_ids)

    def responsible(self, ip: str, port: int) -> str:
        if not self.members:
            return self.own[0]
        return max(self.members, key=lambda node_id: (number_of((node_id, ip, port)), node_id))

    def distro_forget_removals(self, now_ms: int, up_to_revision: int) -> int:
        def is_over(record: Record) -> bool:
            if record.holder == self.own:
                return record.version[3] <= up_to_revision
            return now_ms - self._removed_at[record.key] >= REMOVAL_KEPT_MS

        over = [record.key for record in self.removals() if is_over(record)]
        for key in over:
            del self.records[key]
        return len(over)

    def distro_leave(self) -> None:
        self.has_left = True

    # --- inside

    def removals(self) -> list[Record]:
        return [record for record in self.records.values() if not record.instances]

    def _held(self, node_id: str, boot: int) -> list[Record]:
        return [each for each in self.records.values() if each.holder == (node_id, boot) and each.instances]

    def _holder(self, holder: tuple[str, int], records: int, instances: int, digest: int) -> Holder:
        revision = self._revision if holder == self.own else self._revisions.get(holder, 0)
        return Holder(*holder, records, instances, digest.to_bytes(16, "big"), revision)

    def _change(
        self, key: Key, instances: tuple[str, ...], now_ms: int, *, adopt: bool = False, epoch: int | None = None
    ) -> None:
        if self.has_left:
            return
        have = self.records.get(key)
        if epoch is None:
            epoch = have.version[0] if have is not None else 1
            if adopt and have is not None and have.holder != self.own:
                epoch += 1
        self._revision += 1
        self._changed[key] = None
        self._put(Record(key, (epoch, *self.own, self._revision), instances, now_ms), now_ms)

    def _put(self, record: Record, now_ms: int) -> None:
        self.records[record.key] = record
        self._removed_at[record.key] = now_ms
        if record.holder != self.own:
            self._revisions[record.holder] = max(self._revisions.get(record.holder, 0), record.version[3])

    def _surplus(self, node_id: str, boot: int, leaves: list[int], versions: dict[Key, Version]) -> list[Key]:
        held = self._held(node_id, boot)
        return [each.key for each in held if leaf_of(each.key) in leaves and each.key not in versions]

    def _versions(self, theirs: bytes) -> dict[Key, Version]:
        try:
            return dict(msgspec.msgpack.decode(theirs, type=list[tuple[Key, Version]]))
        except msgspec.MsgspecError as error:
            raise ValueError(str(error)) from None
