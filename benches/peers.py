"""What two nodes exchange over loopback, both in this process: `python benches/peers.py`. Prints one line a figure."""

import os
import random
import time
from collections.abc import Awaitable, Callable

import msgspec
import trio

from nacos_core.peers.addresses import PeerAddress
from nacos_core.peers.handshake import Identity
from nacos_core.peers.network import TcpNetwork
from nacos_core.peers.protocol import Protocol
from nacos_core.peers.transport import Peers

SMALL_COUNT, LARGE_COUNT, TURNS_COUNT, QUESTIONS_COUNT, ASKERS_COUNT = 500_000, 200, 5_000, 25_600, 256
MIB = 1024 * 1024


class Note(msgspec.Struct, frozen=True, array_like=True, tag="note"):
    """About as small as a heartbeat of Raft."""

    number: int
    content: bytes = b""


class Question(msgspec.Struct, frozen=True, array_like=True, tag="question"):
    """A question, and its own answer."""

    text: str


PROTOCOL = Protocol(messages=(Note,), requests=(Question,), responses=(Question,))


def new_node(node_id: str) -> Peers:
    """A node that only talks."""
    peers = Peers(
        network=TcpNetwork(),
        identity=lambda: Identity(node_id, ""),
        secret=b"a secret for figures",
        entropy=os.urandom,
        chance=random.Random(1),
        protocol=PROTOCOL,
    )
    peers.callbacks.requests[Question] = lambda peer, question: question
    return peers


async def stream(sender: Peers, receiver: Peers, count: int, note: Note) -> float:
    """Seconds until that many messages have come."""
    left, arrived = count, trio.Event()

    def on_message(sender_id: str, message: Note) -> None:
        nonlocal left
        left -= 1
        if not left:
            arrived.set()

    receiver.callbacks.on_message = on_message
    begun = time.perf_counter()
    for number in range(count):
        while not sender.send("b", note):  # noqa: ASYNC110 - the queue is full, which is told to nobody
            await trio.sleep(0.001)
        if number % 500 == 499:
            await trio.lowlevel.checkpoint()
    await arrived.wait()
    return time.perf_counter() - begun


async def turns(once: Callable[[], Awaitable[object]]) -> str:
    """Median and 99th percentile of how long one takes."""
    took = []
    for _ in range(TURNS_COUNT):
        begun = time.perf_counter()
        await once()
        took.append((time.perf_counter() - begun) * 1e6)
    took.sort()
    return f"{took[len(took) // 2]:.0f} µs, 99 of 100 within {took[len(took) * 99 // 100]:.0f} µs"


async def main() -> None:
    """Runs it all, in some seconds."""
    a, b = new_node("a"), new_node("b")
    here = {
        "a": TcpNetwork().listen(PeerAddress("127.0.0.1", 0)),
        "b": TcpNetwork().listen(PeerAddress("127.0.0.1", 0)),
    }
    async with trio.open_nursery() as nursery:
        nursery.start_soon(a.run, here["a"])
        nursery.start_soon(b.run, here["b"])
        connected = {"a": trio.Event(), "b": trio.Event()}
        for peers in (a, b):
            peers.callbacks.on_connected = lambda node_id: connected[node_id].set()
            peers.set_members({node_id: listener.address for node_id, listener in here.items()})
        for event in connected.values():
            await event.wait()

        cpu = time.process_time()
        seconds = await stream(a, b, SMALL_COUNT, Note(1, bytes(10)))
        cpu = (time.process_time() - cpu) / SMALL_COUNT * 1e6
        print(f"small messages: {SMALL_COUNT / seconds:,.0f} /s, {cpu:.2f} µs of processor time each, both ends")
        seconds = await stream(a, b, LARGE_COUNT, Note(1, bytes(MIB)))
        print(f"messages of 1 MiB: {LARGE_COUNT / seconds:,.0f} MiB/s")

        returned = trio.Event()
        b.callbacks.on_message = lambda sender, note: b.send("a", note)
        a.callbacks.on_message = lambda sender, note: returned.set()

        async def there_and_back() -> None:
            nonlocal returned
            returned = trio.Event()
            a.send("b", Note(1))
            await returned.wait()

        print(f"a message there and one back: {await turns(there_and_back)}")
        print(f"a question and its answer: {await turns(lambda: a.ask('b', Question('?')))}")

        async def ask_on() -> None:
            for _ in range(QUESTIONS_COUNT // ASKERS_COUNT):
                await a.ask("b", Question("?"))

        begun = time.perf_counter()
        async with trio.open_nursery() as askers:
            for _ in range(ASKERS_COUNT):
                askers.start_soon(ask_on)
        print(f"questions of {ASKERS_COUNT} at once: {QUESTIONS_COUNT / (time.perf_counter() - begun):,.0f} /s")
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
