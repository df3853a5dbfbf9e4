"""Checks passwords in threads: few at a time, a short queue, and the loop never waits."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from nacos_core import limits
from nacos_core.auth.passwords import verify_password
from nacos_core.auth.tokens import Tokens

if TYPE_CHECKING:
    from nacos_core.auth.identity import Password
    from nacos_core.state_machine import StateMachine


class Logins:
    """The hash workers. At most half of the processors hash at once, so a flood of logins leaves room for the rest."""

    def __init__(self, *, nursery: trio.Nursery, state_machine: "StateMachine", settle: Callable[[], None]) -> None:
        self._nursery = nursery
        self._state_machine = state_machine
        self._settle = settle
        self._limiter = trio.CapacityLimiter(max(1, (os.cpu_count() or 1) // 2))
        self._waiting = 0
        self._tokens: tuple[bytes, Tokens] | None = None

    def check(self, login: "Password", complete: Callable[[bool], None]) -> bool:
        """Checks in the background and calls ``complete``; False, and no call, if too many wait already."""
        if self._state_machine.administrator is None or self._waiting >= limits.LOGINS_WAITING_MAX:
            return False
        self._waiting += 1
        self._nursery.start_soon(self._check, login, complete)
        return True

    def is_user(self, user: str) -> bool:
        """Whether there is a user of this name now; a token may outlive its user."""
        administrator = self._state_machine.administrator
        return administrator is not None and administrator.user == user

    def tokens(self) -> Tokens | None:
        """Those of the administrator as it is now; None: not known yet."""
        administrator = self._state_machine.administrator
        if administrator is not None and (self._tokens is None or administrator.token_key != self._tokens[0]):
            self._tokens = (administrator.token_key, Tokens(administrator.token_key))
        return None if administrator is None or self._tokens is None else self._tokens[1]

    async def _check(self, login: "Password", complete: Callable[[bool], None]) -> None:
        try:
            administrator = self._state_machine.administrator
            assert administrator is not None, "checked before the task was started"
            # An unknown user costs the same hash, so that the time tells nothing.
            is_password = await trio.to_thread.run_sync(
                verify_password,
                login.password,
                administrator.password_hash,
                limiter=self._limiter,
                abandon_on_cancel=True,
            )
            complete(is_password and login.user == administrator.user)
        finally:
            self._waiting -= 1
        self._settle()
