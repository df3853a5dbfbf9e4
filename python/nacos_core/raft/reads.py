"""Linearizable reads by ReadIndex (the thesis, section 6.4): no entry in the log, one round of heartbeats for many."""

from collections import deque
from typing import TYPE_CHECKING

from nacos_core.raft.effects import ReadDecided
from nacos_core.raft.messages import ReadIndexResponse
from nacos_core.raft.server import Server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nacos_core.raft.leading import Leading


class Reads:
    """The reads that wait at a leader. ``origin_id`` is who asked: "" for this server itself."""

    def __init__(self, server: Server, leading: "Leading") -> None:
        self._server = server
        self._leading = leading
        self._early: list[tuple[str, tuple[int, ...]]] = []
        """Came before an entry of this term was committed: until then a leader does not know what is."""
        self._waiting: deque[tuple[int, int, str, tuple[int, ...]]] = deque()
        """Round to be confirmed, index to be read at, origin, ids of the reads."""

    def request(self, origin_id: str, read_ids: "Sequence[int]") -> None:
        """The round that confirms a read begins after the read has come."""
        self._early.append((origin_id, tuple(read_ids)))
        self.committed()

    def committed(self) -> None:
        """Reads that came too early begin, all with one round, once the commit index says that they may."""
        if self._early and self._may_begin():
            early, self._early = self._early, []
            index = self._server.state.commit_index
            round_number = self._leading.begin_round()
            self._waiting += [(round_number, index, origin_id, read_ids) for origin_id, read_ids in early]
            self.round_answered()

    def round_answered(self) -> None:
        """Answers the reads whose round a majority has confirmed."""
        waiting = self._waiting
        while waiting and self._leading.confirms(waiting[0][0]):
            _, index, origin_id, read_ids = waiting.popleft()
            self._decide(origin_id, read_ids, index)

    def refuse_all(self) -> None:
        """This server leads no more."""
        for origin_id, read_ids in [*self._early, *((origin, reads) for _, _, origin, reads in self._waiting)]:
            self._decide(origin_id, read_ids, None)
        self._early, self._waiting = [], deque()

    def _may_begin(self) -> bool:
        return self._server.state.commit_index >= self._leading.term_start_index

    def _decide(self, origin_id: str, read_ids: tuple[int, ...], index: int | None) -> None:
        server = self._server
        if origin_id:
            server.send(origin_id, ReadIndexResponse(read_ids, index))
        else:
            server.effects += [ReadDecided(read_id, index) for read_id in read_ids]
