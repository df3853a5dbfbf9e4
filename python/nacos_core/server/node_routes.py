"""Which paths show and administer a node and its cluster (protocol/http.md sections 5, 6.2 and 7)."""

from functools import partial
from typing import TYPE_CHECKING, Final

from nacos_core.server import cluster_http, core_ops_http, distro_http, loader_http
from nacos_core.server.naming_call import v3
from nacos_core.server.versions import V1, V2, V3, Version

if TYPE_CHECKING:
    from collections.abc import Callable

    from nacos_core._core import HttpRequest
    from nacos_core.server.context import Context

    Handler = Callable[[Context, HttpRequest], None]

_V1: "Final[dict[tuple[str, str], Handler]]" = {
    ("GET", "cluster/self"): partial(cluster_http.this_node, V1),
    ("GET", "cluster/nodes"): partial(cluster_http.members, V1),
    ("GET", "cluster/simple/nodes"): partial(cluster_http.addresses, V1),
    ("GET", "cluster/health"): partial(cluster_http.health, V1),
    ("POST", "ops/raft"): core_ops_http.raft_v1,
}


def _shared(version: Version) -> "dict[tuple[str, str], Handler]":
    return {
        ("GET", "cluster/node/list"): partial(cluster_http.members, version),
        ("PUT", "cluster/node/list"): cluster_http.refuse_report,
        ("GET", "cluster/node/self"): partial(cluster_http.this_node, version),
        ("GET", "cluster/node/self/health"): partial(cluster_http.health, version),
        ("PUT", "cluster/lookup"): cluster_http.refuse_lookup,
        ("POST", "ops/raft"): core_ops_http.raft,
    }


_V2: "Final[dict[tuple[str, str], Handler]]" = {
    **_shared(V2),
    ("GET", "loader/current"): loader_http.current_v2,
    ("GET", "loader/cluster"): loader_http.of_cluster_v2,
    ("GET", "loader/reloadClient"): loader_http.reload_client_v2,
    ("GET", "loader/reloadCurrent"): loader_http.reload_current_v2,
    ("GET", "loader/smartReloadCluster"): loader_http.even_out_v2,
}

_V3: "Final[dict[tuple[str, str], Handler]]" = {
    **_shared(V3),
    ("POST", "cluster/member"): cluster_http.add_member,
    ("DELETE", "cluster/member"): cluster_http.remove_member,
    ("GET", "raft/state"): cluster_http.raft_state,
    ("POST", "raft/transfer"): cluster_http.transfer,
    ("GET", "distro/consistency"): distro_http.consistency,
    ("GET", "loader/current"): loader_http.current,
    ("GET", "loader/cluster"): loader_http.of_cluster,
    ("POST", "loader/reloadClient"): loader_http.reload_client,
    ("POST", "loader/reloadCurrent"): loader_http.reload_current,
    ("POST", "loader/smartReloadCluster"): loader_http.even_out,
    ("GET", "ops/ids"): v3(core_ops_http.ids),
    ("PUT", "ops/log"): v3(core_ops_http.set_log_level),
}

NODE_ROUTES: "Final[dict[tuple[str, str], Handler]]" = {
    **{(method, f"/nacos/v1/core/{path}"): handler for (method, path), handler in _V1.items()},
    **{(method, f"/nacos/v2/core/{path}"): handler for (method, path), handler in _V2.items()},
    **{(method, f"/nacos/v3/admin/core/{path}"): handler for (method, path), handler in _V3.items()},
    ("PUT", "/nacos/v3/admin/cs/ops/log"): v3(core_ops_http.set_log_level),
    ("GET", "/nacos/v3/console/core/cluster/nodes"): partial(cluster_http.members, V3),
}
