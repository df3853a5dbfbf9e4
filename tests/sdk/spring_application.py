"""Runs the application of `spring/`: a process that is asked over HTTP, and ends by a signal."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from typing import TYPE_CHECKING, Any, Self
from urllib.request import urlopen

from harness import START_WITHIN_S, ClientError, client_environment
from java_build import SPRING
from scenarios import eventually

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FOLDERS = ("user.home", "java.io.tmpdir", "JM.LOG.PATH", "JM.SNAPSHOT.PATH")
"""Properties that name the folders which Java and the client library write to."""
END_WITHIN_S = 15.0
ENDED_BY_SIGTERM = 128 + signal.SIGTERM
"""The exit code of a virtual machine that was asked to end, and did in its own way."""


class SpringApplication:
    """One application, started with `settings` as its arguments; all that it writes stays in `folder`."""

    def __init__(self, command: list[str], folder: Path, settings: Mapping[str, str]) -> None:
        self.port = 0
        folder.mkdir(parents=True)
        self._log = folder / "log"
        java, *program = command
        # The client library reads the last two when its classes are loaded.
        kept_here = [
            f"-D{name}={folder}" for name in ("user.home", "java.io.tmpdir", "JM.LOG.PATH", "JM.SNAPSHOT.PATH")
        ]
        given = {"spring.config.location": str(SPRING / "application.yaml")} | dict(settings)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [java, *kept_here, *program, *(f"--{name}={value}" for name, value in given.items())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=client_environment(folder),
            )

    def wait_ready(self) -> Self:
        """Returns the application itself when it has said that it is ready, and where."""

        def said() -> bool:
            found = re.search(r"^ready on port (\d+)$", self.log(), re.MULTILINE)
            self.port = int(found[1]) if found else 0
            assert self._process.poll() is None, f"it ended: {self.log()[-3000:]}"
            return bool(found)

        eventually(said, START_WITHIN_S, "the application is ready")
        return self

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def ask(self, path: str) -> Any:
        """The answer to a GET, from JSON; ClientError if there is none, or an error."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return json.loads(answer.read())
        except OSError as error:
            raise ClientError(f"{path}: {error}; the log ends: {self.log()[-3000:]}") from error

    def end(self) -> int:
        """Asks it to end, as an operator does; the exit code."""
        self._process.terminate()
        return self._process.wait(END_WITHIN_S)

    def close(self) -> None:
        """Ends it whatever state it is in."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
