"""Streams between simulated machines, as TCP gives them: late, stalled, broken, refused, never with bytes missing."""

from collections import deque
from collections.abc import Callable
from typing import Final

import trio

from nacos_core.errors import StartError
from nacos_core.peers.addresses import PeerAddress
from nacos_core.peers.network import Connection, Handler
from nacos_core.simulation.links import LinkProfile
from nacos_core.simulation.nodes.scheduling import TrioTimeline

WINDOW_BYTES: Final = 256 * 1024
"""What may be under way before a sender has to wait."""
RETRANSMISSION_SECONDS: Final = 0.2
"""Doubled at each try."""
UNACKNOWLEDGED_SECONDS: Final = 2.0
"""After so long the sender gives the connection up; see ``limits.PEER_UNACKNOWLEDGED_MS``."""
NOTICE_SECONDS: Final = (1.0, 3.0)
"""When one end finds out, by its probes or by what is not acknowledged, that the other one is out of reach."""
DIAL_AGAIN_SECONDS: Final = 1.0

Watch = Callable[[str, str, int, bytes], None]
"""Sender, receiver, how often it has sent on that connection before, and what it sends now: whole frames."""


class Wiring:
    """All links, ports and connections of one world. Machines go by the ids of their nodes."""

    def __init__(self, timeline: TrioTimeline, profile: LinkProfile, watch: Watch) -> None:
        self.sent_count = 0
        self.hosts: dict[str, str] = {}
        """By host name: the machine that has it now."""
        self.unpowered: set[str] = set()
        """Machines that are off: whoever dials them hears nothing at all."""
        self.stalled_until: dict[str, float] = {}
        """Machines that neither send nor take anything for a while."""
        self.ports: dict[PeerAddress, Port] = {}
        self.watch = watch
        self.timeline = timeline
        self.chance = timeline.chance("wiring")
        self._profile = profile
        self._cut_since: dict[tuple[str, str], float] = {}
        self._slow: dict[tuple[str, str], float] = {}
        self._lossy: dict[tuple[str, str], float] = {}
        self._open: dict[End, None] = {}

    # --- faults ----------------------------------------------------------------------------------------------------

    def cut(self, sender_id: str, receiver_id: str) -> None:
        """Nothing arrives any more in that direction; what is sent waits, and both ends notice sooner or later."""
        if (sender_id, receiver_id) in self._cut_since:
            return
        self._cut_since[sender_id, receiver_id] = self.timeline.now
        for end in self._open:
            if {end.owner, end.peer} == {sender_id, receiver_id}:
                self.timeline.after(self.chance.uniform(*NOTICE_SECONDS), self._notice, end, self.timeline.now)

    def slow(self, sender_id: str, receiver_id: str, extra_seconds: float) -> None:
        """Everything takes up to so much longer."""
        self._slow[sender_id, receiver_id] = extra_seconds

    def lose(self, sender_id: str, receiver_id: str, share: float) -> None:
        """That share of what is sent has to be sent again."""
        self._lossy[sender_id, receiver_id] = share

    def mend(self, sender_id: str, receiver_id: str) -> None:
        """The link is as new; what waited arrives."""
        link = (sender_id, receiver_id)
        self._slow.pop(link, None)
        self._lossy.pop(link, None)
        if self._cut_since.pop(link, None) is not None:
            for end in self._open:
                if (end.owner, end.peer) == link:
                    end.send_again()

    def be_kind(self) -> None:
        """All links are as new, and nothing is lost from now on."""
        for link in list(dict.fromkeys([*self._cut_since, *self._slow, *self._lossy])):
            self.mend(*link)
        self.stalled_until.clear()
        self._profile = LinkProfile(self._profile.delay_min_seconds, self._profile.delay_max_seconds)

    def reset(self, receiver_id: str, sender_id: str) -> None:
        """One machine finds its connections with another one broken."""
        for end in list(self._open):
            if (end.owner, end.peer) == (receiver_id, sender_id):
                end.break_()

    def die(self, owner: str, *, is_power_cut: bool) -> None:
        """The process of that machine is gone. Its system closes the connections, if it still runs."""
        for end in list(self._open):
            if end.owner == owner:
                end.die()
                if is_power_cut:
                    self.timeline.after(self.chance.uniform(*NOTICE_SECONDS), end.other.break_)
                else:
                    end.transmit(None)

    # --- links -----------------------------------------------------------------------------------------------------

    def is_cut(self, sender_id: str, receiver_id: str) -> bool:
        """Whether nothing arrives in that direction."""
        return (sender_id, receiver_id) in self._cut_since

    def delay_seconds(self, sender_id: str, receiver_id: str) -> float:
        """How long the next piece takes; more than ``UNACKNOWLEDGED_SECONDS`` breaks the connection."""
        link, profile, random = (sender_id, receiver_id), self._profile, self.chance.random
        seconds = profile.delay_min_seconds + (profile.delay_max_seconds - profile.delay_min_seconds) * random()
        if self._slow:
            seconds += self._slow.get(link, 0.0) * random()
        loss = self._lossy.get(link, profile.loss)
        wait = RETRANSMISSION_SECONDS
        while loss and seconds <= UNACKNOWLEDGED_SECONDS and random() < loss:
            seconds += wait
            wait *= 2
        return seconds

    def connect(self, dialling: str, accepting: str, port: "Port") -> "End":
        """A connection; gives the end of whoever dialled."""
        here, there = End(self, dialling, accepting), End(self, accepting, dialling)
        here.other, there.other = there, here
        self._open[here] = self._open[there] = None
        port.waiting.send_nowait(Connection(there, f"{dialling}:1", False))
        return here

    def closed(self, end: "End") -> None:
        """Nobody uses that end any more."""
        self._open.pop(end, None)

    def _notice(self, end: "End", since: float) -> None:
        links = ((end.owner, end.peer), (end.peer, end.owner))
        if any(self._cut_since.get(link, float("inf")) <= since for link in links):
            end.break_()


class End(trio.abc.Stream):
    """One end of a connection. What it sends lies in ``_sent`` until it arrives, in order."""

    other: "End"

    def __init__(self, wiring: Wiring, owner: str, peer: str) -> None:
        self.owner = owner
        self.peer = peer
        self._wiring = wiring
        self._sends_count = 0
        self._sent: deque[bytes | None] = deque()
        """None: the end of the stream."""
        self._held_count = 0
        """Of those, what was to arrive while the link was cut."""
        self._last_arrival = 0.0
        self._unread = bytearray()
        self._unread_by_other = 0
        self._is_ended = False
        self._is_closed = False
        self._is_broken = False
        self._is_dead = False
        self._readable = trio.Event()
        self._writable = trio.Event()

    # --- for the node ----------------------------------------------------------------------------------------------

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """As ``trio.abc.SendStream``."""
        await trio.lowlevel.checkpoint()
        self._check()
        while self._unread_by_other > WINDOW_BYTES:
            self._writable = trio.Event()
            await self._writable.wait()
            self._check()
        if not self._is_dead:
            sent = bytes(data)
            self._wiring.watch(self.owner, self.peer, self._sends_count, sent)
            self._sends_count += 1
            self.transmit(sent)

    async def wait_send_all_might_not_block(self) -> None:
        """As ``trio.abc.SendStream``."""
        await trio.lowlevel.checkpoint()
        self._check()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """As ``trio.abc.ReceiveStream``."""
        await trio.lowlevel.checkpoint()
        while True:
            self._check()
            if self._unread:
                taken = bytes(self._unread[:max_bytes])
                del self._unread[: len(taken)]
                self.other._was_read(len(taken))
                return taken
            if self._is_ended:
                return b""
            self._readable = trio.Event()
            await self._readable.wait()

    async def aclose(self) -> None:
        """As ``trio.abc.AsyncResource``."""
        if not self._is_closed:
            self._is_closed = True
            self._wake()
            self._wiring.closed(self)
            if not self._is_broken and not self._is_dead:
                self.transmit(None)
        await trio.lowlevel.checkpoint()

    def _check(self) -> None:
        if self._is_closed:
            raise trio.ClosedResourceError("this end was closed")
        if self._is_broken:
            raise trio.BrokenResourceError("the connection is broken")

    def _wake(self) -> None:
        self._readable.set()
        self._writable.set()

    # --- for the network -------------------------------------------------------------------------------------------

    def transmit(self, piece: bytes | None) -> None:
        """It arrives later, behind what was sent before."""
        wiring = self._wiring
        wiring.sent_count += 1
        self._sent.append(piece)
        self._unread_by_other += len(piece or b"")
        now = wiring.timeline.now = trio.current_time()
        seconds = wiring.delay_seconds(self.owner, self.peer)
        if seconds > UNACKNOWLEDGED_SECONDS:
            wiring.timeline.at(now + UNACKNOWLEDGED_SECONDS, self._both_break)
            return
        start = max(now, wiring.stalled_until.get(self.owner, 0.0))
        self._last_arrival = max(self._last_arrival, start + seconds)
        wiring.timeline.at(self._last_arrival, self._arrive)

    def send_again(self) -> None:
        """The link is mended."""
        held, self._held_count = self._held_count, 0
        wiring = self._wiring
        for _ in range(held):
            wiring.timeline.after(wiring.chance.random() * RETRANSMISSION_SECONDS, self._arrive)

    def break_(self) -> None:
        """This end finds the connection broken. The other one finds out by its probes, if by nothing else."""
        if self._is_broken or self._is_closed:
            return
        self._is_broken = True
        self._wake()
        self._wiring.closed(self)
        self._wiring.timeline.after(self._wiring.chance.uniform(*NOTICE_SECONDS), self.other.break_)

    def die(self) -> None:
        """The process is gone: nothing that it does counts any more."""
        self._is_dead = True
        self._wiring.closed(self)

    def _both_break(self) -> None:
        self.break_()
        self.other.break_()

    def _arrive(self) -> None:
        """The oldest piece that is under way is there."""
        wiring, other = self._wiring, self.other
        if not self._sent:
            return
        if wiring.is_cut(self.owner, self.peer):
            self._held_count += 1
            return
        stalled_until = wiring.stalled_until.get(self.peer, 0.0)
        if wiring.timeline.now < stalled_until:
            wiring.timeline.at(stalled_until, self._arrive)
            return
        piece = self._sent.popleft()
        if piece is not None and (other._is_closed or other._is_broken or other._is_dead):
            # Whoever listens no more says so, unless it is off.
            if self.peer not in wiring.unpowered:
                wiring.timeline.after(wiring.delay_seconds(self.peer, self.owner), self.break_)
        elif piece is None:
            other._is_ended = True
            other._readable.set()
        else:
            other._unread += piece
            other._readable.set()

    def _was_read(self, bytes_count: int) -> None:
        self._unread_by_other -= bytes_count
        self._writable.set()


class Port:
    """Where one machine takes connections."""

    def __init__(self, wiring: Wiring, address: PeerAddress) -> None:
        self.address = address
        """As ``Listener.address``."""
        self.waiting, self._accepted = trio.open_memory_channel[Connection](1000)
        self._wiring = wiring

    async def serve(self, handler: Handler) -> None:
        """As ``Listener.serve``."""
        try:
            async with trio.open_nursery() as nursery:
                async for connection in self._accepted:
                    nursery.start_soon(handler, connection)
        finally:
            self.close()

    def close(self) -> None:
        """As ``Listener.close``."""
        if self._wiring.ports.get(self.address) is self:
            del self._wiring.ports[self.address]


class SimulatedNetwork:
    """The network as one process sees it."""

    def __init__(self, wiring: Wiring, node_id: str) -> None:
        self._wiring = wiring
        self._node_id = node_id

    async def dial(self, address: PeerAddress) -> Connection:
        """As ``Network.dial``; it waits, and tries again, as long as nothing comes back."""
        wiring, own_id = self._wiring, self._node_id
        while True:
            other_id = wiring.hosts.get(address.host)
            await trio.sleep(wiring.delay_seconds(own_id, other_id or ""))
            if other_id is None:
                raise OSError(0, "there is no such host")
            is_reached = not wiring.is_cut(own_id, other_id) and other_id not in wiring.unpowered
            is_stalled = trio.current_time() < wiring.stalled_until.get(other_id, 0.0)
            if is_reached and not wiring.is_cut(other_id, own_id) and not is_stalled:
                break
            await trio.sleep(DIAL_AGAIN_SECONDS)
        await trio.sleep(wiring.delay_seconds(other_id, own_id))
        port = wiring.ports.get(address)
        if port is None:
            raise ConnectionRefusedError(111, "Connection refused")
        return Connection(wiring.connect(own_id, other_id, port), str(address), False)

    def listen(self, address: PeerAddress) -> Port:
        """As ``Network.listen``."""
        if address in self._wiring.ports:
            raise StartError(f"cannot listen on {address}: it is taken")
        port = self._wiring.ports[address] = Port(self._wiring, address)
        return port
