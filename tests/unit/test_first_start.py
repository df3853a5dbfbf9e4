"""What stands on the disk when a node is interrupted at its very beginning."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest
import trio

from nacos_core._core import Log, LogFailed, SimulatedDisk
from nacos_core.errors import StartError
from nacos_core.identity import IDENTITY_FILE, Identity
from nacos_core.node import Node, run_node
from nacos_core.settings import Settings
from nacos_core.surroundings import Surroundings


class Disk:
    """Files that are durable at once, and a log whose syncs take as long as they are told."""

    def __init__(self) -> None:
        self.place = Path("somewhere")
        self.files: dict[str, bytes] = {}
        self.log_files = SimulatedDisk(1)
        self.may_sync = trio.Event()

    def open_log(self) -> tuple[Log, Disk]:
        self.log = Log.open_simulated(self.log_files, salt=1)
        return self.log, self

    def read(self, name: str) -> bytes:
        if name not in self.files:
            raise FileNotFoundError(name)
        return self.files[name]

    def replace(self, name: str, content: bytes) -> None:
        self.files[name] = content

    async def wait(self) -> None:
        await self.may_sync.wait()
        while not self.log.begin_sync():  # noqa: ASYNC110 - nobody says so
            await trio.sleep(0.001)
        self.log.complete_sync()

    @property
    def identity(self) -> Identity:
        return msgspec.json.decode(self.files[IDENTITY_FILE], type=Identity)


async def test_a_power_cut_before_the_first_sync_leaves_a_node_that_starts(autojump_clock: trio.abc.Clock) -> None:
    """It remembered a cluster of which its log knew nothing, and took its log for lost for ever (seed 1002)."""
    disk = Disk()
    nodes: list[Node] = []
    surroundings = Surroundings(storage=disk, entropy=random.Random(1).randbytes)
    scope = trio.CancelScope()

    async def cut_power() -> None:
        await trio.sleep(1)
        disk.log_files.cut_power()
        nodes[0].abandon()
        scope.cancel()

    try:
        with scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(cut_power)
                async with run_node(Settings(port=None), announce=nodes.append, surroundings=surroundings):
                    pytest.fail("nothing is durable, so it is not ready")
    except* LogFailed:
        pass  # closing the log without its disk
    assert disk.identity.cluster_id == ""
    disk.may_sync.set()
    surroundings = Surroundings(storage=disk, entropy=random.Random(2).randbytes)
    async with run_node(Settings(port=None), surroundings=surroundings) as node:
        assert node.identity.boot == 2
        assert disk.identity.cluster_id != ""


async def test_whoever_remembers_a_cluster_and_has_no_log_does_not_start() -> None:
    disk = Disk()
    disk.files[IDENTITY_FILE] = msgspec.json.encode(Identity("n1", 1, "the cluster"))
    with pytest.raises(StartError, match="its log is gone"):
        async with run_node(Settings(port=None), surroundings=Surroundings(storage=disk)):
            pytest.fail("it must not start")
