"""Which certificates are trusted where a server's URL begins with https."""

import os
import ssl
from collections.abc import Iterable
from dataclasses import dataclass

from nacos_core.client.servers import ServerAddress
from nacos_core.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Tls:
    """One for each protocol, as only gRPC is HTTP/2 (RFC 9113 section 3.2 has it chosen by ALPN)."""

    http: ssl.SSLContext
    grpc: ssl.SSLContext


def tls_for(servers: Iterable[ServerAddress], ca_file: str | os.PathLike[str] | None) -> Tls | None:
    """None: none of the servers wants it.

    Args:
        ca_file: PEM, the certificates that are trusted; None: those of the system.

    Raises:
        SettingsError: there are no certificates in that file, or nothing for them to be used for.
    """
    if not any(server.is_secure for server in servers):
        if ca_file is not None:
            raise SettingsError(f"certificates ({os.fspath(ca_file)}) are for https://, and no server is named so")
        return None
    try:
        http, grpc = (ssl.create_default_context(cafile=ca_file) for _ in range(2))
    except ssl.SSLError as error:
        raise SettingsError(f"{os.fspath(ca_file or '')} has no certificates in it: {error}") from None
    except OSError as error:
        raise SettingsError(f"cannot read {os.fspath(ca_file or '')}: {error.strerror}") from None
    grpc.set_alpn_protocols(["h2"])
    return Tls(http, grpc)
