"""The released lines of the Java client, nacos-client: 1.x over HTTP and UDP, 2.x and 3.x over gRPC."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from harness import GROUP, Allowance, Client, ClientKind, Listener, instance, unique
from java_build import FOLDER, TOOLCHAIN, build
from scenarios import PatternsAndLocks, Scenarios, eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.node_process import NodeProcess


def sdk_client(line: str) -> list[str]:
    return build(line, "SdkClient", FOLDER / "SdkClient.java")


NO_METHOD = "its interface has no such method"
OWN_CHECK = "the client itself refuses the name: only letters, digits and '-'"
LACKS = {"underscores": OWN_CHECK, "publish_beta": NO_METHOD}
BEATS = {
    "preserved.heart.beat.interval": "1000",
    "preserved.heart.beat.timeout": "2000",
    "preserved.ip.delete.timeout": "3000",
}
V1 = ClientKind(
    name="java-1",
    toolchain=TOOLCHAIN,
    build=partial(sdk_client, "v1"),
    lacks={
        "batch_register": NO_METHOD,
        "publish_cas": NO_METHOD,
        "publish_beta": NO_METHOD,
    },
    vanishes=Allowance(9.0, "it beats: 3 s without a beat, as the instance's metadata say, found by a check every 5 s"),
    victim_metadata=BEATS,
)
V2 = ClientKind(name="java-2", toolchain=TOOLCHAIN, build=partial(sdk_client, "v2"), lacks=LACKS)
V3 = ClientKind(name="java-3", toolchain=TOOLCHAIN, build=partial(sdk_client, "v3"), lacks=LACKS)


class JavaScenarios(Scenarios):
    """What the interfaces of all lines have, and other languages do not."""

    def test_a_content_is_read_and_listened_to_in_one_call(
        self, start: Callable[[], Client], alice: Client, bob: Client
    ) -> None:
        carol = self.with_no_poll(start, bob)
        data_id = unique("signed")
        assert alice.publish(data_id, "first")
        assert carol.call("get_and_listen", data_id=data_id, group=GROUP) == "first"
        time.sleep(self.kind.listens_after.seconds)
        began = time.monotonic()
        assert alice.publish(data_id, "second")
        Listener(carol, data_id, GROUP).hears("second", began)


class TestJava1(JavaScenarios):
    kind = V1


class TestJava2(JavaScenarios):
    kind = V2


class TestJava3(JavaScenarios, PatternsAndLocks):
    kind = V3


@pytest.mark.sdk
@pytest.mark.timeout(600)
def test_watches_and_locks_outlive_a_killed_server(
    own_node: NodeProcess,
    command_of: Callable[[ClientKind], list[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder, command, stem = tmp_path_factory.mktemp("killed"), command_of(V3), unique("outlives")
    clients = [Client(V3, command, own_node.address, folder / who) for who in ("alice", "bob")]
    try:
        alice, bob = (client.wait_ready() for client in clients)
        assert alice.lock(stem)
        services, configs = bob.watch("services", f"{stem}*"), bob.watch("configs", f"{stem}*")
        own_node.kill()
        own_node.start()
        began, limit_s = time.monotonic(), V3.recovers.seconds
        eventually(lambda: bool(alice.register(f"{stem}-a", instance(7001))), limit_s, "registering again")
        eventually(lambda: bool(alice.publish(f"{stem}-b", "1")), limit_s, "publishing again")
        services.hears("ADD_SERVICE", f"{stem}-a", began, 2 * limit_s)
        configs.hears("ADD_CONFIG", f"{stem}-b", began, 2 * limit_s)
        assert not bob.lock(stem)
        assert bob.unlock(stem)
    finally:
        for client in clients:
            client.close()
