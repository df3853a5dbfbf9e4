"""Which requests were applied, and with what result: part of the replicated state (the thesis, section 6.3).

What is remembered and what is forgotten follows from the log alone, so all servers remember the same.
"""

from enum import Enum
from typing import Any, TypeAlias

import msgspec

from nacos_core import limits
from nacos_core.raft.entries import Request

Outcome: TypeAlias = Any
"""What the state machine answered."""


class Verdict(Enum):
    """What is to be done with a request that stands in the log."""

    APPLY = "apply"
    DUPLICATE = "duplicate"
    """It was applied before, or its origin has given it up: it must not be applied (again)."""


class _Session(msgspec.Struct, array_like=True):
    boot: int
    oldest_open: int
    results: dict[int, Outcome]


class Sessions:
    """One session for each node that writes."""

    def __init__(self) -> None:
        self._by_origin: dict[str, _Session] = {}
        self._of_removed: dict[str, _Session] = {}
        """In the order of their removal."""

    def begin(self, request: Request) -> Verdict:
        """Looks at the request that is next in the log."""
        session = self._by_origin.get(request.origin_id)
        if session is None or request.boot > session.boot:
            # An origin that has started anew waits for nothing from before.
            session = self._by_origin[request.origin_id] = _Session(request.boot, request.oldest_open, {})
        elif request.boot < session.boot:
            return Verdict.DUPLICATE
        if request.oldest_open > session.oldest_open:
            session.oldest_open = request.oldest_open
            for sequence in [known for known in session.results if known < request.oldest_open]:
                del session.results[sequence]
        is_known = request.sequence < session.oldest_open or request.sequence in session.results
        return Verdict.DUPLICATE if is_known else Verdict.APPLY

    def remember(self, request: Request, outcome: Outcome) -> None:
        """The request was applied, with that result; a later one may have ended its session since it was begun."""
        session = self._by_origin[request.origin_id]
        if request.boot == session.boot and request.sequence >= session.oldest_open:
            session.results[request.sequence] = outcome

    def results(self, origin_id: str, boot: int) -> dict[int, Outcome]:
        """Results of one boot of one origin, by sequence."""
        session = self._by_origin.get(origin_id)
        return session.results if session is not None and session.boot == boot else {}

    def members_are(self, member_ids: tuple[str, ...]) -> None:
        """The others write no more. Of as many as ``limits`` says, those removed last, it is remembered all the same
        what was applied: one that is taken in again may still be sending a write from before its removal.
        """
        for origin in [origin for origin in self._by_origin if origin not in member_ids]:
            self._of_removed[origin] = self._by_origin.pop(origin)
        for origin in [origin for origin in self._of_removed if origin in member_ids]:
            self._by_origin[origin] = self._of_removed.pop(origin)
        while len(self._of_removed) > limits.REMOVED_MEMBERS_SESSIONS_COUNT_MAX:
            del self._of_removed[next(iter(self._of_removed))]

    def to_data(self) -> dict[str, tuple[int, int, dict[int, Outcome]]]:
        """For a snapshot; nothing in it changes afterwards. Those of removed members are last, in their order."""
        return {
            origin: (session.boot, session.oldest_open, dict(session.results))
            for origin, session in (*self._by_origin.items(), *self._of_removed.items())
        }

    @staticmethod
    def from_data(data: dict[str, tuple[int, int, dict[int, Outcome]]]) -> "Sessions":
        """The opposite of ``to_data``, once it is told who the members are."""
        sessions = Sessions()
        for origin, (boot, oldest_open, results) in data.items():
            sessions._by_origin[origin] = _Session(boot, oldest_open, dict(results))
        return sessions
