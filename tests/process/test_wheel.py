"""The package as users get it: a wheel that needs no Rust where it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from support.node_process import NodeProcess, clean_environment
from wire import phrases
from wire.client import call_http

ROOT = Path(__file__).parents[2]


def folders_without_rust() -> str:
    """PATH without any folder that holds a Rust tool."""
    tools = ("cargo", "rustc", "maturin")
    kept = [
        folder
        for folder in os.environ["PATH"].split(os.pathsep)
        if folder and not any((Path(folder) / tool).exists() for tool in tools)
    ]
    return os.pathsep.join(kept)


def test_a_wheel_installs_and_serves_without_rust(tmp_path: Path) -> None:
    maturin = shutil.which("maturin", path=str(Path(sys.executable).parent))
    assert maturin is not None
    command = [maturin, "build", "--release", "--locked", "--interpreter", sys.executable, "--out", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=600)
    (wheel,) = tmp_path.glob("nacos_core-*.whl")
    assert "-cp311-abi3-" in wheel.name
    installed = tmp_path / "venv"
    venv.create(installed, with_pip=True)
    python = installed / "bin" / "python"
    environment = clean_environment() | {"PATH": folders_without_rust()}
    environment.pop("PYTHONPATH", None)
    assert shutil.which("cargo", path=environment["PATH"]) is None
    subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], env=environment, check=True, timeout=300)
    where = subprocess.check_output([python, "-c", "import nacos_core; print(nacos_core.__file__)"], text=True)
    assert Path(where.strip()).is_relative_to(installed)
    commands = {"module": (str(python), "-m", "nacos_core"), "script": (str(installed / "bin" / "nacos-core"),)}
    for name, start in commands.items():
        with NodeProcess(tmp_path / name, command=start, environment={"PATH": environment["PATH"]}) as node:
            named = {"dataId": "from-a-wheel", "group": phrases.GROUP}
            published = call_http(node.port, "POST", phrases.V1_CONFIG, form=named | {"content": "a"})
            assert published.text == "true"
            assert call_http(node.port, "GET", phrases.V1_CONFIG, named).text == "a"


def test_the_wheel_holds_types_and_licence_and_nothing_strange(tmp_path: Path) -> None:
    import nacos_core

    folder = Path(nacos_core.__file__).parent
    assert (folder / "py.typed").exists()
    assert (folder / "_core.pyi").exists()
