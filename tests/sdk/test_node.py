"""The npm package `nacos`, which speaks HTTP: beats, long polling, and changes pushed to it in datagrams."""

from __future__ import annotations

from typing import ClassVar

from harness import HERE, Allowance, ClientKind, built, run
from scenarios import Scenarios

FOLDER = HERE / "node"


def build() -> list[str]:
    """Installs the locked packages and returns the program's command."""

    def install() -> None:
        run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], FOLDER)

    built(FOLDER / "node_modules", [FOLDER / "package.json", FOLDER / "package-lock.json"], install)
    return ["node", str(FOLDER / "client.js")]


class TestNode(Scenarios):
    kind: ClassVar[ClientKind] = ClientKind(
        "node",
        ("node", "npm"),
        build,
        lacks={
            "batch_register": "it has no such call",
            "select_one": "it has no such call",
            "publish_beta": "it has no such call",
            "services": "it has no such call",
            "publish_cas": "it has no such call",
            "hears_empty": "it ignores every list without instances, ServiceInfo.isValid",
        },
        vanishes=Allowance(9.0, "it beats: 3 s without a beat, as its metadata say, found by a check every 5 s"),
        victim_metadata={
            "preserved.heart.beat.interval": "1000",
            "preserved.heart.beat.timeout": "2000",
            "preserved.ip.delete.timeout": "3000",
        },
    )
