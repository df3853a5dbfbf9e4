"""Namespaces: what the log makes of them, and what they may be called."""

from __future__ import annotations

import re

import msgspec
import pytest

from nacos_core import _core, commands
from nacos_core.commands import Command, CreateNamespace, RemoveNamespace, UpdateNamespace
from nacos_core.errors import InvalidParameter
from nacos_core.namespaces.rules import NamespaceAbsent, NamespaceExists, NamespaceRefused
from nacos_core.namespaces.service import NamespaceService
from nacos_core.namespaces.state import Namespace
from nacos_core.state_machine import Outcome, StateMachine, read_outcome


def a_machine() -> StateMachine:
    hub = _core.Hub(digest_key=bytes(16), abilities={}, require_tokens=False)
    return StateMachine(hub, lambda: 1000)


@pytest.fixture
def machine() -> StateMachine:
    return a_machine()


@pytest.fixture
def service(machine: StateMachine) -> NamespaceService:
    return NamespaceService(machine.namespaces, lambda count: bytes([0xFF] * count))


def apply(machine: StateMachine, command: Command) -> Outcome:
    (raw,) = machine.apply([(1, 1000, msgspec.Raw(commands.encode(command)))])
    return read_outcome(raw)


def test_a_namespace_is_made_changed_and_removed(machine: StateMachine) -> None:
    assert apply(machine, CreateNamespace("dev", "Development", "for all")) is True
    assert apply(machine, CreateNamespace("prod", "Production")) is True
    assert list(machine.namespaces) == [
        Namespace("dev", "Development", "for all"),
        Namespace("prod", "Production", None),
    ]
    assert apply(machine, UpdateNamespace("dev", "Dev", None)) is True
    assert machine.namespaces.get("dev") == Namespace("dev", "Dev", None)
    assert [each.namespace for each in machine.namespaces] == ["dev", "prod"], "a change moves none"
    assert apply(machine, RemoveNamespace("dev")) is True
    assert apply(machine, RemoveNamespace("dev")) is False
    assert apply(machine, UpdateNamespace("dev", "Dev", None)) is False
    assert [each.namespace for each in machine.namespaces] == ["prod"]


def test_an_id_is_taken_where_the_command_stands_in_the_log(machine: StateMachine) -> None:
    assert apply(machine, CreateNamespace("dev", "first")) is True
    assert apply(machine, CreateNamespace("dev", "second")) is False
    assert apply(machine, CreateNamespace("public", "mine")) is False
    assert [each.name for each in machine.namespaces] == ["first"]


def test_a_snapshot_keeps_them_in_order_and_stays_as_it_was(machine: StateMachine) -> None:
    for name in ("b", "a", "c"):
        apply(machine, CreateNamespace(name, name))
    frozen = machine.freeze()
    apply(machine, RemoveNamespace("a"))
    other = a_machine()
    apply(other, CreateNamespace("stale", "stale"))
    restored_into = other.namespaces
    other.restore(frozen.encode())
    assert [each.namespace for each in restored_into] == ["b", "a", "c"], "who holds them sees them change"
    assert other.freeze().encode() == frozen.encode() != machine.freeze().encode()


def test_a_snapshot_of_the_version_before_is_refused(machine: StateMachine) -> None:
    version, *rest = msgspec.msgpack.decode(machine.freeze().encode())
    with pytest.raises(ValueError, match="version 1"):
        machine.restore(msgspec.msgpack.encode([version - 1, *rest]))


def test_the_default_one_comes_first_and_cannot_be_changed(machine: StateMachine, service: NamespaceService) -> None:
    apply(machine, CreateNamespace("dev", "Development"))
    assert [each.namespace for each in service.all()] == ["public", "dev"]
    assert service.find("public") == Namespace("public", "public", "Default Namespace")
    assert service.find(" ").name == "public"
    assert not service.is_made("public")
    with pytest.raises(NamespaceExists, match=re.escape("namespaceId [public] is default namespace id")):
        service.creation("public", "mine", None)
    with pytest.raises(NamespaceRefused):
        service.change("public", "mine", None)
    with pytest.raises(NamespaceRefused):
        service.removal("public")


def test_what_is_there_already_is_refused_before_it_is_proposed(
    machine: StateMachine, service: NamespaceService
) -> None:
    apply(machine, CreateNamespace("dev", "Development"))
    with pytest.raises(NamespaceExists, match=re.escape("namespaceId [dev] already exist.")):
        service.creation(" dev ", "again", None)
    with pytest.raises(NamespaceAbsent, match=re.escape("namespaceId [ none ] not exist")):
        service.find("none")


def test_an_id_is_made_up_where_none_is_given(service: NamespaceService) -> None:
    for given in (None, "", "  "):
        assert service.creation(given, "a", None).namespace == "ffffffff-ffff-4fff-bfff-ffffffffffff"


@pytest.mark.parametrize("id", ["a b", "ä", "a/b", "a.b", "a" * 129, "a\n"])
def test_an_id_of_other_characters_is_refused(service: NamespaceService, id: str) -> None:
    with pytest.raises(NamespaceRefused, match=r"mismatch the pattern|over 128"):
        service.creation(f"x{id}x" if id == "a\n" else id, "a", None)


def test_ids_of_these_characters_are_taken(service: NamespaceService) -> None:
    for id in ("a", "A-b_9", "a" * 128):
        assert service.creation(id, "a", None).namespace == id


@pytest.mark.parametrize("name", ["", *(f"a{sign}" for sign in "@#$%^&*"), "a" * 257])
def test_a_name_of_these_characters_is_refused(service: NamespaceService, name: str) -> None:
    for make in (service.creation, service.change):
        with pytest.raises(InvalidParameter, match="namespaceName"):
            make("dev", name, None)


def test_a_description_has_a_limit(service: NamespaceService) -> None:
    assert service.creation("dev", "Ä b!", "x" * 256).description == "x" * 256
    with pytest.raises(InvalidParameter, match="too long namespaceDesc, over 256"):
        service.creation("dev", "a", "x" * 257)
