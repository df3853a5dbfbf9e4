"""How long it is remembered what happened to configurations: some days, the last events of each, and within bounds."""

from collections.abc import Callable

from nacos_core import limits
from nacos_core.commands import TrimHistory

_DAY_MS = 24 * 60 * 60 * 1000


class Retention:
    """When history is to be trimmed, and up to which time.

    Time alone would let a configuration that is published all the time fill the memory. So once all of history takes
    ``HISTORY_BYTES_MAX``, its oldest quarter is too old, whatever its age.
    """

    def __init__(self) -> None:
        self._last_ms: int | None = None
        self._bytes_after = 0

    def before_ms(self, now_ms: int, count: int, bytes_about: int, time_ms: Callable[[int], int | None]) -> int | None:
        """What is older is to be trimmed; None: not now. ``time_ms`` tells when the event at a place was."""
        is_large = bytes_about > max(limits.HISTORY_BYTES_MAX, self._bytes_after + self._bytes_after // 4)
        is_time = self._last_ms is None or not 0 <= now_ms - self._last_ms < limits.HISTORY_TRIM_MS
        if not (is_large or is_time):
            return None
        self._last_ms = now_ms
        before_ms = max(0, now_ms - limits.HISTORY_DAYS * _DAY_MS)
        if is_large:
            before_ms = max(before_ms, time_ms(count // 4) or 0)
        return before_ms

    def trimmed(self, bytes_about: int) -> None:
        """So much is left, however it was trimmed: the last events of each configuration stay."""
        self._bytes_after = bytes_about


def trim(before_ms: int, after_id: int) -> TrimHistory:
    """The command for the next portion."""
    return TrimHistory(before_ms, limits.HISTORY_KEEP_COUNT, after_id, limits.HISTORY_LOOK_COUNT)
