"""Which services there are, and which of them come and go: a fuzzy watch, or where a server has none, looking again.

Protocol: protocol/grpc.md section 5.1.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

import anyio
import msgspec

from nacos_core import limits
from nacos_core.client.errors import ClientError, ServerRefused, Unreachable
from nacos_core.client.session import GrpcAnswer, Session
from nacos_core.client.states import States
from nacos_core.errors import NacosCoreError, SettingsError

_logger = logging.getLogger(__name__)

_CANNOT_WATCH: Final = (302, 50310, 50311)
"""The server knows no such request, has too many patterns of this client, or more services like it than it tells."""
_FINISHED: Final = "FINISH_FUZZY_WATCH_INIT_NOTIFY"
_GONE: Final = "DELETE_SERVICE"


class ServiceName(NamedTuple):
    """A service of the client's namespace."""

    group: str
    name: str


Names = frozenset[ServiceName]
ListNames = Callable[[str], Awaitable[Sequence[str]]]
"""All services of a group."""


class _Change(msgspec.Struct, rename="camel"):
    service_key: str
    changed_type: str


class _Sync(msgspec.Struct, rename="camel"):
    group_key_pattern: str
    sync_type: str = ""
    contexts: list[_Change] | None = None


class _Watched:
    def __init__(self, group: str, pattern: str) -> None:
        self.group = group
        self.pattern = pattern
        self.known: set[ServiceName] = set()
        self.is_whole = anyio.Event()
        """All that there was when the watch began is known."""
        self.is_pushed = True
        """False: this server does not tell, so that it is asked now and then."""
        self.states: list[States[Names]] = []

    def is_like(self, found: ServiceName) -> bool:
        return is_like(self.group, found.group) and is_like(self.pattern, found.name)

    def replace(self, known: set[ServiceName]) -> None:
        if known != self.known:
            self.known = known
            for states in self.states:
                states.note()


def is_like(pattern: str, name: str) -> bool:
    """Whether a name is like a pattern: a name, or a part of one with ``*`` before it, behind it, or both."""
    part = pattern.removeprefix("*").removesuffix("*")
    starts, ends = not pattern.startswith("*"), not pattern.endswith("*")
    if starts and ends:
        return name == part
    return name.startswith(part) if starts else name.endswith(part) if ends else part in name


def check_pattern(pattern: str) -> None:
    """Raises ``SettingsError`` for one that no name is like."""
    if not pattern or pattern == "**" or "*" in pattern.removeprefix("*").removesuffix("*"):
        raise SettingsError(f"{pattern!r} is no pattern: * may stand before a part of a name, behind it, or both")


class ServiceWatches:
    """All watches of one client. ``run`` keeps them up to date."""

    def __init__(self, session: Session, namespace: str, list_names: ListNames) -> None:
        self._session = session
        self._namespace = namespace
        self._list_names = list_names
        self._watched: dict[str, _Watched] = {}

    @asynccontextmanager
    async def watch(self, pattern: str, group: str) -> AsyncIterator[States[Names]]:
        """As ``NamingClient.watch``."""
        for each in (pattern, group):
            check_pattern(each)
        text = f"{self._namespace}>>{group}>>{pattern}"
        watched = self._watched.setdefault(text, _Watched(group, pattern))
        states = States(lambda: frozenset(watched.known))
        watched.states.append(states)
        try:
            if not watched.is_whole.is_set():
                await self._tell(text, watched)
                with anyio.move_on_after(limits.CLIENT_REQUEST_SECONDS) as waited:
                    await watched.is_whole.wait()
                if waited.cancelled_caught:
                    raise Unreachable(f"the services like {pattern} were not told in time")
            yield states
        finally:
            watched.states.remove(states)
            if not watched.states and self._watched.get(text) is watched:
                del self._watched[text]
                await self._cancel(text)

    def synced(self, body: bytes) -> None:
        """Takes in a push of what there is."""
        sync = msgspec.json.decode(body, type=_Sync)
        if watched := self._watched.get(sync.group_key_pattern):
            known = set(watched.known)
            for change in sync.contexts or ():
                _apply(known, change)
            watched.replace(known)
            if sync.sync_type == _FINISHED:
                watched.is_whole.set()

    def changed(self, body: bytes) -> None:
        """Takes in a push of one that came or went."""
        change = msgspec.json.decode(body, type=_Change)
        for watched in self._watched.values():
            if watched.is_like(_name(change)):
                known = set(watched.known)
                _apply(known, change)
                watched.replace(known)

    async def run(self) -> None:
        """Tells each new connection what is watched, and asks servers that do not tell, for ever."""
        number = 0
        while True:
            is_new = False
            with anyio.move_on_after(limits.CLIENT_SERVICES_SECONDS):
                number, is_new = await self._session.connected_after(number), True
            for text, watched in list(self._watched.items()):
                if not (is_new or not watched.is_pushed):
                    continue
                try:
                    await self._tell(text, watched, may_be_pushed=is_new)
                except NacosCoreError as error:
                    _logger.info("services like %s: %s", text, error)
                    number = 0 if is_new else number
                    await anyio.sleep(limits.CLIENT_RETRY_SECONDS)

    async def _tell(self, text: str, watched: _Watched, *, may_be_pushed: bool = True) -> None:
        if may_be_pushed:
            keys = ["@@".join((self._namespace, *each)) for each in sorted(watched.known)]
            fields = self._fields(text, "WATCH") | {
                "receivedGroupKeys": keys,
                "initializing": not watched.is_whole.is_set(),
            }
            try:
                await self._session.ask("NamingFuzzyWatchRequest", fields, GrpcAnswer)
                watched.is_pushed = True
                return
            except ServerRefused as error:
                if error.code not in _CANNOT_WATCH or "*" in watched.group:
                    raise
                watched.is_pushed = False
        names = await self._list_names(watched.group)
        found = (ServiceName(watched.group, name) for name in names)
        watched.replace({each for each in found if watched.is_like(each)})
        watched.is_whole.set()

    async def _cancel(self, text: str) -> None:
        if self._session.server is None:
            return
        try:
            await self._session.ask("NamingFuzzyWatchRequest", self._fields(text, "CANCEL_WATCH"), GrpcAnswer)
        except ClientError as error:  # it ends with the connection anyway
            _logger.info("services like %s: the watch could not be ended: %s", text, error)

    def _fields(self, text: str, type: str) -> dict[str, object]:
        return {"module": "naming", "namespace": self._namespace, "groupKeyPattern": text, "watchType": type}


def _name(change: _Change) -> ServiceName:
    _, _, rest = change.service_key.partition("@@")
    group, _, name = rest.partition("@@")
    return ServiceName(group, name)


def _apply(known: set[ServiceName], change: _Change) -> None:
    if change.changed_type == _GONE:
        known.discard(_name(change))
    else:
        known.add(_name(change))
