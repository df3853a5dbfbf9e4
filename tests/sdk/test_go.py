"""`nacos-sdk-go/v2`."""

from __future__ import annotations

from typing import ClassVar

from harness import HERE, Allowance, ClientKind, built, run
from scenarios import Scenarios

FOLDER = HERE / "go"
PROGRAM = FOLDER / ".build" / "client"


def build() -> list[str]:
    """Compiles the program with the locked modules and returns its command."""

    def compile_it() -> None:
        run(["go", "build", "-trimpath", "-o", str(PROGRAM), "."], FOLDER, CGO_ENABLED="0", GOWORK="off")

    built(PROGRAM.parent, [FOLDER / "go.mod", FOLDER / "go.sum", FOLDER / "main.go"], compile_it)
    return [str(PROGRAM)]


class TestGo(Scenarios):
    kind: ClassVar[ClientKind] = ClientKind(
        "go",
        ("go",),
        build,
        listens_after=Allowance(5.5, "a new listener is told to the server by a timer of 5 s, executorErrDelay"),
    )
