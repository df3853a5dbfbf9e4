"""`nacos-sdk-go/v2`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from harness import GROUP, HERE, Allowance, ClientKind, built, run, unique
from scenarios import Scenarios

if TYPE_CHECKING:
    from harness import Client

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
        lacks={"batch_deregister": "it has no such call"},
        listens_after=Allowance(5.5, "a new listener is told to the server by a timer of 5 s, executorErrDelay"),
    )

    def test_configurations_are_searched(self, alice: Client, bob: Client) -> None:
        stem = unique("searched")
        for name in ("a", "b"):
            assert alice.publish(f"{stem}-{name}", "1")
        assert bob.call("search", data_id=f"{stem}*", group=GROUP) == [f"{stem}-a", f"{stem}-b"]
