"""Clients that fall silent without closing their connection are found out, and what they published goes with them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from wire import phrases
from wire.client import GrpcConnection

if TYPE_CHECKING:
    from support.node_process import StartNode

IDLE_S = 20.0
SCAN_AND_ANSWER_S = 3.0 + 5.0 + 1.0


def test_a_silent_client_is_ejected_and_one_that_answers_stays(start_node: StartNode) -> None:
    node = start_node()
    with GrpcConnection(node.grpc_port) as silent, GrpcConnection(node.grpc_port) as watching:
        silent.acknowledges = False
        silent.set_up()
        watching.set_up()
        watching.call("InstanceRequest", phrases.register("stays"))
        watching.call("SubscribeServiceRequest", phrases.subscribe("leaves"))
        silent.call("InstanceRequest", phrases.register("leaves"))
        began = time.monotonic()
        watching.wait_push("NotifySubscriberRequest", 5, lambda body: body["serviceInfo"]["hosts"] != [])
        detected = watching.wait_push("ClientDetectionRequest", IDLE_S + SCAN_AND_ANSWER_S)
        assert detected.body["requestId"]
        gone = watching.wait_push(
            "NotifySubscriberRequest", IDLE_S + SCAN_AND_ANSWER_S, lambda body: body["serviceInfo"]["hosts"] == []
        )
        assert gone.body["serviceInfo"]["name"] == "leaves"
        assert IDLE_S <= time.monotonic() - began <= IDLE_S + SCAN_AND_ANSWER_S
        assert silent.stream_ended(1)
        hosts = watching.call("ServiceQueryRequest", phrases.query("stays")).body["serviceInfo"]["hosts"]
        assert len(hosts) == 1, "who answers the question is not silent"
