"""`make scale`: 100,000 configurations of 1 KB and 10,000 services with 100,000 instances in one node.

Measured are every kind of request that lists, searches or pages, exports and imports, how long a heartbeat waits
meanwhile, how long the turns are that long requests are cut into, and memory. Configurations come into the store
without the log, services over HTTP. The results go to the terminal and into benches/RESULTS.md.
"""

from __future__ import annotations

import argparse
import os
import pty
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import compare_report as report
from compare_servers import machine_facts
from scale_clients import Bystander, Grpc, Http
from scale_node import GROUPS_COUNT, INSTANCES_PER_SERVICE, FullNode, register_services
from scale_questions import at_once_questions, many_at_once, questions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CHECKOUT = Path(__file__).resolve().parent.parent
ANSWER_MS_AT_MOST = 50.0
TURN_MS_AT_MOST = 2.0
BEAT_MS_AT_MOST = 5.0
CONFIG_BYTES_AT_MOST = 3 * 1024
MEASURED_SECONDS_AT_LEAST = 0.3
"""So that there are some heartbeats, too; what is done but once goes on if it takes less."""
BACKGROUND = "Background.start"
"""What the task of a long request is called."""


@dataclass(frozen=True)
class Row:
    """What was measured of one kind of request. Milliseconds; ``is_page``: it has to be answered in time."""

    what: str
    taken_ms: Sequence[float]
    beats_ms: Sequence[float]
    turn_ms: float | None
    is_page: bool = True
    note: str = ""

    def verdicts(self) -> list[str]:
        """What is missed."""
        missed = []
        if self.is_page and at(self.taken_ms, 0.99) > ANSWER_MS_AT_MOST:
            missed.append("answer")
        if at(self.beats_ms, 0.99) > BEAT_MS_AT_MOST:
            missed.append("heartbeat")
        if self.turn_ms is not None and self.turn_ms > TURN_MS_AT_MOST:
            missed.append("turn")
        return missed

    def cells(self) -> list[str]:
        missed = self.verdicts()
        turn = "–" if self.turn_ms is None else f"{self.turn_ms:.2f}"
        verdict = f"MISSED: {', '.join(missed)}" if missed else "reached"
        return [
            self.what,
            str(len(self.taken_ms)),
            triple(self.taken_ms),
            triple(self.beats_ms),
            turn,
            verdict,
            self.note,
        ]


def at(values: Sequence[float], part: float) -> float:
    """The value that this part of all does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def triple(values: Sequence[float]) -> str:
    return f"{at(values, 0.5):.1f} / {at(values, 0.99):.1f} / {max(values):.1f}"


def measure(node: FullNode, what: str, ask: Callable[[], object], rounds_count: int, *, is_page: bool = True) -> Row:
    """Asks as often as that, one after the other, while the bystander beats."""
    node.ask("forget")
    taken_ms: list[float] = []
    note = ""
    with Bystander(node.port) as bystander:
        until = time.monotonic() + MEASURED_SECONDS_AT_LEAST
        while len(taken_ms) < rounds_count or time.monotonic() < until:
            began = time.perf_counter()
            said = ask()
            taken_ms.append((time.perf_counter() - began) * 1000)
            note = said if isinstance(said, str) else ""
    longest = [took_ms for name, took_ms in node.ask("turns").items() if BACKGROUND in name]
    row = Row(what, taken_ms, bystander.taken_ms, max(longest, default=None), is_page, note)
    print(" | ".join(row.cells()), flush=True)
    return row


def run_command(node: FullNode, folder: Path) -> str:
    """`config export` with somebody looking on; how large the file is, and how often the bar moved."""
    file = folder / "all.zip"
    looked_at, shown = pty.openpty()
    heard: list[bytes] = []

    def look() -> None:
        while True:
            try:
                heard.append(os.read(looked_at, 4096))
            except OSError:  # the other end is closed
                return

    watching = threading.Thread(target=look)
    watching.start()
    command = [sys.executable, "-m", "nacos_core", "config", "export", str(file), "--timeout", "600"]
    subprocess.run(
        [*command, "--server", f"http://127.0.0.1:{node.port}"], stderr=shown, stdout=subprocess.DEVNULL, check=True
    )
    os.close(shown)
    watching.join()
    os.close(looked_at)
    return f"{file.stat().st_size / 1e6:.1f} MB, the bar moved {b''.join(heard).count(b'export') - 1} times"


def memory_rows(config_bytes: float, instance_bytes: float) -> list[list[str]]:
    verdict = "reached" if config_bytes <= CONFIG_BYTES_AT_MOST else "MISSED"
    return [
        ["memory of a configuration of 1 KB", f"{config_bytes:,.0f} B", f"≤ {CONFIG_BYTES_AT_MOST:,} B", verdict],
        ["memory of an instance with two pairs and an address of its own", f"{instance_bytes:,.0f} B", "–", ""],
    ]


def main() -> int:
    arguments = parse_arguments()
    facts = {**machine_facts(CHECKOUT)}
    began = time.monotonic()
    rows: list[Row] = []
    with FullNode() as node, tempfile.TemporaryDirectory() as folder, ExitStack() as opened:
        empty = node.ask("memory")["now"]
        node.ask(f"configs {arguments.configs}")
        with_configs = node.ask("memory")["now"]
        register_services(node.port, arguments.services)
        full = node.ask("memory")["now"]
        instances_count = arguments.services * INSTANCES_PER_SERVICE
        memory = memory_rows((with_configs - empty) / arguments.configs, (full - with_configs) / instances_count)
        rows.append(measure(node, "nothing, for two seconds", partial(time.sleep, 2), 1, is_page=False))
        http, grpc = opened.enter_context(closing(Http(node.port))), opened.enter_context(closing(Grpc(node.port)))
        wanted = [word for word in arguments.only.split(",") if word]
        for what, ask in questions(http, grpc, arguments.configs, arguments.services):
            if not wanted or any(word in what for word in wanted):
                rows.append(measure(node, what, ask, arguments.rounds))
        for what, ask in at_once_questions(http):
            if not wanted or any(word in what for word in wanted):
                rows.append(measure(node, what, ask, arguments.long_rounds, is_page=False))
        long = [("export by the command line", partial(run_command, node, Path(folder)))]
        long += many_at_once(http, GROUPS_COUNT)
        for what, ask in long:
            if not wanted or any(word in what for word in wanted):
                before = node.ask("memory")["now"]
                row = measure(node, what, ask, 1, is_page=False)
                grown = (node.ask("memory")["peak"] - before) / 2**20
                rows.append(
                    Row(
                        row.what,
                        row.taken_ms,
                        row.beats_ms,
                        row.turn_ms,
                        False,
                        f"{row.note}, {grown:+.0f} MiB at its peak",
                    )
                )
    facts["Took"] = f"{(time.monotonic() - began) / 60:.1f} minutes"
    facts["Load average behind"] = f"{os.getloadavg()[0]:.2f}"
    text = section(facts, arguments, rows, memory)
    print(text)
    if arguments.output:
        output = Path(arguments.output)
        output.write_text(report.with_section(output.read_text() if output.exists() else "", "scale", text))
    return 0


def section(
    facts: dict[str, str], arguments: argparse.Namespace, rows: Sequence[Row], memory: Sequence[Sequence[str]]
) -> str:
    head = [
        "Request",
        "rounds",
        "p50 / p99 / max ms",
        "heartbeats meanwhile, p50 / p99 / max ms",
        "longest turn, ms",
        "",
        "",
    ]
    return "\n".join(
        [
            "## 100,000 configurations and 100,000 instances (`make scale`)\n",
            "\n".join(f"- {name}: {fact}" for name, fact in facts.items()),
            f"- {arguments.configs:,} configurations of 1000 bytes, put into the store without the log; "
            f"{arguments.services:,} services with {INSTANCES_PER_SERVICE} instances each, registered over HTTP",
            f"- Wanted: what is listed, searched or paged answered within {ANSWER_MS_AT_MOST:.0f} ms (p99), heartbeats "
            f"(HTTP and gRPC in turn, one a millisecond) within {BEAT_MS_AT_MOST:.0f} ms (p99), and no turn of a long "
            f"request longer than {TURN_MS_AT_MOST:.0f} ms of its thread's processor time; – means that it has none\n",
            report.table(head, [row.cells() for row in rows]),
            report.table(["Memory", "measured", "wanted", ""], memory),
        ]
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configs", type=int, default=100_000)
    parser.add_argument("--services", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=200, help="of each kind of request (200)")
    parser.add_argument("--long-rounds", type=int, default=5, help="of lists without pages (5)")
    parser.add_argument("--only", default="", help="requests with one of these words in their names, by commas")
    parser.add_argument("--output", default=str(CHECKOUT / "benches" / "RESULTS.md"), help="'' for none")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
