"""A persistent instance is what the log says, whatever ephemeral instances a node has of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from nacos_core import _core, commands
from nacos_core.config.service import ConfigService
from nacos_core.errors import CommandRefused, NacosCoreError, NotReady, OutcomeUnknown
from nacos_core.namespaces.service import NamespaceService
from nacos_core.server import persistent
from nacos_core.server.compatibility import Compatibility
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
        (raw,) = self.machine.apply([(1, 1, msgspec.Raw(commands.encode(command)))])
        complete(read_outcome(raw))


class World:
    """A hub, its log, and one registration that the core has handed up."""

    def __init__(self) -> None:
        self.hub = a_hub()
        self.log = Log(self.hub)
        self.context = Context(
            settings=Settings(),
            compatibility=Compatibility(Settings(), (), {}),
            version="0",
            hub=self.hub,
            wall_clock=lambda: 1,
            config=ConfigService(),
            schemas=None,  # type: ignore[arg-type]
            namespaces=NamespaceService(self.log.machine.namespaces, bytes),
            propose=self.log.propose,
            confirm=lambda confirmed: confirmed(None),
            background=None,  # type: ignore[arg-type]
            cluster=None,  # type: ignore[arg-type]
            gate=None,
            is_ready=lambda: True,
            why_not_ready=lambda: "",
            distro=None,
            switches=lambda: self.log.machine.switches,
            quota_defaults=lambda: self.log.machine.quotas.defaults,
            observing=None,  # type: ignore[arg-type]
            loads=None,  # type: ignore[arg-type]
            health=None,
            pushes=None,  # type: ignore[arg-type]
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
        machine.apply(
            [(at, 1, msgspec.Raw(commands.encode(command))) for at, command in enumerate(self.log.commands, 1)]
        )
        return hosts(hub)


EPHEMERAL = b'[{"ip":"10.0.0.2","port":80}]'


def test_what_is_in_the_log_is_applied_beside_an_ephemeral_instance_that_came_first() -> None:
    """Nodes have different ephemeral instances; what they hold of the log must not differ."""
    world = World()
    world.hub.register(world.hub.open_local(), *SERVICE, EPHEMERAL, 1)
    assert world.answer().endswith(b"\r\n\r\nok")
    assert [(host["ip"], host["ephemeral"]) for host in hosts(world.hub)] == [("10.0.0.1", False), ("10.0.0.2", True)]
    assert [host["ip"] for host in world.after_a_restart()] == ["10.0.0.1"]
    assert world.hub.take_changed_services() == [SERVICE]


def test_a_service_that_is_ephemeral_here_is_refused_before_anything_is_proposed() -> None:
    hub = a_hub()
    hub.register(hub.open_local(), *SERVICE, EPHEMERAL, 1)
    connection = hub.open("127.0.0.1", 1, grpc=False, now_ms=1)
    assert hub.feed(connection, REGISTER, 1) == []
    answer = hub.take_output(connection)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"is ephemeral service, can't register persistent instance." in answer


def test_a_service_with_persistent_instances_takes_no_more_ephemeral_ones() -> None:
    world = World()
    publisher = world.hub.open_local()
    world.hub.register(publisher, *SERVICE, EPHEMERAL, 1)
    world.answer()
    with pytest.raises(_core.KindConflict, match="is persistent service, can't register ephemeral instance"):
        world.hub.register(world.hub.open_local(), *SERVICE, EPHEMERAL, 1)
    world.log.propose(commands.DeregisterPersistent(*SERVICE, world.event.instance), lambda result: None)
    world.hub.register(publisher, *SERVICE, EPHEMERAL, 1)
    assert [host["ip"] for host in hosts(world.hub)] == ["10.0.0.2"]


def test_a_snapshot_is_restored_beside_ephemeral_instances() -> None:
    world, other = World(), a_hub()
    world.answer()
    other.register(other.open_local(), *SERVICE, EPHEMERAL, 1)
    data = world.hub.freeze().encode()
    other.restore_snapshot(data, 1)
    assert [host["ip"] for host in hosts(other)] == ["10.0.0.1", "10.0.0.2"]
    assert other.freeze().encode() == data


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotReady("there is no leader"), 503),
        (OutcomeUnknown("it is not known"), 504),
        (CommandRefused("it makes no sense"), 400),
    ],
)
def test_what_the_log_does_not_take_is_an_error_with_its_reason(error: NacosCoreError, status: int) -> None:
    world = World()
    world.context.propose = lambda command, complete: complete(error)
    answer = world.answer()
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert str(error).encode() in answer.partition(b"\r\n\r\n")[2]


def test_what_was_taken_is_there_after_a_restart() -> None:
    world = World()
    assert world.answer().endswith(b"\r\n\r\nok")
    assert [host["ip"] for host in world.after_a_restart()] == ["10.0.0.1"]
