"""What the commands of simulated clients mean, said once more: what each must come to when the log has come to it."""

import hashlib
from collections.abc import Mapping
from typing import Final, NamedTuple, TypeVar

from nacos_core.commands import (
    AcquireLock,
    Command,
    ExpireLocks,
    PromoteGray,
    PublishConfig,
    PublishGray,
    ReleaseLock,
    RemoveConfig,
    RemoveGray,
    SetConfigQuota,
    SetQuotaDefaults,
)
from nacos_core.state_machine import RawOutcome

Key = TypeVar("Key")
Thing = TypeVar("Thing")

PUBLIC: Final = "public"
PLACES: Final = 10_000
"""Of the clients of a configuration, whatever their addresses: a release for so many percent takes a share of them."""


Name = tuple[str, str]
"""Of a configuration: namespace and data id."""


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

    values: Mapping[Name, int] = {}
    """Of each configuration what all get for whom there is no release."""
    releases: Mapping[Name, Mapping[str, Release]] = {}
    """Of each configuration, by name."""
    locks: Mapping[str, Held] = {}
    quotas: Mapping[str, int] = {}
    """Of namespaces that have one of their own; that of the others is never reached here."""
    is_quota_enforced: bool = False

    def read(self, key: str, group: str, ip: str) -> int:
        """What a client at that address gets; 0: nothing."""
        name = (PUBLIC, key)
        tried = sorted(self.releases.get(name, {}).items(), key=lambda named: (-named[1].priority, named[0]))
        return next((release.value for _, release in tried if release.takes(key, group, ip)), self.values.get(name, 0))


def apply(state: State, index: int, stamped_ms: int, command: Command) -> tuple[State, Expected]:
    """Gives what a command makes of a state, and what must come of it at every node."""
    match command:
        case PublishConfig():
            return _publish(state, command)
        case RemoveConfig(namespace, _, data_id):
            return state._replace(values=_without(state.values, (namespace, data_id))), (
                (namespace, data_id) in state.values
            )
        case SetQuotaDefaults():
            return state._replace(is_quota_enforced=command.is_enforced), None
        case SetConfigQuota(namespace=namespace, count_max=int(count_max)):
            return state._replace(quotas={**state.quotas, namespace: count_max}), None
        case PublishGray() | RemoveGray() | PromoteGray():
            return _change_release(state, command)
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
    name, value = (command.namespace, command.data_id), int(command.content)
    is_there = name in state.values
    is_expected = not command.cas_md5 or (is_there and md5_of(state.values[name]) == command.cas_md5)
    has_room = is_there or _has_room(state, command.namespace)
    if (command.create_only and is_there) or not is_expected or not has_room:
        return state, REFUSED
    return state._replace(values={**state.values, name: value}), md5_of(value)


def _has_room(state: State, namespace: str) -> bool:
    """Whether there may be one configuration more (docs/quotas.md)."""
    if not state.is_quota_enforced or namespace not in state.quotas:
        return True
    return sum(name[0] == namespace for name in state.values) < state.quotas[namespace]


def _change_release(state: State, command: PublishGray | RemoveGray | PromoteGray) -> tuple[State, Expected]:
    name = (command.namespace, command.data_id)
    releases = state.releases.get(name, {})
    known = releases.get(command.name)
    match command:
        case PublishGray():
            release = Release(command.priority, command.kind, command.rule, int(command.content))
            return _with_releases(state, name, {**releases, command.name: release}), md5_of(release.value)
        case RemoveGray():
            return _with_releases(state, name, _without(releases, command.name)), known is not None
        case PromoteGray():
            if known is None:
                return state, REFUSED
            rest = _with_releases(state, name, _without(releases, command.name))
            return rest._replace(values={**state.values, name: known.value}), md5_of(known.value)


def _is_held(state: State, key: str, stamped_ms: int) -> bool:
    return key in state.locks and stamped_ms < state.locks[key].until_ms


def _without(things: Mapping[Key, Thing], key: Key) -> Mapping[Key, Thing]:
    return {other: thing for other, thing in things.items() if other != key}


def _with_releases(state: State, name: Name, releases: Mapping[str, Release]) -> State:
    return state._replace(releases={**state.releases, name: releases})


def md5_of(value: int) -> str:
    """As clients are told it."""
    return hashlib.md5(str(value).encode(), usedforsecurity=False).hexdigest()
