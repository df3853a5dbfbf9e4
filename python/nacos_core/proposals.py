"""How a command is handed to the log, and what comes back."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from nacos_core.errors import NacosCoreError
from nacos_core.state_machine import Outcome

if TYPE_CHECKING:
    from nacos_core.commands import Command

Result: TypeAlias = Outcome | NacosCoreError
"""What became of a proposed command: its outcome, or why it did not get one."""

Complete: TypeAlias = Callable[[Result], None]
Propose: TypeAlias = Callable[["Command", Complete], None]
Confirm: TypeAlias = Callable[[Callable[[NacosCoreError | None], None]], None]
