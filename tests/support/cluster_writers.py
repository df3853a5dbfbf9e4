"""Writers that know what they may find afterwards, whatever happened to the nodes meanwhile.

Each has its own keys, and one request under way at a time. Every content is written once only. A plain write may be
found if it is the last one acknowledged, or if its outcome was never known; an older one that was acknowledged, found
again, was applied twice, and one that is gone was lost. A chain goes on by compare-and-set: each link names the md5 of
the link before, so that a link that is lost, or comes back, breaks it.
"""

from __future__ import annotations

import hashlib
import http.client
import random
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from wire import phrases
from wire.client import ask_http

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.node_process import NodeProcess

ANSWER_WITHIN_S = 4.0
"""A node says what it knows within 2.5 s."""
REST_S = 0.005
"""Between two tries that were refused."""


@dataclass
class Judge:
    """What one key may hold."""

    acknowledged: str | None = None
    unknown: set[str] = field(default_factory=set)

    def allows(self, held: str | None) -> bool:
        return held == self.acknowledged or held in self.unknown


class Writer(threading.Thread):
    """Writes through these nodes, and to the next one whenever one does not answer, until ``finish``."""

    def __init__(self, number: int, nodes: Sequence[NodeProcess]) -> None:
        super().__init__(daemon=True)
        self.plain = Judge()
        self.chain = Judge()
        self.plain_id, self.chain_id = f"plain-{number}", f"chain-{number}"
        self.acknowledged_count = 0
        self.unknown_count = 0
        self.refused_count = 0
        self.broken: str = ""
        self.times: list[float] = []
        """When each write was acknowledged, on the monotonic clock."""
        self._nodes = list(nodes)
        self._at = number % len(nodes)
        self._connection: http.client.HTTPConnection | None = None
        self._written_count = 0
        self._is_over = False
        self._random = random.Random(number)

    def run(self) -> None:
        while not self._is_over and not self.broken:
            if self._random.random() < 0.5:
                self._write_plain()
            else:
                self._write_chain()
        if self._connection is not None:
            self._connection.close()

    def finish(self) -> None:
        self._is_over = True

    def _write_plain(self) -> None:
        content = self._new_content()
        outcome = self._write(self.plain_id, content, {})
        if outcome == "acknowledged":
            self.plain.acknowledged = content
        elif outcome == "unknown":
            self.plain.unknown.add(content)
        elif outcome == "mismatch":
            self.broken = f"{self.plain_id}: a plain write was refused as compare-and-set"

    def _write_chain(self) -> None:
        """The link goes on from one of the contents that the last link may have left."""
        judge = self.chain
        content = self._new_content()
        if judge.acknowledged is None:
            self._begin_chain(content)
            return
        before = self._random.choice([judge.acknowledged, *sorted(judge.unknown)])
        outcome = self._write(self.chain_id, content, {"casMd5": _md5(before)})
        if outcome == "acknowledged":
            judge.acknowledged = content
            judge.unknown.clear()  # whatever else names an older link is refused from now on
        elif outcome == "unknown":
            judge.unknown.add(content)
        elif outcome == "mismatch" and not judge.unknown:
            self.broken = f"{self.chain_id}: {before} was acknowledged and is not there any more"

    def _begin_chain(self, content: str) -> None:
        """The first link names none before it, so a key whose first write may still come is given up."""
        outcome = self._write(self.chain_id, content, {})
        if outcome == "acknowledged":
            self.chain.acknowledged = content
        elif outcome != "refused":
            self.chain_id += "+"

    def _new_content(self) -> str:
        self._written_count += 1
        return f"{self._written_count}" + "." * self._random.choice((0, 100, 1000))

    def _write(self, data_id: str, content: str, more: dict[str, str]) -> str:
        """acknowledged, refused (nothing was written), mismatch, or unknown."""
        form = {"dataId": data_id, "group": phrases.GROUP, "content": content, **more}
        connection = self._connect()
        if connection is None:
            return "refused"
        try:
            answer = ask_http(connection, "POST", phrases.V1_CONFIG, form=form)
        except (OSError, http.client.HTTPException):
            self._leave()
            self.unknown_count += 1
            return "unknown"
        if answer.status == 200 and answer.text == "true":
            self.acknowledged_count += 1
            self.times.append(time.monotonic())
            return "acknowledged"
        if answer.status == 500 and answer.text == "false":
            return "mismatch"
        if answer.status == 503 and "outcome unknown" not in answer.text:
            self.refused_count += 1
            self._leave()
            time.sleep(REST_S)
            return "refused"
        self.unknown_count += 1
        return "unknown"

    def _connect(self) -> http.client.HTTPConnection | None:
        if self._connection is None:
            node = self._nodes[self._at]
            connection = http.client.HTTPConnection(node.host, node.port, timeout=ANSWER_WITHIN_S)
            try:
                connection.connect()
            except OSError:
                self._leave()
                time.sleep(REST_S)
                return None
            self._connection = connection
        return self._connection

    def _leave(self) -> None:
        """The next node may do better."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._at = (self._at + 1) % len(self._nodes)


class Writers:
    """Several writers over several nodes, for as long as the block lasts."""

    def __init__(self, nodes: Sequence[NodeProcess], count: int = 4) -> None:
        self.all = [Writer(number, nodes) for number in range(count)]

    def __enter__(self) -> Self:
        for writer in self.all:
            writer.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        for writer in self.all:
            writer.finish()
        for writer in self.all:
            writer.join(3 * ANSWER_WITHIN_S)
            assert not writer.is_alive(), "a writer hangs"

    @property
    def data_ids(self) -> list[str]:
        return [data_id for writer in self.all for data_id in (writer.plain_id, writer.chain_id)]

    @property
    def acknowledged_count(self) -> int:
        return sum(writer.acknowledged_count for writer in self.all)

    def wait_acknowledged(self, count: int, within_s: float = 15.0) -> None:
        """Waits until so many more writes are acknowledged."""
        wanted = self.acknowledged_count + count
        deadline = time.monotonic() + within_s
        while self.acknowledged_count < wanted:
            assert not (broken := [writer.broken for writer in self.all if writer.broken]), broken
            assert time.monotonic() < deadline, f"{wanted - self.acknowledged_count} writes of {count} are missing"
            time.sleep(0.01)

    def complaints(self, held: Sequence[str | None]) -> list[str]:
        """What is wrong with what the nodes hold of ``data_ids``."""
        judges = [judge for writer in self.all for judge in (writer.plain, writer.chain)]
        wrong = [
            f"{data_id}: holds {_short(content)}, acknowledged was {_short(judge.acknowledged)}, "
            f"unknown are {sorted(_short(each) for each in judge.unknown)}"
            for data_id, judge, content in zip(self.data_ids, judges, held, strict=True)
            if not judge.allows(content)
        ]
        return wrong + [writer.broken for writer in self.all if writer.broken]

    def longest_gap_s(self, since: float) -> float:
        """The longest time after ``since`` (monotonic) without any write acknowledged."""
        times = sorted(each for writer in self.all for each in writer.times if each >= since)
        return max((later - sooner for sooner, later in zip([since, *times], times, strict=False)), default=0.0)


def _md5(content: str) -> str:
    return hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()


def _short(content: str | None) -> str:
    return "nothing" if content is None else content.rstrip(".")
