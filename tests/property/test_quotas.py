"""Counts and quotas of configurations against a model that knows nothing but a dictionary, over any history."""

from __future__ import annotations

from typing import Any

import msgspec
import trio
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from nacos_core import commands
from nacos_core.commands import Command, PublishConfig, RemoveConfig, SetConfigQuota, SetQuotaDefaults
from nacos_core.config import copies
from nacos_core.config.copies import Policy
from nacos_core.errors import AlreadyExists, OverQuota, QuotaLevel
from nacos_core.state_machine import Outcome, StateMachine, read_outcome
from property.sessions import NOW_MS, new_hub

Key = tuple[str, str, str]

namespaces = st.sampled_from(["a", "b"])
groups = st.sampled_from(["G", "H"])
keys = st.tuples(namespaces, groups, st.sampled_from(["1", "2", "3"]))
sizes = st.integers(1, 12)
quotas = st.integers(0, 4)


class Quotas(RuleBasedStateMachine):
    """What is over a quota is refused, and nothing else; usage is what there is."""

    def __init__(self) -> None:
        super().__init__()
        self.hub = new_hub()
        self.machine = StateMachine(self.hub, lambda: NOW_MS)
        self.there: dict[Key, bytes] = {}
        self.own: dict[tuple[str, str], tuple[int, int]] = {}
        self.defaults = (False, 100_000, 200, 100 * 1024)

    def apply(self, *run: Command) -> list[Outcome]:
        raw = self.machine.apply([(1, NOW_MS, msgspec.Raw(commands.encode(command))) for command in run])
        return [read_outcome(outcome) for outcome in raw]

    # --- the model

    def quota(self, namespace: str, group: str) -> tuple[int, int]:
        _, _, count_max, bytes_max = self.defaults
        for at in ((namespace, ""), (namespace, group)):
            count, size = self.own.get(at, (0, 0))
            count_max, bytes_max = count or count_max, size or bytes_max
        return count_max, bytes_max

    def usage(self, namespace: str, group: str) -> int:
        return sum(key[0] == namespace and group in ("", key[1]) for key in self.there)

    def refusal(self, key: Key, content: bytes) -> QuotaLevel | None:
        is_enforced, cluster_max, *_ = self.defaults
        if not is_enforced:
            return None
        namespace, group, _ = key
        if key not in self.there:
            if len(self.there) >= cluster_max:
                return QuotaLevel.CLUSTER
            if self.usage(namespace, "") >= self.quota(namespace, "")[0]:
                return QuotaLevel.NAMESPACE
            if self.usage(namespace, group) >= self.quota(namespace, group)[0]:
                return QuotaLevel.GROUP
        return QuotaLevel.SIZE if len(content) > self.quota(namespace, group)[1] else None

    def expect(self, command: PublishConfig, outcome: Outcome | Any) -> None:
        key = (command.namespace, command.group, command.data_id)
        refusal = self.refusal(key, command.content)
        if command.create_only and key in self.there:
            assert isinstance(outcome, AlreadyExists)
        elif refusal is not None:
            assert isinstance(outcome, OverQuota)
            assert outcome.level is refusal
        else:
            assert isinstance(outcome, str)
            self.there[key] = command.content

    # --- what may happen

    @rule(run=st.lists(st.tuples(keys, sizes, st.booleans()), min_size=1, max_size=6))
    def publish(self, run: list[tuple[Key, int, bool]]) -> None:
        batch = [PublishConfig(*key, b"x" * size, "text", create_only=create) for key, size, create in run]
        for command, outcome in zip(batch, self.apply(*batch), strict=True):
            self.expect(command, outcome)

    @rule(key=keys)
    def remove(self, key: Key) -> None:
        assert self.apply(RemoveConfig(*key)) == [self.there.pop(key, None) is not None]

    @rule(run=st.lists(st.tuples(keys, sizes), min_size=1, max_size=6), policy=st.sampled_from(Policy))
    def clone_or_import(self, run: list[tuple[Key, int]], policy: Policy) -> None:
        expected = []

        async def apply_all(batch: Any, at_once_count: int, *, until_failure: bool = False) -> list[Outcome | Any]:
            results: list[Outcome] = []
            for command in batch:
                results += self.apply(command)
                self.expect(command, results[-1])
                expected.append(isinstance(results[-1], str))
                if until_failure and not expected[-1]:
                    break
            return results

        batch = [PublishConfig(*key, b"x" * size, "text") for key, size in run]
        copied = trio.run(copies.write, batch, policy, apply_all)
        assert copied.succ_count == sum(expected)
        assert copied.succ_count + len(copied.fail_data) + len(copied.skip_data) == len(batch)

    @rule(namespace=namespaces, group=groups | st.just(""), count=st.none() | quotas, size=st.none() | sizes)
    def set_quota(self, namespace: str, group: str, count: int | None, size: int | None) -> None:
        assert self.apply(SetConfigQuota(namespace, group, count, size)) == [None]
        count_before, size_before = self.own.get((namespace, group), (0, 0))
        self.own[namespace, group] = (
            count_before if count is None else count,
            size_before if size is None else size,
        )

    @rule(is_enforced=st.booleans(), cluster=st.integers(1, 6), namespace=st.integers(1, 4), size=sizes)
    def set_defaults(self, is_enforced: bool, cluster: int, namespace: int, size: int) -> None:
        self.defaults = (is_enforced, cluster, namespace, size)
        assert self.apply(SetQuotaDefaults(*self.defaults)) == [None]

    @rule()
    def pass_through_a_snapshot(self) -> None:
        data = self.machine.freeze().encode()
        self.hub = new_hub()
        self.machine = StateMachine(self.hub, lambda: NOW_MS)
        self.machine.restore(data)

    @invariant()
    def counts_are_true(self) -> None:
        assert self.hub.config_count() == len(self.there)
        for namespace in ("a", "b"):
            for group in ("", "G", "H"):
                told = self.hub.config_quota(namespace, group or None)
                assert told == (self.usage(namespace, group), *self.quota(namespace, group))


TestQuotas = Quotas.TestCase
TestQuotas.settings = settings(max_examples=60, stateful_step_count=30)
