"""A node tells what its API is, to anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from nacos_core.server.core_routes import CORE_ROUTES
from nacos_core.server.http_api import ROUTES

if TYPE_CHECKING:
    from support.node_process import StartNode


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
