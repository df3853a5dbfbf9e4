"""What clients ask for, each time with what is known of the outcome."""

from collections.abc import Awaitable, Callable
from typing import Literal

import trio

from nacos_core._core import LogError
from nacos_core.errors import CasMismatch, CommandRefused, NacosCoreError, OutcomeUnknown
from nacos_core.simulation.clients import PATIENCE_SECONDS
from nacos_core.simulation.history import Call, History
from nacos_core.simulation.nodes.machine import Process, running
from nacos_core.simulation.nodes.scheduling import TrioTimeline


class Calls:
    """Those of all clients of a cluster."""

    def __init__(self, timeline: TrioTimeline) -> None:
        self.history = History()
        self.answered_count = 0
        self.refused_count = 0
        self.unknown_count = 0
        self._timeline = timeline
        self._next_number = 0

    @property
    def count(self) -> int:
        """Calls that are over."""
        return self.answered_count + self.refused_count + self.unknown_count

    def next_number(self) -> int:
        """A number that nothing else has."""
        self._next_number += 1
        return self._next_number

    def new(self, client: int, kind: Literal["write", "swap", "read", "acquire", "release"], key: str) -> Call:
        """A call that is made now; its ``value`` is a number that no other one has."""
        return Call(client, kind, key, trio.current_time(), self.next_number())

    async def make(self, process: Process, call: Call, ask: Callable[[], Awaitable[int]]) -> bool:
        """Waits for the result, as ``Call.result`` has it; says whether it is known. Keeps what is known otherwise."""
        running.set(process)
        outcome = "unknown"
        try:
            with trio.move_on_after(PATIENCE_SECONDS):
                call.result = await ask()
                outcome = "done"
        except CasMismatch:
            outcome = "done"
        except CommandRefused as error:
            outcome = "done" if call.kind == "swap" else f"refused: {error}"
        except OutcomeUnknown:
            pass
        except NacosCoreError as error:
            outcome = f"refused: {error}"
        except LogError:
            # The node has lost its disk under the call.
            pass
        finally:
            running.set(None)
        if not process.is_alive:
            outcome = "unknown"
        self._timeline.note(f"client{call.client}", f"{call.kind} {call.key} {call.value}: {outcome} {call.result}")
        if outcome == "done":
            call.returned_at = trio.current_time()
            self.answered_count += 1
        elif outcome == "unknown":
            call.result = 0
            self.unknown_count += 1
        else:
            call.is_refused = True
            self.refused_count += 1
        return outcome == "done"
