"""Writes what `make bench` measured into RESULTS.md: each group with the ratio of plain Python to the core."""

import platform
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from benches.compare_report import with_section

RESULTS = Path(__file__).parent / "RESULTS.md"
AT_LEAST = {
    "log: append, 1,000 x 256 B, in memory": 8.0,
    "log: check_and_append, 1,000 x 256 B, in memory": 8.0,
    "log: append, 16 times 1,000 x 256 B, with the file write": 3.0,
    "log: check_and_append, 16 times 1,000 x 256 B, with the file write": 3.0,
    "digest: one changed instance in 10,000": 1000.0,
}
"""What is to be reached."""


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Only a whole run is written down."""
    measured = getattr(session.config, "_benchmarksession", None)
    if measured is None or not measured.benchmarks or session.testsfailed or session.config.option.keyword:
        return
    groups: dict[str, dict[str, Any]] = defaultdict(dict)
    for bench in measured.benchmarks:
        parameters = bench.params or {}
        groups[bench.group][str(parameters.get("kind", parameters.get("count", "")))] = bench.stats
    if not {*AT_LEAST} <= {*groups}:
        return
    text = RESULTS.read_text() if RESULTS.exists() else ""
    RESULTS.write_text(with_section(text, "bench", _section(groups)))


def _section(groups: dict[str, dict[str, Any]]) -> str:
    lines = [
        "## The hot paths and the same in plain Python (`make bench`)",
        "",
        f"CPython {platform.python_version()} on {platform.machine()}. Medians; in brackets the quartiles' distance.",
        "",
        "| What | core | plain Python | ratio | at least |  |",
        "|---|---|---|---|---|---|",
    ]
    for group, kinds in groups.items():
        if {"core", "plain"} <= {*kinds}:
            core, plain = kinds["core"], kinds["plain"]
            ratio, wanted = plain.median / core.median, AT_LEAST.get(group)
            verdict = "" if wanted is None else "reached" if ratio >= wanted else "MISSED"
            at_least = "–" if wanted is None else f"{wanted:,g}"
            lines.append(f"| {group} | {_time(core)} | {_time(plain)} | {ratio:,.1f} | {at_least} | {verdict} |")
        else:
            lines.extend(
                f"| {group}, {name} at once | {_time(stats)} | – | – | – |  |" for name, stats in kinds.items()
            )
    return "\n".join(lines)


def _time(stats: Any) -> str:
    return f"{stats.median * 1e6:,.1f} µs ({stats.iqr * 1e6:,.1f})"
