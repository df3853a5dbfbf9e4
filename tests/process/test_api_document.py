"""A node tells what its API is, to anybody, and no request that it allows breaks the node."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx

from nacos_core.server.core_routes import CORE_ROUTES
from nacos_core.server.http_api import ROUTES
from support.fuzz_words import with_words

if TYPE_CHECKING:
    from pathlib import Path

    from support.node_process import StartNode

CHECKS = "status_code_conformance,content_type_conformance,response_schema_conformance"
EXAMPLES_COUNT = 5
"""Requests that are made up for each operation, beside those that go through the limits of each parameter."""
FUZZED_WITHIN_S = 240
ANSWERED_S = 10
"""What takes longer hangs."""
LONG_POLL = "long-pulling-timeout"


def test_anybody_may_read_the_document(start_node: StartNode) -> None:
    node = start_node("--auth", "on")
    url = f"http://{node.address}/nacos/v3"
    answer = httpx.get(f"{url}/api-docs", timeout=10)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    document = answer.json()
    assert document["openapi"] == "3.1.0"
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert described == {*ROUTES, *CORE_ROUTES}
    assert httpx.get(f"{url}/admin/core/state", timeout=10).status_code == 403, "what it describes is not for anybody"


def test_no_request_that_the_document_allows_breaks_a_node(start_node: StartNode, tmp_path: Path) -> None:
    node = start_node()
    document = httpx.get(f"http://{node.address}/nacos/v3/api-docs", timeout=10).json()
    listen = document["paths"]["/nacos/v1/cs/configs/listener"]["post"]
    listen["parameters"] = [each for each in listen["parameters"] if each["name"].lower() != LONG_POLL]
    (tmp_path / "document.json").write_text(json.dumps(with_words(document)))
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--no-color", "run", "document.json"),
        *("--url", f"http://{node.address}", "--checks", CHECKS, "--phases", "coverage,fuzzing"),
        *("--max-examples", str(EXAMPLES_COUNT), "--request-timeout", str(ANSWERED_S)),
        *("--max-failures", "5", "--continue-on-failure", "--warnings", "off", "--suppress-health-check", "all"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=FUZZED_WITHIN_S, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    operations = len(ROUTES) + len(CORE_ROUTES)
    passed = [int(count) for count in re.findall(r"(\d+) passed", done.stdout.partition("SUMMARY")[0])]
    assert passed == [operations, operations], "each operation in each of the two phases"
    assert "Traceback" not in node.errors
    assert httpx.get(f"http://{node.address}/nacos/v3/admin/core/state/readiness", timeout=10).status_code == 200
