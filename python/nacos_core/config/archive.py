"""Configurations as a zip archive, in both of its layouts (protocol/semantics.md section 4.4).

Entries are ``group/dataId``. What is known beside the content is in ``.meta.yml``, lines with names of applications, or
in ``.metadata.yml``, which knows type, description and tags, too, and here the JSON Schema, which the existing server
does not look for. Nothing is ever unpacked to a disk.
"""

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import IO, TYPE_CHECKING, TypeAlias, cast

from nacos_core import clock, limits
from nacos_core.config import metadata_yaml
from nacos_core.config.metadata_yaml import MetadataIllegal

if TYPE_CHECKING:
    from nacos_core._core import ConfigView

Found: TypeAlias = "tuple[str, str, str, ConfigView]"
"""Namespace, group, data id, and the configuration."""

METADATA_V1 = ".meta.yml"
METADATA_V2 = ".metadata.yml"
_ENCRYPTED_FLAG = 1
_UNREADABLE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, RuntimeError, OverflowError)
"""What the library raises over bytes that are no archive."""
_FIRST_YEAR_OF_ZIP = 1980


class ArchiveRefused(ValueError):
    """It is no archive of configurations, or too large; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Packed:
    """One configuration of an archive."""

    group: str
    data_id: str
    content: str
    type: str | None = None
    application: str | None = None
    description: str | None = None
    tags: str | None = None
    schema: str | None = None


@dataclass(slots=True)
class Archive:
    """What is in an archive."""

    configs: list[Packed] = field(default_factory=list)
    unrecognized: list[str] = field(default_factory=list)
    """What is not a configuration, each with its reason if that is not its name."""


class _Sink:
    """A file that can only be written to; what it was given is taken from it part by part."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._bytes_count = 0

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        self._bytes_count += len(data)
        return len(data)

    def flush(self) -> None:
        """There is nothing behind it."""

    def is_worth_taking(self) -> bool:
        return self._bytes_count >= limits.ARCHIVE_PART_BYTES

    def take(self) -> bytes:
        part = b"".join(self._parts)
        self._parts, self._bytes_count = [], 0
        return part


def check_size(content_bytes: int) -> None:
    """Raises ``ArchiveRefused`` if the contents of an archive would take too much."""
    if content_bytes > limits.ARCHIVE_BYTES_MAX:
        limit = limits.ARCHIVE_BYTES_MAX
        raise ArchiveRefused(f"the contents take {content_bytes} bytes, over {limit}: export them in parts")


def pack(found: "Callable[[], Iterable[Found]]", *, with_v2: bool) -> Iterator[bytes]:
    """Makes an archive, in parts that may be empty: no more than a few files are packed for one.

    Args:
        found: the same each time it is called: once for the contents, once for what is said about them.
    """
    sink, kind = _Sink(), zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(cast("IO[bytes]", sink), "w", kind) as archive:
        for number, (_, group, data_id, config) in enumerate(found(), 1):
            entry = zipfile.ZipInfo(f"{group}/{data_id}", _date(config.last_modified_ms))
            archive.writestr(entry, config.content, kind)
            if sink.is_worth_taking() or number % limits.ARCHIVE_PART_COUNT == 0:
                yield sink.take()
        name = METADATA_V2 if with_v2 else METADATA_V1
        lines = metadata_yaml.write(_item(*each) for each in found()) if with_v2 else _lines(found())
        first = next(lines, None)
        if first is not None:
            entry = zipfile.ZipInfo(name, _date(0))
            entry.compress_type = kind
            with archive.open(entry, "w") as file:
                for number, line in enumerate(chain([first], lines), 1):
                    file.write(line.encode())
                    if number % limits.ARCHIVE_PART_COUNT == 0:
                        yield sink.take()
    yield sink.take()


def _date(wall_ms: int) -> tuple[int, int, int, int, int, int]:
    year, month, day, hour, minute, second, *_ = map(int, re.findall(r"\d+", clock.timestamp(wall_ms)))
    return (
        (year, month, day, hour, minute, second) if year >= _FIRST_YEAR_OF_ZIP else (_FIRST_YEAR_OF_ZIP, 1, 1, 0, 0, 0)
    )


def _item(_namespace: str, group: str, data_id: str, config: "ConfigView") -> dict[str, str | None]:
    return {
        "appName": config.application,
        "configTags": config.tags,
        "dataId": data_id,
        "desc": config.description,
        "group": group,
        "schema": config.schema,
        "type": config.type,
    }


def _lines(found: "Iterable[Found]") -> Iterator[str]:
    for _, group, data_id, config in found:
        if config.application:
            yield f"{_name_v1(group, data_id)}={config.application}\r\n"


def _name_v1(group: str, data_id: str) -> str:
    stem, dot, extension = data_id.rpartition(".")
    return f"{group}.{stem}{'~' if dot else ''}{extension}.app"


def unpack(data: bytes) -> Archive:
    """Reads an archive of either layout.

    Raises:
        ArchiveRefused: it is none, it holds too much, or a name leads out of it.
        MetadataIllegal: what it says about its contents cannot be understood.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            texts = _read(archive)
    except ArchiveRefused:
        raise
    except _UNREADABLE as error:
        raise ArchiveRefused(f"it is no zip archive that can be read: {error}") from None
    metadata = texts.pop(METADATA_V2, None)
    if metadata is not None:
        texts.pop(METADATA_V1, None)
        return _of_v2(texts, metadata)
    return _of_v1(texts, texts.pop(METADATA_V1, ""))


def _read(archive: zipfile.ZipFile) -> dict[str, str]:
    entries = archive.infolist()
    if len(entries) > limits.ARCHIVE_ENTRIES_COUNT_MAX:
        raise ArchiveRefused(f"it holds {len(entries)} files, over {limits.ARCHIVE_ENTRIES_COUNT_MAX}")
    texts: dict[str, str] = {}
    rest_bytes = limits.ARCHIVE_BYTES_MAX
    for entry in entries:
        name = entry.filename
        _check_name(name)
        if entry.is_dir():
            continue
        if entry.flag_bits & _ENCRYPTED_FLAG:
            raise ArchiveRefused(f"{name} is encrypted")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ArchiveRefused(f"{name} is compressed in another way than deflated")
        if name in texts:
            raise ArchiveRefused(f"{name} is there twice")
        of_metadata = name in (METADATA_V1, METADATA_V2)
        most = limits.ARCHIVE_METADATA_BYTES_MAX if of_metadata else limits.CONTENT_CHARACTERS_MAX
        # What an entry says about its size need not be true.
        with archive.open(entry) as file:
            content = file.read(min(most, rest_bytes) + 1)
        if len(content) > most:
            raise ArchiveRefused(f"{name} is larger than {most} bytes")
        rest_bytes -= len(content)
        if rest_bytes < 0:
            raise ArchiveRefused(f"it holds more than {limits.ARCHIVE_BYTES_MAX} bytes")
        try:
            texts[name] = content.decode()
        except UnicodeDecodeError:
            raise ArchiveRefused(f"{name} is not UTF-8") from None
    return texts


def _check_name(name: str) -> None:
    parts = name.split("/")
    if not name.isprintable() or "\\" in name or ":" in parts[0][1:2] or parts[0] == "" or ".." in parts:
        raise ArchiveRefused(f"{name!r} is no name of a configuration")


def _key_of(name: str) -> tuple[str, str] | None:
    group, _, data_id = name.partition("/")
    return (group, data_id) if group and data_id and "/" not in data_id else None


def _of_v1(texts: dict[str, str], metadata: str) -> Archive:
    applications = {}
    for number, line in enumerate(metadata.splitlines(), 1):
        name, is_there, application = line.partition("=")
        if line.strip() and not is_there:
            raise MetadataIllegal(f"{METADATA_V1} line {number}: 'name=application' expected")
        applications[name.strip()] = application.strip()
    archive = Archive()
    for name, content in texts.items():
        key = _key_of(name)
        if key is None:
            archive.unrecognized.append(name)
            continue
        of_application = applications.get(_name_v1(*key)) or None
        archive.configs.append(Packed(*key, content, _type_of(key[1]), of_application))
    return archive


def _type_of(data_id: str) -> str | None:
    """By its extension; what is none is for the rules to say."""
    extension = data_id.rpartition(".")[2].lower()
    return {"yml": "yaml", "htm": "html", "txt": "text"}.get(extension, extension) if "." in data_id else None


def _of_v2(texts: dict[str, str], metadata: str) -> Archive:
    items = {}
    for item in metadata_yaml.read(metadata):
        for name in ("dataId", "group", "type"):
            if not item.get(name, "").strip():
                raise MetadataIllegal(f"{METADATA_V2}: an item has no {name}")
        items[item["group"], item["dataId"]] = item
    if not items:
        raise MetadataIllegal(f"{METADATA_V2} names no configuration")
    archive = Archive()
    contents = {}
    for name, content in texts.items():
        found = _key_of(name)
        if found is None:
            archive.unrecognized.append(name)
        elif found not in items:
            archive.unrecognized.append(f"Item not found in metadata: {name}")
        else:
            contents[found] = content
    for key, item in items.items():
        if key not in contents:
            archive.unrecognized.append(f"Item not found in file: {key[0]}/{key[1]}")
            continue
        of_item = [item.get(name) or None for name in ("type", "appName", "desc", "configTags", "schema")]
        archive.configs.append(Packed(*key, contents[key], *of_item))
    return archive
