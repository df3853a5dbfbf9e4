"""Instances and services as Python programs see them; on the wire they have the names of the protocol."""

import msgspec

DEFAULT_NAMESPACE = "public"
DEFAULT_GROUP = "DEFAULT_GROUP"
DEFAULT_CLUSTER = "DEFAULT"


class Instance(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One address that offers a service."""

    ip: str
    port: int
    weight: float = 1.0
    """0 to 10000; clients pick at random in proportion to it, 0 gets nothing."""
    healthy: bool = True
    enabled: bool = True
    ephemeral: bool = True
    cluster: str = msgspec.field(default=DEFAULT_CLUSTER, name="clusterName")
    metadata: dict[str, str] = msgspec.field(default_factory=dict)
    instance_id: str | None = None


class Service(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A service as it is now."""

    name: str
    group: str = msgspec.field(name="groupName")
    clusters: str
    hosts: tuple[Instance, ...]
    last_ref_time: int
    """Grows with every change, in milliseconds."""


class ServicePage(msgspec.Struct, frozen=True):
    """One page of the names of a group's services."""

    count: int
    """Of all pages together."""
    names: list[str]


read_service = msgspec.json.Decoder(Service).decode
write_instances = msgspec.json.Encoder().encode
