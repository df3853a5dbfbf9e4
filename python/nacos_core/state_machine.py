"""What the log means: applies committed commands to the stores. Deterministic: it reads no clock and no chance.

A command that makes no sense becomes a refusal as its outcome, and never stops what follows it.
"""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from nacos_core import commands
from nacos_core.commands import (
    AcquireLock,
    ChangeMetadata,
    Command,
    CreateNamespace,
    DeregisterPersistent,
    DescribeConfig,
    ExpireLocks,
    PromoteGray,
    PublishConfig,
    PublishGray,
    RegisterPersistent,
    ReleaseLock,
    RemoveConfig,
    RemoveGray,
    RemoveNamespace,
    RollbackConfig,
    SetAdministrator,
    SetConfigQuota,
    SetQuotaDefaults,
    SetSwitch,
    TrimHistory,
    UpdateNamespace,
)
from nacos_core.config import gray
from nacos_core.config.quotas import Quota, QuotaDefaults, Quotas
from nacos_core.errors import (
    AlreadyExists,
    CasMismatch,
    CommandRefused,
    GrayAbsent,
    OverQuota,
    QuotaLevel,
    TooManyGrays,
)
from nacos_core.locks.state import Lock, Locks
from nacos_core.namespaces.state import Namespace, Namespaces
from nacos_core.naming.switches import Switches, with_entry

if TYPE_CHECKING:
    from nacos_core._core import Frozen, Hub, Publication
    from nacos_core.clock import WallClock

_logger = logging.getLogger(__name__)

ConfigKey: TypeAlias = tuple[str, str, str]
"""Namespace, group, data id."""

Outcome: TypeAlias = str | int | bool | CommandRefused | None
"""What a command gave: the md5 of a publication, the token of a lock, whether there was anything to change, or why it
was refused."""

RawOutcome: TypeAlias = str | int | bool | list[str] | None
"""The same as plain data, as it is kept in snapshots: a refusal is its kind and its words."""

SNAPSHOT_VERSION = 2


class Administrator(msgspec.Struct, frozen=True):
    """The one user that there is in the first form of authentication."""

    user: str
    password_hash: str
    token_key: bytes


class _Version(msgspec.Struct, array_like=True):
    version: int


class _Snapshot(msgspec.Struct, array_like=True):
    version: int
    administrator: Administrator | None
    stores: bytes
    namespaces: list[Namespace]
    locks: list[Lock] = []
    switches: Switches = Switches()
    quota_defaults: QuotaDefaults = QuotaDefaults()
    quotas: list[Quota] = []


class _Frozen:
    """The state as it was at one moment, to be written in a worker thread while the state goes on changing."""

    def __init__(
        self,
        administrator: Administrator | None,
        stores: "Frozen",
        namespaces: list[Namespace],
        locks: list[Lock],
        switches: Switches,
        quotas: Quotas,
    ) -> None:
        self._administrator = administrator
        self._stores = stores
        self._namespaces = namespaces
        self._locks = locks
        self._switches = switches
        self._quota_defaults = quotas.defaults
        self._quotas = list(quotas)

    def encode(self) -> bytes:
        snapshot = _Snapshot(
            SNAPSHOT_VERSION,
            self._administrator,
            self._stores.encode(),
            self._namespaces,
            self._locks,
            self._switches,
            self._quota_defaults,
            self._quotas,
        )
        return msgspec.msgpack.encode(snapshot)


def read_outcome(raw: RawOutcome) -> Outcome:
    """What the callers of a command are told."""
    match raw:
        case ["cas", _]:
            return CasMismatch()
        case ["exists", _]:
            return AlreadyExists()
        case ["grays", text]:
            return TooManyGrays(text)
        case ["absent", text]:
            return GrayAbsent(text)
        case [str(kind), text] if kind.startswith("quota."):
            return OverQuota(QuotaLevel(kind.removeprefix("quota.")), text)
        case [_, text]:
            return CommandRefused(text)
        case str() | int() | None:
            return raw
        case _:
            raise ValueError(f"not an outcome: {raw!r}")


class StateMachine:
    """The replicated state: configurations with their history and persistent instances in the hub, the rest here."""

    def __init__(self, hub: "Hub", wall_clock: "WallClock") -> None:
        self._hub = hub
        self._wall_clock = wall_clock  # only to tell clients when a restored snapshot changed what they see
        self.administrator: Administrator | None = None
        self.namespaces = Namespaces()
        self.locks = Locks()
        self.switches = Switches()
        self.quotas = Quotas(hub)
        self._changed_configs: dict[ConfigKey, None] = {}
        self._changed_grays: dict[ConfigKey, None] = {}

    def apply(self, batch: Sequence[tuple[int, int, msgspec.Raw]]) -> list[RawOutcome]:
        """Applies commands with their indexes and stamps, in order."""
        outcomes: list[RawOutcome] = []
        publications: list[Publication] = []
        for index, stamped_ms, encoded in batch:
            command = self._decode(encoded)
            if isinstance(command, PublishConfig):
                publications.append((stamped_ms, msgspec.structs.astuple(command)))
                continue
            if publications:
                outcomes += self._publish(publications)
                publications.clear()
            outcomes.append(command if isinstance(command, list) else self._apply_one(index, stamped_ms, command))
        if publications:
            outcomes += self._publish(publications)
        return outcomes

    def take_changed_configs(self) -> list[ConfigKey]:
        """Configurations whose content changed since the last call, in order of first change."""
        if not self._changed_configs:
            return []
        changed = list(self._changed_configs)
        self._changed_configs.clear()
        return changed

    def take_changed_grays(self) -> list[ConfigKey]:
        """Configurations with a gray release that changed since the last call; the content for all others did not."""
        changed = [key for key in self._changed_grays if key not in self._changed_configs]
        self._changed_grays.clear()
        return changed

    def freeze(self) -> _Frozen:
        """Everything that was applied, for ``restore``."""
        return _Frozen(
            self.administrator,
            self._hub.freeze(),
            list(self.namespaces),
            list(self.locks),
            self.switches,
            self.quotas,
        )

    def restore(self, data: bytes) -> None:
        """Replaces the state.

        Raises:
            ValueError: this is no snapshot of a version that can be read.
        """
        version = msgspec.msgpack.decode(data, type=_Version).version
        if version != SNAPSHOT_VERSION:
            raise ValueError(f"the state has version {version}, this program reads {SNAPSHOT_VERSION}")
        snapshot = msgspec.msgpack.decode(data, type=_Snapshot)
        changed = self._hub.restore_snapshot(snapshot.stores, self._wall_clock())
        self._changed_configs.update(dict.fromkeys(changed))
        self.administrator = snapshot.administrator
        self.namespaces.replace(snapshot.namespaces)
        self.locks.replace(snapshot.locks)
        self._set_switches(snapshot.switches)
        self.quotas.replace(snapshot.quota_defaults, snapshot.quotas)

    def _decode(self, encoded: msgspec.Raw) -> Command | list[str]:
        try:
            return commands.decode(encoded)
        except msgspec.DecodeError as error:
            _logger.warning("a command of the log is not known: %s", error)
            return ["refused", f"not a known command: {error}"]

    def _apply_one(self, index: int, stamped_ms: int, command: Command) -> RawOutcome:
        try:
            return self._apply(index, stamped_ms, command)
        except (ValueError, CommandRefused) as error:
            return ["refused", str(error)]
        except Exception as error:
            _logger.exception("a command of the log cannot be applied")
            return ["refused", f"cannot be applied: {error}"]

    def _apply(self, index: int, stamped_ms: int, command: Command) -> RawOutcome:
        match command:
            case PublishConfig():
                raise AssertionError("publications are applied by the batch")
            case RemoveConfig():
                return self._remove(stamped_ms, command)
            case PublishGray() | RemoveGray() | PromoteGray():
                return self._change_gray(stamped_ms, command)
            case TrimHistory(before_ms, keep_count, after_id, look_count):
                return str(self._hub.trim_history(before_ms, keep_count, after_id, look_count) or "")
            case RollbackConfig():
                return self._roll_back(stamped_ms, command)
            case DescribeConfig(namespace, group, data_id, description, tags, source_user, source_ip):
                return self._hub.describe_config(
                    namespace,
                    group,
                    data_id,
                    description=description,
                    tags=tags,
                    now_ms=stamped_ms,
                    source_user=source_user,
                    source_ip=source_ip,
                )
            case SetConfigQuota():
                self.quotas.set(command)
                return None
            case SetQuotaDefaults():
                self.quotas.set_defaults(QuotaDefaults(*msgspec.structs.astuple(command)))
                return None
            case CreateNamespace(namespace, name, description):
                return self.namespaces.create(Namespace(namespace, name, description))
            case UpdateNamespace(namespace, name, description):
                return self.namespaces.update(Namespace(namespace, name, description))
            case RemoveNamespace(namespace):
                return self.namespaces.remove(namespace)
            case RegisterPersistent(namespace, group, service, instance):
                self._hub.apply_persistent(True, namespace, group, service, instance, stamped_ms)
                return None
            case DeregisterPersistent(namespace, group, service, instance):
                self._hub.apply_persistent(False, namespace, group, service, instance, stamped_ms)
                return None
            case ChangeMetadata(namespace, group, service, change):
                self._hub.change_metadata(namespace, group, service, change, stamped_ms)
                return None
            case SetSwitch(entry, value):
                self._set_switches(with_entry(self.switches, entry, value))
                return None
            case SetAdministrator(user, password_hash, token_key):
                self.administrator = Administrator(user, password_hash, token_key)
                return None
            case AcquireLock(key, held_ms):
                return self.locks.acquire(key, index, stamped_ms, held_ms)
            case ReleaseLock(key):
                return self.locks.release(key, stamped_ms)
            case ExpireLocks(count_max):
                return self.locks.expire(stamped_ms, count_max)

    def _set_switches(self, switches: Switches) -> None:
        self.switches = switches
        self._hub.set_pace(
            light_beat=switches.light_beat_enabled,
            ephemeral_default=switches.default_instance_ephemeral,
            beat_interval_ms=switches.client_beat_interval,
            cache_ms=switches.default_push_cache_millis,
        )

    def _publish(self, publications: "list[Publication]") -> "Sequence[RawOutcome]":
        outcomes, changed = self._hub.put_configs(publications)
        for at in changed:
            self._changed_configs[publications[at][1][:3]] = None
        return outcomes

    def _remove(self, stamped_ms: int, command: RemoveConfig) -> bool:
        removed = self._hub.remove_config(
            command.namespace,
            command.group,
            command.data_id,
            now_ms=stamped_ms,
            source_user=command.source_user,
            source_ip=command.source_ip,
        )
        if removed:
            self._changed_configs[command.namespace, command.group, command.data_id] = None
        return removed

    def _change_gray(self, stamped_ms: int, command: PublishGray | RemoveGray | PromoteGray) -> RawOutcome:
        key = (command.namespace, command.group, command.data_id)
        outcome = gray.apply(self._hub, stamped_ms, command)
        if isinstance(outcome, str) or outcome is True:
            changed = self._changed_configs if isinstance(command, PromoteGray) else self._changed_grays
            changed[key] = None
        return outcome

    def _roll_back(self, stamped_ms: int, command: RollbackConfig) -> RawOutcome:
        key = (command.namespace, command.group, command.data_id)
        outcome, is_changed = self._hub.roll_back_config(
            *key,
            command.event_id,
            now_ms=stamped_ms,
            source_user=command.source_user,
            source_ip=command.source_ip,
        )
        if is_changed:
            self._changed_configs[key] = None
        return is_changed if outcome is None else outcome
