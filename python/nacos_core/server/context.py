"""What handlers work with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nacos_core.errors import NacosCoreError, OutcomeUnknown

if TYPE_CHECKING:
    from nacos_core._core import Hub
    from nacos_core.clock import WallClock
    from nacos_core.config.quotas import QuotaDefaults
    from nacos_core.config.service import ConfigService
    from nacos_core.drivers.background import Background
    from nacos_core.drivers.distro import DistroDriver
    from nacos_core.drivers.health import HealthChecks
    from nacos_core.drivers.loads import Loads
    from nacos_core.drivers.observing import Observing
    from nacos_core.drivers.push import Pushes
    from nacos_core.drivers.schemas import SchemaGate
    from nacos_core.namespaces.service import NamespaceService
    from nacos_core.naming.switches import Switches
    from nacos_core.proposals import Confirm, Propose
    from nacos_core.server.cluster_view import ClusterView
    from nacos_core.server.compatibility import Compatibility
    from nacos_core.server.gate import Gate
    from nacos_core.settings import Settings


@dataclass(slots=True, kw_only=True)
class Context:
    """The parts of a node that handlers use."""

    settings: "Settings"
    compatibility: "Compatibility"
    version: str
    hub: "Hub"
    wall_clock: "WallClock"
    config: "ConfigService"
    schemas: "SchemaGate"
    namespaces: "NamespaceService"
    propose: "Propose"
    """Hands a command to the log, through ``schemas``; the callback runs when it is applied, or can not be."""
    confirm: "Confirm"
    """Calls back once the stores hold all that was committed when it was called, or with why that is not known."""
    background: "Background"
    cluster: "ClusterView"
    gate: "Gate | None"
    """None: authentication is off."""
    is_ready: Callable[[], bool]
    why_not_ready: Callable[[], str]
    """What a node that is not ready waits for."""
    distro: "DistroDriver | None"
    """None: this node stands alone."""
    switches: "Callable[[], Switches]"
    """What operators set for all nodes, as it is now."""
    quota_defaults: "Callable[[], QuotaDefaults]"
    """What holds now for namespaces that have no quota of their own, and whether any is enforced."""
    observing: "Observing"
    loads: "Loads"
    health: "HealthChecks | None"
    """None: persistent instances are not checked."""
    pushes: "Pushes"


def status_of(error: NacosCoreError) -> int:
    """The HTTP status of a write that got no outcome: 503 if it was not written, 504 if that is not known."""
    return 504 if isinstance(error, OutcomeUnknown) else 503
