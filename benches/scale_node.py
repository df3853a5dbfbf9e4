"""A node that is full, for benches/scale.py: how it is filled, and how long its turns are.

Configurations come into its store without the log: what is measured is what is done with them afterwards. Services come
over HTTP. Lines on stdin are questions, each answered with a line of JSON on stdout.
"""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

import trio

FAR_MS = 10**9
"""Nobody beats for most instances, and none of them is to go meanwhile."""
CONFIG_BYTES = 1000
GROUPS_COUNT = 10
INSTANCES_PER_SERVICE = 10
PIPELINED_COUNT = 500
WORDS = ("timeout", "retries", "endpoint", "region", "replicas", "password", "database", "feature", "enabled")


class Turns(trio.abc.Instrument):
    """The longest turn of each task, in milliseconds of processor time: what other threads do is not in it."""

    def __init__(self) -> None:
        self._began = 0.0
        self.longest_ms: dict[str, float] = {}

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._began = time.thread_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        took_ms = (time.thread_time() - self._began) * 1000
        if took_ms > self.longest_ms.get(task.name, 0.0):
            self.longest_ms[task.name] = took_ms


def content_of(number: int, chance: random.Random) -> bytes:
    """1000 bytes of YAML. One in 5000 holds the needle."""
    lines = [f"number: {number}", f"needle: {'there' if number % 5000 == 0 else 'no'}"]
    while sum(map(len, lines)) + len(lines) < CONFIG_BYTES:
        name, value = chance.choice(WORDS), chance.choice(WORDS)
        lines.append(f"{name}-{chance.randrange(100)}: {value} {chance.randrange(10**6)}")
    return "\n".join(lines).encode()[:CONFIG_BYTES]


def key_of(number: int) -> tuple[str, str, str]:
    return "public", f"G{number % GROUPS_COUNT}", f"c{number:06}.yaml"


def fill_configs(hub: Any, count: int) -> None:
    """Directly into the store."""
    chance = random.Random(7)
    for number in range(count):
        hub.put_config(
            *key_of(number),
            content_of(number, chance),
            type="yaml" if number % 3 else "text",
            application=f"app-{number % 100}",
            tags=f"t{number % 50},all",
            now_ms=int(time.time() * 1000),
        )


def address_of(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def register_services(port: int, count: int) -> None:
    """Each with its instances, an address each, over one HTTP connection."""
    far = json.dumps({"preserved.heart.beat.timeout": FAR_MS, "preserved.ip.delete.timeout": FAR_MS})
    metadata = far.replace('"', "%22").replace(" ", "").replace("{", "%7B").replace("}", "%7D")
    requests = [
        f"POST /nacos/v1/ns/instance?serviceName=s{number // INSTANCES_PER_SERVICE:05}&ip={address_of(number)}&port=80"
        f"&metadata={metadata} HTTP/1.1\r\nHost: n\r\nContent-Length: 0\r\n\r\n"
        for number in range(count * INSTANCES_PER_SERVICE)
    ]
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for first in range(0, len(requests), PIPELINED_COUNT):
            some = requests[first : first + PIPELINED_COUNT]
            connection.sendall("".join(some).encode())
            heard = b""
            while heard.count(b"HTTP/1.1 200") < len(some):
                got = connection.recv(1 << 20)
                assert got, heard[-200:]
                heard += got


def memory_bytes(name: str = "VmRSS") -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"there is no {name}")


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


async def serve() -> None:
    from nacos_core import limits, open_node
    from nacos_core.memory import keep_what_is_there, return_large_buffers

    # As the command line has it.
    return_large_buffers()
    sys.setswitchinterval(limits.SWITCH_SECONDS)
    turns = Turns()
    trio.lowlevel.add_instrument(turns)
    async with open_node() as node:
        keep_what_is_there()
        answer({"port": node.http_port})
        stdin = trio.wrap_file(sys.stdin)
        async for line in stdin:
            what, _, count = line.strip().partition(" ")
            match what:
                case "configs":
                    fill_configs(node._hub, int(count))
                    answer({})
                case "memory":
                    answer({"now": memory_bytes(), "peak": memory_bytes("VmHWM")})
                case "forget":
                    forget_peak()
                    turns.longest_ms.clear()
                    answer({})
                case "turns":
                    answer(turns.longest_ms)
                case _:
                    raise ValueError(line)


def answer(value: object) -> None:
    print(json.dumps(value), flush=True)


class FullNode:
    """The process, and what can be asked of it."""

    def __enter__(self) -> Self:
        command = [sys.executable, __file__]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self._read()["port"])
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, line: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the node has ended")
        return dict(json.loads(line))


if __name__ == "__main__":
    trio.run(serve)
