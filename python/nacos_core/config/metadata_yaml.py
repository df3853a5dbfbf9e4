"""What archives of configurations say about them: a list of flat maps in YAML, and no more of YAML than that.

The list is written with quotes around every value. It is read as the existing server writes it, which leaves quotes
away where it can, and breaks long values over several lines.
"""

import json
import re
from collections.abc import Iterable, Iterator

FIELDS = ("appName", "configTags", "dataId", "desc", "group", "schema", "type")


class MetadataIllegal(ValueError):
    """It is no such list; the message says where."""


def write(items: Iterable[dict[str, str | None]]) -> Iterator[str]:
    """The text, an item at a time. Values that are None are left out."""
    before = "metadata:\n"
    for item in items:
        given = [f"{name}: {_quote(value)}\n" for name, value in item.items() if value is not None]
        if given:
            yield f"{before}- {'  '.join(given)}"
            before = ""
    if before:
        yield "metadata: []\n"


_unprintable = re.compile("[\x7f-\x9f\ud800-\udfff\u2028\u2029\ufeff\ufffe\uffff]")


def _quote(value: str) -> str:
    # The escapes of JSON are escapes of YAML, too.
    return _unprintable.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


_is_property = re.compile(r"(?P<indent> *)(?P<mark>- +)?(?P<name>\w+):(?: +(?P<value>.*))?").fullmatch


def read(text: str) -> list[dict[str, str]]:
    """Raises ``MetadataIllegal``."""
    lines = list(enumerate(text.removeprefix("\ufeff").split("\n"), 1))
    numbered = iter([(number, line.rstrip("\r")) for number, line in lines])
    for number, line in numbered:
        if not _says_nothing(line):
            if line.rstrip() in ("metadata: []", "metadata:"):
                break
            raise MetadataIllegal(f"line {number}: 'metadata:' expected")
    items: list[dict[str, str]] = []
    for number, _indent, is_first, name, value in _properties(numbered):
        if is_first:
            items.append({})
        if not items or name in items[-1]:
            raise MetadataIllegal(f"line {number}: an item must begin with '- '")
        if value is not None:
            items[-1][name] = value
    return items


def _says_nothing(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#") or line.startswith("---")


def _properties(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, int, bool, str, str | None]]:
    number, line = next(lines, (0, None))
    while line is not None:
        if _says_nothing(line):
            number, line = next(lines, (0, None))
            continue
        found = _is_property(line)
        if found is None:
            raise MetadataIllegal(f"line {number}: 'name: value' expected")
        at, indent = number, len(found["indent"] + (found["mark"] or ""))
        value = (found["value"] or "").strip()
        if value[:1] in ("'", '"'):
            parts = [value]
            while not _is_closed(parts):
                number, line = next(lines, (0, None))
                if line is None:
                    raise MetadataIllegal(f"line {at}: the quote is not closed")
                parts.append(line.strip())
            number, line = next(lines, (0, None))
            yield at, indent, found["mark"] is not None, found["name"], _unquote(at, parts)
            continue
        if value[:1] in tuple("|>&*!{[%@`"):
            raise MetadataIllegal(f"line {at}: a plain or quoted value expected")
        parts = [value]
        number, line = next(lines, (0, None))
        while line is not None and line.strip() and len(line) - len(line.lstrip(" ")) > indent:
            parts.append(line.strip())
            number, line = next(lines, (0, None))
        plain = _fold(parts)
        yield at, indent, found["mark"] is not None, found["name"], None if plain in ("", "~", "null") else plain


def _is_closed(parts: list[str]) -> bool:
    text = "\n".join(parts)
    inner = text[1:]
    if text[0] == "'":
        return inner.endswith("'") and len(inner.replace("''", "")) > 0 and inner.replace("''", "")[-1] == "'"
    return re.fullmatch(r'(?:[^"\\]|\\.)*"', inner, re.DOTALL) is not None


def _fold(parts: list[str]) -> str:
    """One line end is a space, more of them are one less."""
    text = "\n".join(parts)
    return re.sub(r"\n+", lambda found: "\n" * (len(found[0]) - 1) or " ", text)


_ESCAPES = {"0": "\0", "a": "\a", "b": "\b", "t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "e": "\x1b"}
_ESCAPES |= {" ": " ", '"': '"', "/": "/", "\\": "\\", "N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029"}
_escape = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(\n)|(.))")


def _unquote(number: int, parts: list[str]) -> str:
    if parts[0][0] == "'":
        return _fold([*parts])[1:-1].replace("''", "'")

    def unescape(found: re.Match[str]) -> str:
        digits = found[1] or found[2] or found[3]
        if digits and int(digits, 16) <= 0x10FFFF:
            return chr(int(digits, 16))
        if found[5] in _ESCAPES:
            return _ESCAPES[found[5]]
        raise MetadataIllegal(f"line {number}: no escape of YAML: {found[0]}")

    # A backslash at the end of a line takes the line end with it.
    text = re.sub(r"(?<!\\)((?:\\\\)*)\\\n+", r"\1", "\n".join(parts))
    joined = _escape.sub(unescape, _fold(text.split("\n"))[1:-1])
    # What was written as two halves of a character outside the basic plane is one.
    return joined.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
