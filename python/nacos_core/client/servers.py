"""Where the servers are, as people write it."""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from nacos_core import limits
from nacos_core.errors import SettingsError

DEFAULT_PORT = 8848


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """One server. Its gRPC port is its HTTP port plus an offset (protocol/grpc.md section 1)."""

    host: str
    http_port: int
    grpc_port: int
    is_secure: bool = False
    """Both of its ports speak TLS."""

    @property
    def url(self) -> str:
        """The root of its HTTP paths."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.is_secure else 'http'}://{host}:{self.http_port}"

    def __str__(self) -> str:
        return self.url


def parse_servers(
    servers: str | Iterable[str], grpc_port_offset: int = limits.GRPC_PORT_OFFSET
) -> tuple[ServerAddress, ...]:
    """Reads one or more of ``http://host:port``, ``https://host:port``, ``host:port`` or ``host``.

    They are in a list, or in one text with commas between.

    Raises:
        SettingsError: names what is no such address.
    """
    written = servers.split(",") if isinstance(servers, str) else list(servers)
    found = tuple(_parse(one.strip(), grpc_port_offset) for one in written if one.strip())
    if not found:
        raise SettingsError("no server is named: give at least one, such as http://127.0.0.1:8848")
    return found


def _parse(text: str, grpc_port_offset: int) -> ServerAddress:
    parts = urlsplit(text if "://" in text else f"http://{text}")
    try:
        port = DEFAULT_PORT if parts.port is None else parts.port
    except ValueError:
        port = 0
    is_root = parts.path.strip("/") in ("", "nacos") and not parts.query
    if parts.scheme not in ("http", "https") or not parts.hostname or not is_root:
        raise SettingsError(f"{text!r} is no address of a server: http://host:port or https://host:port is wanted")
    if not 0 < port <= 65535 or not 0 < port + grpc_port_offset <= 65535:
        raise SettingsError(f"{text!r} has no usable port: it, and gRPC at {grpc_port_offset:+}, must be 1 to 65535")
    return ServerAddress(parts.hostname, port, port + grpc_port_offset, parts.scheme == "https")
