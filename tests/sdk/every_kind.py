"""All client libraries that are tested, those that recover soonest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import test_go
import test_java
import test_node
import test_python
import test_rust

if TYPE_CHECKING:
    from harness import ClientKind

KINDS: list[ClientKind] = sorted(
    [
        test_go.TestGo.kind,
        test_java.V1,
        test_java.V2,
        test_java.V3,
        test_node.TestNode.kind,
        test_python.TestPython2.kind,
        test_python.TestPython3.kind,
        test_rust.TestRust.kind,
    ],
    key=lambda kind: kind.recovers.seconds,
)
