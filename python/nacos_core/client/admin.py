"""What administrators do with configurations, over HTTP: listed, searched, exported, imported, looked at over time.

Servers of 3.x have the paths of ``V3``; what answers none of them is asked in the words of ``V1``.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any, Final, Self

import anyio
import httpx
import msgspec

from nacos_core import limits
from nacos_core.client.errors import AccessDenied, NotFound, ServerRefused, Unreachable
from nacos_core.client.login import Login
from nacos_core.client.servers import ServerAddress
from nacos_core.client.tls import Tls
from nacos_core.config.difference import content_name, unified
from nacos_core.config.rules import DEFAULT_NAMESPACE
from nacos_core.errors import OutcomeUnknown
from nacos_core.naming.model import DEFAULT_GROUP

Progress = Callable[[int, int | None], None]
"""Is told how many bytes have gone, of how many; None: nobody knows."""

_CHUNK_BYTES: Final = 64 * 1024
_NOT_FOUND: Final = (20004, 404)
_ACCESS_DENIED: Final = (10001, 403)


@dataclass(frozen=True, slots=True, eq=False)
class Dialect:
    """How one version of the API names things."""

    namespace: str
    group: str
    tags: str
    list: tuple[str, dict[str, str]]
    history_list: tuple[str, dict[str, str]]
    history: tuple[str, dict[str, str]]
    export: tuple[str, dict[str, str]]
    import_: tuple[str, dict[str, str]]


V3: Final = Dialect(
    namespace="namespaceId",
    group="groupName",
    tags="configTags",
    list=("/nacos/v3/admin/cs/config/list", {}),
    history_list=("/nacos/v3/admin/cs/history/list", {}),
    history=("/nacos/v3/admin/cs/history", {}),
    export=("/nacos/v3/admin/cs/config/export", {}),
    import_=("/nacos/v3/admin/cs/config/import", {}),
)
V1: Final = Dialect(
    namespace="tenant",
    group="group",
    tags="config_tags",
    list=("/nacos/v1/cs/configs", {}),
    history_list=("/nacos/v1/cs/history", {"search": "accurate"}),
    history=("/nacos/v1/cs/history", {}),
    export=("/nacos/v1/cs/configs", {"exportV2": "true"}),
    import_=("/nacos/v1/cs/configs", {"import": "true"}),
)
_ROLLBACK: Final = "/nacos/v3/admin/cs/history/rollback"


class FoundConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration in a list."""

    data_id: str
    group: str
    type: str
    md5: str
    application: str


class HistoryEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a configuration."""

    id: str
    data_id: str
    group: str
    operation: str
    """I: it was made; U: it was changed; D: it was removed."""
    time: int | str
    """Milliseconds since 1970, or as the server writes it."""
    source_ip: str
    source_user: str
    content: str | None = None
    """What was there before, except for I: what came. Only where one event is asked for."""


class _NoSuchPath(Exception):
    """The server does not speak this dialect."""


class Admin:
    """Asks one server after the other until one answers. To be used as a context."""

    def __init__(
        self,
        servers: Sequence[ServerAddress],
        namespace: str,
        login: Login | None = None,
        *,
        timeout_seconds: float = limits.CLIENT_REQUEST_SECONDS,
        tls: Tls | None = None,
        dialect: Dialect = V3,
    ) -> None:
        self._servers = tuple(servers)
        self._namespace = namespace
        self._login = login
        self._dialect = dialect
        self._timeout = httpx.Timeout(timeout_seconds)
        self._http = httpx.AsyncClient(timeout=self._timeout, trust_env=False, verify=True if tls is None else tls.http)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):
            await self._http.aclose()

    async def search(
        self,
        *,
        data_id: str = "",
        group: str = "",
        content: str = "",
        tags: str = "",
        application: str = "",
        types: str = "",
    ) -> AsyncIterator[tuple[FoundConfig, int]]:
        """Each configuration of the namespace that is asked for, with the count of all of them.

        Args:
            data_id, group, content: patterns with ``*``; empty: any.
            tags, types: with commas between.

        Raises:
            Unreachable, ServerRefused.
        """
        number = 1
        while True:
            found = await self._ask(
                "GET",
                "list",
                {
                    "search": "blur",
                    "dataId": data_id,
                    "$group": group,
                    "$tags": tags,
                    "appName": application,
                    "types": types,
                    "type": types,
                    "configDetail": content,
                    "config_detail": content,
                    "pageNo": str(number),
                    "pageSize": str(limits.CLIENT_PAGE_COUNT),
                },
            )
            items = found.get("pageItems") or []
            for one in items:
                yield _found(one), int(found.get("totalCount") or 0)
            if number >= int(found.get("pagesAvailable") or 0) or not items:
                return
            number += 1

    async def history(self, data_id: str, *, group: str = DEFAULT_GROUP, count: int = 100) -> list[HistoryEvent]:
        """What happened to a configuration, the newest first.

        Raises:
            Unreachable, ServerRefused.
        """
        names = {"dataId": data_id, "$group": group, "pageNo": "1", "pageSize": str(count)}
        found = await self._ask("GET", "history_list", names)
        return [_event(one) for one in found.get("pageItems") or []]

    async def event(self, data_id: str, id: str, *, group: str = DEFAULT_GROUP) -> HistoryEvent:
        """One event, with its content.

        Raises:
            NotFound: there is no such event of this configuration.
            Unreachable, ServerRefused.
        """
        found = await self._ask("GET", "history", {"dataId": data_id, "$group": group, "nid": id})
        if not isinstance(found, dict):
            raise NotFound(f"there is no event {id} of {data_id}")
        return _event(found)

    async def roll_back(self, data_id: str, id: str, *, group: str = DEFAULT_GROUP) -> str | None:
        """Makes a configuration what it was before an event, as one command; its md5 then, None: it was not there.

        Raises:
            NotFound: there is no such event of this configuration.
            OutcomeUnknown: it was sent, and nobody said what became of it.
            Unreachable, ServerRefused: a server that has no such command is one that refuses.
        """
        names = {"dataId": data_id, "groupName": group, "namespaceId": self._namespace, "nid": id}
        try:
            done = await self._send("POST", _ROLLBACK, form=names)
        except _NoSuchPath:
            raise ServerRefused("this server cannot roll back: publish what `event` shows") from None
        md5 = done.get("md5")
        return None if md5 is None else str(md5)

    async def difference(self, data_id: str, old: str, new: str | None, now: str, *, group: str = DEFAULT_GROUP) -> str:
        """What is different between the contents of two events, as ``diff -u`` writes it.

        Args:
            new: None: compares with ``now``, the content that is there.

        Raises:
            NotFound: there is no such event of this configuration.
            Unreachable, ServerRefused.
        """
        before, before_name = await self._shown(data_id, old, group)
        after, after_name = (now, f"{data_id} now") if new is None else await self._shown(data_id, new, group)
        return unified(before, after, before_name, after_name)

    async def ask(self, method: str, path: str, names: Mapping[str, str]) -> Any:
        """The data of the answer to a request of 3.x that has no method of its own here. POST sends a form.

        Raises:
            NotFound: there is no such path, or what is asked for is not there.
            OutcomeUnknown: something was to be changed, and nobody said what became of it.
            Unreachable, ServerRefused.
        """
        try:
            if method == "POST":
                return await self._send(method, path, form=names)
            return await self._send(method, path, query=names)
        except _NoSuchPath as error:
            raise NotFound(str(error), 404) from None

    async def _shown(self, data_id: str, id: str, group: str) -> tuple[str, str]:
        event = await self.event(data_id, id, group=group)
        return event.content or "", content_name(data_id, id, event.operation)

    async def export(
        self, file: IO[bytes], *, data_id: str = "", group: str = "", progress: Progress = lambda done, whole: None
    ) -> int:
        """Writes an archive of the namespace, or of what is asked for, into the file; its bytes.

        Raises:
            Unreachable, ServerRefused: what the file holds then is of no use.
        """
        names = {"dataId": data_id, "$group": group, "appName": ""}
        patience = httpx.Timeout(self._timeout.connect, read=limits.CLIENT_TRANSFER_SECONDS)

        async def take(answer: httpx.Response) -> int:
            if answer.headers.get("content-type", "").startswith("application/json"):
                _data(answer.status_code, await answer.aread())
            length = answer.headers.get("content-length")
            count = 0
            async for chunk in answer.aiter_bytes(_CHUNK_BYTES):
                file.write(chunk)
                count += len(chunk)
                progress(count, None if length is None else int(length))
            return count

        return int(await self._ask("GET", "export", names, patience=patience, take=take))

    async def import_(
        self, content: bytes, *, policy: str = "ABORT", progress: Progress = lambda done, whole: None
    ) -> dict[str, Any]:
        """Publishes what an archive of either layout holds; the server's account of it.

        Args:
            policy: what becomes of configurations that are there already: ABORT, SKIP or OVERWRITE.

        Raises:
            OutcomeUnknown: it was sent, and nobody said what became of it.
            Unreachable, ServerRefused.
        """
        patience = httpx.Timeout(self._timeout.connect, read=limits.CLIENT_TRANSFER_SECONDS)
        body, content_type = _multipart(content)

        async def chunks() -> AsyncIterator[bytes]:
            for at in range(0, len(body), _CHUNK_BYTES):
                yield body[at : at + _CHUNK_BYTES]
                progress(min(at + _CHUNK_BYTES, len(body)), len(body))

        headers = {"Content-Type": content_type, "Content-Length": str(len(body))}
        data = await self._ask("POST", "import_", {"policy": policy}, patience=patience, headers=headers, body=chunks)
        return dict(data or {})

    async def _ask(self, method: str, what: str, names: Mapping[str, str], **more: Any) -> Any:
        """In the words of 3.x, then in those of 1.x, which are kept to once they were answered."""
        text = ""
        for dialect in dict.fromkeys((self._dialect, V1)):
            path, fixed = getattr(dialect, what)
            renamed = {"$group": dialect.group, "$tags": dialect.tags}
            query = {renamed.get(name, name): value for name, value in names.items() if value or dialect is V1}
            # Servers of 1.x and 2.x keep the default namespace without a name (protocol/semantics.md section 1).
            namespace = "" if dialect is V1 and self._namespace == DEFAULT_NAMESPACE else self._namespace
            query |= fixed | {dialect.namespace: namespace}
            if dialect is V1 and what == "import_":
                query["namespace"] = namespace
            try:
                answer = await self._send(method, path, query=query, **more)
            except _NoSuchPath as error:
                text = str(error)
                continue
            self._dialect = dialect
            return answer
        raise NotFound(text, 404)  # 1.x says so too of what is not there

    async def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Callable[[], AsyncIterator[bytes]] | None = None,
        patience: httpx.Timeout | None = None,
        take: Callable[[httpx.Response], Any] | None = None,
    ) -> Any:
        failures = []
        for server in self._servers:
            try:
                token = {} if self._login is None else {"accessToken": await self._login.token(server)}
                async with self._http.stream(
                    method,
                    f"{server.url}{path}",
                    params=query,
                    data=form,
                    content=None if body is None else body(),
                    headers={**(headers or {}), **token},
                    timeout=patience or self._timeout,
                ) as answer:
                    if take is not None and answer.status_code == 200:
                        return await take(answer)
                    return _data(answer.status_code, await answer.aread())
            except Unreachable as error:
                failures.append(str(error))
            except httpx.HTTPError as error:
                told = f"{server}: {error or type(error).__name__}"
                if method != "GET" and not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
                    raise OutcomeUnknown(f"{told}; it may have been done or not") from None
                failures.append(told)
        raise Unreachable(f"no server answers: {'; '.join(failures)}")


def _data(status: int, body: bytes) -> Any:
    """What an answer holds, whichever version's shape it has."""
    try:
        answer = msgspec.json.decode(body)
    except msgspec.MsgspecError:
        answer = None
    code = answer.get("code") if isinstance(answer, dict) else None
    if code is None or (status in (404, 405, 410, 501) and code == status):
        if status == 200 and isinstance(answer, dict):
            return answer  # 1.x, bare
        said = answer.get("message") if isinstance(answer, dict) else None
        text = str(said or body.decode(errors="replace").strip()[:200] or f"HTTP status {status}")
        if status in (401, 403):
            raise AccessDenied(text, status)
        if status in (404, 405, 410, 501):
            raise _NoSuchPath(text)
        raise ServerRefused(text, status)
    if code in (0, 200):
        return answer.get("data")
    data, message = answer.get("data"), answer.get("message")
    text = str(data if isinstance(data, str) and data else message or f"code {code}")
    if code in _NOT_FOUND:
        raise NotFound(text, code)
    if code in _ACCESS_DENIED:
        raise AccessDenied(text, code)
    raise ServerRefused(text, code)


def _found(item: Mapping[str, Any]) -> FoundConfig:
    return FoundConfig(
        data_id=str(item.get("dataId")),
        group=str(item.get("groupName") or item.get("group") or ""),
        type=str(item.get("type") or ""),
        md5=str(item.get("md5") or ""),
        application=str(item.get("appName") or ""),
    )


def _event(item: Mapping[str, Any]) -> HistoryEvent:
    content = item.get("content")
    return HistoryEvent(
        id=str(item.get("id")),
        data_id=str(item.get("dataId")),
        group=str(item.get("groupName") or item.get("group") or ""),
        operation=str(item.get("opType") or "").strip(),
        time=item.get("modifyTime") or item.get("lastModifiedTime") or "",
        source_ip=str(item.get("srcIp") or ""),
        source_user=str(item.get("srcUser") or ""),
        content=None if content is None else str(content),
    )


def _multipart(content: bytes) -> tuple[bytes, str]:
    """One file named ``file`` (RFC 7578). The boundary must not occur in it."""
    boundary = "nacos-core"
    while boundary.encode() in content:
        boundary += "-"
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="configs.zip"\r\n'
        "Content-Type: application/zip\r\n\r\n"
    )
    return head.encode() + content + f"\r\n--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"
