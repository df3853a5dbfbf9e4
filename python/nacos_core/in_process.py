"""Naming, configuration and locks for the program that embeds a node: the same services, without a socket between."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Generic, Self, TypeAlias, TypeVar

import trio

from nacos_core.commands import DeregisterPersistent, RegisterPersistent
from nacos_core.config.rules import namespace_of
from nacos_core.errors import InvalidParameter, NacosCoreError
from nacos_core.locks import rules
from nacos_core.naming.local import LocalPublications
from nacos_core.naming.model import (
    DEFAULT_CLUSTER,
    DEFAULT_GROUP,
    DEFAULT_NAMESPACE,
    Instance,
    Service,
    ServicePage,
    read_service,
    write_instances,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from nacos_core._core import ConfigView, Hub
    from nacos_core.clock import WallClock
    from nacos_core.commands import Command
    from nacos_core.config.service import ConfigService
    from nacos_core.drivers.push import Pushes
    from nacos_core.drivers.raft import RaftDriver
    from nacos_core.locks.state import Lock, Locks
    from nacos_core.proposals import Propose
    from nacos_core.state_machine import Outcome

Key: TypeAlias = tuple[str, str, str]
State = TypeVar("State")


class Writes:
    """Hands commands to the log and waits for what becomes of them.

    Args:
        propose: what a command goes through before the log; None: nothing.
    """

    def __init__(self, raft: "RaftDriver", propose: "Propose | None" = None) -> None:
        self._raft = raft
        self._propose = propose or raft.propose

    async def apply(self, command: "Command") -> "Outcome":
        """Waits until the command is durable and applied. Cancelling stops the waiting, not the command.

        Raises:
            CommandRefused: it was applied and changed nothing.
            NotReady, Overloaded: it was not written.
            OutcomeUnknown: the node stopped meanwhile.
        """
        done = trio.Event()
        results: list[Outcome | NacosCoreError] = []

        def complete(result: "Outcome | NacosCoreError") -> None:
            results.append(result)
            done.set()

        self._propose(command, complete)
        self._raft.flush()
        await done.wait()
        result = results[0]
        if isinstance(result, NacosCoreError):
            raise result
        return result

    async def confirm(self) -> None:
        """Waits until the stores hold all that was committed when this was called.

        Raises:
            NotReady: no leader could confirm it.
        """
        done = trio.Event()
        results: list[NacosCoreError | None] = []

        def confirmed(error: NacosCoreError | None) -> None:
            results.append(error)
            done.set()

        self._raft.read(confirmed)
        self._raft.flush()
        await done.wait()
        if results[0] is not None:
            raise results[0]


class States(Generic[State]):
    """Something as it is now, then after each change; whoever iterates slowly gets the last of several changes."""

    def __init__(self, read: "Callable[[], State]") -> None:
        self._read = read
        self._changed = trio.Event()
        self._changed.set()

    def note(self) -> None:
        """There was a change."""
        self._changed.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> State:
        await self._changed.wait()
        self._changed = trio.Event()
        return self._read()


class Naming:
    """Registration and discovery. Ephemeral instances registered here live as long as the node."""

    def __init__(
        self,
        *,
        hub: "Hub",
        writes: Writes,
        pushes: "Pushes",
        wall_clock: "WallClock",
        settle: "Callable[[], None]",
    ) -> None:
        self._hub = hub
        self._writes = writes
        self._pushes = pushes
        self._wall_clock = wall_clock
        self._settle = settle
        self._publisher = hub.open_local()
        self._local = LocalPublications()

    async def register(
        self,
        service: str,
        ip: str,
        port: int,
        *,
        namespace: str = DEFAULT_NAMESPACE,
        group: str = DEFAULT_GROUP,
        cluster: str = DEFAULT_CLUSTER,
        weight: float = 1.0,
        healthy: bool = True,
        enabled: bool = True,
        ephemeral: bool = True,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Registers an instance, in place of an earlier one of the same address and cluster.

        Raises:
            InvalidParameter: names what is wrong, or that the service holds the other kind of instance.
            NacosCoreError: as ``Writes.apply`` says, for a persistent instance.
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
        key = (namespace_of(namespace), group, service)
        if ephemeral:
            await trio.lowlevel.checkpoint()
            self._publish(key, self._local.with_instance(key, instance))
        else:
            await self._writes.apply(RegisterPersistent(*key, write_instances(instance)))

    async def deregister(
        self,
        service: str,
        ip: str,
        port: int,
        *,
        namespace: str = DEFAULT_NAMESPACE,
        group: str = DEFAULT_GROUP,
        cluster: str = DEFAULT_CLUSTER,
        ephemeral: bool = True,
    ) -> None:
        """Removes an instance that was registered here, or a persistent one of whomever; an absent one is no error."""
        key = (namespace_of(namespace), group, service)
        if ephemeral:
            await trio.lowlevel.checkpoint()
            self._publish(key, self._local.without_instance(key, ip, port, cluster))
        else:
            instance = Instance(ip=ip, port=port, cluster=cluster, ephemeral=False)
            await self._writes.apply(DeregisterPersistent(*key, write_instances(instance)))

    def list(
        self,
        service: str,
        *,
        namespace: str = DEFAULT_NAMESPACE,
        group: str = DEFAULT_GROUP,
        clusters: str = "",
        healthy_only: bool = False,
    ) -> Service:
        """The instances of a service as clients see them; an unknown service has none.

        Raises:
            InvalidParameter: a name is wrong.
        """
        key = (namespace_of(namespace), group, service)
        try:
            return read_service(self._hub.service_info(*key, clusters, healthy_only, self._wall_clock()))
        except ValueError as error:
            raise InvalidParameter(str(error)) from None

    def services(
        self, *, namespace: str = DEFAULT_NAMESPACE, group: str = DEFAULT_GROUP, page: int = 1, page_size: int = 1000
    ) -> ServicePage:
        """The names of the services of one group."""
        return ServicePage(*self._hub.list_services(namespace_of(namespace), group, page, page_size))

    @asynccontextmanager
    async def subscribe(
        self, service: str, *, namespace: str = DEFAULT_NAMESPACE, group: str = DEFAULT_GROUP
    ) -> AsyncIterator[States[Service]]:
        """Inside the block, iterate over the service: as it is now, then after each change.

        Whoever iterates slowly misses states in between, never the last one.
        """
        key = (namespace_of(namespace), group, service)
        states = States(lambda: self.list(service, namespace=namespace, group=group))
        self._pushes.watch("service", key, states, states.note)
        try:
            yield states
        finally:
            self._pushes.unwatch("service", key, states)

    def _publish(self, key: Key, instances: Sequence[Instance]) -> None:
        try:
            if instances:
                self._hub.register(self._publisher, *key, write_instances(instances), self._wall_clock())
            else:
                self._hub.deregister(self._publisher, *key, self._wall_clock())
        except ValueError as error:
            raise InvalidParameter(str(error)) from None
        self._local.keep(key, instances)
        self._settle()


class Configuration:
    """Publishing and reading configuration."""

    def __init__(
        self,
        *,
        hub: "Hub",
        writes: Writes,
        pushes: "Pushes",
        service: "ConfigService",
    ) -> None:
        self._hub = hub
        self._writes = writes
        self._pushes = pushes
        self._service = service

    async def publish(
        self,
        data_id: str,
        content: str,
        *,
        group: str = DEFAULT_GROUP,
        namespace: str = DEFAULT_NAMESPACE,
        type: str | None = None,
        cas_md5: str = "",
        create_only: bool = False,
        description: str | None = None,
        application: str | None = None,
        tags: str | None = None,
        schema: str | None = None,
    ) -> str:
        """Publishes, waits until it is durable and visible, and gives its md5.

        What is not given is not kept from what was there before: a publication is the whole configuration. Only the
        schema stays; an empty one takes it away.

        Raises:
            InvalidParameter: names what is wrong.
            CasMismatch: ``cas_md5`` is given and is not the md5 of what is there.
            NacosCoreError: as ``Writes.apply`` says.
        """
        command = self._service.publication(
            namespace,
            group,
            data_id,
            content,
            type,
            cas_md5=cas_md5,
            create_only=create_only,
            description=description,
            application=application,
            tags=tags,
            schema=schema,
        )
        md5 = await self._writes.apply(command)
        assert isinstance(md5, str), "a publication gives its md5"
        return md5

    async def remove(self, data_id: str, *, group: str = DEFAULT_GROUP, namespace: str = DEFAULT_NAMESPACE) -> bool:
        """Removes durably; says whether there was anything to remove.

        Raises:
            InvalidParameter: names what is wrong.
            NacosCoreError: as ``Writes.apply`` says.
        """
        return bool(await self._writes.apply(self._service.removal(namespace, group, data_id)))

    def get(
        self, data_id: str, *, group: str = DEFAULT_GROUP, namespace: str = DEFAULT_NAMESPACE
    ) -> "ConfigView | None":
        """What is published now, as far as this node knows."""
        return self._hub.get_config(namespace_of(namespace), group, data_id)

    async def get_linearizable(
        self, data_id: str, *, group: str = DEFAULT_GROUP, namespace: str = DEFAULT_NAMESPACE
    ) -> "ConfigView | None":
        """What is published now: no write that was acknowledged before this was called, on any node, is missing.

        Raises:
            NotReady: no leader could confirm it.
        """
        await self._writes.confirm()
        return self.get(data_id, group=group, namespace=namespace)

    @asynccontextmanager
    async def listen(
        self, data_id: str, *, group: str = DEFAULT_GROUP, namespace: str = DEFAULT_NAMESPACE
    ) -> AsyncIterator["States[ConfigView | None]"]:
        """Inside the block, iterate over the configuration: as it is now, then after each change; None: absent.

        Whoever iterates slowly misses states in between, never the last one.
        """
        key = (namespace_of(namespace), group, data_id)
        states = States(lambda: self.get(data_id, group=group, namespace=namespace))
        self._pushes.watch("config", key, states, states.note)
        try:
            yield states
        finally:
            self._pushes.unwatch("config", key, states)


class Locking:
    """Locks of the whole cluster, not re-entrant. A lock has no owner: only its fencing token tells who acquired it."""

    def __init__(self, *, locks: "Locks", writes: Writes, wall_clock: "WallClock") -> None:
        self._locks = locks
        self._writes = writes
        self._wall_clock = wall_clock

    async def acquire(self, key: str, *, expires_after_ms: int | None = None) -> int | None:
        """The fencing token, higher than all before it; None: somebody holds the lock. It is not waited for.

        Args:
            expires_after_ms: None or less than 0 is the default of the protocol.

        Raises:
            InvalidParameter: names what is wrong.
            NacosCoreError: as ``Writes.apply`` says.
        """
        token = await self._writes.apply(rules.acquisition(key, rules.MUTEX, expires_after_ms))
        assert isinstance(token, int), "an acquisition gives its token"
        return token or None

    async def release(self, key: str) -> bool:
        """Frees a lock, whoever holds it; False: it was free.

        Raises:
            InvalidParameter: names what is wrong.
            NacosCoreError: as ``Writes.apply`` says.
        """
        return bool(await self._writes.apply(rules.release(key, rules.MUTEX)))

    def holder(self, key: str) -> "Lock | None":
        """Who holds it now, as far as this node knows, by its clock; None: nobody."""
        return self._locks.holder(key, self._wall_clock())
