"""`make cluster-bench`: three nodes as processes, measured: leaders killed, writes, false elections, catching up.

Each part starts its own clusters and ends them. What is measured goes to the terminal and into benches/RESULTS.md;
parts that are left out with `--only` keep the figures that they had in benches/cluster.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import cluster_report
import compare_report
from cluster_catch_up import catch_up_rows
from cluster_distro import Tools, distro_rows
from cluster_nodes import Cluster, Node, connect, publish_over, read, rnacos_cluster, this_cluster, wait_for
from cluster_report import Row
from compare_servers import commit, find_load, find_rnacos, machine_facts, open_files_limit_raised

if TYPE_CHECKING:
    from collections.abc import Callable

CHECKOUT = Path(__file__).resolve().parent.parent
KEPT = CHECKOUT / "benches" / "cluster.json"
WRITER_TIMEOUT_SECONDS = 1.0
WRITERS_PER_NODE = 3
START_TRIES_COUNT = 3
SETTLED_SECONDS = 0.15
"""Writes that were under way when the leader was killed are answered well within this."""
STALL_BEFORE_SECONDS = 1.0
"""An election this long after a stall is taken to come from it."""


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line, understood."""

    generator: Path
    rnacos: Path
    folder: Path
    trials: int
    rnacos_trials: int
    seconds: float
    rounds: int
    minutes: float
    entries: int


def main() -> int:
    arguments = parse_arguments()
    open_files_limit_raised()
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))  # so that the nodes are stopped
    began = time.monotonic()
    kept, measured = load_kept()
    with tempfile.TemporaryDirectory(prefix="nacos-cluster-bench-", dir=arguments.folder) as folder:
        options = Options(
            generator=find_load(arguments.load, CHECKOUT),
            rnacos=find_rnacos(arguments.rnacos, CHECKOUT),
            folder=Path(folder),
            trials=arguments.trials,
            rnacos_trials=arguments.rnacos_trials,
            seconds=arguments.seconds,
            rounds=arguments.rounds,
            minutes=arguments.minutes,
            entries=arguments.entries,
        )
        facts = machine_facts(CHECKOUT)
        for part, measure in PARTS.items():
            if not arguments.only or part in arguments.only.split(","):
                progress(f"--- {part}")
                load_average = os.getloadavg()[0]
                kept[part] = measure(options)
                measured[part] = f"{facts['Date']} at {commit(CHECKOUT)}, load average before {load_average:.1f}"
                for row in kept[part]:
                    progress(" | ".join(row.cells()))
    del facts["Date"], facts["Load average before"]
    facts |= {f"Measured, {part}": measured[part] for part in PARTS if part in measured}
    facts["The last run took"] = f"{(time.monotonic() - began) / 60:.1f} minutes ({arguments.only or 'all parts'})"
    section = cluster_report.section(facts, [row for part in PARTS for row in kept.get(part, [])])
    print(section)
    if arguments.output:
        output = Path(arguments.output)
        before = output.read_text(encoding="utf-8") if output.exists() else ""
        output.write_text(compare_report.with_section(before, "cluster", section), encoding="utf-8")
        plain = {
            part: {"measured": measured.get(part, ""), "rows": [dataclasses.asdict(row) for row in rows]}
            for part, rows in kept.items()
        }
        KEPT.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
    return 0


def load_kept() -> tuple[dict[str, list[Row]], dict[str, str]]:
    """Rows of each part, and when and at which commit they were measured."""
    if not KEPT.exists():
        return {}, {}
    kept = json.loads(KEPT.read_text("utf-8"))
    rows = {part: [Row(**row) for row in found["rows"]] for part, found in kept.items()}
    return rows, {part: found["measured"] for part, found in kept.items()}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--load", help="the nacos-load program (target/release/nacos-load)")
    parser.add_argument("--rnacos", help="the rnacos program (RNACOS, PATH, or installed with cargo)")
    parser.add_argument("--only", default="", help=f"some of {','.join(PARTS)}, by commas")
    parser.add_argument("--trials", type=int, default=100, help="leaders killed (100)")
    parser.add_argument("--rnacos-trials", type=int, default=5, help="leaders of r-nacos killed (5)")
    parser.add_argument("--seconds", type=float, default=3.0, help="measured part of each load (3)")
    parser.add_argument("--rounds", type=int, default=3, help="loads of each kind on each cluster (3)")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long false elections are looked for (10)")
    parser.add_argument("--entries", type=int, default=1_000_000, help="how far behind a follower is (1,000,000)")
    parser.add_argument("--folder", help="where the nodes' data is kept while it runs (the system's temporary folder)")
    parser.add_argument("--output", default=str(CHECKOUT / "benches" / "RESULTS.md"), help="'' for none")
    return parser.parse_args()


# --- how long nobody can write after a leader was killed -----------------------------------------------------------


class GapWriter(threading.Thread):
    """Writes through one node and notes when each write was acknowledged."""

    def __init__(self, node: Node, number: int) -> None:
        super().__init__(daemon=True)
        self.node = node
        self.number = number
        self.times: list[float] = []
        self.is_over = False

    def run(self) -> None:
        connection = connect(self.node, WRITER_TIMEOUT_SECONDS)
        count = 0
        while not self.is_over:
            count += 1
            if publish_over(connection, f"gap-{self.number}", f"{time.monotonic()} {count}") == 200:
                self.times.append(time.monotonic())
            else:
                time.sleep(0.002)
            time.sleep(0.001)
        connection.close()


def write_gap_ms(cluster: Cluster, trial: int) -> float:
    """Kills the leader and gives the longest time without an acknowledged write; brings it back."""
    leader = cluster.leader()
    others = [node for node in cluster.nodes if node is not leader]
    writers = [GapWriter(node, number) for number, node in enumerate(others * WRITERS_PER_NODE)]
    for writer in writers:
        writer.start()
    # Not always at the same time after a heartbeat.
    time.sleep(0.2 + (trial * 0.0137) % 0.1)
    killed_at = time.monotonic()
    leader.kill()

    def after() -> list[float]:
        return sorted(each for writer in writers for each in list(writer.times) if each >= killed_at)

    wait_for(lambda: sum(each > killed_at + SETTLED_SECONDS for each in after()) >= 10, 30, "writes have not come back")
    for writer in writers:
        writer.is_over = True
    for writer in writers:
        writer.join(5)
    times = [killed_at, *after()]
    leader.launch()
    cluster.wait_ready(leader)
    newest = f"trial {trial}"
    wait_for(lambda: publish_over(connect(others[0], 5.0), "trial", newest) == 200, 30, "no writes after a kill")
    wait_for(lambda: read(leader, "trial") == newest, 60, "the node that came back does not catch up")
    return max(later - sooner for sooner, later in pairwise(times)) * 1000


def started(make: Callable[[Path], Cluster], folder: Path) -> Cluster:
    """A cluster that runs. r-nacos now and then panics while its nodes join; then another one is begun."""
    for attempt in range(START_TRIES_COUNT):
        cluster = make(folder / str(attempt))
        try:
            cluster.start()
        except RuntimeError as error:
            cluster.__exit__()
            progress(f"{str(error).partition(chr(10))[0]}: once more")
        else:
            return cluster
    raise RuntimeError("no cluster could be started")


def gaps_ms(cluster: Cluster, trials: int) -> list[float]:
    with cluster:
        gaps = []
        for trial in range(trials):
            gaps.append(write_gap_ms(cluster, trial))
            progress(f"{cluster.name}: trial {trial + 1} of {trials}: {gaps[-1]:.0f} ms")
        return sorted(gaps)


def gap_rows(options: Options) -> list[Row]:
    ours = gaps_ms(started(this_cluster, options.folder / "gap"), options.trials)
    theirs = gaps_ms(started(partial(rnacos_cluster, options.rnacos), options.folder / "gap"), options.rnacos_trials)
    how = f"{len(ours)} trials ({len(theirs)} of r-nacos), {2 * WRITERS_PER_NODE} writers through the two others"
    what = "no write acknowledged after `kill -9` of the leader"
    p99 = ours[min(len(ours) - 1, round(0.99 * len(ours)) - 1)]
    return [
        Row("gap", f"{what}, median", statistics.median(ours), "ms", 450, other=f"{statistics.median(theirs):,.0f} ms"),
        Row("gap", f"{what}, p99", p99, "ms", 900, note=how),
        Row("gap", f"{what}, longest", ours[-1], "ms", other=f"{theirs[-1]:,.0f} ms"),
    ]


# --- writes --------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Load:
    """What the generator measured."""

    per_second: float
    p50_ms: float
    p99_ms: float
    errors_count: int


def load(options: Options, node: Node, operation: str, connections: int, seconds: float) -> Load:
    command = [str(options.generator), operation, "--http", node.address.http, "--connections", str(connections)]
    command += ["--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    if not done.stdout.strip():
        raise RuntimeError(f"{operation} on {node.address.http} failed: {done.stderr}")
    run = json.loads(done.stdout)
    if run["errors"]:
        progress(f"{run['errors']} errors of {operation} on {node.address.http}: {run['error_samples']}")
    p50_us, p99_us = run["latency_us"]["p50"], run["latency_us"]["p99"]
    return Load(run["requests_per_second"], p50_us / 1000, p99_us / 1000, run["errors"])


def write_rows(options: Options) -> list[Row]:
    """One writer and 256 writers, at the leader and at a follower; and the same of r-nacos, A B A B."""
    folder = options.folder / "write"
    found: dict[tuple[str, str, int], list[Load]] = {}
    with (
        started(this_cluster, folder) as ours,
        started(partial(rnacos_cluster, options.rnacos), folder) as theirs,
    ):
        time.sleep(5)
        for round_number in range(options.rounds):
            for connections in (1, 64, 256):
                for cluster in (ours, theirs):
                    leader = cluster.leader()
                    follower = next(node for node in cluster.nodes if node is not leader)
                    for place, node in (("leader", leader), ("follower", follower)):
                        run = load(options, node, "http-config-publish", connections, options.seconds)
                        found.setdefault((cluster.name, place, connections), []).append(run)
            progress(f"writes: round {round_number + 1} of {options.rounds}")
    return [row for place in ("leader", "follower") for row in place_rows(found, place)]


def place_rows(found: dict[tuple[str, str, int], list[Load]], place: str) -> list[Row]:
    def runs(name: str, connections: int) -> list[Load]:
        return found[name, place, connections]

    def median(name: str, connections: int, of: Callable[[Load], float]) -> float:
        return statistics.median(of(run) for run in runs(name, connections))

    rows = []
    for connections in (1, 256):
        p50, rate = (
            median("nacos-core", connections, of) for of in (lambda run: run.p50_ms, lambda run: run.per_second)
        )
        their_p50 = median("r-nacos", connections, lambda run: run.p50_ms)
        their_rate = median("r-nacos", connections, lambda run: run.per_second)
        if connections == 1:
            what = f"1 writer at the {place}, p50"
            rows.append(Row("write", what, p50, "ms", 3, other=f"{their_p50:.2f} ms, unsynced"))
        else:
            what = f"256 writers at the {place}, 1 KB"
            rows.append(Row("write", what, rate, "/s", 5000, True, other=f"{their_rate:,.0f} /s, unsynced"))
    ratios = sorted(
        our.per_second / their.per_second
        for our, their in zip(runs("nacos-core", 64), runs("r-nacos", 64), strict=True)
    )
    ours, theirs = (median(name, 64, lambda run: run.per_second) for name in ("nacos-core", "r-nacos"))
    note = f"64 connections, {ours:,.0f} and {theirs:,.0f} /s; ratios {ratios[0]:.2f} to {ratios[-1]:.2f}, A B A B"
    what = f"config publish at the {place}, ratio to r-nacos"
    rows.append(Row("write", what, statistics.median(ratios), "", 1.5, True, note=note))
    return rows


# --- false elections -----------------------------------------------------------------------------------------------

_STALL = re.compile(r"^(\S+ \S+) WARNING \S+: stall: (.*?did not run for (\d+) ms.*|.*sync.*)$", re.MULTILINE)
_LEADS = re.compile(r"^(\S+ \S+) INFO \S+: this node leads in term (\d+)$", re.MULTILINE)


def election_rows(options: Options) -> list[Row]:
    """Publishes through one node and reads from the others, as much as they answer, and nobody may lose the lead."""
    cluster = this_cluster(options.folder / "elections")
    with cluster:
        cluster.start()
        leader = cluster.leader()
        followers = [node for node in cluster.nodes if node is not leader]
        term = cluster.term()
        seconds = options.minutes * 60
        loads: dict[str, Load] = {}

        def run(name: str, node: Node, operation: str) -> None:
            loads[name] = load(options, node, operation, 64, seconds)

        threads = [
            threading.Thread(target=run, args=each, daemon=True)
            for each in (
                ("publish", followers[0], "http-config-publish"),
                ("read", followers[1], "http-config-get"),
                ("read at the leader", leader, "http-config-get"),
            )
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(seconds + 60)
        elections = [
            (seconds_of(when), int(number))
            for node in cluster.nodes
            for when, number in _LEADS.findall(node.log)
            if int(number) > term
        ]
        stalls = [seconds_of(found[0]) for node in cluster.nodes for found in _STALL.findall(node.log)]
        terms_gone = cluster.term() - term
    unexplained = sum(
        not any(stall - 0.5 <= when <= stall + STALL_BEFORE_SECONDS for stall in stalls) for when, _ in elections
    )
    rates = ", ".join(
        f"{name} {each.per_second:,.0f} /s ({each.errors_count} errors)" for name, each in sorted(loads.items())
    )
    note = f"{options.minutes:g} minutes, {rates}; {len(elections)} elections in all, {terms_gone} terms, "
    note += f"{len(stalls)} stalls in the logs; data in {options.folder.parent}"
    return [Row("elections", "false elections under full load, outside of stalls", unexplained, "", 0, note=note)]


def seconds_of(stamp: str) -> float:
    return datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S,%f").timestamp()


def catch_up(options: Options) -> list[Row]:
    return catch_up_rows(options.folder, options.entries, progress)


def distro(options: Options) -> list[Row]:
    tools = Tools(
        generator=options.generator,
        rnacos=options.rnacos,
        folder=options.folder,
        seconds=options.seconds,
        rounds=options.rounds,
        started=started,
        progress=progress,
    )
    return distro_rows(tools)


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


PARTS: dict[str, Callable[[Options], list[Row]]] = {
    "gap": gap_rows,
    "write": write_rows,
    "elections": election_rows,
    "catch-up": catch_up,
    "distro": distro,
}


if __name__ == "__main__":
    sys.exit(main())
