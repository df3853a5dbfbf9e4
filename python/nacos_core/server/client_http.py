"""Clients with what they publish and subscribe to, over the v2 and the v3 API (protocol/http.md sections 5 and 6.2).

A connection is known at the node that it goes to, so its client is asked for there. Addresses, and who publishes in
a service, are known on all nodes. Subscribers of a service are gathered from all members, unless ``aggregation`` is
false.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from nacos_core.cluster.observations import Observe, Row
from nacos_core.server import pages
from nacos_core.server.description import takes
from nacos_core.server.long_answers import Parts
from nacos_core.server.naming_call import Call, Refused
from nacos_core.server.pages import NOT_FOUND, VALIDATION, page_of

_PAGE_SIZE_DEFAULT: Final = 100
_PAGE_SIZE_V1_DEFAULT: Final = 1000


@takes()
def ids(call: Call) -> None:
    """The ids of all clients."""
    hub = call.context.hub

    async def parts() -> Parts:
        place: int | None = 0
        while place is not None:
            some, place = hub.client_ids(place)
            yield pages.to_json(some)

    call.answer_list_later(parts())


@takes("clientId", statuses=(404,))
def summary(call: Call) -> None:
    """One client."""
    client_id = call.required("clientId")
    found = call.context.hub.client_summary(client_id)
    if found is None:
        raise _absent(client_id)
    call.answer(msgspec.Raw(found))


@takes("clientId", statuses=(404,))
def published(call: Call) -> None:
    """What one client publishes."""
    rows = [
        {
            **_service(namespace, group, name),
            "publisherInfo": {"clientId": client_id, "ip": ip, "port": port, "clusterName": cluster},
            "subscriberInfo": None,
        }
        for client_id, namespace, group, name, ip, port, cluster in _published(call)
    ]
    call.answer(rows)


@takes("clientId", statuses=(404,))
def published_v2(call: Call) -> None:
    """What one client publishes, in the words of v2."""
    rows = [
        {
            "namespace": namespace,
            "group": group,
            "serviceName": name,
            "registeredInstance": {"ip": ip, "port": port, "cluster": cluster},
        }
        for _, namespace, group, name, ip, port, cluster in _published(call)
    ]
    call.answer(rows)


@takes("clientId", statuses=(404,))
def subscribed(call: Call) -> None:
    """What one client is subscribed to."""
    client_id, about, services = _subscribed(call)
    rows = [
        {**_service(namespace, group, name), "publisherInfo": None, "subscriberInfo": {"clientId": client_id, **about}}
        for namespace, group, name, _ in services
    ]
    call.answer(rows)


@takes("clientId", statuses=(404,))
def subscribed_v2(call: Call) -> None:
    """What one client is subscribed to, in the words of v2."""
    _, about, services = _subscribed(call)
    subscriber = {"app": about["appName"], "agent": about["agent"], "addr": about["address"]}
    rows = [
        {"namespace": namespace, "group": group, "serviceName": name, "subscriberInfo": subscriber}
        for namespace, group, name, _ in services
    ]
    call.answer(rows)


@takes("serviceName", optional=("namespaceId", "groupName", "ip", "port"))
def publishers(call: Call) -> None:
    """Who publishes in a service; ``ip`` and ``port`` leave out the others."""
    rows = [
        {"clientId": client_id, "ip": ip, "port": port, "clusterName": cluster}
        for client_id, ip, port, cluster in call.context.hub.service_publishers(*call.service_key())
        if _is_wanted(call, ip, str(port))
    ]
    call.answer(rows)


@takes("serviceName", optional=("namespaceId", "groupName", "ip", "port"))
def publishers_v2(call: Call) -> None:
    """Who publishes in a service, in the words of v2."""
    rows = [
        {"clientId": client_id, "ip": ip, "port": port}
        for client_id, ip, port, _ in call.context.hub.service_publishers(*call.service_key())
        if _is_wanted(call, ip, str(port))
    ]
    call.answer(rows)


@takes("serviceName", optional=("namespaceId", "groupName", "ip", "port"))
def subscribers(call: Call) -> None:
    """Who of the clients of this node is subscribed to a service; ``ip`` and ``port`` leave out the others."""
    rows = [
        {"clientId": client_id, "appName": application, "agent": agent, "address": f"{ip}:{port}"}
        for client_id, ip, port, agent, application, _ in _subscribers_here(call)
        if _is_wanted(call, ip, port)
    ]
    call.answer(rows)


@takes("serviceName", optional=("namespaceId", "groupName", "ip", "port"))
def subscribers_v2(call: Call) -> None:
    """Who of the clients of this node is subscribed to a service, in the words of v2."""
    rows = [
        {"clientId": client_id, "ip": ip, "port": int(port)}
        for client_id, ip, port, *_ in _subscribers_here(call)
        if _is_wanted(call, ip, port)
    ]
    call.answer(rows)


@takes("ip", "port")
def responsible(call: Call) -> None:
    """Which member handles the beats of an address."""
    ip, port = call.required("ip"), call.port()
    node_id = call.context.hub.distro_responsible(ip, port) or call.context.cluster.node_id
    addresses = {member.node_id: member.address for member in call.context.cluster.members()}
    call.answer({"responsibleServer": addresses.get(node_id, "")})


@takes("serviceName", optional=("namespaceId", "groupName", "aggregation", "pageNo", "pageSize"), answer="page")
def subscribers_of_service(call: Call) -> None:
    """Who is subscribed to a service, a page of all nodes' clients."""
    key = namespace, group, name = call.service_key()
    page_no, page_size = call.whole_number("pageNo", 1), call.whole_number("pageSize", _PAGE_SIZE_DEFAULT)

    def show(rows: list[Row]) -> None:
        shown = [
            {
                "namespaceId": namespace,
                "groupName": group,
                "serviceName": name,
                "ip": ip,
                "port": int(port),
                "agent": agent,
                "appName": application,
            }
            for _, ip, port, agent, application, _ in rows
        ]
        call.answer(page_of(shown, page_no, page_size))

    _gather(call, key, show)


@takes("serviceName", optional=("namespaceId", "groupName", "aggregation", "pageNo", "pageSize"), answer="page")
def subscribers_of_service_v1(call: Call) -> None:
    """Who is subscribed to a service, in the words of v1."""
    key = namespace, group, name = call.service_key()
    page_no, page_size = call.whole_number("pageNo", 1), call.whole_number("pageSize", _PAGE_SIZE_V1_DEFAULT)

    def show(rows: list[Row]) -> None:
        shown = [
            {
                "addrStr": f"{ip}:{port}",
                "agent": agent,
                "app": application,
                "ip": ip,
                "port": int(port),
                "namespaceId": namespace,
                "serviceName": f"{group}@@{name}",
                "cluster": clusters,
            }
            for _, ip, port, agent, application, clusters in rows
        ]
        first = (max(page_no, 1) - 1) * page_size
        call.answer({"count": len(shown), "subscribers": shown[first : first + page_size]})

    _gather(call, key, show)


def _gather(call: Call, key: tuple[str, str, str], show: Callable[[list[Row]], None]) -> None:
    question = Observe("subscribers", key)
    if call.flag("aggregation", default=True):
        call.context.observing.everywhere(question, show)
    else:
        show(call.context.observing.here(question))


def _published(call: Call) -> list[tuple[str, str, str, str, str, int, str]]:
    client_id = call.required("clientId")
    rows = call.context.hub.client_published(client_id)
    if rows is None:
        raise _absent(client_id)
    return [(client_id, *row) for row in rows]


def _subscribed(call: Call) -> tuple[str, dict[str, str], list[tuple[str, str, str, str]]]:
    client_id = call.required("clientId")
    hub = call.context.hub
    services, found = hub.client_subscribed(client_id), hub.client_summary(client_id)
    if services is None or found is None:
        raise _absent(client_id)
    client = msgspec.json.decode(found)
    about = {
        "appName": client["appName"],
        "agent": client["version"],
        "address": f"{client['clientIp']}:{client['clientPort']}",
    }
    return client_id, about, services


def _subscribers_here(call: Call) -> list[Row]:
    return call.context.observing.here(Observe("subscribers", call.service_key()))


def _is_wanted(call: Call, ip: str, port: str) -> bool:
    wanted_ip, wanted_port = call.text("ip").strip(), call.text("port").strip()
    if wanted_port and not wanted_port.isdigit():
        raise Refused(400, VALIDATION, "Param 'port' is illegal, it should be a number.")
    return wanted_ip in ("", ip) and wanted_port in ("", port)


def _service(namespace: str, group: str, name: str) -> dict[str, object]:
    return {"namespaceId": namespace, "groupName": group, "serviceName": name}


def _absent(client_id: str) -> Refused:
    return Refused(404, NOT_FOUND, f"clientId [ {client_id} ] not exist")
