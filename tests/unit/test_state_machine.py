"""What committed commands do to the stores, and that none of them can stop what follows."""

from __future__ import annotations

import msgspec
import pytest

from nacos_core import _core, commands
from nacos_core.commands import (
    DeregisterPersistent,
    PublishConfig,
    RegisterPersistent,
    RemoveConfig,
    RollbackConfig,
    SetAdministrator,
)
from nacos_core.errors import AlreadyExists, CasMismatch, CommandRefused
from nacos_core.state_machine import Administrator, Outcome, StateMachine, read_outcome

KEY = ("public", "DEFAULT_GROUP", "a.yaml")
MD5_OF_A1 = "270f9e65a80226eccd82c99cdd0dd2fb"  # protocol/answers, "cs get"


def a_hub() -> _core.Hub:
    return _core.Hub(digest_key=bytes(16), abilities={}, require_tokens=False)


@pytest.fixture
def hub() -> _core.Hub:
    return a_hub()


@pytest.fixture
def machine(hub: _core.Hub) -> StateMachine:
    return StateMachine(hub, lambda: 1000)


def publication(content: str = "a: 1", **more: object) -> PublishConfig:
    return PublishConfig(*KEY, content.encode(), "yaml", **more)  # type: ignore[arg-type]


def apply(machine: StateMachine, command: commands.Command, stamped_ms: int = 1000) -> Outcome:
    (raw,) = machine.apply([(1, stamped_ms, msgspec.Raw(commands.encode(command)))])
    return read_outcome(raw)


def instance(ip: str = "10.0.0.1") -> bytes:
    return msgspec.json.encode({"ip": ip, "port": 80, "ephemeral": False})


def test_a_publication_is_there_with_its_md5_and_time(machine: StateMachine, hub: _core.Hub) -> None:
    assert apply(machine, publication(description="d", source_ip="10.0.0.9")) == MD5_OF_A1
    view = hub.get_config(*KEY)
    assert view is not None
    assert (view.content, view.type, view.last_modified_ms) == (b"a: 1", "yaml", 1000)
    assert (view.description, view.source_ip) == ("d", "10.0.0.9")
    assert machine.take_changed_configs() == [KEY]
    assert machine.take_changed_configs() == []


def test_the_same_content_again_is_no_change(machine: StateMachine) -> None:
    apply(machine, publication())
    machine.take_changed_configs()
    assert apply(machine, publication()) == MD5_OF_A1
    assert machine.take_changed_configs() == []


def test_compare_and_set_is_decided_where_it_stands_in_the_log(machine: StateMachine, hub: _core.Hub) -> None:
    assert apply(machine, publication("a: 0", cas_md5="anything")) != "", "there was nothing to compare with"
    apply(machine, publication("a: 1"))
    assert isinstance(apply(machine, publication("a: 2", cas_md5="0" * 32)), CasMismatch)
    assert hub.config_md5(*KEY) == MD5_OF_A1
    assert isinstance(apply(machine, publication("a: 2", cas_md5=MD5_OF_A1)), str)
    assert isinstance(apply(machine, publication("a: 3", cas_md5=MD5_OF_A1)), CasMismatch), "the first one won"


def test_create_only_does_not_replace(machine: StateMachine) -> None:
    assert apply(machine, publication(create_only=True)) == MD5_OF_A1
    assert isinstance(apply(machine, publication("a: 2", create_only=True)), AlreadyExists)


def test_a_run_of_publications_is_applied_in_order(machine: StateMachine, hub: _core.Hub) -> None:
    run: list[commands.Command] = [
        publication("1"),
        publication("2", create_only=True),
        publication("3", cas_md5=MD5_OF_A1),
        RemoveConfig(*KEY),
        publication("4", create_only=True),
        publication("4"),
        PublishConfig("public", "g", "b", b"5", "text", cas_md5=MD5_OF_A1),
        PublishConfig("public", "g", "c", b"6", "text"),
    ]
    raw = machine.apply([(at, at, msgspec.Raw(commands.encode(command))) for at, command in enumerate(run)])
    kinds = [type(read_outcome(outcome)) for outcome in raw]
    assert kinds == [str, AlreadyExists, CasMismatch, bool, str, str, str, str]
    assert machine.take_changed_configs() == [KEY, ("public", "g", "b"), ("public", "g", "c")]
    view = hub.get_config(*KEY)
    assert view is not None
    assert (view.content, view.created_ms, view.last_modified_ms) == (b"4", 4, 5)


def test_a_publication_that_makes_no_sense_stops_none_of_its_run(machine: StateMachine, hub: _core.Hub) -> None:
    run = [(1, stamped_ms, msgspec.Raw(commands.encode(publication(str(stamped_ms))))) for stamped_ms in (1, -1, 3)]
    outcomes = [read_outcome(raw) for raw in machine.apply(run)]
    assert [type(outcome) for outcome in outcomes] == [str, CommandRefused, str]
    view = hub.get_config(*KEY)
    assert view is not None
    assert view.content == b"3"


def test_what_was_frozen_stays_as_it_was(machine: StateMachine, hub: _core.Hub) -> None:
    apply(machine, publication("old"))
    apply(machine, PublishConfig("public", "g", "gone", b"1", "text"))
    apply(machine, RegisterPersistent("public", "g", "orders", instance()))
    apply(machine, SetAdministrator("nacos", "hash", b"key"))
    frozen = machine.freeze()
    apply(machine, publication("new"))
    apply(machine, RemoveConfig("public", "g", "gone"))
    apply(machine, PublishConfig("public", "g", "later", b"1", "text"))
    apply(machine, DeregisterPersistent("public", "g", "orders", instance()))
    apply(machine, SetAdministrator("other", "hash", b"key"))
    other_hub = a_hub()
    other = StateMachine(other_hub, lambda: 1000)
    other.restore(frozen.encode())
    view = other_hub.get_config(*KEY)
    assert view is not None
    assert (view.content, other_hub.config_count()) == (b"old", 2)
    assert other_hub.config_md5("public", "g", "gone")
    assert other_hub.counts()["persistent_publishers"] == 1
    assert other.administrator == Administrator("nacos", "hash", b"key")
    assert other.freeze().encode() == frozen.encode() != machine.freeze().encode()


def test_a_removal_says_whether_there_was_anything(machine: StateMachine, hub: _core.Hub) -> None:
    apply(machine, publication())
    machine.take_changed_configs()
    assert apply(machine, RemoveConfig(*KEY)) is True
    assert machine.take_changed_configs() == [KEY]
    assert apply(machine, RemoveConfig(*KEY)) is False
    assert machine.take_changed_configs() == []
    assert hub.config_count() == 0


def test_a_rollback_is_decided_where_it_stands_in_the_log(machine: StateMachine, hub: _core.Hub) -> None:
    for content in ("a: 1", "a: 2"):
        apply(machine, publication(content))
    machine.take_changed_configs()
    assert apply(machine, RollbackConfig(*KEY, 2, "ann", "10.0.0.9"), 7) == MD5_OF_A1
    assert machine.take_changed_configs() == [KEY]
    assert apply(machine, RollbackConfig(*KEY, 2, "ann", "10.0.0.9")) == MD5_OF_A1, "it is there already"
    assert machine.take_changed_configs() == []
    view = hub.get_config(*KEY)
    assert view is not None
    assert (view.content, view.type, view.source_user, view.source_ip) == (b"a: 1", "yaml", "ann", "10.0.0.9")
    assert apply(machine, RollbackConfig(*KEY, 1)) is True
    assert hub.get_config(*KEY) is None
    assert machine.take_changed_configs() == [KEY]
    for command in (RollbackConfig(*KEY, 99), RollbackConfig("public", "g", "other", 1)):
        assert isinstance(apply(machine, command), CommandRefused)


def test_persistent_instances_come_and_go(machine: StateMachine, hub: _core.Hub) -> None:
    service = ("public", "DEFAULT_GROUP", "orders")
    assert apply(machine, RegisterPersistent(*service, instance())) is None
    assert b"10.0.0.1" in hub.service_info(*service, "", False, 1000)
    assert apply(machine, DeregisterPersistent(*service, instance())) is None
    assert b"10.0.0.1" not in hub.service_info(*service, "", False, 1000)
    assert apply(machine, DeregisterPersistent(*service, instance())) is None


@pytest.mark.parametrize(
    "command",
    [
        RegisterPersistent("public", "G", "orders", b"{not json"),
        RegisterPersistent("public", "G", "", instance()),
        RegisterPersistent("public", "G", "orders", b'{"port": 1}'),
        DeregisterPersistent("public", "G", "orders", b"[]"),
    ],
)
def test_a_command_that_makes_no_sense_is_refused_and_the_next_one_follows(
    machine: StateMachine, command: commands.Command
) -> None:
    assert isinstance(apply(machine, command), CommandRefused)
    assert apply(machine, publication()) == MD5_OF_A1


@pytest.mark.parametrize("stamped_ms", [-1, 2**70])
def test_a_stamp_that_makes_no_sense_is_refused(machine: StateMachine, stamped_ms: int) -> None:
    assert isinstance(apply(machine, publication(), stamped_ms), CommandRefused)
    assert apply(machine, publication()) == MD5_OF_A1


@pytest.mark.parametrize("payload", [b"\xc1", b"junk", msgspec.msgpack.encode(["config.unheard", 1]), b"\x91\x01"])
def test_bytes_that_are_no_command_are_refused_and_the_next_one_follows(machine: StateMachine, payload: bytes) -> None:
    batch = [(1, 1000, msgspec.Raw(payload)), (2, 1000, msgspec.Raw(commands.encode(publication())))]
    refused, published = machine.apply(batch)
    assert isinstance(read_outcome(refused), CommandRefused)
    assert published == MD5_OF_A1


def test_commands_read_back_as_they_were_written() -> None:
    for command in (
        publication(cas_md5="x", tags="a", source_user="me"),
        RemoveConfig(*KEY),
        RegisterPersistent("n", "g", "s", instance()),
        DeregisterPersistent("n", "g", "s", instance()),
        SetAdministrator("nacos", "hash", b"key"),
    ):
        assert commands.decode(commands.encode(command)) == command


def test_a_command_without_the_fields_that_came_later_is_read() -> None:
    old = msgspec.msgpack.encode(["config.publish", "n", "g", "d", b"x", "text"])
    assert commands.decode(old) == PublishConfig("n", "g", "d", b"x", "text")


def test_a_snapshot_holds_everything(machine: StateMachine) -> None:
    apply(machine, publication(description="d"))
    apply(machine, RegisterPersistent("public", "DEFAULT_GROUP", "orders", instance()))
    apply(machine, SetAdministrator("nacos", "hash", b"key"))
    hub = a_hub()
    restored = StateMachine(hub, lambda: 2000)
    restored.restore(machine.freeze().encode())
    assert restored.administrator == Administrator("nacos", "hash", b"key")
    view = hub.get_config(*KEY)
    assert view is not None
    assert (view.content, view.md5, view.description) == (b"a: 1", MD5_OF_A1, "d")
    assert b"10.0.0.1" in hub.service_info("public", "DEFAULT_GROUP", "orders", "", False, 1000)
    assert isinstance(apply(restored, publication(cas_md5="0")), CasMismatch)


def test_a_snapshot_of_another_version_is_refused(machine: StateMachine) -> None:
    unreadable = msgspec.msgpack.encode([99, None, b""])
    with pytest.raises(ValueError, match="99"):
        machine.restore(unreadable)


def test_a_snapshot_that_a_leader_sends_tells_listeners_what_it_changes(machine: StateMachine) -> None:
    for name, content in (("same", "1"), ("other", "1"), ("gone", "1")):
        apply(machine, PublishConfig("public", "G", name, content.encode(), "text"))
    machine.take_changed_configs()
    leader = StateMachine(a_hub(), lambda: 2000)
    for name, content in (("same", "1"), ("other", "2"), ("new", "1")):
        apply(leader, PublishConfig("public", "G", name, content.encode(), "text"))
    machine.restore(leader.freeze().encode())
    changed = sorted(name for _, _, name in machine.take_changed_configs())
    assert changed == ["gone", "new", "other"]
