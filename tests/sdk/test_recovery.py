"""The server is killed under clients of every language and comes back: each recovers by itself, and nothing is lost."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from every_kind import KINDS
from harness import Client, ClientKind, Listener, Subscription, instance, ports, unique
from scenarios import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.node_process import NodeProcess


SETTLE_WITHIN_S = 10.0  # the machine is busy with many clients; how soon they hear is tested elsewhere


@dataclass
class Survivors:
    """Two clients of one kind, and what they did before the kill."""

    alice: Client
    bob: Client
    service: str
    kept: str
    changed: str
    subscription: Subscription
    listener: Listener


def settle(alice: Client, bob: Client) -> Survivors:
    """One registers and publishes, the other subscribes and listens."""
    alice.wait_ready()
    bob.wait_ready()
    service, kept, changed = unique("service"), unique("kept"), unique("changed")
    assert alice.register(service, instance(7001))
    assert alice.publish(kept, "kept")
    assert alice.publish(changed, "before")
    began = time.monotonic()
    subscription = bob.subscribe(service)
    subscription.hears([7001], began, SETTLE_WITHIN_S)
    return Survivors(alice, bob, service, kept, changed, subscription, bob.listen(changed))


def asked_for(request: pytest.FixtureRequest) -> list[ClientKind]:
    """The kinds whose tests were selected and whose toolchains are there."""
    mine = [item for item in request.session.items if item.path == request.path and isinstance(item, pytest.Function)]
    kinds = [item.callspec.params["kind"] for item in mine]
    return [kind for kind in KINDS if kind in kinds and not kind.missing_tools()]


@pytest.fixture(scope="module")
def survivors(
    request: pytest.FixtureRequest,
    own_node: NodeProcess,
    command_of: Callable[[ClientKind], list[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Survivors]]:
    """Clients of all kinds, the server having been killed and restarted under them."""
    kinds = asked_for(request)
    commands = [command_of(kind) for kind in kinds]  # all are built before the first runs
    folder = tmp_path_factory.mktemp("survivors")
    clients: list[Client] = []
    settled: dict[str, Survivors] = {}
    try:
        for kind, command in zip(kinds, commands, strict=True):
            pair = [Client(kind, command, own_node.address, folder / f"{kind.name}-{who}") for who in ("alice", "bob")]
            clients += pair
            settled[kind.name] = settle(*pair)
        time.sleep(max((kind.listens_after.seconds for kind in kinds), default=0.0))
        own_node.kill()
        own_node.start()
        yield settled
    finally:
        for client in clients:
            client.close()


@pytest.mark.sdk
@pytest.mark.timeout(600)  # the client programs may have to be built
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_clients_recover_from_a_killed_server(
    kind: ClientKind,
    command_of: Callable[[ClientKind], list[str]],
    own_node: NodeProcess,
    survivors: dict[str, Survivors],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    command = command_of(kind)
    now = survivors[kind.name]
    newcomer = Client(kind, command, own_node.address, tmp_path_factory.mktemp(kind.name))
    try:
        newcomer.wait_ready()
        assert newcomer.get(now.kept) == "kept"  # no cache can have told this one
        assert newcomer.get(now.changed) == "before"
        limit_s = kind.recovers.seconds
        eventually(lambda: ports(newcomer.instances(now.service)) == [7001], limit_s, "registered again")
        eventually(lambda: bool(now.alice.publish(now.changed, "after")), limit_s, "publishing again")
        began = time.monotonic()
        now.listener.hears("after", began - limit_s, 2 * limit_s)
        eventually(lambda: bool(now.bob.register(now.service, instance(7002))), limit_s, "registering again")
        began = time.monotonic()
        now.subscription.hears([7001, 7002], began - limit_s, 2 * limit_s)
    finally:
        newcomer.close()
