"""The released Rust client, nacos-sdk."""

from __future__ import annotations

from harness import HERE, Allowance, ClientKind, run
from scenarios import Scenarios

FOLDER = HERE / "rust"


def build() -> list[str]:
    """Cargo itself sees that there is nothing to do."""
    run(["cargo", "build", "--quiet", "--locked"], FOLDER, CARGO_TARGET_DIR=str(FOLDER / "target"))
    return [str(FOLDER / "target" / "debug" / "sdk-client")]


class TestRust(Scenarios):
    kind = ClientKind(
        name="rust",
        toolchain=("cargo",),
        build=build,
        lacks={
            "batch_deregister": "it has no such call",
            "server_is_up": "it has no such call",
            "hears_creation": "it takes the first content that it sees for the one before the listener came",
            "hears_removal": "it logs that the content cannot be read and tells no listener",
        },
        recovers=Allowance(70.0, "its configuration client says what it listens to again only once a minute"),
    )
