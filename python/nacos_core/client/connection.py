"""One gRPC connection: an engine that knows HTTP/2, and the socket that it is given."""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

import anyio
import msgspec
from anyio.abc import ByteStream

from nacos_core._core import ClientClosed, ClientEnded, ClientGoingAway, ClientMessage, GrpcClient
from nacos_core.client.errors import ClientError

_logger = logging.getLogger(__name__)

PushHandler = Callable[[str, bytes], None]
_READ_BYTES: Final = 64 * 1024
_NEVER_ACKNOWLEDGED: Final = frozenset({"SetupAckRequest"})

to_json = msgspec.json.Encoder().encode


class ConnectionLost(ClientError):
    """The connection ended before the answer. ``was_sent``: the server may have done what it was asked for."""

    def __init__(self, reason: str, *, was_sent: bool) -> None:
        super().__init__(reason)
        self.was_sent = was_sent


class _Push(msgspec.Struct, rename="camel"):
    request_id: str | int | None = None


class _Reset(msgspec.Struct, rename="camel"):
    server_ip: str | None = None
    server_port: str | int | None = None


class _Waiting:
    """A call whose answer has not come."""

    def __init__(self) -> None:
        self.done = anyio.Event()
        self.answer: bytes | None = None
        self.failure: ConnectionLost | None = None

    def fail(self, reason: str) -> None:
        self.failure = ConnectionLost(reason, was_sent=True)
        self.done.set()


class Connection:
    """Calls, and one stream for pushes, which are acknowledged as soon as ``on_push`` has taken them in.

    It lives as long as ``run``; nothing else touches the socket.
    """

    def __init__(self, stream: ByteStream, authority: str, on_push: PushHandler) -> None:
        self._stream = stream
        self._engine = GrpcClient(authority)
        self._on_push = on_push
        self._calls: dict[int, _Waiting] = {}
        self._push_stream: int | None = None
        self._has_output = anyio.Event()
        self._has_output.set()
        self._is_leaving = False
        self.ended = anyio.Event()
        """Set when it can be used no more."""
        self.reason = ""
        """Why it ended."""
        self.sent_to: tuple[str, str] | None = None
        """Host and HTTP port of the server that this one names as the next."""

    @property
    def is_usable(self) -> bool:
        """Whether a call may be made."""
        return not self.ended.is_set() and not self._is_leaving

    async def run(self) -> None:
        """Reads and writes until either side ends the connection."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._write)
            try:
                await self._read()
            finally:
                self._end(self.reason or "the connection was closed")
            tasks.cancel_scope.cancel()

    async def call(self, type: str, fields: object, headers: Mapping[str, str]) -> bytes:
        """The JSON of the answer. Cancelling it tells the server that nobody waits any more.

        Raises:
            ConnectionLost: there was no answer.
        """
        if not self.is_usable:
            raise ConnectionLost(self.reason or "the server is going away", was_sent=False)
        call = self._engine.call(type, headers, to_json(fields))
        if call is None:
            raise ConnectionLost("the connection takes no more calls", was_sent=False)
        waiting = self._calls[call] = _Waiting()
        self._has_output.set()
        try:
            await waiting.done.wait()
        except BaseException:
            if self._calls.pop(call, None) is not None:
                self._engine.cancel(call)
                self._has_output.set()
            raise
        if waiting.failure is not None:
            raise waiting.failure
        if waiting.answer is None:
            raise ConnectionLost("the server answered without a message", was_sent=True)
        return waiting.answer

    def open_push_stream(self, setup: object) -> None:
        """Introduces this client; pushes may come from now on."""
        self._push_stream = self._engine.open_stream()
        if self._push_stream is not None:
            self._engine.send(self._push_stream, "ConnectionSetupRequest", {}, to_json(setup))
            self._has_output.set()

    def leave(self, reason: str) -> None:
        """No new calls; it ends when those that wait are answered."""
        self.reason = self.reason or reason
        self._is_leaving = True
        if not self._calls:
            self._end(reason)

    async def _write(self) -> None:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            while True:
                await self._has_output.wait()
                self._has_output = anyio.Event()
                if output := self._engine.take_output():
                    await self._stream.send(output)
        # The end of reading tells the reason.

    async def _read(self) -> None:
        while not self.ended.is_set():
            try:
                events = self._engine.feed(await self._stream.receive(_READ_BYTES))
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                events = self._engine.closed_by_peer()
            except ValueError as error:  # a message that is no payload
                self.reason = str(error)
                return
            for event in events:
                self._handle(event)
            self._has_output.set()
            if self._is_leaving and not self._calls:
                self._end(self.reason)

    def _handle(self, event: ClientMessage | ClientEnded | ClientGoingAway | ClientClosed) -> None:
        match event:
            case ClientMessage() if event.call == self._push_stream:
                self._push(event.type, event.body)
            case ClientMessage():
                if waiting := self._calls.get(event.call):
                    waiting.answer = event.body
            case ClientEnded() if event.call == self._push_stream:
                self._end(f"the server ended the stream of pushes: {event.message or event.status}")
            case ClientEnded():
                if waiting := self._calls.pop(event.call, None):
                    if event.status == 0:
                        waiting.done.set()
                    else:
                        waiting.fail(f"{event.message} (gRPC status {event.status})")
            case ClientGoingAway():
                self.leave(f"the server is going away {event.reason}".rstrip())
            case ClientClosed():
                self._end(event.reason or "the server closed the connection")

    def _push(self, type: str, body: bytes) -> None:
        try:
            request_id = msgspec.json.decode(body, type=_Push).request_id
            self._on_push(type, body)
        except msgspec.MsgspecError as error:
            _logger.warning("a push of type %s cannot be read: %s", type, error)
            return
        kind = type.removesuffix("Request")
        if type not in _NEVER_ACKNOWLEDGED and kind != type and self._push_stream is not None:
            answer = {"resultCode": 200, "errorCode": 0, "success": True, "requestId": request_id}
            self._engine.send(self._push_stream, f"{kind}Response", {}, to_json(answer))
        if type == "ConnectResetRequest":
            reset = msgspec.json.decode(body, type=_Reset)
            self.sent_to = (reset.server_ip, str(reset.server_port)) if reset.server_ip else None
            self.leave("the server asked this client to go to another one")

    def _end(self, reason: str) -> None:
        self.reason = self.reason or reason
        self._is_leaving = True
        self.ended.set()
        for waiting in self._calls.values():
            waiting.fail(self.reason)
        self._calls.clear()
