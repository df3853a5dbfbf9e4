"""The administrator's password: what the environment gives always holds; without it, a first start makes one up."""

import base64
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from nacos_core import limits
from nacos_core.auth.identity import ADMINISTRATOR
from nacos_core.auth.passwords import SALT_BYTES, hash_password, verify_password
from nacos_core.commands import SetAdministrator
from nacos_core.errors import NotReady, OutcomeUnknown

if TYPE_CHECKING:
    from nacos_core.in_process import Writes
    from nacos_core.raft.replica import Replica
    from nacos_core.state_machine import StateMachine


class AdministratorPassword:
    """The password that a node was given, and whether it holds.

    Args:
        given: None: whichever was set before stays.
        entropy: gives so many random bytes.
    """

    def __init__(
        self,
        given: str | None,
        *,
        state_machine: "StateMachine",
        writes: "Writes",
        replica: "Replica",
        entropy: Callable[[int], bytes],
    ) -> None:
        self._given = given
        self._state_machine = state_machine
        self._writes = writes
        self._replica = replica
        self._entropy = entropy

    async def start(self, nursery: trio.Nursery) -> str | None:
        """A node that is alone serves nobody before there is a password; in a cluster nobody waits for that.

        Returns:
            The password, if this node has made it up.
        """
        if self._replica.machine.is_alone:
            return await self._ensure()
        if self._given is not None:
            nursery.start_soon(self._run)
        return None

    async def _run(self) -> None:
        """The leader sets it, once a term."""
        done_in_term = 0
        while True:
            term = self._replica.machine.current_term
            if self._replica.is_leader and term != done_in_term:
                with suppress(NotReady, OutcomeUnknown):
                    await self._ensure()
                    done_in_term = term
            await trio.sleep(limits.ADMINISTRATOR_INTERVAL_SECONDS)

    async def _ensure(self) -> str | None:
        administrator = self._state_machine.administrator
        given = self._given
        if administrator is not None and (
            given is None or await trio.to_thread.run_sync(verify_password, given, administrator.password_hash)
        ):
            return None
        password = base64.urlsafe_b64encode(self._entropy(18)).decode() if given is None else given
        password_hash = await trio.to_thread.run_sync(hash_password, password, self._entropy(SALT_BYTES))
        token_key = self._entropy(limits.KEY_BYTES_MIN)
        await self._writes.apply(SetAdministrator(ADMINISTRATOR, password_hash, token_key))
        return password if given is None else None
