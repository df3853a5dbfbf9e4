"""The arithmetic, the rules and the tables of `make compare`."""

from __future__ import annotations

import importlib
import json
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

BENCHES = Path(__file__).resolve().parents[2] / "benches"


def module(name: str) -> ModuleType:
    sys.path.insert(0, str(BENCHES))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(BENCHES))


report = module("compare_report")
servers = module("compare_servers")
compare = module("compare")


def runs(*rates: float, busy: float = 0.5, per_cpu: float | None = 2.0) -> list[Any]:
    """Runs with these rates; `per_cpu` times as many requests per second of server CPU."""
    return [
        report.Run(
            requests_per_second=rate,
            requests_per_cpu_second=per_cpu * rate if per_cpu else None,
            generator_busy=busy,
            latencies_us=(500.0, 1500.0, 12000.0),
            server_cores=0.5,
        )
        for rate in rates
    ]


def row(this: list[Any], other: list[Any], at_least: float | None = None) -> Any:
    return report.LoadRow("a load", at_least, False, this, other)


def test_the_ratio_is_the_median_of_the_rounds_with_its_range() -> None:
    ratio = report.Ratio.of([100, 500, 90], [50, 100, 90])
    assert (ratio.median, ratio.low, ratio.high) == (2.0, 1.0, 5.0)
    assert str(ratio) == "2.00 (1.00–5.00)"


def test_a_ratio_to_nothing_is_none() -> None:
    assert report.Ratio.of([1, 1], [1, 0]) is None
    assert report.Ratio.of([], []) is None
    assert report.Ratio.of([1], [1, 2]) is None


def test_runs_pair_in_their_order_and_not_by_size() -> None:
    assert report.Ratio.of([10, 20], [20, 10]).high == 2.0


@pytest.mark.parametrize(("rate", "verdict"), [(199, "MISSED"), (200, "reached"), (201, "reached")])
def test_a_bar_is_reached_or_missed(rate: float, verdict: str) -> None:
    assert row(runs(rate), runs(100), at_least=2.0).verdict == verdict


def test_without_a_bar_there_is_no_verdict() -> None:
    assert row(runs(100), runs(100)).verdict == ""


def test_a_busy_generator_makes_the_row_count_server_cpu() -> None:
    limited = row(runs(100, 100, 100, busy=0.96, per_cpu=9.0), runs(50, 50, 50, per_cpu=3.0), at_least=5.0)
    assert limited.counts_cpu
    assert limited.ratio.median == 6.0
    assert limited.rate_ratio.median == 2.0
    assert limited.verdict == "reached"
    cells = report.load_cells(limited)
    assert cells[1:4] == ["900 *", "150 *", "6.00 (6.00–6.00)"]


def test_one_busy_run_of_three_is_not_a_busy_generator() -> None:
    mixed = [*runs(100, 100, busy=0.9), *runs(100, busy=0.99)]
    assert not row(mixed, runs(50, 50, 50)).counts_cpu


def test_a_busy_generator_without_cpu_times_gives_a_lower_bound() -> None:
    limited = row(runs(100, busy=0.99, per_cpu=None), runs(50))
    assert not limited.counts_cpu
    assert report.load_cells(limited)[1] == "100 ‡"
    assert limited.ratio.median == 2.0


def test_one_error_makes_the_row_invalid() -> None:
    broken = row([*runs(100, 100), report.Run(errors_count=3, error="HTTP status 500")], runs(1, 1, 1), at_least=1.0)
    assert broken.verdict == "INVALID"
    assert broken.ratio is None
    assert broken.summary() == "INVALID: 3 errors: HTTP status 500"
    assert "100" not in " ".join(report.load_cells(broken))


def test_a_run_is_read_from_the_generators_json() -> None:
    said = {
        "errors": 0,
        "error_samples": [],
        "requests_per_second": 1000.0,
        "requests_per_server_cpu_second": 4000.0,
        "generator_busy": 0.25,
        "latency_us": {"p50": 1.0, "p99": 2.0, "p99.9": 3.0, "max": 4.0},
        "server_cpu_seconds": 1.5,
        "seconds": 3.0,
    }
    run = report.Run.from_json(said)
    assert (run.requests_per_second, run.requests_per_cpu_second, run.server_cores) == (1000.0, 4000.0, 0.5)
    assert run.latencies_us == (1.0, 2.0, 3.0)
    assert report.Run.from_json({"errors": 2, "error_samples": ["a", "b"]}).error == "a; b"


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (7.4, "7"), (999, "999"), (12_345, "12,300"), (182_511, "183,000")]
)
def test_rates_have_three_digits(number: float, text: str) -> None:
    assert report.rate(number) == text


def test_latencies_are_milliseconds() -> None:
    assert report.latencies(runs(1, 2, 3)) == "0.50 / 1.50 / 12"


@pytest.mark.parametrize(("number", "text"), [(None, "–"), (0.0312, "0.0312 s"), (24.96, "25 s"), (1234.5, "1,234 s")])
def test_amounts_are_short(number: float | None, text: str) -> None:
    assert report.amount(number, "s") == text


def test_a_figure_has_to_be_at_most_its_bar() -> None:
    assert report.Figure("memory", "MiB", 45.0, 45.0, None).verdict == "reached"
    assert report.Figure("memory", "MiB", 45.0, 45.1, None).verdict == "MISSED"
    assert report.Figure("memory", "MiB", None, 45.1, None).verdict == ""
    assert report.Figure("memory", "MiB", 45.0, None, 1.0).verdict == ""


def test_tables_have_as_many_cells_as_heads() -> None:
    names = ("this", "other")
    rows = [row(runs(1), runs(1)), row([report.Run.failed("a | b")], runs(1))]
    pushes = [report.PushRow("push", runs(1), runs(1)), report.PushRow("push", [report.Run.failed("x")], runs(1))]
    tables = [
        report.load_table(names, rows),
        report.open_table(names, rows),
        report.push_table(names, pushes),
        report.figure_table(names, [report.Figure("time", "s", None, 1.0, None)]),
    ]
    for text in tables:
        assert len({line.replace("a | b", "").count("|") for line in text.splitlines()}) == 1, text


def test_a_server_that_falls_behind_an_open_loop_is_named() -> None:
    behind = [report.Run(rate_reached=False)]
    assert "a load (other fell behind)" in report.open_table(("this", "other"), [row(runs(1), behind)])


def test_a_section_is_replaced_and_others_stay() -> None:
    text = report.with_section("", "before", "results before")
    text = report.with_section(text, "compare", "old")
    text = report.with_section(text, "bench", "bench results")
    text = report.with_section(text, "compare", "new")
    assert text.startswith("# Results\n")
    assert text.count("<!-- compare: begin -->") == 1
    assert "results before" in text
    assert "bench results" in text
    assert "new" in text
    assert "old" not in text
    with pytest.raises(ValueError, match="compare: end"):
        report.with_section("<!-- compare: begin -->\n", "compare", "new")


def test_addresses_are_read() -> None:
    assert servers.Address.parse("http://127.0.0.1:8848/") == servers.Address("127.0.0.1", 8848, 9848)
    assert servers.Address.parse("host:8848/9000") == servers.Address("host", 8848, 9000)


def test_what_a_generator_does_is_a_run(tmp_path: Path) -> None:
    def generator(words: str) -> Any:
        program = tmp_path / "generator"
        program.write_text(f"#!/bin/sh\n{words}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        options = compare.Options(program, 1, 0.1, 2, "", 0.0)
        server = servers.Server("given", given=servers.Address("127.0.0.1", 1, 2), given_pid=7)
        return compare.one_run(server, options, ("http-list", "--instances", "100"))

    said = json.dumps({"errors": 0, "error_samples": [], "requests_per_second": 5.0, "seconds": 1.0})
    assert generator(f"echo '{said}'").requests_per_second == 5.0
    assert generator(f"echo '{said}'; exit 1").errors_count == 1
    assert generator("echo no such server >&2; exit 1").error == "no such server"
    arguments = generator('echo "$@" >&2').error
    expected = "http-list --instances 100 --http 127.0.0.1:1 --grpc 127.0.0.1:2 --seconds 0.1 --connections 2 --pid 7"
    assert arguments == expected


def test_runs_of_both_servers_alternate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    order: list[str] = []

    def one_run(server: Any, _options: object, _arguments: object) -> Any:
        order.append(server.name)
        return report.Run(requests_per_second=1.0)

    monkeypatch.setattr(compare, "one_run", one_run)
    pair = (servers.Server("A"), servers.Server("B"))
    compare.alternating(pair, compare.Options(tmp_path, 3, 1.0, 64, "", 0.0), compare.LOADS[0])
    assert order == ["A", "B", "A", "B", "A", "B"]


def test_every_bar_of_the_loads_is_there() -> None:
    bars = {each.title: each.at_least for each in compare.LOADS if each.at_least}
    assert len(bars) == 14
    assert len({each.arguments for each in compare.LOADS}) == len(compare.LOADS)
