"""The routes that the core answers itself (rust/core/src/serve/http.rs): what they take and how they may answer."""

from collections.abc import Mapping
from typing import Final

from nacos_core.server.description import Description, described

_SERVICE: Final = ("namespaceId", "groupName")
_INSTANCE: Final = ("clusterName", "cluster", "weight", "healthy", "enabled", "enable", "metadata", "ephemeral")

_REGISTER: Final = described(
    "Registers an instance; ephemeral unless it says otherwise.",
    *("serviceName", "ip", "port"),
    optional=(*_SERVICE, *_INSTANCE),
)
_REGISTER_V1: Final = described(_REGISTER.summary, *_REGISTER.required, optional=_REGISTER.optional, statuses=(500,))
_REGISTER_V3: Final = described(
    "Registers an instance, or with heartBeat says that it is still there.",
    *_REGISTER.required,
    optional=(*_REGISTER.optional, "heartBeat"),
)
_DEREGISTER: Final = described(
    "Takes an instance out; it may be gone already.",
    *("serviceName", "ip", "port"),
    optional=(*_SERVICE, "ephemeral"),
)
_BEAT: Final = described(
    "Says that an ephemeral instance is still there; a beat that tells all about an unknown one registers it.",
    "serviceName",
    optional=(*_SERVICE, "ip", "port", "beat"),
    answer="bare",
)
_LIST: Final = "The instances of a service that clients see."

CORE_ROUTES: Final[Mapping[tuple[str, str], Description]] = {
    ("POST", "/nacos/v1/ns/instance"): _REGISTER_V1,
    ("DELETE", "/nacos/v1/ns/instance"): _DEREGISTER,
    ("PUT", "/nacos/v1/ns/instance/beat"): _BEAT,
    ("GET", "/nacos/v1/ns/instance/list"): described(
        _LIST, "serviceName", optional=(*_SERVICE, "clusters", "healthyOnly", "udpPort")
    ),
    ("GET", "/nacos/v1/ns/service/list"): described(
        "The names of the services of a group.", "pageNo", "pageSize", optional=_SERVICE
    ),
    ("POST", "/nacos/v1/cs/configs/listener"): described(
        "Answers with the keys of what changed, at once or when something changes within the time of the poll.",
        "Listening-Configs",
        optional=("tag",),
        headers=("long-pulling-timeout", "long-pulling-timeout-no-hangup", "vipserver-tag"),
        answer="text",
    ),
    ("POST", "/nacos/v2/ns/instance"): _REGISTER,
    ("DELETE", "/nacos/v2/ns/instance"): _DEREGISTER,
    ("PUT", "/nacos/v2/ns/instance/beat"): _BEAT,
    ("GET", "/nacos/v2/ns/instance/list"): described(
        _LIST, "serviceName", optional=(*_SERVICE, "clusterName", "clusters", "healthyOnly")
    ),
    ("POST", "/nacos/v3/client/ns/instance"): _REGISTER_V3,
    ("DELETE", "/nacos/v3/client/ns/instance"): _DEREGISTER,
    ("GET", "/nacos/v3/client/ns/instance/list"): described(_LIST, "serviceName", optional=(*_SERVICE, "clusterName")),
    ("POST", "/nacos/v3/admin/ns/instance"): _REGISTER_V3,
    ("DELETE", "/nacos/v3/admin/ns/instance"): _DEREGISTER,
}
"""By method and path. Queries of one configuration are in the table of handlers, which answer when there is none."""
