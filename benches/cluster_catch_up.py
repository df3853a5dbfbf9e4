"""How long a follower takes that is far behind: by entries, and by a snapshot.

The log of the two others is written beforehand, as a leader would have written it, so that what is measured begins with
the start of the third. The limits at which the log is compacted are set in the process itself: they are no option.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from cluster_nodes import Cluster, Node, raft_state, this_cluster, wait_for
from cluster_report import Row
from nacos_core import commands
from nacos_core._core import Log
from nacos_core.raft import entries
from nacos_core.raft.entries import Entry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEYS = 10_000
CONTENT_BYTES = 256
BATCH = 10_000
WITHOUT_COMPACTION = "from nacos_core import limits; limits.SNAPSHOT_LOG_BYTES = 1 << 50; "
MAIN = "import sys; from nacos_core.cli import main; sys.exit(main(sys.argv[1:]))"
WITHIN_SECONDS = 240.0


def catch_up_rows(folder: Path, count: int, progress: Callable[[str], None]) -> list[Row]:
    rows = []
    for way, preamble, bound in (("entries", WITHOUT_COMPACTION, 30), ("a snapshot", "", 10)):
        cluster = this_cluster(folder / f"catch-up-{way}", ("-c", preamble + MAIN))
        with cluster:
            seconds, note = _catch_up_seconds(cluster, count, progress)
        note = f"{count:,} publishes of {CONTENT_BYTES} B to {KEYS:,} keys; from the start of its process; {note}"
        rows.append(Row("catch-up", f"follower far behind until caught up, by {way}", seconds, "s", bound, note=note))
    return rows


def _catch_up_seconds(cluster: Cluster, count: int, progress: Callable[[str], None]) -> tuple[float, str]:
    cluster.start()
    behind = next(node for node in cluster.nodes if node is not cluster.leader())
    others = [node for node in cluster.nodes if node is not behind]
    origin = raft_state(others[0])["nodeId"]
    for node in cluster.nodes:
        assert node.process is not None, "it was started"
        node.process.terminate()
        node.process.wait(10)
    began = time.monotonic()
    _extend_logs(others, origin, count)
    progress(f"the logs are written: {time.monotonic() - began:.1f} s")
    began = time.monotonic()
    for node in others:
        node.launch()
    wait_for(lambda: _applied(others[0]) > count and _applied(others[1]) > count, WITHIN_SECONDS, "no end of applying")
    progress(f"the two others have applied all: {time.monotonic() - began:.1f} s")
    leader = next(node for node in others if raft_state(node)["role"] == "leader")
    state = raft_state(leader)
    time.sleep(3)
    wanted = state["commitIndex"]
    began = time.monotonic()
    behind.launch()
    wait_for(lambda: _applied(behind) >= wanted, WITHIN_SECONDS, f"not caught up: {raft_state(behind)}")
    took = time.monotonic() - began
    progress(f"caught up after {took:.1f} s: {raft_state(behind)}")
    return took, f"the leader's log began at {raft_state(leader)['firstLogIndex']:,}"


def _applied(node: Node) -> int:
    return int(raft_state(node).get("lastApplied", 0))


def _extend_logs(nodes: list[Node], origin: str, count: int) -> None:
    """The same entries behind the longer one of the two logs; both have agreed on all that they hold."""
    logs = [Log.open(str(node.folder / "data" / "log")) for node in nodes]
    try:
        longest = max(logs, key=lambda log: (log.last_term, log.last_index))
        for log in logs:
            for index in range(log.last_index + 1, longest.last_index + 1):
                ((_, term, payload),) = longest.slice(index, index, 1 << 20)
                log.append(term, [payload])
        term = max(log.term for log in logs) + 1
        for log in logs:
            log.set_hard_state(term, "")
        boot = 1_000
        for start in range(1, count + 1, BATCH):
            payloads = [_payload(origin, boot, number) for number in range(start, min(start + BATCH, count + 1))]
            for log in logs:
                log.append(term, payloads)
        for log in logs:
            log.sync()
    finally:
        for log in logs:
            log.close()


def _payload(origin: str, boot: int, number: int) -> bytes:
    content = f"{number:08}".encode().ljust(CONTENT_BYTES, b".")
    command = commands.PublishConfig("public", "DEFAULT_GROUP", f"catch-up-{number % KEYS}", content, "text")
    stamped_ms = 1_700_000_000_000 + number
    return entries.encode(Entry(origin, boot, number, number, stamped_ms, msgspec.Raw(commands.encode(command))))
