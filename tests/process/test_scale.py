"""A slice of `make scale`: that every question of it is answered, and that long requests are cut into turns.

How long turns are is for the bench to say; here it is counted what is done in one.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nacos_core import _core

if TYPE_CHECKING:
    from types import ModuleType

BENCHES = Path(__file__).resolve().parents[2] / "benches"
COUNT = 5_000
LOOKED_AT_BYTES = 256 * 1024
"""What one piece of a search reads (limits.rs, SEARCH_PIECE_BYTES)."""
LOOKED_AT_COUNT = 1024
"""Services, likewise (SERVICE_LOOKS_COUNT)."""


def module(name: str) -> ModuleType:
    sys.path.insert(0, str(BENCHES))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(BENCHES))


@pytest.fixture(scope="module")
def hub() -> _core.Hub:
    hub = _core.Hub(digest_key=bytes(16), abilities={}, require_tokens=False)
    module("scale_node").fill_configs(hub, COUNT)
    return hub


@pytest.mark.parametrize(
    ("pattern", "read_bytes_at_least"),
    [("nowhere at all", 1000), ("*a*a*a*b", 0), ("*e*e*e*e*e*e*e*e*e*e*e*e*e*zz*", 1000), ("number", 0)],
)
def test_a_search_by_content_is_cut_whatever_the_pattern(
    hub: _core.Hub, pattern: str, read_bytes_at_least: int
) -> None:
    search = _core.ConfigSearch("public", content=pattern, count=100)
    pieces_count = 1
    while not hub.search_configs(search):
        pieces_count += 1
    # 512 are counted for each beside its content.
    assert pieces_count >= COUNT * (512 + read_bytes_at_least) // LOOKED_AT_BYTES
    assert pieces_count <= COUNT * 6000 // LOOKED_AT_BYTES, "it comes to an end"


def test_a_list_of_services_is_cut() -> None:
    hub = _core.Hub(digest_key=bytes(16), abilities={}, require_tokens=False)
    publisher = hub.open_local()
    for number in range(COUNT):
        hub.register(publisher, "public", "G", f"s{number:05}", b'[{"ip":"10.0.0.1","port":80}]', now_ms=1)
    search = _core.ServiceSearch("public", "", "", with_empty=True, page_no=COUNT // 10, page_size=10)
    pieces_count = 1
    while not hub.search_services(search):
        pieces_count += 1
    assert pieces_count == COUNT // LOOKED_AT_COUNT + 1


def test_the_bench_asks_what_the_node_answers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scale = module("scale")
    monkeypatch.setattr(scale, "MEASURED_SECONDS_AT_LEAST", 0.0)
    small = ["--configs", "3000", "--services", "100", "--rounds", "2", "--long-rounds", "1", "--output", ""]
    some = "--only", "hostile,with instances,history,fuzzy,all c,export of,import,clone,removal,command"
    monkeypatch.setattr(sys, "argv", ["scale.py", *small, *some])
    assert scale.main() == 0
    said = capsys.readouterr().out
    for line in ("hostile pattern, v1", "all clients, v3", "3,000 published through the log", "3,000 removed"):
        assert line in said
    assert "memory of a configuration of 1 KB" in said
