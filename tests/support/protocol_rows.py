"""What the documents of the protocol list: endpoints of ranks M and S, and gRPC requests."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PROTOCOL = Path(__file__).parents[2] / "docs" / "protocol"
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH")
_token = re.compile(r"`(?P<path>(?:/[^`]*)?)`|(?P<method>\b(?:GET|POST|PUT|DELETE|PATCH)\b)|(?P<end>;)")

Endpoint = tuple[str, str]


def endpoints() -> set[Endpoint]:
    """Method and path, as the main port has it."""
    found: set[Endpoint] = set()
    section = ""
    for line in (PROTOCOL / "http.md").read_text().splitlines():
        if line.startswith("#"):
            section = line.split()[1]
        cells = re.split(r"(?<!\\)\|", line)[1:-1]
        if len(cells) < 2 or cells[0].strip().startswith("-"):
            continue
        if cells[0].strip() in ("M", "S"):
            found.update(_of_row(cells[1], ""))
        elif section == "6.1" and "`/v3/" in cells[0]:
            found.update(_of_row(cells[0], ""))
        elif section in ("6.2", "6.3") and "`/" in cells[0]:
            found.update(_of_row(" ".join(cells), {"6.2": "/v3/admin", "6.3": "/v3/console"}[section]))
    return {(method, path if path.startswith("/nacos/") else f"/nacos{path}") for method, path in found}


def _of_row(text: str, root: str) -> Iterator[Endpoint]:
    """Paths that begin with a version stand for themselves; others continue the one that the row began with."""
    base, methods, last = "", [], ""
    ended = True  # nothing before belongs to what follows
    tokens = list(_token.finditer(re.sub(r"\([^)]*\)", "", text)))
    for number, token in enumerate(tokens):
        if token["end"]:
            yield from ((method, base) for method in methods if base)
            base, methods, ended = "", [], True
        elif token["method"]:
            if ended and methods and base:  # the ones before stand for the base
                yield from ((method, base) for method in methods)
                methods = []
            methods.append(token["method"])
            following = tokens[number + 1] if number + 1 < len(tokens) else None
            between = text_between(text, token, following)
            if base and between == "," and following is not None and following["path"] is not None:
                yield token["method"], base
            ended = bool(base) and between != "/"
        else:
            path = token["path"].split("?")[0].rstrip("\\")
            if path.startswith(("/v1/", "/v2/", "/v3/", "/nacos/")):
                last = path
                if not methods:
                    base = path
                    continue
            elif root and not base:
                base = root + path
                continue
            elif base:
                last = base + path
                methods = methods or ["GET"]
            elif path.startswith("/actuator/"):
                last = path
            else:  # beside the one before
                last = last.rpartition("/")[0] + path
            yield from ((method, last) for method in methods)
            ended = True
            following = tokens[number + 1] if number + 1 < len(tokens) else None
            if following is None or following["method"] or following["end"]:
                methods = []
    yield from ((method, base) for method in methods if base)


def text_between(text: str, token: re.Match[str], following: re.Match[str] | None) -> str:
    """What stands between two of them, without what is in parentheses."""
    bare = re.sub(r"\([^)]*\)", "", text)
    return bare[token.end() : following.start()].strip() if following is not None else ""


def requests() -> set[str]:
    """The types of gRPC requests and pushes in the tables, and the ones that are described in a sentence."""
    text = (PROTOCOL / "grpc.md").read_text()
    _, _, tables = text.partition("## 3 Internal requests")
    tables = tables.partition("## 8 Auth")[0]
    firsts = [line.split("|")[1] for line in tables.splitlines() if line.startswith("| ")]
    sentences = re.findall(r"`([A-Z]\w+Request)[ `]", tables)
    return {name for first in firsts for name in re.findall(r"[A-Z]\w+Request\b", first)} | set(sentences)
