"""Nodes of the tests' own, which end with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.node_process import NodeProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.node_process import StartNode


@pytest.fixture
def start_node(tmp_path: Path) -> Iterator[StartNode]:
    """Starts a node with these arguments in a folder of its own, `name`."""
    started: list[NodeProcess] = []

    def start(*arguments: str, name: str = "node", **options: object) -> NodeProcess:
        node = NodeProcess(tmp_path / name, *arguments, **options)  # type: ignore[arg-type]
        started.append(node)
        node.start()
        return node

    yield start
    for node in started:
        node.stop()
    for node in started:
        assert "Traceback" not in node.errors
