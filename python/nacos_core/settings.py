"""The settings of a node: a flag beats the environment, which beats the file, which beats the default."""

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from nacos_core import limits
from nacos_core.config.validation import Strictness
from nacos_core.errors import SettingsError
from nacos_core.peers.secret import load_secret

_logger = logging.getLogger(__name__)

ENVIRONMENT_PREFIX: Final = "NACOS_CORE_"
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
PORT_MAX: Final = 64_535
"""The gRPC port lies 1000 higher and must exist too."""
OTHER_VARIABLES: Final = ("ADMIN_PASSWORD", "CLUSTER_SECRET", "CONFIG", "PASSWORD", "SERVER", "USERNAME")
"""What the environment may hold beside the options; the last three are for the commands that ask a server."""
_SERVICE_LINK: Final = re.compile(r"(.*_)?(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_\d+_(TCP|UDP).*)?)")
"""What Kubernetes sets in every pod beside services whose names begin with nacos-core."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a node is told before it starts."""

    host: str = "127.0.0.1"
    port: int | None = 8848
    """HTTP port; gRPC is at +1000. 0: a free pair. None (only when embedded): no sockets for clients, and peers
    only where ``advertise`` names the node."""
    data: Path | None = Path("nacos-data")
    """None (only when embedded): a temporary folder that is removed at the end."""
    auth: bool = False
    insecure: bool = False
    log_level: str = "info"
    dns_port: int | None = None
    """UDP and TCP, on the first address of ``host``; 0: a free one; None: services are not found by DNS."""
    push_merge_ms: int = 100
    config_validation: Strictness = Strictness.OFF
    """What happens to a content that is not what its type says."""
    config_history_days: int = limits.HISTORY_DAYS
    """What happened to configurations before that is forgotten; the leader's counts."""
    config_history_count: int = limits.HISTORY_KEEP_COUNT
    """But for the last events of each that exists, so many."""
    config_quota: bool = False
    """Whether quotas of configurations are enforced. This and the next three hold as the leader has them."""
    config_quota_cluster: int = limits.QUOTA_CLUSTER_COUNT
    """Configurations of all namespaces together."""
    config_quota_namespace: int = limits.QUOTA_NAMESPACE_COUNT
    """Those of a namespace that has no quota of its own."""
    config_quota_bytes: int = limits.QUOTA_CONTENT_BYTES
    """The content of one, unless its namespace or group says otherwise."""
    cluster: str | None = None
    """The members that begin together: ``host:port`` of each, by commas, this node among them."""
    join: str | None = None
    """``host:port`` of a member of the cluster that this node is to join."""
    advertise: str | None = None
    """``host:port`` under which the others know this node; None: ``host`` and ``port``."""
    peer_port: int | None = None
    """Where peers connect; None: ``port`` + 1001, if the node is to have peers at all."""
    cluster_secret_file: Path | None = None
    cluster_secret: bytes | None = field(default=None, repr=False)
    empty_service_ms: int = limits.EMPTY_SERVICE_UNCHANGED_MS
    """How long a service that nobody offers is remembered, unless it was created."""
    health_check_networks: str = ""
    """Where persistent instances are checked, as ``naming.health_targets`` reads it; empty: nowhere."""
    election_timeout_ms: int = 150
    """The shortest; each is drawn from here to twice that."""
    heartbeat_ms: int = 50
    distro_connection_grace_ms: int = round(limits.DISTRO_CONNECTION_GRACE_SECONDS * 1000)
    """How long instances of another node's connections stay after that node is gone."""
    distro_address_grace_ms: int = round(limits.DISTRO_ADDRESS_GRACE_SECONDS * 1000)
    """How long an address that was adopted from another node may be without beats."""
    distro_load_timeout_ms: int = round(limits.DISTRO_LOAD_SECONDS * 1000)
    """A node that starts serves after so long, whether another one gave it the instances or not."""
    snapshot_log_bytes: int | None = None
    """None: as ``limits`` says. It can be chosen only when embedded, as can the next one."""
    trailing_entries_count: int | None = None
    api_compatibility_client: bool = True
    """What clients of 1.x use is answered (``server.compatibility``)."""
    api_compatibility_admin: bool = True
    """The paths of versions 1 and 2 for administrators are answered."""
    api_compatibility_console: bool = True
    """Those for consoles are answered."""
    admin_password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Option:
    """One option of the command line, the environment and the file."""

    name: str
    parse: Callable[[object], Any]
    help: str
    metavar: str = ""
    is_flag: bool = False


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("must be a text that is not empty")
    return value


def _number(lowest: int, highest: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        wrong = ValueError(f"must be a whole number from {lowest} to {highest}")
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise wrong
        try:
            number = int(value)
        except ValueError:
            raise wrong from None
        if not lowest <= number <= highest:
            raise wrong
        return number

    return parse


def _switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("on", "true", "1", "yes"):
        return True
    if isinstance(value, str) and value.lower() in ("off", "false", "0", "no"):
        return False
    raise ValueError("must be on or off")


def _log_level(value: object) -> str:
    if not isinstance(value, str) or value.lower() not in LOG_LEVELS:
        raise ValueError(f"must be one of {', '.join(LOG_LEVELS)}")
    return value.lower()


def _strictness(value: object) -> Strictness:
    try:
        return Strictness(value.lower() if isinstance(value, str) else value)
    except ValueError:
        raise ValueError(f"must be one of {', '.join(each.value for each in Strictness)}") from None


def _networks(value: object) -> str:
    from nacos_core.naming.health_targets import parse_networks

    text = _text(value)
    parse_networks(text)
    return text


def _folder(value: object) -> Path:
    return Path(_text(value))


OPTIONS: Final = (
    Option("host", _text, "address to listen on (127.0.0.1)", "ADDRESS"),
    Option("port", _number(0, PORT_MAX), "HTTP port; gRPC is at +1000; 0 takes a free pair (8848)", "PORT"),
    Option("data", _folder, "data folder (./nacos-data)", "DIR"),
    Option("auth", _switch, "authentication (off)", "on|off"),
    Option("insecure", _switch, "allow a non-loopback address with authentication off", is_flag=True),
    Option("dns_port", _number(0, 65_535), "answers DNS queries for services there; 0 takes a free one (none)", "PORT"),
    Option("log_level", _log_level, "debug, info, warning or error (info)", "LEVEL"),
    Option("cluster", _text, "the members that begin together, host:port of each, by commas", "LIST"),
    Option("join", _text, "a member of the cluster that this node is to join", "HOST:PORT"),
    Option("advertise", _text, "this node's name in the list of members (host and port)", "HOST:PORT"),
    Option("peer_port", _number(1, 65_535), "where the other members connect (HTTP port + 1001)", "PORT"),
    Option("cluster_secret_file", _folder, "what only members know; also NACOS_CORE_CLUSTER_SECRET", "FILE"),
    Option("election_timeout_ms", _number(10, 60_000), "shortest time without a leader before an election (150)", "MS"),
    Option("heartbeat_ms", _number(1, 30_000), "how often a leader is heard (50)", "MS"),
    Option(
        "distro_connection_grace_ms",
        _number(0, 3_600_000),
        "how long instances registered over gRPC stay after their node is gone (15000)",
        "MS",
    ),
    Option(
        "distro_address_grace_ms",
        _number(0, 3_600_000),
        "how long instances that beat over HTTP may be silent after another node took them over (30000)",
        "MS",
    ),
    Option(
        "distro_load_timeout_ms",
        _number(0, 3_600_000),
        "a member that starts answers after so long, even if it could not load from another one (10000)",
        "MS",
    ),
    Option(
        "config_validation",
        _strictness,
        "contents that are not of their type: off, warn or error (off)",
        "off|warn|error",
    ),
    Option("config_history_days", _number(1, 36_500), "how long changes of configurations are remembered (30)", "DAYS"),
    Option(
        "config_history_count",
        _number(1, 10_000),
        "the last changes of each configuration that are remembered however old they are (10)",
        "COUNT",
    ),
    Option("config_quota", _switch, "enforce quotas of configurations (off); as the leader has it", "on|off"),
    Option(
        "config_quota_cluster",
        _number(1, limits.QUOTA_COUNT_MAX),
        "configurations of all namespaces together (100000)",
        "COUNT",
    ),
    Option(
        "config_quota_namespace",
        _number(1, limits.QUOTA_COUNT_MAX),
        "configurations of a namespace without a quota of its own (200)",
        "COUNT",
    ),
    Option(
        "config_quota_bytes",
        _number(1, limits.QUOTA_COUNT_MAX),
        "the content of a configuration, unless its namespace or group says otherwise (102400)",
        "BYTES",
    ),
    Option(
        "empty_service_ms",
        _number(1000, 86_400_000),
        "a service that nobody offers any more is forgotten after so long (60000)",
        "MS",
    ),
    Option(
        "health_check_networks",
        _networks,
        "where persistent instances are checked: networks by commas, or any (nowhere); loopback has to be named",
        "LIST",
    ),
    Option("api_compatibility_client", _switch, "the v1 API of clients is answered (on); off: status 410", "on|off"),
    Option("api_compatibility_admin", _switch, "the v1 and v2 API of administrators is answered (on)", "on|off"),
    Option("api_compatibility_console", _switch, "the v1 and v2 API of consoles is answered (on)", "on|off"),
    Option(
        "push_merge_ms", _number(0, 60_000), "changes of one service within this time are pushed as one (100)", "MS"
    ),
)


def load(flags: Mapping[str, object], environment: Mapping[str, str]) -> Settings:
    """Merges the three sources. ``flags`` holds what was given on the command line, ``config`` among it.

    Raises:
        SettingsError: names the flag, variable or key that is wrong.
    """
    chosen: dict[str, Any] = {}
    config = flags.get("config") or environment.get(ENVIRONMENT_PREFIX + "CONFIG")
    in_file = _read_file(Path(str(config))) if config else {}
    for option in OPTIONS:
        variable = ENVIRONMENT_PREFIX + option.name.upper()
        if flags.get(option.name) is not None:
            source, value = "--" + option.name.replace("_", "-"), flags[option.name]
        elif variable in environment and not _is_service_link(environment[variable]):
            source, value = variable, environment[variable]
        elif option.name in in_file:
            source, value = f"{config}: {option.name}", in_file[option.name]
        else:
            continue
        try:
            chosen[option.name] = option.parse(value)
        except ValueError as error:
            raise SettingsError(f"{source} = {value!r}: {error}") from None
    _warn_of_unknown(environment)
    password = environment.get(ENVIRONMENT_PREFIX + "ADMIN_PASSWORD")
    secret = load_secret(chosen.get("cluster_secret_file"), environment, _logger.warning)
    return Settings(**chosen, admin_password=password or None, cluster_secret=secret)


def _warn_of_unknown(environment: Mapping[str, str]) -> None:
    known = {option.name.upper() for option in OPTIONS} | {*OTHER_VARIABLES}
    for variable in sorted(environment):
        name = variable.removeprefix(ENVIRONMENT_PREFIX)
        if name != variable and name not in known and not _SERVICE_LINK.fullmatch(name):
            _logger.warning("%s in the environment is no setting, and counts for nothing", variable)


def _is_service_link(value: str) -> bool:
    # Kubernetes sets NACOS_CORE_PORT=tcp://10.0.0.1:8848 in every pod beside a service of the name nacos-core.
    return value.startswith(("tcp://", "udp://"))


def _read_file(path: Path) -> dict[str, object]:
    import tomllib

    try:
        with path.open("rb") as file:
            values = tomllib.load(file)
    except OSError as error:
        raise SettingsError(f"cannot read the settings file {path}: {error.strerror}") from None
    except ValueError as error:  # TOMLDecodeError, UnicodeDecodeError
        raise SettingsError(f"the settings file {path} is not TOML: {error}") from None
    unknown = sorted(values.keys() - {option.name for option in OPTIONS})
    if unknown:
        known = ", ".join(option.name for option in OPTIONS)
        raise SettingsError(f"{path}: unknown key {', '.join(unknown)} (known: {known})")
    return values


def check(settings: Settings, addresses: list[str]) -> None:
    """What must hold between settings once the host is resolved to ``addresses``.

    Raises:
        SettingsError: the node would be open to the network without anybody having said so.
    """
    exposed = [address for address in addresses if not is_loopback(address)]
    if exposed and not settings.auth and not settings.insecure:
        raise SettingsError(
            f"{exposed[0]} is not a loopback address and authentication is off: anybody who reaches it could read and "
            "change everything. Turn it on with --auth on, or say --insecure to accept that."
        )
    if settings.heartbeat_ms * 2 > settings.election_timeout_ms:
        raise SettingsError(
            f"--heartbeat-ms {settings.heartbeat_ms} leaves no room for a lost heartbeat within --election-timeout-ms "
            f"{settings.election_timeout_ms}: it may be half of it at most"
        )


def is_loopback(address: str) -> bool:
    """Whether a numeric address can be reached from this machine only."""
    return address.startswith("127.") or address in ("::1", "::ffff:127.0.0.1")


_NAMES = {field.name for field in fields(Settings)}
assert {option.name for option in OPTIONS} <= _NAMES, "every option is a setting"
