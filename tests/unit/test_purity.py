"""The packages that hold rules know no trio, no input or output, no clock and no chance."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import nacos_core

SOURCE = Path(nacos_core.__file__).parent
PURE = ("raft", "distro", "cluster", "config", "namespaces", "naming", "push", "auth", "locks", "dns")
FORBIDDEN = {"trio", "socket", "time", "random", "secrets", "os", "threading", "asyncio", "pathlib", "datetime"}
FORBIDDEN |= {"uuid", "select", "subprocess"}


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names.add(node.module)
    return names


@pytest.mark.parametrize("package", PURE)
def test_rules_are_pure(package: str) -> None:
    paths = sorted((SOURCE / package).glob("*.py"))
    assert len(paths) > 1
    for path in paths:
        roots = {name.split(".")[0] for name in imports(path)}
        assert not roots & FORBIDDEN, path
        assert not {name for name in imports(path) if name.startswith(("nacos_core.drivers", "nacos_core.server"))}


def test_the_rules_of_peers_are_pure() -> None:
    """They lie beside the tasks that carry them out. Reading the file of the secret is all that one of them does."""
    for name in ("addresses", "back_off", "frames", "handshake", "protocol", "secret"):
        path = SOURCE / "peers" / f"{name}.py"
        allowed = {"back_off": {"random"}, "secret": {"pathlib"}}.get(name, set())
        assert not ({each.split(".")[0] for each in imports(path)} & FORBIDDEN) - allowed, path


def test_only_the_network_has_sockets_of_peers() -> None:
    users = {path.name for path in (SOURCE / "peers").glob("*.py") if "socket" in imports(path)}
    assert users == {"network.py"}


def test_the_simulation_needs_no_real_world() -> None:
    """Level (a); its chance comes from seeds alone, which ``test_chance_comes_from_outside`` looks after."""
    paths = sorted((SOURCE / "simulation").glob("*.py"))
    assert len(paths) > 5
    for path in paths:
        roots = {name.split(".")[0] for name in imports(path)}
        assert not roots & (FORBIDDEN - {"random"}), path


def test_only_one_module_reads_wall_time() -> None:
    readers = {path.name for path in SOURCE.rglob("*.py") if "time" in imports(path)}
    assert readers == {"clock.py"}


def test_chance_comes_from_outside() -> None:
    for path in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "random":
                assert node.attr == "Random", f"{path}:{node.lineno} uses random.{node.attr}"
        assert "secrets" not in imports(path), path
