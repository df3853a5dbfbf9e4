"""How long it is remembered what happened to configurations: some days, and the last events of each.

How much all events may take is the core's to keep (rust/core/src/configs/history.rs).
"""

from nacos_core import limits
from nacos_core.commands import TrimHistory

_DAY_MS = 24 * 60 * 60 * 1000


class Retention:
    """When history is to be trimmed, and up to what.

    Args:
        days: what is older may go.
        keep_count: so many last events of each configuration that exists stay, however old they are.
    """

    def __init__(self, days: int = limits.HISTORY_DAYS, keep_count: int = limits.HISTORY_KEEP_COUNT) -> None:
        self._days = days
        self._keep_count = keep_count
        self._last_ms: int | None = None

    def before_ms(self, now_ms: int) -> int | None:
        """What is older is to be trimmed; None: not now."""
        if self._last_ms is not None and 0 <= now_ms - self._last_ms < limits.HISTORY_TRIM_MS:
            return None
        self._last_ms = now_ms
        return max(0, now_ms - self._days * _DAY_MS)

    def trim(self, before_ms: int, after_id: int) -> TrimHistory:
        """The command for the next portion."""
        return TrimHistory(before_ms, self._keep_count, after_id, limits.HISTORY_LOOK_COUNT)
