"""One connection between two nodes that have proven themselves: messages, questions and answers in both directions."""

import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any, TypeAlias

import msgspec
import trio

from nacos_core import limits
from nacos_core.errors import CallRefused, FrameError, NacosCoreError, OutcomeUnknown, Overloaded, PeerUnreachable
from nacos_core.peers.frames import FrameReader, encode
from nacos_core.peers.handshake import Identity
from nacos_core.peers.protocol import Answer, AnyFrame, Ask, Refuse, Tell

_logger = logging.getLogger(__name__)

RequestHandler: TypeAlias = Callable[[Identity, Any], msgspec.Struct | Awaitable[msgspec.Struct]]


def _nothing(*_: object) -> None:
    pass


@dataclass(slots=True)
class Callbacks:
    """What a node does with what its peers send. All are called in trio's thread and must not wait; what they raise
    ends the node, except in ``requests``."""

    on_message: Callable[[str, Any], None] = _nothing
    """(node id of the sender, message). The sender has proven the secret; it may not be a member."""
    settle: Callable[[], None] = _nothing
    """After all messages and questions of one read were handed out."""
    on_connected: Callable[[str], None] = _nothing
    """(node id of a member): what is sent to it from now on is queued for it."""
    on_lost: Callable[[str], None] = _nothing
    """(node id of a member) that was connected."""
    on_accepted: Callable[[Identity], None] = _nothing
    """Somebody has dialled this node and proven the secret. Tells the address under which it can be reached now."""
    on_mismatch: Callable[[str, Identity], None] = _nothing
    """(node id of a member, who was there instead): its address has moved, or was given to another node."""
    requests: dict[type, RequestHandler] = field(default_factory=dict)
    """By the type of the question: (who asks, question) → answer, now or awaited. A ``NacosCoreError`` that it raises
    is told to whoever asked. It is cancelled when the connection ends."""


class Outbox:
    """Frames that wait to be written to one connection, bounded in count and bytes."""

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._added = trio.Event()
        self._emptied = trio.Event()
        self._emptied.set()

    def put(self, frame: bytes) -> bool:
        """Queues a frame; False if the queue is full, and the frame is not in it."""
        if len(self._frames) >= limits.PEER_QUEUE_COUNT_MAX or self._bytes + len(frame) > limits.PEER_QUEUE_BYTES_MAX:
            return False
        if not self._bytes:
            self._emptied = trio.Event()
        self._frames.append(frame)
        self._bytes += len(frame)
        self._added.set()
        return True

    async def emptied(self) -> None:
        """Waits until everything has been written or abandoned. May be cancelled at any time."""
        await self._emptied.wait()

    def abandon(self) -> None:
        """Nothing will be written any more."""
        self._frames.clear()
        self._emptied.set()

    async def write(self, stream: trio.abc.Stream) -> None:
        """Writes what is queued, as much at once as there is, until cancelled or the stream breaks."""
        while True:
            if not self._frames:
                self._emptied.set()
                self._added = trio.Event()
                await self._added.wait()
            data = self._take()
            await stream.send_all(data)
            self._bytes -= len(data)

    def _take(self) -> bytes:
        if self._bytes <= limits.PEER_SEND_BYTES:
            taken = b"".join(self._frames)
            self._frames.clear()
            return taken
        frames: list[bytes] = []
        size = 0
        while self._frames and size < limits.PEER_SEND_BYTES:
            frames.append(self._frames.popleft())
            size += len(frames[-1])
        return b"".join(frames)


class Wire:
    """Made once the handshake is over; lives while ``run`` runs.

    Args:
        peer: who the other side has proven to be.
        frame_type: of ``Protocol.frame_type``.
    """

    def __init__(self, stream: trio.abc.Stream, peer: Identity, frame_type: Any, callbacks: Callbacks) -> None:
        self.peer = peer
        self._stream = stream
        self._callbacks = callbacks
        self._reader = FrameReader(frame_type)
        self._outbox = Outbox()
        self._asked: dict[int, _Question] = {}
        self._asked_count = 0
        self._answering_count = 0
        self._is_over = False
        self._scope = trio.CancelScope()

    def tell(self, message: msgspec.Struct) -> int:
        """Queues a message and gives its bytes; 0 if it was dropped because too much waits. Does not wait."""
        return 0 if self._is_over else self._put(Tell(message))

    async def ask(self, request: msgspec.Struct) -> Any:
        """Asks and waits for the answer; there is no time limit, whoever calls sets one. Cancelled, the answer is
        thrown away; the question may still have its effect.

        Raises:
            PeerUnreachable: the connection is over, nothing was sent.
            Overloaded: too much waits for this peer, nothing was sent.
            CallRefused: the peer said no.
            OutcomeUnknown: the connection ended before the answer came.
        """
        if self._is_over:
            raise PeerUnreachable(f"the connection to node {self.peer.node_id} is over")
        self._asked_count += 1
        number = self._asked_count
        question = _Question()
        self._asked[number] = question
        try:
            if not self._put(Ask(number, request)):
                raise Overloaded(f"too much is waiting to be sent to node {self.peer.node_id}, try again later")
            await question.answered.wait()
        finally:
            del self._asked[number]
        match question.outcome:
            case Answer(_, response):
                return response
            case Refuse(_, reason):
                raise CallRefused(reason)
            case _:
                raise OutcomeUnknown(f"the connection to node {self.peer.node_id} ended before it answered")

    async def drain(self) -> None:
        """Waits until everything queued was handed to the stream, or is lost. May be cancelled at any time."""
        await self._outbox.emptied()

    def end(self) -> None:
        """Ends ``run``, now or as soon as it begins."""
        self._scope.cancel()

    async def run(self) -> str:
        """Moves frames until the connection ends or this is cancelled; closes the stream.

        Returns:
            Why it ended.
        """
        reason = "closed by the other side"
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._outbox.write, self._stream)
                    await self._read(nursery)
                    nursery.cancel_scope.cancel()
            if self._scope.cancelled_caught:
                reason = "ended by this node"
        except* (trio.BrokenResourceError, trio.ClosedResourceError) as group:
            reason = _first_line(group) or "broken"
        except* FrameError as group:
            reason = _first_line(group)
            _logger.warning("connection with node %s closed: %s", self.peer.node_id, reason)
        finally:
            self._is_over = True
            self._outbox.abandon()
            for question in self._asked.values():
                question.answered.set()
            await trio.aclose_forcefully(self._stream)
        return reason

    async def _read(self, nursery: trio.Nursery) -> None:
        callbacks = self._callbacks
        while data := await self._stream.receive_some(limits.PEER_RECEIVE_BYTES):
            try:
                sender = self.peer.node_id
                for frame in self._reader.feed(data):
                    if type(frame) is Tell:
                        callbacks.on_message(sender, frame.message)
                    else:
                        self._take(frame, nursery)
            finally:
                callbacks.settle()

    def _take(self, frame: "AnyFrame", nursery: trio.Nursery) -> None:
        match frame:
            case Ask(number, request):
                self._answer(number, request, nursery)
            case Answer(number, _) | Refuse(number, _):
                # Nobody waits any more if the question was cancelled meanwhile.
                if (question := self._asked.get(number)) is not None:
                    question.outcome = frame
                    question.answered.set()

    def _answer(self, number: int, request: Any, nursery: trio.Nursery) -> None:
        handler = self._callbacks.requests.get(type(request))
        if handler is None:
            self._put(Refuse(number, f"this node does not answer {type(request).__name__}"))
        elif self._answering_count >= limits.PEER_CALLS_COUNT_MAX:
            self._put(Refuse(number, "too many questions at once, try again later"))
        else:
            try:
                response = handler(self.peer, request)
                if isawaitable(response):
                    self._answering_count += 1
                    nursery.start_soon(self._answer_later, number, request, response)
                else:
                    self._put(Answer(number, response))
            except Exception as error:
                self._put(_refusal(number, request, error))

    async def _answer_later(self, number: int, request: Any, response: Awaitable[msgspec.Struct]) -> None:
        try:
            self._put(Answer(number, await response))
        except Exception as error:
            self._put(_refusal(number, request, error))
        finally:
            self._answering_count -= 1

    def _put(self, frame: "AnyFrame") -> int:
        data = encode(frame)
        return len(data) if self._outbox.put(data) else 0


@dataclass(slots=True)
class _Question:
    answered: trio.Event = field(default_factory=trio.Event)
    outcome: "Answer[Any] | Refuse | None" = None


def _refusal(number: int, request: object, error: Exception) -> Refuse:
    if isinstance(error, NacosCoreError):
        return Refuse(number, str(error))
    _logger.error("answering %s failed", type(request).__name__, exc_info=error)
    return Refuse(number, "internal error")


def _first_line(group: BaseExceptionGroup[BaseException]) -> str:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error).partition("\n")[0]
