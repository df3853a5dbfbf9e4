"""The arithmetic of a comparison and its tables: pure functions over what the generator said."""

from __future__ import annotations

import dataclasses
import json
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

BUSY_LIMIT = 0.95  # share of its core from which the generator is what limits a run

HEADING = "# Results\n\nWritten by the commands that are named in each section; what is edited by hand is lost.\n"


@dataclass(frozen=True)
class Run:
    """One run of the generator."""

    errors_count: int = 0
    error: str = ""
    requests_per_second: float = 0.0
    requests_per_cpu_second: float | None = None
    generator_busy: float = 0.0
    rate_reached: bool = True
    latencies_us: tuple[float, float, float] = (0.0, 0.0, 0.0)
    server_cores: float | None = None
    bytes_each: float | None = None

    @staticmethod
    def failed(error: str) -> Run:
        return Run(errors_count=1, error=error)

    @staticmethod
    def from_json(said: dict[str, Any]) -> Run:
        latencies = said.get("latency_us", {})
        cpu_seconds = said.get("server_cpu_seconds")
        return Run(
            errors_count=said["errors"],
            error="; ".join(said["error_samples"]),
            requests_per_second=said.get("requests_per_second", 0.0),
            requests_per_cpu_second=said.get("requests_per_server_cpu_second"),
            generator_busy=said.get("generator_busy", 0.0),
            rate_reached=said.get("rate_reached", True),
            latencies_us=(latencies.get("p50", 0.0), latencies.get("p99", 0.0), latencies.get("p99.9", 0.0)),
            server_cores=cpu_seconds / said["seconds"] if cpu_seconds is not None and said["seconds"] else None,
            bytes_each=said.get("bytes_each"),
        )


@dataclass(frozen=True)
class Ratio:
    """Median of the rounds' ratios, with the lowest and the highest."""

    median: float
    low: float
    high: float

    @staticmethod
    def of(this: Sequence[float], other: Sequence[float]) -> Ratio | None:
        """Ratios of the runs that followed each other; None if the other server did nothing in one of them."""
        if not this or len(this) != len(other) or min(other) <= 0:
            return None
        ratios = [mine / theirs for mine, theirs in zip(this, other, strict=True)]
        return Ratio(statistics.median(ratios), min(ratios), max(ratios))

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f}–{self.high:.2f})"


@dataclass(frozen=True)
class LoadRow:
    """The runs of one load on both servers."""

    title: str
    at_least: float | None
    durable: bool
    this: list[Run]
    other: list[Run]

    @property
    def error(self) -> str:
        """Why the row does not count, or nothing."""
        return first_error(self.this, self.other)

    @property
    def generator_is_limit(self) -> bool:
        return any(median([run.generator_busy for run in runs]) >= BUSY_LIMIT for runs in (self.this, self.other))

    @property
    def counts_cpu(self) -> bool:
        """Whether the row counts requests per second of server CPU: the generator hides how many there could be."""
        known = all(run.requests_per_cpu_second is not None for run in [*self.this, *self.other])
        return self.generator_is_limit and known

    @property
    def ratio(self) -> Ratio | None:
        return self.cpu_ratio if self.counts_cpu else self.rate_ratio

    @property
    def rate_ratio(self) -> Ratio | None:
        this, other = ([run.requests_per_second for run in runs] for runs in (self.this, self.other))
        return None if self.error else Ratio.of(this, other)

    @property
    def cpu_ratio(self) -> Ratio | None:
        this, other = ([run.requests_per_cpu_second or 0.0 for run in runs] for runs in (self.this, self.other))
        return None if self.error else Ratio.of(this, other)

    @property
    def verdict(self) -> str:
        """Whether the ratio is what it has to be."""
        if self.error:
            return "INVALID"
        if self.at_least is None or self.ratio is None:
            return ""
        return "reached" if self.ratio.median >= self.at_least else "MISSED"

    def summary(self) -> str:
        if self.error:
            return f"INVALID: {self.error}"
        rates = " against ".join(
            rate(median([run.requests_per_second for run in runs])) for runs in (self.this, self.other)
        )
        counted = "per server CPU second " if self.counts_cpu else ""
        return f"{rates} /s, ratio {counted}{self.ratio} {self.verdict}".rstrip()


@dataclass(frozen=True)
class PushRow:
    """The latencies of one kind of push on both servers."""

    title: str
    this: list[Run]
    other: list[Run]

    @property
    def error(self) -> str:
        return first_error(self.this, self.other)

    def summary(self) -> str:
        return f"INVALID: {self.error}" if self.error else " against ".join(map(latencies, (self.this, self.other)))


@dataclass(frozen=True)
class Figure:
    """A time or an amount of memory of both servers, and how much this one may take."""

    title: str
    unit: str
    at_most: float | None
    this: float | None
    other: float | None

    @property
    def verdict(self) -> str:
        if self.at_most is None or self.this is None:
            return ""
        return "reached" if self.this <= self.at_most else "MISSED"


def median(numbers: Sequence[float]) -> float:
    return statistics.median(numbers) if numbers else 0.0


def scaled(numbers: Sequence[float | None], unit: float) -> list[float | None]:
    return [None if number is None else number / unit for number in numbers]


def first_error(*sides: list[Run]) -> str:
    for side in sides:
        for run in side:
            if run.errors_count:
                return f"{run.errors_count} errors: {run.error}"
    return ""


def rate(number: float) -> str:
    """A rate with the digits that it deserves."""
    if number <= 0:
        return "0"
    digits = len(str(int(number)))
    step = 10 ** max(digits - 3, 0)
    return f"{round(number / step) * step:,}"


def amount(number: float | None, unit: str) -> str:
    return "–" if number is None else f"{number:,.3g} {unit}" if number < 100 else f"{number:,.0f} {unit}"


def latencies(runs: list[Run]) -> str:
    """Median over the runs of p50, p99 and p99.9, in milliseconds."""
    parts = [median([run.latencies_us[place] for run in runs]) / 1000 for place in range(3)]
    return " / ".join(f"{part:.2f}" if part < 10 else f"{part:.0f}" for part in parts)


def cores(runs: list[Run]) -> str:
    known = [run.server_cores for run in runs if run.server_cores is not None]
    return f"{median(known):.2f}" if known else "–"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def load_table(names: tuple[str, str], rows: Sequence[LoadRow]) -> str:
    head = ["Load", f"{names[0]} /s", f"{names[1]} /s", "ratio, median (range)", "at least", ""]
    head += [f"p50 / p99 / p99.9 ms, {names[0]}", names[1], "server cores", "generator busy"]
    head += ["ratio per server CPU second"]
    return table(head, [load_cells(row) for row in rows])


def load_cells(row: LoadRow) -> list[str]:
    title = f"{row.title} †" if row.durable else row.title
    bar = f"{row.at_least:.1f}" if row.at_least is not None else "–"
    if row.error:
        return [title, "–", "–", f"INVALID: {row.error.replace('|', ' ')}", bar, row.verdict, *["–"] * 5]
    if row.counts_cpu:
        values = [
            f"{rate(median([run.requests_per_cpu_second or 0.0 for run in runs]))} *" for runs in (row.this, row.other)
        ]
    else:
        values = [rate(median([run.requests_per_second for run in runs])) for runs in (row.this, row.other)]
        if row.generator_is_limit:
            values = [f"{value} ‡" for value in values]
    ratio, cpu_ratio = (str(each) if each else "–" for each in (row.ratio, row.cpu_ratio))
    shares = f"{cores(row.this)} / {cores(row.other)}"
    busy = " / ".join(f"{median([run.generator_busy for run in runs]):.2f}" for runs in (row.this, row.other))
    times = [latencies(row.this), latencies(row.other)]
    return [title, *values, ratio, bar, row.verdict, *times, shares, busy, cpu_ratio]


def open_table(names: tuple[str, str], rows: Sequence[LoadRow]) -> str:
    head = ["Load", f"p50 / p99 / p99.9 ms, {names[0]}", names[1], "server cores"]
    cells = []
    for row in rows:
        behind = [name for name, runs in zip(names, (row.this, row.other), strict=True) if is_behind(runs)]
        title = f"{row.title} ({', '.join(behind)} fell behind)" if behind else row.title
        if row.error:
            cells.append([title, f"INVALID: {row.error}", "–", "–"])
        else:
            shares = f"{cores(row.this)} / {cores(row.other)}"
            cells.append([title, latencies(row.this), latencies(row.other), shares])
    return table(head, cells)


def is_behind(runs: list[Run]) -> bool:
    return any(not run.rate_reached for run in runs)


def push_table(names: tuple[str, str], rows: Sequence[PushRow]) -> str:
    head = ["Push", f"p50 / p99 / p99.9 ms, {names[0]}", names[1]]
    cells = [
        [row.title, f"INVALID: {row.error}", "–"]
        if row.error
        else [row.title, latencies(row.this), latencies(row.other)]
        for row in rows
    ]
    return table(head, cells)


def figure_table(names: tuple[str, str], figures: Sequence[Figure]) -> str:
    cells = [
        [
            figure.title,
            amount(figure.this, figure.unit),
            amount(figure.other, figure.unit),
            amount(figure.at_most, figure.unit),
            figure.verdict,
        ]
        for figure in figures
    ]
    return table(["What", names[0], names[1], "at most", ""], cells)


NOTES = """
- `ratio` is the median over the rounds of (this run / the other server's run right after it), with its range.
- `*` The generator's own core was at least 95 % busy, so it and not the server was the limit: the row counts requests
  per second of server CPU (utime + stime), and so does its ratio.
- `‡` The same, but a server's CPU time is not known: the ratio is only a lower bound.
- `†` Answered after the write is durable (synced) by nacos-core; r-nacos answers without a sync call.
- `server cores` is CPU seconds per second of this server / the other one; `generator busy` is the share of its core
  that the generator used during either's runs. A run with one error makes its row invalid.
- The register loads change metadata with every request; publishes change the content; reads walk through 16 keys.
"""


def section(
    names: tuple[str, str],
    facts: dict[str, str],
    settings: dict[str, str],
    loads: Sequence[LoadRow],
    open_loads: Sequence[LoadRow],
    pushes: Sequence[PushRow],
    figures: Sequence[Figure],
) -> str:
    """All tables as Markdown."""
    parts = [f"## {names[0]} and {names[1]}, side by side (`make compare`)\n"]
    parts.append("\n".join(f"- {name}: {fact}" for name, fact in (facts | settings).items()) + "\n")
    if loads:
        parts.append("### Closed loop: as many requests as the server answers\n\n" + load_table(names, loads) + NOTES)
    if open_loads:
        text = "### Open loop: latency at a fixed rate, counted from when each request was due\n\n"
        parts.append(text + open_table(names, open_loads))
    if pushes:
        parts.append("### Pushes\n\n" + push_table(names, pushes))
    if figures:
        parts.append("### Start and memory\n\n" + figure_table(names, figures))
    return "\n".join(parts)


def with_section(text: str, name: str, body: str) -> str:
    """The results file with the section `name` replaced or added; other sections stay as they are."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    marked = f"{begin}\n{body.strip()}\n{end}"
    before, found, rest = text.partition(begin)
    if found:
        _old, ended, after = rest.partition(end)
        if not ended:
            raise ValueError(f"the results file has no line {end}")
        return before + marked + after
    return (text.rstrip() or HEADING.rstrip()) + f"\n\n{marked}\n"


def raw_json(value: object) -> str:
    """Everything that was measured, for who wants to look closer."""
    return json.dumps(value, default=dataclasses.asdict, indent=1)
