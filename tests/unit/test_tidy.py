"""Rules about the tree itself, so that they hold without anybody watching."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import nacos_core
from nacos_core import _core

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
CORE = ROOT / "rust" / "core" / "src"
SOURCE_FOLDERS = ("rust", "python", "tests", "benches", "docs")
BUILT = {"target", "node_modules", "__pycache__", "build"}
"""Beside hidden folders, where the tests keep environments of the client libraries."""
LINES_MAX = 700
STUB_LINES_MAX = 1200
"""The stub of the core is one file, as the module is."""

RUST_WORLD = {
    "time": (re.compile(r"\b(SystemTime|Instant)::now\b"), ("reactor/", "log/shared.rs")),
    "sockets": (re.compile(r"\b(TcpListener|TcpStream|UdpSocket|UnixStream|mio)::"), ("reactor/",)),
    "threads": (re.compile(r"\bthread::(spawn|Builder)\b"), ("log/",)),
    "files": (re.compile(r"\b(std::fs|fs::File|File::(open|create)|OpenOptions)\b"), ("log/",)),
    "chance": (re.compile(r"\b(thread_rng|rand::|getrandom)\b"), ()),
}
"""What only some places of the core may do: the reactor owns sockets and measures its budget; the log owns files and a
thread, and limits how long a caller waits for it."""

REGISTRY_HOSTS = re.compile(
    r"https?://[^\s\"'<>]*(pypi|pythonhosted|npmjs|npmmirror|registry|maven|goproxy|proxy\.golang|sonatype|artifactory|nexus)"
)
NOTES_TO_SELF = re.compile(r"(#|//|/\*)\s*(TODO|FIXME|XXX)\b|\b(todo|unimplemented)!\(|raise NotImplementedError")


def is_built(path: Path) -> bool:
    parts = path.relative_to(ROOT).parts
    return bool(BUILT & set(parts)) or any(part.startswith(".") for part in parts)


@cache
def sources() -> list[Path]:
    found = [path for path in ROOT.iterdir() if path.suffix in (".md", ".toml", ".txt") or path.name == "Makefile"]
    for folder in SOURCE_FOLDERS:
        found += [path for path in (ROOT / folder).rglob("*") if path.is_file() and not is_built(path)]
    return sorted(path for path in found if path.suffix not in (".so", ".pyd", ".json", ".lock", ".sum", ".gz", ".jar"))


def written_in(*suffixes: str) -> list[Path]:
    return [path for path in sources() if path.suffix in suffixes]


def lines_with(pattern: re.Pattern[str], paths: list[Path]) -> Iterator[str]:
    for path in paths:
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if pattern.search(line):
                yield f"{path.relative_to(ROOT)}:{number}: {line.strip()}"


def without_tests(rust: str) -> str:
    return re.split(r"^#\[cfg\(test\)\]\nmod ", rust, flags=re.MULTILINE)[0]


def read_toml(name: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / name).read_text())


@pytest.mark.parametrize("what", RUST_WORLD)
def test_the_core_touches_the_world_only_where_it_may(what: str) -> None:
    pattern, allowed = RUST_WORLD[what]
    paths = [path for path in CORE.rglob("*.rs") if not path.relative_to(CORE).as_posix().startswith(allowed)]
    product = [path for path in paths if "test" not in str(path.relative_to(CORE))]
    assert [path for path in product if pattern.search(without_tests(path.read_text()))] == []


def test_the_core_knows_nothing_of_python() -> None:
    assert "pyo3" not in (ROOT / "rust" / "core" / "Cargo.toml").read_text()


def test_no_file_is_too_long_to_be_one_idea() -> None:
    # Stubs are not looked at: each has to describe a whole extension module.
    long = {path: len(path.read_text(errors="replace").splitlines()) for path in written_in(".py", ".rs")}
    assert {
        str(path.relative_to(ROOT)): count
        for path, count in long.items()
        if count > (STUB_LINES_MAX if path.suffix == ".pyi" else LINES_MAX)
    } == {}


def test_nothing_names_a_package_registry() -> None:
    """Where packages come from is a matter of each machine's own settings."""
    found = lines_with(REGISTRY_HOSTS, [path for path in sources() if path != Path(__file__)])
    assert [line for line in found if "//maven.apache.org/POM/" not in line and "/xsd/maven-" not in line] == []


def test_no_notes_to_self() -> None:
    paths = [path for path in written_in(".py", ".rs") if path != Path(__file__)]
    assert list(lines_with(NOTES_TO_SELF, paths)) == []


def test_the_commands_that_the_documents_name_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for name in ("README.md", "ARCHITECTURE.md"):
        named = set(re.findall(r"(?:^|`)make ([a-z-]+)", (ROOT / name).read_text(), re.MULTILINE))
        assert named <= targets, name
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_versions_agree() -> None:
    version = read_toml("Cargo.toml")["workspace"]["package"]["version"]
    assert metadata.version("nacos-core") == version
    assert nacos_core.__version__ == version
    assert _core.__version__ == version
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == version


def runtime_dependencies() -> set[str]:
    found = {re.split(r"[<>=~! \[;]", one)[0] for one in read_toml("pyproject.toml")["project"]["dependencies"]}
    for crate in ("core", "python", "load"):
        found |= set(read_toml(f"rust/{crate}/Cargo.toml").get("dependencies", {}))
    return found - {"nacos-core"}


def test_every_dependency_has_its_reason() -> None:
    table = re.findall(r"^\| `([^`]+)`", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE)
    assert sorted(table) == sorted(set(table)), "one line each"
    assert runtime_dependencies() - set(table) == set(), "no reason given"
    assert set(table) - runtime_dependencies() == set(), "not used any more"


def test_every_tool_has_its_reason() -> None:
    of_python = {
        re.split(r"[=\[]", line)[0]
        for line in (ROOT / "requirements-dev.txt").read_text().splitlines()
        if line and not line.startswith("#")
    }
    of_rust = {name for crate in ("core", "load") for name in read_toml(f"rust/{crate}/Cargo.toml")["dev-dependencies"]}
    named = set(re.findall(r"`([a-z0-9-]+)`", (ROOT / "ARCHITECTURE.md").read_text()))
    assert (of_python | of_rust) - named == set(), "no reason given"
    declared = set(read_toml("Cargo.toml")["workspace"]["dependencies"])
    assert declared - runtime_dependencies() - of_rust == set(), "no crate uses it"


def test_the_tree_names_every_part() -> None:
    package = ROOT / "python" / "nacos_core"
    tree = (ROOT / "ARCHITECTURE.md").read_text().split("```")[3]
    parts = {path.name for path in package.iterdir() if (path / "__init__.py").exists()}
    parts |= {path.name for path in CORE.iterdir() if path.is_dir()}
    assert {part for part in parts if f"{part}/" not in tree} == set()
    named = set(re.findall(r"[a-z_]+", tree))
    assert {path.stem for path in package.glob("[a-z]*.py") if path.name not in tree} == set()
    drivers = {path.stem for path in (package / "drivers").glob("[a-z]*.py")}
    assert drivers - named - {"health_mysql", "schema_process"} == set(), (
        "beside those that are named with their driver"
    )


def test_development_tools_are_pinned() -> None:
    lines = (ROOT / "requirements-dev.txt").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#") and "==" not in line] == []
