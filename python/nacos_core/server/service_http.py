"""Services and clusters over HTTP (protocol/http.md sections 2 and 6.2)."""

from typing import Final

import msgspec

from nacos_core import _core
from nacos_core.naming.changes import (
    Cluster,
    CreateService,
    DeleteService,
    HealthChecker,
    Pairs,
    Selector,
    UpdateCluster,
    UpdateService,
)
from nacos_core.naming.model import DEFAULT_GROUP
from nacos_core.server.description import takes
from nacos_core.server.naming_call import (
    DELETE_FAILURE,
    SELECTOR,
    SERVICE_ABSENT,
    SERVICE_EXISTS,
    SERVICE_METADATA,
    Call,
    Refused,
    ServiceKey,
    read_json,
)
from nacos_core.server.pages import VALIDATION, to_json

PAGE_SIZE_DEFAULT: Final = 100
PAGE_SIZE_V2_DEFAULT: Final = 20
PAGE_SIZE_MAX: Final = 500
_NO_SELECTOR: Final = Selector("none")


class _Cluster(msgspec.Struct, rename="camel"):
    health_checker: msgspec.Raw
    healthy_check_port: int
    use_instance_port_for_check: bool
    metadata: Pairs


class _Service(msgspec.Struct, rename="camel"):
    ephemeral: bool
    protect_threshold: float
    metadata: Pairs
    selector: msgspec.Raw
    clusters: dict[str, _Cluster]


class _View(msgspec.Struct, rename="camel"):
    name: str
    group_name: str
    cluster_count: int
    ip_count: int
    healthy_instance_count: int
    trigger_flag: str


class _Page(msgspec.Struct, rename="camel"):
    count: int
    service_list: list[_View]


read_service = msgspec.json.Decoder(_Service).decode
"""What ``Hub.service_detail`` gives."""
_read_page = msgspec.json.Decoder(_Page).decode
_read_hosts = msgspec.json.Decoder(list[dict[str, object]]).decode


@takes("serviceName", optional=("namespaceId", "groupName", "ephemeral", "protectThreshold", "metadata", "selector"))
def create(call: Call) -> None:
    """Makes a service without instances; persistent unless ``ephemeral`` says otherwise."""
    key = call.service_key()
    threshold = call.number("protectThreshold") or 0.0
    metadata = call.metadata(SERVICE_METADATA) or {}
    change = CreateService(call.flag("ephemeral", default=False), threshold, metadata, _selector(call))
    if call.find_service(key) is not None:
        raise Refused(400, SERVICE_EXISTS, f"specified service {grouped(key)} already exists!")
    call.change(key, change, code=SERVICE_EXISTS)


@takes(
    "serviceName",
    optional=("namespaceId", "groupName", "protectThreshold", "metadata", "selector"),
    required_in={1: ("protectThreshold",)},
)
def update(call: Call) -> None:
    """Replaces threshold, metadata and selector of a service; its clusters stay."""
    key = call.service_key()
    if call.is_v1:
        call.required("protectThreshold")
    threshold = call.number("protectThreshold") or 0.0
    metadata = call.metadata(SERVICE_METADATA) or {}
    selector = _selector(call)
    service = _find(call, key, f"service {grouped(key)} not found!")
    call.change(key, UpdateService(service.ephemeral, threshold, metadata, selector))


@takes("serviceName", optional=("namespaceId", "groupName"))
def delete(call: Call) -> None:
    """Deletes a service, which must have no instances."""
    key = call.service_key()
    _find(call, key, f"service {grouped(key)} not found!")
    if _read_hosts(call.context.hub.all_instances(*key)):
        text = f"Service {grouped(key)} is not empty, can't be delete. Please unregister instance first"
        raise Refused(400, DELETE_FAILURE, text)
    call.change(key, DeleteService(), code=DELETE_FAILURE)


@takes("serviceName", optional=("namespaceId", "groupName"), statuses=(404,))
def detail(call: Call) -> None:
    """One service with its clusters."""
    key = call.service_key()
    namespace, group, name = key
    text = f"service not found, namespace: {namespace}, serviceName: {grouped(key)}"
    service = _find(call, key, text, 400 if call.is_v1 else 404)
    if not call.is_v1:
        call.answer(_detail(key, service))
        return
    clusters = [
        {"name": cluster_name, "healthChecker": cluster.health_checker, "metadata": cluster.metadata}
        for cluster_name, cluster in service.clusters.items()
    ]
    call.answer(
        {
            "namespaceId": namespace,
            "groupName": group,
            "name": name,
            "protectThreshold": service.protect_threshold,
            "metadata": service.metadata,
            "selector": service.selector,
            "clusters": clusters,
        }
    )


@takes("serviceName", optional=("namespaceId", "groupName"), statuses=(404,))
def detail_v2(call: Call) -> None:
    """One service with its clusters, with the names of v2, which v3 has beside its own."""
    key = call.service_key()
    text = f"service not found, namespace: {key[0]}, serviceName: {grouped(key)}"
    call.answer({"namespace": key[0], **_detail(key, _find(call, key, text, 404))})


@takes(optional=("namespaceId", "groupName", "pageNo", "pageSize"))
def names(call: Call) -> None:
    """The names of the services of one group, a page of them."""
    page_no, page_size = call.whole_number("pageNo", 1), call.whole_number("pageSize", PAGE_SIZE_V2_DEFAULT)
    namespace, group = call.text("namespaceId").strip() or "public", call.text("groupName").strip() or DEFAULT_GROUP
    try:
        count, found = call.context.hub.list_services(namespace, group, page_no, min(page_size, PAGE_SIZE_MAX))
    except ValueError as error:
        raise Refused(400, VALIDATION, str(error)) from None
    call.answer({"count": count, "services": found})


@takes(
    "pageNo", "pageSize", optional=("namespaceId", "groupNameParam", "serviceNameParam", "hasIpCount", "withInstances")
)
def catalog(call: Call) -> None:
    """A page of services, with instances unless told otherwise."""
    page_no, page_size = call.whole_number("pageNo"), call.whole_number("pageSize")
    search = _search(call, page_no, page_size, with_empty=not call.flag("hasIpCount", default=False))
    with_instances = call.flag("withInstances", default=True)

    async def work() -> None:
        page = await _page(call, search)
        call.answer(await _with_instances(call, page) if with_instances else page)

    call.later(work)


@takes(
    optional=(
        "namespaceId",
        "groupNameParam",
        "serviceNameParam",
        "ignoreEmptyService",
        "withInstances",
        "pageNo",
        "pageSize",
    ),
    answer="page",
)
def services(call: Call) -> None:
    """A page of services: figures, or with instances if asked for."""
    page_no, page_size = call.whole_number("pageNo", 1), call.whole_number("pageSize", PAGE_SIZE_DEFAULT)
    search = _search(call, page_no, page_size, with_empty=not call.flag("ignoreEmptyService", default=False))
    with_instances = call.flag("withInstances", default=False)

    async def work() -> None:
        page = await _page(call, search)
        items: object = await _with_instances(call, page) if with_instances else page.service_list
        pages = -(-page.count // max(page_size, 1))
        call.answer({"totalCount": page.count, "pageNumber": page_no, "pagesAvailable": pages, "pageItems": items})

    call.later(work)


@takes()
def selector_types(call: Call) -> None:
    """The types that a selector may have."""
    call.answer(["label", "none"])


@takes(
    "serviceName",
    "clusterName",
    "checkPort",
    "useInstancePort4Check",
    "healthChecker",
    optional=("namespaceId", "groupName", "metadata"),
)
def update_cluster(call: Call) -> None:
    """Says how a cluster is checked, and its metadata."""
    key = call.service_key()
    name = call.required("clusterName").strip()
    call.required("checkPort")
    call.required("useInstancePort4Check")
    checker = _health_checker(call.required("healthChecker"))
    cluster = Cluster(
        health_checker=checker,
        healthy_check_port=call.whole_number("checkPort"),
        use_instance_port_for_check=call.flag("useInstancePort4Check", default=True),
        metadata=call.metadata(SERVICE_METADATA) or {},
    )
    _find(call, key, f"service {grouped(key)} not found!")
    call.change(key, UpdateCluster(name, cluster))


def _find(call: Call, key: ServiceKey, text: str, status: int = 400) -> _Service:
    found = call.find_service(key)
    if found is None:
        raise Refused(status, SERVICE_ABSENT, text)
    return read_service(found)


def _search(call: Call, page_no: int, page_size: int, *, with_empty: bool) -> _core.ServiceSearch:
    return _core.ServiceSearch(
        call.text("namespaceId").strip() or "public",
        call.text("groupNameParam").strip(),
        call.text("serviceNameParam").strip(),
        with_empty=with_empty,
        page_no=page_no,
        page_size=min(page_size, PAGE_SIZE_MAX),
    )


async def _page(call: Call, search: _core.ServiceSearch) -> _Page:
    await call.context.background.in_pieces(lambda: call.context.hub.search_services(search))
    return _read_page(search.to_json())


async def _with_instances(call: Call, page: _Page) -> list[msgspec.Raw]:
    namespace = call.text("namespaceId").strip() or "public"
    shown: list[msgspec.Raw] = []

    def show(view: _View) -> None:
        key = (namespace, view.group_name, view.name)
        found = call.find_service(key)
        if found is not None:
            hosts = _read_hosts(call.context.hub.all_instances(*key))
            shown.append(msgspec.Raw(to_json(_detail(key, read_service(found), hosts))))

    await call.context.background.for_each(page.service_list, show)
    return shown


def _detail(key: ServiceKey, service: _Service, hosts: list[dict[str, object]] | None = None) -> dict[str, object]:
    """As the v3 API describes a service; ``hosts`` None: its instances are not asked for."""
    clusters = {
        name: {
            "clusterName": name,
            "healthChecker": cluster.health_checker,
            "healthyCheckPort": cluster.healthy_check_port,
            "useInstancePortForCheck": cluster.use_instance_port_for_check,
            "metadata": cluster.metadata,
            "hosts": None if hosts is None else [host for host in hosts if host["clusterName"] == name],
        }
        for name, cluster in service.clusters.items()
    }
    namespace, group, name = key
    return {
        "namespaceId": namespace,
        "serviceName": name,
        "groupName": group,
        "clusterMap": clusters,
        "metadata": service.metadata,
        "protectThreshold": service.protect_threshold,
        "selector": service.selector,
        "ephemeral": service.ephemeral,
    }


def _selector(call: Call) -> Selector:
    text = call.text("selector").strip()
    if not text:
        return _NO_SELECTOR
    refused = Refused(400, SELECTOR, f"not match any type of selector: {text}")
    given = read_json(text, Selector, refused)
    assert isinstance(given, Selector), "msgspec gives what it is asked for"
    if given.type == "none":
        return _NO_SELECTOR
    if not given.expression:
        raise refused
    return given


def _health_checker(text: str) -> HealthChecker:
    refused = Refused(400, VALIDATION, f"healthChecker: TCP, HTTP, MYSQL or NONE wanted, not {text}")
    fields = read_json(text, dict[str, object], refused)
    assert isinstance(fields, dict), "msgspec gives what it is asked for"
    kind = fields.get("type")
    if not isinstance(kind, str):
        raise refused
    try:
        checker = msgspec.convert({**fields, "type": kind.upper()}, HealthChecker, strict=False)
    except msgspec.ValidationError:
        raise refused from None
    match checker.type:
        case "HTTP":
            return HealthChecker("HTTP", checker.path, checker.headers, checker.expected_response_code)
        case "MYSQL":
            return HealthChecker("MYSQL", user=checker.user or "", pwd=checker.pwd or "", cmd=checker.cmd or "")
        case _:
            return HealthChecker(checker.type)


def grouped(key: ServiceKey) -> str:
    """``group@@name``."""
    return f"{key[1]}@@{key[2]}"
