"""Asks clients to connect anew, elsewhere or here (protocol/grpc.md section 2.1)."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from nacos_core._core import Hub


class _Reset(msgspec.Struct, omit_defaults=True, rename="camel"):
    connection_id: str
    server_ip: str | None = None
    server_port: str | None = None
    """Digits as a text: clients read it as one."""


def ask_to_leave(hub: "Hub", clients: Iterable[tuple[int, str]], address: str) -> None:
    """Has clients, as ``Hub.clients`` gives them, go to ``ip:port``; "": wherever they like."""
    ip, _, port = address.rpartition(":")
    for connection, connection_id in clients:
        fields = msgspec.json.encode(_Reset(connection_id, ip or None, port or None))
        hub.push(connection, "ConnectResetRequest", "internal", fields)
