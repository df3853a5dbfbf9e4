"""Archives of configurations: what is read of metadata, and what is refused."""

from __future__ import annotations

import contextlib
import io
import random
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacos_core import _core, limits
from nacos_core.config import archive, metadata_yaml
from nacos_core.config.archive import ArchiveRefused, Packed
from nacos_core.config.metadata_yaml import MetadataIllegal
from nacos_core.server.multipart import parts

if TYPE_CHECKING:
    from collections.abc import Iterator


def zipped(*entries: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries:
            file.writestr(name, content)
    return buffer.getvalue()


def found() -> list[tuple[str, str, str, _core.ConfigView]]:
    hub = _core.Hub(digest_key=bytes(16), abilities={}, require_tokens=False)
    hub.put_config("ns", "G", "a.b.yaml", b"a: 1", type="yaml", now_ms=1_700_000_000_000, application="shop")
    hub.put_config(
        "ns", "H", "plain", "ü".encode(), type="json", now_ms=0, description="it's: \n \U0001f680", tags="x,y"
    )
    search = _core.ConfigSearch("ns")
    assert hub.search_configs(search)
    return search.found()


def test_what_is_packed_is_unpacked() -> None:
    whole = archive.unpack(b"".join(archive.pack(found, with_v2=True)))
    assert whole.unrecognized == []
    assert whole.configs == [
        Packed("G", "a.b.yaml", "a: 1", "yaml", "shop", None, None),
        Packed("H", "plain", "ü", "json", None, "it's: \n \U0001f680", "x,y"),
    ]


def test_the_first_layout_knows_applications_only() -> None:
    packed = b"".join(archive.pack(found, with_v2=False))
    with zipfile.ZipFile(io.BytesIO(packed)) as file:
        assert file.namelist() == ["G/a.b.yaml", "H/plain", ".meta.yml"]
        assert file.read(".meta.yml") == b"G.a.b~yaml.app=shop\r\n"
        assert file.infolist()[0].date_time == (2023, 11, 14, 22, 13, 20)
    whole = archive.unpack(packed)
    assert whole.configs == [Packed("G", "a.b.yaml", "a: 1", "yaml", "shop"), Packed("H", "plain", "ü")]


SNAKE = """metadata:
- appName: shop
  dataId: a.yaml
  desc: a description that is so long that the library which writes it breaks it
    into several lines
  group: G
  type: yaml
- dataId: 'it''s: b'
  desc: "two\\nlines and \\u00fc \\
    \\ and a space \\ud83d\\ude80"
  group: '1'
  type: text
- dataId: c
  desc: 'quoted: over

    two lines'
  appName: null
  group: G
  type: text
"""


def test_metadata_is_read_as_the_existing_server_writes_it() -> None:
    first, second, third = metadata_yaml.read(SNAKE)
    long = "a description that is so long that the library which writes it breaks it into several lines"
    assert first == {"appName": "shop", "dataId": "a.yaml", "desc": long, "group": "G", "type": "yaml"}
    assert (second["dataId"], second["group"]) == ("it's: b", "1")
    assert second["desc"] == "two\nlines and ü  and a space \U0001f680"
    assert third == {"dataId": "c", "desc": "quoted: over\ntwo lines", "group": "G", "type": "text"}


ITEMS = st.lists(
    st.dictionaries(
        st.sampled_from(metadata_yaml.FIELDS), st.text(st.characters(exclude_categories=["Cs"])), min_size=1
    )
)


@given(ITEMS)
def test_metadata_is_read_as_it_was_written(items: list[dict[str, str]]) -> None:
    assert metadata_yaml.read("".join(metadata_yaml.write(dict(item) for item in items))) == items


@given(st.text(st.sampled_from("metadata:\n -'\"\\axgroup|#~")))
def test_any_text_is_read_or_refused(text: str) -> None:
    for whole in (text, f"metadata:\n- {text}"):
        with contextlib.suppress(MetadataIllegal):
            for item in metadata_yaml.read(whole):
                assert "" not in item, "no name is empty"


@pytest.mark.parametrize("text", ["x", "a: b", "metadata:\n  a: b", "metadata:\n- a: 'b", "metadata:\n- a: |\n    b"])
def test_metadata_that_is_something_else_is_refused(text: str) -> None:
    with pytest.raises(MetadataIllegal, match="line"):
        metadata_yaml.read(text)


def metadata(*keys: tuple[str, str]) -> tuple[str, bytes]:
    items: list[dict[str, str | None]] = [
        {"group": group, "dataId": data_id, "type": "text"} for group, data_id in keys
    ]
    return ".metadata.yml", "".join(metadata_yaml.write(items)).encode()


def test_what_is_not_on_both_sides_is_not_recognized() -> None:
    entries = [("G/a", b"1"), ("G/b", b"2"), ("c", b"3"), ("G/d/e", b"4"), ("G/", b"")]
    whole = archive.unpack(zipped(*entries, metadata(("G", "a"), ("G", "gone"))))
    assert [config.data_id for config in whole.configs] == ["a"]
    missing = ["Item not found in metadata: G/b", "c", "G/d/e", "Item not found in file: G/gone"]
    assert whole.unrecognized == missing
    assert archive.unpack(zipped(*entries)).unrecognized == ["c", "G/d/e"]


@pytest.mark.parametrize("name", ["../G/a", "/G/a", "G/../../a", "G\\a", "C:/a", "G/a\n", "G/\x1b[31m"])
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    info = zipfile.ZipInfo("G/a")
    info.filename = name
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(info, b"1")
    with pytest.raises(ArchiveRefused, match="is no name of a configuration"):
        archive.unpack(buffer.getvalue())


def test_archives_that_hold_too_much_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    large = b"\0" * (limits.CONTENT_CHARACTERS_MAX + 1)
    with pytest.raises(ArchiveRefused, match="G/a is larger than"):
        archive.unpack(zipped(("G/a", large)))
    monkeypatch.setattr(limits, "ARCHIVE_BYTES_MAX", 1000)
    with pytest.raises(ArchiveRefused, match="it holds more than 1000 bytes"):
        archive.unpack(zipped(("G/a", b"\0" * 600), ("G/b", b"\0" * 600)))
    monkeypatch.setattr(limits, "ARCHIVE_ENTRIES_COUNT_MAX", 2)
    with pytest.raises(ArchiveRefused, match="it holds 3 files, over 2"):
        archive.unpack(zipped(*[(f"G/{number}", b"") for number in range(3)]))
    monkeypatch.setattr(limits, "ARCHIVE_BYTES_MAX", 3)
    with pytest.raises(ArchiveRefused, match="the contents take 6 bytes, over 3"):
        archive.check_size(6)


@pytest.mark.parametrize("with_v2", [True, False])
def test_an_archive_is_packed_a_few_files_at_a_time(monkeypatch: pytest.MonkeyPatch, with_v2: bool) -> None:
    monkeypatch.setattr(limits, "ARCHIVE_PART_COUNT", 10)
    view = found()[0][3]
    taken: list[str] = []

    def many() -> Iterator[archive.Found]:
        for number in range(100):
            taken.append(str(number))
            yield "ns", "G", str(number), view

    whole, most_count, before_count = b"", 0, 0
    for part in archive.pack(many, with_v2=with_v2):
        whole += part
        most_count, before_count = max(most_count, len(taken) - before_count), len(taken)
    assert most_count <= 11, "one more is asked for, to see that there is none"
    assert len(archive.unpack(whole).configs) == 100


def test_large_files_are_parts_of_their_own() -> None:
    hub = _core.Hub(digest_key=bytes(16), abilities={}, require_tokens=False)
    content = random.Random(7).randbytes(limits.ARCHIVE_PART_BYTES)
    for number in range(5):
        hub.put_config("ns", "G", str(number), content, type="text", now_ms=1)
    search = _core.ConfigSearch("ns")
    assert hub.search_configs(search)
    sizes = [len(part) for part in archive.pack(search.found, with_v2=True)]
    assert len(sizes) == 6
    assert max(sizes) < 1.1 * limits.ARCHIVE_PART_BYTES


def test_an_entry_that_lies_about_its_size_is_refused() -> None:
    whole = bytearray(zipped(("G/a", b"\0" * (limits.CONTENT_CHARACTERS_MAX + 5))))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = whole.find(signature) + offset
        whole[at : at + 4] = (5).to_bytes(4, "little")
    with pytest.raises(ArchiveRefused):
        archive.unpack(bytes(whole))


def test_what_is_no_archive_is_refused() -> None:
    good = zipped(("G/a", b"1" * 100))
    encrypted = bytearray(good)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        encrypted[encrypted.find(signature) + offset] |= 1
    for bad in (b"", b"x", good[:-5], good[10:], bytes(encrypted), zipped(("G/a", b"\xff"))):
        with pytest.raises(ArchiveRefused):
            archive.unpack(bad)
    with pytest.raises(MetadataIllegal, match="an item has no type"):
        archive.unpack(zipped(("G/a", b"1"), (".metadata.yml", b"metadata:\n- group: G\n  dataId: a\n")))
    with pytest.raises(MetadataIllegal, match="names no configuration"):
        archive.unpack(zipped(("G/a", b"1"), (".metadata.yml", b"metadata: []\n")))


PACKED = zipped(("G/a", b"1" * 100), metadata(("G", "a")))


@given(st.integers(0, len(PACKED) - 1), st.binary(max_size=3))
def test_any_bytes_are_unpacked_or_refused(at: int, noise: bytes) -> None:
    with contextlib.suppress(ArchiveRefused, MetadataIllegal):
        archive.unpack(PACKED[:at] + noise + PACKED[at + len(noise) :])


TYPE = "multipart/form-data; boundary=xyz"
BODY = (
    b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a.zip"\r\nContent-Type: a/b\r\n\r\n1\r\n--2\r\n'
)
BODY += b'--xyz\r\ncontent-disposition: form-data; name="policy"\r\n\r\nSKIP\r\n--xyz--\r\n'


def test_parts_of_an_upload_are_found() -> None:
    assert parts(TYPE, BODY) == {"file": b"1\r\n--2", "policy": b"SKIP"}
    assert parts(TYPE, b"preamble\r\n" + BODY) == parts(TYPE, BODY)
    assert parts('multipart/form-data; boundary="xyz"', BODY) == parts(TYPE, BODY)
    assert parts(TYPE, BODY[:-10]) == {"file": b"1\r\n--2"}
    assert parts("text/plain", BODY) == parts("multipart/form-data", BODY) == parts(TYPE, b"") == {}


@given(st.binary(max_size=60), st.integers(0, len(BODY)), st.integers(0, len(BODY)))
def test_any_upload_is_read(noise: bytes, start: int, end: int) -> None:
    parts(TYPE, BODY[:start] + noise + BODY[end:])
