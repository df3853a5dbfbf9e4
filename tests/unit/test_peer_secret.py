"""Where the cluster secret comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nacos_core.errors import SettingsError
from nacos_core.peers.addresses import parse_members
from nacos_core.peers.secret import SECRET_VARIABLE, check_secret, load_secret, parse_secret

if TYPE_CHECKING:
    from pathlib import Path

SECRET = b"sixteen letters!"


def test_a_file_beats_the_environment(tmp_path: Path) -> None:
    warnings: list[str] = []
    file = tmp_path / "secret"
    file.write_bytes(SECRET + b"\n")
    file.chmod(0o600)
    environment = {SECRET_VARIABLE: "from the environment"}
    assert load_secret(file, environment, warnings.append) == SECRET
    assert load_secret(None, environment, warnings.append) == b"from the environment"
    assert load_secret(None, {}, warnings.append) is None
    assert warnings == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_file_that_others_can_read_is_warned_of(mode: int, tmp_path: Path) -> None:
    warnings: list[str] = []
    file = tmp_path / "secret"
    file.write_bytes(SECRET)
    file.chmod(mode)
    assert load_secret(file, {}, warnings.append) == SECRET
    assert len(warnings) == 1
    assert f"others can read the cluster secret in {file} (mode {mode:o})" in warnings[0]
    assert SECRET.decode() not in warnings[0]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot read the cluster secret from .*: No such file"):
        load_secret(tmp_path / "nothing", {}, lambda text: None)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_one_line_break_at_the_end_does_not_count(end: bytes) -> None:
    assert parse_secret(SECRET + end, "x") == SECRET


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "x: the cluster secret has 0 characters; at least 16 are needed"),
        (b"fifteen letters\n", "has 15 characters"),
        (b"short" + b" " * 20, "has 5 characters"),
        ("éééééééé".encode(), "has 8 characters"),
        (b"a line that is long enough\nand another", "more than one line"),
        (b"\xff" * 20, "not UTF-8"),
        (b"a" * 4097, "longer than 4096 bytes"),
    ],
)
def test_what_is_no_secret(data: bytes, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem) as caught:
        parse_secret(data, "x")
    if len(data.strip()) > 5:
        assert data.decode(errors="replace").strip() not in str(caught.value), "it is not shown"


def test_a_variable_is_named() -> None:
    with pytest.raises(SettingsError, match=f"{SECRET_VARIABLE}: the cluster secret has 5 characters"):
        load_secret(None, {SECRET_VARIABLE: "short"}, lambda text: None)


def test_without_a_secret_a_cluster_stays_on_its_machine() -> None:
    check_secret(parse_members("127.0.0.1:8848,localhost:8850,[::1]:8852"), None)
    check_secret(parse_members("10.0.0.1:8848"), SECRET)
    with pytest.raises(SettingsError, match=r"the member 10\.0\.0\.1:8848 is not on a loopback address"):
        check_secret(parse_members("127.0.0.1:8848,10.0.0.1:8848"), None)
