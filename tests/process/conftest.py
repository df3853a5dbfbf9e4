"""Nodes of the tests' own, which end with them."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from support.cluster_process import ClusterProcess, is_running
from support.network_namespaces import NamespaceCluster, why_not
from support.node_process import NodeProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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


@pytest.fixture
def cluster_of(tmp_path: Path) -> Iterator[Callable[..., ClusterProcess]]:
    """Makes clusters, not started, whose nodes end with the test."""
    made: list[ClusterProcess] = []

    def make(*arguments: str, **options: object) -> ClusterProcess:
        cluster = ClusterProcess(tmp_path / f"cluster-{len(made)}", *arguments, **options)  # type: ignore[arg-type]
        made.append(cluster)
        return cluster

    yield make
    nodes = [node for cluster in made for node in cluster.nodes]
    for node in nodes:
        if is_running(node):
            node.process.send_signal(signal.SIGTERM)
    for node in nodes:
        node.stop()
    for node in nodes:
        assert "Traceback" not in node.errors


@pytest.fixture
def separate(tmp_path: Path) -> Iterator[Callable[..., NamespaceCluster]]:
    """Starts a cluster of nodes, with these arguments, that are separate machines to each other."""
    reason = why_not()
    if reason:
        if os.environ.get("CI", "").lower() == "true" and os.geteuid() == 0:
            pytest.fail(reason)
        pytest.skip(f"partitions are not tested: {reason}")
    made: list[NamespaceCluster] = []

    def start(*arguments: str, **options: int) -> NamespaceCluster:
        cluster = NamespaceCluster(tmp_path / "cluster", *arguments, **options)
        made.append(cluster)
        cluster.__enter__()
        cluster.start()
        return cluster

    yield start
    for cluster in made:
        cluster.__exit__(None, None, None)
        for node in cluster.nodes:
            assert "Traceback" not in node.errors
