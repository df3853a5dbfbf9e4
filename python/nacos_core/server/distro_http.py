"""Who publishes what on which node, and why it is still here: for whoever has to find out.

This server's own: ``GET /nacos/v3/admin/core/distro/consistency``, with ``serviceName`` the publishers of one.
"""

from typing import TYPE_CHECKING

from nacos_core import _core
from nacos_core.config.rules import namespace_of
from nacos_core.distro.view import Consistency, PublisherView
from nacos_core.naming.model import DEFAULT_GROUP
from nacos_core.server import pages
from nacos_core.server.context import Context
from nacos_core.server.description import takes

if TYPE_CHECKING:
    from nacos_core._core import HttpRequest


@takes(optional=("serviceName", "groupName", "namespaceId"))
def consistency(context: Context, request: "HttpRequest") -> None:
    """Who publishes the service that is named; without a name, members and holders."""
    parameters = request.parameters
    name = parameters.get("serviceName", "")
    if not name:
        _reply(context, request, 200, pages.success(_all(context)))
        return
    namespace = namespace_of(parameters.get("namespaceId", ""))
    try:
        _, group, service = _core.service_key(namespace, parameters.get("groupName") or DEFAULT_GROUP, name)
        publishers = _publishers(context, (namespace, group, service))
    except ValueError as error:
        _reply(context, request, 400, pages.failure(pages.VALIDATION, str(error)))
        return
    found = {"namespaceId": namespace, "groupName": group, "serviceName": service, "publishers": publishers}
    _reply(context, request, 200, pages.success(found))


def _all(context: Context) -> Consistency:
    if context.distro is not None:
        return context.distro.consistency()
    node_id = context.cluster.node_id
    return Consistency(
        node_id=node_id,
        boot=context.cluster.boot,
        is_serving=context.is_ready(),
        reason="this node stands alone",
        sees_majority=True,
        responsible=[node_id],
        members=[],
        holders=[],
    )


def _publishers(context: Context, key: tuple[str, str, str]) -> list[PublisherView]:
    if context.distro is not None:
        return context.distro.publishers(*key)
    return [
        PublisherView(
            node_id=context.cluster.node_id,
            boot=context.cluster.boot,
            kind=found.kind,
            publisher=found.publisher,
            epoch=found.epoch,
            revision=found.revision,
            published_ms=found.published_ms,
            last_beat_ms=found.last_beat_ms,
            instances=found.instances,
            hidden=found.hidden,
            is_stale=False,
            why="this node stands alone",
        )
        for found in context.hub.distro_publishers(*key)
    ]


def _reply(context: Context, request: "HttpRequest", status: int, body: bytes) -> None:
    context.hub.reply_http(request.connection, request.call, status, pages.JSON, body)
