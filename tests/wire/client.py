"""A small client of both protocols, for tests: it can say what a well-behaved library never would.

HTTP goes over the standard library. gRPC goes over `h2` and one blocking socket: no thread, so the bytes move only
while a method of the connection waits for something. Pushes are kept in order and acknowledged as SDKs do.
"""

from __future__ import annotations

import http.client
import json
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from wire.payload import Payload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

WAIT_S = 5.0
UNARY = "/Request/request"
STREAM = "/BiRequestStream/requestBiStream"
NEVER_ACKNOWLEDGED = frozenset({"SetupAckRequest"})


class Closed(Exception):
    """The server closed the connection; the message says what came before."""


@dataclass(frozen=True)
class HttpAnswer:
    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.content)


def call_http(
    port: int,
    method: str,
    path: str,
    query: Mapping[str, Any] | None = None,
    form: Mapping[str, Any] | bytes | None = None,
    headers: Mapping[str, str] | None = None,
    host: str = "127.0.0.1",
    within_s: float = WAIT_S,
) -> HttpAnswer:
    """One request on a connection of its own. `path` goes out as it is, odd spellings included."""
    connection = http.client.HTTPConnection(host, port, timeout=within_s)
    try:
        return ask_http(connection, method, path, query, form, headers)
    finally:
        connection.close()


def ask_http(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    query: Mapping[str, Any] | None = None,
    form: Mapping[str, Any] | bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpAnswer:
    """One request on a connection that is kept. `form` in bytes is a body of JSON."""
    sent = dict(headers or {})
    body = None
    if isinstance(form, bytes):
        body = form
        sent.setdefault("Content-Type", "application/json")
    elif form is not None:
        body = urlencode(form).encode()
        sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
    connection.request(method, f"{path}?{urlencode(query)}" if query else path, body, sent)
    response = connection.getresponse()
    content = response.read()
    return HttpAnswer(response.status, http_headers(response), content)


def http_headers(response: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}


@dataclass(frozen=True)
class GrpcAnswer:
    """A payload from the server: an answer, or a push."""

    kind: str
    body: Any

    @staticmethod
    def of(message: bytes) -> GrpcAnswer:
        payload = Payload.decode(message)
        return GrpcAnswer(payload.kind, json.loads(payload.body))


class GrpcFailure(Exception):
    """The call ended with a gRPC status other than 0."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"grpc-status {status}: {text}")
        self.status = status


@dataclass
class _Call:
    data: bytearray = field(default_factory=bytearray)
    headers: dict[str, str] = field(default_factory=dict)
    ended: bool = False
    reset: int | None = None

    def take_messages(self) -> list[bytes]:
        messages = []
        while len(self.data) >= 5:
            end = 5 + int.from_bytes(self.data[1:5], "big")
            if len(self.data) < end:
                break
            messages.append(bytes(self.data[5:end]))
            del self.data[:end]
        return messages


class GrpcConnection:
    """One HTTP/2 connection, as an SDK has one for each of its modules."""

    def __init__(self, port: int, host: str = "127.0.0.1", *, pieces: bool = False) -> None:
        """With `pieces` every byte that is sent goes out in a segment of its own."""
        self._pieces = pieces
        self._socket = socket.create_connection((host, port), WAIT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self._h2.initiate_connection()
        self._calls: dict[int, _Call] = {}
        self._stream: int | None = None
        self._closed: str | None = None
        self.pushes: list[GrpcAnswer] = []
        self.acknowledges = True
        self._flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    # --- unary calls

    def call(self, kind: str, body: Mapping[str, Any] | bytes, headers: Mapping[str, str] | None = None) -> GrpcAnswer:
        """A request and its answer. GrpcFailure if gRPC itself refused."""
        return self.finish(self.start(kind, body, headers))

    def start(self, kind: str, body: Mapping[str, Any] | bytes, headers: Mapping[str, str] | None = None) -> int:
        """Sends a request without waiting; `finish` waits."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.start_raw(Payload(kind, content, headers or {}).encode())

    def start_raw(self, message: bytes, path: str = UNARY, prefix: bytes | None = None, **headers: str) -> int:
        """Sends these bytes as one gRPC message; `prefix` replaces its five bytes of flag and length."""
        number = self._open(path, headers)
        framed = (b"\0" + len(message).to_bytes(4, "big") if prefix is None else prefix) + message
        self._send(number, framed, end=True)
        return number

    def finish(self, number: int, within_s: float = WAIT_S) -> GrpcAnswer:
        call = self._calls[number]
        self._wait(lambda: call.ended, within_s, f"no answer to call {number}")
        del self._calls[number]
        if call.reset is not None and "grpc-status" not in call.headers:
            raise Closed(f"call {number} was reset with HTTP/2 error {call.reset}")
        status = int(call.headers.get("grpc-status", "-1"))
        if status != 0:
            raise GrpcFailure(status, call.headers.get("grpc-message", f"headers: {call.headers}"))
        (message,) = call.take_messages()
        return GrpcAnswer.of(message)

    # --- the stream of pushes

    def set_up(
        self,
        abilities: Mapping[str, bool] | None = None,
        tenant: str = "",
        labels: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        version: str = "test",
        client_ip: str = "",
    ) -> str:
        """What SDKs do after connecting; returns the connection id. With `abilities` the server's are waited for."""
        checked = self.call("ServerCheckRequest", {})
        self.open_stream()
        setup: dict[str, Any] = {"clientVersion": version, "tenant": tenant, "labels": labels or {"source": "sdk"}}
        if abilities is not None:
            setup["abilityTable"] = abilities
        self.send("ConnectionSetupRequest", setup, headers, client_ip)
        if abilities is not None:
            self.wait_push("SetupAckRequest")
        self.wait_registered()
        return str(checked.body["connectionId"])

    def wait_registered(self) -> None:
        """The stream and unary calls race: SDKs sleep, this asks until the server knows the connection."""
        deadline = time.monotonic() + WAIT_S
        while self.call("HealthCheckRequest", {}).body["errorCode"] == 301:
            if time.monotonic() > deadline:
                raise TimeoutError("the server did not register the connection")
            self.settle(0.01)

    def open_stream(self) -> None:
        self._stream = self._open(STREAM, {})

    def send(
        self,
        kind: str,
        body: Mapping[str, Any] | bytes,
        headers: Mapping[str, str] | None = None,
        client_ip: str = "",
    ) -> None:
        """Sends a message up the stream."""
        assert self._stream is not None
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        message = Payload(kind, content, headers or {}, client_ip).encode()
        self._send(self._stream, b"\0" + len(message).to_bytes(4, "big") + message, end=False)

    def end_stream(self) -> None:
        """Says that nothing more comes up the stream."""
        assert self._stream is not None
        self._send(self._stream, b"", end=True)

    def wait_push(
        self, kind: str, within_s: float = WAIT_S, where: Callable[[Any], bool] = lambda _body: True
    ) -> GrpcAnswer:
        """The first push of this kind for which `where` holds; it and all before it are taken off `pushes`."""
        seen = 0

        def found() -> bool:
            nonlocal seen
            while seen < len(self.pushes):
                push = self.pushes[seen]
                seen += 1
                if push.kind == kind and where(push.body):
                    return True
            return False

        self._wait(found, within_s, f"no {kind}; pushed so far: {self.pushes}")
        push = self.pushes[seen - 1]
        del self.pushes[:seen]
        return push

    def stream_ended(self, within_s: float = WAIT_S) -> bool:
        """Whether the server ends the stream or the whole connection in this time."""
        assert self._stream is not None
        call = self._calls[self._stream]
        try:
            self._wait(lambda: call.ended, within_s, "the stream goes on")
        except Closed:
            return True
        except TimeoutError:
            return False
        return True

    def settle(self, seconds: float) -> None:
        """Moves bytes for this long: pushes arrive and are acknowledged."""
        deadline = time.monotonic() + seconds
        while (rest_s := deadline - time.monotonic()) > 0:
            self._receive(rest_s)

    # --- below: bytes

    def _open(self, path: str, headers: Mapping[str, str]) -> int:
        number = self._h2.get_next_available_stream_id()
        self._calls[number] = _Call()
        base = {":method": "POST", ":scheme": "http", ":authority": self._authority, ":path": path}
        base |= {"te": "trailers", "content-type": "application/grpc", "user-agent": "wire-test"}
        self._h2.send_headers(number, list((base | dict(headers)).items()))
        self._flush()
        return number

    def _send(self, number: int, data: bytes, *, end: bool) -> None:
        """As much as the windows allow at a time. Stops early if the server has already ended the call."""
        call = self._calls[number]
        while data and not call.ended:
            room = min(self._h2.local_flow_control_window(number), self._h2.max_outbound_frame_size, len(data))
            if room == 0:
                self._receive(WAIT_S)
                continue
            self._h2.send_data(number, data[:room])
            data = data[room:]
            self._flush()
        if end and not call.ended:
            self._h2.end_stream(number)
            self._flush()

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data:
            try:
                for piece in [data] if not self._pieces else [bytes([byte]) for byte in data]:
                    self._socket.sendall(piece)
            except OSError as error:
                self._closed = f"sending failed: {error}"

    def _wait(self, done: Callable[[], bool], within_s: float, otherwise: str) -> None:
        deadline = time.monotonic() + within_s
        while not done():
            rest_s = deadline - time.monotonic()
            if rest_s <= 0:
                raise TimeoutError(f"after {within_s} s: {otherwise}")
            self._receive(rest_s)

    def _receive(self, within_s: float) -> None:
        if self._closed is not None:
            raise Closed(self._closed)
        self._socket.settimeout(max(within_s, 0.001))
        try:
            data = self._socket.recv(65536)
        except TimeoutError:
            return
        except OSError as error:
            self._closed = f"receiving failed: {error}"
            raise Closed(self._closed) from error
        if not data:
            self._closed = "end of input"
            raise Closed(self._closed)
        try:
            events = self._h2.receive_data(data)
        except h2.exceptions.ProtocolError as error:
            self._closed = f"the server sent what HTTP/2 forbids, or more after its GOAWAY: {error!r}"
            raise Closed(self._closed) from error
        for event in events:
            self._take(event)
        self._flush()

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.ConnectionTerminated):
            self._closed = f"GOAWAY with HTTP/2 error {event.error_code}: {event.additional_data!r}"
            for call in self._calls.values():
                call.ended = True
                call.reset = int(event.error_code or 0)
            return
        number = getattr(event, "stream_id", None)
        call = self._calls.get(number) if number else None
        if call is None:
            return
        if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
            call.headers.update(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            call.data += event.data
            self._h2.acknowledge_received_data(event.flow_controlled_length, number)
            if number == self._stream:
                for message in call.take_messages():
                    self._take_push(GrpcAnswer.of(message))
        elif isinstance(event, h2.events.StreamReset):
            call.ended, call.reset = True, int(event.error_code)
        elif isinstance(event, h2.events.StreamEnded):
            call.ended = True

    def _take_push(self, push: GrpcAnswer) -> None:
        self.pushes.append(push)
        if self.acknowledges and push.kind not in NEVER_ACKNOWLEDGED:
            answer = {"resultCode": 200, "errorCode": 0, "requestId": push.body.get("requestId")}
            self.send(push.kind.removesuffix("Request") + "Response", answer)
