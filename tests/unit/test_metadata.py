"""Metadata as part of the replicated state: the same on every node, kept in snapshots, and dropped some time after what
it belongs to is gone."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import trio

from nacos_core import _core, commands, limits
from nacos_core.commands import ChangeMetadata, DeregisterPersistent, RegisterPersistent
from nacos_core.drivers.metadata import run_metadata_expiry
from nacos_core.errors import CommandRefused
from nacos_core.naming.changes import (
    Change,
    Cluster,
    CreateService,
    DeleteService,
    Expire,
    HealthChecker,
    InstanceName,
    MergeMetadata,
    Selector,
    SetHealth,
    StripMetadata,
    UpdateCluster,
    UpdateInstance,
    UpdateService,
    write_change,
)
from nacos_core.state_machine import Outcome, StateMachine, read_outcome

if TYPE_CHECKING:
    from trio.testing import MockClock

    from nacos_core.commands import Command
    from nacos_core.proposals import Complete

SERVICE = ("public", "DEFAULT_GROUP", "orders")
NAME = InstanceName("10.0.0.1", 80, "DEFAULT")
NO_SELECTOR = Selector("none")
CLUSTER = Cluster(HealthChecker("HTTP", "/x", "a:b", 204), 81, False, {"c": "1"})
EVERY_CHANGE: list[Change] = [
    CreateService(False, 0.5, {"a": "1"}, Selector("label", "x = y")),
    UpdateService(True, 1 / 3, {"a": "2"}, NO_SELECTOR),
    UpdateCluster("c1", CLUSTER),
    UpdateInstance(NAME, enabled=False, weight=0.1 + 0.2, metadata={"b": "1"}),
    MergeMetadata([NAME, InstanceName("10.0.0.2", 80, "c1")], {"c": "1"}),
    StripMetadata([NAME], ["b"]),
    SetHealth(NAME, False),
    Expire(None, [("10.0.0.2:80:c1", 5)]),
]


class Replica:
    """The state of one node, fed with commands."""

    def __init__(self) -> None:
        self.hub = _core.Hub(digest_key=bytes(16), abilities={}, require_tokens=False)
        self.machine = StateMachine(self.hub, lambda: 1000)

    def apply(self, command: Command, stamped_ms: int = 1000) -> Outcome:
        (raw,) = self.machine.apply([(1, stamped_ms, msgspec.Raw(commands.encode(command)))])
        return read_outcome(raw)

    def change(self, change: Change, service: tuple[str, str, str] = SERVICE) -> Outcome:
        return self.apply(ChangeMetadata(*service, write_change(change)))

    def hosts(self) -> list[Any]:
        found: list[Any] = msgspec.json.decode(self.hub.service_info(*SERVICE, "", False, 2000))["hosts"]
        return found

    def detail(self) -> Any:
        found = self.hub.service_detail(*SERVICE)
        return None if found is None else msgspec.json.decode(found)

    def snapshot(self) -> bytes:
        return self.machine.freeze().encode()


def instance(ip: str = "10.0.0.1") -> bytes:
    return msgspec.json.encode({"ip": ip, "port": 80, "metadata": {"a": "0"}})


def with_every_change() -> Replica:
    replica = Replica()
    replica.change(EVERY_CHANGE[0])
    replica.apply(RegisterPersistent(*SERVICE, instance()))
    assert [replica.change(change) for change in EVERY_CHANGE[1:]] == [None] * (len(EVERY_CHANGE) - 1)
    return replica


def test_every_change_has_its_effect() -> None:
    replica = with_every_change()
    assert replica.detail() == {
        "ephemeral": False,
        "protectThreshold": 1 / 3,
        "metadata": {"a": "2"},
        "selector": {"type": "none"},
        "clusters": {
            "DEFAULT": {
                "healthChecker": {"type": "TCP"},
                "healthyCheckPort": 80,
                "useInstancePortForCheck": True,
                "metadata": {},
            },
            "c1": {
                "healthChecker": {"type": "HTTP", "path": "/x", "headers": "a:b", "expectedResponseCode": 204},
                "healthyCheckPort": 81,
                "useInstancePortForCheck": False,
                "metadata": {"c": "1"},
            },
        },
    }
    assert replica.hosts() == [], "it is disabled"
    (shown,) = msgspec.json.decode(replica.hub.all_instances(*SERVICE))
    assert (shown["enabled"], shown["weight"], shown["healthy"]) == (False, 0.1 + 0.2, False)
    assert shown["metadata"] == {"a": "0", "c": "1"}
    assert b"10.0.0.2" not in replica.snapshot(), "it has expired"


def test_nodes_that_were_fed_alike_write_the_same_whatever_else_they_hold() -> None:
    one, other = with_every_change(), Replica()
    # Ephemeral instances differ from node to node, in the same services too.
    local = other.hub.open_local()
    other.hub.register(local, *SERVICE, b'[{"ip": "10.0.0.1", "port": 80}, {"ip": "10.0.0.9", "port": 80}]', 1)
    other.change(EVERY_CHANGE[0])
    other.apply(RegisterPersistent(*SERVICE, instance()))
    for change in EVERY_CHANGE[1:]:
        other.change(change)
    assert other.snapshot() == one.snapshot()


def test_a_restored_node_goes_on_like_the_others() -> None:
    one, other = with_every_change(), Replica()
    other.change(CreateService(True, 0.0, {}, NO_SELECTOR), ("public", "g", "only-here"))
    other.machine.restore(one.snapshot())
    assert other.detail() == one.detail()
    assert other.hub.service_detail("public", "g", "only-here") is not None, "listed until it is cleaned away"
    for change in (UpdateInstance(NAME, enabled=True), Expire(2, [])):
        for replica in (one, other):
            replica.change(change)
    assert other.snapshot() == one.snapshot()
    assert other.hosts() == one.hosts() != []


@pytest.mark.parametrize(
    "change",
    [
        b"{not json",
        b'{"change": "service.unheard"}',
        write_change(CreateService(False, 1.1, {}, NO_SELECTOR)),
        write_change(UpdateInstance(NAME, weight=-1.0)),
        write_change(UpdateInstance(InstanceName("10.0.0.1", 70_000, "DEFAULT"))),
        write_change(UpdateCluster("a,b", CLUSTER)),
    ],
)
def test_a_change_that_makes_no_sense_is_refused_and_changes_nothing(change: bytes) -> None:
    replica = with_every_change()
    before = replica.snapshot()
    assert isinstance(replica.apply(ChangeMetadata(*SERVICE, change)), CommandRefused)
    assert replica.snapshot() == before
    with pytest.raises(ValueError, match=r".+"):
        _core.Hub.check_metadata_change(change)


def test_a_service_is_created_once_and_deleted_only_when_empty() -> None:
    replica = with_every_change()
    assert "already exists" in str(replica.change(EVERY_CHANGE[0]))
    assert "is not empty" in str(replica.change(DeleteService()))
    replica.apply(DeregisterPersistent(*SERVICE, instance()))
    assert replica.change(DeleteService()) is None
    assert replica.detail() is None
    assert replica.change(EVERY_CHANGE[0]) is None


def test_a_snapshot_from_before_there_was_metadata_is_read() -> None:
    replica = Replica()
    stores = replica.hub.freeze().encode()
    sections = int.from_bytes(stores[:8], "little")
    end = 16 + sections + int.from_bytes(stores[8 + sections : 16 + sections], "little")
    assert len(stores) > end
    replica.hub.restore_snapshot(stores[:end], 1)
    with pytest.raises(ValueError, match="naming metadata"):
        replica.hub.restore_snapshot(stores[: end + 3], 1)


async def test_metadata_is_dropped_some_time_after_its_instance(autojump_clock: MockClock) -> None:
    replica = Replica()
    proposed: list[Command] = []

    def propose(command: Command, complete: Complete) -> None:
        proposed.append(command)
        complete(replica.apply(command))

    async with trio.open_nursery() as nursery:
        run = partial(
            run_metadata_expiry,
            hub=replica.hub,
            propose=propose,
            wall_clock=lambda: round(trio.current_time() * 1000),
            sees_all=lambda: True,
            settle=lambda: None,
        )
        nursery.start_soon(run)
        replica.apply(RegisterPersistent(*SERVICE, instance()))
        replica.change(UpdateInstance(NAME, weight=2.0))
        await trio.sleep(10 * limits.METADATA_KEPT_MS / 1000)
        assert proposed == []
        replica.apply(DeregisterPersistent(*SERVICE, instance()))
        await trio.sleep(limits.METADATA_KEPT_MS / 1000 - 1)
        assert b"10.0.0.1:80" in replica.snapshot()
        await trio.sleep(2 * limits.METADATA_SCAN_SECONDS + 1)
        assert b"10.0.0.1:80" not in replica.snapshot()
        assert len(proposed) == 1
        nursery.cancel_scope.cancel()
