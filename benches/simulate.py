"""What the simulation says of elections, and how fast it is. Writes its section of benches/RESULTS.md.

python benches/simulate.py [--run FILE ...]

A FILE is what a long run of `python -m nacos_core simulate --seeds COUNT` printed, with that command in its first line:

echo "simulate --seed 1 --seeds 10000" > a.txt; python -m nacos_core simulate --seed 1 --seeds 10000 >> a.txt
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import time
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parent.parent))

from benches.compare_report import with_section

from nacos_core.raft.state import Timing
from nacos_core.simulation import Simulation
from nacos_core.simulation.clients import ClientProfile
from nacos_core.simulation.faults import FaultProfile
from nacos_core.simulation.links import LinkProfile
from nacos_core.simulation.node import NodeProfile, Process
from nacos_core.simulation.nodes import NodesSimulation
from nacos_core.simulation.state import Operation
from nacos_core.simulation.world import Profile

RESULTS = Path(__file__).parent / "RESULTS.md"
ELECTION_MS_AT_MOST = 300.0
SPEED_AT_LEAST = 100.0
NODES_SPEED_AT_LEAST = 10.0
QUIET = Profile(
    links=LinkProfile(0.005, 0.010),
    node=NodeProfile(timing=Timing(heartbeat_seconds=0.075), snapshot_log_bytes=1 << 30),
    clients=ClientProfile(clients_count=0),
    faults=FaultProfile(kinds=()),
)


class Crashes:
    """One cluster whose leader crashes again and again."""

    def __init__(self, seed: int) -> None:
        self._simulation = Simulation(seed, profile=QUIET)
        self._cluster = self._simulation.cluster
        self._timeline = self._simulation.timeline
        self._chance = self._timeline.chance("crashes")
        self._number = 0
        self._cluster.start()
        self._timeline.run_until(2.0)

    def crash_once(self) -> float:
        """Milliseconds from the crash until a new leader has committed its no-op."""
        leader = self._cluster.leader()
        assert leader is not None
        self._make_logs_differ(leader)
        crashed_at = self._timeline.now
        leader.host.crash(is_power_cut=False)
        while not any(self._leads(process) for process in self._cluster.processes()):
            self._timeline.run_until(self._timeline.now + 0.0005)
        milliseconds = (self._timeline.now - crashed_at) * 1000
        self._cluster.restart(leader.host)
        self._timeline.run_until(self._timeline.now + 1.0)
        return milliseconds

    def _make_logs_differ(self, leader: Process) -> None:
        """Some entries get to some followers only; then a heartbeat has just left for all of them."""
        timeline, links = self._timeline, self._cluster.links
        heartbeat_at = leader.replica.machine.deadline
        timeline.run_until(heartbeat_at - 0.06)
        others = [node_id for node_id in self._cluster.hosts if node_id != leader.node_id]
        missed = self._chance.sample(others, 2)
        for node_id in missed:
            links.cut(leader.node_id, node_id)
        for _ in range(5):
            leader.run(self._propose)
            timeline.run_until(timeline.now + 0.008)
        timeline.run_until(heartbeat_at - 0.0001)
        links.mend_all()
        timeline.run_until(heartbeat_at)

    def _propose(self, process: Process) -> None:
        self._number += 1
        command = msgspec.msgpack.encode(Operation("write", self._number, "key", self._number))
        process.replica.propose(command, lambda outcome: None, self._timeline.now)

    @staticmethod
    def _leads(process: Process) -> bool:
        leading = process.replica.machine.leading
        return leading is not None and process.replica.commit_index >= leading.term_start_index


def crashes(count: int) -> list[float]:
    clusters = [Crashes(seed) for seed in range(1, 6)]
    return [clusters[number % len(clusters)].crash_once() for number in range(count)]


def speed(kind: type[Simulation] | type[NodesSimulation], seeds_count: int, seconds: float) -> tuple[float, float]:
    """Simulated seconds per second on the clock, and per second of CPU."""
    begun, begun_cpu = time.perf_counter(), time.process_time()
    reports = [kind(seed, seconds=seconds).run() for seed in range(1, seeds_count + 1)]
    elapsed, elapsed_cpu = time.perf_counter() - begun, time.process_time() - begun_cpu
    failed = [report for report in reports if report.failure]
    if failed:
        raise SystemExit(f"seed {failed[0].seed}: {failed[0].failure}")
    simulated = sum(report.simulated_seconds for report in reports)
    return simulated / elapsed, simulated / elapsed_cpu


def speed_row(level: str, speed: tuple[float, float], seeds: str, at_least: float) -> str:
    per_second, per_cpu_second = speed
    return row(
        f"level {level}: simulated seconds per second of one core, {seeds}, with faults, clients and all rules looked "
        "at (on the clock, beside whatever else ran)",
        f"{per_cpu_second:.0f} ({per_second:.0f})",
        f"at least {at_least:.0f}",
        per_cpu_second >= at_least,
    )


def runs(files: list[Path]) -> list[str]:
    """What long runs have said of themselves."""
    lines: list[str] = []
    for file in files:
        command, counts, *_, outcome = file.read_text().splitlines()
        if not command.startswith("simulate ") or not outcome.endswith((" seed failed", " seeds failed")):
            raise SystemExit(f"{file}: not what a whole run of `simulate` printed, below its command")
        lines.append(f"- `python -m nacos_core {command}`: {counts}: {outcome}")
    return ["", "Long runs, as they printed it:", "", *lines] if lines else []


def row(title: str, figure: str, bar: str, is_reached: bool) -> str:
    return f"| {title} | {figure} | {bar} | {'reached' if is_reached else 'MISSED'} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crashes", type=int, default=1000, metavar="COUNT")
    parser.add_argument("--seeds", type=int, default=20, metavar="COUNT", help="played for the speed, 60 s each")
    parser.add_argument("--nodes-seeds", type=int, default=8, metavar="COUNT", help="of whole nodes, 30 s each")
    parser.add_argument("--run", type=Path, action="append", default=[], metavar="FILE", help="of a long run")
    parser.add_argument("--no-write", action="store_true", help="print only")
    chosen = parser.parse_args()
    times = sorted(crashes(chosen.crashes))
    median, late = statistics.median(times), times[int(len(times) * 0.99)]
    lines = [
        "## The simulation (`python benches/simulate.py`)",
        "",
        f"CPython {platform.python_version()} on {platform.machine()}. 5 nodes, if nothing else is said.",
        "",
        "| What | figure | bar |  |",
        "|---|---|---|---|",
        row(
            f"{len(times):,} leader crashes (timeout 150–300 ms, heartbeat 75 ms, one-way delay 5–10 ms, logs of "
            "differing length, just after a heartbeat to all) until a new leader's no-op is committed: median; p99",
            f"{median:.0f} ms; {late:.0f} ms",
            f"under {ELECTION_MS_AT_MOST:.0f} ms",
            median < ELECTION_MS_AT_MOST,
        ),
        speed_row("a", speed(Simulation, chosen.seeds, 60.0), f"{chosen.seeds} seeds of 60 s", SPEED_AT_LEAST),
        speed_row(
            "b (whole nodes)",
            speed(NodesSimulation, chosen.nodes_seeds, 30.0),
            f"{chosen.nodes_seeds} seeds of 30 s",
            NODES_SPEED_AT_LEAST,
        ),
        *runs(chosen.run),
    ]
    print("\n".join(lines))
    if not chosen.no_write:
        RESULTS.write_text(with_section(RESULTS.read_text(), "simulate", "\n".join(lines)))


if __name__ == "__main__":
    main()
