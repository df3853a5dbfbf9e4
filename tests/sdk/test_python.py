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


def kind_of(major: int) -> ClientKind:
    return ClientKind(
        f"python-{major}",
        (),
        lambda: build(major),
        lacks={"select_one": "it has no such call"},
        listens_after=Allowance(5.5, "a new listener is told to the server every 5 s, _execute_config_listen_task"),
        recovers=Allowance(45.0, "it registers again every 30 s, _execute_redo_task, and not while disconnected"),
    )


class TestPython3(Scenarios):
    kind: ClassVar[ClientKind] = kind_of(3)


class TestPython2(Scenarios):
    kind: ClassVar[ClientKind] = kind_of(2)
