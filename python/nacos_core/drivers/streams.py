"""Serves connections over any ``trio.abc.Stream``: one task a connection, for TLS, memory streams and simulation."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from nacos_core._core import Event, Hub
    from nacos_core.clock import WallClock

RECEIVE_BYTES = 64 * 1024


class Streams:
    """The connections that are not the reactor's."""

    def __init__(
        self,
        *,
        hub: "Hub",
        wall_clock: "WallClock",
        dispatch: "Callable[[Sequence[Event]], None]",
        settle: Callable[[], None],
    ) -> None:
        self._hub = hub
        self._wall_clock = wall_clock
        self._dispatch = dispatch
        self._settle = settle
        self._writers: dict[int, trio.Event] = {}

    def flush(self) -> None:
        """Wakes the writers of connections that have something to send."""
        if not self._writers:
            return
        for connection in self._hub.take_dirty():
            wake = self._writers.get(connection)
            if wake is not None:
                wake.set()

    async def serve(self, stream: trio.abc.Stream, *, grpc: bool, remote_ip: str, remote_port: int) -> None:
        """Serves one connection until either side closes it; closes the stream."""
        connection = self._hub.open(remote_ip, remote_port, grpc=grpc, now_ms=self._wall_clock())
        self._writers[connection] = trio.Event()
        try:
            async with stream, trio.open_nursery() as nursery:
                nursery.start_soon(self._write, connection, stream, nursery.cancel_scope)
                await self._read(connection, stream)
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the peer has gone; what it left behind is dropped below
        finally:
            del self._writers[connection]
            self._dispatch(self._hub.closed(connection, self._wall_clock()))
            self._settle()

    async def _read(self, connection: int, stream: trio.abc.Stream) -> None:
        while data := await stream.receive_some(RECEIVE_BYTES):
            self._dispatch(self._hub.feed(connection, bytes(data), self._wall_clock()))
            self._settle()
        self._dispatch(self._hub.end_of_input(connection, self._wall_clock()))
        self._settle()

    async def _write(self, connection: int, stream: trio.abc.Stream, scope: trio.CancelScope) -> None:
        while True:
            if output := self._hub.take_output(connection):
                await stream.send_all(output)
            elif self._hub.wants_close(connection):
                scope.cancel()
                return
            else:
                await self._writers[connection].wait()
                self._writers[connection] = trio.Event()
