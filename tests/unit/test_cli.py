"""The command line without starting a node; tests/process starts them."""

from __future__ import annotations

import logging
import sys

import pytest

import nacos_core
from nacos_core import cli, settings


def test_every_option_is_a_flag_and_is_absent_unless_given() -> None:
    parsed = vars(cli.build_parser().parse_args([]))
    assert parsed.pop("command") == "serve"
    assert parsed.pop("version") is False
    assert parsed == dict.fromkeys([option.name for option in settings.OPTIONS] + ["config"])


def test_flags_reach_the_settings() -> None:
    flags = vars(cli.build_parser().parse_args(["serve", "--port", "0", "--auth", "on", "--insecure"]))
    chosen = settings.load(flags, {})
    assert (chosen.port, chosen.auth, chosen.insecure) == (0, True, True)


def test_nothing_that_a_client_sends_looks_like_another_line_of_the_log() -> None:
    shown = cli.OneLine("%(levelname)s %(name)s: %(message)s")
    forged = "a\n2026-01-01 ERROR nacos_core: stolen\r\x1b[2J\x85\u2028\0"
    log = logging.getLogger("nacos_core.test")
    plain = log.makeRecord(log.name, logging.WARNING, "", 0, "content of %s", (forged,), None)
    assert shown.format(plain) == (
        r"WARNING nacos_core.test: content of a\n2026-01-01 ERROR nacos_core: stolen\r\x1b[2J\x85\u2028\x00"
    )
    try:
        raise ValueError(forged)
    except ValueError:
        failed = log.makeRecord(log.name, logging.ERROR, "", 0, "it failed", (), sys.exc_info())
    first, *rest = shown.format(failed).split("\n")
    assert first == "ERROR nacos_core.test: it failed"
    assert rest[0] == "Traceback (most recent call last):"
    assert all(line.startswith("  ") for line in rest[1:])
    assert not set("\r\x1b\x85\u2028\0") & set("".join(rest))


def test_the_version_is_the_core_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"nacos-core {nacos_core.__version__}\n"


def test_the_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["--help"])
    assert left.value.code == 0
    help_text = capsys.readouterr().out
    for flag in ("--host", "--port", "--data", "--auth", "--insecure", "--log-level", "--config", "--version"):
        assert flag in help_text


def test_wrong_settings_end_with_2_and_say_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--port", "many"]) == 2
    assert "--port" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--config-qouta", "on"], "no option --config-qouta; is --config-quota meant?"),
        (["serve", "--prot=1"], "no option --prot; is --port meant?"),
        (["-p", "1"], "no option -p"),
    ],
)
def test_an_option_that_there_is_not_is_named_and_not_its_value(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
    assert left.value.code == 2
    assert said in capsys.readouterr().err


def test_an_open_node_is_refused_before_anything_is_written(
    tmp_path: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--host", "0.0.0.0", "--port", "0", "--data", f"{tmp_path}/data"]) == 2
    assert "--insecure" in capsys.readouterr().err
    assert not __import__("pathlib").Path(f"{tmp_path}/data").exists()


def test_every_public_name_is_there() -> None:
    for name in nacos_core.__all__:
        assert getattr(nacos_core, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        nacos_core.nothing  # noqa: B018 - the access is the test
