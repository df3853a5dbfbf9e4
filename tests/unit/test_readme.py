"""The examples in the README are programs that run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from support.node_thread import NodeThread

ROOT = Path(__file__).parents[2]
EXAMPLES = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)


def test_the_example_runs(tmp_path: Path) -> None:
    example, _ = EXAMPLES
    command = [sys.executable, "-W", "error", "-c", example]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"127\.0\.0\.1:\d+ b'greeting: hello'.*10\.0\.0\.7", done.stdout)
    assert list(tmp_path.iterdir()) == [], "it leaves nothing behind"


def test_the_example_of_a_client_runs(tmp_path: Path) -> None:
    _, example = EXAMPLES
    with NodeThread(tmp_path / "node") as node:
        command = [sys.executable, "-W", "error", "-c", example.replace("http://127.0.0.1:8848", node.url)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("greeting: hi False\n")
    assert "10.0.0.7" in done.stdout
    assert (tmp_path / "nacos-cache" / "config").exists()


def test_the_options_are_those_of_the_command_line() -> None:
    told = subprocess.check_output([sys.executable, "-m", "nacos_core", "--help"], text=True)
    offered = set(re.findall(r"--[a-z-]+", told)) - {"--help", "--version"}
    assert set(re.findall(r"^\| `(--[a-z-]+)`", (ROOT / "README.md").read_text(), re.MULTILINE)) == offered
