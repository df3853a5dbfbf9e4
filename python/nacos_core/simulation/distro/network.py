"""Between nodes: links that lose and delay, connections over them that come and go, questions and their answers."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from nacos_core.distro.events import Linked, Unlinked
from nacos_core.distro.forwarding import Forward, Forwarded
from nacos_core.distro.messages import DistroMessage, Load, Page
from nacos_core.simulation.links import LinkProfile, Links
from nacos_core.simulation.timeline import Timeline

if TYPE_CHECKING:
    from nacos_core.simulation.distro.node import Host, Process

CONNECT_SECONDS: Final = 0.2
"""How often a node tries to reach those that it is not connected to."""


class Question(msgspec.Struct, frozen=True, array_like=True, tag_field="message", tag="question", gc=False):
    """One member asks another one."""

    number: int
    body: Load | Forward


class Answer(msgspec.Struct, frozen=True, array_like=True, tag_field="message", tag="answer", gc=False):
    """What came of it; None: it is refused."""

    number: int
    body: Page | Forwarded | None


Between: TypeAlias = DistroMessage | Question | Answer
_decode = msgspec.msgpack.Decoder(Between).decode


class Network:
    """All connections between the processes of a cluster."""

    def __init__(self, timeline: Timeline, profile: LinkProfile, hosts: dict[str, "Host"]) -> None:
        self.links: Links[Between] = Links(
            timeline, profile, self._deliver, lambda message: isinstance(message, Question | Answer)
        )
        self._timeline = timeline
        self._hosts = hosts
        self._chance = timeline.chance("connections")
        self._connected: dict[tuple[str, str], float] = {}
        """Both ways round, and since when."""
        self._waiting: dict[int, Callable[[Page | Forwarded | None], None]] = {}
        self._questions_count = 0

    def start(self) -> None:
        """From now on connections are made."""
        self._timeline.after(CONNECT_SECONDS, self._connect)

    # --- looked at -------------------------------------------------------------------------------------------------

    def good_since(self, one: "Process", other: "Process") -> float:
        """Since when both have run, and have been connected by links without faults; infinite: they are not."""
        connected_at = self._connected.get((one.node_id, other.node_id))
        if connected_at is None or not (one.is_running and other.is_running):
            return float("inf")
        there = self.links.good_since(one.node_id, other.node_id)
        back = self.links.good_since(other.node_id, one.node_id)
        return max(connected_at, there, back, one.running_since, other.running_since)

    # --- messages --------------------------------------------------------------------------------------------------

    def send(self, sender: "Process", to: str, message: Between) -> None:
        """It goes nowhere if there is no connection."""
        if (sender.node_id, to) in self._connected:
            self.links.send(sender.node_id, to, message)

    def ask(
        self,
        asking: "Process",
        to: str,
        body: Load | Forward,
        limit_seconds: float,
        done: Callable[[Page | Forwarded | None], None],
    ) -> None:
        """``done`` is called once, with None if there was no answer in time."""
        self._questions_count += 1
        number = self._questions_count
        self._waiting[number] = done
        self.send(asking, to, Question(number, body))
        is_connected = (asking.node_id, to) in self._connected
        self._timeline.after(limit_seconds if is_connected else 0.001, asking.run, self._answered, number, None)

    def answered(self, answer: Answer) -> None:
        """An answer has come to whoever asked."""
        self._answered(answer.number, answer.body)

    def _answered(self, number: int, body: Page | Forwarded | None) -> None:
        done = self._waiting.pop(number, None)
        if done is not None:
            done(body)

    def _deliver(self, sender_id: str, receiver_id: str, data: bytes) -> None:
        receiver = self._hosts[receiver_id].process
        if receiver is not None and (sender_id, receiver_id) in self._connected:
            receiver.receive(sender_id, _decode(data))

    # --- connections -----------------------------------------------------------------------------------------------

    def disconnect(self, one_id: str, other_id: str, *, notice_seconds_max: float = 0.1) -> None:
        """The connection breaks, and both ends notice sooner or later."""
        if self._connected.pop((one_id, other_id), None) is None:
            return
        del self._connected[other_id, one_id]
        self._timeline.note("network", f"{one_id} and {other_id} lose their connection")
        for end, far in ((one_id, other_id), (other_id, one_id)):
            process = self._hosts[end].process
            if process is not None:
                delay = self._chance.random() * notice_seconds_max
                self._timeline.after(delay, self._notice_lost, process, far)

    def disconnect_all(self, node_id: str) -> None:
        """All its connections break."""
        for other_id in [other_id for one_id, other_id in self._connected if one_id == node_id]:
            self.disconnect(node_id, other_id)

    def _notice_lost(self, process: "Process", far_id: str) -> None:
        if (process.node_id, far_id) not in self._connected:
            process.take(Unlinked(far_id))

    def _connect(self) -> None:
        self._timeline.after(CONNECT_SECONDS * (0.5 + self._chance.random()), self._connect)
        running = [host.process for host in self._hosts.values() if host.process is not None]
        for place, one in enumerate(running):
            for other in running[place + 1 :]:
                pair = (one.node_id, other.node_id)
                is_cut = self.links.is_cut(*pair) or self.links.is_cut(other.node_id, one.node_id)
                if pair not in self._connected and not is_cut and one.is_running and other.is_running:
                    self._connected[pair] = self._connected[other.node_id, one.node_id] = self._timeline.now
                    one.take(Linked(other.node_id))
                    other.take(Linked(one.node_id))
