"""What operators see and say of single instances, over HTTP (protocol/http.md sections 2 and 6.2)."""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from nacos_core.naming.changes import InstanceName, MergeMetadata, Pairs, SetHealth, StripMetadata, UpdateInstance
from nacos_core.naming.model import DEFAULT_CLUSTER, Instance
from nacos_core.server.description import takes
from nacos_core.server.naming_call import (
    CHECK_RUNNING,
    HEALTH_PARAMETER,
    INSTANCE_METADATA,
    SERVICE_ABSENT,
    WEIGHT,
    Call,
    Refused,
    ServiceKey,
    read_json,
)
from nacos_core.server.pages import NOT_FOUND, VALIDATION, page_of

PAGE_SIZE_DEFAULT: Final = 100


class _Named(msgspec.Struct, rename="camel"):
    """An instance in the list of a batch."""

    ip: str
    port: int
    cluster_name: str | None = None


class _CheckedCluster(msgspec.Struct, rename="camel"):
    health_checker: dict[str, object]


class _CheckedService(msgspec.Struct):
    clusters: dict[str, _CheckedCluster]


_read_instances = msgspec.json.Decoder(list[Instance]).decode
_read_shown = msgspec.json.Decoder(list[dict[str, object]]).decode
_read_service = msgspec.json.Decoder(_CheckedService).decode


@takes("serviceName", "ip", "port", optional=("namespaceId", "groupName", "clusterName", "cluster"), statuses=(404,))
def detail(call: Call) -> None:
    """One instance, shown to clients or not."""
    shown = _find(call, call.service_key(), _name(call))
    if not call.is_v1:
        call.answer(shown)
        return
    fields = ("ip", "port", "clusterName", "weight", "healthy")
    answer = {"service": shown["serviceName"], **{name: shown[name] for name in fields}}
    call.answer({**answer, "instanceId": shown.get("instanceId"), "metadata": shown["metadata"]})


@takes("serviceName", "ip", "port", optional=("namespaceId", "groupName", "clusterName", "cluster"), statuses=(404,))
def detail_v2(call: Call) -> None:
    """One instance, in the words of v2."""
    shown = _find(call, call.service_key(), _name(call))
    fields = ("serviceName", "ip", "port", "clusterName", "weight", "healthy", "instanceId", "metadata")
    call.answer({name: shown.get(name) for name in fields})


@takes("serviceName", optional=("namespaceId", "groupName", "clusterName", "healthyOnly"))
def instances(call: Call) -> None:
    """All instances of a service, of one cluster if it is named."""
    call.answer(_chosen_for_list(call))


@takes(
    "serviceName",
    optional=("namespaceId", "groupName", "clusterName", "healthyOnly", "pageNo", "pageSize"),
    answer="page",
)
def page_of_instances(call: Call) -> None:
    """A page of the instances of a service, of one cluster if it is named."""
    page_no, page_size = call.whole_number("pageNo", 1), call.whole_number("pageSize", PAGE_SIZE_DEFAULT)
    call.answer(page_of(_chosen_for_list(call), page_no, page_size))


def _chosen_for_list(call: Call) -> list[dict[str, object]]:
    shown = _read_shown(call.context.hub.all_instances(*call.service_key()))
    cluster = call.text("clusterName").strip()
    if cluster:
        shown = [instance for instance in shown if instance["clusterName"] == cluster]
    if call.flag("healthyOnly", default=False):
        shown = [instance for instance in shown if instance["healthy"]]
    return shown


@takes(
    "serviceName",
    "ip",
    "port",
    optional=("namespaceId", "groupName", "clusterName", "cluster", "enabled", "enable", "weight", "metadata"),
    statuses_in={1: (500,)},
)
def update(call: Call) -> None:
    """Says what holds from now on of an instance, there or not, in place of all that was said before."""
    key, name = call.service_key(), _name(call)
    weight = call.number("weight", WEIGHT)
    change = UpdateInstance(
        name,
        enabled=call.flag("enabled", "enable", default=True),
        weight=1.0 if weight is None else weight,
        metadata=call.metadata() or {},
    )
    _require_service(call, key)
    call.change(key, change, code=_code_of(change))


@takes(
    "serviceName",
    "ip",
    "port",
    optional=("namespaceId", "groupName", "clusterName", "cluster", "enabled", "enable", "weight", "metadata"),
    statuses=(404,),
    statuses_in={1: (500,)},
)
def patch(call: Call) -> None:
    """Changes what is given of an instance, and leaves the rest as it was said or as the registrant says."""
    key, name = call.service_key(), _name(call)
    change = UpdateInstance(
        name,
        enabled=call.optional_flag("enabled", "enable"),
        weight=call.number("weight", WEIGHT),
        metadata=call.metadata(),
    )
    _find(call, key, name)
    call.change(key, change, code=_code_of(change))


@takes(
    "serviceName",
    "metadata",
    optional=("namespaceId", "groupName", "instances", "consistencyType"),
    statuses_in={1: (500,)},
)
def merge_metadata(call: Call) -> None:
    """Adds pairs to the metadata of some instances, or of all of a service."""
    metadata = _required_metadata(call)
    _change_all(call, lambda names: MergeMetadata(names, metadata))


@takes(
    "serviceName",
    "metadata",
    optional=("namespaceId", "groupName", "instances", "consistencyType"),
    statuses_in={1: (500,)},
)
def strip_metadata(call: Call) -> None:
    """Takes pairs out of metadata again that were added; the values given do not matter."""
    metadata = _required_metadata(call)
    _change_all(call, lambda names: StripMetadata(names, list(metadata)))


@takes("serviceName", "ip", "port", optional=("namespaceId", "groupName", "clusterName", "cluster", "healthy", "valid"))
def set_health(call: Call) -> None:
    """Sets the health of a persistent instance, in a cluster that nobody checks."""
    key, name = call.service_key(), _name(call)
    healthy = call.text("healthy", "valid")
    if not healthy:
        raise Refused(400, HEALTH_PARAMETER, "Param 'healthy' is required.")
    found = call.find_service(key)
    cluster = None if found is None else _read_service(found).clusters.get(name.cluster_name)
    if cluster is None or cluster.health_checker["type"] != "NONE":
        text = f"health check is still working, service: {key[1]}@@{key[2]}"
        raise Refused(400, CHECK_RUNNING, text)
    call.change(key, SetHealth(name, healthy.lower() == "true"))


def _name(call: Call) -> InstanceName:
    return InstanceName(call.required("ip").strip(), call.port(), call.cluster())


def _find(call: Call, key: ServiceKey, name: InstanceName) -> dict[str, object]:
    shown = _read_shown(call.context.hub.all_instances(*key))
    if not shown:
        text = f"no ips found for cluster {name.cluster_name} in service {key[1]}@@{key[2]}"
        raise Refused(404, NOT_FOUND, text)
    wanted = (name.ip, name.port, name.cluster_name)
    for instance in shown:
        if (instance["ip"], instance["port"], instance["clusterName"]) == wanted:
            return instance
    raise Refused(404, NOT_FOUND, "no matched ip found!")


def _require_service(call: Call, key: ServiceKey) -> None:
    if call.find_service(key) is None:
        namespace, group, name = key
        text = f"service not found, namespace: {namespace}, service: {group}@@{name}"
        raise Refused(400, SERVICE_ABSENT, text)


def _required_metadata(call: Call) -> Pairs:
    call.required("metadata")
    return call.metadata() or {}


def _chosen(call: Call, key: ServiceKey) -> Iterator[Instance]:
    """The instances that a batch names and that are there; all of the service if it names none."""
    text = call.text("instances").strip()
    named: object = []
    if text:
        refused = Refused(400, VALIDATION, "Param 'instances' is illegal, it should be a JSON list of instances.")
        named = read_json(text, list[_Named], refused)
    assert isinstance(named, list), "msgspec gives what it is asked for"
    places = {(each.ip, each.port, each.cluster_name or DEFAULT_CLUSTER) for each in named}
    kind = call.text("consistencyType")
    for instance in _read_instances(call.context.hub.all_instances(*key)):
        is_asked_for = not places or (instance.ip, instance.port, instance.cluster) in places
        if is_asked_for and (not kind or instance.ephemeral == (kind != "persist")):
            yield instance


def _change_all(call: Call, make: Callable[[list[InstanceName]], MergeMetadata | StripMetadata]) -> None:
    key = call.service_key()
    chosen = list(_chosen(call, key))
    updated = _updated(chosen)
    if chosen:
        names = [InstanceName(instance.ip, instance.port, instance.cluster) for instance in chosen]
        call.change(key, make(names), code=INSTANCE_METADATA, data=updated)
    else:
        call.answer(updated)


def _updated(chosen: list[Instance]) -> dict[str, list[str]]:
    kind = {True: "ephemeral", False: "persist"}
    return {"updated": [f"{each.ip}:{each.port}:unknown:{each.cluster}:{kind[each.ephemeral]}" for each in chosen]}


def _code_of(change: UpdateInstance) -> tuple[int, str]:
    return VALIDATION if change.weight is None or 0 <= change.weight <= 10000 else WEIGHT
