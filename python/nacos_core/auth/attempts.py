"""How often an address may try wrong passwords, and which passwords were right a moment ago."""

import hashlib
import hmac

from nacos_core import limits
from nacos_core.auth.identity import Password


class FailedLogins:
    """Counts wrong passwords by address in windows of fixed length."""

    def __init__(self) -> None:
        self._windows: dict[str, tuple[float, int]] = {}

    def wait_seconds(self, address: str, now: float) -> float:
        """How long this address has to wait before its next try; 0 if it may try now."""
        ends_at, failures = self._windows.get(address, (0.0, 0))
        return ends_at - now if now < ends_at and failures >= limits.LOGIN_FAILURES_MAX else 0.0

    def failed(self, address: str, now: float) -> None:
        """A wrong password came from there."""
        ends_at, failures = self._windows.pop(address, (0.0, 0))
        if ends_at <= now:
            ends_at, failures = now + limits.LOGIN_FAILURE_WINDOW_SECONDS, 0
        if len(self._windows) >= limits.LOGIN_ADDRESSES_COUNT_MAX:
            del self._windows[next(iter(self._windows))]
        self._windows[address] = (ends_at, failures + 1)

    def succeeded(self, address: str) -> None:
        """The right password came from there."""
        self._windows.pop(address, None)


class RightPasswords:
    """Remembers for a short time that a user name and password were right, by a keyed digest and never in clear."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._until: dict[bytes, float] = {}

    def remember(self, login: Password, now: float) -> None:
        """It was just found right."""
        if len(self._until) >= limits.PASSWORD_CACHE_COUNT_MAX:
            self._until.clear()
        self._until[self._digest(login)] = now + limits.PASSWORD_CACHE_SECONDS

    def knows(self, login: Password, now: float) -> bool:
        """Whether it was found right lately."""
        return self._until.get(self._digest(login), 0.0) > now

    def _digest(self, login: Password) -> bytes:
        text = f"{len(login.user)}:{login.user}{login.password}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, text, hashlib.sha256)
