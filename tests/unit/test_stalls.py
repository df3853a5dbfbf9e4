"""A node says when it stood still, and whether that came from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from nacos_core.drivers.stalls import Stalls


@pytest.fixture
def cpu() -> list[float]:
    return [10.0]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def test_a_timer_that_is_late_is_told(caplog: pytest.LogCaptureFixture, cpu: list[float]) -> None:
    stalls = Stalls(lambda: cpu[0])
    stalls.sleeps(4.9)
    stalls.woke(due=5.0, now=5.149)
    assert warnings(caplog) == []
    cpu[0] += 0.01
    stalls.woke(due=5.0, now=5.21)
    assert warnings(caplog) == ["stall: the timer woke 210 ms late; the process did not run for 200 ms of that"]


def test_what_the_process_did_itself_does_not_come_from_outside(
    caplog: pytest.LogCaptureFixture, cpu: list[float]
) -> None:
    stalls = Stalls(lambda: cpu[0])
    cpu[0] += 7  # before it went to sleep
    stalls.sleeps(4.9)
    cpu[0] += 0.4  # more than it was late, as several threads may use
    stalls.woke(due=5.0, now=5.3)
    assert warnings(caplog) == ["stall: the timer woke 300 ms late; the process did not run for 0 ms of that"]


def test_a_sync_that_hangs_is_told_from_when_it_was_written(caplog: pytest.LogCaptureFixture, cpu: list[float]) -> None:
    stalls = Stalls(lambda: cpu[0])
    stalls.written(3, 1.0)
    stalls.written(4, 1.1)
    stalls.synced(2, 4, 1.12)  # of something older
    stalls.synced(3, 4, 1.14)
    assert warnings(caplog) == []
    stalls.synced(4, 4, 1.2)  # waited for since the one before it was done
    assert warnings(caplog) == []
    stalls.written(5, 2.0)
    stalls.synced(5, 5, 2.3)
    stalls.synced(5, 5, 9.0)
    assert warnings(caplog) == ["stall: a sync of the log took 300 ms"]


HALTED = """
import os, sys, threading, trio

from nacos_core import open_cluster
import logging
logging.basicConfig(stream=sys.stdout, level="WARNING", format="%(message)s")
async def main():
    async with open_cluster(3) as cluster:
        await cluster.leader()
        print("ready", flush=True)
        await trio.sleep(0.6)
        print("over", flush=True)
trio.run(main)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="there is no such signal on this system")
def test_a_process_that_was_halted_says_so() -> None:
    with subprocess.Popen([sys.executable, "-c", HALTED], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        os.kill(process.pid, signal.SIGSTOP)
        subprocess.run(["sleep", "0.5"], check=True)
        os.kill(process.pid, signal.SIGCONT)
        said = process.stdout.read()
    assert process.returncode == 0
    assert "the process did not run for" in said
