"""What the versions 1, 2 and 3 of the API about configuration have in common, and how they differ: in the names of
parameters, in what is wrapped around an answer, and in the shapes of refusals (protocol/http.md section 1).
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nacos_core.config.gray import GrayNameRefused, GrayRefused
from nacos_core.config.rules import ParameterRefused, check_key, namespace_of
from nacos_core.errors import AlreadyExists, InvalidParameter, NacosCoreError, OverQuota
from nacos_core.server import pages
from nacos_core.server.context import Context, status_of
from nacos_core.server.long_answers import answer_in_parts, list_in_parts

if TYPE_CHECKING:
    from nacos_core._core import HttpRequest
    from nacos_core.server.long_answers import Parts

_logger = logging.getLogger(__name__)

INTEGER_MAX: Final = 2**31 - 1
LONG_MAX: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Version:
    """How one version of the API names what it is asked for."""

    number: int
    namespace: str
    group: str
    tags: str
    source_user: str


V1: Final = Version(1, "tenant", "group", "config_tags", "src_user")
V2: Final = Version(2, "namespaceId", "group", "configTags", "srcUser")
V3: Final = Version(3, "namespaceId", "groupName", "configTags", "srcUser")


class Refused(Exception):
    """What is asked for cannot be answered: the status, the code of v2 and v3, and the words."""

    def __init__(self, status: int, code: tuple[int, str], text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code


def key_of(version: Version, request: "HttpRequest") -> tuple[str, str, str]:
    """Namespace, group and data id.

    Raises:
        Refused: one is missing.
        ParameterRefused: one breaks the rules of names.
    """
    # Version 3 looks at the group first.
    names = (version.group, "dataId") if version is V3 else ("dataId", version.group)
    for name in names:
        required(version, request, name)
    get = request.parameters.get
    key = (namespace_of(get(version.namespace)), get(version.group, ""), get("dataId", ""))
    check_key(*key)
    return key


def required(version: Version, request: "HttpRequest", name: str, *, may_be_empty: bool = False) -> str:
    """Raises ``Refused`` if the parameter is missing."""
    value = request.parameters.get(name)
    if value is None or not (value or may_be_empty):
        text = "is not present." if version is V1 else "type String is not present"
        raise Refused(400, pages.PARAMETER_MISSING, f"Required parameter '{name}' {text}")
    return value


def integer(version: Version, request: "HttpRequest", name: str, at_most: int = LONG_MAX) -> int:
    """Raises ``Refused`` if the parameter is missing or no number from 0 to ``at_most``."""
    return integer_in(name, required(version, request, name), at_most)


def optional_integer(version: Version, request: "HttpRequest", name: str, at_most: int = LONG_MAX) -> int | None:
    """Raises ``Refused`` if the parameter is there, not empty and no number from 0 to ``at_most``."""
    return integer(version, request, name, at_most) if request.parameters.get(name) else None


def integer_in(name: str, text: str, at_most: int = LONG_MAX) -> int:
    """Raises ``Refused`` if the text is no number from 0 to ``at_most``."""
    # No number of this length can be in range, and Python refuses to read very long ones.
    value = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(at_most)) else -1
    if not 0 <= value <= at_most:
        raise Refused(400, pages.VALIDATION, f"Failed to convert '{name}' with value: '{text}'")
    return value


def positive(version: Version, request: "HttpRequest", name: str, default: int) -> int:
    """Raises ``Refused`` if the parameter is there and no number from 1."""
    if name not in request.parameters:
        return default
    value = integer(version, request, name, INTEGER_MAX)
    if value < 1:
        text = f"Required parameter '{name}' should be positive integer, current is {value}"
        raise Refused(400, pages.VALIDATION, text)
    return value


def ids_of(version: Version, request: "HttpRequest", count_max: int) -> set[int]:
    """The ids of configurations in ``ids``, a comma list.

    Raises:
        Refused: it is missing, too long, or holds something else.
    """
    texts = [text.strip() for text in required(version, request, "ids").split(",")]
    if len(texts) > count_max:
        raise Refused(400, pages.VALIDATION, f"Parameter 'ids' names {len(texts)} configurations, over {count_max}")
    return {integer_in("ids", text) for text in texts if text}


def answer(version: Version, context: Context, request: "HttpRequest", data: object) -> None:
    """In v1 the data itself, in v2 and v3 a result that holds it."""
    if version is V1:
        headers, body = pages.JSON_UTF8, pages.to_json(data)
    else:
        headers, body = pages.JSON, pages.success(data)
    context.hub.reply_http(request.connection, request.call, 200, headers, body)


async def answer_list(version: Version, context: Context, request: "HttpRequest", parts: "Parts") -> None:
    """As ``answer``, with a list that comes in parts, each a JSON array."""
    if version is V1:
        headers, before, behind = pages.JSON_UTF8, b"", b""
    else:
        headers, before, behind = pages.JSON, *pages.around_data()
    await answer_in_parts(context, request, headers, list_in_parts(parts, before, behind))


def refuse(version: Version, context: Context, request: "HttpRequest", error: Exception) -> None:
    """Says what is wrong, in the shape that clients of this version know.

    ``error``: one of those above, or a ``NacosCoreError``, for a write that got no outcome.
    """
    match error:
        case ParameterRefused():
            status, headers, body = 400, pages.FILTERED, f"{error}\r\n".encode()
        case Refused() if version is V1 and error.status == 400:  # what the web framework refuses by itself
            status, headers = 400, pages.JSON_UTF8
            body = pages.error_page(400, str(error), request.path, context.wall_clock())
        case _ if version is V1:
            status, headers, body = _status(error), pages.JSON_UTF8, cause(error)
        case Refused():
            status, headers, body = error.status, pages.JSON, pages.failure(error.code, str(error))
        case GrayRefused():
            status, headers, body = 400, pages.JSON, pages.failure(pages.GRAY_RULE, str(error))
        case GrayNameRefused():
            status, headers, body = 400, pages.JSON, pages.failure(pages.GRAY_NAME, str(error))
        case InvalidParameter():
            status, headers, body = 400, pages.JSON, pages.failure(pages.VALIDATION, str(error))
        case OverQuota():
            status, headers, body = 400, pages.JSON, pages.failure(pages.OVER_QUOTA[error.level], str(error))
        case AlreadyExists():
            status, headers, body = 409, pages.JSON, pages.failure(pages.CONFIG_EXISTS, str(error))
        case _:
            status, headers, body = _status(error), pages.JSON, pages.failure(pages.SERVER_ERROR, str(error))
    context.hub.reply_http(request.connection, request.call, status, headers, body)


def cause(error: Exception) -> bytes:
    """What version 1 says, whose answers have no place for a code: with one that clients may look for, in the text."""
    match error:
        case OverQuota():
            text = f"errCode: {pages.OVER_QUOTA[error.level][0]}, errMsg: {error}"
        case AlreadyExists():
            text = f"errCode: {pages.CONFIG_EXISTS[0]}, errMsg: {error}"
        case _:
            text = str(error)
    return f"caused: {text};".encode()


def _status(error: Exception) -> int:
    match error:
        case Refused():
            return error.status
        case InvalidParameter() | OverQuota():
            return 400
        case AlreadyExists():
            return 409
        case NacosCoreError():
            return status_of(error)
        case _:
            return 500


def answer_later(
    version: Version, context: Context, request: "HttpRequest", work: Callable[[], Awaitable[None]]
) -> None:
    """Has something done that takes long. It answers the request; what it raises becomes a refusal."""

    async def run() -> None:
        try:
            await work()
        except (Refused, NacosCoreError) as error:
            # Who raised it may know it by a name: then its traceback holds all that was worked on, and itself.
            refuse(version, context, request, error.with_traceback(None))
        except Exception:
            _logger.exception("%s %s failed", request.method, request.path)
            text = "Internal error, see the log of the server."
            refuse(version, context, request, Refused(500, pages.SERVER_ERROR, text))

    if not context.background.start(run):
        text = "too much is being searched, copied or packed at the moment, please try again later"
        refuse(version, context, request, Refused(503, pages.SERVER_ERROR, text))
