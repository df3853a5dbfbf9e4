"""What happened to configurations, as every node has it from the log: told, kept, trimmed, and in snapshots."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import msgspec
import pytest
import trio

from nacos_core import _core, commands, limits
from nacos_core.clock import system_wall_clock
from nacos_core.commands import PublishConfig, RemoveConfig, TrimHistory
from nacos_core.config.history import Retention
from nacos_core.drivers.history import run_retention
from nacos_core.errors import NotReady
from nacos_core.node import run_node
from nacos_core.server.history_http import V3, list_events
from nacos_core.settings import Settings, load
from nacos_core.state_machine import Outcome, StateMachine, read_outcome
from nacos_core.surroundings import Surroundings

if TYPE_CHECKING:
    from nacos_core.commands import Command

KEY = ("public", "DEFAULT_GROUP", "a.yaml")
OTHER = ("public", "DEFAULT_GROUP", "b.yaml")
DAY_MS = 24 * 60 * 60 * 1000


class World:
    """A state machine that is told one command after the other."""

    def __init__(self) -> None:
        self.hub = _core.Hub(digest_key=bytes(16), abilities={}, require_tokens=False)
        self.machine = StateMachine(self.hub, lambda: 1000)
        self.now_ms = 0

    def apply(self, command: Command) -> Outcome:
        self.now_ms += 1
        (raw,) = self.machine.apply([(1, self.now_ms, msgspec.Raw(commands.encode(command)))])
        return read_outcome(raw)

    def publish(self, content: str, key: tuple[str, str, str] = KEY, **more: str) -> None:
        assert isinstance(self.apply(PublishConfig(*key, content.encode(), "yaml", **more)), str)

    def told(self, key: tuple[str, str, str] = KEY) -> list[tuple[int, str, bytes]]:
        _, events = self.hub.config_history(*key, 0, 1000)
        return [(event.id, event.operation, event.config.content) for event in events]

    async def propose(self, command: Command) -> Outcome:
        return self.apply(command)


@pytest.fixture
def world() -> World:
    return World()


def test_each_change_is_told_with_who_did_it(world: World) -> None:
    world.publish("1", source_user="ann", source_ip="10.0.0.1", application="shop", encrypted_data_key="k")
    world.publish("2", source_user="bob", source_ip="10.0.0.2")
    world.apply(RemoveConfig(*KEY, "cid", "10.0.0.3"))
    count, (removed, updated, inserted) = world.hub.config_history(*KEY, 0, 10)
    assert count == 3
    who = [(event.operation, event.source_user, event.source_ip) for event in (inserted, updated, removed)]
    assert who == [("I", "ann", "10.0.0.1"), ("U", "bob", "10.0.0.2"), ("D", "cid", "10.0.0.3")]
    assert [event.stamped_ms for event in (inserted, updated, removed)] == [1, 2, 3]
    assert [event.config.content for event in (inserted, updated, removed)] == [b"1", b"1", b"2"]
    shown = updated.config
    assert (shown.type, shown.application, shown.encrypted_data_key) == ("yaml", "shop", "k")
    assert updated.updated is not None
    assert updated.updated.content == b"2"
    assert removed.updated is None
    assert (updated.namespace, updated.group, updated.data_id) == KEY


def test_what_changed_nothing_is_not_told(world: World) -> None:
    world.publish("1")
    world.publish("1", source_user="somebody else")
    world.apply(PublishConfig(*KEY, b"2", "yaml", cas_md5="0" * 32))
    world.apply(PublishConfig(*KEY, b"2", "yaml", create_only=True))
    world.apply(RemoveConfig(*OTHER))
    assert world.told() == [(1, "I", b"1")]
    assert world.hub.history_size()[0] == 1
    world.publish("1", description="another attribute")
    assert [operation for _, operation, _ in world.told()] == ["U", "I"]


def test_a_page_is_some_of_all(world: World) -> None:
    for number in range(5):
        world.publish(str(number))
    pages = [world.hub.config_history(*KEY, skip, 2) for skip in (0, 2, 4, 6)]
    assert [count for count, _ in pages] == [5, 5, 5, 5]
    assert [[event.id for event in events] for _, events in pages] == [[5, 4], [3, 2], [1], []]


def test_the_last_events_of_what_exists_stay_however_old_they_are(world: World) -> None:
    for number in range(15):
        world.publish(str(number))
    world.publish("x", OTHER)
    world.apply(RemoveConfig(*OTHER))
    assert len(world.told(OTHER)) == 2, "a removed configuration keeps its history"
    assert world.apply(TrimHistory(10, limits.HISTORY_KEEP_COUNT, 0, 1000)) == ""
    assert [id for id, _, _ in world.told()][-1] == 6, "those before 6 were older than the tenth and than the limit"
    world.apply(TrimHistory(DAY_MS, limits.HISTORY_KEEP_COUNT, 0, 1000))
    assert [id for id, _, _ in world.told()] == list(range(15, 5, -1))
    assert world.told(OTHER) == [], "until it is old enough"


def test_trimming_goes_by_the_time_of_the_log_and_in_portions(world: World) -> None:
    for number in range(10):
        world.publish(str(number))
    assert world.apply(TrimHistory(5, 0, 0, 3)) == "3"
    assert world.apply(TrimHistory(5, 0, 3, 3)) == ""
    assert [id for id, _, _ in world.told()] == [10, 9, 8, 7, 6, 5], "what is as old as the limit stays"


def test_a_trim_that_makes_no_sense_is_refused_and_stops_nothing(world: World) -> None:
    world.publish("1")
    world.apply(TrimHistory(-1, -1, -1, -1))
    world.publish("2")
    assert len(world.told()) == 2


def test_a_snapshot_brings_history_back(world: World) -> None:
    world.publish("1", description="d")
    world.publish("2")
    world.publish("x", OTHER)
    world.apply(RemoveConfig(*OTHER, "ann", "10.0.0.1"))
    frozen = world.machine.freeze()
    restored = World()
    restored.publish("stale", ("public", "g", "stale"))
    restored.machine.restore(frozen.encode())
    for key in (KEY, OTHER, ("public", "g", "stale")):
        assert restored.told(key) == world.told(key)
    _, (removed, _) = restored.hub.config_history(*OTHER, 0, 10)
    assert (removed.source_user, removed.source_ip, removed.stamped_ms) == ("ann", "10.0.0.1", 4)
    assert restored.machine.freeze().encode() == frozen.encode()
    restored.publish("3")
    assert restored.told()[0][0] == 5, "ids go on"


def test_nodes_that_are_told_the_same_hold_the_same_bytes() -> None:
    """Whoever was restored, and whatever is asked of it meanwhile."""
    one, other = World(), World()
    for number in range(60):
        for world in (one, other):
            key = ("public", "g", f"c{number % 7}")
            if number % 11 == 5:
                world.apply(RemoveConfig(*key))
            elif number % 13 == 12:
                world.apply(TrimHistory(number - 20, 2, 0, 10))
            else:
                world.publish(str(number // 14), key)
        if number % 20 == 19:
            data = other.machine.freeze().encode()
            assert one.machine.freeze().encode() == data
            restored = World()
            restored.machine.restore(data)
            restored.now_ms = other.now_ms
            other = restored
            other.told()


def test_a_page_has_a_limit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HISTORY_PAGE_SIZE_MAX", 2)
    for number in range(5):
        world.publish(str(number))
    bodies: list[bytes] = []
    hub = SimpleNamespace(config_history=world.hub.config_history, reply_http=lambda *reply: bodies.append(reply[-1]))
    parameters = {"dataId": KEY[2], "groupName": KEY[1], "pageSize": "500", "pageNo": "2"}
    request = SimpleNamespace(connection=1, call=1, parameters=parameters)
    list_events(V3, SimpleNamespace(hub=hub), request)  # type: ignore[arg-type]
    page = msgspec.json.decode(bodies[0])["data"]
    assert [item["id"] for item in page["pageItems"]] == ["3", "2"]
    assert page["pagesAvailable"] == 3


def test_history_is_trimmed_now_and_then() -> None:
    retention = Retention()
    now_ms = 1000 * DAY_MS
    old_ms = now_ms - limits.HISTORY_DAYS * DAY_MS
    assert retention.before_ms(now_ms) == old_ms
    assert retention.before_ms(now_ms + limits.HISTORY_TRIM_MS - 1) is None
    assert retention.before_ms(now_ms + limits.HISTORY_TRIM_MS) == old_ms + limits.HISTORY_TRIM_MS
    assert retention.before_ms(now_ms) == old_ms, "the clock was set back"


def test_days_and_count_are_settings(world: World) -> None:
    assert (load({}, {}).config_history_days, load({}, {}).config_history_count) == (30, 10)
    retention = Retention(days=2, keep_count=3)
    assert retention.before_ms(100 * DAY_MS) == 98 * DAY_MS
    for number in range(5):
        world.publish(str(number))
    world.apply(retention.trim(98 * DAY_MS, 0))
    assert [id for id, _, _ in world.told()] == [5, 4, 3]


async def test_a_node_forgets_as_its_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HISTORY_CHECK_SECONDS", 0.02)
    began_ms, days = system_wall_clock(), 0
    surroundings = Surroundings(wall_clock=lambda: began_ms + days * DAY_MS)
    settings = Settings(port=None, data=None, config_history_days=7, config_history_count=2)
    async with run_node(settings, surroundings=surroundings) as node:
        for number in range(5):
            await node.config.publish("a.yaml", str(number))

        def told() -> int:
            return len(node._hub.config_history(*KEY, 0, 10)[1])

        days = 6
        await trio.sleep(0.2)
        assert told() == 5
        days = 8
        with trio.fail_after(5):
            while told() != 2:  # noqa: ASYNC110 - seen from outside
                await trio.sleep(0.02)


class Proposals:
    """What the driver proposes, applied at once, or refused."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.refuse = False
        self.seen: list[Command] = []

    async def apply(self, command: Command) -> Outcome:
        if self.refuse:
            raise NotReady("nobody leads")
        self.seen.append(command)
        return self._world.apply(command)


async def test_only_the_leader_trims_and_only_what_is_old(
    world: World, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    monkeypatch.setattr(limits, "HISTORY_LOOK_COUNT", 4)
    for number in range(20):
        world.publish(str(number))
    writes, leads = Proposals(world), False
    now_ms = 100 * DAY_MS
    async with trio.open_nursery() as nursery:

        async def run() -> None:
            await run_retention(
                hub=world.hub,
                writes=writes,  # type: ignore[arg-type]
                retention=Retention(),
                is_leader=lambda: leads,
                wall_clock=lambda: now_ms,
            )

        nursery.start_soon(run)
        await trio.sleep(60)
        assert not writes.seen
        leads = writes.refuse = True
        await trio.sleep(60)
        assert len(world.told()) == 20
        writes.refuse = False
        now_ms += limits.HISTORY_TRIM_MS
        await trio.sleep(60)
        assert [id for id, _, _ in world.told()] == list(range(20, 10, -1))
        assert len(writes.seen) == 3, "portions of four, of which the last two hold nothing to forget"
        now_ms += limits.HISTORY_TRIM_MS
        await trio.sleep(60)
        assert len(writes.seen) == 3, "nothing is written to the log for nothing"
        nursery.cancel_scope.cancel()
