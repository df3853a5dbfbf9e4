"""One request over HTTP to a node in the same process, over a stream of its own."""

from typing import Final, Literal, NamedTuple
from urllib.parse import urlencode

import trio
import trio.testing

from nacos_core._core import LogError
from nacos_core.simulation.clients import PATIENCE_SECONDS
from nacos_core.simulation.nodes.machine import Process, running

OK: Final = 200
ABSENT: Final = 404
RECEIVE_BYTES: Final = 64 * 1024


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: str


async def ask(
    process: Process,
    method: Literal["GET", "POST", "DELETE"],
    path: str,
    fields: dict[str, str],
    *,
    ip: str = "10.0.0.1",
) -> Answer | None:
    """Asks from that address; None: nothing is known of it."""
    if process.nursery is None:
        return None
    ours, theirs = trio.testing.memory_stream_pair()
    head = (
        f"{method} {path}?{urlencode(fields)} HTTP/1.1\r\nHost: node\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    )
    answer = b""
    running.set(process)
    try:
        with trio.move_on_after(PATIENCE_SECONDS):
            process.nursery.start_soon(lambda: process.node.serve_stream(theirs, remote_ip=ip))
            await ours.send_all(head.encode())
            while data := await ours.receive_some(RECEIVE_BYTES):
                answer += data
    except (trio.BrokenResourceError, LogError):
        pass
    finally:
        await trio.aclose_forcefully(ours)
        running.set(None)
    process.host.timeline.note("http", f"{process.node_id} {method} {path} {fields} of {ip}: {answer[-60:]!r}")
    first_line, _, rest = answer.partition(b"\r\n")
    if not process.is_alive or not first_line:
        return None
    return Answer(int(first_line.split()[1]), rest.partition(b"\r\n\r\n")[2].decode())
