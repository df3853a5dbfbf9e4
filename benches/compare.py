"""`make compare`: the same loads on this server and on another one, in one run, and their ratios.

Both servers run all the time, unpinned; the generator is one thread. Of each load the runs alternate A B A B A B, so
that what else the machine does hits both. Memory and start-up are measured on fresh processes. The results go to the
terminal and into benches/RESULTS.md.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import compare_report as report
from compare_report import Figure, LoadRow, PushRow, Run
from compare_servers import (
    Address,
    Facts,
    Server,
    find_load,
    find_rnacos,
    machine_facts,
    open_files_limit_raised,
    open_node_ms,
    rnacos,
    shows_what_is_written,
    this_server,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CHECKOUT = Path(__file__).resolve().parent.parent
SETTLE_SECONDS = 12.0  # r-nacos needs some seconds after its start until reads see writes
START_TRIES_COUNT = 4
RUN_TIMEOUT_SECONDS = 120
CONNECTIONS_HELD = 2_000
INSTANCES_HELD = 50_000


Row = TypeVar("Row", LoadRow, PushRow)


@dataclass(frozen=True)
class Load:
    """One row: what the generator is told, and the ratio that this server has to reach."""

    title: str
    arguments: tuple[str, ...]
    at_least: float | None = None
    durable: bool = False


def load(title: str, arguments: str, at_least: float | None = None, *, durable: bool = False) -> Load:
    return Load(title, tuple(arguments.split()), at_least, durable)


LOADS = (
    load("HTTP instance list, 1 instance", "http-list", 2.0),
    load("HTTP instance list, 100 instances", "http-list --instances 100", 3.0),
    load("HTTP config get, 1 KB", "http-config-get", 2.0),
    load("HTTP 1.x beat of a known instance", "http-beat", 1.5),
    load("HTTP register, ephemeral", "http-register", 1.0),
    load("HTTP config publish, 1 KB", "http-config-publish", 1.5, durable=True),
    load("HTTP config listen, answered at once", "http-config-listen"),
    load("gRPC config query, 1 in flight", "grpc-config-get", 3.0),
    load("gRPC config query, 32 in flight", "grpc-config-get --in-flight 32", 3.0),
    load("gRPC service query, 1 instance, 1 in flight", "grpc-query", 3.0),
    load("gRPC service query, 1 instance, 32 in flight", "grpc-query --in-flight 32", 3.0),
    load("gRPC service query, 100 instances, 1 in flight", "grpc-query --instances 100"),
    load("gRPC service query, 100 instances, 32 in flight", "grpc-query --instances 100 --in-flight 32"),
    load("gRPC register, ephemeral, 1 in flight", "grpc-register", 2.0),
    load("gRPC register, ephemeral, 32 in flight", "grpc-register --in-flight 32", 2.0),
    load("gRPC config publish, 1 KB, 1 in flight", "grpc-config-publish", 1.5, durable=True),
    load("gRPC config publish, 1 KB, 32 in flight", "grpc-config-publish --in-flight 32", 1.5, durable=True),
    load("gRPC config listen, 1 in flight", "grpc-config-listen"),
    load("gRPC config listen, 32 in flight", "grpc-config-listen --in-flight 32"),
    load("gRPC subscribe, 1 in flight", "grpc-subscribe"),
    load("gRPC health check, 1 in flight", "grpc-beat"),
    load("gRPC health check, 32 in flight", "grpc-beat --in-flight 32"),
)
OPEN_LOADS = (
    load("HTTP instance list, 10,000 a second", "http-list --rate 10000"),
    load("gRPC service query, 10,000 a second", "grpc-query --rate 10000"),
)
PUSHES = (
    load("instance registered, until each of 64 subscribers hears of it", "grpc-push"),
    load("config published, until each of 64 listeners hears of it", "grpc-config-push"),
    load("config published, until each of 64 HTTP long polls is answered", "http-config-push"),
)


@dataclass(frozen=True)
class Options:
    """The command line, understood."""

    generator: Path
    rounds_count: int
    seconds: float
    connections_count: int
    only: str
    settle_seconds: float


def main() -> int:
    arguments = parse_arguments()
    open_files_limit_raised()
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))  # so that the servers are stopped
    options = Options(
        generator=find_load(arguments.load, CHECKOUT),
        rounds_count=arguments.rounds,
        seconds=arguments.seconds,
        connections_count=arguments.connections,
        only=arguments.only,
        settle_seconds=arguments.settle_seconds,
    )
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="nacos-compare-") as folder:
        servers = pair_of_servers(arguments, Path(folder))
        facts = machine_facts(CHECKOUT)
        figures = [] if arguments.no_memory else start_and_memory(servers, options)
        loads, open_loads, pushes, after = all_loads(servers, options)
    figures += after
    took = time.monotonic() - began
    section = report.section(names(servers), facts, settings(options, took), loads, open_loads, pushes, figures)
    print(section)
    if arguments.output:
        output = Path(arguments.output)
        before = output.read_text(encoding="utf-8") if output.exists() else ""
        output.write_text(report.with_section(before, "compare", section), encoding="utf-8")
    if arguments.raw:
        raw = {"loads": loads, "open_loads": open_loads, "pushes": pushes, "figures": figures}
        Path(arguments.raw).parent.mkdir(parents=True, exist_ok=True)
        Path(arguments.raw).write_text(report.raw_json(raw), encoding="utf-8")
    rows: list[LoadRow | PushRow] = [*loads, *open_loads, *pushes]
    invalid = [row.title for row in rows if row.error]
    for title in invalid:
        print(f"invalid: {title}", file=sys.stderr)
    return 1 if invalid else 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--load", help="the nacos-load program (target/release/nacos-load)")
    parser.add_argument(
        "--rnacos", help="the rnacos program (RNACOS, PATH, or installed with cargo into target/rnacos)"
    )
    parser.add_argument("--this", metavar="HOST:PORT", help="a running server instead of starting this one")
    parser.add_argument("--this-pid", type=int, help="its process, for processor time and memory")
    parser.add_argument("--other", metavar="HOST:PORT", help="a running server instead of r-nacos")
    parser.add_argument("--other-pid", type=int, help="its process, for processor time and memory")
    parser.add_argument("--other-name", default="other", help="what to call it")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each load on each server (3)")
    parser.add_argument("--seconds", type=float, default=2.5, help="measured part of each run (2.5)")
    parser.add_argument("--connections", type=int, default=64, help="connections (64)")
    parser.add_argument("--settle-seconds", type=float, default=SETTLE_SECONDS, help="rest of a fresh server (12)")
    parser.add_argument("--only", default="", help="only loads whose title contains this text")
    parser.add_argument("--no-memory", action="store_true", help="only the loads")
    parser.add_argument("--output", default=str(CHECKOUT / "benches" / "RESULTS.md"), help="'' for none")
    parser.add_argument(
        "--raw", default=str(CHECKOUT / "target" / "compare.json"), help="every run as JSON; '' for none"
    )
    return parser.parse_args()


def pair_of_servers(arguments: argparse.Namespace, folder: Path) -> tuple[Server, Server]:
    """This server and the other one, not started."""
    if arguments.this:
        this = Server("nacos-core", given=Address.parse(arguments.this), given_pid=arguments.this_pid)
    else:
        this = this_server(folder)
    if arguments.other:
        other = Server(arguments.other_name, given=Address.parse(arguments.other), given_pid=arguments.other_pid)
    else:
        other = rnacos(find_rnacos(arguments.rnacos, CHECKOUT), folder)
    return this, other


def names(servers: tuple[Server, Server]) -> tuple[str, str]:
    return servers[0].name, servers[1].name


def settings(options: Options, took_seconds: float) -> Facts:
    return {
        "Loads": f"{options.connections_count} connections over loopback, {options.seconds:g} s a run after 0.5 s of"
        f" warm-up, {options.rounds_count} runs each, alternating; generator one thread, servers unpinned",
        "Took": f"{took_seconds / 60:.1f} minutes",
    }


@contextlib.contextmanager
def sound(server: Server) -> Iterator[None]:
    """One that shows what was written: r-nacos now and then comes up without doing so, and then it is started anew."""
    for tries_left in reversed(range(START_TRIES_COUNT)):
        with server.running():
            if not server.is_ours_to_start or shows_what_is_written(server.address) or not tries_left:
                yield
                return
        progress(f"{server.name} does not show what it has acknowledged: started anew")


@contextlib.contextmanager
def running(servers: tuple[Server, Server], settle_seconds: float) -> Iterator[None]:
    """Both servers fresh, ready and at rest."""
    with contextlib.ExitStack() as stack:
        for server in servers:
            stack.enter_context(sound(server))
        if any(server.is_ours_to_start for server in servers):
            time.sleep(settle_seconds)
        yield


def start_and_memory(servers: tuple[Server, Server], options: Options) -> list[Figure]:
    """Time until ready, and memory: idle, for each idle connection, for each instance."""
    figures = [ready_figure(servers, options)]
    if servers[0].is_ours_to_start:
        milliseconds = sorted(open_node_ms() for _ in range(options.rounds_count))
        figures.append(Figure("in-process `open_node` until ready", "ms", 50.0, report.median(milliseconds), None))
    progress("memory: idle, idle connections")
    with running(servers, options.settle_seconds):
        idle = [server.rss_bytes() for server in servers]
        each = [hold(server, options, "grpc-hold-connections", CONNECTIONS_HELD) for server in servers]
    figures.append(Figure("memory, idle", "MiB", 45.0, *report.scaled(idle, 1 << 20)))
    title = f"memory of each idle gRPC connection ({CONNECTIONS_HELD:,})"
    figures.append(Figure(title, "KiB", 25.0, *report.scaled(each, 1 << 10)))
    progress("memory: instances")
    with running(servers, options.settle_seconds):
        each = [hold(server, options, "grpc-hold-instances", INSTANCES_HELD) for server in servers]
    title = f"memory of each ephemeral instance with two metadata pairs ({INSTANCES_HELD:,})"
    figures.append(Figure(title, "KiB", 1.0, *report.scaled(each, 1 << 10)))
    return figures


def ready_figure(servers: tuple[Server, Server], options: Options) -> Figure:
    progress("start until ready")
    seconds: list[list[float]] = [[], []]
    for _ in range(options.rounds_count):
        for server, found in zip(servers, seconds, strict=True):
            if server.is_ours_to_start:
                with server.running():
                    found.append(server.ready_seconds)
    medians = [report.median(found) if found else None for found in seconds]
    return Figure("process start until ready", "s", 0.4, medians[0], medians[1])


def hold(server: Server, options: Options, operation: str, count: int) -> float | None:
    if server.pid is None:
        return None
    run = one_run(server, options, (operation, "--count", str(count)))
    if run.errors_count:
        progress(f"{operation} on {server.name} failed: {run.error}")
        return None
    return run.bytes_each


def all_loads(
    servers: tuple[Server, Server], options: Options
) -> tuple[list[LoadRow], list[LoadRow], list[PushRow], list[Figure]]:
    """Every load on both servers, and their memory after that.

    Configuration and naming are measured on servers of their own: after loads of naming, r-nacos at times acknowledges
    publications that it never shows, and then there is nothing to measure.
    """
    loads: dict[str, LoadRow | None] = {}
    open_loads: dict[str, LoadRow | None] = {}
    pushes: dict[str, PushRow | None] = {}
    memory: list[list[float | None]] = []
    peak: list[list[float | None]] = []
    for is_config in (True, False):
        with running(servers, options.settle_seconds):
            loads |= {each.title: load_row(servers, options, each) for each in of_kind(LOADS, is_config)}
            open_loads |= {each.title: load_row(servers, options, each) for each in of_kind(OPEN_LOADS, is_config)}
            pushes |= {each.title: push_row(servers, options, each) for each in of_kind(PUSHES, is_config)}
            time.sleep(2)
            memory.append([server.rss_bytes() for server in servers])
            peak.append([server.rss_peak_bytes() for server in servers])
    after = [
        Figure("memory after the load runs", "MiB", 120.0, *report.scaled(most(memory), 1 << 20)),
        Figure("memory at its peak", "MiB", None, *report.scaled(most(peak), 1 << 20)),
    ]
    return in_order(LOADS, loads), in_order(OPEN_LOADS, open_loads), in_order(PUSHES, pushes), after


def of_kind(loads: Iterable[Load], is_config: bool) -> list[Load]:
    """Those of configuration, or the others."""
    return [each for each in loads if ("config" in each.title) == is_config]


def most(of_groups: list[list[float | None]]) -> list[float | None]:
    """For each server the most of all groups."""
    return [max((each for each in values if each is not None), default=None) for values in zip(*of_groups, strict=True)]


def in_order(loads: Iterable[Load], rows: dict[str, Row | None]) -> list[Row]:
    """The rows that there are, in the order of the loads."""
    return [row for each in loads if (row := rows.get(each.title)) is not None]


def load_row(servers: tuple[Server, Server], options: Options, each: Load) -> LoadRow | None:
    if options.only not in each.title:
        return None
    runs = alternating(servers, options, each)
    row = LoadRow(each.title, each.at_least, each.durable, *runs)
    progress(f"{each.title}: {row.summary()}")
    return row


def push_row(servers: tuple[Server, Server], options: Options, each: Load) -> PushRow | None:
    if options.only not in each.title:
        return None
    runs = alternating(servers, options, each)
    row = PushRow(each.title, *runs)
    progress(f"{each.title}: {row.summary()}")
    return row


def alternating(servers: tuple[Server, Server], options: Options, each: Load) -> tuple[list[Run], list[Run]]:
    """A B A B A B."""
    runs: tuple[list[Run], list[Run]] = ([], [])
    for _ in range(options.rounds_count):
        for server, found in zip(servers, runs, strict=True):
            found.append(one_run(server, options, each.arguments))
    return runs


def one_run(server: Server, options: Options, arguments: tuple[str, ...]) -> Run:
    """What the generator says of one run; a run that says nothing counts as one error."""
    command = [str(options.generator), *arguments, "--http", server.address.http, "--grpc", server.address.grpc]
    command += ["--seconds", str(options.seconds), "--connections", str(options.connections_count)]
    if server.pid is not None:
        command += ["--pid", str(server.pid)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_TIMEOUT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return Run.failed(f"no end after {RUN_TIMEOUT_SECONDS} s")
    if not done.stdout.strip():
        return Run.failed(done.stderr.strip() or f"exit code {done.returncode}")
    run = Run.from_json(json.loads(done.stdout))
    if done.returncode and not run.errors_count:
        return replace(run, errors_count=1, error=f"exit code {done.returncode}")
    return run


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
