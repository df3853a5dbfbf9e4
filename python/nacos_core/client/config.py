"""Configuration over gRPC: read, published, removed and watched."""

import hashlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio
import msgspec

from nacos_core import limits
from nacos_core.client.cache import Cache
from nacos_core.client.errors import ClientError, Unreachable
from nacos_core.client.session import GrpcAnswer, Session
from nacos_core.client.states import States
from nacos_core.config.rules import DEFAULT_NAMESPACE
from nacos_core.errors import AlreadyExists, CasMismatch, NacosCoreError, SettingsError
from nacos_core.naming.model import DEFAULT_GROUP

_logger = logging.getLogger(__name__)

_CACHE: Final = "config"
_ABSENT: Final = 300
_OF_NOTHING: Final = "0" * 32
"""The md5 of no content: what is not there is published with any ``casMd5``, what is there with its own alone."""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration as it was read."""

    namespace: str
    group: str
    data_id: str
    content: str
    type: str
    """text, json, xml, yaml, html, properties or toml."""
    md5: str
    last_modified_ms: int
    encrypted_data_key: str = ""
    is_stale: bool = False
    """No server answered: this is what the cache on disk held."""


class _Queried(GrpcAnswer, rename="camel"):
    content: str = ""
    content_type: str = "text"
    md5: str = ""
    last_modified: int = 0
    encrypted_data_key: str | None = None


class _Key(msgspec.Struct, rename="camel", frozen=True):
    data_id: str
    group: str
    tenant: str | None = None


class _Changed(GrpcAnswer, rename="camel"):
    changed_configs: tuple[_Key, ...] = ()


class _Watched:
    def __init__(self, config: Config | None) -> None:
        self.config = config
        self.states: list[States[Config | None]] = []
        self.is_dirty = True
        """Something may have changed, or the server has not been told of it."""


class ConfigClient:
    """The configurations of one namespace. ``run`` keeps what is watched up to date."""

    def __init__(self, session: Session, cache: Cache, namespace: str) -> None:
        self._session = session
        self._cache = cache
        self._namespace = namespace
        # What the protocol knows as the default namespace has no name on this path (protocol/semantics.md section 1).
        self._tenant = "" if namespace == DEFAULT_NAMESPACE else namespace
        self._watched: dict[tuple[str, str], _Watched] = {}
        self._has_work = anyio.Event()

    async def get(self, data_id: str, *, group: str = DEFAULT_GROUP) -> Config | None:
        """What is published now; None: nothing. If no server answers, what is in the cache, marked as stale.

        Raises:
            Unreachable: no server answers, and the cache has nothing of it.
            ServerRefused: a server does not tell.
        """
        try:
            return await self._query(data_id, group)
        except Unreachable:
            cached = await self._cache.load(_CACHE, (self._namespace, group, data_id), Config)
            if cached is None:
                raise
            return msgspec.structs.replace(cached, is_stale=True)

    async def publish(
        self,
        data_id: str,
        content: str,
        *,
        group: str = DEFAULT_GROUP,
        type: str | None = None,
        cas_md5: str = "",
        create_only: bool = False,
        encrypted_data_key: str = "",
        description: str | None = None,
        application: str | None = None,
        tags: str | None = None,
        schema: str | None = None,
    ) -> str:
        """Publishes, and gives the md5 of what is there now.

        Args:
            cas_md5: publishes only if this is the md5 of what is there, or if nothing is there; empty: in any case.
            create_only: publishes only if nothing is there.
            encrypted_data_key: of a content that the caller has encrypted; readers get it with the content.
            tags: with commas between.
            schema: a JSON Schema for the content; empty: none any more; None: that of a server of ours stays. Of what
                else is not given, nothing is kept from before.

        Raises:
            CasMismatch: ``cas_md5`` is not the md5 of what is there.
            AlreadyExists: ``create_only``, and something is there.
            SettingsError: ``cas_md5`` and ``create_only`` are both given.
            Unreachable: no server answers, nothing was written.
            OutcomeUnknown: it was sent, and nobody said what became of it.
            ServerRefused: a server says no.
        """
        if create_only and cas_md5:
            raise SettingsError("cas_md5 is for what is there, create_only for what is not: one of them is wanted")
        cas_md5 = _OF_NOTHING if create_only else cas_md5
        more = {"type": type, "desc": description, "appName": application, "config_tags": tags, "schema": schema}
        more["encryptedDataKey"] = encrypted_data_key or None
        fields = self._names(data_id, group) | {
            "content": content,
            "casMd5": cas_md5 or None,
            "additionMap": {name: value for name, value in more.items() if value is not None},
        }
        try:
            await self._session.ask("ConfigPublishRequest", fields, GrpcAnswer, is_repeatable=False)
        except ClientError as error:
            if cas_md5 and "cas" in str(error).lower() and "md5" in str(error):
                raise (AlreadyExists if create_only else CasMismatch) from None
            raise
        return hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()

    async def remove(self, data_id: str, *, group: str = DEFAULT_GROUP) -> None:
        """Removes it; if it was not there, that is fine.

        Raises:
            Unreachable, ServerRefused: as ``get``.
        """
        await self._session.ask("ConfigRemoveRequest", self._names(data_id, group), GrpcAnswer)

    @asynccontextmanager
    async def watch(self, data_id: str, *, group: str = DEFAULT_GROUP) -> AsyncIterator[States[Config | None]]:
        """Inside the block, iterate over the configuration: as it is now, then after each change; None: absent.

        Whoever iterates slowly misses states in between, never the last one. While no server answers there are no
        changes; what happened meanwhile is seen when one does.

        Raises:
            Unreachable, ServerRefused: as ``get``, when it begins.
        """
        config = await self.get(data_id, group=group)
        key = (group, data_id)
        watched = self._watched.setdefault(key, _Watched(config))
        states = States(lambda: watched.config)
        watched.states.append(states)
        self._wake()
        try:
            yield states
        finally:
            watched.states.remove(states)
            if not watched.states and self._watched.get(key) is watched:
                del self._watched[key]

    def changed(self, body: bytes) -> None:
        """Takes in a push."""
        pushed = msgspec.json.decode(body, type=_Key)
        if watched := self._watched.get((pushed.group, pushed.data_id)):
            watched.is_dirty = True
            self._wake()

    async def run_reconnects(self) -> None:
        """Tells each new connection everything: its server knows nothing of this client yet."""
        number = 0
        while True:
            number = await self._session.connected_after(number)
            self._tell_all()

    def _tell_all(self) -> None:
        for watched in self._watched.values():
            watched.is_dirty = True
        self._wake()

    async def run(self) -> None:
        """Asks for what may have changed, for ever."""
        while True:
            with anyio.move_on_after(limits.CLIENT_REFRESH_SECONDS) as waited:
                await self._has_work.wait()
            self._has_work = anyio.Event()
            if waited.cancelled_caught:
                self._tell_all()
            dirty = {key: watched for key, watched in self._watched.items() if watched.is_dirty}
            if not dirty:
                continue
            try:
                await self._compare(dirty)
            except NacosCoreError as error:
                _logger.info("listening to %s configurations: %s", len(dirty), error)
                await anyio.sleep(limits.CLIENT_RETRY_SECONDS)
                self._wake()

    async def _compare(self, dirty: dict[tuple[str, str], _Watched]) -> None:
        """Tells the server what is known of each; it answers with those that are different, and listens to all."""
        contexts = []
        for (group, data_id), watched in dirty.items():
            watched.is_dirty = False
            md5 = "" if watched.config is None else watched.config.md5
            contexts.append({"dataId": data_id, "group": group, "tenant": self._tenant, "md5": md5})
        fields = {"listen": True, "configListenContexts": contexts}
        try:
            answer = await self._session.ask("ConfigBatchListenRequest", fields, _Changed)
            changed = {(one.group, one.data_id) for one in answer.changed_configs}
            for key, watched in dirty.items():
                if key in changed:
                    self._update(watched, await self._query(key[1], key[0]))
                    # The server has not been told of the new md5; and it may have changed again meanwhile.
                    watched.is_dirty = True
                    self._wake()
                elif watched.config is not None and watched.config.is_stale:
                    self._update(watched, msgspec.structs.replace(watched.config, is_stale=False))
        except BaseException:
            for watched in dirty.values():
                watched.is_dirty = True
            raise

    def _update(self, watched: _Watched, config: Config | None) -> None:
        if config != watched.config:
            watched.config = config
            for states in watched.states:
                states.note()

    async def _query(self, data_id: str, group: str) -> Config | None:
        key = (self._namespace, group, data_id)
        try:
            said = await self._session.ask("ConfigQueryRequest", self._names(data_id, group), _Queried)
        except ClientError as error:
            if getattr(error, "code", 0) != _ABSENT:
                raise
            await self._cache.forget(_CACHE, key)
            return None
        config = Config(
            namespace=self._namespace,
            group=group,
            data_id=data_id,
            content=said.content,
            type=said.content_type or "text",
            md5=said.md5,
            last_modified_ms=said.last_modified,
            encrypted_data_key=said.encrypted_data_key or "",
        )
        await self._cache.save(_CACHE, key, config)
        return config

    def _names(self, data_id: str, group: str) -> dict[str, object]:
        return {"module": "config", "dataId": data_id, "group": group, "tenant": self._tenant}

    def _wake(self) -> None:
        self._has_work.set()
