"""A hub driven by hand over bytes, and what clients say to it: for properties of both engines through Python."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import h2.config
import h2.connection
import h2.events
from hypothesis import strategies as st

from nacos_core._core import GrpcRequest, HttpRequest, Hub, LongPoll, PersistentInstance
from wire.payload import Payload

NOW_MS = 1_800_000_000_000
DIGEST_KEY = bytes(range(16))


def new_hub() -> Hub:
    hub = Hub(digest_key=DIGEST_KEY, abilities={"supportPersistentInstanceByGrpc": True}, require_tokens=False)
    hub.set_ready(True)
    return hub


class Session:
    """One connection to a hub of its own. What comes up is answered with its own name, so that nothing waits."""

    def __init__(self, *, grpc: bool) -> None:
        self.hub = new_hub()
        self.connection = self.hub.open("127.0.0.1", 40000, grpc=grpc, now_ms=NOW_MS)
        self.output = bytearray()
        self.seen: list[str] = []

    def feed(self, data: bytes) -> None:
        self._take(self.hub.feed(self.connection, data, NOW_MS))

    def end(self) -> None:
        self._take(self.hub.end_of_input(self.connection, NOW_MS))

    def _take(self, events: list[Any]) -> None:
        while events:
            for event in events:
                self._answer(event)
            events = self.hub.take_events()
        self.output += self.hub.take_output(self.connection)

    def _answer(self, event: Any) -> None:
        self.seen.append(type(event).__name__)
        if isinstance(event, HttpRequest):
            body = f"{event.method} {event.path} {sorted(event.parameters.items())} {len(event.body)}".encode()
            self.hub.reply_http(event.connection, event.call, 404, [("Content-Type", "text/plain")], body)
        elif isinstance(event, PersistentInstance):
            self.hub.reply_http(event.connection, event.call, 200, [], b"persistent")
            self.hub.reply_grpc(event.connection, event.call, "InstanceResponse", b"{}")
        elif isinstance(event, LongPoll):
            self.hub.reply_long_poll(event.connection, event.call, [])
        elif isinstance(event, GrpcRequest):
            self.hub.reply_grpc(event.connection, event.call, event.type, event.body)


names = st.text("abcdefgh-_", min_size=1, max_size=8)
texts = st.text(max_size=40)
ports = st.integers(-1, 70_000)


@st.composite
def http_requests(draw: st.DrawFn) -> bytes:
    """One request of a 1.x or 3.x client, in one of the shapes that HTTP allows."""
    method, path = draw(
        st.sampled_from(
            [
                ("POST", "/nacos/v1/ns/instance"),
                ("DELETE", "/nacos/v1/ns/instance"),
                ("PUT", "/nacos/v1/ns/instance/beat"),
                ("GET", "/nacos/v1/ns/instance/list"),
                ("GET", "/nacos/v1/ns/service/list"),
                ("GET", "/nacos/v1/cs/configs"),
                ("POST", "/nacos/v1/cs/configs"),
                ("POST", "/nacos/v1/cs/configs/listener"),
                ("GET", "/nacos/v3/client/ns/instance/list"),
                ("POST", "/nacos/v3/client/ns/instance"),
                ("GET", "/nacos/no/such"),
            ]
        )
    )
    fields = {"serviceName": draw(names), "ip": "10.0.0.1", "port": draw(ports), "dataId": draw(names)}
    fields |= {"group": draw(names), "content": draw(texts), "pageNo": 1, "pageSize": 10}
    encoded = "&".join(f"{name}={quote(str(value))}" for name, value in fields.items())
    form = "Content-Type: application/x-www-form-urlencoded\r\n"
    shape = draw(st.sampled_from(["query", "form", "chunks"]))
    if shape == "query":
        return f"{method} {path}?{encoded} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    if shape == "form":
        return f"{method} {path} HTTP/1.1\r\nHost: a\r\n{form}Content-Length: {len(encoded)}\r\n\r\n{encoded}".encode()
    size = draw(st.integers(1, 30))
    parts = [encoded[start : start + size] for start in range(0, len(encoded), size)]
    body = "".join(f"{len(part):x}\r\n{part}\r\n" for part in parts) + "0\r\n\r\n"
    return f"{method} {path} HTTP/1.1\r\nHost: a\r\n{form}Transfer-Encoding: chunked\r\n\r\n{body}".encode()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**65), 2**65) | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=6,
)

KINDS = [
    "HealthCheckRequest",
    "ServerCheckRequest",
    "InstanceRequest",
    "BatchInstanceRequest",
    "PersistentInstanceRequest",
    "SubscribeServiceRequest",
    "ServiceQueryRequest",
    "ServiceListRequest",
    "ConfigQueryRequest",
    "ConfigPublishRequest",
    "ConfigBatchListenRequest",
    "ConfigFuzzyWatchRequest",
    "NamingFuzzyWatchRequest",
    "LockOperationRequest",
    "NoSuchRequest",
]
FIELDS = ["namespace", "serviceName", "groupName", "type", "instance", "instances", "clusters", "pageNo", "pageSize"]
FIELDS += ["dataId", "group", "tenant", "content", "listen", "configListenContexts", "subscribe", "requestId"]
FIELDS += ["groupKeyPattern", "receivedGroupKeys", "watchType", "initializing", "lockInstance", "lockOperationEnum"]


@st.composite
def grpc_requests(draw: st.DrawFn) -> tuple[str, bytes]:
    """A type and a body: mostly right, sometimes with a value of any type in any place, sometimes no JSON."""
    kind = draw(st.sampled_from(KINDS))
    name = draw(names)
    instance = {"ip": "10.0.0.1", "port": draw(ports), "healthy": True, "ephemeral": True, "metadata": {"a": name}}
    body: dict[str, Any] = {"namespace": "public", "serviceName": name, "groupName": "g", "instance": instance}
    body |= {"type": "registerInstance", "instances": [instance], "subscribe": True, "clusters": ""}
    body |= {"dataId": name, "group": "g", "tenant": "", "content": name, "pageNo": 1, "pageSize": 5}
    body |= {
        "groupKeyPattern": f"public>>g>>{name}*",
        "watchType": "WATCH",
        "receivedGroupKeys": [f"public@@g@@{name}"],
    }
    if draw(st.booleans()):
        body |= draw(st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=3))
    if draw(st.integers(0, 9)) == 0:
        return kind, draw(st.binary(max_size=50))
    return kind, json.dumps(body).encode()


class GrpcClient:
    """Makes the bytes of a whole connection without hearing anything, and reads the answers afterwards."""

    def __init__(self) -> None:
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self._h2.initiate_connection()
        base = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), ("content-type", "application/grpc")]
        self._headers = [*base, ("te", "trailers")]

    def set_up(self) -> None:
        stream = self._open("/BiRequestStream/requestBiStream")
        setup = Payload("ConnectionSetupRequest", b'{"clientVersion":"test","abilityTable":{}}', {}).encode()
        self._h2.send_data(stream, framed(setup))

    def ask(self, kind: str, body: bytes) -> None:
        self._h2.send_data(self._open("/Request/request"), framed(Payload(kind, body, {}).encode()), end_stream=True)

    def _open(self, path: str) -> int:
        number = self._h2.get_next_available_stream_id()
        self._h2.send_headers(number, [(":path", path), *self._headers])
        return number

    def sent(self) -> bytes:
        data: bytes = self._h2.data_to_send()
        return data

    def answers(self, output: bytes) -> dict[int, bytes]:
        """Everything that came for each stream, trailers included."""
        found: dict[int, bytes] = {}
        for event in self._h2.receive_data(output):
            if isinstance(event, h2.events.DataReceived):
                found[event.stream_id] = found.get(event.stream_id, b"") + event.data
            elif isinstance(event, h2.events.TrailersReceived | h2.events.ResponseReceived):
                trailers = repr(sorted(pair for pair in event.headers if pair[0] != "date")).encode()
                found[event.stream_id] = found.get(event.stream_id, b"") + trailers
        return found


def framed(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4, "big") + message


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """`data` cut at these places, wherever they fall."""
    places = sorted({cut % (len(data) + 1) for cut in cuts})
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


def changed(data: bytes, changes: list[tuple[int, int]]) -> bytes:
    """`data` with these bytes changed, wherever they fall."""
    made = bytearray(data)
    for place, value in changes:
        made[place % len(made)] = value
    return bytes(made)
