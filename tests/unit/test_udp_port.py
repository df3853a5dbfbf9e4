"""Datagrams to 1.x clients, over a real socket (protocol/semantics.md section 3, "UDP push")."""

from __future__ import annotations

import random
import zlib

import msgspec
import pytest
import trio

from nacos_core import limits
from nacos_core.drivers.udp import UdpPort

WITHIN_SECONDS = 5.0


@pytest.mark.parametrize(
    ("addresses", "host"),
    [
        (["127.0.0.1"], "127.0.0.1"),
        (["::1", "127.0.0.1"], "127.0.0.1"),
        (["::1"], "127.0.0.1"),
        (["::"], "0.0.0.0"),
        (["10.0.0.1"], "10.0.0.1"),
    ],
)
def test_a_node_on_loopback_takes_no_datagram_from_elsewhere(addresses: list[str], host: str) -> None:
    assert UdpPort(addresses)._host == host


async def test_a_push_is_read_and_acknowledged() -> None:
    port = UdpPort(["127.0.0.1"])
    acknowledged = trio.Event()
    heard: list[tuple[tuple[str, int], int]] = []

    def on_acknowledged(address: tuple[str, int], stamp: int) -> None:
        heard.append((address, stamp))
        acknowledged.set()

    port.on_acknowledged = on_acknowledged
    with trio.fail_after(WITHIN_SECONDS), trio.socket.socket(type=trio.socket.SOCK_DGRAM) as client:
        await client.bind(("127.0.0.1", 0))
        here = client.getsockname()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(port.run)
            stamp, _ = port.push(here, b'{"name":"a"}')
            data, server = await client.recvfrom(65_536)
            assert msgspec.json.decode(data) == {"type": "dom", "data": '{"name":"a"}', "lastRefTime": stamp}
            for answer in (b"junk", b"[]", b'{"type":"other","lastRefTime":1}'):
                await client.sendto(answer, server)
            await client.sendto(b'{"type":"push-ack","lastRefTime":"%d","data":""}' % stamp, server)
            await acknowledged.wait()
            assert heard == [(here, stamp)]
            assert port.push(here, b"{}")[0] > stamp, "no two pushes have the same stamp"
            nursery.cancel_scope.cancel()


async def test_a_long_service_is_compressed_and_one_that_fits_no_datagram_is_left_to_polling() -> None:
    port = UdpPort(["127.0.0.1"])
    with trio.fail_after(WITHIN_SECONDS), trio.socket.socket(type=trio.socket.SOCK_DGRAM) as client:
        await client.bind(("127.0.0.1", 0))
        here = client.getsockname()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(port.run)
            service = b"x" * limits.UDP_PLAIN_BYTES_MAX
            port.push(here, service)
            data, _ = await client.recvfrom(65_536)
            assert data[:2] == b"\x1f\x8b"
            assert msgspec.json.decode(zlib.decompress(data, wbits=31))["data"] == service.decode()
            noise = random.Random(1).randbytes(2 * limits.UDP_DATAGRAM_BYTES_MAX).hex().encode()
            assert port.push(here, noise)[1] == b""
            nursery.cancel_scope.cancel()


async def test_a_datagram_that_cannot_be_sent_is_lost_and_nothing_else() -> None:
    port = UdpPort(["127.0.0.1"])
    port.send(("127.0.0.1", 0), b"to nowhere")
    with trio.move_on_after(0.01):
        await port.run()
