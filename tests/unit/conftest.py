"""What the tests of the client start with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.node_thread import NodeThread

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
