"""What came of one seed, whichever way it was played."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from nacos_core.simulation.invariants import Violation
from nacos_core.simulation.timeline import Timeline, Trace


@dataclass(slots=True)
class Verdict:
    """Whether a rule was broken, and how much there was to break it."""

    seed: int
    failure: str = ""
    """The rule that was broken and how; empty: none was."""
    rule: str = ""
    details: str = ""
    simulated_seconds: float = 0.0
    events_count: int = 0
    messages_count: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    calls_count: int = 0
    digest: str = ""
    """Of the trace, if there was one."""

    @contextmanager
    def judged(self, timeline: Timeline, trace: Trace | None) -> Iterator[None]:
        """Takes down what ends the block, be it a violation or an error of the code that is played."""
        try:
            yield
        except Exception as error:
            first = _first(error)
            if isinstance(first, Violation):
                self.failure, self.rule = str(first), first.rule
            else:
                self.failure, self.rule = f"{type(first).__name__}: {first}", type(first).__name__
            self.details = traceback.format_exc()
        self.simulated_seconds = timeline.now
        self.events_count = timeline.events_count
        self.digest = trace.digest if trace is not None else ""


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
