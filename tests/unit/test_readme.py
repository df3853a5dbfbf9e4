"""The examples in the README are programs that run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from nacos_core import cli, client
from nacos_core.settings import OPTIONS, Settings
from nacos_core.simulation import command as simulate
from support.node_thread import NodeThread

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
DOCUMENTS = (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
COMMANDS = sorted(
    {
        line.partition("#")[0].strip()
        for path in DOCUMENTS
        for language, block in BLOCK.findall(path.read_text())
        for line in block.splitlines()
        if not language and re.match(r"\S*python -m nacos_core\b|nacos-core\b", line)
    }
)
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


def test_the_errors_of_the_client_are_where_it_says() -> None:
    named = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "client.md").read_text(), re.MULTILINE)
    assert len(named) == 8
    assert {name for name in named if not issubclass(getattr(client, name), Exception)} == set()


def test_the_options_are_those_of_the_command_line() -> None:
    told = subprocess.check_output([sys.executable, "-m", "nacos_core", "--help"], text=True)
    offered = set(re.findall(r"--[a-z-]+", told)) - {"--help", "--version"}
    assert set(re.findall(r"^\| `(--[a-z-]+)`", (ROOT / "README.md").read_text(), re.MULTILINE)) == offered


def test_the_defaults_are_those_of_the_settings() -> None:
    table = re.findall(r"^\| `--([a-z-]+)` \| ([^|]*?) ?\|", (ROOT / "README.md").read_text(), re.MULTILINE)
    told = {name.replace("-", "_"): default for name, default in table if re.fullmatch(r"\d+|on|off", default)}
    defaults = {field.name: getattr(field.default, "value", field.default) for field in fields(Settings)}
    as_text = {name: {True: "on", False: "off"}.get(default, str(default)) for name, default in defaults.items()}
    assert len(told) > 15
    assert told == {name: as_text[name] for name in told}
    in_help = {option.name: re.findall(r"\((\w+)\)", option.help) for option in OPTIONS}
    assert {name: [default] for name, default in told.items()} == {name: in_help[name][-1:] for name in told}


@pytest.mark.parametrize("line", COMMANDS)
def test_the_commands_are_such_that_there_are(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether their arguments are understood; tests/process has them do what they are for."""
    arguments = shlex.split(line.partition("nacos_core" if "nacos_core" in line else "nacos-core")[2])
    tool = cli.TOOLS.get(arguments[0]) if arguments else None
    parser: Any = cli
    if tool is not None:
        parser, arguments = import_module(tool), arguments[1:]
    if parser is simulate:
        monkeypatch.setattr(simulate, "_play_one", lambda chosen: 0)
        monkeypatch.setattr(simulate, "_play_many", lambda chosen: 0)
        assert simulate.main(arguments) == 0
    else:
        assert parser.build_parser().parse_args(arguments)
