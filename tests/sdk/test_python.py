"""`nacos-sdk-python`, the present and the previous major version, each in an environment of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import ClassVar

from harness import HERE, Allowance, ClientKind, built, run
from scenarios import Scenarios

FOLDER = HERE / "python"


def build(major: int) -> list[str]:
    """Makes the environment of this major version, from pinned versions only, and returns the program's command."""
    requirements = FOLDER / f"requirements-{major}.txt"
    environment = FOLDER / f".venv-{major}"
    python = environment / "bin" / "python"

    def install() -> None:
        run([sys.executable, "-m", "venv", "--clear", str(environment)], FOLDER)
        run([str(python), "-m", "pip", "install", "--no-deps", "--no-compile", "-r", str(requirements)], FOLDER)

    built(environment, [requirements, Path(sys.executable)], install)
    return [str(python), str(FOLDER / "client.py")]


LISTENS_AFTER = Allowance(5.5, "a new listener is told to the server by a timer of 5 s, _execute_config_listen_task")


class TestPython3(Scenarios):
    kind: ClassVar[ClientKind] = ClientKind("python-3", (), lambda: build(3), listens_after=LISTENS_AFTER)


class TestPython2(Scenarios):
    kind: ClassVar[ClientKind] = ClientKind("python-2", (), lambda: build(2), listens_after=LISTENS_AFTER)
