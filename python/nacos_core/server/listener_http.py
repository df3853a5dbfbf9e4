"""Who listens to a configuration, and what the clients at an address listen to (protocol/http.md sections 3 and 6.2).

Clients that poll are seen while they wait, those with a connection as long as it stands. Other members are asked too,
unless ``aggregation`` is false.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from nacos_core.cluster.observations import Observe, Row
from nacos_core.config.rules import ParameterRefused, group_key, namespace_of
from nacos_core.server.context import Context
from nacos_core.server.description import KEY, NAMESPACE, takes
from nacos_core.server.versions import V1, Refused, Version, answer, key_of, refuse, required

if TYPE_CHECKING:
    from nacos_core._core import HttpRequest

_COLLECTED: Final = 200


@takes(*KEY, optional=(NAMESPACE, "aggregation"))
def of_config(version: Version, context: Context, request: "HttpRequest") -> None:
    """``ip`` of each client that listens to a configuration, and the md5 that it holds."""
    try:
        key = key_of(version, request)
    except (Refused, ParameterRefused) as error:
        refuse(version, context, request, error)
        return
    _gather(context, request, Observe("config-listeners", key), partial(_show_config, version, context, request))


@takes("ip", optional=(NAMESPACE, "all", "aggregation"))
def of_client(version: Version, context: Context, request: "HttpRequest") -> None:
    """What the clients at ``ip`` listen to in a namespace, or with ``all`` in every one."""
    try:
        ip = required(version, request, "ip")
    except Refused as error:
        refuse(version, context, request, error)
        return
    _gather(context, request, Observe("config-listened", (ip,)), partial(_show_client, version, context, request))


def _gather(context: Context, request: "HttpRequest", question: Observe, show: Callable[[list[Row]], None]) -> None:
    if request.parameters.get("aggregation", "true").lower() == "false":
        show(context.observing.here(question))
    else:
        context.observing.everywhere(question, show)


def _show_config(version: Version, context: Context, request: "HttpRequest", rows: list[Row]) -> None:
    _show(version, context, request, "config", dict(sorted((ip, md5) for ip, md5 in rows)))


def _show_client(version: Version, context: Context, request: "HttpRequest", rows: list[Row]) -> None:
    parameters = request.parameters
    wanted = namespace_of(parameters.get(version.namespace))
    is_all = parameters.get("all", "false").lower() == "true"
    held = {
        group_key(data_id, group, namespace): md5
        for namespace, group, data_id, md5 in sorted(rows)
        if is_all or namespace == wanted
    }
    _show(version, context, request, "ip", held)


def _show(version: Version, context: Context, request: "HttpRequest", kind: str, held: dict[str, str]) -> None:
    if version is V1:  # the misspelling is the protocol's
        answer(version, context, request, {"collectStatus": _COLLECTED, "lisentersGroupkeyStatus": held})
    else:
        answer(version, context, request, {"queryType": kind, "listenersStatus": held})
