"""The judge of linearizability: a Go program around Porcupine."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from nacos_core.simulation.history import History

WITHOUT_GO = pytest.StashKey[str]()
Judge = Callable[[Sequence[History]], list[str]]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    why = config.stash.get(WITHOUT_GO, "")
    if why:
        terminalreporter.section("NOT TESTED: linearizability of histories", sep="!", red=True, bold=True)
        terminalreporter.line(why)


@pytest.fixture(scope="session")
def judge(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Judge:
    """Says of each history what the judge says of it."""
    if shutil.which("go") is None:
        why = "not on PATH: go"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(why)
        request.config.stash[WITHOUT_GO] = why
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("judge")
    program = folder / "judge"
    source = Path(__file__).parent / "judge"
    subprocess.run(["go", "build", "-mod=readonly", "-o", program, "."], cwd=source, timeout=240, check=True)

    def judge_all(histories: Sequence[History]) -> list[str]:
        paths = [folder / f"{number}.jsonl" for number, _ in enumerate(histories)]
        for path, history in zip(paths, histories, strict=True):
            path.write_text(history.lines())
        judged = subprocess.run([program, *paths], capture_output=True, text=True, timeout=240, check=False)
        assert judged.returncode in (0, 1), judged.stderr
        return judged.stdout.splitlines()

    return judge_all
