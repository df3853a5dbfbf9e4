"""The paths of versions 1 and 2: for whom each is, and which of them a node does not answer (protocol/http.md 1.1).

All are answered unless the settings say otherwise. Probes have no switch: what looks whether a node runs must not be
cut off with the API of its time. The core is told the routes that are retired, so that it hands them up.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Final

from nacos_core.server import pages

if TYPE_CHECKING:
    from nacos_core._core import HttpRequest
    from nacos_core.settings import Settings

Route = tuple[str, str]
"""Method and path."""


class Audience(Enum):
    """Whom an old path serves; the value is the end of the name of its switch."""

    CLIENT = "client"
    ADMIN = "admin"
    CONSOLE = "console"


_OLD: Final = ("/nacos/v1/", "/nacos/v2/")
_DEPRECATED: Final = 40000
"""The code of section 8."""


def _below(root: str, *paths: str) -> frozenset[str]:
    return frozenset(f"/nacos/{root}{path}" for path in paths)


_PROBES: Final = _below("v1/cs/", "health") | frozenset(
    f"/nacos/{version}/console/health/{name}" for version in ("v1", "v2") for name in ("liveness", "readiness")
)
_CLIENT: Final = {
    "/nacos/v1/ns/instance": ("POST", "DELETE"),
    "/nacos/v1/ns/instance/beat": ("PUT",),
    "/nacos/v1/ns/instance/list": ("GET",),
    "/nacos/v1/ns/service/list": ("GET",),
    "/nacos/v1/ns/operator/metrics": ("GET",),
    "/nacos/v1/ns/ops/metrics": ("GET",),
    "/nacos/v1/cs/configs": ("GET", "POST", "DELETE"),
    "/nacos/v1/cs/configs/listener": ("POST",),
    "/nacos/v1/auth/login": ("POST",),
    "/nacos/v1/auth/users/login": ("POST",),
}
"""What clients of 1.x live on; other methods of these paths are for others."""

_ADMIN: Final = (
    _below("v1/core/", "cluster/self", "cluster/nodes", "cluster/simple/nodes", "cluster/health", "ops/raft")
    | _below("v2/core/cluster/", "node/self", "node/list", "node/self/health", "lookup")
    | _below("v2/core/", "ops/raft")
    | _below("v2/core/loader/", "current", "cluster", "reloadClient", "reloadCurrent", "smartReloadCluster")
    | _below("v1/cs/", "configs/listener", "listener", "capacity")
    | _below("v1/ns/", "instance", "instance/metadata/batch", "instance/statuses", "cluster")
    | _below("v1/ns/health", "", "/checkers", "/instance", "/server")
    | _below("v1/ns/service", "", "/names", "/subscribers", "/selector/types")
    | _below("v1/ns/", "operator/switches", "operator/distro/client", "operator/log", "ops/switches", "ops/log")
    | _below("v2/cs/", "config")
    | _below("v2/ns/instance", "", "/list", "/beat", "/metadata/batch")
    | _below("v2/ns/", "service", "service/list", "catalog/instances", "health/instance")
    | _below("v2/ns/client", "", "/list", "/publish/list", "/subscribe/list")
    | _below("v2/ns/client/service/", "publisher/list", "subscriber/list")
    | _below("v2/ns/operator/", "switches", "metrics", "log")
    | _below("v2/ns/ops/", "switches", "metrics", "log")
)
_CONSOLE: Final = (
    _below("v1/console/", "namespaces", "server/state")
    | _below("v1/ns/catalog/", "services", "service", "instances")
    | _below("v1/cs/configs/", "catalog")
    | _below("v1/cs/history", "", "/previous", "/configs")
    | _below("v2/console/", "namespace", "namespace/list")
    | _below("v2/cs/history", "", "/list", "/detail", "/previous", "/configs")
    | _below("v2/cs/config/", "searchDetail")
)


def audience_of(method: str, path: str) -> Audience | None:
    """None: not an old path, or a probe.

    Raises:
        LookupError: an old path that is in none of the tables.
    """
    if not path.startswith(_OLD) or path in _PROBES:
        return None
    if method in _CLIENT.get(path, ()):
        return Audience.CLIENT
    if path in _ADMIN:
        return Audience.ADMIN
    if path in _CONSOLE:
        return Audience.CONSOLE
    raise LookupError(f"nobody has said for whom {method} {path} is: put it in a table of {__name__}")


class Compatibility:
    """What is left of the old APIs.

    Args:
        routes: all that a node answers.
        asked_by_consoles: for routes of clients under which consoles ask, too: gives not None for their requests.
    """

    def __init__(
        self,
        settings: "Settings",
        routes: Iterable[Route],
        asked_by_consoles: "Mapping[Route, Callable[[HttpRequest], object]]",
    ) -> None:
        answered = {
            Audience.CLIENT: settings.api_compatibility_client,
            Audience.ADMIN: settings.api_compatibility_admin,
            Audience.CONSOLE: settings.api_compatibility_console,
        }
        self._asked_by_consoles = asked_by_consoles
        self._off = {audience for audience, is_answered in answered.items() if not is_answered}
        self.retired: Final = frozenset(route for route in routes if self._off and audience_of(*route) in self._off)
        """The routes that nobody is answered on, apart from what consoles ask under the path of clients."""

    def why_gone(self, request: "HttpRequest") -> str | None:
        """The message of the error page for an old request that is not answered; None: it is."""
        if not self._off:
            return None
        route = (request.method, request.path)
        other = self._asked_by_consoles.get(route)
        if other is not None and other(request) is not None:
            gone = Audience.CONSOLE if Audience.CONSOLE in self._off else None
        else:
            gone = audience_of(*route) if route in self.retired else None
        if gone is None:
            return None
        text = (
            f"Current API will be deprecated, and this node was started with --api-compatibility-{gone.value} off. "
            "Version 3 is described under /nacos/v3/api-docs."
        )
        return pages.to_json(pages.Result(_DEPRECATED, text, None)).decode()
