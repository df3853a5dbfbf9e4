"""Whole nodes with one rule left out, again and again: sessions that count wrongly, and locks that are no locks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from nacos_core import limits
from nacos_core.commands import AcquireLock, PromoteGray, PublishGray, RemoveGray
from nacos_core.commands import decode as decode_command
from nacos_core.config import gray
from nacos_core.config.quotas import Quotas
from nacos_core.locks.state import Locks
from nacos_core.raft.replica import Replica
from nacos_core.raft.sessions import Sessions
from nacos_core.raft.writes import Writes
from nacos_core.simulation.clients import ClientProfile
from nacos_core.simulation.disks import DiskProfile
from nacos_core.simulation.faults import FaultProfile
from nacos_core.simulation.links import LinkProfile
from nacos_core.simulation.node import NodeProfile
from nacos_core.simulation.nodes import NodesSimulation
from nacos_core.simulation.world import Profile
from nacos_core.state_machine import StateMachine, read_outcome
from simulation import mutants

if TYPE_CHECKING:
    import pytest

Patch = Callable[["pytest.MonkeyPatch"], None]

# --- worlds in which mistakes show soon -------------------------------------------------------------------------------


def usual(seed: int) -> NodesSimulation:
    """What the seed draws."""
    return NodesSimulation(seed, seconds=12.0)


def restless(seed: int) -> NodesSimulation:
    """Leaders go all the time, so that everything is sent again; logs are short, so that much comes by snapshots."""
    kinds = ("transfer", "kill", "isolation", "one-way cut", "power cut", "clean stop", "lossy links")
    return _world(seed, kinds, snapshot_log_bytes=512)


def returning(seed: int) -> NodesSimulation:
    """Members are removed and come back all the time, over links that are slow."""
    kinds = ("returned node", "slow link", "transfer")
    return _world(seed, kinds, snapshot_log_bytes=1 << 20)


def clocks(seed: int) -> NodesSimulation:
    """No two clocks show the same, and leaders change."""
    return _world(seed, ("clock jump", "transfer", "kill"), snapshot_log_bytes=1 << 20)


def _world(seed: int, kinds: tuple[str, ...], *, snapshot_log_bytes: int) -> NodesSimulation:
    profile = Profile(
        links=LinkProfile(0.001, 0.01),
        node=NodeProfile(
            disk=DiskProfile(0.0002, 0.005), snapshot_log_bytes=snapshot_log_bytes, trailing_entries_count=0
        ),
        clients=ClientProfile(clients_count=8, pause_seconds=0.1),
        faults=FaultProfile(pause_seconds=0.25, lasting_seconds=2.0, kinds=kinds),
    )
    return NodesSimulation(seed, seconds=8.0, profile=profile)


# --- sessions ---------------------------------------------------------------------------------------------------------


def remember_one_result(patch: pytest.MonkeyPatch) -> None:
    """Of each origin only the last request is known to have been applied."""
    original = Sessions.remember

    def forgetful(self: Sessions, request: Any, outcome: Any) -> None:
        original(self, request, outcome)
        results = self.results(request.origin_id, request.boot)
        for sequence in [known for known in results if known != request.sequence]:
            del results[sequence]

    patch.setattr(Sessions, "remember", forgetful)


def forget_removed_members(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(limits, "REMOVED_MEMBERS_SESSIONS_COUNT_MAX", 0)


def forget_all_at_a_change_of_members(patch: pytest.MonkeyPatch) -> None:
    original = Sessions.members_are

    def forgetful(self: Sessions, member_ids: tuple[str, ...]) -> None:
        self._by_origin.clear()
        original(self, member_ids)

    patch.setattr(Sessions, "members_are", forgetful)


def count_all_origins_as_one(patch: pytest.MonkeyPatch) -> None:
    original = Sessions.begin

    def mixing(self: Sessions, request: Any) -> Any:
        verdict = original(self, request)
        for session in self._by_origin.values():
            if session.boot == request.boot:
                session.results.setdefault(request.sequence, None)
        return verdict

    patch.setattr(Sessions, "begin", mixing)


def number_anew_when_sent_again(patch: pytest.MonkeyPatch) -> None:
    """No two entries have the same number then, and a write is in the log twice."""
    original = Writes.send_all_again

    def renumber(self: Writes) -> None:
        writes, self._open = list(self._open.values()), {}
        for write in writes:
            self._open[self._next_sequence] = write
            self._next_sequence += 1
        original(self)

    patch.setattr(Writes, "send_all_again", renumber)


def tell_refused_writes_that_they_wrote(patch: pytest.MonkeyPatch) -> None:
    original = read_outcome
    patch.setattr("nacos_core.drivers.raft.read_outcome", lambda raw: "" if isinstance(raw, list) else original(raw))


# --- locks ------------------------------------------------------------------------------------------------------------


def acquire_what_is_held(patch: pytest.MonkeyPatch) -> None:
    original = Locks.acquire

    def generous(self: Locks, key: str, token: int, now_ms: int, held_ms: int) -> int:
        self.release(key, now_ms)
        return original(self, key, token, now_ms, held_ms)

    patch.setattr(Locks, "acquire", generous)


def count_tokens_by_lock(patch: pytest.MonkeyPatch) -> None:
    """A lock that was dropped begins with 1 again."""
    original = Locks.acquire

    def acquire(self: Locks, key: str, token: int, now_ms: int, held_ms: int) -> int:
        before = self._by_key.get(key)
        return original(self, key, 1 if before is None else before.token + 1, now_ms, held_ms)

    patch.setattr(Locks, "acquire", acquire)


def release_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Locks, "release", lambda self, key, now_ms: self.holder(key, now_ms) is not None)


def drop_what_is_not_over(patch: pytest.MonkeyPatch) -> None:
    """A second too early, which is what a clock that is ahead would do."""
    original = Locks.expire
    patch.setattr(Locks, "expire", lambda self, now_ms, count_max: original(self, now_ms + 1000, count_max))


def expire_by_the_own_clock(patch: pytest.MonkeyPatch) -> None:
    """Each node drops what is over by its own clock, without the log."""

    async def run(*, locks: Locks, wall_clock: Callable[[], int], **_: Any) -> None:
        while True:
            await trio.sleep(limits.LOCK_EXPIRY_SECONDS)
            locks.expire(wall_clock(), limits.LOCKS_EXPIRED_COUNT)

    patch.setattr("nacos_core.node.run_lock_expiry", run)


def hold_by_the_own_clock(patch: pytest.MonkeyPatch) -> None:
    """Whether a lock is free is asked of the clock of the node that applies, not of the stamp."""
    original = StateMachine._apply

    def apply(self: StateMachine, index: int, stamped_ms: int, command: Any) -> Any:
        now_ms = self._wall_clock() if isinstance(command, AcquireLock) else stamped_ms
        return original(self, index, now_ms, command)

    patch.setattr(StateMachine, "_apply", apply)


def never_expire(patch: pytest.MonkeyPatch) -> None:
    async def run(**_: Any) -> None:
        await trio.sleep_forever()

    patch.setattr("nacos_core.node.run_lock_expiry", run)


def locks_missing_in_snapshots(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Locks, "__iter__", lambda self: iter(()))


def acknowledge_locks_before_they_are_committed(patch: pytest.MonkeyPatch) -> None:
    """A leader takes what it has appended for what will be applied, where the lock is free as far as it knows."""
    original = Replica._append

    def hasty(self: Replica, now: float) -> None:
        unsent, index = list(self._writes._unsent), self._log.last_index
        original(self, now)
        locks = self._state_machine._state_machine.locks  # type: ignore[attr-defined]
        for position, sequence in enumerate(unsent, start=1):
            write = self._writes._open.get(sequence)
            command = None if write is None else decode_command(write.command)
            if isinstance(command, AcquireLock) and locks.holder(command.key, self._wall_clock()) is None:
                self._writes.applied(sequence, index + position)

    patch.setattr(Replica, "_append", hasty)


# --- gray releases ----------------------------------------------------------------------------------------------------


def keep_what_is_promoted(patch: pytest.MonkeyPatch) -> None:
    """It is published to all, and stays for some."""
    original = gray.apply

    def apply(hub: Any, now_ms: int, command: Any) -> Any:
        kept = hub.grays(command.namespace, command.group, command.data_id)
        outcome = original(hub, now_ms, command)
        for view in kept if isinstance(command, PromoteGray) else ():
            terms = (view.name, view.priority, view.kind, view.rule)
            key = (command.namespace, command.group, command.data_id)
            original(hub, now_ms, PublishGray(*key, *terms, view.config.content, view.config.type))
        return outcome

    patch.setattr(gray, "apply", apply)


def remove_no_release(patch: pytest.MonkeyPatch) -> None:
    original = gray.apply

    def apply(hub: Any, now_ms: int, command: Any) -> Any:
        if isinstance(command, RemoveGray):
            views = hub.grays(command.namespace, command.group, command.data_id)
            return any(view.name == command.name for view in views)
        return original(hub, now_ms, command)

    patch.setattr(gray, "apply", apply)


def release_to_all(patch: pytest.MonkeyPatch) -> None:
    original = gray.apply

    def apply(hub: Any, now_ms: int, command: Any) -> Any:
        if isinstance(command, PublishGray) and command.kind == "percent":
            command = msgspec.structs.replace(command, rule="100")
        return original(hub, now_ms, command)

    patch.setattr(gray, "apply", apply)


# --- quotas -----------------------------------------------------------------------------------------------------------


def quotas_missing_in_snapshots(patch: pytest.MonkeyPatch) -> None:
    original = Quotas.replace
    patch.setattr(Quotas, "replace", lambda self, defaults, quotas: original(self, defaults, []))


def keep_the_first_quota(patch: pytest.MonkeyPatch) -> None:
    original = Quotas.set

    def stubborn(self: Quotas, command: Any) -> None:
        if not list(self):
            original(self, command)

    patch.setattr(Quotas, "set", stubborn)


# --- the list ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mutant:
    """A patch, where its mistake shows, and which rules may be the ones that find it."""

    patch: Patch
    world: Callable[[int], NodesSimulation]
    rules: tuple[str, ...]
    seeds_count: int = 4
    """Within so many seeds."""

    @property
    def name(self) -> str:
        return self.patch.__name__


LOCKS = "Locks Are As The Log Says"
RELEASES = ("Releases Are As The Log Says", "State Machine Safety")

MUTANTS = [
    # Sessions
    Mutant(mutants.apply_what_was_applied, restless, ("Applied Once",)),
    Mutant(mutants.sessions_missing_in_snapshots, restless, ("Applied Once",)),
    Mutant(mutants.sessions_of_earlier_boots, restless, ("Nothing Is Left Out", "Applied Once")),
    Mutant(mutants.forget_open_writes, restless, ("Heals",)),
    Mutant(remember_one_result, restless, ("Applied Once",)),
    Mutant(forget_removed_members, returning, ("Applied Once",)),
    Mutant(forget_all_at_a_change_of_members, returning, ("Applied Once",)),
    Mutant(count_all_origins_as_one, restless, ("Nothing Is Left Out", "Applied Once")),
    Mutant(number_anew_when_sent_again, restless, ("Asked For Once",)),
    Mutant(tell_refused_writes_that_they_wrote, restless, ("Acknowledged Stays",)),
    # Locks
    Mutant(acquire_what_is_held, usual, ("Mutual Exclusion",)),
    Mutant(count_tokens_by_lock, usual, ("Tokens Are Indexes",)),
    Mutant(release_nothing, usual, ("Free Locks Are Given", "Only What Is Over Expires", LOCKS)),
    Mutant(drop_what_is_not_over, usual, ("Only What Is Over Expires", LOCKS)),
    Mutant(expire_by_the_own_clock, clocks, ("Mutual Exclusion", LOCKS)),
    Mutant(hold_by_the_own_clock, clocks, ("Mutual Exclusion", LOCKS)),
    Mutant(never_expire, usual, ("Heals",)),
    Mutant(locks_missing_in_snapshots, restless, ("Mutual Exclusion", LOCKS)),
    Mutant(acknowledge_locks_before_they_are_committed, restless, ("Acknowledged Stays",)),
    # Quotas
    Mutant(quotas_missing_in_snapshots, restless, ("State Machine Safety",)),
    Mutant(keep_the_first_quota, clocks, ("State Machine Safety",)),
    # Gray releases
    Mutant(keep_what_is_promoted, clocks, RELEASES),
    Mutant(remove_no_release, clocks, RELEASES),
    Mutant(release_to_all, clocks, RELEASES),
]
