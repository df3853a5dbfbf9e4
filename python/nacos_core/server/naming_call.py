"""One request of the naming administration: its parameters, read and checked, and its answer in the shape of its API.

v1 answers with texts and bare JSON, v3 with results (protocol/http.md section 1); what is done is the same.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from nacos_core import _core
from nacos_core.commands import ChangeMetadata
from nacos_core.errors import CommandRefused, NacosCoreError
from nacos_core.naming.changes import Change, Pairs, write_change
from nacos_core.naming.model import DEFAULT_CLUSTER
from nacos_core.proposals import Result
from nacos_core.server import pages
from nacos_core.server.context import Context, status_of
from nacos_core.server.long_answers import Parts, answer_in_parts, list_in_parts

if TYPE_CHECKING:
    from nacos_core._core import HttpRequest

_logger = logging.getLogger(__name__)

ServiceKey: TypeAlias = tuple[str, str, str]
Code: TypeAlias = tuple[int, str]

# Codes of section 8.
INSTANCE_METADATA: Final = (21002, "instance metadata error")
SERVICE_METADATA: Final = (21005, "service metadata error")
SELECTOR: Final = (21006, "selector error")
SERVICE_EXISTS: Final = (21007, "service already exist")
SERVICE_ABSENT: Final = (21008, "service not exist")
DELETE_FAILURE: Final = (21009, "service delete failure")
HEALTH_PARAMETER: Final = (21010, "healthy param miss")
CHECK_RUNNING: Final = (21011, "health check still running")
WEIGHT: Final = (21001, "weight error")

_PORT: Final = "Param 'port' is illegal, the value should be between 0 and 65535."
_FILTERED: Final = ("the param length should not exceed", "illegal characters should not appear", "between 0 and 65535")
"""What the existing server finds before any handler runs, and answers in a shape of its own."""


class Refused(Exception):
    """The request makes no sense; says so to its client."""

    def __init__(self, status: int, code: Code, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.text = text


class BrokenMetadata(Exception):
    """Metadata of an instance that is neither JSON nor pairs, which v1 answers like an accident."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request."""

    context: Context
    request: "HttpRequest"
    is_v1: bool

    # --- parameters

    def text(self, *names: str, default: str = "") -> str:
        """The first of these parameters that is not empty."""
        found = (self.request.parameters.get(name) for name in names)
        return next((value for value in found if value), default)

    def required(self, *names: str) -> str:
        """As ``text``; raises ``Refused`` if all are empty."""
        value = self.text(*names)
        if not value:
            raise self._missing(names[0])
        return value

    def flag(self, *names: str, default: bool) -> bool:
        """``true`` in any case is true, all else is not."""
        value = self.text(*names)
        return value.lower() == "true" if value else default

    def optional_flag(self, *names: str) -> bool | None:
        """None: not given."""
        return self.flag(*names, default=False) if self.text(*names) else None

    def number(self, name: str, code: Code = pages.VALIDATION) -> float | None:
        """Raises ``Refused`` for what is no number."""
        text = self.text(name)
        refused = Refused(400, code, f"Param '{name}' is illegal, it should be a number.")
        try:
            number = float(text) if text else None
        except ValueError:
            raise refused from None
        if number is not None and not isfinite(number):
            raise refused
        return number

    def whole_number(self, name: str, default: int | None = None) -> int:
        """Raises ``Refused`` if it is required and missing, or no whole number that a page can have."""
        text = self.text(name) if default is not None else self.required(name)
        if not text and default is not None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise Refused(400, pages.VALIDATION, f"Param '{name}' is illegal, it should be a whole number.")
        return int(text)

    def service_key(self) -> ServiceKey:
        """Namespace, group and name; raises ``Refused``."""
        name = self.required("serviceName")
        return self.named(self.text("namespaceId"), self.text("groupName"), name)

    def named(self, namespace: str, group: str, name: str) -> ServiceKey:
        """What these texts name, the defaults filled in; raises ``Refused``."""
        try:
            return _core.service_key(namespace, group, name)
        except ValueError as error:
            raise Refused(400, pages.VALIDATION, str(error)) from None

    def port(self) -> int:
        """Raises ``Refused``."""
        text = self.required("port").strip()
        if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) < 65536):
            raise Refused(400, pages.VALIDATION, _PORT)
        return int(text)

    def cluster(self) -> str:
        """The default one if it is not given."""
        return self.text("clusterName", "cluster").strip() or DEFAULT_CLUSTER

    def metadata(self, code: Code = INSTANCE_METADATA) -> Pairs | None:
        """None: not given. Raises ``Refused`` or ``BrokenMetadata``."""
        text = self.text("metadata")
        if not text:
            return None
        try:
            return _core.parse_metadata(text)
        except ValueError as error:
            if self.is_v1 and code is INSTANCE_METADATA:
                raise BrokenMetadata(str(error)) from None
            raise Refused(400, code, str(error)) from None

    # --- what there is

    def find_service(self, key: ServiceKey) -> bytes | None:
        """JSON of the service; None: there is none."""
        return self.context.hub.service_detail(*key)

    # --- answers

    def answer(self, data: object = "ok") -> None:
        """The request is done: v1 gets texts plain and all else as JSON, v3 a result."""
        if not self.is_v1:
            self._reply(200, pages.JSON, pages.success(data))
        elif isinstance(data, str):
            self._reply(200, pages.TEXT, data.encode())
        else:
            self._reply(200, pages.JSON, pages.to_json(data))

    def later(self, work: Callable[[], Awaitable[None]]) -> None:
        """Has something done that takes long, and that answers; what it raises becomes a refusal."""

        async def run() -> None:
            try:
                await work()
            except Refused as refused:
                self.refuse(refused)
            except Exception:
                _logger.exception("%s %s failed", self.request.method, self.request.path)
                self.refuse(Refused(500, pages.SERVER_ERROR, "Internal error, see the log of the server."))

        if not self.context.background.start(run):
            text = "too much is being searched, copied or packed at the moment, please try again later"
            self.refuse(Refused(503, pages.SERVER_ERROR, text))

    def answer_list_later(self, parts: Parts) -> None:
        """As ``answer``, with a list that comes in parts, each a JSON array."""
        before, behind = (b"", b"") if self.is_v1 else pages.around_data()
        whole = list_in_parts(parts, before, behind)
        self.later(lambda: answer_in_parts(self.context, self.request, pages.JSON, whole))

    def refuse(self, refused: Refused) -> None:
        """The request makes no sense."""
        if any(part in refused.text for part in _FILTERED):
            self._reply(400, pages.FILTERED_TEXT, f"{refused.text}\r\n".encode())
        elif self.is_v1:
            self._reply(refused.status, pages.TEXT, refused.text.encode())
        else:
            self._reply(refused.status, pages.JSON, pages.failure(refused.code, refused.text))

    def change(self, key: ServiceKey, change: Change, *, code: Code = pages.VALIDATION, data: object = "ok") -> None:
        """Hands a change to the log and answers with ``data`` once it is applied; raises ``Refused``."""
        encoded = write_change(change)
        try:
            _core.Hub.check_metadata_change(encoded)
        except ValueError as error:
            raise Refused(400, code, str(error)) from None
        self.context.propose(ChangeMetadata(*key, encoded), partial(self._finish, code, data))

    def _finish(self, code: Code, data: object, result: Result) -> None:
        match result:
            case CommandRefused():
                self.refuse(Refused(400, code, str(result)))
            case NacosCoreError():
                self.refuse(Refused(status_of(result), pages.SERVER_ERROR, str(result)))
            case _:
                self.answer(data)

    def _missing(self, name: str) -> Refused:
        if self.is_v1:
            return Refused(400, pages.PARAMETER_MISSING, f"Param '{name}' is required.")
        text = f"Required parameter '{name}' type String is not present"
        return Refused(400, pages.PARAMETER_MISSING, text)

    def _reply(self, status: int, headers: pages.Headers, body: bytes) -> None:
        self.context.hub.reply_http(self.request.connection, self.request.call, status, headers, body)

    def _break(self, error: BrokenMetadata) -> None:
        message = f"Server failed, caused: ErrCode:400, ErrMsg:{error};caused: {error};"
        request = self.request
        self._reply(500, pages.JSON, pages.error_page(500, message, request.path, self.context.wall_clock()))


Handler: TypeAlias = Callable[[Call], None]


def v1(handler: Handler) -> Callable[[Context, "HttpRequest"], None]:
    """The handler for a path of the v1 API."""
    return partial(_run, handler, True)


def v3(handler: Handler) -> Callable[[Context, "HttpRequest"], None]:
    """The handler for a path of the v3 API."""
    return partial(_run, handler, False)


def read_json(text: str, type: object, refused: Refused) -> object:
    """What a parameter holds as JSON; raises ``refused`` for anything else."""
    try:
        return msgspec.json.decode(text, type=type)
    except (msgspec.MsgspecError, RecursionError):
        raise refused from None


def _run(handler: Handler, is_v1: bool, context: Context, request: "HttpRequest") -> None:
    call = Call(context, request, is_v1)
    try:
        handler(call)
    except Refused as refused:
        call.refuse(refused)
    except BrokenMetadata as error:
        call._break(error)
