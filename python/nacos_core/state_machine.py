"""What the log means: applies committed commands to the stores. Deterministic: it reads no clock and no chance.

A command that makes no sense becomes a ``CommandRefused`` result and never stops what follows it.
"""

import logging
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

_logger = logging.getLogger(__name__)

ConfigKey: TypeAlias = tuple[str, str, str]
"""Namespace, group, data id."""

Outcome: TypeAlias = str | bool | CommandRefused | None
"""What a command gave: the md5 of a publication, whether there was anything to remove, or why it was refused."""

SNAPSHOT_VERSION = 1


class Administrator(msgspec.Struct, frozen=True):
    """The one user that there is in the first form of authentication."""

    user: str
    password_hash: str


class _Snapshot(msgspec.Struct, array_like=True):
    version: int
    last_applied: int
    administrator: Administrator | None
    stores: bytes


class StateMachine:
    """The replicated state: configurations and persistent instances in the hub, the administrator here."""

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub
        self.administrator: Administrator | None = None
        self.last_applied = 0
        self._changed_configs: dict[ConfigKey, None] = {}

    def apply_payload(self, index: int, payload: bytes) -> Outcome:
        """Applies the entry at ``index`` as it is in the log."""
        if not payload:  # a leader's no-op
            self._advance(index)
            return None
        try:
            command = commands.decode(payload)
        except msgspec.DecodeError as error:
            _logger.warning("entry %d of the log is no known command: %s", index, error)
            self._advance(index)
            return CommandRefused(f"not a known command: {error}")
        return self.apply(index, command)

    def apply(self, index: int, command: Command) -> Outcome:
        """Applies the entry at ``index``; must follow the last one applied."""
        self._advance(index)
        try:
            match command:
                case PublishConfig():
                    return self._publish(command)
                case RemoveConfig():
                    return self._remove(command)
                case RegisterPersistent() | DeregisterPersistent():
                    self._apply_persistent(command)
                    return None
                case SetAdministrator():
                    self.administrator = Administrator(command.user, command.password_hash)
                    return None
        except ValueError as error:
            return CommandRefused(str(error))
        except Exception as error:
            _logger.exception("entry %d of the log cannot be applied", index)
            return CommandRefused(f"cannot be applied: {error}")

    def take_changed_configs(self) -> list[ConfigKey]:
        """Configurations whose content changed since the last call, in order of first change."""
        if not self._changed_configs:
            return []
        changed = list(self._changed_configs)
        self._changed_configs.clear()
        return changed

    def encode_snapshot(self) -> bytes:
        """Everything that was applied, to be given to ``restore_snapshot``."""
        return msgspec.msgpack.encode(
            _Snapshot(SNAPSHOT_VERSION, self.last_applied, self.administrator, self._hub.encode_snapshot())
        )

    def restore_snapshot(self, data: bytes, now_ms: int) -> None:
        """Replaces the state.

        Raises:
            ValueError: this is no snapshot of a version that can be read.
        """
        snapshot = msgspec.msgpack.decode(data, type=_Snapshot)
        if snapshot.version != SNAPSHOT_VERSION:
            raise ValueError(f"the snapshot has version {snapshot.version}, this program reads {SNAPSHOT_VERSION}")
        self._hub.restore_snapshot(snapshot.stores, now_ms)
        self.administrator = snapshot.administrator
        self.last_applied = snapshot.last_applied

    def _advance(self, index: int) -> None:
        assert index == self.last_applied + 1, f"entry {index} cannot follow {self.last_applied}"
        self.last_applied = index

    def _publish(self, command: PublishConfig) -> Outcome:
        hub = self._hub
        before = hub.config_md5(command.namespace, command.group, command.data_id)
        if before and command.create_only:
            return AlreadyExists()
        if before and command.cas_md5 and command.cas_md5 != before:
            return CasMismatch()
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
            now_ms=command.stamped_ms,
        )
        if after != before:
            self._changed_configs[command.namespace, command.group, command.data_id] = None
        return after

    def _remove(self, command: RemoveConfig) -> bool:
        removed = self._hub.remove_config(command.namespace, command.group, command.data_id)
        if removed:
            self._changed_configs[command.namespace, command.group, command.data_id] = None
        return removed

    def _apply_persistent(self, command: RegisterPersistent | DeregisterPersistent) -> None:
        register = isinstance(command, RegisterPersistent)
        self._hub.apply_persistent(
            register, command.namespace, command.group, command.service, command.instance, command.stamped_ms
        )
