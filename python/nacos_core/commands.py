"""The commands that go through the log, as msgpack arrays that begin with a tag.

A command carries everything that applying it needs but its time, which the leader adds. Fields are only ever added at
the end, with a default, so that every log that was ever written can be read.
"""

from typing import Final, TypeAlias

import msgspec


class _Command(msgspec.Struct, frozen=True, array_like=True, tag_field="command", gc=False):
    """What all commands have in common."""


class PublishConfig(_Command, frozen=True, tag="config.publish"):
    """Create or replace a configuration. ``cas_md5`` not empty: only if that is what is there."""

    namespace: str
    group: str
    data_id: str
    content: bytes
    type: str
    cas_md5: str = ""
    create_only: bool = False
    encrypted_data_key: str = ""
    description: str | None = None
    application: str | None = None
    tags: str | None = None
    use: str | None = None
    effect: str | None = None
    schema: str | None = None
    source_user: str | None = None
    source_ip: str | None = None


class RemoveConfig(_Command, frozen=True, tag="config.remove"):
    """Remove a configuration; removing an absent one changes nothing."""

    namespace: str
    group: str
    data_id: str
    source_user: str | None = None
    source_ip: str | None = None


class PublishGray(_Command, frozen=True, tag="gray.publish"):
    """Create or replace a gray release of a configuration, by its name (docs/gray.md).

    ``kind`` and ``rule`` say who gets it, as the core reads them. An empty ``type`` is that of the formal version.
    ``cas_md5`` not empty: only if that is what the release holds.
    """

    namespace: str
    group: str
    data_id: str
    name: str
    priority: int
    kind: str
    rule: str
    content: bytes
    type: str
    cas_md5: str = ""
    encrypted_data_key: str = ""
    application: str | None = None
    source_user: str | None = None
    source_ip: str | None = None


class RemoveGray(_Command, frozen=True, tag="gray.remove"):
    """Remove a gray release; removing an absent one changes nothing."""

    namespace: str
    group: str
    data_id: str
    name: str
    source_user: str | None = None
    source_ip: str | None = None


class PromoteGray(_Command, frozen=True, tag="gray.promote"):
    """Publish a gray release to all and remove it; refused if there is none, or not one of ``cas_md5``."""

    namespace: str
    group: str
    data_id: str
    name: str
    cas_md5: str = ""
    source_user: str | None = None
    source_ip: str | None = None


class TrimHistory(_Command, frozen=True, tag="history.trim"):
    """Forget what happened to configs before a time, but not the last events of each that exists.

    No more than ``look_count`` events are looked at, those after the one named. The outcome is the id of the last one,
    to go on from, or empty if that was all.
    """

    before_ms: int
    keep_count: int
    after_id: int
    look_count: int


class RollbackConfig(_Command, frozen=True, tag="config.rollback"):
    """Make a configuration what it was before one of the events of its history; refused if that is not known."""

    namespace: str
    group: str
    data_id: str
    event_id: int
    source_user: str | None = None
    source_ip: str | None = None


class DescribeConfig(_Command, frozen=True, tag="config.describe"):
    """Change what is said of a configuration, and not its content; None leaves it, an empty text takes it away."""

    namespace: str
    group: str
    data_id: str
    description: str | None
    tags: str | None
    source_user: str | None = None
    source_ip: str | None = None


class SetConfigQuota(_Command, frozen=True, tag="quota.set"):
    """Set what a namespace, or a group of one, may have; None leaves it, 0 makes it what all others may have."""

    namespace: str
    group: str
    """Empty: the namespace itself."""
    count_max: int | None
    content_bytes_max: int | None


class SetQuotaDefaults(_Command, frozen=True, tag="quota.defaults"):
    """Set what all may have that have no quota of their own, and whether any quota is enforced."""

    is_enforced: bool
    cluster_count_max: int
    namespace_count_max: int
    content_bytes_max: int


class CreateNamespace(_Command, frozen=True, tag="namespace.create"):
    """Create a namespace; refused if there is one of this id."""

    namespace: str
    name: str
    description: str | None = None


class UpdateNamespace(_Command, frozen=True, tag="namespace.update"):
    """Change name and description of a namespace; an absent one stays absent."""

    namespace: str
    name: str
    description: str | None = None


class RemoveNamespace(_Command, frozen=True, tag="namespace.remove"):
    """Remove a namespace, not what is in it; removing an absent one changes nothing."""

    namespace: str


class RegisterPersistent(_Command, frozen=True, tag="instance.register"):
    """Register a persistent instance; ``instance`` is JSON as the core validated it."""

    namespace: str
    group: str
    service: str
    instance: bytes


class DeregisterPersistent(_Command, frozen=True, tag="instance.deregister"):
    """Deregister a persistent instance; an absent one changes nothing."""

    namespace: str
    group: str
    service: str
    instance: bytes


class SetAdministrator(_Command, frozen=True, tag="administrator.set"):
    """Set the one administrator; ``password_hash`` as ``auth.passwords`` makes it.

    ``token_key`` signs tokens: every node of a cluster takes those of the others, and a new password ends all of them.
    """

    user: str
    password_hash: str
    token_key: bytes


class ChangeMetadata(_Command, frozen=True, tag="metadata.change"):
    """One change of what belongs to a service: of its own, of a cluster, of instances (``naming.changes``, JSON)."""

    namespace: str
    group: str
    service: str
    change: bytes


class AcquireLock(_Command, frozen=True, tag="lock.acquire"):
    """Acquire a lock for so long, if nobody holds it. The outcome is its fencing token, or 0."""

    key: str
    held_ms: int


class ReleaseLock(_Command, frozen=True, tag="lock.release"):
    """Free a lock, whoever holds it; the outcome says whether anybody did."""

    key: str


class ExpireLocks(_Command, frozen=True, tag="lock.expire"):
    """Drop locks whose time is over, no more than so many. The outcome is how many there were."""

    count_max: int


class SetSwitch(_Command, frozen=True, tag="switch.set"):
    """Set one of the switches that hold for all nodes (``naming.switches``)."""

    entry: str
    value: str
    """As scripts write it."""


Command: TypeAlias = (
    PublishConfig
    | RemoveConfig
    | PublishGray
    | RemoveGray
    | PromoteGray
    | TrimHistory
    | RollbackConfig
    | DescribeConfig
    | SetConfigQuota
    | SetQuotaDefaults
    | CreateNamespace
    | UpdateNamespace
    | RemoveNamespace
    | RegisterPersistent
    | DeregisterPersistent
    | SetAdministrator
    | ChangeMetadata
    | AcquireLock
    | ReleaseLock
    | ExpireLocks
    | SetSwitch
)

_DECODER: Final = msgspec.msgpack.Decoder(Command)

encode = msgspec.msgpack.Encoder().encode


def decode(payload: bytes | msgspec.Raw) -> Command:
    """Raises ``msgspec.DecodeError`` for what no known version wrote."""
    command: Command = _DECODER.decode(payload)
    return command
