"""A naming and configuration server that speaks the Nacos wire protocols.

``async with nacos_core.open_node(port=0) as node:`` runs a node inside any trio program, ``open_cluster(3)`` a whole
cluster; ``python -m nacos_core`` runs a node as a process.
"""

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

__all__ = [
    "CasMismatch",
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
    "open_cluster",
    "open_node",
]
