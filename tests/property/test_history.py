"""History against a list kept by hand: whatever is done, nodes tell what the list says, also after a restart."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from nacos_core import commands
from nacos_core.commands import Command, PublishConfig, RemoveConfig, TrimHistory
from nacos_core.state_machine import StateMachine, read_outcome
from property.sessions import new_hub

Key = tuple[str, str, str]

keys = st.tuples(st.sampled_from(["public", "other"]), st.just("g"), st.sampled_from(["a", "b"]))
contents = st.sampled_from(["1", "2", "3"])
users = st.none() | st.sampled_from(["ann", "bob"])
PER_KEY_MAX = 1000


@dataclass
class Told:
    """One event as the list has it."""

    id: int
    key: Key
    operation: str
    content: str
    description: str | None
    user: str | None
    at_ms: int


@dataclass
class Twin:
    """Plain data, and the rules as their words say them."""

    configs: dict[Key, tuple[str, str | None, int]] = field(default_factory=dict)
    events: list[Told] = field(default_factory=list)
    last_id: int = 0

    def tell(self, key: Key, operation: str, content: str, description: str | None, user: str | None, at: int) -> None:
        self.last_id += 1
        self.events.append(Told(self.last_id, key, operation, content, description, user, at))

    def publish(self, key: Key, content: str, description: str | None, user: str | None, at_ms: int) -> None:
        before = self.configs.get(key)
        if before is None:
            self.tell(key, "I", content, description, user, at_ms)
        elif before[:2] != (content, description):
            self.tell(key, "U", *before[:2], user, at_ms)
        self.configs[key] = (content, description, before[2] if before is not None else self.last_id)

    def remove(self, key: Key, user: str | None, at_ms: int) -> None:
        if key in self.configs:
            content, description, _ = self.configs.pop(key)
            self.tell(key, "D", content, description, user, at_ms)

    def trim(self, before_ms: int, keep_count: int, after_id: int, look_count: int) -> str:
        looked_at = [event for event in self.events if event.id > after_id][:look_count]
        old = [event for event in looked_at if event.at_ms < before_ms]
        for event in old:
            newer = [other for other in self.events if other.key == event.key and other.id > event.id]
            if len(newer) >= keep_count or event.key not in self.configs:
                self.events.remove(event)
        goes_on = len(old) == look_count
        return str(looked_at[-1].id) if goes_on and looked_at else ""

    def before(self, key: Key, id: int) -> int | None:
        ids = [event.id for event in self.events if event.key == key]
        if ids and key in self.configs and self.configs[key][2] == id:
            return ids[-1]
        older = [each for each in ids if each < id]
        return older[-1] if id in ids and older else None


class History(RuleBasedStateMachine):
    """The same commands for both; the stores go through snapshots."""

    def __init__(self) -> None:
        super().__init__()
        self.hub = new_hub()
        self.machine = StateMachine(self.hub, lambda: 1)
        self.twin = Twin()
        self.now_ms = 0

    def apply(self, command: Command) -> object:
        (raw,) = self.machine.apply([(1, self.now_ms, msgspec.Raw(commands.encode(command)))])
        return read_outcome(raw)

    @rule(key=keys, content=contents, description=users, user=users, pause_ms=st.integers(0, 2))
    def publish(self, key: Key, content: str, description: str | None, user: str | None, pause_ms: int) -> None:
        self.now_ms += pause_ms
        self.apply(PublishConfig(*key, content.encode(), "text", description=description, source_user=user))
        self.twin.publish(key, content, description, user, self.now_ms)

    @rule(key=keys, user=users)
    def remove(self, key: Key, user: str | None) -> None:
        assert self.apply(RemoveConfig(*key, user)) is (key in self.twin.configs)
        self.twin.remove(key, user, self.now_ms)

    @rule(age_ms=st.integers(-1, 10), keep_count=st.integers(0, 3), after_id=st.integers(0, 20), look=st.integers(1, 9))
    def trim(self, age_ms: int, keep_count: int, after_id: int, look: int) -> None:
        command = TrimHistory(max(0, self.now_ms - age_ms), keep_count, after_id, look)
        foreseen = self.hub.old_history(command.before_ms, keep_count, after_id, look)
        count = len(self.twin.events)
        outcome = self.twin.trim(command.before_ms, keep_count, after_id, look)
        assert self.apply(command) == outcome
        assert foreseen == (count - len(self.twin.events), int(outcome or 0))

    @rule()
    def pass_through_a_snapshot(self) -> None:
        data = self.machine.freeze().encode()
        self.hub = new_hub()
        self.machine = StateMachine(self.hub, lambda: 1)
        self.machine.restore(data)
        assert self.machine.freeze().encode() == data

    @invariant()
    def tells_what_the_list_says(self) -> None:
        assert self.hub.history_size()[0] == len(self.twin.events)
        for namespace in ("public", "other"):
            count = sum(key[0] == namespace for key in self.twin.configs)
            assert self.hub.config_count(namespace) == count
            for data_id in ("a", "b"):
                key = (namespace, "g", data_id)
                count, events = self.hub.config_history(*key, 0, PER_KEY_MAX)
                told = [
                    Told(
                        event.id,
                        (event.namespace, event.group, event.data_id),
                        event.operation,
                        event.config.content.decode(),
                        event.config.description,
                        event.source_user,
                        event.stamped_ms,
                    )
                    for event in reversed(events)
                ]
                assert told == [event for event in self.twin.events if event.key == key]
                assert count == len(told)

    @invariant()
    def finds_each_and_the_one_before(self) -> None:
        for event in self.twin.events:
            found = self.hub.history_event(event.id)
            assert found is not None
            assert found.id == event.id
            assert found.stamped_ms == event.at_ms
        assert self.hub.history_event(self.twin.last_id + 1) is None
        for key in {event.key for event in self.twin.events}:
            for id in range(self.twin.last_id + 2):
                before = self.hub.history_event_before(*key, id)
                assert (before.id if before is not None else None) == self.twin.before(key, id)


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=40, stateful_step_count=30)
