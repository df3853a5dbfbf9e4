"""What was measured of clusters, as Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import compare_report as report

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class Row:
    """One figure against what it has to reach; ``bound`` None: there is nothing to reach."""

    part: str
    what: str
    value: float
    unit: str
    bound: float | None = None
    is_at_least: bool = False
    other: str = ""
    note: str = ""

    @property
    def verdict(self) -> str:
        if self.bound is None:
            return ""
        reached = self.value >= self.bound if self.is_at_least else self.value <= self.bound
        return "reached" if reached else "MISSED"

    def cells(self) -> list[str]:
        bound = "–" if self.bound is None else f"{'≥' if self.is_at_least else '≤'} {number(self.bound, self.unit)}"
        return [self.what, number(self.value, self.unit), self.other or "–", bound, self.verdict, self.note]


def number(value: float, unit: str) -> str:
    text = f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.3g}"
    return f"{text} {unit}".strip()


def section(facts: Mapping[str, str], rows: Sequence[Row]) -> str:
    """One table."""
    head = ["What", "nacos-core", "r-nacos", "wanted", "", "how"]
    parts = ["## Three nodes on one machine (`make cluster-bench`)\n"]
    parts.append("\n".join(f"- {name}: {fact}" for name, fact in facts.items()) + "\n")
    parts.append(report.table(head, [row.cells() for row in rows]))
    return "\n".join(parts)
