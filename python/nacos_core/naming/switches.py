"""What operators set for all nodes at once, by name (protocol/semantics.md section 3, "Switches").

The names, kinds and defaults are those of the protocol. Those that this server does not follow are kept and shown all
the same, so that scripts which set them go on working; ``FOLLOWED`` are those that change what it does.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from nacos_core import limits


class HealthPace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the time between two checks follows how long they take."""

    max_ms: int = msgspec.field(name="max")
    min_ms: int = msgspec.field(name="min")
    factor: float

    def __post_init__(self) -> None:
        lowest, highest = limits.HEALTH_INTERVAL_MS_MIN, limits.HEALTH_INTERVAL_MS_MAX
        if not lowest <= self.min_ms <= self.max_ms <= highest:
            raise ValueError(f"min and max must be milliseconds from {lowest} to {highest}, and min not above max")
        if not 0.0 <= self.factor <= 1.0:
            raise ValueError("factor must be a number from 0 to 1")


class Switches(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """All of them as they are now."""

    name: str | None = None
    masters: str | None = None
    default_push_cache_millis: int = 10_000
    """How long clients rely on a list before they ask again."""
    client_beat_interval: int = 5000
    default_cache_millis: int = 3000
    distro_threshold: float = 0.7
    health_check_enabled: bool = True
    """Whether persistent instances are checked."""
    auto_change_health_check_enabled: bool = True
    """Whether what the checks find changes anything."""
    distro_enabled: bool = True
    enable_standalone: bool = True
    push_enabled: bool = True
    """Whether subscribers are told of changes; later, if not now."""
    check_times: int = 3
    """Results in a row that flip the health of an instance."""
    http_health_params: HealthPace = HealthPace(max_ms=5000, min_ms=500, factor=0.85)
    tcp_health_params: HealthPace = HealthPace(max_ms=5000, min_ms=1000, factor=0.75)
    mysql_health_params: HealthPace = HealthPace(max_ms=3000, min_ms=2000, factor=0.65)
    incremental_list: list[str] = []
    server_status_synchronization_period_millis: int = 2000
    service_status_synchronization_period_millis: int = 5000
    disable_add_ip: bool = msgspec.field(default=False, name="disableAddIP")
    send_beat_only: bool = False
    light_beat_enabled: bool = True
    """Whether clients may leave out the instance in their beats."""
    limited_url_map: dict[str, int] = {}
    distro_server_expired_millis: int = 10_000
    push_go_version: str = "0.1.0"
    push_java_version: str = "0.1.0"
    push_python_version: str = "0.4.3"
    push_c_version: str = "1.0.12"
    push_c_sharp_version: str = msgspec.field(default="0.9.0", name="pushCSharpVersion")
    enable_authentication: bool = False
    overridden_server_status: str | None = None
    """What ``operator/metrics`` says instead of UP."""
    default_instance_ephemeral: bool = True
    """The kind of instances that are registered over HTTP without a word of it."""


FOLLOWED: Final = (
    "pushCacheMillis",
    "clientBeatInterval",
    "lightBeatEnabled",
    "pushEnabled",
    "check",
    "healthCheckEnabled",
    "healthCheckTimes",
    "autoChangeHealthCheckEnabled",
    "httpHealthParams",
    "tcpHealthParams",
    "mysqlHealthParams",
    "overriddenServerStatus",
    "defaultInstanceEphemeral",
)
_FIELDS: Final = {
    "pushCacheMillis": "default_push_cache_millis",
    "clientBeatInterval": "client_beat_interval",
    "defaultCacheMillis": "default_cache_millis",
    "distroThreshold": "distro_threshold",
    "check": "health_check_enabled",
    "healthCheckEnabled": "health_check_enabled",
    "autoChangeHealthCheckEnabled": "auto_change_health_check_enabled",
    "distro": "distro_enabled",
    "enableStandalone": "enable_standalone",
    "pushEnabled": "push_enabled",
    "healthCheckTimes": "check_times",
    "httpHealthParams": "http_health_params",
    "tcpHealthParams": "tcp_health_params",
    "mysqlHealthParams": "mysql_health_params",
    "serverStatusSynchronizationPeriodMillis": "server_status_synchronization_period_millis",
    "serviceStatusSynchronizationPeriodMillis": "service_status_synchronization_period_millis",
    "disableAddIP": "disable_add_ip",
    "sendBeatOnly": "send_beat_only",
    "lightBeatEnabled": "light_beat_enabled",
    "limitedUrlMap": "limited_url_map",
    "overriddenServerStatus": "overridden_server_status",
    "defaultInstanceEphemeral": "default_instance_ephemeral",
}
"""What an entry sets."""
_RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "default_push_cache_millis": (limits.PUSH_CACHE_MS_MIN, limits.SWITCH_MS_MAX),
    "client_beat_interval": (limits.BEAT_INTERVAL_MS_MIN, limits.SWITCH_MS_MAX),
    "default_cache_millis": (limits.BEAT_INTERVAL_MS_MIN, limits.SWITCH_MS_MAX),
    "server_status_synchronization_period_millis": (2000, limits.SWITCH_MS_MAX),
    "service_status_synchronization_period_millis": (5000, limits.SWITCH_MS_MAX),
    "distro_threshold": (0.0, 1.0),
    "check_times": (1, limits.HEALTH_CHECK_TIMES_MAX),
}


def with_entry(switches: Switches, entry: str, value: str) -> Switches:
    """The switches after one of them was set as a script writes it: numbers and flags as texts, the rest as JSON.

    Raises:
        ValueError: names the entry that there is not, or says what its value has to be.
    """
    field = _FIELDS.get(entry)
    if field is None:
        raise ValueError(f"there is no switch {entry!r}, but: {', '.join(sorted(_FIELDS))}")
    kind = _kind_of(field)
    try:
        parsed = _parse(field, kind, value)
    except (ValueError, msgspec.MsgspecError) as error:
        raise ValueError(f"switch {entry}: {error}") from None
    lowest, highest = _RANGES.get(field, (float("-inf"), float("inf")))
    if isinstance(parsed, int | float) and not lowest <= parsed <= highest:
        raise ValueError(f"switch {entry}: {value} is not from {lowest} to {highest}")
    return msgspec.structs.replace(switches, **{field: parsed})


def _kind_of(field: str) -> Any:
    return next(each for each in msgspec.structs.fields(Switches) if each.name == field).type


def _parse(field: str, kind: Any, value: str) -> Any:
    if field == "overridden_server_status":
        return value or None
    if field == "limited_url_map":
        return _url_map(value)
    if kind in (bool, int, float):
        return msgspec.convert(value.strip().lower(), kind, strict=False)
    return msgspec.json.decode(value, type=kind)


def _url_map(value: str) -> dict[str, int]:
    """``path:status,path:status``."""
    pairs = [pair.rpartition(":") for pair in value.split(",") if pair.strip()]
    if not all(path and status.strip().isdigit() for path, _, status in pairs):
        raise ValueError("must be paths with a status each, as /a:404,/b:503")
    return {path.strip(): int(status) for path, _, status in pairs}
