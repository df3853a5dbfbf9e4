"""What the log means: applies committed commands to the stores. Deterministic: it reads no clock and no chance.

A command that makes no sense becomes a refusal as its outcome, and never stops what follows it.
"""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from nacos_core import commands
from nacos_core.commands import (
    Command,
    DeregisterPersistent,
    PublishConfig,
    RegisterPersistent,
    RemoveConfig,
    SetAdministrator,
)
from nacos_core.errors import AlreadyExists, CasMismatch, CommandRefused

if TYPE_CHECKING:
    from nacos_core._core import Hub
    from nacos_core.clock import WallClock

_logger = logging.getLogger(__name__)

ConfigKey: TypeAlias = tuple[str, str, str]
"""Namespace, group, data id."""

Outcome: TypeAlias = str | bool | CommandRefused | None
"""What a command gave: the md5 of a publication, whether there was anything to remove, or why it was refused."""

RawOutcome: TypeAlias = str | bool | list[str] | None
"""The same as plain data, as it is kept in snapshots: a refusal is its kind and its words."""

SNAPSHOT_VERSION = 1


class Administrator(msgspec.Struct, frozen=True):
    """The one user that there is in the first form of authentication."""

    user: str
    password_hash: str
    token_key: bytes


class _Snapshot(msgspec.Struct, array_like=True):
    version: int
    administrator: Administrator | None
    stores: bytes


class _Frozen:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def encode(self) -> bytes:
        return self._data


def read_outcome(raw: RawOutcome) -> Outcome:
    """What the callers of a command are told."""
    match raw:
        case ["cas", _]:
            return CasMismatch()
        case ["exists", _]:
            return AlreadyExists()
        case [_, text]:
            return CommandRefused(text)
        case str() | bool() | None:
            return raw
        case _:
            raise ValueError(f"not an outcome: {raw!r}")


class StateMachine:
    """The replicated state: configurations and persistent instances in the hub, the administrator here."""

    def __init__(self, hub: "Hub", wall_clock: "WallClock") -> None:
        self._hub = hub
        self._wall_clock = wall_clock  # only to tell clients when a restored snapshot changed what they see
        self.administrator: Administrator | None = None
        self._changed_configs: dict[ConfigKey, None] = {}

    def apply(self, batch: Sequence[tuple[int, msgspec.Raw]]) -> list[RawOutcome]:
        """Applies commands with their stamps, in order."""
        return [self._apply_encoded(stamped_ms, command) for stamped_ms, command in batch]

    def take_changed_configs(self) -> list[ConfigKey]:
        """Configurations whose content changed since the last call, in order of first change."""
        if not self._changed_configs:
            return []
        changed = list(self._changed_configs)
        self._changed_configs.clear()
        return changed

    def freeze(self) -> _Frozen:
        """Everything that was applied, for ``restore``."""
        snapshot = _Snapshot(SNAPSHOT_VERSION, self.administrator, self._hub.encode_snapshot())
        return _Frozen(msgspec.msgpack.encode(snapshot))

    def restore(self, data: bytes) -> None:
        """Replaces the state.

        Raises:
            ValueError: this is no snapshot of a version that can be read.
        """
        snapshot = msgspec.msgpack.decode(data, type=_Snapshot)
        if snapshot.version != SNAPSHOT_VERSION:
            raise ValueError(f"the state has version {snapshot.version}, this program reads {SNAPSHOT_VERSION}")
        self._hub.restore_snapshot(snapshot.stores, self._wall_clock())
        self.administrator = snapshot.administrator

    def _apply_encoded(self, stamped_ms: int, encoded: msgspec.Raw) -> RawOutcome:
        try:
            command = commands.decode(encoded)
        except msgspec.DecodeError as error:
            _logger.warning("a command of the log is not known: %s", error)
            return ["refused", f"not a known command: {error}"]
        try:
            return self._apply(stamped_ms, command)
        except ValueError as error:
            return ["refused", str(error)]
        except Exception as error:
            _logger.exception("a command of the log cannot be applied")
            return ["refused", f"cannot be applied: {error}"]

    def _apply(self, stamped_ms: int, command: Command) -> RawOutcome:
        match command:
            case PublishConfig():
                return self._publish(stamped_ms, command)
            case RemoveConfig():
                return self._remove(command)
            case RegisterPersistent(namespace, group, service, instance):
                self._hub.apply_persistent(True, namespace, group, service, instance, stamped_ms)
                return None
            case DeregisterPersistent(namespace, group, service, instance):
                self._hub.apply_persistent(False, namespace, group, service, instance, stamped_ms)
                return None
            case SetAdministrator(user, password_hash, token_key):
                self.administrator = Administrator(user, password_hash, token_key)
                return None

    def _publish(self, stamped_ms: int, command: PublishConfig) -> RawOutcome:
        hub = self._hub
        before = hub.config_md5(command.namespace, command.group, command.data_id)
        if before and command.create_only:
            return ["exists", ""]
        if before and command.cas_md5 and command.cas_md5 != before:
            return ["cas", ""]
        after = hub.put_config(
            command.namespace,
            command.group,
            command.data_id,
            command.content,
            type=command.type,
            encrypted_data_key=command.encrypted_data_key,
            description=command.description,
            application=command.application,
            tags=command.tags,
            use=command.use,
            effect=command.effect,
            schema=command.schema,
            source_user=command.source_user,
            source_ip=command.source_ip,
            now_ms=stamped_ms,
        )
        if after != before:
            self._changed_configs[command.namespace, command.group, command.data_id] = None
        return after

    def _remove(self, command: RemoveConfig) -> bool:
        removed = self._hub.remove_config(command.namespace, command.group, command.data_id)
        if removed:
            self._changed_configs[command.namespace, command.group, command.data_id] = None
        return removed
