"""A naming and configuration server that speaks the Nacos wire protocols.

``async with nacos_core.open_node(port=0) as node:`` runs a node inside any trio program; ``python -m nacos_core``
runs one as a process. Importing this package is quick: what a name needs is imported when the name is first used.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nacos_core._core import __version__
    from nacos_core.errors import (
        CasMismatch,
        CommandRefused,
        InvalidParameter,
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
    "InvalidParameter",
    "NacosCoreError",
    "Node",
    "NotReady",
    "OutcomeUnknown",
    "Overloaded",
    "Settings",
    "SettingsError",
    "__version__",
    "open_node",
]

_HOMES = {"Node": "node", "open_node": "node", "Settings": "settings", "__version__": "_core"}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'nacos_core' has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"nacos_core.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value
