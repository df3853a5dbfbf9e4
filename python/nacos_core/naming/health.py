"""When persistent instances are checked, and when that changes their health (protocol/semantics.md section 3).

The time to the next check follows how long the last ones took; the first is at a random time, so that those of a node
that starts do not come all at once. Health flips after some results in a row that are all alike, or at once where a
result leaves no doubt, as a refused connection does.
"""

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

import msgspec

from nacos_core import limits
from nacos_core.naming.changes import HealthChecker, InstanceName
from nacos_core.naming.switches import HealthPace, Switches

Key: TypeAlias = tuple[str, str, str, str, int, str]
"""Namespace, group, service, ip, port, cluster."""


class Verdict(Enum):
    """What one check found."""

    PASSED = "passed"
    FAILED = "failed"
    FAILED_SURELY = "failed surely"
    """Once is enough."""


class Target(msgspec.Struct, frozen=True, rename="camel"):
    """A persistent instance as the core has it, and how it is to be checked."""

    namespace_id: str
    group_name: str
    service_name: str
    ip: str
    port: int
    cluster_name: str
    healthy: bool
    check_port: int
    health_checker: HealthChecker

    @property
    def key(self) -> Key:
        """What names it."""
        return self.namespace_id, self.group_name, self.service_name, self.ip, self.port, self.cluster_name

    @property
    def service(self) -> tuple[str, str, str]:
        """Namespace, group and name."""
        return self.namespace_id, self.group_name, self.service_name

    @property
    def name(self) -> InstanceName:
        """As changes name it."""
        return InstanceName(self.ip, self.port, self.cluster_name)


@dataclass(slots=True, eq=False)
class Watched:
    """One instance that this node checks."""

    target: Target
    round: int
    interval_ms: float
    is_passing: bool
    alike: int = 0
    """How many results in a row were like the last one."""


_read_targets = msgspec.json.Decoder(list[Target]).decode
_FIRST_MS: Final = (2000.0, 7000.0)
_FLIPS_AT_ONCE: Final = 1 << 30


class HealthSchedule:
    """All instances that this node checks.

    Args:
        chance: a number from 0 up to 1.
    """

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self._watched: dict[Key, Watched] = {}
        self._due: list[tuple[float, int, Watched]] = []
        self._sequence = 0
        self._round = 0

    def __len__(self) -> int:
        return len(self._watched)

    def saw(self, targets: Iterable[Target], now: float) -> None:
        """These are to be checked, as far as this round of looking knows."""
        for target in targets:
            watched = self._watched.get(target.key)
            if watched is None:
                lowest, highest = _FIRST_MS
                first_ms = lowest + (highest - lowest) * self._chance()
                watched = Watched(target, self._round, first_ms, target.healthy)
                self._watched[target.key] = watched
                self._schedule(watched, now)
            else:
                watched.target, watched.round = target, self._round

    def end_round(self) -> None:
        """All were looked at: what was not seen is no concern of this node any more."""
        gone = [key for key, watched in self._watched.items() if watched.round != self._round]
        for key in gone:
            del self._watched[key]
        self._round += 1

    def due(self, now: float, count: int) -> list[Watched]:
        """At most ``count`` of those to check now. Each comes back only after ``checked`` or ``skipped``."""
        found: list[Watched] = []
        while self._due and self._due[0][0] <= now and len(found) < count:
            watched = heapq.heappop(self._due)[2]
            if self._watched.get(watched.target.key) is watched:
                found.append(watched)
        return found

    def next_due(self) -> float:
        """When ``due`` has something to say; infinite if never."""
        return self._due[0][0] if self._due else float("inf")

    def skipped(self, watched: Watched, now: float) -> None:
        """It was not checked, and comes again after the same time."""
        self._schedule(watched, now)

    def checked(
        self, watched: Watched, verdict: Verdict, took_ms: float, switches: Switches, now: float
    ) -> bool | None:
        """Takes in a result. Gives the health that the instance is to have; None: it has it, or it is too soon."""
        pace = pace_of(watched.target.health_checker, switches)
        smooth = pace.factor * watched.interval_ms + (1 - pace.factor) * took_ms
        watched.interval_ms = min(max(smooth, pace.min_ms), pace.max_ms)
        passes = verdict is Verdict.PASSED
        watched.alike = watched.alike + 1 if passes == watched.is_passing else 1
        watched.is_passing = passes
        if verdict is Verdict.FAILED_SURELY:
            watched.alike = _FLIPS_AT_ONCE
        self._schedule(watched, now)
        if watched.target.healthy == passes or watched.alike < switches.check_times:
            return None
        return passes

    def flipped(self, watched: Watched, healthy: bool) -> None:
        """It has been given that health."""
        watched.target = msgspec.structs.replace(watched.target, healthy=healthy)

    def _schedule(self, watched: Watched, now: float) -> None:
        self._sequence += 1
        heapq.heappush(self._due, (now + watched.interval_ms / 1000, self._sequence, watched))


def read_targets(json: bytes) -> list[Target]:
    """Those that ``Hub.checked_instances`` gives."""
    return _read_targets(json)


def pace_of(checker: HealthChecker, switches: Switches) -> HealthPace:
    """How often instances are checked that are checked like this."""
    match checker.type:
        case "HTTP":
            return switches.http_health_params
        case "MYSQL":
            return switches.mysql_health_params
        case _:
            return switches.tcp_health_params


def http_request(checker: HealthChecker, host: str) -> bytes:
    """The request of an HTTP check (RFC 9112). ``host``: as in a URL. Headers that would break out are left out."""
    path = checker.path or "/"
    if not path.startswith("/"):
        path = f"/{path}"
    lines = [f"GET {_no_spaces(path)} HTTP/1.1", f"Host: {host}", "Connection: close", "User-Agent: nacos-core"]
    for pair in (checker.headers or "").split("|"):
        name, colon, value = pair.partition(":")
        name, value = name.strip(), value.strip()
        if colon and _is_token(name) and name.lower() not in ("host", "connection") and _is_value(value):
            lines.append(f"{name}: {value}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def http_verdict(status_line: bytes) -> Verdict:
    """What the first line of an answer says: 200 passes, 503 and 302 may pass over, anything else leaves no doubt."""
    words = status_line.split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1."):
        return Verdict.FAILED_SURELY
    match words[1].strip():
        case b"200":
            return Verdict.PASSED
        case b"503" | b"302":
            return Verdict.FAILED
        case _:
            return Verdict.FAILED_SURELY


def _no_spaces(path: str) -> str:
    return "".join(character for character in path if "!" <= character <= "~")


def _is_token(name: str) -> bool:
    return bool(name) and all(character.isascii() and (character.isalnum() or character in "-_.") for character in name)


def _is_value(value: str) -> bool:
    return all(character == "\t" or " " <= character <= "~" for character in value)


assert len("HTTP/1.1 200 ") < limits.HEALTH_HTTP_HEAD_BYTES_MAX, "a status line fits"
