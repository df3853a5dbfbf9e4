"""Answers that may be very long: made part by part, no faster than the client takes them."""

import logging
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING, TypeAlias

import trio

from nacos_core import limits
from nacos_core.server import pages
from nacos_core.server.context import Context

if TYPE_CHECKING:
    from nacos_core._core import ConfigSearch, ConfigView, HttpRequest

Parts: TypeAlias = AsyncGenerator[bytes, None]

_logger = logging.getLogger(__name__)


async def answer_in_parts(context: Context, request: "HttpRequest", headers: pages.Headers, parts: Parts) -> None:
    """Answers with status 200. What stays short goes in one piece, with its length; what does not, in chunks.

    Others get their turn after each part. A client that takes nothing for long is given up, and so is an answer that
    cannot be finished: its connection is closed in the middle of it, so that nobody takes it for whole.

    Raises:
        Exception: what ``parts`` raises before anything was sent.
    """
    hub, connection, call = context.hub, request.connection, request.call
    first: list[bytes] = []
    bytes_count, has_begun = 0, False
    try:
        async with aclosing(parts):
            async for part in parts:
                bytes_count += len(part)
                if not has_begun:
                    first.append(part)
                    if bytes_count > limits.ANSWER_WHOLE_BYTES:
                        has_begun = hub.begin_http(connection, call, 200, headers)
                        part = b"".join(first)
                        if not has_begun:
                            return
                if has_begun and not await _send(context, connection, call, part):
                    return
                await trio.lowlevel.checkpoint()
    except Exception:
        if not has_begun:
            raise
        _logger.exception("%s %s failed in the middle of its answer", request.method, request.path)
        hub.close_connection(connection)
        return
    if has_begun:
        hub.continue_http(connection, call, None)
    else:
        hub.reply_http(connection, call, 200, headers, b"".join(first))


async def _send(context: Context, connection: int, call: int, part: bytes) -> bool:
    """False: nobody waits for it any more."""
    hub = context.hub
    waiting_bytes = hub.continue_http(connection, call, part)
    context.background.settle()
    with trio.move_on_after(limits.ANSWER_STALL_SECONDS):
        while waiting_bytes is not None and waiting_bytes > limits.ANSWER_AHEAD_BYTES:
            await trio.sleep(limits.ANSWER_LOOK_SECONDS)
            waiting_bytes = hub.continue_http(connection, call, b"")
    if waiting_bytes is not None and waiting_bytes > limits.ANSWER_AHEAD_BYTES:
        hub.close_connection(connection)
        return False
    return waiting_bytes is not None


async def list_in_parts(parts: Parts, before: bytes, behind: bytes) -> Parts:
    """One JSON array between two texts, of parts that are arrays themselves."""
    yield before + b"["
    is_first = True
    async with aclosing(parts):
        async for part in parts:
            items = part[1:-1]
            if items:
                yield items if is_first else b"," + items
                is_first = False
    yield b"]" + behind


def each_found(search: "ConfigSearch") -> "Iterator[tuple[str, str, str, ConfigView]]":
    """Namespace, group, data id and configuration of all that a search has found, fetched a few at a time."""
    for first in range(0, search.found_count, limits.FOUND_AT_ONCE_COUNT):
        yield from search.found(first, limits.FOUND_AT_ONCE_COUNT)
