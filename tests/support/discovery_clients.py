"""Clients of discovery as they are used: providers that go to another server when theirs is gone, and consumers that
remember all that they are told."""

from __future__ import annotations

import itertools
import threading
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

from wire.client import Closed, GrpcConnection, call_http

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.node_process import NodeProcess
    from wire.client import GrpcAnswer

SERVICE = "orders"
KEY = {"namespace": "public", "serviceName": SERVICE, "groupName": "DEFAULT_GROUP"}
INSTANCE = "/nacos/v1/ns/instance"
LOOK_S = 0.05
ALIVE_S = 1.0
"""How often a provider asks whether its connection lives."""
BEAT_S = 1.0
LOST = (OSError, Closed, TimeoutError, AssertionError)


def instance(ip: str) -> dict[str, object]:
    return {"ip": ip, "port": 80, "weight": 1.0, "healthy": True, "enabled": True, "ephemeral": True}


def register(connection: GrpcConnection, *ips: str) -> None:
    request = {**KEY, "type": "batchRegisterInstance", "instances": [instance(ip) for ip in ips]}
    answer = connection.call("BatchInstanceRequest", request)
    assert answer.body["resultCode"] == 200, answer


def listed(node: NodeProcess) -> list[str]:
    answer = call_http(node.port, "GET", f"{INSTANCE}/list", {"serviceName": SERVICE}, host=node.host)
    return sorted(host["ip"] for host in answer.json["hosts"])


class _Task(ABC):
    """Something that a thread does until the block ends; what went wrong in it is raised there."""

    def __init__(self) -> None:
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run_and_keep, daemon=True)
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_over.set()
        self._thread.join(20)
        if self._error is not None and exception[0] is None:
            raise self._error

    def _run_and_keep(self) -> None:
        try:
            self.run()
        except BaseException as error:
            self._error = error

    @abstractmethod
    def run(self) -> None:
        """What it does until it is over."""


class Consumer(_Task):
    """Subscribes at one node over gRPC and stays there until the node closes the connection."""

    def __init__(self, node: NodeProcess) -> None:
        super().__init__()
        self.told: list[tuple[str, ...]] = []
        """Every list, in order, the first one in answer to its subscription."""
        self.has_ended = False
        self._connection = GrpcConnection(node.grpc_port, node.host)
        self._connection.set_up()
        answer = self._connection.call("SubscribeServiceRequest", {**KEY, "subscribe": True, "clusters": ""})
        self._tell(answer)

    def run(self) -> None:
        try:
            while not self._is_over.is_set():
                self._connection.settle(LOOK_S)
                self._take()
        except Closed:
            self._take()
            self.has_ended = True
        finally:
            self._connection.close()

    def _take(self) -> None:
        for push in self._connection.pushes:
            if push.kind == "NotifySubscriberRequest":
                self._tell(push)
        self._connection.pushes.clear()

    def _tell(self, message: GrpcAnswer) -> None:
        self.told.append(tuple(sorted(host["ip"] for host in message.body["serviceInfo"]["hosts"])))


class Provider(_Task):
    """Publishes over gRPC at one of its servers, and at the next one when that does not answer any more."""

    def __init__(self, ip: str, servers: Sequence[NodeProcess]) -> None:
        super().__init__()
        self.ip = ip
        self.moves_count = -1
        """How often it has registered elsewhere."""
        self._servers = itertools.cycle(servers)
        self._registered = threading.Event()

    def __enter__(self) -> Self:
        super().__enter__()
        assert self._registered.wait(10), "it could not register"
        return self

    def run(self) -> None:
        while not self._is_over.is_set():
            node = next(self._servers)
            try:
                with GrpcConnection(node.grpc_port, node.host) as connection:
                    connection.set_up()
                    register(connection, self.ip)
                    self.moves_count += 1
                    self._registered.set()
                    self._stay(connection)
            except LOST:
                self._is_over.wait(0.1)

    def _stay(self, connection: GrpcConnection) -> None:
        asked_at = time.monotonic()
        while not self._is_over.is_set():
            connection.settle(LOOK_S)
            if time.monotonic() - asked_at >= ALIVE_S:
                asked_at = time.monotonic()
                assert connection.call("HealthCheckRequest", {}).body["resultCode"] == 200


class BeatingProvider(_Task):
    """Registers and beats over HTTP, at the next one of its servers when one does not answer, and registers again when
    it is not known."""

    def __init__(self, ip: str, servers: Sequence[NodeProcess]) -> None:
        super().__init__()
        self.ip = ip
        self._servers = itertools.cycle(servers)
        self._registered = threading.Event()

    def __enter__(self) -> Self:
        super().__enter__()
        assert self._registered.wait(10), "it could not register"
        return self

    def run(self) -> None:
        node = next(self._servers)
        while not self._is_over.is_set():
            try:
                self._beat(node)
            except LOST:
                node = next(self._servers)
                self._is_over.wait(0.1)
            else:
                self._is_over.wait(BEAT_S)

    def _beat(self, node: NodeProcess) -> None:
        name = {"serviceName": SERVICE, "ip": self.ip, "port": "80"}
        answer = call_http(node.port, "PUT", f"{INSTANCE}/beat", name, host=node.host, within_s=3)
        assert answer.status == 200, answer
        if answer.json["code"] == 20404:
            answer = call_http(node.port, "POST", INSTANCE, {**name, "ephemeral": "true"}, host=node.host, within_s=3)
            assert answer.text == "ok", answer
            self._registered.set()
