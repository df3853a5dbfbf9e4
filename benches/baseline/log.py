"""A replicated log in plain Python, as fast as plain Python does it: the yardstick of the log's benchmarks.

A record is a struct header (length, checksum, index, term) and its payload; a batch is one join and one unbuffered
write; terms and offsets are lists.
"""

import struct
from collections.abc import Sequence
from io import FileIO
from zlib import crc32

HEADER = struct.Struct("<IIQQ")


class PlainLog:
    """Entries behind a base, in memory or in one file; `terms[0]` and `offsets[0]` are those of the base."""

    def __init__(self, file: FileIO | None = None) -> None:
        self.file = file
        self.base_index = 0
        self.terms = [0]
        self.offsets = [0]
        self.end = 0
        self.batches: list[bytes] = []

    @property
    def last_index(self) -> int:
        return self.base_index + len(self.terms) - 1

    def append(self, term: int, payloads: Sequence[bytes]) -> int:
        """Appends entries of one term; the new last index."""
        pack, add_offset = HEADER.pack, self.offsets.append
        parts: list[bytes] = []
        add_part = parts.append
        index, end = self.last_index + 1, self.end
        for payload in payloads:
            length = len(payload)
            add_part(pack(length, crc32(payload, index), index, term))
            add_part(payload)
            add_offset(end)
            end += 24 + length
            index += 1
        self.terms.extend([term] * len(payloads))
        self._write(parts, end)
        return index - 1

    def try_append(self, prev_index: int, prev_term: int, entries: Sequence[tuple[int, bytes]]) -> int | None:
        """Appends what a leader sent if the log agrees at `prev_index`; the last index that agrees, or None."""
        terms, at = self.terms, prev_index - self.base_index
        if at >= len(terms) or terms[at] != prev_term:
            return None
        at += 1
        if at < len(terms):
            kept = 0
            for term, _ in entries:
                if at == len(terms) or terms[at] != term:
                    break
                at += 1
                kept += 1
            entries = entries[kept:]
            if entries and at < len(terms):
                self._truncate(at)
        pack, add_offset, add_term = HEADER.pack, self.offsets.append, terms.append
        parts: list[bytes] = []
        add_part = parts.append
        index, end = self.base_index + at, self.end
        for term, payload in entries:
            length = len(payload)
            add_part(pack(length, crc32(payload, index), index, term))
            add_part(payload)
            add_offset(end)
            add_term(term)
            end += 24 + length
            index += 1
        self._write(parts, end)
        return index - 1

    def compact(self) -> None:
        """Forgets every entry; the last becomes the base."""
        self.base_index = self.last_index
        del self.terms[:-1], self.offsets[:-1]
        self.batches.clear()
        if self.file is not None:
            self.file.seek(0)
            self.file.truncate()
            self.offsets, self.end = [0], 0

    def _write(self, parts: list[bytes], end: int) -> None:
        data = b"".join(parts)
        if self.file is None:
            self.batches.append(data)
        else:
            self.file.write(data)
        self.end = end

    def _truncate(self, at: int) -> None:
        """Drops the entries from a place in the lists on."""
        over = self.end - self.offsets[at]
        self.end = self.offsets[at]
        del self.terms[at:]
        del self.offsets[at:]
        if self.file is not None:
            self.file.seek(self.end)
            self.file.truncate()
        while over > 0 and self.batches:
            last = self.batches.pop()
            if len(last) > over:
                self.batches.append(last[: len(last) - over])
            over -= len(last)

    @classmethod
    def recover(cls, file: FileIO) -> "PlainLog":
        """Reads a file back, checking every record."""
        log = cls(file)
        unpack, size = HEADER.unpack_from, HEADER.size
        add_term, add_offset = log.terms.append, log.offsets.append
        data = memoryview(file.read())
        offset, end, expected = 0, len(data), 1
        while offset + size <= end:
            length, checksum, index, term = unpack(data, offset)
            start = offset + size
            if index != expected or crc32(data[start : start + length], index) != checksum:
                break
            add_term(term)
            add_offset(offset)
            offset = start + length
            expected += 1
        log.end = offset
        return log
