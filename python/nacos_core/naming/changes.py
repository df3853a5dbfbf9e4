"""Changes of metadata as commands of the log hold them; the core reads, checks and applies them.

What they say depends on nothing but themselves and the log: which ephemeral instances a node holds differs from node to
node, so whatever depends on those (all instances of a service, whether it is there) is settled before a change is made.
"""

from typing import Literal, TypeAlias

import msgspec

Pairs: TypeAlias = dict[str, str]


class Selector(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which instances subscribers are shown; ``label`` has an expression."""

    type: Literal["none", "label"]
    expression: str | None = None


class HealthChecker(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """How the instances of a cluster are checked; the fields are those of HTTP."""

    type: Literal["TCP", "HTTP", "MYSQL", "NONE"]
    path: str | None = None
    headers: str | None = None
    expected_response_code: int | None = None
    user: str | None = None
    pwd: str | None = None
    cmd: str | None = None


class Cluster(msgspec.Struct, frozen=True, rename="camel"):
    """All that is said of one cluster."""

    health_checker: HealthChecker
    healthy_check_port: int
    use_instance_port_for_check: bool
    metadata: Pairs


class InstanceName(msgspec.Struct, frozen=True, rename="camel"):
    """What names an instance within its service."""

    ip: str
    port: int
    cluster_name: str


class _Change(msgspec.Struct, frozen=True, tag_field="change", rename="camel"):
    """What all changes have in common."""


class CreateService(_Change, frozen=True, tag="service.create"):
    """A service of its own, which stays until it is deleted; refused if there is one."""

    ephemeral: bool
    protect_threshold: float
    metadata: Pairs
    selector: Selector


class UpdateService(_Change, frozen=True, tag="service.update"):
    """Replaces what is said of a service; its clusters, and its kind if it was created, stay."""

    ephemeral: bool
    protect_threshold: float
    metadata: Pairs
    selector: Selector


class DeleteService(_Change, frozen=True, tag="service.delete"):
    """Removes a service with all that was said of it and its instances; refused if it has persistent ones."""


class UpdateCluster(_Change, frozen=True, tag="cluster.update"):
    """Replaces what is said of one cluster."""

    cluster_name: str
    cluster: Cluster


class UpdateInstance(_Change, frozen=True, tag="instance.update", omit_defaults=True):
    """What is said of one instance over its registrant; None leaves what was said before."""

    instance: InstanceName
    enabled: bool | None = None
    weight: float | None = None
    metadata: Pairs | None = None


class MergeMetadata(_Change, frozen=True, tag="instances.merge"):
    """Adds pairs to what is said of instances."""

    instances: list[InstanceName]
    metadata: Pairs


class StripMetadata(_Change, frozen=True, tag="instances.strip"):
    """Takes keys out of what is said of instances; what registrants say stays."""

    instances: list[InstanceName]
    keys: list[str]


class SetHealth(_Change, frozen=True, tag="instance.health"):
    """Sets the health of a persistent instance; an absent one changes nothing."""

    instance: InstanceName
    healthy: bool


class Expire(_Change, frozen=True, tag="expire"):
    """Drops what belonged to something that is gone, unless it was changed since it was looked at."""

    service: int | None
    """The revision of the service's own metadata; None leaves it."""
    instances: list[tuple[str, int]]
    """``ip:port:cluster`` and revision."""


Change: TypeAlias = (
    CreateService
    | UpdateService
    | DeleteService
    | UpdateCluster
    | UpdateInstance
    | MergeMetadata
    | StripMetadata
    | SetHealth
    | Expire
)

write_change = msgspec.json.Encoder().encode
