"""What is pushed when, and what happens to a client that does not acknowledge. Time is trio's, and jumps."""

from __future__ import annotations

from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from nacos_core import limits
from nacos_core.drivers.push import Pushes
from nacos_core.naming.switches import Switches

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SERVICE = ("public", "DEFAULT_GROUP", "orders")
CONFIG = ("public", "G", "a.yaml")


class Hub:
    """As much of the hub as pushing uses; writes down what is sent, and when."""

    def __init__(self) -> None:
        self.sent: list[tuple[float, int, str]] = []
        self.closed: list[int] = []
        self.watchers_asked: list[tuple[str, ...]] = []
        self.subscribers: dict[int, None] = {}
        self.changed_services: list[tuple[str, str, str]] = []
        self.new_subscriptions: list[tuple[int, str, str, str]] = []
        self._ids = 0

    def _send(self, connection: int, what: str) -> int:
        self._ids += 1
        self.sent.append((trio.current_time(), connection, what))
        return self._ids

    def take_changed_services(self) -> list[tuple[str, str, str]]:
        taken, self.changed_services = self.changed_services, []
        return taken

    def take_new_subscriptions(self) -> list[tuple[int, str, str, str]]:
        taken, self.new_subscriptions = self.new_subscriptions, []
        return taken

    def take_come_and_gone_services(self) -> list[tuple[str, str, str]]:
        return []

    def fuzzy_watchers(self, module: str, *key: str) -> list[int]:
        self.watchers_asked.append(key)
        return []

    def push_service(self, *key: Any) -> list[tuple[int, int]]:
        return [(connection, self._send(connection, "service")) for connection in self.subscribers]

    def push_service_to(self, connection: int, *key: Any) -> int | None:
        return self._send(connection, "service") if connection in self.subscribers else None

    def push_config_change(self, *key: str) -> list[tuple[int, int]]:
        return [(connection, self._send(connection, "config")) for connection in self.subscribers]

    def push_config_change_to(self, connection: int, *key: str) -> int | None:
        return self._send(connection, "config") if connection in self.subscribers else None

    def service_info(self, *key_and_view: Any, grouped_name: bool) -> bytes:
        assert grouped_name, "1.x clients know services so"
        return b"{}"

    def close_connection(self, connection: int) -> None:
        self.closed.append(connection)
        self.subscribers.pop(connection, None)


class Datagrams:
    """As much of the UDP port as pushing uses; writes down what is sent, and when."""

    def __init__(self) -> None:
        self.sent: list[tuple[float, tuple[str, int], bytes]] = []
        self.on_acknowledged: Any = None

    def push(self, address: tuple[str, int], service: bytes) -> tuple[int, bytes]:
        stamp = len(self.sent)
        self.send(address, b"%d" % stamp)
        return stamp, b"%d" % stamp

    def send(self, address: tuple[str, int], datagram: bytes) -> None:
        self.sent.append((trio.current_time(), address, datagram))


class Configs:
    """As much of the state machine as pushing uses."""

    def __init__(self) -> None:
        self.changed: list[tuple[str, str, str]] = []
        self.switches = Switches()
        self.changed_grays: list[tuple[str, str, str]] = []

    def take_changed_grays(self) -> list[tuple[str, str, str]]:
        taken, self.changed_grays = self.changed_grays, []
        return taken

    def take_changed_configs(self) -> list[tuple[str, str, str]]:
        taken, self.changed = self.changed, []
        return taken


class World:
    """A hub with one subscriber, and the pushes that run over it."""

    def __init__(self) -> None:
        self.hub = Hub()
        self.hub.subscribers[7] = None
        self.configs = Configs()
        self.is_ready = True
        self.datagrams = Datagrams()
        self.pushes = Pushes(
            hub=self.hub,  # type: ignore[arg-type]
            state_machine=self.configs,  # type: ignore[arg-type]
            wall_clock=lambda: 0,
            merge_seconds=0.1,
            udp_port=self.datagrams,  # type: ignore[arg-type]
            is_ready=lambda: self.is_ready,
        )
        self.began = trio.current_time()

    def service_changes(self) -> None:
        self.hub.changed_services.append(SERVICE)
        self.pushes.settle()

    def config_changes(self) -> None:
        self.configs.changed.append(CONFIG)
        self.pushes.settle()

    def acknowledge(self, request_id: int, succeeded: bool) -> None:
        self.pushes.acknowledged(SimpleNamespace(connection=7, request_id=request_id, succeeded=succeeded))  # type: ignore[arg-type]

    @property
    def times(self) -> list[float]:
        return [round(when - self.began, 3) for when, _, _ in self.hub.sent]


@asynccontextmanager
async def a_world() -> AsyncIterator[World]:
    world = World()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.pushes.run, lambda: None)
        yield world
        nursery.cancel_scope.cancel()


async def test_changes_are_merged(autojump_clock: trio.testing.MockClock) -> None:
    async with a_world() as world:
        for _ in range(5):
            world.service_changes()
            await trio.sleep(0.03)
        world.acknowledge(1, True)
        await trio.sleep(1)
        assert world.times == [0.0, 0.1, 0.2]


async def test_a_subscription_is_pushed_to_once(autojump_clock: trio.testing.MockClock) -> None:
    async with a_world() as world:
        world.hub.new_subscriptions.append((7, *SERVICE))
        world.pushes.settle()
        await trio.sleep(1)
        assert world.times == [0.1]


async def test_a_service_is_pushed_again_until_it_is_acknowledged(autojump_clock: trio.testing.MockClock) -> None:
    async with a_world() as world:
        world.service_changes()
        await trio.sleep(16)
        assert world.times == [0.0, 6.0, 12.0]
        world.acknowledge(3, True)
        await trio.sleep(100)
        assert len(world.times) == 3
        assert world.hub.closed == []


@pytest.mark.parametrize("is_acknowledged", [True, False])
async def test_a_datagram_is_sent_once_more_if_nobody_acknowledges_it(
    autojump_clock: trio.testing.MockClock, is_acknowledged: bool
) -> None:
    address = ("10.0.0.1", 9)
    fields = dict(zip(("namespace", "group", "service"), SERVICE, strict=True))
    async with a_world() as world:
        subscribed = SimpleNamespace(**fields, ip=address[0], port=address[1], clusters="", agent="a")
        world.pushes.udp_subscribed(subscribed)  # type: ignore[arg-type]
        world.service_changes()
        if is_acknowledged:
            world.datagrams.on_acknowledged(address, 0)
        await trio.sleep(100)
        sent = [(round(when - world.began, 3), to, datagram) for when, to, datagram in world.datagrams.sent]
        assert sent == [(0.0, address, b"0"), (10.0, address, b"0")][: 1 if is_acknowledged else 2]


async def test_who_has_unsubscribed_is_not_pushed_to_again(autojump_clock: trio.testing.MockClock) -> None:
    async with a_world() as world:
        world.service_changes()
        del world.hub.subscribers[7]
        await trio.sleep(100)
        assert world.times == [0.0]


async def test_a_config_change_is_told_until_the_connection_is_given_up(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_world() as world:
        world.config_changes()
        await trio.sleep(10_000)
        waits = [round(later - earlier, 3) for earlier, later in zip(world.times, world.times[1:], strict=False)]
        assert waits == [3.0 + 2.0 * tries for tries in range(1, limits.CONFIG_PUSH_TRIES_MAX)]
        assert world.hub.closed == [7]


async def test_a_gray_release_is_told_to_listeners_and_not_to_those_who_watch_the_formal_version(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_world() as world:
        told: list[str] = []
        world.pushes.watch("config", CONFIG, "token", lambda: told.append("watcher"))
        world.configs.changed_grays.append(CONFIG)
        world.pushes.settle()
        assert (world.times, told, world.hub.watchers_asked) == ([0.0], [], [])
        world.acknowledge(1, True)
        world.config_changes()
        assert (world.times, told, world.hub.watchers_asked) == ([0.0, 0.0], ["watcher"], [CONFIG])


async def test_an_acknowledged_config_change_is_told_once(autojump_clock: trio.testing.MockClock) -> None:
    async with a_world() as world:
        world.config_changes()
        world.acknowledge(1, True)
        await trio.sleep(100)
        assert world.times == [0.0]


async def test_a_refused_config_change_is_told_again_after_two_seconds(autojump_clock: trio.testing.MockClock) -> None:
    async with a_world() as world:
        world.config_changes()
        await trio.sleep(1)
        world.acknowledge(1, False)
        await trio.sleep(2.5)
        assert world.times == [0.0, 3.0]


async def test_who_has_gone_is_forgotten(autojump_clock: trio.testing.MockClock) -> None:
    async with a_world() as world:
        world.service_changes()
        world.config_changes()
        world.pushes.gone(7)
        await trio.sleep(100)
        assert world.times == [0.0, 0.0]


async def test_watchers_hear_of_their_key_until_they_leave(autojump_clock: trio.testing.MockClock) -> None:
    async with a_world() as world:
        heard: list[str] = []
        world.pushes.watch("service", SERVICE, "me", lambda: heard.append("service"))
        world.pushes.watch("config", CONFIG, "me", lambda: heard.append("config"))
        world.service_changes()
        world.config_changes()
        assert sorted(heard) == ["config", "service"]
        world.pushes.unwatch("service", SERVICE, "me")
        world.service_changes()
        assert len(heard) == 2
