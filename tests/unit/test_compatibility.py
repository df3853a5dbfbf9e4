"""docs/compatibility.md says of each endpoint and request whether it is built, and it is right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nacos_core.server.core_routes import CORE_ROUTES
from nacos_core.server.http_api import ROUTES
from support.protocol_rows import METHODS, endpoints, requests

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "compatibility.md").read_text()
SERVING = ("rust/core/src/serve", *(f"python/nacos_core/{name}" for name in ("server", "push", "drivers", "peers")))
SERVED = {*CORE_ROUTES, *ROUTES}

_row = re.compile(r"^\| `(?P<what>[^`]+)` \| (?P<state>built|not built) \| (?P<tests>.*)\|$", re.MULTILINE)


def rows(heading: str) -> dict[str, tuple[bool, list[str]]]:
    """What is in the table below a heading: whether it is built, and its tests."""
    _, _, text = DOCUMENT.partition(f"\n## {heading}\n")
    found = list(_row.finditer(text.partition("\n## ")[0]))
    told = {row["what"]: (row["state"] == "built", re.findall(r"`([^`]+)`", row["tests"])) for row in found}
    assert len(told) == len(found), "no row is there twice"
    return told


NEEDED, BESIDE, GRPC = (rows(heading) for heading in ("HTTP", "HTTP beside those", "gRPC"))


def test_every_line_of_a_table_is_read() -> None:
    assert len(NEEDED) + len(BESIDE) + len(GRPC) == len(re.findall(r"^\| `", DOCUMENT, re.MULTILINE))


def test_every_endpoint_that_is_needed_has_a_row() -> None:
    needed = {f"{method} {path}" for method, path in endpoints()}
    assert len(needed) > 150, "the documents of the protocol were read"
    assert needed - NEEDED.keys() == set()
    assert NEEDED.keys() - needed == set()


def test_every_route_has_a_row_and_what_is_said_to_be_built_is_a_route() -> None:
    served = {f"{method} {path}" for method, path in SERVED}
    told = NEEDED | BESIDE
    assert served - told.keys() == set(), "give it a row"
    assert {what for what, (is_built, _) in told.items() if is_built} - served == set(), "it is not built"
    assert {what for what, (is_built, _) in told.items() if not is_built} & served == set(), "it is built by now"
    assert all(what.split(" ")[0] in METHODS for what in told)


def test_every_request_has_a_row_and_is_built_as_it_says() -> None:
    assert GRPC.keys() == requests()
    folders = [ROOT / folder for folder in SERVING]
    paths = [path for folder in folders for path in folder.rglob("*") if path.suffix in (".py", ".rs")]
    source = "".join(path.read_text() for path in paths if "test" not in path.name)
    assert {name for name, (is_built, _) in GRPC.items() if is_built} == {
        name for name in GRPC if f'"{name}"' in source
    }


@pytest.mark.parametrize("table", [NEEDED, BESIDE, GRPC], ids=["needed", "beside", "grpc"])
def test_what_is_built_names_tests_that_exist(table: dict[str, tuple[bool, list[str]]]) -> None:
    for what, (is_built, tests) in table.items():
        assert bool(tests) == is_built, f"{what}: a test for what is built, none for what is not"
        for test in tests:
            path, _, name = test.partition("::")
            text = (ROOT / path).read_text() if (ROOT / path).is_file() else ""
            assert re.search(rf"^(?:async )?def {re.escape(name)}\(", text, re.MULTILINE), f"{what}: no {test}"
