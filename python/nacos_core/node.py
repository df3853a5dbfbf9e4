"""One node: puts the parts together, runs their tasks, and takes everything down again."""

import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from nacos_core import _core, keys, limits
from nacos_core.cluster.settings import check_not_lonely, cluster_settings
from nacos_core.config.history import Retention
from nacos_core.config.service import ConfigService
from nacos_core.config.validation import Validation
from nacos_core.drivers.background import Background
from nacos_core.drivers.detection import run_detection
from nacos_core.drivers.dispatch import Dispatcher
from nacos_core.drivers.heartbeat import run_heartbeats
from nacos_core.drivers.history import run_retention
from nacos_core.drivers.loads import Loads
from nacos_core.drivers.locks import run_lock_expiry
from nacos_core.drivers.metadata import run_metadata_expiry
from nacos_core.drivers.observing import Observing
from nacos_core.drivers.pump import run_pump
from nacos_core.drivers.push import Pushes
from nacos_core.drivers.quotas import QuotaSettings
from nacos_core.drivers.raft import RaftDriver
from nacos_core.drivers.schemas import SchemaGate, SchemaProcess
from nacos_core.drivers.stalls import Stalls
from nacos_core.drivers.streams import Streams
from nacos_core.drivers.udp import UdpPort
from nacos_core.errors import SettingsError, StartError
from nacos_core.identity import check_log_is_there, load_identity, remember_cluster, remember_joining
from nacos_core.in_process import Configuration, Locking, Naming, Writes
from nacos_core.namespaces.service import NamespaceService
from nacos_core.raft.configuration import Configuration as Members
from nacos_core.raft.configuration import Member
from nacos_core.raft.machine import bootstrap
from nacos_core.raft.replica import Replica
from nacos_core.raft.state import Timing
from nacos_core.server.cluster_view import ClusterView
from nacos_core.server.compatibility import Compatibility
from nacos_core.server.context import Context
from nacos_core.server.figures import system_load
from nacos_core.server.http_api import ALL_ROUTES, ASKED_BY_CONSOLES
from nacos_core.server.listener import Listeners, bind_pair, resolve
from nacos_core.settings import Settings, check
from nacos_core.state_machine import StateMachine
from nacos_core.storage import open_folder
from nacos_core.surroundings import Surroundings

if TYPE_CHECKING:
    from nacos_core.drivers.cluster import ClusterDriver
    from nacos_core.drivers.distro import DistroDriver
    from nacos_core.drivers.dns import DnsPort
    from nacos_core.drivers.forwarding import Forwarding
    from nacos_core.drivers.health import HealthChecks
    from nacos_core.peers.network import Listener
    from nacos_core.server.gate import Gate

_logger = logging.getLogger("nacos_core")

ABILITIES = {"supportPersistentInstanceByGrpc": True, "fuzzyWatch": True, "lock": True}
"""What is built, and nothing else: clients keep to what they are told (protocol/grpc.md section 2)."""
DIGEST_KEY_FILE = "digest.key"
DIGEST_KEY_BYTES = 16


@asynccontextmanager
async def open_node(
    *,
    port: int | None = 0,
    host: str = "127.0.0.1",
    data: str | Path | None = None,
    auth: bool = False,
    insecure: bool = False,
    push_merge_ms: int = 100,
    admin_password: str | None = None,
) -> AsyncIterator["Node"]:
    """Runs a node as long as the block lasts; at its end everything is gone.

    Args:
        port: HTTP port, gRPC at +1000; 0 takes a free pair, None opens no sockets at all.
        data: data folder; None takes a temporary one that is removed at the end.

    Raises:
        SettingsError, StartError, LogError: the node cannot start.
        LogError: the log failed while it ran; the block is cancelled.
    """
    settings = Settings(
        host=host,
        port=port,
        data=None if data is None else Path(data),
        auth=auth,
        insecure=insecure,
        push_merge_ms=push_merge_ms,
        admin_password=admin_password,
    )
    async with run_node(settings) as node:
        yield node


@asynccontextmanager
async def run_node(
    settings: Settings,
    *,
    announce: Callable[["Node"], None] = lambda node: None,
    surroundings: Surroundings | None = None,
) -> AsyncIterator["Node"]:
    """As ``open_node``. ``announce`` is called once the ports are bound, before the node is ready."""
    node: Node | None = None
    failure: Exception | None = None
    with ExitStack() as resources:
        try:
            async with trio.open_nursery() as nursery:
                node = Node(settings, resources, nursery, surroundings or Surroundings())
                try:
                    await node._start(announce)
                    yield node
                    await node._hand_over()
                except Exception as error:
                    failure = error  # raised below as it is, not within the group of the nursery
                nursery.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise only_error(group) from None
        finally:
            if node is not None:
                with trio.CancelScope(shield=True):
                    await node._stop()
        if failure is not None:
            raise failure


class Node:
    """A running node. Made by ``open_node``."""

    def __init__(
        self,
        settings: Settings,
        resources: ExitStack,
        nursery: trio.Nursery,
        surroundings: Surroundings,
    ) -> None:
        self.settings = settings
        self._nursery = nursery
        self._surroundings = surroundings
        self._wall_clock = wall_clock = surroundings.wall_clock
        self._entropy = entropy = surroundings.entropy
        self._is_ready = False
        self._is_stopping = False
        self._is_abandoned = False
        self.generated_password: str | None = None
        """The administrator's password if this start made it up: it is not to be had again."""

        self._cluster_settings = cluster_settings(settings)
        self._listeners: Listeners | None = None
        self._udp_port: UdpPort | None = None
        if settings.port is not None:
            addresses = resolve(settings.host)
            check(settings, addresses)
            self._udp_port = UdpPort(addresses)
            self._listeners = bind_pair(settings.host, settings.port, random.Random(entropy(8)))
            resources.callback(self._listeners.close)
        self._storage = surroundings.storage or open_folder(settings.data, resources)
        self._log, log_sync = self._storage.open_log()
        resources.callback(self._log.close)
        if self._log.recovery_report:
            _logger.warning("recovery of the log: %s", self._log.recovery_report)

        compatibility = Compatibility(settings, ALL_ROUTES, ASKED_BY_CONSOLES)
        self._hub = _core.Hub(
            digest_key=self._digest_key(),
            abilities=ABILITIES,
            require_tokens=settings.auth,
            retired=sorted(compatibility.retired),
        )
        self._state_machine = StateMachine(self._hub, wall_clock)
        self.identity = load_identity(self._storage, entropy, is_log_empty=self._is_log_empty())
        self._cluster, self._peer_listener = self._make_cluster(resources)
        self._distro = self._make_distro()
        self._bootstrap()
        self._raft = RaftDriver(
            replica=self._make_replica(),
            log=self._log,
            sync=log_sync,
            send=self._cluster.send if self._cluster is not None else lambda to, message: None,
            settle=self._settle,
            synced=self._remember_cluster,
            aside=surroundings.aside,
            stalls=None if self._cluster is None else Stalls(surroundings.cpu_seconds),
        )
        if self._cluster is None:
            check_not_lonely(self._raft.replica.machine.state.configuration, self.data)
        self._pushes = Pushes(
            hub=self._hub,
            state_machine=self._state_machine,
            wall_clock=wall_clock,
            merge_seconds=settings.push_merge_ms / 1000,
            udp_port=self._udp_port,
            is_ready=lambda: self._is_ready,
        )
        self._writes = Writes(self._raft)
        self._health = self._make_health() if settings.health_check_networks else None
        config_service = ConfigService(Validation(settings.config_validation))
        checks = SchemaProcess(surroundings.open_process)
        self._schemas = SchemaGate(settings.config_validation, self._hub, self._raft.propose, self._settle, checks)
        context = self._make_context(compatibility, config_service)
        dispatcher = Dispatcher(context=context, pushes=self._pushes, forwarding=self._make_forwarding())
        self._dispatch = dispatcher.dispatch
        self._dns = self._make_dns(resources)
        self._streams = Streams(hub=self._hub, wall_clock=wall_clock, dispatch=dispatcher.dispatch, settle=self._settle)
        self._reactor = None if self._listeners is None else _make_reactor(self._hub, self._listeners)
        self.naming = Naming(
            hub=self._hub, writes=self._writes, pushes=self._pushes, wall_clock=wall_clock, settle=self._settle
        )
        checked = Writes(self._raft, self._schemas.propose)
        self.config = Configuration(hub=self._hub, writes=checked, pushes=self._pushes, service=config_service)
        self.locks = Locking(locks=self._state_machine.locks, writes=self._writes, wall_clock=wall_clock)

    @property
    def host(self) -> str:
        """As it was asked for."""
        return self.settings.host

    @property
    def data(self) -> Path:
        """Where its data is kept."""
        return self._storage.place

    @property
    def http_port(self) -> int | None:
        """None: no sockets."""
        return None if self._listeners is None else self._listeners.http_port

    @property
    def grpc_port(self) -> int | None:
        """None: no sockets."""
        return None if self._listeners is None else self._listeners.http_port + limits.GRPC_PORT_OFFSET

    @property
    def dns_port(self) -> int | None:
        """None: services are not found by DNS."""
        return None if self._dns is None else self._dns.port

    @property
    def raft(self) -> Replica:
        """The node as a server of Raft, to look at."""
        return self._raft.replica

    def abandon(self) -> None:
        """The node is about to end as if its process had died: from now on it sends nothing."""
        self._is_abandoned = True
        self._raft.mute()
        if self._distro is not None:
            self._distro.mute()

    @property
    def cluster(self) -> "ClusterDriver | None":
        """The node as a member; None: it stands alone and opens no port for peers."""
        return self._cluster

    @property
    def address(self) -> str:
        """What clients are given as the server's address: ``host:port``."""
        return f"{self.host}:{self.http_port}"

    @property
    def is_ready(self) -> bool:
        """Everything that was committed before the start can be read, and all instances that others know are here."""
        return self._is_ready

    async def serve_stream(
        self, stream: trio.abc.Stream, *, grpc: bool = False, remote_ip: str = "127.0.0.1", remote_port: int = 0
    ) -> None:
        """Serves one client over any stream until either side closes it."""
        await self._streams.serve(stream, grpc=grpc, remote_ip=remote_ip, remote_port=remote_port)

    async def _start(self, announce: Callable[["Node"], None]) -> None:
        announce(self)
        self._remember_cluster()
        start = self._nursery.start_soon
        start(self._raft.run)
        start(self._schemas.run)
        if self._cluster is not None and self._peer_listener is not None and self._distro is not None:
            self._cluster.attach(self._raft)
            start(self._distro.run)
            start(self._cluster.run, self._peer_listener)
        start(self._pushes.run, self._flush)
        if self._reactor is not None and self._udp_port is not None:
            start(self._pump)
            start(self._udp_port.run)
        if self._dns is not None:
            start(self._dns.run)
        await self._raft.wait_applied(self._raft.replica.is_caught_up)
        if self._distro is not None:
            await self._distro.wait_serving()
        start(self._heartbeats)
        start(self._metadata_expiry)
        start(self._detection)
        start(self._retention)
        start(self._lock_expiry)
        if self._health is not None:
            start(self._health.run)
        quotas = QuotaSettings(self.settings, self._state_machine.quotas, self._writes, self.raft)
        await quotas.start(self._nursery)
        if self.settings.auth:
            self.generated_password = await self._start_administrator()
        self._is_ready = True
        self._hub.set_ready(True)
        self._settle()

    async def _hand_over(self) -> None:
        """A leader that stops lets another one lead first: nobody has to wait for an election timeout.

        Then the others are told that this node leaves. It hands nothing back: they keep what is registered here for a
        while, and its clients come to them. From then on nobody is told what is registered here: so nobody may register
        any more, and subscribers are not pushed a list that only shrinks because connections are closed.
        """
        replica = self._raft.replica
        if replica.is_leader and not replica.machine.is_alone:
            self._raft.transfer("")
            with trio.move_on_after(limits.HAND_OVER_SECONDS):
                while replica.is_leader or not replica.leader_id:  # noqa: ASYNC110 - a message says who leads next
                    await trio.sleep(0.005)
        if self._cluster is not None and self._distro is not None:
            self._refuse_clients()
            self._distro.leave()
            await self._cluster.drain()

    def _refuse_clients(self) -> None:
        self._is_ready = False
        self._is_stopping = True
        self._hub.set_ready(False)

    async def _stop(self) -> None:
        """Closes the streams, then makes durable what was written.

        Raises:
            LogFailed: what was written may not be durable.
        """
        self._refuse_clients()
        if self._reactor is not None:
            self._reactor.stop_listening()
        self._raft.stop()
        self._flush()
        if self._reactor is not None:
            self._reactor.close(self._wall_clock())
        if self._is_abandoned:
            return
        # So that the next start knows what is committed, also if it finds no leader.
        self._log.mark_commit()
        with trio.move_on_after(limits.CLOSE_SECONDS):
            await self._surroundings.aside(self._log.sync, abandon_on_cancel=True)

    async def _pump(self) -> None:
        assert self._reactor is not None, "there are sockets"
        await run_pump(reactor=self._reactor, wall_clock=self._wall_clock, dispatch=self._dispatch, settle=self._settle)

    async def _heartbeats(self) -> None:
        await run_heartbeats(
            hub=self._hub,
            pushes=self._pushes,
            wall_clock=self._wall_clock,
            settle=self._settle,
            empty_service_ms=self.settings.empty_service_ms,
        )

    async def _retention(self) -> None:
        await run_retention(
            hub=self._hub,
            writes=self._writes,
            retention=Retention(self.settings.config_history_days, self.settings.config_history_count),
            is_leader=lambda: self.raft.is_leader,
            wall_clock=self._wall_clock,
        )

    async def _lock_expiry(self) -> None:
        await run_lock_expiry(
            locks=self._state_machine.locks,
            writes=self._writes,
            is_leader=lambda: self.raft.is_leader,
            wall_clock=self._wall_clock,
        )

    async def _metadata_expiry(self) -> None:
        await run_metadata_expiry(
            hub=self._hub,
            propose=self._raft.propose,
            wall_clock=self._wall_clock,
            sees_all=lambda: self._distro.sees_all if self._distro is not None else self.raft.machine.is_alone,
            settle=self._settle,
        )

    async def _detection(self) -> None:
        await run_detection(hub=self._hub, wall_clock=self._wall_clock, settle=self._settle)

    def _settle(self) -> None:
        """After anything that may have changed something: hands on what it led to, and writes out what was queued."""
        while events := self._hub.take_events():
            self._dispatch(events)
        if self._distro is not None:
            self._distro.flush()
        self._raft.flush()
        self._pushes.settle()
        self._flush()

    def _flush(self) -> None:
        self._streams.flush()
        if self._reactor is not None:
            self._reactor.flush(self._wall_clock())

    def _bootstrap(self) -> None:
        """A node that waits for no others is its own first configuration."""
        is_empty = self._is_log_empty()
        check_log_is_there(self._storage, self.identity, is_log_empty=is_empty)
        settings = self._cluster_settings
        if is_empty and settings is not None and settings.listed and self.settings.auth:
            self._require_password()
        if not is_empty or (settings is not None and (settings.listed or settings.join)):
            return
        if settings is not None:
            member = Member(self.identity.node_id, settings.own.name, settings.own.peer_port)
        else:
            member = Member(self.identity.node_id, "" if self._listeners is None else self.address, 0)
        bootstrap(self._log, Members.make(self._new_cluster_id(), [member]))

    def _is_log_empty(self) -> bool:
        return self._log.last_index == 0 and self._log.term == 0

    def _require_password(self) -> None:
        if self.settings.admin_password is None:
            raise SettingsError(
                "a new cluster with authentication needs the password of nacos: give every member the same "
                "NACOS_CORE_ADMIN_PASSWORD"
            )

    def _new_cluster_id(self) -> str:
        return self._entropy(8).hex()

    def _remember_cluster(self) -> None:
        """Once the log is durable: whoever remembers a cluster without a log was robbed of it, and must not start.

        It is also before anything is sent that the log had to be durable for.
        """
        state = self._raft.replica.machine.state
        if state.configuration is None or state.configuration.cluster_id == self.identity.cluster_id:
            return
        if state.configuration_index <= self._log.synced_index:
            self.identity = remember_cluster(self._storage, self.identity, state.configuration.cluster_id)

    def _remember_joining(self) -> None:
        self.identity = remember_joining(self._storage, self.identity)

    def _make_cluster(self, resources: ExitStack) -> "tuple[ClusterDriver | None, Listener | None]":
        settings = self._cluster_settings
        if settings is None:
            return None, None
        from nacos_core.drivers.cluster import ClusterDriver
        from nacos_core.peers.addresses import PeerAddress
        from nacos_core.peers.handshake import Identity as PeerIdentity
        from nacos_core.peers.network import TcpNetwork
        from nacos_core.peers.transport import Peers

        network = self._surroundings.network or TcpNetwork()
        listener = network.listen(PeerAddress(self.settings.host, settings.own.peer_port))
        resources.callback(listener.close)
        peers = Peers(
            network=network,
            identity=lambda: PeerIdentity(self.identity.node_id, settings.own.name, cluster.cluster_id),
            secret=self.settings.cluster_secret,
            entropy=self._entropy,
            chance=random.Random(self._entropy(8)),
        )
        cluster = ClusterDriver(
            node_id=self.identity.node_id,
            own=settings.own,
            listed=settings.listed,
            join=settings.join,
            peers=peers,
            has_joined=self.identity.has_joined,
            joined=self._remember_joining,
            new_cluster_id=self._new_cluster_id,
        )
        return cluster, listener

    def _make_distro(self) -> "DistroDriver | None":
        if self._cluster is None:
            return None
        from nacos_core.drivers.distro import make_driver

        node = self.identity, self.settings
        return make_driver(
            *node, hub=self._hub, cluster=self._cluster, wall_clock=self._wall_clock, settle=self._settle
        )

    def _make_dns(self, resources: ExitStack) -> "DnsPort | None":
        if self.settings.dns_port is None:
            return None
        from nacos_core.drivers.dns import DnsPort

        port = DnsPort(
            address=resolve(self.settings.host)[0],
            port=self.settings.dns_port,
            hub=self._hub,
            wall_clock=self._wall_clock,
            is_ready=lambda: self._is_ready,
            chance=random.Random(self._entropy(8)).random,
        )
        resources.callback(port.close)
        return port

    def _why_not_ready(self) -> str:
        if self._is_stopping:
            return "this node is stopping"
        if self._distro is None or not self.raft.is_caught_up():
            return "the log is not applied yet"
        return f"instances are not loaded yet: {self._distro.reason}"

    def _make_forwarding(self) -> "Forwarding | None":
        if self._cluster is None or self._distro is None:
            return None
        from nacos_core.distro.forwarding import Forward
        from nacos_core.drivers.forwarding import Forwarding

        forwarding = Forwarding(
            hub=self._hub,
            nursery=self._nursery,
            ask=self._cluster.ask,
            questions=self._distro,
            wall_clock=self._wall_clock,
            is_ready=lambda: self._is_ready,
            settle=self._settle,
        )
        self._cluster.answer(Forward, forwarding.answer)
        return forwarding

    def _make_health(self) -> "HealthChecks":
        from nacos_core.drivers.health import HealthChecks, dial_tcp
        from nacos_core.naming.health_targets import parse_networks

        return HealthChecks(
            hub=self._hub,
            networks=parse_networks(self.settings.health_check_networks),
            dial=self._surroundings.dial or dial_tcp,
            aside=self._surroundings.aside,
            chance=random.Random(self._entropy(8)),
            switches=lambda: self._state_machine.switches,
            propose=self._raft.propose,
            settle=self._settle,
        )

    def _others(self) -> list[str]:
        return [] if self._distro is None else self._distro.live_members()

    def _make_context(self, compatibility: Compatibility, config_service: ConfigService) -> Context:
        settings, nursery = self.settings, self._nursery
        return Context(
            settings=settings if settings.port is None else replace(settings, port=self.http_port),
            compatibility=compatibility,
            version=_core.__version__,
            hub=self._hub,
            wall_clock=self._wall_clock,
            config=config_service,
            schemas=self._schemas,
            namespaces=NamespaceService(self._state_machine.namespaces, self._entropy),
            propose=self._schemas.propose,
            confirm=self._raft.read,
            background=Background(
                nursery=nursery, writes=self._writes, aside=self._surroundings.aside, settle=self._settle
            ),
            cluster=ClusterView(
                raft=self._raft,
                boot=self.identity.boot,
                log=self._log,
                cluster=self._cluster,
                distro=self._distro,
                nursery=nursery,
                settle=self._settle,
            ),
            distro=self._distro,
            switches=lambda: self._state_machine.switches,
            quota_defaults=lambda: self._state_machine.quotas.defaults,
            observing=Observing(
                hub=self._hub,
                pushes=self._pushes,
                cluster=self._cluster,
                others=self._others,
                nursery=nursery,
                settle=self._settle,
            ),
            loads=Loads(
                hub=self._hub,
                node_id=self.identity.node_id,
                cluster=self._cluster,
                others=self._others,
                is_ready=lambda: self._is_ready,
                system_load=system_load,
            ),
            health=self._health,
            pushes=self._pushes,
            gate=self._make_gate() if settings.auth else None,
            is_ready=lambda: self._is_ready,
            why_not_ready=self._why_not_ready,
        )

    def _make_replica(self) -> Replica:
        try:
            replica = Replica(
                node_id=self.identity.node_id,
                boot=self.identity.boot,
                log=self._log,
                state_machine=self._surroundings.shown(self._state_machine),
                wall_clock=self._wall_clock,
                chance=random.Random(self._entropy(8)).random,
                timing=Timing(
                    election_timeout_min_seconds=self.settings.election_timeout_ms / 1000,
                    election_timeout_max_seconds=2 * self.settings.election_timeout_ms / 1000,
                    heartbeat_seconds=self.settings.heartbeat_ms / 1000,
                ),
                listener=self._cluster,
                snapshot_log_bytes=self.settings.snapshot_log_bytes,
                trailing_entries_count=self.settings.trailing_entries_count,
            )
        except ValueError as error:
            raise StartError(f"the snapshot in {self.data} cannot be read: {error}") from None
        # Nobody listens yet.
        self._state_machine.take_changed_configs()
        self._state_machine.take_changed_grays()
        return replica

    def _digest_key(self) -> bytes:
        if self._cluster_settings is None:
            return self._key(DIGEST_KEY_FILE, DIGEST_KEY_BYTES)
        from nacos_core.peers.secret import digest_key

        return digest_key(self.settings.cluster_secret, DIGEST_KEY_BYTES)

    def _key(self, name: str, bytes_count: int) -> bytes:
        return keys.load_or_create(self._storage, name, bytes_count, self._entropy)

    def _make_gate(self) -> "Gate":
        from nacos_core.auth.attempts import RightPasswords
        from nacos_core.drivers.logins import Logins
        from nacos_core.server.gate import Gate

        logins = Logins(nursery=self._nursery, state_machine=self._state_machine, settle=self._settle)
        return Gate(
            hub=self._hub,
            tokens=logins.tokens,
            right_passwords=RightPasswords(self._entropy(limits.KEY_BYTES_MIN)),
            check_password=logins.check,
            is_user=logins.is_user,
            wall_clock=self._wall_clock,
            now=trio.current_time,
        )

    async def _start_administrator(self) -> str | None:
        from nacos_core.drivers.administrator import AdministratorPassword

        given = self.settings.admin_password
        password = AdministratorPassword(
            given, state_machine=self._state_machine, writes=self._writes, replica=self.raft, entropy=self._entropy
        )
        return await password.start(self._nursery)


def _make_reactor(hub: _core.Hub, listeners: Listeners) -> _core.Reactor:
    reactor = _core.Reactor(hub)
    for listener in listeners.http:
        reactor.listen(listener.fileno(), grpc=False)
    for listener in listeners.grpc:
        reactor.listen(listener.fileno(), grpc=True)
    return reactor


def only_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error itself if it is the only one: whoever opens a node need not know that it has tasks."""
    if len(group.exceptions) != 1:
        return group
    error = group.exceptions[0]
    return only_error(error) if isinstance(error, BaseExceptionGroup) else error
