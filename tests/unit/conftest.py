"""What tests of clients and of connections between nodes start with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.node_thread import NodeThread
from support.peers import MemoryNetwork

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["trio", "asyncio"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeThread]:
    with NodeThread(tmp_path / "node") as started:
        yield started


@pytest.fixture
def network() -> MemoryNetwork:
    return MemoryNetwork()
