"""The shapes of HTTP answers, value for value as protocol/answers shows them."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final, TypeAlias

import msgspec

from nacos_core import clock
from nacos_core.errors import QuotaLevel

Headers: TypeAlias = tuple[tuple[str, str], ...]

# Texts may repeat what a client sent, so no browser may take them for a page.
_NO_SNIFF: Final[Headers] = (("X-Content-Type-Options", "nosniff"),)
_NO_STORE: Final[Headers] = (
    ("Cache-Control", "no-cache, no-store, max-age=0, must-revalidate"),
    ("Pragma", "no-cache"),
    ("Expires", "0"),
)
JSON: Final[Headers] = (*_NO_STORE, *_NO_SNIFF, ("Content-Type", "application/json"))
JSON_UTF8: Final[Headers] = (*_NO_STORE, *_NO_SNIFF, ("Content-Type", "application/json;charset=UTF-8"))
"""Everything under /nacos/v1/cs is labelled so, plain texts too."""
TEXT: Final[Headers] = (*_NO_STORE, *_NO_SNIFF, ("Content-Type", "text/plain;charset=UTF-8"))
FILTERED: Final[Headers] = (
    ("Pragma", "no-cache"),
    ("Expires", "Thu, 01 Jan 1970 00:00:00 GMT"),
    ("Cache-Control", "no-cache,no-store"),
    *_NO_SNIFF,
    ("Content-Type", "application/json;charset=UTF-8"),
)
"""What the parameter filter answers with."""

FILTERED_TEXT: Final[Headers] = (*FILTERED[:-1], ("Content-Type", "text/plain;charset=UTF-8"))
"""The same outside of configuration."""

CONFIG_PATHS: Final = "/nacos/v1/cs/"

# Codes of the v2 and v3 results (protocol/http.md section 8).
CONFIG_EXISTS: Final = (410, "config already exist")
"""Section 4 of protocol/semantics.md."""
OVER_QUOTA: Final = {
    QuotaLevel.CLUSTER: (5031, "cluster is over its quota"),
    QuotaLevel.GROUP: (5032, "group is over its quota"),
    QuotaLevel.NAMESPACE: (5033, "namespace is over its quota"),
    QuotaLevel.SIZE: (5034, "content is over its limit"),
}
PARAMETER_MISSING: Final = (10000, "parameter missing")
ACCESS_DENIED: Final = (10001, "access denied")
NOT_FOUND: Final = (20004, "resource not found")
CONFLICT: Final = (20005, "resource conflict")
VALIDATION: Final = (20002, "parameter validate error")
GRAY_COUNT: Final = (20010, "too many gray releases")
GRAY_RULE: Final = (20011, "gray rule is invalid")
GRAY_NAME: Final = (20013, "gray name is invalid")
NAMESPACE_ILLEGAL: Final = (22000, "illegal namespace")
NAMESPACE_ABSENT: Final = (22001, "namespace not exist")
NAMESPACE_EXISTS: Final = (22002, "namespace already exist")
METADATA_ILLEGAL: Final = (100002, "Imported metadata is invalid")
PARSING_FAILED: Final = (100004, "Parsing data failed")
DATA_EMPTY: Final = (100005, "Imported file data is empty")
NOTHING_CHOSEN: Final = (100006, "No configuration selected")
NOT_OFFERED: Final = (40001, "API is disabled")
SERVER_ERROR: Final = (30000, "server error")

to_json = msgspec.json.Encoder().encode
read_json = msgspec.json.decode


class ErrorPage(msgspec.Struct):
    """What the existing server's web framework says when no handler does."""

    timestamp: str
    status: int
    error: str
    message: str
    path: str


class Result(msgspec.Struct):
    """Every answer of the v2 and v3 APIs."""

    code: int
    message: str
    data: object


def rest_result(code: int, message: str | None = None, data: object = None) -> bytes:
    """What the parts of v1 for consoles and operators answer with; ``code``: 200, or the status of what is wrong."""
    return to_json({"code": code, "message": message, "data": data})


def error_page(status: int, message: str, path: str, now_ms: int) -> bytes:
    """The body of an error page."""
    return to_json(ErrorPage(clock.timestamp(now_ms), status, HTTPStatus(status).phrase, message, path))


def error_page_headers(path: str) -> Headers:
    """The headers of an error page at ``path``."""
    return JSON_UTF8 if path.startswith(CONFIG_PATHS) else JSON


def success(data: object) -> bytes:
    """The body of a v2 or v3 answer."""
    return to_json(Result(0, "success", data))


def around_data() -> tuple[bytes, bytes]:
    """What is before and behind the data of a v2 or v3 answer."""
    before, _, behind = success([]).partition(b"[]")
    return before, behind


def page_of(items: Sequence[object], page_no: int, page_size: int) -> dict[str, object]:
    """One page of a list that is there as a whole; the first is number 1."""
    size, number = max(page_size, 1), max(page_no, 1)
    return {
        "totalCount": len(items),
        "pageNumber": number,
        "pagesAvailable": -(-len(items) // size),
        "pageItems": items[(number - 1) * size : number * size],
    }


def failure(code: tuple[int, str], data: object = None) -> bytes:
    """The body of a v2 or v3 refusal."""
    return to_json(Result(*code, data))
