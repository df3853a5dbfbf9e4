"""Lists and searches of 100,000 configurations of 1 KB over HTTP, and how long a small read waits meanwhile.

python benches/config_search.py
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
import time
from urllib.parse import urlencode

import trio

COUNT = 100_000
BYTES = 1000
ROUNDS = 100
LIST = "/nacos/v3/admin/cs/config/list"
QUESTIONS = {
    "first page": {"pageNo": 1},
    "last page": {"pageNo": COUNT // 100},
    "page 3 by pattern": {"pageNo": 3, "dataId": "*5*"},
    "by name": {"dataId": "c050000", "search": "accurate"},
    "by content": {"configDetail": "needle"},
}


async def serve() -> None:
    """A node whose store is filled without the log: what is measured is the search."""
    from nacos_core import open_node

    async with open_node() as node:
        for number in range(COUNT):
            content = f"{number} {'needle' if number % 5000 == 0 else ''}".ljust(BYTES, "x").encode()
            node._hub.put_config("public", f"G{number % 10}", f"c{number:06}", content, type="text", now_ms=1)
        print(node.http_port, flush=True)
        await trio.sleep_forever()


def ask(connection: http.client.HTTPConnection, path: str) -> bytes:
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    assert response.status == 200, body
    return body


def percentiles(taken_ms: list[float]) -> str:
    ordered = sorted(taken_ms)
    at = [ordered[min(len(ordered) - 1, int(len(ordered) * part))] for part in (0.5, 0.99)]
    return f"p50 {at[0]:6.1f} ms  p99 {at[1]:6.1f} ms  max {ordered[-1]:6.1f} ms"


class Bystander:
    """Reads one configuration every millisecond, as a heartbeat would come."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._is_over = threading.Event()
        self.taken_ms: list[float] = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Bystander:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        while not self._is_over.wait(0.001):
            began = time.perf_counter()
            ask(connection, "/nacos/v1/cs/configs?dataId=c000001&group=G1")
            self.taken_ms.append((time.perf_counter() - began) * 1000)


def measure(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    with Bystander(port) as alone:
        time.sleep(1)
    print(f"{'a small read, alone':34} {percentiles(alone.taken_ms)}")
    for name, question in QUESTIONS.items():
        taken_ms = []
        with Bystander(port) as bystander:
            for _ in range(ROUNDS):
                began = time.perf_counter()
                page = json.loads(ask(connection, f"{LIST}?{urlencode({'pageSize': 100} | question)}"))["data"]
                taken_ms.append((time.perf_counter() - began) * 1000)
        print(f"{name + ' of ' + str(page['totalCount']):34} {percentiles(taken_ms)}")
        print(f"{'  a small read meanwhile':34} {percentiles(bystander.taken_ms)}")


def main() -> None:
    if sys.argv[1:] == ["serve"]:
        trio.run(serve)
        return
    node = subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True)
    try:
        assert node.stdout is not None
        measure(int(node.stdout.readline()))
    finally:
        node.kill()
        node.wait()


if __name__ == "__main__":
    main()
