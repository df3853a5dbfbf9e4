"""A node in a thread of its own, for tests whose own loop is not trio's. It keeps its port and its data."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

import trio

import nacos_core

if TYPE_CHECKING:
    from pathlib import Path

STARTS_WITHIN_S = 20.0


class NodeThread:
    """To be used as a context; `stop` and `start` as often as wanted."""

    def __init__(self, data: Path, *, admin_password: str | None = None) -> None:
        self._data = data
        self._admin_password = admin_password
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def start(self) -> None:
        self._begun = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._begun.wait(STARTS_WITHIN_S), "the node does not start"
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        if self._thread.is_alive():
            self._token.run_sync_soon(self._scope.cancel)
            self._thread.join(STARTS_WITHIN_S)

    def _run(self) -> None:
        try:
            trio.run(self._serve)
        except BaseException as failure:
            self._failure = failure
        finally:
            self._begun.set()

    async def _serve(self) -> None:
        self._token, self._scope = trio.lowlevel.current_trio_token(), trio.CancelScope()
        password = self._admin_password
        with self._scope:
            async with nacos_core.open_node(
                port=self.port, data=self._data, auth=password is not None, admin_password=password
            ) as node:
                assert node.http_port is not None
                self.port = node.http_port
                self._begun.set()
                await trio.sleep_forever()
