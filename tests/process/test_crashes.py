"""Fifty times `kill -9` in the middle of writes: what was acknowledged is there, and what was removed stays away.

A writer has its own keys and one request under way at a time. So after a crash each key holds either what was last
acknowledged, or what the one unanswered request asked for: nothing older, nothing else. What is then seen counts as
acknowledged for the next round. The seed replays the writers' choices and the moments of the kills:
NACOS_TEST_SEED=... repeats a run as far as the system's own timing allows.
"""

from __future__ import annotations

import http.client
import os
import random
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wire import phrases
from wire.client import HttpAnswer, ask_http

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.node_process import NodeProcess, StartNode

ROUNDS = 50
WRITERS = 4
KEYS_PER_WRITER = 8
LOAD_MS = (5, 500)
CONTENT_CHARACTERS = (100, 4_000, 200_000)
"""Small ones for many writes a sync, large ones for torn writes and so much log that snapshots are taken."""


@dataclass
class Key:
    """What one key of one writer may hold."""

    acknowledged: str | None = None
    unanswered: list[str | None] = field(default_factory=list)

    def allowed(self) -> list[str | None]:
        return [self.acknowledged, *self.unanswered]


class Writer:
    """Publishes and removes configurations, registers and deregisters persistent instances, one after the other."""

    def __init__(self, number: int, seed: int) -> None:
        self.number = number
        self.random = random.Random(f"{seed}/{number}")
        self.configs = [Key() for _ in range(KEYS_PER_WRITER)]
        self.instances = [Key() for _ in range(KEYS_PER_WRITER)]
        self.acknowledged_count = 0
        self.refused: HttpAnswer | None = None
        self._written_count = 0

    def data_id(self, key: int) -> str:
        return f"writer-{self.number}-key-{key}"

    @property
    def service(self) -> str:
        return f"writer-{self.number}"

    def write_until_it_dies(self, node: NodeProcess) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=10)
        try:
            while self.refused is None:
                self._write(connection)
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()

    def _write(self, connection: http.client.HTTPConnection) -> None:
        number = self.random.randrange(KEYS_PER_WRITER)
        is_config = self.random.random() < 0.7
        key = (self.configs if is_config else self.instances)[number]
        removes = self.random.random() < 0.3
        self._written_count += 1
        size = self.random.randint(1, self.random.choice(CONTENT_CHARACTERS))
        wanted = None if removes else f"{self._written_count}" + "." * size
        if not is_config and wanted is not None:
            wanted = wanted[:100]
        key.unanswered.append(wanted)
        answer = self._ask_config(connection, number, wanted) if is_config else self._ask(connection, number, wanted)
        if answer.status != 200 or answer.text not in ("true", "ok"):
            self.refused = answer
            return
        key.acknowledged = wanted
        key.unanswered.clear()
        self.acknowledged_count += 1

    def _ask_config(self, connection: http.client.HTTPConnection, key: int, wanted: str | None) -> HttpAnswer:
        named = {"dataId": self.data_id(key), "group": phrases.GROUP}
        if wanted is None:
            return ask_http(connection, "DELETE", phrases.V1_CONFIG, named)
        return ask_http(connection, "POST", phrases.V1_CONFIG, form=named | {"content": wanted})

    def _ask(self, connection: http.client.HTTPConnection, port: int, wanted: str | None) -> HttpAnswer:
        named = {"serviceName": self.service, "ip": "10.5.0.1", "port": str(port + 1), "ephemeral": "false"}
        if wanted is None:
            return ask_http(connection, "DELETE", phrases.V1_INSTANCE, named)
        return ask_http(connection, "POST", phrases.V1_INSTANCE, form=named | {"metadata": f"version={wanted}"})

    def compare(self, connection: http.client.HTTPConnection) -> list[str]:
        """What the node holds against what it may hold; then what it holds is what it has to keep."""
        found = []
        for number, key in enumerate(self.configs):
            named = {"dataId": self.data_id(number), "group": phrases.GROUP}
            answer = ask_http(connection, "GET", phrases.V1_CONFIG, named)
            assert answer.status in (200, 404), answer
            found += self.settle(self.data_id(number), key, answer.text if answer.status == 200 else None)
        hosts = ask_http(connection, "GET", phrases.V1_LIST, {"serviceName": self.service}).json["hosts"]
        held = {host["port"]: host["metadata"]["version"] for host in hosts}
        for number, key in enumerate(self.instances):
            found += self.settle(f"{self.service} port {number + 1}", key, held.get(number + 1))
        return found

    def settle(self, name: str, key: Key, held: str | None) -> list[str]:
        allowed = key.allowed()
        key.acknowledged = held
        key.unanswered.clear()
        return [] if held in allowed else [f"{name}: {_short(held)}, and not one of {[_short(one) for one in allowed]}"]


def _short(content: str | None) -> str:
    return "absent" if content is None else f"write {content.split('.')[0]}"


def test_nothing_acknowledged_is_lost_and_nothing_removed_comes_back(start_node: StartNode) -> None:
    seed = int(os.environ.get("NACOS_TEST_SEED") or random.SystemRandom().randrange(2**32))
    print(f"NACOS_TEST_SEED={seed}")
    choice = random.Random(seed)
    writers = [Writer(number, seed) for number in range(WRITERS)]
    node = start_node("--log-level", "warning")
    for round_number in range(ROUNDS):
        load_until(node.kill, node, writers, choice.uniform(*LOAD_MS) / 1000)
        assert [writer.refused for writer in writers] == [None] * len(writers)
        if choice.random() < 0.2:
            node.launch()
            time.sleep(choice.uniform(0, 0.4))
            node.kill()
        node.start()
        found = compare(node, writers)
        assert found == [], f"round {round_number}, NACOS_TEST_SEED={seed}"
    total = sum(writer.acknowledged_count for writer in writers)
    print(f"{total} writes were acknowledged over {ROUNDS} kills")
    assert total > ROUNDS * WRITERS, "a load too light to prove anything"


def test_the_comparison_sees_what_is_lost_and_what_comes_back() -> None:
    """The judge has to be judged: it passes what a crash may leave, and nothing else."""
    cases: list[tuple[str | None, list[str | None], str | None, bool]] = [
        ("2", [], "2", True),
        ("2", ["3"], "2", True),
        ("2", ["3"], "3", True),
        ("2", [None], None, True),
        (None, [], None, True),
        ("2", [], None, False),
        ("2", ["3"], None, False),
        ("2", [], "1", False),
        (None, [], "2", False),
        (None, ["3"], "2", False),
    ]
    for acknowledged, unanswered, held, is_right in cases:
        key = Key(acknowledged, list(unanswered))
        found = Writer(0, 0).settle("key", key, held)
        assert (found == []) == is_right, (acknowledged, unanswered, held)
        assert key.allowed() == [held], "what was seen has to stay"


def test_a_signal_under_load_ends_it_in_time_and_loses_nothing_either(start_node: StartNode) -> None:
    writers = [Writer(number, 0) for number in range(WRITERS)]
    node = start_node("--log-level", "warning")
    for _ in range(3):
        ended: list[tuple[int, float]] = []
        load_until(lambda ended=ended: ended.append(node.end()), node, writers, 0.3)
        ((code, took_s),) = ended
        assert code == 0
        assert took_s < 1.0 or os.getloadavg()[0] > (os.cpu_count() or 1)
        for writer in writers:
            assert writer.refused is None or writer.refused.status >= 500, "told that the outcome is unknown"
            writer.refused = None
        node.start()
        assert compare(node, writers) == []


def load_until(ending: Callable[[], None], node: NodeProcess, writers: list[Writer], seconds: float) -> None:
    threads = [threading.Thread(target=writer.write_until_it_dies, args=(node,)) for writer in writers]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    ending()
    for thread in threads:
        thread.join(15)


def compare(node: NodeProcess, writers: list[Writer]) -> list[str]:
    connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=10)
    try:
        return [text for writer in writers for text in writer.compare(connection)]
    finally:
        connection.close()
