"""The package as users get it: a wheel that needs no Rust where it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from support.node_process import NodeProcess, clean_environment
from wire import phrases
from wire.client import call_http

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    maturin = shutil.which("maturin", path=str(Path(sys.executable).parent))
    assert maturin is not None
    command = [maturin, "build", "--release", "--locked", "--interpreter", sys.executable, "--out", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=600)
    (made,) = folder.glob("*.whl")
    return made


def path_without_rust() -> str:
    """PATH without any folder that holds a Rust tool."""
    tools = ("cargo", "rustc", "maturin")
    folders = [Path(folder) for folder in os.environ["PATH"].split(os.pathsep) if folder]
    return os.pathsep.join(str(folder) for folder in folders if not any((folder / tool).exists() for tool in tools))


def test_it_serves_every_python_from_3_11_and_holds_nothing_strange(wheel: Path) -> None:
    assert "-cp311-abi3-" in wheel.name
    with zipfile.ZipFile(wheel) as archive:
        held = {Path(name) for name in archive.namelist()}
    modules = {path.relative_to(ROOT / "python") for path in (ROOT / "python").rglob("*.py")}
    assert modules <= held
    assert {path.name for path in held} >= {"py.typed", "_core.pyi", "_core.abi3.so", "LICENSE"}
    strange = [path for path in held if path.parts[0] != "nacos_core" and ".dist-info" not in path.parts[0]]
    assert strange == []


def test_it_installs_and_serves_without_rust(wheel: Path, tmp_path: Path) -> None:
    installed = tmp_path / "venv"
    venv.create(installed, with_pip=True)
    python = installed / "bin" / "python"
    environment = clean_environment() | {"PATH": path_without_rust()}
    assert shutil.which("cargo", path=environment["PATH"]) is None
    subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], env=environment, check=True, timeout=300)
    where = subprocess.check_output([python, "-c", "import nacos_core; print(nacos_core.__file__)"], text=True)
    assert Path(where.strip()).is_relative_to(installed)
    commands = {"module": (str(python), "-m", "nacos_core"), "script": (str(installed / "bin" / "nacos-core"),)}
    for name, command in commands.items():
        with NodeProcess(tmp_path / name, command=command, environment=environment) as node:
            named = {"dataId": "from-a-wheel", "group": phrases.GROUP}
            published = call_http(node.port, "POST", phrases.V1_CONFIG, form=named | {"content": "a"})
            assert published.text == "true"
            assert call_http(node.port, "GET", phrases.V1_CONFIG, named).text == "a"
