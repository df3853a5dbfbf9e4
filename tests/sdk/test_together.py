"""Clients of every language at one server at once: each finds the others, and all hear of one change."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from every_kind import KINDS
from harness import PAUSE_S, Client, instance, unique

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness import ClientKind


@pytest.fixture(scope="module")
def everyone(
    server: str, command_of: Callable[[ClientKind], list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Client]]:
    commands = [(kind, command_of(kind)) for kind in KINDS]
    clients = [Client(kind, command, server, tmp_path_factory.mktemp(kind.name)) for kind, command in commands]
    try:
        yield [client.wait_ready() for client in clients]
    finally:
        for client in clients:
            client.close()


@pytest.mark.sdk
@pytest.mark.timeout(600)  # the client programs may have to be built
def test_each_finds_the_others_and_hears_of_one_that_leaves(everyone: list[Client]) -> None:
    service = unique("together")
    ports = [7001 + number for number in range(len(everyone))]
    for client, port in zip(everyone, ports, strict=True):
        assert client.register(service, instance(port))
    subscriptions = []
    for client in everyone:
        began = time.monotonic()
        subscriptions.append(client.subscribe(service))
        subscriptions[-1].hears(ports, began)
    began = time.monotonic()
    assert everyone[-1].deregister(service, instance(ports[-1]))
    for subscription in subscriptions:
        subscription.hears(ports[:-1], began)


@pytest.mark.sdk
@pytest.mark.timeout(600)
def test_what_one_publishes_all_get_and_hear_of(everyone: list[Client]) -> None:
    watched = unique("watched")
    assert everyone[0].publish(watched, "first")
    listeners = [client.listen(watched) for client in everyone]
    for publisher in everyone:
        data_id = unique("published")
        assert publisher.publish(data_id, f"grüße from {publisher.kind.name}")
        for reader in everyone:
            assert reader.get(data_id) == f"grüße from {publisher.kind.name}"
    time.sleep(max(client.kind.listens_after.seconds for client in everyone))
    for publisher in everyone:
        began = time.monotonic()
        assert publisher.publish(watched, publisher.kind.name)
        for listener in listeners:
            listener.hears(publisher.kind.name, began)
        time.sleep(PAUSE_S)
