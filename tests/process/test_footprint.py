"""What a node costs that does nothing: time until it is ready, memory, and memory of a connection that is idle."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from wire import phrases
from wire.client import GrpcConnection, call_http

if TYPE_CHECKING:
    from support.node_process import StartNode

READY_WITHIN_S = 0.4
IDLE_BYTES_MAX = 45 * 1024 * 1024
CONNECTION_BYTES_MAX = 25 * 1024
CONNECTIONS = 400
TRIES = 5


def test_ready_in_time(start_node: StartNode) -> None:
    """The best of several, since a busy machine makes any single start slow."""
    took_s = []
    for number in range(TRIES):
        node = start_node(name=f"node-{number}")
        node.end()
        took_s.append(node.start())
        node.end()
    print(f"ready after {min(took_s):.3f} s at best, {max(took_s):.3f} s at worst")
    assert min(took_s) < READY_WITHIN_S


def test_an_idle_node_is_small(start_node: StartNode) -> None:
    node = start_node()
    assert call_http(node.port, "GET", "/nacos/v1/ns/operator/metrics").status == 200
    time.sleep(0.5)
    used = node.memory_bytes()
    print(f"{used / 1024 / 1024:.1f} MiB resident")
    assert used < IDLE_BYTES_MAX


def test_an_idle_connection_is_small(start_node: StartNode) -> None:
    """Each is set up as an SDK does it and has asked, subscribed and listened once."""
    node = start_node()
    with ExitStack() as stack:

        def connect(count: int) -> None:
            for _ in range(count):
                connection = stack.enter_context(GrpcConnection(node.grpc_port))
                connection.set_up(abilities={})
                connection.call("SubscribeServiceRequest", phrases.subscribe("idle"))
                connection.call("ConfigBatchListenRequest", phrases.listen(("idle", "")))

        connect(50)
        time.sleep(0.5)
        before = node.memory_bytes()
        connect(CONNECTIONS)
        time.sleep(0.5)
        each = (node.memory_bytes() - before) / CONNECTIONS
    print(f"{each / 1024:.1f} KiB per idle gRPC connection")
    assert each < CONNECTION_BYTES_MAX
