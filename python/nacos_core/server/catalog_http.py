"""What consoles and scripts of 1.x and 2.x list: the instances of a service page by page, the names of services, how
healthy instances are (protocol/http.md sections 2 and 5, ranks N)."""

from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec

from nacos_core.server.description import takes
from nacos_core.server.naming_call import SERVICE_ABSENT, Call, Refused, ServiceKey
from nacos_core.server.pages import NOT_FOUND
from nacos_core.server.service_http import grouped, read_service

_Hosts: TypeAlias = list[dict[str, object]]

_read_hosts = msgspec.json.Decoder(_Hosts).decode
_NAMESPACE_END: Final = "##"
_PORT_DEFAULT: Final = 80
"""Shown of clusters; nothing uses it."""


@takes("serviceName", "pageNo", "pageSize", optional=("namespaceId", "groupName", "clusterName"), statuses=(404,))
def instances(call: Call) -> None:
    """A page of all instances of a service, of one cluster if it is named."""
    key = call.service_key()
    hosts = _instances_of(call, key)
    cluster = call.text("clusterName").strip()
    if cluster:
        hosts = [host for host in hosts if host["clusterName"] == cluster]
        if not hosts:
            raise Refused(404, NOT_FOUND, f"cluster {cluster} is not found in service {grouped(key)}!")
    call.answer({"list": _page(call, hosts), "count": len(hosts)})


@takes(
    "serviceName",
    "pageNo",
    "pageSize",
    optional=("namespaceId", "groupName", "healthyOnly", "enabledOnly"),
    statuses=(404,),
)
def instances_v2(call: Call) -> None:
    """A page of all instances of a service; the flags choose those that are so, or that are not."""
    hosts = _instances_of(call, call.service_key())
    for name, field in (("healthyOnly", "healthy"), ("enabledOnly", "enabled")):
        wanted = call.optional_flag(name)
        if wanted is not None:
            hosts = [host for host in hosts if host[field] is wanted]
    call.answer({"instances": _page(call, hosts), "count": len(hosts)})


@takes("serviceName", optional=("namespaceId", "groupName"), statuses=(404,))
def service(call: Call) -> None:
    """A service with its clusters, as the console of 1.x shows it."""
    key = call.service_key()
    found = read_service(_required(call, key))
    clusters = [
        {
            "name": name,
            "serviceName": grouped(key),
            "healthChecker": cluster.health_checker,
            "metadata": cluster.metadata,
            "defaultPort": _PORT_DEFAULT,
            "defaultCheckPort": cluster.healthy_check_port,
            "useIPPort4Check": cluster.use_instance_port_for_check,
        }
        for name, cluster in found.clusters.items()
    ]
    shown = {
        "name": key[2],
        "groupName": key[1],
        "protectThreshold": found.protect_threshold,
        "selector": found.selector,
        "metadata": found.metadata,
    }
    call.answer({"service": shown, "clusters": clusters})


@takes(optional=("namespaceId", "expr"))
def service_names(call: Call) -> None:
    """Names of the services that hold ``expr``, by namespace; of all namespaces if none is named."""
    wanted = call.text("namespaceId").strip()
    found = call.context.hub.service_names(wanted or None, call.text("expr"))
    by_namespace: dict[str, list[str]] = {wanted: []} if wanted else {}
    for namespace, name in found:
        by_namespace.setdefault(namespace, []).append(name)
    # 1.x has them under the first name, 2.x under the second.
    call.answer({"services": by_namespace, "META-INF/services": by_namespace, "count": len(found)})


@takes("key")
def statuses(call: Call) -> None:
    """Address and health of each instance of the service that ``key`` names: group@@name, a namespace and ## before."""
    namespace, _, name = call.required("key").rpartition(_NAMESPACE_END)
    hosts = _read_hosts(call.context.hub.all_instances(*call.named(namespace, "", name)))
    call.answer({"ips": [f"{host['ip']}:{host['port']}_{str(host['healthy']).lower()}" for host in hosts]})


@takes()
def alive(call: Call) -> None:
    """Says that naming answers, and how many services there are."""
    count = call.context.hub.counts()["services"]
    call.answer({"msg": f"naming is healthy, total services: {count}"})


def _required(call: Call, key: ServiceKey) -> bytes:
    found = call.find_service(key)
    if found is None:
        raise Refused(404, SERVICE_ABSENT, f"service {grouped(key)} is not found!")
    return found


def _instances_of(call: Call, key: ServiceKey) -> _Hosts:
    _required(call, key)
    return _read_hosts(call.context.hub.all_instances(*key))


def _page(call: Call, hosts: Sequence[object]) -> Sequence[object]:
    page_no, page_size = call.whole_number("pageNo"), call.whole_number("pageSize")
    first = (max(page_no, 1) - 1) * page_size
    return hosts[first : first + page_size]
