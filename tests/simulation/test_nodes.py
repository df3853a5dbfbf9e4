"""A bounded slice of what `python -m nacos_core simulate --level b --seeds` plays: real nodes, and a seed is a seed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import trio
from trio._core import _run

from nacos_core.simulation.faults import FaultProfile
from nacos_core.simulation.links import LinkProfile
from nacos_core.simulation.nodes import NodesSimulation, healing, scheduling, world
from nacos_core.simulation.nodes.grays import GrayClients
from nacos_core.simulation.nodes.ledger import Ledger
from nacos_core.simulation.timeline import Trace
from nacos_core.simulation.world import Profile
from simulation import nodes_mutants

if TYPE_CHECKING:
    from nacos_core.simulation.nodes.cluster import NodesCluster
    from nacos_core.simulation.world import Report
    from simulation.conftest import Judge

SEEDS = range(1, 5)
LEADERS_GO = (
    "kill",
    "power cut",
    "clean stop",
    "transfer",
    "isolation",
    "split",
    "one-way cut",
    "stall",
    "lossy links",
)
MEMBERS_GO = ("new node", "removed node", "returned node", "lost disk", "failed sync", "slow disk")


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_found(seed: int) -> None:
    report = NodesSimulation(seed).run()
    assert not report.failure, f"python -m nacos_core simulate --level b --seed {seed}\n{report.details}"
    assert sum(report.faults.values()) >= 3
    assert report.calls_count >= 100
    assert report.answered_count > report.calls_count / 2
    assert report.elections_count >= 1


def test_one_seed_is_one_trace_in_any_process() -> None:
    """Byte for byte, whatever order sets and hashes have there; the trace has a checksum of all bytes sent."""
    outputs = set()
    for hash_seed in ("0", "1", "424242"):
        command = [sys.executable, "-m", "nacos_core", "simulate", "--level", "b", "--seed", "7", "--minutes", "0.1"]
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        played = subprocess.run([*command, "--trace"], env=environment, capture_output=True, timeout=60, check=True)
        outputs.add(played.stdout)
    (output,) = outputs
    assert output.count(b"\n") > 1000
    assert b"RequestVote" in output


def play_with_true_clocks(seed: int) -> Report:
    """The judge knows when the time of a lock is over only if all clocks show the same."""
    simulation = NodesSimulation(seed, seconds=10.0)
    simulation.profile = replace(simulation.profile, faults=FaultProfile(kinds=LEADERS_GO + MEMBERS_GO))
    return simulation.run()


def test_histories_are_linearizable(judge: Judge) -> None:
    histories = [play_with_true_clocks(seed).history for seed in range(1, 4)]
    assert judge(histories) == ["linearizable"] * len(histories)
    assert all(len(history.calls) > 30 for history in histories)
    assert all(sum(call.kind == "acquire" for call in history.calls) > 15 for history in histories)


async def trust(*_: object) -> bool:
    await trio.lowlevel.checkpoint()
    return True


@pytest.mark.parametrize("mutant", ["acquire_what_is_held", "count_tokens_by_lock", "release_nothing"])
def test_the_judge_finds_wrong_locks_by_itself(mutant: str, judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the log says is kept from judging."""
    monkeypatch.setattr(Ledger, "stepped", lambda self, process, lock_keys: None)
    monkeypatch.setattr(healing, "check_history", lambda history, ledger: None)
    monkeypatch.setattr(healing, "check_locks", lambda history, ledger: None)
    monkeypatch.setattr(GrayClients, "read_all", trust)
    monkeypatch.setattr(GrayClients, "run", trust)
    getattr(nodes_mutants, mutant)(monkeypatch)
    (verdict,) = judge([play_with_true_clocks(1).history])
    assert verdict.startswith("not linearizable: ")


def test_tracing_changes_nothing_and_another_seed_is_another_trace() -> None:
    traced = {seed: NodesSimulation(seed, seconds=2.0, trace=Trace()).run() for seed in (1, 2)}
    assert traced[1].digest != traced[2].digest
    untraced = NodesSimulation(1, seconds=2.0).run()
    assert traced[1].events_count == untraced.events_count
    assert traced[1].history.lines() == untraced.history.lines()


def test_trio_still_offers_what_determinism_needs_and_gets_it_back() -> None:
    before = (getattr(_run, scheduling.SWITCH), getattr(_run, scheduling.CHANCE))
    orders: set[tuple[int, ...]] = set()

    def play() -> tuple[int, ...]:
        order: list[int] = []

        async def note(number: int) -> None:
            for _ in range(3):
                await trio.sleep(1)
                order.append(number)

        async def main() -> None:
            async with trio.open_nursery() as nursery:
                for number in range(10):
                    nursery.start_soon(note, number)

        scheduling.run(main, random.Random(1), trio.abc.Instrument())
        return tuple(order)

    orders = {play() for _ in range(10)}
    assert len(orders) == 1
    assert (getattr(_run, scheduling.SWITCH), getattr(_run, scheduling.CHANCE)) == before


class LostOffice:
    """In place of faults: a leader that has just been cut off takes a node in."""

    def __init__(self, cluster: NodesCluster, profile: FaultProfile) -> None:
        self.counts: dict[str, int] = {}
        self._cluster = cluster
        cluster.timeline.after(2.0, self._take_in)

    def _take_in(self) -> None:
        cluster = self._cluster
        leader = cluster.leader()
        assert leader is not None
        others = [node_id for node_id in cluster.hosts if node_id != leader.node_id]
        for node_id in others:
            cluster.links.cut(leader.node_id, node_id)
            cluster.links.cut(node_id, leader.node_id)
        cluster.grow(is_learner=False)
        cluster.hosts["n4"]._join = leader.host.address
        cluster.timeline.after(2.0, self._look)

    def _look(self) -> None:
        cluster = self._cluster
        new, configuration = cluster.hosts["n4"].process, cluster.configuration()
        assert new is not None
        assert configuration is not None
        if new.log.last_index and configuration.find("n4") is None:
            self.counts["taken in by nobody"] = 1
        cluster.links.be_kind()

    def stop(self) -> None:
        pass


def test_who_was_taken_in_by_a_leader_that_lost_its_office_becomes_a_member(monkeypatch: pytest.MonkeyPatch) -> None:
    """It had a part of the log, and so it waited for the leader; but no leader knew it (seed 276)."""
    monkeypatch.setattr(world, "NodesFaults", LostOffice)
    profile = Profile(links=LinkProfile(0.0002, 0.0005))
    report = NodesSimulation(1, nodes_count=3, seconds=6.0, profile=profile).run()
    assert report.faults == {"taken in by nobody": 1}
    assert not report.failure, report.details


def found_within(seeds: int, rules: set[str]) -> None:
    """The simulator must be able to fail."""
    found = ""
    for seed in range(1, seeds + 1):
        found = NodesSimulation(seed).run().rule
        if found:
            break
    assert found in rules


def test_a_node_that_acknowledges_before_the_sync_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from nacos_core.raft.replica import Replica

    def send(self: Replica, send: object) -> None:
        self._outbox.append((send.to, send.message))  # type: ignore[attr-defined]

    monkeypatch.setattr(Replica, "_send", send)
    found_within(8, {"Durable Term", "Durable Vote", "Durable Entries", "One Vote a Term", "Committed Is Durable"})
