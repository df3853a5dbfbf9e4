"""Naming over gRPC: instances registered, looked up and subscribed to."""

import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import anyio
import msgspec

from nacos_core import limits
from nacos_core.client.cache import Cache
from nacos_core.client.errors import Unreachable
from nacos_core.client.services import ServiceName, ServiceWatches
from nacos_core.client.session import GrpcAnswer, Session
from nacos_core.client.states import States
from nacos_core.errors import NacosCoreError
from nacos_core.naming import model
from nacos_core.naming.local import LocalPublications, ServiceKey
from nacos_core.naming.model import DEFAULT_CLUSTER, DEFAULT_GROUP, Instance, ServicePage

_logger = logging.getLogger(__name__)

_CACHE: Final = "naming"


class Service(model.Service, frozen=True, kw_only=True, rename="camel"):
    """A service as it was read."""

    is_stale: bool = False
    """No server answered: this is what the cache on disk held."""


class _Answered(GrpcAnswer, rename="camel"):
    service_info: Service


class _Listed(GrpcAnswer, rename="camel"):
    count: int = 0
    service_names: tuple[str, ...] = ()


class _Pushed(msgspec.Struct, rename="camel"):
    service_info: Service


class _Subscribed:
    def __init__(self) -> None:
        self.service: Service | None = None
        """None: nothing has been heard yet."""
        self.states: list[States[Service]] = []


class NamingClient:
    """The services of one namespace. ``run`` has each new connection know what was registered and subscribed to."""

    def __init__(self, session: Session, cache: Cache, namespace: str, chance: random.Random) -> None:
        self._session = session
        self._cache = cache
        self._namespace = namespace
        self._chance = chance
        self._registered = LocalPublications()
        self._subscribed: dict[ServiceKey, _Subscribed] = {}
        self._lock = anyio.Lock()
        self._to_save: dict[ServiceKey, Service] = {}
        self._has_pushes = anyio.Event()
        self.watches = ServiceWatches(session, namespace, self._all_names)

    async def register(
        self,
        service: str,
        ip: str,
        port: int,
        *,
        group: str = DEFAULT_GROUP,
        cluster: str = DEFAULT_CLUSTER,
        weight: float = 1.0,
        healthy: bool = True,
        enabled: bool = True,
        ephemeral: bool = True,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Registers an instance, in place of an earlier one of the same address and cluster.

        An ephemeral one stays as long as this client is open, whichever servers come and go.

        Raises:
            Unreachable: no server answers; it is not registered.
            ServerRefused: a server says no.
        """
        instance = Instance(
            ip=ip,
            port=port,
            weight=weight,
            healthy=healthy,
            enabled=enabled,
            ephemeral=ephemeral,
            cluster=cluster,
            metadata=dict(metadata or {}),
        )
        if ephemeral:
            await self.register_batch(service, [instance], group=group)
        else:
            await self._persist("registerInstance", service, group, instance)

    async def register_batch(self, service: str, instances: Sequence[Instance], *, group: str = DEFAULT_GROUP) -> None:
        """Registers ephemeral instances of one service at once, beside those that this client has there already.

        Raises:
            Unreachable, ServerRefused: as ``register``; none of them is registered.
        """
        key = (self._namespace, group, service)
        async with self._lock:
            whole = self._registered.with_instances(key, instances)
            await self._publish(key, whole)
            self._registered.keep(key, whole)

    async def deregister(
        self,
        service: str,
        ip: str,
        port: int,
        *,
        group: str = DEFAULT_GROUP,
        cluster: str = DEFAULT_CLUSTER,
        ephemeral: bool = True,
    ) -> None:
        """Removes an instance that this client has registered, or a persistent one of whomever.

        Raises:
            Unreachable: no server answers. An ephemeral one is not registered again, and goes with the connection.
            ServerRefused: a server says no.
        """
        instance = Instance(ip=ip, port=port, cluster=cluster, ephemeral=ephemeral)
        if not ephemeral:
            await self._persist("deregisterInstance", service, group, instance)
            return
        key = (self._namespace, group, service)
        async with self._lock:
            rest = self._registered.without_instance(key, ip, port, cluster)
            self._registered.keep(key, rest)
            if rest:
                await self._publish(key, rest)
            else:
                fields = self._names(key) | {"type": "deregisterInstance", "instance": instance}
                await self._session.ask("InstanceRequest", fields, GrpcAnswer)

    async def list(
        self, service: str, *, group: str = DEFAULT_GROUP, clusters: str = "", healthy_only: bool = False
    ) -> Service:
        """The enabled instances of a service; an unknown service has none. If no server answers, those in the cache.

        Args:
            clusters: names with commas between; empty: all.

        Raises:
            Unreachable: no server answers, and the cache has nothing of it.
            ServerRefused: a server does not tell.
        """
        key = (self._namespace, group, service)
        fields = self._names(key) | {"cluster": clusters, "healthyOnly": healthy_only, "udpPort": 0}
        try:
            found = (await self._session.ask("ServiceQueryRequest", fields, _Answered)).service_info
        except Unreachable:
            cached = await self._cache.load(_CACHE, key, Service)
            if cached is None:
                raise
            return msgspec.structs.replace(_narrowed(cached, clusters, healthy_only), is_stale=True)
        if not clusters and not healthy_only:
            await self._cache.save(_CACHE, key, found)
        return found

    async def services(self, *, group: str = DEFAULT_GROUP, page: int = 1, page_size: int = 1000) -> ServicePage:
        """The names of the services of one group.

        Raises:
            Unreachable, ServerRefused: as ``list``; the cache knows no names.
        """
        fields = self._names((self._namespace, group, "")) | {"pageNo": page, "pageSize": page_size, "selector": ""}
        listed = await self._session.ask("ServiceListRequest", fields, _Listed)
        return ServicePage(listed.count, list(listed.service_names))

    async def select_one(self, service: str, *, group: str = DEFAULT_GROUP, clusters: str = "") -> Instance | None:
        """One that is healthy and enabled, by chance in proportion to the weights; None: there is none.

        A service that is subscribed to is not asked for again.

        Raises:
            Unreachable, ServerRefused: as ``list``.
        """
        subscribed = self._subscribed.get((self._namespace, group, service))
        if subscribed is not None and subscribed.service is not None:
            found = _narrowed(subscribed.service, clusters, True)
        else:
            found = await self.list(service, group=group, clusters=clusters, healthy_only=True)
        usable = [each for each in found.hosts if each.healthy and each.enabled and each.weight > 0]
        return self._chance.choices(usable, [each.weight for each in usable])[0] if usable else None

    @asynccontextmanager
    async def subscribe(self, service: str, *, group: str = DEFAULT_GROUP) -> AsyncIterator[States[Service]]:
        """Inside the block, iterate over the service: as it is now, then after each change.

        Whoever iterates slowly misses states in between, never the last one. While no server answers there are no
        changes; what happened meanwhile is seen when one does.

        Raises:
            Unreachable, ServerRefused: as ``list``, when it begins.
        """
        key = (self._namespace, group, service)
        # Before it is asked for: the first push may come together with the answer.
        subscribed = self._subscribed.setdefault(key, _Subscribed())
        states = States(lambda: _heard(subscribed))
        subscribed.states.append(states)
        try:
            try:
                self._update(await self._subscribe(key))
            except Unreachable:
                if subscribed.service is None:
                    subscribed.service = await self.list(service, group=group)
            yield states
        finally:
            subscribed.states.remove(states)
            if not subscribed.states and self._subscribed.get(key) is subscribed:
                del self._subscribed[key]
                await self._unsubscribe(key)

    def watch(
        self, pattern: str = "*", *, group: str = DEFAULT_GROUP
    ) -> AbstractAsyncContextManager[States[frozenset[ServiceName]]]:
        """Inside the block, iterate over which services there are: those of now, then after each that comes or goes.

        Whoever iterates slowly misses states in between, never the last one. Servers without fuzzy watch, or with more
        services than they tell, are asked for their list again and again.

        Args:
            pattern, group: names, or parts of them with ``*`` before, behind, or both. A list can be asked for of one
                group alone.

        Raises:
            SettingsError: no name is like such a pattern.
            Unreachable, ServerRefused: as ``services``, when it begins.
        """
        return self.watches.watch(pattern, group)

    async def _all_names(self, group: str) -> Sequence[str]:
        names: Sequence[str] = ()
        number = 1
        while (page := await self.services(group=group, page=number)).names:
            names = (*names, *page.names)
            if len(names) >= page.count:
                break
            number += 1
        return names

    def pushed(self, body: bytes) -> None:
        """Takes in a push."""
        self._update(msgspec.json.decode(body, type=_Pushed).service_info)

    async def run(self) -> None:
        """Tells each new connection everything, and every connection now and then what is subscribed to."""
        number = 0
        while True:
            is_new = False
            with anyio.move_on_after(limits.CLIENT_REFRESH_SECONDS):
                number, is_new = await self._session.connected_after(number), True
            refused_count = 0
            if is_new:
                for key in self._registered.services():
                    refused_count += not await self._retold(self._register_again, key)
            for key in list(self._subscribed):
                refused_count += not await self._retold(self._subscribe_again, key)
            if refused_count:
                await anyio.sleep(limits.CLIENT_RETRY_SECONDS)
                number = 0

    async def run_saving(self) -> None:
        """Writes what is pushed to the cache, for ever."""
        while True:
            await self._has_pushes.wait()
            self._has_pushes = anyio.Event()
            while self._to_save:
                key, service = self._to_save.popitem()
                await self._cache.save(_CACHE, key, service)

    async def _retold(self, tell: Callable[[ServiceKey], Awaitable[None]], key: ServiceKey) -> bool:
        try:
            await tell(key)
        except NacosCoreError as error:
            _logger.warning("%s of group %s: told again in vain: %s", key[2], key[1], error)
            return False
        return True

    async def _register_again(self, key: ServiceKey) -> None:
        async with self._lock:
            if instances := self._registered.of(key):
                await self._publish(key, instances)

    async def _subscribe_again(self, key: ServiceKey) -> None:
        self._update(await self._subscribe(key))

    async def _publish(self, key: ServiceKey, instances: Sequence[Instance]) -> None:
        """A connection has one publication a service: one instance, or a batch that replaces all."""
        if len(instances) == 1:
            fields = self._names(key) | {"type": "registerInstance", "instance": instances[0]}
            await self._session.ask("InstanceRequest", fields, GrpcAnswer)
        else:
            fields = self._names(key) | {"type": "batchRegisterInstance", "instances": instances}
            await self._session.ask("BatchInstanceRequest", fields, GrpcAnswer)

    async def _persist(self, type: str, service: str, group: str, instance: Instance) -> None:
        fields = self._names((self._namespace, group, service)) | {"type": type, "instance": instance}
        await self._session.ask("PersistentInstanceRequest", fields, GrpcAnswer)

    async def _subscribe(self, key: ServiceKey) -> Service:
        fields = self._names(key) | {"subscribe": True, "clusters": ""}
        found = (await self._session.ask("SubscribeServiceRequest", fields, _Answered)).service_info
        await self._cache.save(_CACHE, key, found)
        return found

    async def _unsubscribe(self, key: ServiceKey) -> None:
        if self._session.server is None:
            return
        fields = self._names(key) | {"subscribe": False, "clusters": ""}
        try:
            await self._session.ask("SubscribeServiceRequest", fields, _Answered)
        except NacosCoreError as error:  # it ends with the connection anyway
            _logger.info("%s: the subscription could not be ended: %s", key[2], error)

    def _update(self, found: Service) -> None:
        key = (self._namespace, found.group, found.name.rpartition("@@")[2])
        subscribed = self._subscribed.get(key)
        if subscribed is None:
            return
        known = subscribed.service
        if known is None:
            subscribed.service = found
            return
        if not known.is_stale and found.last_ref_time < known.last_ref_time:
            return  # it was overtaken (protocol/grpc.md section 5)
        subscribed.service = found
        if (found.hosts, found.is_stale) != (known.hosts, known.is_stale):
            self._to_save[key] = found
            self._has_pushes.set()
            for states in subscribed.states:
                states.note()

    def _names(self, key: ServiceKey) -> dict[str, object]:
        namespace, group, service = key
        return {"module": "naming", "namespace": namespace, "groupName": group, "serviceName": service}


def _heard(subscribed: _Subscribed) -> Service:
    assert subscribed.service is not None, "nobody iterates before the first state is there"
    return subscribed.service


def _narrowed(service: Service, clusters: str, healthy_only: bool) -> Service:
    """As a server would answer, from a list that was kept."""
    wanted = {name for part in clusters.split(",") if (name := part.strip())}
    hosts = tuple(
        each for each in service.hosts if (not wanted or each.cluster in wanted) and (each.healthy or not healthy_only)
    )
    return msgspec.structs.replace(service, clusters=clusters, hosts=hosts)
