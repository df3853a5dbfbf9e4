"""Ephemeral instances on three nodes: how soon others hear of a change, how soon a restarted node is complete."""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from cluster_nodes import Cluster, Node, rnacos_cluster, this_cluster, wait_for
from cluster_report import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CONSISTENCY_PATH = "/nacos/v3/admin/core/distro/consistency"
SERVICES = 1_000
FAN_OUT = 5_000
GRPC_INSTANCES = 90_000
GRPC_CONNECTIONS = 100
BEATING_ADDRESSES = 10_000
REGISTER_CONNECTIONS = 64
STEADY_SECONDS = 30.0
WITHIN_SECONDS = 120.0


@dataclass(frozen=True)
class Tools:
    """What is measured with."""

    generator: Path
    rnacos: Path
    folder: Path
    seconds: float
    rounds: int
    started: Callable[[Callable[[Path], Cluster], Path], Cluster]
    progress: Callable[[str], None]

    def command(self, operation: str, node: Node, **options: object) -> list[str]:
        command = [str(self.generator), operation, "--http", node.address.http, "--grpc", node.address.grpc]
        for name, value in options.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        return command

    def run(self, operation: str, node: Node, **options: object) -> dict[str, Any]:
        """The generator's report; raises RuntimeError if it counted an error."""
        command = self.command(operation, node, **options)
        done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_SECONDS, check=False)
        if not done.stdout.strip():
            raise RuntimeError(f"{operation} on {node.address.http} failed: {done.stderr}")
        report: dict[str, Any] = json.loads(done.stdout)
        if report["errors"]:
            raise RuntimeError(f"{operation} on {node.address.http}: {report['error_samples']}")
        return report


def distro_rows(tools: Tools) -> list[Row]:
    rows: list[Row] = []
    with tools.started(this_cluster, tools.folder / "distro-push") as cluster:
        rows += push_rows(tools, cluster)
    with tools.started(this_cluster, tools.folder / "distro-fleet") as cluster:
        rows += fleet_rows(tools, cluster)
    return rows + register_rows(tools)


def push_rows(tools: Tools, cluster: Cluster) -> list[Row]:
    """Changes at one node, heard of at another; and one change, heard of by many at one node."""
    first, second, _ = cluster.nodes
    run = tools.run(
        "grpc-push-across", first, watch=second.address.grpc, count=SERVICES, connections=20, seconds=4 * tools.seconds
    )
    note = f"{SERVICES:,} services with one change a second and one subscriber each, {run['pushes']:,} pushes"
    what = "change accepted at one node until another has pushed it"
    latency = run["latency_us"]
    rows = [
        Row("distro", f"{what}, p50", latency["p50"] / 1000, "ms", 50, note=note),
        Row("distro", f"{what}, p99", latency["p99"] / 1000, "ms", 300),
    ]
    tools.progress(f"push across nodes: {latency}")
    run = tools.run("grpc-push", first, connections=FAN_OUT, seconds=tools.seconds)
    what = f"one change until the last of {FAN_OUT:,} gRPC subscribers of one node has heard of it"
    note = f"the slowest of {run['pushes'] // FAN_OUT} rounds"
    return [*rows, Row("distro", what, run["latency_us"]["max"] / 1000, "ms", 500, note=note)]


@contextlib.contextmanager
def fleet(tools: Tools, cluster: Cluster) -> Iterator[int]:
    """Publishers at all nodes; gives how many instances they have."""
    share = len(cluster.nodes)
    with contextlib.ExitStack() as stack:
        held = 0
        for number, node in enumerate(cluster.nodes):
            command = tools.command(
                "fleet",
                node,
                name=number,
                count=GRPC_INSTANCES // share,
                connections=GRPC_CONNECTIONS // share + (number < GRPC_CONNECTIONS % share),
                beats=BEATING_ADDRESSES // share + (number < BEATING_ADDRESSES % share),
                seconds=600,
            )
            process = stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            )
            stack.callback(process.kill)
            assert process.stdout is not None, "it is a pipe"
            held += json.loads(process.stdout.readline())["held"]
        yield held


def fleet_rows(tools: Tools, cluster: Cluster) -> list[Row]:
    """100,000 instances: what equal nodes tell each other, and a node that comes back."""
    first, second, third = cluster.nodes
    with fleet(tools, cluster) as held:
        tools.progress(f"{held:,} instances are registered")
        wait_equal(cluster, held)
        before, began = sent_bytes(first), time.monotonic()
        time.sleep(STEADY_SECONDS)
        seconds = time.monotonic() - began
        rates = [(after - before.get(peer, 0)) / seconds / 1000 for peer, after in sent_bytes(first).items()]
        rows = [
            Row(
                "distro",
                "sync traffic between equal nodes, to each peer",
                max(rates),
                "KB/s",
                2,
                note=f"{held:,} instances, over {seconds:.0f} s, frames of Distro alone",
            )
        ]
    # Its own publishers are away while it is restarted: what it has then comes from the others.
    with fleet(tools, Cluster(cluster.name, [first, second], cluster.leader_of)) as held:
        wait_equal(cluster, held)
        third.kill()
        began = time.monotonic()
        third.launch()
        cluster.wait_ready(third)
        took = time.monotonic() - began
        found = sum(holder["instances"] for holder in holders(third))
    note = f"{found:,} of {held:,} instances when ready; from the start of its process"
    bound = 5 if found >= held else 0
    return [*rows, Row("distro", "a restarted node is complete and ready", took, "s", bound, note=note)]


def register_rows(tools: Tools) -> list[Row]:
    """Registrations through all three nodes at once, A B A B."""
    rates: dict[str, list[float]] = {}
    with (
        tools.started(this_cluster, tools.folder / "distro-register") as ours,
        tools.started(partial(rnacos_cluster, tools.rnacos), tools.folder / "distro-register") as theirs,
    ):
        for _ in range(tools.rounds):
            for cluster in (ours, theirs):
                with ThreadPoolExecutor(len(cluster.nodes)) as pool:
                    run = partial(
                        tools.run, "grpc-register", connections=REGISTER_CONNECTIONS // 3, seconds=tools.seconds
                    )
                    runs = pool.map(run, cluster.nodes)
                    rates.setdefault(cluster.name, []).append(sum(each["requests_per_second"] for each in runs))
    ratios = sorted(our / their for our, their in zip(rates["nacos-core"], rates["r-nacos"], strict=True))
    ours_median, theirs_median = (statistics.median(rates[name]) for name in ("nacos-core", "r-nacos"))
    note = f"{ours_median:,.0f} and {theirs_median:,.0f} /s; ratios {ratios[0]:.2f} to {ratios[-1]:.2f}, A B A B"
    what = "gRPC register through 3 nodes, ratio to r-nacos"
    return [Row("distro", what, statistics.median(ratios), "", 1.5, True, note=note)]


def holders(node: Node) -> list[dict[str, Any]]:
    answer = node.get(CONSISTENCY_PATH)
    return list(answer["data"]["holders"]) if answer else []


def is_equal(cluster: Cluster, instances: int) -> bool:
    """All nodes show the same digests, of so many instances."""
    views = [
        {
            (each["nodeId"], each["boot"]): (each["digest"], each["instances"])
            for each in holders(node)
            if each["records"]
        }
        for node in cluster.nodes
    ]
    return all(view == views[0] for view in views) and sum(count for _, count in views[0].values()) >= instances


def wait_equal(cluster: Cluster, instances: int) -> None:
    def told() -> str:
        return "\n".join(json.dumps(holders(node)) for node in cluster.nodes)

    wait_for(lambda: is_equal(cluster, instances), WITHIN_SECONDS, "the nodes do not become equal", told)


def sent_bytes(node: Node) -> dict[str, int]:
    """Bytes of Distro's frames that a node has sent, by peer."""
    answer = node.get(CONSISTENCY_PATH)
    return {each["nodeId"]: each["sentBytes"] for each in answer["data"]["members"]}
