"""Quotas of configurations: what commands of the log do to them, and what settings do."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import trio
import trio.testing

from nacos_core import _core, commands, limits
from nacos_core.commands import (
    DescribeConfig,
    PromoteGray,
    PublishConfig,
    PublishGray,
    RemoveConfig,
    RollbackConfig,
    SetConfigQuota,
    SetQuotaDefaults,
)
from nacos_core.config import copies
from nacos_core.config.copies import Policy
from nacos_core.config.quotas import Quota, QuotaDefaults
from nacos_core.drivers.quotas import QuotaSettings
from nacos_core.errors import AlreadyExists, CommandRefused, NotReady, OverQuota, QuotaLevel
from nacos_core.settings import Settings
from nacos_core.state_machine import Outcome, StateMachine, read_outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nacos_core.commands import Command

ENFORCED = SetQuotaDefaults(True, 6, 3, 10)


class World:
    """A state machine with small quotas, and its hub."""

    def __init__(self, *first: Command) -> None:
        self.hub = _core.Hub(digest_key=bytes(16), abilities={}, require_tokens=False)
        self.machine = StateMachine(self.hub, lambda: 1000)
        self.apply(*first)

    def apply(self, *run: Command) -> list[Outcome]:
        raw = self.machine.apply([(1, 1000, msgspec.Raw(commands.encode(command))) for command in run])
        return [read_outcome(outcome) for outcome in raw]

    def publish(self, data_id: str, content: str = "x", namespace: str = "a", **more: Any) -> Outcome:
        return self.apply(PublishConfig(namespace, "G", data_id, content.encode(), "text", **more))[0]


@pytest.fixture
def world() -> World:
    return World(ENFORCED)


def test_a_batch_that_crosses_a_quota_has_its_first_ones_applied(world: World) -> None:
    names = ("1", "2", "1", "3", "4", "2", "5")
    outcomes = world.apply(*(PublishConfig("a", "G", name, b"x", "text") for name in names))
    assert [isinstance(outcome, OverQuota) for outcome in outcomes] == [False, False, False, False, True, False, True]
    assert isinstance(outcomes[4], OverQuota)
    assert outcomes[4].level is QuotaLevel.NAMESPACE
    assert str(outcomes[4]) == "namespace 'a' has 3 configurations, and its quota is 3"
    assert world.machine.take_changed_configs() == [("a", "G", name) for name in ("1", "2", "3")]
    assert isinstance(world.apply(RemoveConfig("a", "G", "1"))[0], bool)
    assert isinstance(world.publish("4"), str), "what is removed leaves room"


def test_whatever_is_over_a_quota_is_refused_with_its_level(world: World) -> None:
    world.apply(SetConfigQuota("a", "G", 1, None))
    world.publish("1")
    levels = [(outcome := world.publish("2")), (outcome := world.publish("1", "x" * 11))]
    assert [outcome.level for outcome in levels if isinstance(outcome, OverQuota)] == [
        QuotaLevel.GROUP,
        QuotaLevel.SIZE,
    ]
    release = PublishGray("a", "G", "2", "beta", 1, "beta", "10.0.0.1", b"x", "")
    promoted = world.apply(release, PromoteGray("a", "G", "2", "beta"))
    assert isinstance(promoted[0], str), "gray releases do not count"
    assert isinstance(promoted[1], OverQuota)
    large = world.apply(msgspec.structs.replace(release, content=b"x" * 11))
    assert isinstance(large[0], OverQuota)
    world.apply(RemoveConfig("a", "G", "1"))
    world.publish("3")
    assert isinstance(world.apply(RollbackConfig("a", "G", "1", 1))[0], bool), "it was not there before, and is not now"
    event_ids = [event.id for event in world.hub.config_history("a", "G", "1", 0, 10)[1] if event.operation == "D"]
    outcome = world.apply(RollbackConfig("a", "G", "1", event_ids[0]))[0]
    assert isinstance(outcome, OverQuota)
    assert outcome.level is QuotaLevel.GROUP
    world.apply(SetQuotaDefaults(True, 1, 3, 10))
    outcome = world.publish("1", namespace="b")
    assert isinstance(outcome, OverQuota)
    assert (outcome.level, str(outcome)) == (QuotaLevel.CLUSTER, "the cluster has 1 configurations, and its quota is 1")


def test_what_is_set_for_one_is_kept_until_it_is_set_to_nothing(world: World) -> None:
    assert world.hub.config_quota("a") == (0, 3, 10)
    world.apply(SetConfigQuota("a", "", 5, None), SetConfigQuota("a", "", None, 20), SetConfigQuota("a", "H", 1, None))
    assert world.hub.config_quota("a") == (0, 5, 20)
    assert world.hub.config_quota("a", "H") == (0, 1, 20)
    assert world.hub.config_quota("b") == (0, 3, 10)
    assert list(world.machine.quotas) == [Quota("a", "", 5, 20), Quota("a", "H", 1)]
    world.apply(SetConfigQuota("a", "", 0, None))
    assert world.hub.config_quota("a") == (0, 3, 20)
    world.apply(SetConfigQuota("a", "", None, 0), SetConfigQuota("a", "H", 0, None))
    assert list(world.machine.quotas) == []
    assert world.hub.config_quota("a", "H") == (0, 3, 10)


def test_not_more_than_so_many_have_one_of_their_own(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "QUOTAS_COUNT_MAX", 2)
    outcomes = world.apply(*(SetConfigQuota(name, "", 5, None) for name in ("a", "b", "c", "a")))
    assert [type(outcome) for outcome in outcomes] == [type(None), type(None), CommandRefused, type(None)]
    assert str(outcomes[2]) == "2 namespaces and groups have a quota of their own, and no more may have one"
    assert world.hub.config_quota("c") == (0, 3, 10)


def test_snapshots_carry_what_was_set(world: World) -> None:
    world.apply(SetConfigQuota("a", "G", 1, 7))
    world.publish("1")
    frozen = world.machine.freeze()
    world.apply(SetConfigQuota("a", "G", 0, 0), SetQuotaDefaults(False, 60, 30, 100))
    other = World(SetConfigQuota("b", "", 1, None))
    other.machine.restore(frozen.encode())
    assert (other.machine.quotas.defaults, list(other.machine.quotas)) == (
        QuotaDefaults(True, 6, 3, 10),
        [Quota("a", "G", 1, 7)],
    )
    assert isinstance(other.publish("2"), OverQuota)
    assert (other.hub.config_quota("a", "G"), other.hub.config_quota("b")) == ((1, 1, 7), (0, 3, 10))


def test_a_snapshot_from_before_there_were_quotas_enforces_none() -> None:
    before = World()
    raw: list[Any] = msgspec.msgpack.decode(before.machine.freeze().encode())
    world = World(ENFORCED)
    world.machine.restore(msgspec.msgpack.encode(raw[:-2]))
    assert world.machine.quotas.defaults == QuotaDefaults()
    assert not world.machine.quotas.defaults.is_enforced
    assert world.hub.config_quota("a") == (0, limits.QUOTA_NAMESPACE_COUNT, limits.QUOTA_CONTENT_BYTES)


def test_nobody_is_told_of_a_new_description(world: World) -> None:
    world.publish("1")
    world.machine.take_changed_configs()
    assert world.apply(DescribeConfig("a", "G", "1", "what for", None, "ann")) == [True]
    assert world.apply(DescribeConfig("a", "G", "2", "what for", None)) == [False]
    view = world.hub.get_config("a", "G", "1")
    assert view is not None
    assert (view.content, view.description, view.source_user) == (b"x", "what for", "ann")
    assert world.machine.take_changed_configs() == []


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Policy.ABORT, (1, ["there"], ["2", "3", "4", "5"])),
        (Policy.SKIP, (2, ["3", "4", "5"], ["there"])),
        (Policy.OVERWRITE, (3, ["3", "4", "5"], [])),
    ],
)
async def test_of_many_copies_those_that_are_over_a_quota_are_named(
    world: World, policy: Policy, expected: tuple[int, list[str], list[str]]
) -> None:
    async def apply_all(
        run: Sequence[PublishConfig], at_once_count: int, *, until_failure: bool = False
    ) -> list[Outcome | Any]:
        outcomes = []
        for command in run:
            outcomes += world.apply(command)
            if until_failure and isinstance(outcomes[-1], AlreadyExists | OverQuota):
                break
        return outcomes

    world.publish("there")
    run = [PublishConfig("a", "G", name, b"y", "text") for name in ("1", "there", "2", "3", "4", "5")]
    copied = await copies.write(run, policy, apply_all)
    failed = [item["dataId"] for item in copied.fail_data]
    assert (copied.succ_count, failed, [item["dataId"] for item in copied.skip_data]) == expected
    if policy is not Policy.ABORT:
        assert copied.fail_data[0]["message"] == "namespace 'a' has 3 configurations, and its quota is 3"


class Raft:
    """Who leads, and a log that takes commands at once."""

    def __init__(self, world: World, *, is_alone: bool) -> None:
        self.world = world
        self.is_alone = is_alone
        self.is_leader = is_alone
        self.machine = self
        self.applied: list[Command] = []
        self.is_lost = False

    async def apply(self, command: Command) -> Outcome:
        if self.is_lost:
            raise NotReady("no leader")
        self.applied.append(command)
        return self.world.apply(command)[0]


SETTINGS = Settings(config_quota=True, config_quota_cluster=6, config_quota_namespace=3, config_quota_bytes=10)


def settings_of(raft: Raft, settings: Settings = SETTINGS) -> QuotaSettings:
    return QuotaSettings(settings, raft.world.machine.quotas, raft, raft)  # type: ignore[arg-type]


async def test_a_node_alone_has_its_settings_hold_before_it_serves(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    raft = Raft(World(), is_alone=True)
    await settings_of(raft).start(nursery)
    assert raft.applied == [ENFORCED]
    assert "is_enforced=True" in caplog.text
    raft = Raft(raft.world, is_alone=True)
    await settings_of(raft).start(nursery)
    assert raft.applied == [], "they hold already"
    await settings_of(raft, replace(SETTINGS, config_quota=False)).start(nursery)
    assert raft.applied == [SetQuotaDefaults(False, 6, 3, 10)]


async def test_in_a_cluster_the_settings_of_the_leader_hold(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    raft = Raft(World(), is_alone=False)
    await settings_of(raft).start(nursery)
    await trio.sleep(60)
    assert raft.applied == []
    raft.is_leader = raft.is_lost = True
    await trio.sleep(60)
    raft.is_lost = False
    await trio.sleep(2 * limits.QUOTA_CHECK_SECONDS)
    assert raft.applied == [ENFORCED]
