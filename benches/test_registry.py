"""The digest of an instance list, kept up to date by the core and recomputed in plain Python."""

from itertools import count

import msgspec
import pytest
from benches.baseline.registry import PlainInstance, PlainService
from pytest_benchmark.fixture import BenchmarkFixture

from nacos_core._core import Hub

INSTANCES_COUNT = 10_000
SERVICE = ("public", "DEFAULT_GROUP", "bench")
KINDS = pytest.mark.parametrize("kind", ["core", "plain"])


def address(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def instance_json(number: int, version: int) -> bytes:
    metadata = {"version": str(version), "zone": "a"}
    return msgspec.json.encode([{"ip": address(number), "port": 8080, "metadata": metadata}])


def plain_instance(number: int, version: int) -> PlainInstance:
    metadata = (("version", str(version)), ("zone", "a"))
    return PlainInstance(address(number), 8080, 1.0, True, True, "DEFAULT", metadata)


class Core:
    def __init__(self) -> None:
        self.hub = Hub(digest_key=bytes(16), abilities={}, require_tokens=False)
        self.publishers = [self.hub.open_local() for _ in range(INSTANCES_COUNT)]

    def prepare(self, number: int, version: int) -> bytes:
        return instance_json(number, version)

    def register(self, number: int, instance: bytes) -> None:
        self.hub.register(self.publishers[number], *SERVICE, instance, 1)

    def digest(self) -> bytes | None:
        return self.hub.service_digest(*SERVICE)


class Plain:
    def __init__(self) -> None:
        self.service = PlainService()

    def prepare(self, number: int, version: int) -> PlainInstance:
        return plain_instance(number, version)

    def register(self, number: int, instance: PlainInstance) -> None:
        self.service.register(number, instance)

    def digest(self) -> bytes:
        return self.service.digest()


def made(kind: str) -> Core | Plain:
    return Core() if kind == "core" else Plain()


@KINDS
def test_digest_of_one_change(benchmark: BenchmarkFixture, kind: str) -> None:
    benchmark.group = "digest: one changed instance in 10,000"
    store = made(kind)
    for number in range(INSTANCES_COUNT):
        store.register(number, store.prepare(number, 0))  # type: ignore[arg-type]
    versions = count(1)
    seen = {store.digest()}

    def change() -> tuple[tuple[object], dict[str, object]]:
        return (store.prepare(7, next(versions)),), {}

    def digest(instance: object) -> None:
        store.register(7, instance)  # type: ignore[arg-type]
        seen.add(store.digest())

    benchmark.pedantic(digest, setup=change, rounds=200, warmup_rounds=5)
    assert len(seen) == 206, "every change gives another digest"


@KINDS
def test_digest_of_all(benchmark: BenchmarkFixture, kind: str) -> None:
    benchmark.group = "digest: 10,000 instances registered, then the digest"

    def fill() -> tuple[tuple[Core | Plain, list[object]], dict[str, object]]:
        store = made(kind)
        return (store, [store.prepare(number, 0) for number in range(INSTANCES_COUNT)]), {}

    def register(store: Core | Plain, instances: list[object]) -> None:
        for number, instance in enumerate(instances):
            store.register(number, instance)  # type: ignore[arg-type]
        assert store.digest() is not None

    benchmark.pedantic(register, setup=fill, rounds=10, warmup_rounds=1)
