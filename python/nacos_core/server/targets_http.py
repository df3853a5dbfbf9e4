"""Instances as targets of Prometheus, for its ``http_sd_configs`` (protocol/http.md section 7).

Labels are as in the existing server: the cluster as ``__meta_clusterName``, and the metadata of the instance under its
own names, so that ``__metrics_path__`` there says where it is scraped. Namespace, group, service and health are added.
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from nacos_core import limits
from nacos_core.server import pages
from nacos_core.server.context import Context
from nacos_core.server.description import takes
from nacos_core.server.versions import V1, Refused, answer, answer_later

if TYPE_CHECKING:
    from nacos_core._core import HttpRequest

_Key: TypeAlias = tuple[str, str, str]
"""Namespace, group, service."""

_no_label = re.compile(r"[^a-zA-Z0-9_]")


class _Instance(msgspec.Struct, rename="camel"):
    ip: str
    port: int
    healthy: bool
    cluster_name: str
    metadata: dict[str, str]


class _Target(msgspec.Struct):
    targets: list[str]
    labels: dict[str, str]


_read_instances = msgspec.json.Decoder(list[_Instance]).decode


@takes(answer="bare")
def all_targets(context: Context, request: "HttpRequest") -> None:
    """Every instance as a target of Prometheus."""
    _tell(context, request, lambda key: True)


@takes("namespaceId", answer="bare")
def targets_of_namespace(context: Context, request: "HttpRequest") -> None:
    """The instances of a namespace as targets of Prometheus."""
    namespace = request.parameters.get("namespaceId")
    _tell(context, request, lambda key: key[0] == namespace)


@takes("namespaceId", "serviceName", answer="bare")
def targets_of_service(context: Context, request: "HttpRequest") -> None:
    """The instances of the services of a name as targets of Prometheus; of one group, if it stands before the name."""
    namespace = request.parameters.get("namespaceId")
    group, _, name = request.parameters.get("serviceName", "").rpartition("@@")
    _tell(context, request, lambda key: (key[0], key[2]) == (namespace, name) and group in ("", key[1]))


def _tell(context: Context, request: "HttpRequest", is_asked_for: Callable[[_Key], bool]) -> None:
    async def work() -> None:
        found: list[tuple[_Key, bytes]] = []
        size = 0
        place: int | None = 0

        def look() -> bool:
            nonlocal place, size
            keys, place = context.hub.service_keys(place or 0, limits.TARGETS_LOOK_COUNT)
            for key in filter(is_asked_for, keys):
                found.append((key, _targets(context, key)))
                size += len(found[-1][1])
            return place is None or size > limits.TARGETS_BYTES_MAX

        await context.background.in_pieces(look)
        if size > limits.TARGETS_BYTES_MAX:
            text = f"the targets take more than {limits.TARGETS_BYTES_MAX} bytes: ask for one namespace or service"
            raise Refused(400, pages.VALIDATION, text)
        targets = b",".join(part for _, part in sorted(found) if part)
        answer(V1, context, request, msgspec.Raw(b"[" + targets + b"]"))

    answer_later(V1, context, request, work)


def _targets(context: Context, key: _Key) -> bytes:
    """JSON of them, without the brackets of the list."""
    instances = _read_instances(context.hub.all_instances(*key))
    return pages.to_json([_target(key, each) for each in instances])[1:-1]


def _target(key: _Key, instance: _Instance) -> _Target:
    namespace, group, service = key
    host = f"[{instance.ip}]" if ":" in instance.ip else instance.ip
    own = {_label(name): value for name, value in sorted(instance.metadata.items())}
    labels = own | {
        "__meta_clusterName": instance.cluster_name,
        "__meta_namespaceId": namespace,
        "__meta_groupName": group,
        "__meta_serviceName": service,
        "__meta_healthy": "true" if instance.healthy else "false",
    }
    return _Target([f"{host}:{instance.port}"], labels)


def _label(name: str) -> str:
    """Prometheus refuses a whole answer for one label with other characters."""
    label = _no_label.sub("_", name)
    return f"_{label}" if not label or label[0].isdigit() else label
