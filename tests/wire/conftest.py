"""One node that the wire tests share; tests keep apart by the names that they use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.node_process import NodeProcess
from wire.client import GrpcConnection

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    with NodeProcess(tmp_path_factory.mktemp("wire")) as running:
        yield running
    assert "Traceback" not in running.errors


@pytest.fixture
def connection(node: NodeProcess) -> Iterator[GrpcConnection]:
    with GrpcConnection(node.grpc_port) as opened:
        opened.set_up()
        yield opened
