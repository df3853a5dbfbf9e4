"""Always one connection to one of the servers: found, kept alive, and found anew when it ends."""

import logging
import random
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import anyio
import msgspec
from anyio.abc import ByteStream

from nacos_core import _core, limits
from nacos_core.client.connection import Connection, ConnectionLost, PushHandler
from nacos_core.client.errors import AccessDenied, ClientError, ServerRefused, Unreachable
from nacos_core.client.login import Login
from nacos_core.client.servers import ServerAddress
from nacos_core.client.tls import Tls
from nacos_core.errors import OutcomeUnknown

_logger = logging.getLogger(__name__)

_UNREGISTERED: Final = 301
_FORBIDDEN: Final = 403
_OK: Final = 200
_OUTCOME_UNKNOWN: Final = "outcome unknown"
"""How our own server begins a message about a write that it could not confirm in time."""
_SETUP_TRIES: Final = 20
_SETUP_PAUSE_SECONDS: Final = 0.05

Answer = TypeVar("Answer", bound="GrpcAnswer")


class GrpcAnswer(msgspec.Struct, rename="camel", kw_only=True):
    """What every answer begins with."""

    result_code: int = _OK
    error_code: int = 0
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Connected:
    """The connection that there is now, and whose it is."""

    connection: Connection
    server: ServerAddress
    number: int
    """Grows with each connection."""


class Session:
    """Asks whichever server answers. ``run`` does the work; nothing is answered before it runs."""

    def __init__(
        self,
        *,
        servers: Sequence[ServerAddress],
        namespace: str,
        login: Login | None,
        tls: Tls | None = None,
        request_timeout_seconds: float,
        chance: random.Random,
        on_push: PushHandler,
    ) -> None:
        self.servers = tuple(servers)
        self._namespace = namespace
        self._login = login
        self._tls = tls
        self._timeout_seconds = request_timeout_seconds
        self._chance = chance
        self._on_push = on_push
        self._next = chance.randrange(len(self.servers))
        self._current: Connected | None = None
        self._numbers = 0
        self._rounds_failed = 0
        self._failures: dict[ServerAddress, ClientError] = {}
        self._changed = anyio.Event()
        self._is_wanted = anyio.Event()

    @property
    def server(self) -> ServerAddress | None:
        """Who is connected; None: nobody."""
        return None if self._current is None else self._current.server

    async def run(self) -> None:
        """Connects for ever."""
        pause_seconds = limits.CLIENT_BACK_OFF_SECONDS
        while True:
            server = self.servers[self._next]
            try:
                sent_to = await self._use(server)
                self._failures.clear()
                pause_seconds = limits.CLIENT_BACK_OFF_SECONDS
            except ClientError as error:
                _logger.info("%s: %s", server, error)
                self._failures[server] = error
                sent_to = None
            self._next = (self._next + 1) % len(self.servers) if sent_to is None else sent_to
            if len(self._failures) < len(self.servers):
                continue
            self._rounds_failed += 1
            self._note_change()
            await self._pause(pause_seconds)
            pause_seconds = min(2 * pause_seconds, limits.CLIENT_BACK_OFF_SECONDS_MAX)
            self._failures.clear()

    async def connected_after(self, number: int) -> int:
        """Waits for a connection later than that; its number."""
        while self._current is None or self._current.number <= number:
            await self._changed.wait()
        return self._current.number

    async def ask(self, type: str, fields: object, answer: type[Answer], *, is_repeatable: bool = True) -> Answer:
        """Asks, on one connection after another if one is lost, for as long as a request may take.

        Args:
            is_repeatable: doing it twice is the same as doing it once.

        Raises:
            Unreachable: nobody answers; nothing was done, or it does no harm.
            OutcomeUnknown: it was sent, and nobody said what became of it.
            ServerRefused: a server says no.
        """
        was_sent = False
        with anyio.move_on_after(self._timeout_seconds):
            while True:
                current = await self._connected()
                try:
                    headers = await self._headers(current.server)
                    was_sent = not is_repeatable
                    body = await current.connection.call(type, fields, headers)
                    return self._read(current, body, answer)
                except ConnectionLost as error:
                    if was_sent and error.was_sent:
                        raise OutcomeUnknown(f"{current.server}: {error}; it may have been done or not") from None
                    await self._lost(current)
                except _LogInAgain:
                    continue
        seconds = f"{self._timeout_seconds:g} s"
        if was_sent:
            raise OutcomeUnknown(f"the server has not answered within {seconds}; it may have been done or not")
        raise Unreachable(f"{type} was not answered within {seconds}{self._reasons()}")

    def _read(self, current: Connected, body: bytes, answer: type[Answer]) -> Answer:
        try:
            said = msgspec.json.decode(body, type=GrpcAnswer)
            if said.result_code == _OK:
                return msgspec.json.decode(body, type=answer)
        except msgspec.MsgspecError as error:
            raise ServerRefused(f"{current.server} gives an answer that cannot be read: {error}") from None
        message = said.message or f"refused with code {said.error_code or said.result_code}"
        if said.error_code == _UNREGISTERED:
            current.connection.leave("the server does not know this connection any more")
            raise ConnectionLost(message, was_sent=False)
        if message.startswith(_OUTCOME_UNKNOWN):
            raise OutcomeUnknown(message)
        if said.error_code == _FORBIDDEN:
            if self._login is not None and self._login.is_old(current.server):
                self._login.forget(current.server)
                raise _LogInAgain
            raise AccessDenied(message, said.error_code)
        raise ServerRefused(message, said.error_code or said.result_code)

    async def _connected(self) -> Connected:
        """Waits for a connection that can be used, until each server was tried in vain."""
        rounds_failed = self._rounds_failed
        while self._current is None or not self._current.connection.is_usable:
            if self._rounds_failed > rounds_failed:
                denied = [error for error in self._failures.values() if isinstance(error, AccessDenied)]
                if denied:
                    raise denied[0]
                raise Unreachable(f"no server answers{self._reasons()}")
            self._is_wanted.set()
            await self._changed.wait()
        return self._current

    async def _lost(self, lost: Connected) -> None:
        """Until the end of a connection has been noticed here."""
        while self._current is lost:
            await self._changed.wait()

    def _reasons(self) -> str:
        told = [f"; {server}: {error}" for server, error in self._failures.items()]
        return "".join(told)

    async def _headers(self, server: ServerAddress) -> dict[str, str]:
        return {} if self._login is None else {"accessToken": await self._login.token(server)}

    async def _pause(self, seconds: float) -> None:
        """A little longer or shorter, so that clients that lost the same server do not come back at once together."""
        self._is_wanted = anyio.Event()
        await anyio.sleep(limits.CLIENT_BACK_OFF_SECONDS / 2)
        with anyio.move_on_after(seconds * self._chance.uniform(0.5, 1.0)):
            await self._is_wanted.wait()

    def _note_change(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    def _place_of(self, named: tuple[str, str] | None) -> int | None:
        """Of a server that another one names, by host and HTTP port; None: it is none of those that are known."""
        places = (place for place, server in enumerate(self.servers) if (server.host, str(server.http_port)) == named)
        return next(places, None)

    async def _use(self, server: ServerAddress) -> int | None:
        """Connects to a server and keeps that connection until it ends; the place of the one that it sends to.

        Raises:
            ClientError: it never came to be used.
        """
        try:
            with anyio.fail_after(limits.CLIENT_CONNECT_SECONDS):
                stream = await self._open(server)
        except TimeoutError:
            raise Unreachable(f"no connection within {limits.CLIENT_CONNECT_SECONDS:g} s") from None
        except ssl.SSLError as error:
            raise Unreachable(f"no TLS with port {server.grpc_port} ({error.strerror or error})") from None
        except (anyio.BrokenResourceError, anyio.EndOfStream):
            raise Unreachable(f"port {server.grpc_port} closed the connection before TLS was agreed on") from None
        except OSError as error:
            raise Unreachable(f"no connection to port {server.grpc_port} ({error.strerror or error})") from None
        failure: ClientError | None = None
        async with stream, anyio.create_task_group() as tasks:
            connection = Connection(stream, f"{server.host}:{server.grpc_port}", self._on_push)
            tasks.start_soon(connection.run)
            try:
                await self._introduce(server, connection)
                self._numbers += 1
                self._current = Connected(connection, server, self._numbers)
                self._note_change()
                await self._keep_alive(connection)
                _logger.info("%s: %s", server, connection.reason)
            except ClientError as error:
                failure = error  # raised below as it is, not within a group
            finally:
                self._current = None
                self._note_change()
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return self._place_of(connection.sent_to)

    async def _open(self, server: ServerAddress) -> ByteStream:
        if not server.is_secure:
            return await anyio.connect_tcp(server.host, server.grpc_port)
        assert self._tls is not None, "it is made where servers are read"
        # HTTP/2 says by itself where a message ends: nobody can cut one off unseen.
        return await anyio.connect_tcp(
            server.host, server.grpc_port, ssl_context=self._tls.grpc, tls_standard_compatible=False
        )

    async def _introduce(self, server: ServerAddress, connection: Connection) -> None:
        """ServerCheck, the stream with its set-up, then a question that only a known connection is answered."""
        try:
            with anyio.fail_after(limits.CLIENT_CONNECT_SECONDS):
                await self._headers(server)
                await self._check(connection, "ServerCheckRequest")
                setup = {
                    "clientVersion": f"Nacos-Python-Client:nacos-core-{_core.__version__}",
                    "tenant": self._namespace,
                    "labels": {"source": "sdk", "module": "naming,config"},
                    "abilityTable": {"fuzzyWatch": True},
                }
                connection.open_push_stream(setup)
                for _ in range(_SETUP_TRIES):
                    try:
                        return await self._check(connection, "HealthCheckRequest")
                    except ServerRefused as error:
                        if error.code != _UNREGISTERED:
                            raise
                    await anyio.sleep(_SETUP_PAUSE_SECONDS)
        except TimeoutError:
            raise Unreachable("it has not answered in time") from None
        raise Unreachable("it does not take in the connection")

    async def _check(self, connection: Connection, type: str) -> None:
        body = await connection.call(type, {"module": "internal"}, {})
        try:
            said = msgspec.json.decode(body, type=GrpcAnswer)
        except msgspec.MsgspecError:
            raise Unreachable("it does not answer as a server of this kind") from None
        if said.result_code != _OK:
            raise ServerRefused(said.message or "it is not ready", said.error_code)

    async def _keep_alive(self, connection: Connection) -> None:
        """Asks now and then whether the server is there, until the connection ends or it is not."""
        while True:
            with anyio.move_on_after(limits.CLIENT_HEALTH_SECONDS):
                await connection.ended.wait()
                return
            try:
                with anyio.fail_after(limits.CLIENT_HEALTH_ANSWER_SECONDS):
                    await self._check(connection, "HealthCheckRequest")
            except (TimeoutError, ClientError) as error:
                connection.leave(f"no sign of life: {error}")
                return


class _LogInAgain(Exception):
    """The token is not accepted any more: another one may be."""
