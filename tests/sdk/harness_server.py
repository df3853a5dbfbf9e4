"""The server under test: a node of this checkout, or any Nacos-wire server named by NACOS_TEST_SERVER=host:port."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

READY_WITHIN_S = 20.0


class NodeProcess:
    """`python -m nacos_core` on a free pair of ports, which it keeps over kills and restarts, as it keeps its data."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None
        self._output: list[str] = []
        self.port = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts the node and returns when it has said that it is ready."""
        command = [sys.executable, "-m", "nacos_core", "--port", str(self.port), "--data", str(self._folder / "data")]
        with (self._folder / "stderr").open("ab") as stderr:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, cwd=self._folder)
        self._output = []
        ready = threading.Event()
        reader = threading.Thread(target=self._read, args=(self._process, ready), daemon=True)
        reader.start()
        if not ready.wait(READY_WITHIN_S) or not any("ready in" in line for line in self._output):
            self.kill()
            errors = (self._folder / "stderr").read_text(errors="replace")[-3000:]
            raise RuntimeError(f"the node was not ready within {READY_WITHIN_S} s: {self._output} {errors}")
        if not self.port:
            self.port = printed_port(self._output)

    def _read(self, process: subprocess.Popen[bytes], ready: threading.Event) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self._output.append(line.decode(errors="replace"))
                if "ready in" in self._output[-1]:
                    ready.set()
        ready.set()

    def kill(self) -> None:
        """SIGKILL: nothing more is written, synced or said."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    def stop(self) -> None:
        """SIGTERM, as a service manager does; by force after 5 s."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def restart(self) -> float:
        """Starts the node again on the same ports and data; returns when it was back (monotonic seconds)."""
        self.start()
        return time.monotonic()


def printed_port(lines: list[str]) -> int:
    """The HTTP port: the one of two printed ports that lies 1000 below the other."""
    printed = {int(port) for line in lines for port in re.findall(r"(?:\d|\]|localhost):(\d{2,5})\b", line)}
    pairs = [port for port in sorted(printed) if port + 1000 in printed]
    if len(pairs) != 1:
        raise RuntimeError(f"the node did not print its pair of ports: {lines}")
    return pairs[0]
