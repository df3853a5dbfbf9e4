"""Lets requests pass whose sender is known: tokens at once, passwords after a slow hash that never runs on the loop."""

from collections.abc import Callable, Mapping
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Protocol

from nacos_core.auth.attempts import FailedLogins, RightPasswords
from nacos_core.auth.identity import Identity, Password, Token, identity_of
from nacos_core.auth.tokens import TokenRefused, Tokens
from nacos_core.limits import LOGIN_RETRY_SECONDS

if TYPE_CHECKING:
    from nacos_core._core import GrpcRequest, HttpRequest, Hub
    from nacos_core.clock import WallClock

    class CheckPassword(Protocol):
        """Checks a password off the loop; False: too many are waiting, and ``complete`` will not be called."""

        def __call__(self, login: Password, complete: Callable[[bool], None]) -> bool: ...


UNKNOWN_SENDER = "user not found!"
"""No token, no password, or a wrong one: all the same text."""


class Gate:
    """The decision about every request that the core does not let pass by itself.

    Args:
        tokens: as they are signed now; None until this node knows the administrator.
    """

    def __init__(
        self,
        *,
        hub: "Hub",
        tokens: Callable[[], Tokens | None],
        right_passwords: RightPasswords,
        check_password: "CheckPassword",
        is_user: Callable[[str], bool],
        wall_clock: "WallClock",
        now: Callable[[], float],
    ) -> None:
        self._hub = hub
        self._tokens = tokens
        self._right_passwords = right_passwords
        self._check_password = check_password
        self._is_user = is_user
        self._wall_clock = wall_clock
        self._now = now
        self._failed = FailedLogins()

    def admit(
        self,
        request: "HttpRequest | GrpcRequest",
        *,
        parameters: Mapping[str, str],
        refuse: Callable[[str], None],
        busy: Callable[[int], None],
    ) -> None:
        """Lets the request go on, now or once its password is checked, or refuses it with a reason."""
        identity = _identity(request.headers, parameters)
        match identity:
            case Token(text):
                tokens = self._tokens()
                if tokens is None:
                    busy(LOGIN_RETRY_SECONDS)
                    return
                try:
                    claims = tokens.check(text, self._wall_clock())
                except TokenRefused as refusal:
                    refuse(str(refusal))
                    return
                if not self._is_user(claims.sub):
                    refuse(UNKNOWN_SENDER)
                    return
                self._hub.allow_token(text, claims.exp * 1000)
                self._proceed(request)
            case Password():
                self._check(
                    identity,
                    request.remote_ip,
                    right=partial(self._proceed, request),
                    wrong=partial(refuse, UNKNOWN_SENDER),
                    busy=busy,
                )
            case None:
                refuse(UNKNOWN_SENDER)

    def user_of(self, headers: Mapping[str, str], parameters: Mapping[str, str]) -> str | None:
        """The name in the token or beside the password of a request that was let pass."""
        match _identity(headers, parameters):
            case Token(text):
                tokens = self._tokens()
                try:
                    return None if tokens is None else tokens.check(text, self._wall_clock()).sub
                except TokenRefused:  # it has ended since
                    return None
            case Password(user):
                return user
            case None:
                return None

    def login(
        self,
        login: Password,
        address: str,
        *,
        welcome: Callable[[str], None],
        refuse: Callable[[], None],
        busy: Callable[[int], None],
    ) -> None:
        """Gives a token for a right password."""

        def issue() -> None:
            tokens = self._tokens()
            assert tokens is not None, "whoever has a right password is known"
            welcome(tokens.issue(login.user, self._wall_clock()))

        self._check(login, address, right=issue, wrong=refuse, busy=busy)

    def _check(
        self,
        login: Password,
        address: str,
        *,
        right: Callable[[], None],
        wrong: Callable[[], None],
        busy: Callable[[int], None],
    ) -> None:
        if self._right_passwords.knows(login, self._now()):
            right()
            return
        wait_seconds = self._failed.wait_seconds(address, self._now())
        if wait_seconds > 0:
            busy(ceil(wait_seconds))
            return

        def complete(is_right: bool) -> None:
            if is_right:
                self._failed.succeeded(address)
                self._right_passwords.remember(login, self._now())
                right()
            else:
                self._failed.failed(address, self._now())
                wrong()

        if not self._check_password(login, complete):
            busy(LOGIN_RETRY_SECONDS)

    def _proceed(self, request: "HttpRequest | GrpcRequest") -> None:
        self._hub.proceed(request.connection, request.call, self._wall_clock())


def _identity(headers: Mapping[str, str], parameters: Mapping[str, str]) -> Identity:
    return identity_of({name.lower(): value for name, value in headers.items()}, parameters)
