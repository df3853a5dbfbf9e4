"""Clients that write a request in two parts, as the Rust client's gRPC stack and many HTTP libraries do.

Nagle's algorithm (RFC 896) holds such a client's second part back until the first is acknowledged, and an
acknowledgement that waits for an answer to travel with (RFC 9293 section 3.8.6.3) comes about 40 ms later.
"""

from __future__ import annotations

import socket
import sys
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support.node_process import NodeProcess

REQUESTS_COUNT = 30  # the first dozen segments of a connection are acknowledged at once in any case
FORM = b"serviceName=two-writes&ip=10.0.0.1&port=80"
HEAD = (
    b"POST /nacos/v1/ns/instance HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: %d\r\n\r\n" % len(FORM)
)


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system alone decides when to acknowledge")
def test_the_first_part_of_a_request_is_acknowledged_without_delay(node: NodeProcess) -> None:
    with socket.create_connection((node.host, node.port), timeout=10) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        began = time.monotonic()
        for _ in range(REQUESTS_COUNT):
            client.sendall(HEAD)
            client.sendall(FORM)
            assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
        assert time.monotonic() - began < REQUESTS_COUNT * 0.01
