"""A persistent instance that an ephemeral one forestalls: refused now, and still refused when the log is read again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from nacos_core import _core, commands
from nacos_core.config.service import ConfigService
from nacos_core.server import persistent
from nacos_core.server.context import Context
from nacos_core.settings import Settings
from nacos_core.state_machine import StateMachine, read_outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from nacos_core.commands import Command

SERVICE = ("public", "DEFAULT_GROUP", "orders")
REGISTER = (
    b"POST /nacos/v1/ns/instance?serviceName=orders&ip=10.0.0.1&port=80&ephemeral=false HTTP/1.1\r\nHost: a\r\n\r\n"
)


def a_hub() -> _core.Hub:
    hub = _core.Hub(digest_key=bytes(16), abilities={}, require_tokens=False)
    hub.set_ready(True)
    return hub


def hosts(hub: _core.Hub) -> list[Any]:
    found: list[Any] = msgspec.json.decode(hub.service_info(*SERVICE, "", False, 1))["hosts"]
    return found


class Log:
    """A log of one voter without a disk: applies at once, in the order of the proposals."""

    def __init__(self, hub: _core.Hub) -> None:
        self.machine = StateMachine(hub, lambda: 1)
        self.commands: list[Command] = []

    def propose(self, command: Command, complete: Callable[[Any], None]) -> None:
        self.commands.append(command)
        (raw,) = self.machine.apply([(1, msgspec.Raw(commands.encode(command)))])
        complete(read_outcome(raw))


class World:
    """A hub, its log, and one registration that the core has handed up."""

    def __init__(self) -> None:
        self.hub = a_hub()
        self.log = Log(self.hub)
        self.context = Context(
            settings=Settings(),
            version="0",
            hub=self.hub,
            wall_clock=lambda: 1,
            config=ConfigService(),
            propose=self.log.propose,
            confirm=lambda confirmed: confirmed(None),
            cluster=None,  # type: ignore[arg-type]
            gate=None,
            is_ready=lambda: True,
        )
        self.connection = self.hub.open("127.0.0.1", 1, grpc=False, now_ms=1)
        (event,) = self.hub.feed(self.connection, REGISTER, 1)
        assert isinstance(event, _core.PersistentInstance), "the core saw nothing against it"
        self.event = event

    def answer(self) -> bytes:
        persistent.handle(self.context, self.event)
        return self.hub.take_output(self.connection)

    def after_a_restart(self) -> list[Any]:
        hub = a_hub()
        machine = StateMachine(hub, lambda: 1)
        machine.apply([(1, msgspec.Raw(commands.encode(command))) for command in self.log.commands])
        return hosts(hub)


def test_what_was_refused_is_not_there_after_a_restart() -> None:
    world = World()
    world.hub.register(world.hub.open_local(), *SERVICE, b'[{"ip":"10.0.0.2","port":80}]', 1)
    answer = world.answer()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"is ephemeral service, can't register persistent instance." in answer
    assert [host["ip"] for host in hosts(world.hub)] == ["10.0.0.2"]
    assert world.after_a_restart() == []


def test_what_was_taken_is_there_after_a_restart() -> None:
    world = World()
    assert world.answer().endswith(b"\r\n\r\nok")
    assert [host["ip"] for host in world.after_a_restart()] == ["10.0.0.1"]
