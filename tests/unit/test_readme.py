"""The example in the README is a program that runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_example_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    command = [sys.executable, "-W", "error", "-c", example]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"127\.0\.0\.1:\d+ b'greeting: hello'.*10\.0\.0\.7", done.stdout)
    assert list(tmp_path.iterdir()) == [], "it leaves nothing behind"


def test_the_options_are_those_of_the_command_line() -> None:
    told = subprocess.check_output([sys.executable, "-m", "nacos_core", "--help"], text=True)
    offered = set(re.findall(r"--[a-z-]+", told)) - {"--help", "--version"}
    assert set(re.findall(r"^\| `(--[a-z-]+)`", (ROOT / "README.md").read_text(), re.MULTILINE)) == offered
