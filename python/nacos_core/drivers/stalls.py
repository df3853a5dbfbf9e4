"""Says when this process did not run in time, or when a sync took long.

An election without a crash has a cause: with these lines an operator can tell a machine that stood still from a fault.
"""

import logging
from collections.abc import Callable

from nacos_core import limits

_logger = logging.getLogger(__name__)


class Stalls:
    """One warning for each stall of ``limits.STALL_SECONDS`` or longer. All times are seconds of one clock.

    Args:
        cpu_seconds: the processor time that this process has used until now.
    """

    def __init__(self, cpu_seconds: Callable[[], float]) -> None:
        self._cpu_seconds = cpu_seconds
        self._cpu_before = cpu_seconds()
        self._cpu_read_at = float("-inf")
        self._written = (0, 0.0)
        """The log's ticket that is waited for, and since when."""

    def sleeps(self, now: float) -> None:
        """The timer's task goes to sleep."""
        if now - self._cpu_read_at >= limits.STALL_CPU_SECONDS:  # reading it is a system call
            self._cpu_read_at = now
            self._cpu_before = self._cpu_seconds()

    def woke(self, due: float, now: float) -> None:
        """The timer's task runs again, and should have run at ``due``."""
        late = now - due
        if late >= limits.STALL_SECONDS:
            # What the process has used since may lie before ``due`` in part, so this is the least that it stood still.
            ran = min(late, self._cpu_seconds() - self._cpu_before)
            _logger.warning(
                "stall: the timer woke %.0f ms late; the process did not run for %.0f ms of that",
                late * 1000,
                (late - ran) * 1000,
            )

    def written(self, ticket: int, now: float) -> None:
        """The log was given something up to ``ticket``; only the oldest that is not synced counts."""
        if not self._written[0]:
            self._written = (ticket, now)

    def synced(self, ticket: int, newest_ticket: int, now: float) -> None:
        """The log is durable up to ``ticket`` of ``newest_ticket``."""
        waited_for, since = self._written
        if not waited_for or ticket < waited_for:
            return
        self._written = (newest_ticket, now) if newest_ticket > ticket else (0, 0.0)
        if now - since >= limits.STALL_SECONDS:
            _logger.warning("stall: a sync of the log took %.0f ms", (now - since) * 1000)
