"""What the commands of simulated clients mean, said once more: what each must come to when the log has come to it."""

import hashlib
from collections.abc import Mapping
from typing import Final, NamedTuple

from nacos_core.commands import (
    AcquireLock,
    Command,
    ExpireLocks,
    PromoteGray,
    PublishConfig,
    PublishGray,
    ReleaseLock,
    RemoveGray,
)
from nacos_core.state_machine import RawOutcome

PLACES: Final = 10_000
"""Of the clients of a configuration, whatever their addresses: a release for so many percent takes a share of them."""


class Held(NamedTuple):
    """A lock that somebody has. Its time is over with the first command that is stamped ``until_ms`` or later."""

    token: int
    until_ms: int


class Release(NamedTuple):
    """A version for some clients."""

    priority: int
    kind: str
    rule: str
    value: int

    def takes(self, key: str, group: str, ip: str) -> bool:
        """Whether it is for who reads from that address (docs/gray.md)."""
        if self.kind == "beta":
            return ip in self.rule.split(",")
        name = "\x02".join((key, group, ip)).encode()
        place = int.from_bytes(hashlib.md5(name, usedforsecurity=False).digest()[:8]) % PLACES
        return self.kind == "percent" and place < float(self.rule) / 100 * PLACES


class Unsaid:
    """An outcome of which nothing is known beforehand."""


UNSAID: Final = Unsaid()
REFUSED: Final = ("refused",)
"""It changes nothing; in which words that is said is not looked at."""

Expected = RawOutcome | Unsaid | tuple[str, ...]


class State(NamedTuple):
    """What commands have come to. Never changed: another one comes in its place."""

    values: Mapping[str, int] = {}
    """Of each configuration what all get for whom there is no release."""
    releases: Mapping[str, Mapping[str, Release]] = {}
    """Of each configuration, by name."""
    locks: Mapping[str, Held] = {}

    def read(self, key: str, group: str, ip: str) -> int:
        """What a client at that address gets; 0: nothing."""
        tried = sorted(self.releases.get(key, {}).items(), key=lambda named: (-named[1].priority, named[0]))
        return next((release.value for _, release in tried if release.takes(key, group, ip)), self.values.get(key, 0))


def apply(state: State, index: int, stamped_ms: int, command: Command) -> tuple[State, Expected]:
    """Gives what a command makes of a state, and what must come of it at every node."""
    match command:
        case PublishConfig():
            return _publish(state, command)
        case PublishGray(data_id=key, name=name):
            release = Release(command.priority, command.kind, command.rule, int(command.content))
            return _with_releases(state, key, {**state.releases.get(key, {}), name: release}), md5_of(release.value)
        case RemoveGray(data_id=key, name=name):
            return _without_release(state, key, name), name in state.releases.get(key, {})
        case PromoteGray(data_id=key, name=name):
            promoted = state.releases.get(key, {}).get(name)
            if promoted is None:
                return state, REFUSED
            rest = _without_release(state, key, name)
            return rest._replace(values={**state.values, key: promoted.value}), md5_of(promoted.value)
        case AcquireLock(key, held_ms):
            if _is_held(state, key, stamped_ms):
                return state, 0
            return state._replace(locks={**state.locks, key: Held(index, stamped_ms + held_ms)}), index
        case ReleaseLock(key):
            return state._replace(locks=_without(state.locks, key)), _is_held(state, key, stamped_ms)
        case ExpireLocks():
            left = {key: held for key, held in state.locks.items() if stamped_ms < held.until_ms}
            return state._replace(locks=left), len(state.locks) - len(left)
        case _:
            return state, UNSAID


def _publish(state: State, command: PublishConfig) -> tuple[State, Expected]:
    key, value = command.data_id, int(command.content)
    is_there = key in state.values
    is_expected = not command.cas_md5 or (is_there and md5_of(state.values[key]) == command.cas_md5)
    if (command.create_only and is_there) or not is_expected:
        return state, REFUSED
    return state._replace(values={**state.values, key: value}), md5_of(value)


def _is_held(state: State, key: str, stamped_ms: int) -> bool:
    return key in state.locks and stamped_ms < state.locks[key].until_ms


def _without(locks: Mapping[str, Held], key: str) -> Mapping[str, Held]:
    return {other: held for other, held in locks.items() if other != key}


def _without_release(state: State, key: str, name: str) -> State:
    kept = {other: release for other, release in state.releases.get(key, {}).items() if other != name}
    return _with_releases(state, key, kept)


def _with_releases(state: State, key: str, releases: Mapping[str, Release]) -> State:
    return state._replace(releases={**state.releases, key: releases})


def md5_of(value: int) -> str:
    """As clients are told it."""
    return hashlib.md5(str(value).encode(), usedforsecurity=False).hexdigest()
