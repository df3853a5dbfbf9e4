"""Which paths administer services, clusters and instances (protocol/http.md sections 2, 5, 6.2 and 6.3)."""

from typing import Final, TypeAlias

from nacos_core.server import catalog_http, client_http, core_ops_http, instance_http, ops_http, service_http
from nacos_core.server.naming_call import Handler, v1, v3

_Routes: TypeAlias = dict[tuple[str, str], Handler]

_ALL: Final[_Routes] = {
    ("POST", "service"): service_http.create,
    ("PUT", "service"): service_http.update,
    ("DELETE", "service"): service_http.delete,
    ("PUT", "instance"): instance_http.update,
}
"""The same in every version, and for the console."""

_METADATA: Final[_Routes] = {
    ("PUT", "instance/metadata/batch"): instance_http.merge_metadata,
    ("DELETE", "instance/metadata/batch"): instance_http.strip_metadata,
    ("PUT", "health/instance"): instance_http.set_health,
}

_V1: Final[_Routes] = {
    **_ALL,
    **_METADATA,
    ("GET", "service"): service_http.detail,
    ("GET", "service/subscribers"): client_http.subscribers_of_service_v1,
    ("GET", "service/selector/types"): service_http.selector_types,
    ("GET", "service/names"): catalog_http.service_names,
    ("GET", "catalog/services"): service_http.catalog,
    ("GET", "catalog/service"): catalog_http.service,
    ("GET", "catalog/instances"): catalog_http.instances,
    ("GET", "instance/statuses"): catalog_http.statuses,
    ("GET", "health/server"): catalog_http.alive,
    ("PUT", "cluster"): service_http.update_cluster,
    ("GET", "instance"): instance_http.detail,
    ("PATCH", "instance"): instance_http.patch,
    ("PUT", "health"): instance_http.set_health,
    ("GET", "health/checkers"): ops_http.checkers,
    **{
        (method, f"{path}/switches"): handler
        for path in ("operator", "ops")
        for method, handler in (("GET", ops_http.switches), ("PUT", ops_http.set_switch))
    },
    ("PUT", "operator/log"): core_ops_http.set_log_level,
    ("PUT", "ops/log"): core_ops_http.set_log_level,
    ("GET", "operator/distro/client"): client_http.responsible,
    ("GET", "ops/metrics"): ops_http.metrics,
}

_V2: Final[_Routes] = {
    **_ALL,
    **_METADATA,
    ("GET", "service"): service_http.detail_v2,
    ("GET", "service/list"): service_http.names,
    ("GET", "instance"): instance_http.detail_v2,
    ("PATCH", "instance"): instance_http.patch,
    ("GET", "catalog/instances"): catalog_http.instances_v2,
    ("GET", "client/list"): client_http.ids,
    ("GET", "client"): client_http.summary,
    ("GET", "client/publish/list"): client_http.published_v2,
    ("GET", "client/subscribe/list"): client_http.subscribed_v2,
    ("GET", "client/service/publisher/list"): client_http.publishers_v2,
    ("GET", "client/service/subscriber/list"): client_http.subscribers_v2,
    **{
        (method, f"{path}/{name}"): handler
        for path in ("operator", "ops")
        for method, name, handler in (
            ("GET", "switches", ops_http.switches),
            ("PUT", "switches", ops_http.set_switch),
            ("GET", "metrics", ops_http.metrics),
            ("PUT", "log", core_ops_http.set_log_level),
        )
    },
}

_SHARED_V3: Final[_Routes] = {
    **_ALL,
    ("GET", "service"): service_http.detail,
    ("GET", "service/list"): service_http.services,
    ("GET", "service/selector/types"): service_http.selector_types,
    ("GET", "service/subscribers"): client_http.subscribers_of_service,
}

_ADMIN: Final[_Routes] = {
    **_SHARED_V3,
    **_METADATA,
    ("PUT", "cluster"): service_http.update_cluster,
    ("GET", "instance"): instance_http.detail,
    ("GET", "instance/list"): instance_http.instances,
    ("PUT", "instance/partial"): instance_http.patch,
    ("GET", "health/checkers"): ops_http.checkers,
    ("GET", "client/list"): client_http.ids,
    ("GET", "client"): client_http.summary,
    ("GET", "client/publish/list"): client_http.published,
    ("GET", "client/subscribe/list"): client_http.subscribed,
    ("GET", "client/service/publisher/list"): client_http.publishers,
    ("GET", "client/service/subscriber/list"): client_http.subscribers,
    ("GET", "client/distro"): client_http.responsible,
    ("GET", "ops/switches"): ops_http.switches,
    ("PUT", "ops/switches"): ops_http.set_switch,
    ("GET", "ops/metrics"): ops_http.metrics,
    ("GET", "ops/silence"): ops_http.silence,
    ("PUT", "ops/log"): core_ops_http.set_log_level,
}

_CONSOLE: Final[_Routes] = {
    **_SHARED_V3,
    ("PUT", "service/cluster"): service_http.update_cluster,
    ("GET", "instance/list"): instance_http.page_of_instances,
}

NAMING_ROUTES: Final = {
    **{(method, f"/nacos/v1/ns/{path}"): v1(handler) for (method, path), handler in _V1.items()},
    **{(method, f"/nacos/v2/ns/{path}"): v3(handler) for (method, path), handler in _V2.items()},
    **{(method, f"/nacos/v3/admin/ns/{path}"): v3(handler) for (method, path), handler in _ADMIN.items()},
    **{(method, f"/nacos/v3/console/ns/{path}"): v3(handler) for (method, path), handler in _CONSOLE.items()},
}
