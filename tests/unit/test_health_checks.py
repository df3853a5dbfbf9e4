"""The checks of one node, in simulated time and over connections in memory."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import trio
import trio.testing

from nacos_core import _core, commands, limits
from nacos_core.drivers import health
from nacos_core.drivers.health import HealthChecks
from nacos_core.errors import NotReady
from nacos_core.naming.health import Verdict
from nacos_core.naming.health_targets import parse_networks
from nacos_core.naming.switches import Switches
from nacos_core.state_machine import StateMachine, read_outcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from nacos_core.commands import Command
    from nacos_core.naming.health_targets import Address

SERVICE = ("public", "DEFAULT_GROUP", "orders")


class Hosts:
    """What is behind each port."""

    def __init__(self) -> None:
        self.answers: dict[int, bytes | type[OSError] | None] = {}
        """What is answered over HTTP, why there is no connection, or None for silence."""
        self.dialled: list[tuple[str, int]] = []
        self.requests: list[bytes] = []
        self.open_count = 0
        self.open_most = 0

    async def dial(self, address: Address, port: int) -> trio.abc.Stream:
        self.dialled.append((str(address), port))
        self.open_count += 1
        self.open_most = max(self.open_most, self.open_count)
        try:
            answer = self.answers.get(port, b"HTTP/1.1 200 OK\r\n\r\n")
            if answer is None:
                await trio.sleep_forever()
            await trio.sleep(0.01)
        finally:
            self.open_count -= 1
        if isinstance(answer, type):
            raise answer
        ours, theirs = trio.testing.memory_stream_pair()
        assert isinstance(answer, bytes)
        await theirs.send_all(answer)
        self.theirs = theirs
        return ours


class World:
    """A hub with persistent instances, its log, and the checks."""

    def __init__(self, networks: str = "10.0.0.0/8") -> None:
        self.hub = _core.Hub(digest_key=bytes(16), abilities={}, require_tokens=False)
        self.machine = StateMachine(self.hub, lambda: 1)
        self.hosts = Hosts()
        self.has_leader = True
        self.proposals = 0
        self.settled = 0
        self.checks = HealthChecks(
            hub=self.hub,
            networks=parse_networks(networks),
            dial=self.hosts.dial,
            aside=trio.to_thread.run_sync,
            chance=random.Random(1),
            switches=lambda: self.machine.switches,
            propose=self.propose,
            settle=self.settle,
        )

    def propose(self, command: Command, complete: Callable[[Any], None]) -> None:
        self.proposals += 1
        if not self.has_leader:
            complete(NotReady("there is no leader"))
            return
        (raw,) = self.machine.apply([(1, 1, msgspec.Raw(commands.encode(command)))])
        complete(read_outcome(raw))

    def settle(self) -> None:
        self.settled += 1

    def register(self, port: int, ip: str = "10.0.0.1", *, healthy: bool = True) -> None:
        instance = msgspec.json.encode({"ip": ip, "port": port, "healthy": healthy})
        self.hub.apply_persistent(True, *SERVICE, instance, 1)

    def set_checker(self, checker: dict[str, object], port: int | None = None) -> None:
        cluster = {
            "healthChecker": checker,
            "healthyCheckPort": port or 80,
            "useInstancePortForCheck": port is None,
            "metadata": {},
        }
        change = {"change": "cluster.update", "clusterName": "DEFAULT", "cluster": cluster}
        self.hub.change_metadata(*SERVICE, msgspec.json.encode(change), 1)

    def health(self) -> dict[int, bool]:
        return {each["port"]: each["healthy"] for each in msgspec.json.decode(self.hub.all_instances(*SERVICE))}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.checks.run)
            yield
            nursery.cancel_scope.cancel()


def run(test: Callable[[], Any]) -> None:
    trio.run(test, clock=trio.testing.MockClock(autojump_threshold=0))


def test_an_instance_goes_down_and_comes_back() -> None:
    async def main() -> None:
        world = World()
        world.register(1)
        world.register(2)
        world.hosts.answers[1] = ConnectionRefusedError
        async with world.running():
            await trio.sleep(7.5)
            assert world.health() == {1: False, 2: True}
            world.hosts.answers[1] = b""
            await trio.sleep(20)
            assert world.health() == {1: True, 2: True}
            assert (world.proposals, world.settled) == (2, 2)

    run(main)


def test_a_refused_connection_takes_one_check() -> None:
    async def main() -> None:
        world = World()
        world.register(1)
        world.hosts.answers[1] = ConnectionRefusedError
        async with world.running():
            while not world.hosts.dialled:
                assert world.health() == {1: True}
                await trio.sleep(0.1)
            await trio.sleep(0.1)
            assert (world.health(), len(world.hosts.dialled)) == ({1: False}, 1)

    run(main)


def test_silence_takes_three_checks() -> None:
    async def main() -> None:
        world = World()
        world.register(1)
        world.hosts.answers[1] = None
        async with world.running():
            while len(world.hosts.dialled) < 3:
                assert world.health() == {1: True}
                await trio.sleep(0.1)
            await trio.sleep(limits.HEALTH_CONNECT_SECONDS + 0.1)
            assert world.health() == {1: False}

    run(main)


@pytest.mark.parametrize(
    ("answer", "healthy", "within"),
    [
        (b"HTTP/1.1 200 OK\r\n", True, 30),
        (b"HTTP/1.1 404 Not Found\r\n", False, 8),
        (b"HTTP/1.1 503 Busy\r\n", False, 30),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n", False, 30),
        (b"HTTP/1.1 200", False, 30),
        (b"x" * 10_000, False, 8),
    ],
)
def test_an_answer_over_http_decides(answer: bytes, healthy: bool, within: float) -> None:
    async def main() -> None:
        world = World()
        world.register(1)
        world.set_checker({"type": "HTTP", "path": "/ping", "headers": ""}, port=8)
        world.hosts.answers[8] = answer
        async with world.running():
            await trio.sleep(within)
            assert world.health() == {1: healthy}
            assert set(world.hosts.dialled) == {("10.0.0.1", 8)}, "no redirection is followed"
            request = await world.hosts.theirs.receive_some()
            assert request is not None
            assert request.startswith(b"GET /ping HTTP/1.1\r\nHost: 10.0.0.1:8\r\n")

    run(main)


def test_addresses_outside_the_networks_are_never_connected_to() -> None:
    async def main() -> None:
        world = World("any")
        for port, ip in enumerate(("127.0.0.1", "169.254.169.254", "::1", "localhost", "10.0.0.1")):
            world.register(port + 1, ip)
        async with world.running():
            await trio.sleep(60)
            assert {ip for ip, _ in world.hosts.dialled} == {"10.0.0.1"}
            assert all(world.health().values()), "nothing is said of what is not checked"

    run(main)


def test_a_cluster_that_says_none_is_not_checked() -> None:
    async def main() -> None:
        world = World()
        world.register(1)
        world.set_checker({"type": "NONE"})
        async with world.running():
            await trio.sleep(60)
            assert world.hosts.dialled == []

    run(main)


def test_only_the_node_that_is_responsible_checks() -> None:
    async def main() -> None:
        worlds = [World(), World()]
        for world, own_id in zip(worlds, ("x", "y"), strict=True):
            world.hub.distro_set_members(["x", "y"], own_id=own_id)
            for port in range(1, 21):
                world.register(port)
        async with worlds[0].running(), worlds[1].running():
            await trio.sleep(30)
            one, other = ({port for _, port in world.hosts.dialled} for world in worlds)
            assert one | other == set(range(1, 21))
            assert not one & other
            worlds[0].hub.distro_set_members([], own_id="x")
            await trio.sleep(30)
            assert {port for _, port in worlds[0].hosts.dialled} == set(range(1, 21)), "the other one has gone"

    run(main)


def test_without_a_leader_it_is_tried_again_with_each_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HEALTH_LOOK_SECONDS", 1000.0)

    async def main() -> None:
        world = World()
        world.register(1)
        world.hosts.answers[1] = ConnectionRefusedError
        world.has_leader = False
        async with world.running():
            await trio.sleep(20)
            assert world.health() == {1: True}
            assert world.proposals > 1
            world.has_leader = True
            await trio.sleep(6)
            assert world.health() == {1: False}

    run(main)


def test_no_more_checks_go_on_at_once_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HEALTH_CHECKS_COUNT_MAX", 5)

    async def main() -> None:
        world = World()
        for port in range(1, 101):
            world.register(port)
            world.hosts.answers[port] = None
        async with world.running():
            await trio.sleep(120)
            assert world.hosts.open_most == 5
            assert {port for _, port in world.hosts.dialled} == set(range(1, 101))

    run(main)


def test_few_databases_are_asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes a thread for as long as its server likes."""
    asked = {"now": 0, "most": 0, "all": 0}

    async def ask(*_arguments: object) -> Verdict:
        asked["now"] += 1
        asked["all"] += 1
        asked["most"] = max(asked["most"], asked["now"])
        await trio.sleep(1)
        asked["now"] -= 1
        return Verdict.PASSED

    monkeypatch.setattr(health, "ask_mysql", ask)
    monkeypatch.setattr(health, "is_available", lambda: True)
    monkeypatch.setattr(limits, "HEALTH_MYSQL_COUNT_MAX", 2)

    async def main() -> None:
        world = World()
        for port in range(1, 21):
            world.register(port)
        world.set_checker({"type": "MYSQL", "user": "u", "pwd": "p", "cmd": "select 1"})
        async with world.running():
            await trio.sleep(20)
        assert asked["most"] == 2
        assert asked["all"] >= 20

    run(main)


@pytest.mark.parametrize(
    "switches", [Switches(health_check_enabled=False), Switches(auto_change_health_check_enabled=False)]
)
def test_operators_switch_it_off(switches: Switches) -> None:
    async def main() -> None:
        world = World()
        world.register(1)
        world.hosts.answers[1] = ConnectionRefusedError
        world.machine.switches = switches
        async with world.running():
            await trio.sleep(30)
            assert world.health() == {1: True}
            assert bool(world.hosts.dialled) == switches.health_check_enabled

    run(main)


def test_a_database_is_not_checked_without_the_library_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask(*_arguments: object) -> Verdict:
        return Verdict.FAILED_SURELY

    monkeypatch.setattr(health, "ask_mysql", ask)

    async def main() -> None:
        for is_there in (False, True):
            monkeypatch.setattr(health, "is_available", lambda is_there=is_there: is_there)
            world = World()
            world.register(1)
            world.set_checker({"type": "MYSQL", "user": "u", "pwd": "p", "cmd": "select 1"})
            async with world.running():
                await trio.sleep(8)
                assert world.health() == {1: not is_there}

    run(main)


def test_what_was_removed_is_checked_no_more() -> None:
    async def main() -> None:
        world = World()
        world.register(1)
        async with world.running():
            await trio.sleep(10)
            world.hub.apply_persistent(False, *SERVICE, b'{"ip":"10.0.0.1","port":1}', 1)
            await trio.sleep(limits.HEALTH_LOOK_SECONDS + 5)
            count = len(world.hosts.dialled)
            await trio.sleep(30)
            assert (len(world.hosts.dialled), world.checks.watched_count) == (count, 0)

    run(main)
