"""A naming and configuration server that speaks the Nacos wire protocols.

``async with nacos_core.open_node(port=0) as node:`` runs a node inside any trio program, ``open_cluster(3)`` a whole
cluster; ``open_client(...)`` talks to a running one, from trio and from asyncio; ``python -m nacos_core`` runs a node
as a process.
"""

from typing import TYPE_CHECKING

from nacos_core._core import __version__
from nacos_core.embedded_cluster import EmbeddedCluster, open_cluster
from nacos_core.errors import (
    CasMismatch,
    CommandRefused,
    InvalidParameter,
    MembershipRefused,
    NacosCoreError,
    NotReady,
    OutcomeUnknown,
    Overloaded,
    SettingsError,
)
from nacos_core.node import Node, open_node
from nacos_core.settings import Settings

if TYPE_CHECKING:
    from nacos_core.client import Client, open_client

__all__ = [
    "CasMismatch",
    "Client",
    "CommandRefused",
    "EmbeddedCluster",
    "InvalidParameter",
    "MembershipRefused",
    "NacosCoreError",
    "Node",
    "NotReady",
    "OutcomeUnknown",
    "Overloaded",
    "Settings",
    "SettingsError",
    "__version__",
    "open_client",
    "open_cluster",
    "open_node",
]


def __getattr__(name: str) -> object:
    """The client is loaded when it is asked for: a node starts without it."""
    if name in ("Client", "open_client"):
        from nacos_core import client

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
