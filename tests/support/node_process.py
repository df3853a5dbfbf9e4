"""A node as its users have it: a process with a command line, standard streams, signals and a data folder."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

READY_WITHIN_S = 20.0
StartNode = Callable[..., "NodeProcess"]
"""Starts a node with these arguments, in a folder of its own."""


class NodeProcess:
    """`python -m nacos_core` in a folder of its own. It keeps its ports and its data over kills and restarts."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] = (sys.executable, "-m", "nacos_core"),
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.arguments = list(arguments)
        self.environment = clean_environment() | dict(environment or {})
        self.port = 0
        self.host = "127.0.0.1"
        self.lines: list[str] = []
        self.start_s = 0.0
        """How long the last start took until the node said that it is ready."""
        self._command = list(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._printed = threading.Condition()

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def grpc_port(self) -> int:
        return self.port + 1000

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "not started"
        return self._process

    @property
    def has_process(self) -> bool:
        """It was started at least once."""
        return self._process is not None

    @property
    def errors(self) -> str:
        """What it has written to standard error, over all its lives."""
        if not self.has_process:
            return ""
        return (self.folder / "stderr").read_text(errors="replace")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def start(self) -> None:
        """Starts the node and waits until it has said that it is ready."""
        began = time.monotonic()
        self.launch()
        with self._printed:
            ready = self._printed.wait_for(
                lambda: any("ready in" in line for line in self.lines) or self._ended, READY_WITHIN_S
            )
        self.start_s = time.monotonic() - began
        if not ready or self._ended:
            self.kill()
            raise RuntimeError(f"not ready; printed {self.lines}; errors: {self.errors[-3000:]}")
        if not self.port:
            self.port = printed_port(self.lines)

    def command_line(self) -> list[str]:
        return [*self._command, *self.arguments, "--port", str(self.port), "--data", str(self.data)]

    def launch(self) -> None:
        """Starts the process and does not wait for anything."""
        with (self.folder / "stderr").open("ab") as errors:
            self._process = subprocess.Popen(
                self.command_line(), stdout=subprocess.PIPE, stderr=errors, cwd=self.folder, env=self.environment
            )
        self.lines = []
        self._ended = False
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                with self._printed:
                    self.lines.append(line.decode(errors="replace").rstrip("\n"))
                    self._printed.notify_all()
        with self._printed:
            self._ended = True
            self._printed.notify_all()

    def kill(self) -> None:
        """SIGKILL: nothing more is written, synced or said."""
        self.process.kill()
        self._reap(10)

    def _reap(self, within_s: float) -> int:
        code = self.process.wait(within_s)
        self._reader.join(10)
        return code

    def end(self, by: signal.Signals = signal.SIGTERM, within_s: float = 10.0) -> tuple[int, float]:
        """Asks it to end; returns the exit code and how many seconds it took."""
        began = time.monotonic()
        self.process.send_signal(by)
        code = self.process.wait(within_s)
        took_s = time.monotonic() - began
        self._reap(0)
        return code, took_s

    def stop(self) -> None:
        """Ends it whatever state it is in; what refuses to end within 10 s is killed, and that is an error."""
        if self._process is None or self._process.poll() is not None:
            return
        try:
            self.end()
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def memory_bytes(self) -> int:
        """Resident memory, as the system counts it."""
        status = Path(f"/proc/{self.process.pid}/status")
        if status.exists():
            (resident,) = re.findall(r"VmRSS:\s+(\d+) kB", status.read_text())
        else:
            resident = subprocess.check_output(["ps", "-o", "rss=", "-p", str(self.process.pid)], text=True)
        return int(resident) * 1024


def clean_environment() -> dict[str, str]:
    """The caller's environment without settings of a node."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith("NACOS")}


def printed_port(lines: list[str]) -> int:
    """The HTTP port: the one of two printed ports that lies 1000 below the other."""
    printed = {int(port) for line in lines for port in re.findall(r"(?:\d|\]|localhost):(\d{2,5})\b", line)}
    pairs = [port for port in sorted(printed) if port + 1000 in printed]
    if len(pairs) != 1:
        raise RuntimeError(f"the node did not print its pair of ports: {lines}")
    return pairs[0]
