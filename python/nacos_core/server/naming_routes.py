"""Which paths administer services, clusters and instances (protocol/http.md sections 2 and 6.2)."""

from typing import Final

from nacos_core.server import instance_http, service_http
from nacos_core.server.naming_call import Handler, v1, v3

_V1: Final[dict[tuple[str, str], Handler]] = {
    ("POST", "service"): service_http.create,
    ("PUT", "service"): service_http.update,
    ("DELETE", "service"): service_http.delete,
    ("GET", "service"): service_http.detail,
    ("GET", "catalog/services"): service_http.catalog,
    ("PUT", "cluster"): service_http.update_cluster,
    ("GET", "instance"): instance_http.detail,
    ("PUT", "instance"): instance_http.update,
    ("PATCH", "instance"): instance_http.patch,
    ("PUT", "instance/metadata/batch"): instance_http.merge_metadata,
    ("DELETE", "instance/metadata/batch"): instance_http.strip_metadata,
    ("PUT", "health"): instance_http.set_health,
    ("PUT", "health/instance"): instance_http.set_health,
}

_V3: Final[dict[tuple[str, str], Handler]] = {
    ("POST", "service"): service_http.create,
    ("PUT", "service"): service_http.update,
    ("DELETE", "service"): service_http.delete,
    ("GET", "service"): service_http.detail,
    ("GET", "service/list"): service_http.services,
    ("GET", "service/selector/types"): service_http.selector_types,
    ("PUT", "cluster"): service_http.update_cluster,
    ("GET", "instance"): instance_http.detail,
    ("GET", "instance/list"): instance_http.instances,
    ("PUT", "instance"): instance_http.update,
    ("PUT", "instance/partial"): instance_http.patch,
    ("PUT", "instance/metadata/batch"): instance_http.merge_metadata,
    ("DELETE", "instance/metadata/batch"): instance_http.strip_metadata,
    ("PUT", "health/instance"): instance_http.set_health,
}

NAMING_ROUTES: Final = {
    **{(method, f"/nacos/v1/ns/{path}"): v1(handler) for (method, path), handler in _V1.items()},
    **{(method, f"/nacos/v3/admin/ns/{path}"): v3(handler) for (method, path), handler in _V3.items()},
}
