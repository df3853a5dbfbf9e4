"""How many configurations there are and may be: of the cluster, a namespace, a group of one (docs/quotas.md)."""

from functools import partial
from typing import TYPE_CHECKING

from nacos_core import limits
from nacos_core.commands import SetConfigQuota
from nacos_core.config.rules import ParameterRefused, check_key, namespace_of
from nacos_core.errors import NacosCoreError
from nacos_core.proposals import Result
from nacos_core.server import pages
from nacos_core.server.context import Context
from nacos_core.server.description import GROUP, NAMESPACE, takes
from nacos_core.server.versions import V1, Refused, Version, answer, optional_integer, refuse

if TYPE_CHECKING:
    from nacos_core._core import HttpRequest


@takes(optional=(NAMESPACE, GROUP))
def query(version: Version, context: Context, request: "HttpRequest") -> None:
    """How many configurations there are and may be: of a namespace, of a group of one, or of the cluster."""
    try:
        namespace, group = _asked(version, request)
    except ParameterRefused as error:
        refuse(version, context, request, error)
        return
    defaults = context.quota_defaults()
    if namespace is None:
        usage, count_max = context.hub.config_count(), defaults.cluster_count_max
        bytes_max = defaults.content_bytes_max
    else:
        usage, count_max, bytes_max = context.hub.config_quota(namespace, group or None)
    told: dict[str, object] = {
        version.namespace: namespace,
        version.group: group or None,
        "quota": count_max,
        "usage": usage,
        "maxSize": bytes_max,
        "maxAggrCount": 0,
        "maxAggrSize": 0,
        "enforced": defaults.is_enforced,
    }
    _answer(version, context, request, told)


@takes(optional=(NAMESPACE, GROUP, "quota", "maxSize", "maxAggrCount", "maxAggrSize"))
def change(version: Version, context: Context, request: "HttpRequest") -> None:
    """Sets what a namespace, or a group of one, may have; 0 makes it what all others may have."""
    try:
        namespace, group = _asked(version, request)
        if namespace is None:
            text = f"'{version.namespace}' or '{version.group}' is wanted; the quota of the cluster is a setting"
            raise Refused(400, pages.PARAMETER_MISSING, text)
        count_max, bytes_max = _wanted(version, request)
    except (Refused, ParameterRefused) as error:
        refuse(version, context, request, error)
        return
    context.propose(SetConfigQuota(namespace, group, count_max, bytes_max), partial(_finish, version, context, request))


def _finish(version: Version, context: Context, request: "HttpRequest", result: Result) -> None:
    if isinstance(result, NacosCoreError):
        refuse(version, context, request, result)
    else:
        _answer(version, context, request, True)


def _asked(version: Version, request: "HttpRequest") -> tuple[str | None, str]:
    """Namespace and group; no namespace: the cluster. A group of no namespace is one of the default one."""
    get = request.parameters.get
    group = get(version.group, "").strip()
    if not group and not get(version.namespace, "").strip():
        return None, ""
    namespace = namespace_of(get(version.namespace))
    check_key(namespace, group, "")
    return namespace, group


def _wanted(version: Version, request: "HttpRequest") -> tuple[int | None, int | None]:
    count_max = optional_integer(version, request, "quota", limits.QUOTA_COUNT_MAX)
    bytes_max = optional_integer(version, request, "maxSize", limits.QUOTA_COUNT_MAX)
    # Of configurations made of many parts, which clients have not published for long: read, and not kept.
    parts_max = optional_integer(version, request, "maxAggrCount", limits.QUOTA_COUNT_MAX)
    part_bytes_max = optional_integer(version, request, "maxAggrSize", limits.QUOTA_COUNT_MAX)
    if count_max is None and bytes_max is None:
        none_of_parts = parts_max is None and part_bytes_max is None
        why = "" if none_of_parts else ": there are no aggregated configurations"
        raise Refused(400, pages.PARAMETER_MISSING, f"'quota' or 'maxSize' is wanted{why}")
    return count_max, bytes_max


def _answer(version: Version, context: Context, request: "HttpRequest", data: object) -> None:
    told = {"code": 200, "message": None, "data": data} if version is V1 else data
    answer(version, context, request, told)
