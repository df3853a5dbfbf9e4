"""A node whose disk refuses a write stops with a clear message: what it cannot make durable it does not acknowledge."""

from __future__ import annotations

import http.client
import resource
import sys
from typing import TYPE_CHECKING

import pytest

from wire import phrases
from wire.client import call_http

if TYPE_CHECKING:
    from support.node_process import StartNode


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the files of a process that runs")
def test_a_failed_write_stops_the_node_and_nothing_of_it_is_acknowledged(start_node: StartNode) -> None:
    node = start_node()
    form = {"group": phrases.GROUP, "content": "x" * 100_000}
    assert call_http(node.port, "POST", phrases.V1_CONFIG, form=form | {"dataId": "before"}).text == "true"
    (segment,) = (node.data / "log").glob("segment-*")
    limit_bytes = segment.stat().st_size + 200_000
    resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    acknowledged = ["before"]
    for number in range(20):
        try:
            answer = call_http(node.port, "POST", phrases.V1_CONFIG, form=form | {"dataId": f"after-{number}"})
        except (OSError, http.client.HTTPException):
            break  # the node has gone
        if answer.status != 200:
            break
        acknowledged.append(f"after-{number}")
    assert len(acknowledged) < 20, "the limit was not met"
    assert node.process.wait(10) == 1
    assert "the log cannot be used any more" in node.errors
    assert "Traceback" not in node.errors

    node.start()
    for data_id in acknowledged:
        query = {"dataId": data_id, "group": phrases.GROUP}
        assert call_http(node.port, "GET", phrases.V1_CONFIG, query).status == 200, data_id
