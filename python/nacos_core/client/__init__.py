"""An asynchronous client for any server of this protocol, under trio and under asyncio.

``async with nacos_core.open_client("http://127.0.0.1:8848") as client:`` gives ``client.config`` and ``client.naming``.
``nacos_core.client.admin`` has what administrators do.
"""

from nacos_core.client.config import Config, ConfigClient
from nacos_core.client.errors import AccessDenied, ClientError, NotFound, ServerRefused, Unreachable
from nacos_core.client.naming import NamingClient, Service
from nacos_core.client.opening import Client, open_client
from nacos_core.client.services import ServiceName
from nacos_core.client.states import States
from nacos_core.errors import AlreadyExists, CasMismatch, OutcomeUnknown, SettingsError
from nacos_core.naming.model import Instance

__all__ = [
    "AccessDenied",
    "AlreadyExists",
    "CasMismatch",
    "Client",
    "ClientError",
    "Config",
    "ConfigClient",
    "Instance",
    "NamingClient",
    "NotFound",
    "OutcomeUnknown",
    "ServerRefused",
    "Service",
    "ServiceName",
    "SettingsError",
    "States",
    "Unreachable",
    "open_client",
]
