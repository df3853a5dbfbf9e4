"""Configs: storing with md5, and comparing what a 1.x listener has with what is stored."""

import hashlib
from itertools import count

import pytest
from benches.baseline.configs import PlainConfigs
from pytest_benchmark.fixture import BenchmarkFixture

from nacos_core._core import Hub

KEYS_COUNT = 3_000
"""What clients put into one request at most (protocol of 1.x long polls)."""
KINDS = pytest.mark.parametrize("kind", ["core", "plain"])


def content(number: int) -> bytes:
    return b"key: %08d\n" % number * 60


def hub() -> Hub:
    made = Hub(digest_key=bytes(16), abilities={}, require_tokens=False)
    made.set_ready(True)
    return made


@KINDS
def test_store_with_md5(benchmark: BenchmarkFixture, kind: str) -> None:
    benchmark.group = "configs: 1 KB stored with its md5"
    core, plain, numbers = hub(), PlainConfigs(), count()

    def put_core() -> str:
        return core.put_config("public", "G", "bench", content(next(numbers)), type="text", now_ms=1)

    def put_plain() -> str:
        return plain.put(("public", "G", "bench"), content(next(numbers)))

    md5 = benchmark(put_core if kind == "core" else put_plain)
    assert md5 == hashlib.md5(content(next(numbers) - 1)).hexdigest()


@KINDS
def test_compare_listener(benchmark: BenchmarkFixture, kind: str) -> None:
    """The whole request, from the bytes of its form to the key that has changed."""
    benchmark.group = "configs: a listener request with 3,000 keys compared"
    core, plain = hub(), PlainConfigs()
    words = []
    for number in range(KEYS_COUNT):
        data_id = f"app-{number}.yaml"
        core.put_config("public", "G", data_id, content(number), type="yaml", now_ms=1)
        md5 = plain.put(("public", "G", data_id), content(number))
        words.append(f"{data_id}%02G%02{'stale' if number == 7 else md5}%01")
    form = ("Listening-Configs=" + "".join(words)).encode()
    head = (
        "POST /nacos/v1/cs/configs/listener HTTP/1.1\r\nHost: bench\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        f"Long-Pulling-Timeout: 30000\r\nContent-Length: {len(form)}\r\n\r\n"
    )
    request = head.encode() + form
    connection = core.open("127.0.0.1", 1, grpc=False, now_ms=1)

    def ask_core() -> bytes:
        core.feed(connection, request, 1)
        return core.take_output(connection)

    def ask_plain() -> bytes:
        return b"".join(b"%s%%02%s%%01" % (data_id.encode(), group.encode()) for data_id, group in plain.changed(form))

    answer = benchmark(ask_core if kind == "core" else ask_plain)
    assert answer.rstrip(b"\n").endswith(b"app-7.yaml%02G%01")
