"""``python -m nacos_core config``, ``naming`` and ``cluster`` without a server; tests/process has them with one."""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING

import pytest

from nacos_core.tools import remote

if TYPE_CHECKING:
    from pathlib import Path


def run(*arguments: str) -> int:
    try:
        code = importlib.import_module(f"nacos_core.tools.{arguments[0]}").main(list(arguments[1:]))
    except SystemExit as left:
        code = left.code
    assert isinstance(code, int)
    return code


@pytest.mark.parametrize(
    "arguments",
    [
        ["config"],
        ["config", "get"],
        ["config", "frob"],
        ["config", "get", "a", "--server", "ftp://x"],
        ["config", "list", "--server", ""],
        ["config", "get", "a", "--timeout", "never"],
        ["config", "get", "a", "--timeout", "-1"],
        ["config", "get", "a", "--username", "nacos"],
        ["config", "get", "a", "--ca-file", "ca.pem"],
        ["config", "list", "--ca-file", "/no/such/file", "--server", "https://127.0.0.1:1"],
        ["config", "list", "--username", "nacos"],
        ["config", "set", "a", "--file", "/no/such/file"],
        ["config", "set", "a", "--file", "/"],
        ["config", "set", "a", "x", "--type", "ymal"],
        ["config", "export", "/"],
        ["config", "import", "/"],
        ["config", "set", "a", "x", "--file", "y"],
        ["config", "set", "a", "x", "--schema", "/no/such/file"],
        ["config", "set", "a", "x", "--cas", "y", "--create-only"],
        ["config", "import", "/no/such/file"],
        ["config", "import", "x.zip", "--policy", "sometimes"],
        ["config", "export", "/no/such/folder/x.zip"],
        ["naming", "register", "s", "nonsense"],
        ["naming", "watch", "a*b"],
        ["naming", "register", "s", "1.2.3.4:99999"],
        ["naming", "register", "s", "1.2.3.4:80", "--metadata", "novalue"],
        ["naming", "register", "s", "1.2.3.4:80", "--weight", "nan"],
        ["naming", "register", "s", "1.2.3.4:80", "--weight", "-1"],
        ["cluster"],
        ["cluster", "add"],
        ["cluster", "list", "--server", "ftp://x"],
        ["cluster", "list", "--timeout", "0"],
    ],
)
def test_wrong_arguments_end_with_a_code_of_their_own(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err
    assert "Errno" not in told.err
    assert " _" not in told.err, "no name of the program's own"


def test_a_file_that_is_no_text_is_not_published(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "image").write_bytes(b"\xff\xfe\x00")
    assert run("config", "set", "a", "--file", str(tmp_path / "image")) == 2
    assert "content is not UTF-8" in capsys.readouterr().err
    assert run("config", "set", "a", "x", "--schema", str(tmp_path / "image")) == 2
    assert "schema is not UTF-8" in capsys.readouterr().err


@pytest.mark.parametrize("tool", ["config", "naming", "cluster"])
def test_the_help_of_each_command_says_what_the_exit_codes_mean(tool: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tool, "--help") == 0
    told = capsys.readouterr().out
    found = re.search(r"[{]?((?:[a-z]+[|])+[a-z]+)", told)
    assert found is not None
    for command in found[1].split("|"):
        assert run(tool, command, "--help") == 0
        help_text = capsys.readouterr().out
        for code in (remote.DONE, remote.REFUSED, remote.USAGE, remote.UNREACHABLE, remote.UNKNOWN, remote.INTERRUPTED):
            assert re.search(rf"\b{code}\b", help_text.partition("Exit codes:")[2]), command
        held = () if tool == "cluster" else ("--namespace", "--group")
        for option in ("--server", "--json", "--username", "--password", "--timeout", *held):
            assert option in help_text
