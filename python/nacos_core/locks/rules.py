"""Turns what is asked of a lock into a command that makes sense, or says why not (protocol/grpc.md section 6)."""

from typing import Final

from nacos_core import limits
from nacos_core.commands import AcquireLock, ReleaseLock
from nacos_core.errors import InvalidParameter

MUTEX: Final = "NACOS_LOCK"
"""The one type there is: not re-entrant, and freed by whoever says so."""


class LockRefused(InvalidParameter):
    """A key, a type or a time cannot be used."""


def acquisition(key: str | None, lock_type: str | None, expires_after_ms: int | None) -> AcquireLock:
    """The command that acquires a lock. A negative time, or none, is the default; a longer one than may be is cut.

    Raises:
        LockRefused: says what cannot be used.
    """
    checked = _check(key, lock_type)
    if expires_after_ms is None or expires_after_ms < 0:
        expires_after_ms = limits.LOCK_MS_DEFAULT
    if expires_after_ms == 0:
        raise LockRefused(
            f"expiredTime 0 holds a lock for no time: at least 1 ms is needed, and -1 stands for "
            f"{limits.LOCK_MS_DEFAULT} ms"
        )
    return AcquireLock(checked, min(expires_after_ms, limits.LOCK_MS_MAX))


def release(key: str | None, lock_type: str | None) -> ReleaseLock:
    """The command that frees a lock, whoever holds it.

    Raises:
        LockRefused: says what cannot be used.
    """
    return ReleaseLock(_check(key, lock_type))


def _check(key: str | None, lock_type: str | None) -> str:
    if lock_type != MUTEX:
        raise LockRefused(f"lockType {lock_type!r} is not known: only {MUTEX} is")
    if key is None or not key.strip():
        raise LockRefused("the key of the lock is missing")
    if len(key) > limits.LOCK_KEY_CHARACTERS_MAX:
        raise LockRefused(
            f"the key of the lock has {len(key)} characters, at most {limits.LOCK_KEY_CHARACTERS_MAX} are allowed"
        )
    return key
