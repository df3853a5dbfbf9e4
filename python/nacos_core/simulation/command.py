"""``python -m nacos_core simulate``: plays one seed, or many, and says which of them found something."""

import argparse
import sys
from collections.abc import Sequence

from nacos_core.clock import elapsed_seconds
from nacos_core.simulation.distro import DistroReport, DistroSimulation
from nacos_core.simulation.nodes import NodesSimulation
from nacos_core.simulation.timeline import Trace
from nacos_core.simulation.world import Report, Simulation

PROGRESS_SEEDS = 10


def main(arguments: Sequence[str]) -> int:
    """Gives the exit code: 0 nothing was found, 1 something was."""
    parser = argparse.ArgumentParser(
        prog="nacos-core simulate", description="A cluster with simulated links, disks, clients and faults."
    )
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="decides everything (1)")
    parser.add_argument("--seeds", type=int, metavar="COUNT", help="play so many, from --seed on")
    parser.add_argument("--nodes", type=int, metavar="COUNT", help="members at the beginning (5; 3 of level distro)")
    parser.add_argument("--minutes", type=float, default=0.5, help="simulated time with faults (0.5)")
    parser.add_argument(
        "--level",
        choices=["a", "b", "distro"],
        default="a",
        help="a: the rules of Raft alone (the default); b: real nodes under trio; distro: the rules of Distro alone",
    )
    parser.add_argument("--trace", action="store_true", help="print every event, not only the last ones of a failure")
    parser.add_argument("--history", metavar="FILE", help="write what clients saw, JSON, one call a line")
    chosen = parser.parse_args(arguments)
    if chosen.nodes is None:
        chosen.nodes = 3 if chosen.level == "distro" else 5
    if chosen.history and chosen.level == "distro":
        parser.error("clients of level distro have no registers: there is no history of calls")
    return _play_one(chosen) if chosen.seeds is None else _play_many(chosen)


Kind = type[Simulation] | type[NodesSimulation] | type[DistroSimulation]


def _simulation(
    chosen: argparse.Namespace, seed: int, trace: Trace | None = None
) -> Simulation | NodesSimulation | DistroSimulation:
    kinds: dict[str, Kind] = {"a": Simulation, "b": NodesSimulation, "distro": DistroSimulation}
    kind = kinds[chosen.level]
    return kind(seed, nodes_count=chosen.nodes, seconds=chosen.minutes * 60, trace=trace)


def _play_one(chosen: argparse.Namespace) -> int:
    trace = Trace(print if chosen.trace else None)
    report = _simulation(chosen, chosen.seed, trace).run()
    if chosen.history and isinstance(report, Report):
        with open(chosen.history, "w") as file:
            file.write(report.history.lines())
    if report.failure:
        if not chosen.trace:
            print("\n".join(trace.lines))
        print(f"\n{report.details}\nseed {chosen.seed} at {report.simulated_seconds:.6f} s: {report.failure}")
    faults = ", ".join(f"{count} {kind}" for kind, count in sorted(report.faults.items()))
    print(f"faults: {faults or 'none'}")
    print(f"trace {report.digest}")
    print(_summary([report]))
    return 1 if report.failure else 0


def _play_many(chosen: argparse.Namespace) -> int:
    reports: list[Report | DistroReport] = []
    begun = elapsed_seconds()
    failures = 0
    for seed in range(chosen.seed, chosen.seed + chosen.seeds):
        report = _simulation(chosen, seed).run()
        reports.append(report)
        if isinstance(report, Report):
            report.history.calls.clear()
        if report.failure:
            failures += 1
            again = f"--level {chosen.level} --seed {seed} --nodes {chosen.nodes} --minutes {chosen.minutes:g}"
            print(f"seed {seed}: {report.failure}\n  python -m nacos_core simulate {again}", flush=True)
        if len(reports) % PROGRESS_SEEDS == 0:
            print(f"\r{len(reports)} of {chosen.seeds} seeds, {failures} failed ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    seconds = elapsed_seconds() - begun
    print(_summary(reports))
    print(f"{sum(report.simulated_seconds for report in reports) / seconds:.0f} simulated s per real s")
    print(f"{failures} seeds failed" if failures else "no seed failed")
    return 1 if failures else 0


def _summary(reports: Sequence[Report | DistroReport]) -> str:
    faults = [sum(report.faults.values()) for report in reports]
    calls = [report.calls_count for report in reports]
    common = (
        f"{len(reports)} seeds, {sum(report.simulated_seconds for report in reports):.0f} simulated s, "
        f"{sum(faults)} faults (at least {min(faults)} a seed), "
        f"{sum(calls)} client operations (at least {min(calls)} a seed), "
    )
    raft = [report for report in reports if isinstance(report, Report)]
    distro = [report for report in reports if isinstance(report, DistroReport)]
    special = (
        f"{sum(report.unknown_count for report in raft)} of unknown outcome, "
        f"{sum(report.elections_count for report in raft)} elections"
        if raft
        else f"{sum(report.pushes_count for report in distro)} pushes, "
        f"{sum(report.repairs_count for report in distro)} repairs, "
        f"equal again after {max(report.converged_seconds for report in distro):.1f} s at worst"
    )
    return f"{common}{special}, {sum(report.messages_count for report in reports)} messages"
