"""Clients of benches/scale.py: one that asks, and a bystander that beats every millisecond, in a process of its own."""

from __future__ import annotations

import http.client
import json
import select
import socket
import subprocess
import sys
import time
from typing import Any, Self
from urllib.parse import urlencode

from nacos_core._core import ClientMessage, GrpcClient

BEAT_SECONDS = 0.001
GRPC_SILENCE_SECONDS = 10.0
"""A node looks after connections that are silent for longer, and this client does not answer that."""
BEAT = {"serviceName": "bystander", "ip": "10.255.0.1", "port": 80}


class Http:
    """One connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)

    def ask(
        self, method: str, path: str, query: dict[str, Any] | None = None, body: bytes = b"", kind: str = ""
    ) -> bytes:
        """The body of the answer; a KeyError of the bench if that is a refusal."""
        headers = {"Content-Type": kind} if kind else {}
        target = f"{path}?{urlencode(query)}" if query else path
        self._connection.request(method, target, body or None, headers)
        response = self._connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise RuntimeError(f"{method} {path}: {response.status} {content[:300]!r}")
        return content

    def get(self, path: str, **query: Any) -> bytes:
        return self.ask("GET", path, query)

    def close(self) -> None:
        self._connection.close()


class Grpc:
    """One connection that is set up, a new one after each pause."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connect()

    def _connect(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._port + 1000))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._engine = GrpcClient(f"127.0.0.1:{self._port + 1000}")
        self._asked_at = time.monotonic()
        self.ask("ServerCheckRequest")
        stream = self._engine.open_stream()
        assert stream is not None
        setup = {"clientVersion": "bench", "labels": {"source": "sdk"}, "tenant": ""}
        self._engine.send(stream, "ConnectionSetupRequest", {}, json.dumps(setup).encode())

    def close(self) -> None:
        self._socket.close()

    def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        if time.monotonic() - self._asked_at > GRPC_SILENCE_SECONDS:
            self.close()
            self._connect()
        self._asked_at = time.monotonic()
        call = self._engine.call(kind, {}, json.dumps({"requestId": "1", **fields}).encode())
        self._socket.sendall(self._engine.take_output())
        while True:
            got = self._socket.recv(1 << 18)
            if not got:
                raise RuntimeError("the node closed the connection")
            for event in self._engine.feed(got):
                if isinstance(event, ClientMessage) and event.call == call:
                    return dict(json.loads(event.body))


def beat_until_told(port: int) -> list[float]:
    """Milliseconds of each beat, until there is something on stdin."""
    http, grpc, taken_ms = Http(port), Grpc(port), []
    is_told = False
    while not is_told:
        is_told = bool(select.select([sys.stdin], [], [], BEAT_SECONDS)[0])
        began = time.perf_counter()
        http.ask("PUT", "/nacos/v1/ns/instance/beat", BEAT)
        taken_ms.append((time.perf_counter() - began) * 1000)
        began = time.perf_counter()
        grpc.ask("HealthCheckRequest")
        taken_ms.append((time.perf_counter() - began) * 1000)
    return taken_ms


class Bystander:
    """Beats as long as the block lasts; `taken_ms` says how long each beat took."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.taken_ms: list[float] = []

    def __enter__(self) -> Self:
        command = [sys.executable, __file__, str(self._port)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._process.stdout.readline()
        return self

    def __exit__(self, *_error: object) -> None:
        told, _ = self._process.communicate("\n")
        self.taken_ms = list(json.loads(told))


if __name__ == "__main__":
    Http(int(sys.argv[1])).ask("POST", "/nacos/v1/ns/instance", BEAT)
    print("begins", flush=True)
    print(json.dumps(beat_until_told(int(sys.argv[1]))))
