"""Load before serve: a node that starts answers nobody before it knows what the others know.

It loads everything from one member, and then compares with each of the others what that one holds itself: the first may
have been out of reach of it, and have dropped what is alive.
"""

from dataclasses import dataclass
from math import inf

from nacos_core.distro.effects import AskForPage, Effect, ListsChanged, Serve
from nacos_core.distro.members import Liveness, Member, Members
from nacos_core.distro.messages import Page
from nacos_core.distro.records import Records
from nacos_core.distro.repairs import Repairs
from nacos_core.distro.timing import Timing


@dataclass(slots=True)
class _Asking:
    node_id: str
    number: int


class Loading:
    """From one member that serves, page by page; from another one if it fails."""

    def __init__(self, records: Records, members: Members, repairs: Repairs, timing: Timing) -> None:
        self.is_serving = False
        """Clients may be answered, and subscribers be told."""
        self.reason = "it is not known yet who the members are"
        """Why it serves, or does not yet."""
        self._records = records
        self._members = members
        self._repairs = repairs
        self._timing = timing
        self._serve_at = inf
        self._retry_at = 0.0
        self._wake_at = inf
        self._asking: _Asking | None = None
        self._count = 0
        self._tries: dict[str, int] = {}
        self._loaded_from = ""
        self._compared: set[tuple[str, int]] = set()
        """Members, and their boots, that comparing with was begun."""
        self._unfinished: set[str] = set()
        """Members that were lost before comparing with them had ended."""

    @property
    def deadline(self) -> float:
        """When ``look`` is wanted, if nothing happens before."""
        return inf if self.is_serving else min(self._serve_at, self._wake_at)

    def look(self, now: float) -> list[Effect]:
        """What is to be done now."""
        if self.is_serving or not self._members.is_listed:
            return []
        self._wake_at = inf
        others = self._members.others
        if not others:
            return self._serve("there are no other members")
        if self._serve_at == inf:
            self._serve_at = now + self._timing.load_seconds
        if now >= self._serve_at:
            return self._serve(f"nobody gave all records within {self._timing.load_seconds:g} s")
        if self._asking is not None:
            return []
        if all(member.status == "starting" and member.liveness is not Liveness.DOWN for member in others):
            return self._serve("all other members are starting, too")
        able = [member for member in others if member.is_serving and member.is_linked]
        if self._loaded_from:
            return self._compare(able, now)
        self.reason = "loading from another member" if able else "no other member was found that has loaded"
        if able and now >= self._retry_at:
            return [self._ask(min(able, key=self._rank), b"")]
        if able:
            self._wake_at = self._retry_at
        return []

    def page_came(self, number: int, page: Page, now_ms: int) -> list[Effect]:
        """The answer to a question; one that nobody waits for any more is let go.

        Raises:
            ValueError: it makes no sense, and the next member is asked.
        """
        asking = self._asking
        if asking is None or asking.number != number:
            return []
        applied = self._records.distro_apply(page.batch, now_ms) if page.batch else None
        self._asking = None
        effects: list[Effect] = [ListsChanged()] if applied is not None and applied.applied else []
        if page.next:
            self._count += 1
            self._asking = _Asking(asking.node_id, self._count)
            effects.append(AskForPage(asking.node_id, self._count, page.next))
        else:
            self._loaded_from = asking.node_id
        return effects

    def page_refused(self, number: int, now: float) -> None:
        """The next member is asked in a moment."""
        if self._asking is not None and self._asking.number == number:
            self._asking = None
            self.reason = "a member that was asked for its records has not given them"
            self._retry_at = now + self._timing.load_retry_seconds

    def unlinked(self, node_id: str) -> None:
        """The connection to a member is lost, and ``repairs`` is about to forget what was being compared with it: that
        begins anew once the member is back."""
        if self._repairs.progressed_at(node_id) is not None:
            self._unfinished.add(node_id)
        self._compared = {key for key in self._compared if key[0] != node_id}

    def _compare(self, able: list[Member], now: float) -> list[Effect]:
        effects: list[Effect] = []
        is_equal = not self._is_anybody_back_soon(now)
        for member in able:
            key = (member.node_id, member.boot)
            progressed_at = self._repairs.progressed_at(member.node_id)
            if progressed_at is None and key in self._compared:
                self._unfinished.discard(member.node_id)
                continue
            is_equal = False
            if progressed_at is None or now >= progressed_at + self._timing.compare_retry_seconds:
                self._compared.add(key)
                effects += self._repairs.begin(member.node_id, member.boot, now)
                progressed_at = now
            self._wake_at = min(self._wake_at, progressed_at + self._timing.compare_retry_seconds)
        if is_equal and self._unfinished and able:
            # What others have heard of these since this node has loaded is all that can be had.
            self._unfinished.clear()
            self._loaded_from = ""
            return self.look(now)
        if is_equal:
            return self._serve(f"loaded from node {self._loaded_from}")
        self.reason = "comparing what was loaded with what other members hold"
        return effects

    def _is_anybody_back_soon(self, now: float) -> bool:
        """A member was heard a moment ago, and there is no connection to ask it over, not yet or no more."""
        heard = [member.heard_at for member in self._members.others if member.is_serving and not member.is_linked]
        until = max(heard, default=-inf) + self._timing.suspicious_seconds
        if now >= until:
            return False
        self._wake_at = min(self._wake_at, until)
        return True

    def _rank(self, member: Member) -> tuple[int, str]:
        return self._tries.get(member.node_id, 0), member.node_id

    def _ask(self, member: Member, after: bytes) -> AskForPage:
        self._tries[member.node_id] = self._tries.get(member.node_id, 0) + 1
        self._count += 1
        self._asking = _Asking(member.node_id, self._count)
        return AskForPage(member.node_id, self._count, after)

    def _serve(self, reason: str) -> list[Effect]:
        self.is_serving = True
        self.reason = reason
        return [Serve(reason)]
