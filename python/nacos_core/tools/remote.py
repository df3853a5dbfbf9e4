"""What the commands for a running server have in common: options, exit codes, and what is printed where.

Results go to stdout, everything else to stderr. Exit codes: 0 done; 1 the server says no, or it is not there; 2 wrong
arguments; 3 no server answers; 4 it was sent, and nobody said what became of it; 130 interrupted before it was done.
"""

import argparse
import json
import math
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio

from nacos_core.cli import INTERRUPTED
from nacos_core.client import AccessDenied, Unreachable, open_client
from nacos_core.client.login import Login
from nacos_core.client.servers import parse_servers
from nacos_core.client.tls import tls_for
from nacos_core.errors import NacosCoreError, OutcomeUnknown, SettingsError
from nacos_core.naming.model import DEFAULT_GROUP

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from nacos_core.client import Client
    from nacos_core.client.admin import Admin

DONE: Final = 0
REFUSED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
UNKNOWN: Final = 4

LONG_COUNT: Final = 1000
"""Lists that are longer take their time."""

EPILOG: Final = (
    "NACOS_CORE_SERVER, NACOS_CORE_USERNAME and NACOS_CORE_PASSWORD in the environment stand for the options of these "
    "names. Exit codes: 0 done, 1 refused or not there, 2 wrong arguments, 3 no server answers, 4 sent and not "
    "known whether it was done, 130 interrupted."
)


def common_options(group: str = DEFAULT_GROUP) -> argparse.ArgumentParser:
    """What the commands for what servers hold take, and the group that is meant unless one is given; empty: all."""
    common = argparse.ArgumentParser(add_help=False, parents=[server_options()])
    add = common.add_argument
    add("--namespace", default="public", help="(%(default)s)")
    add("--group", default=group, help=f"({group or 'all'})")
    add("--cache", metavar="FOLDER", help="keeps what was heard, and tells it while no server answers")
    return common


def server_options(timeout_seconds: float = 5.0) -> argparse.ArgumentParser:
    """What every command takes."""
    common = argparse.ArgumentParser(add_help=False)
    add = common.add_argument
    servers = "http://host:port, or https://, of one or more servers, with commas between (%(default)s)"
    add("--server", metavar="URL", default=os.environ.get("NACOS_CORE_SERVER", "http://127.0.0.1:8848"), help=servers)
    add("--json", action="store_true", help="print JSON; a line for each state of what is watched")
    add("--username", default=os.environ.get("NACOS_CORE_USERNAME"))
    add("--password", default=os.environ.get("NACOS_CORE_PASSWORD"), help="better in the environment")
    add("--ca-file", metavar="FILE", help="the certificates that https:// is trusted with (those of the system)")
    add(
        "--timeout",
        metavar="SECONDS",
        type=number(0.001, 86_400),
        default=timeout_seconds,
        help="for one request (%(default)s)",
    )
    return common


def number(lowest: float, highest: float) -> Callable[[str], float]:
    """What reads an argument that is a number from one to another."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not lowest <= value <= highest:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {lowest:g} to {highest:g}")
        return value

    return parse


def connect(chosen: argparse.Namespace) -> "AbstractAsyncContextManager[Client]":
    """The client that the options describe."""
    return open_client(
        chosen.server,
        namespace=chosen.namespace,
        username=chosen.username,
        password=chosen.password,
        cache=chosen.cache,
        ca_file=chosen.ca_file,
        request_timeout_seconds=chosen.timeout,
    )


def administer(chosen: argparse.Namespace, namespace: str) -> "Admin":
    """The same for what goes over HTTP."""
    from nacos_core.client.admin import Admin

    if (chosen.username is None) != (chosen.password is None):
        raise SettingsError("user name and password are given both or not at all")
    has_login = chosen.username is not None and chosen.password is not None
    servers = parse_servers(chosen.server)
    tls = tls_for(servers, chosen.ca_file)
    login = Login(chosen.username, chosen.password, tls) if has_login else None
    return Admin(servers, namespace, login, timeout_seconds=chosen.timeout, tls=tls)


def run(name: str, work: Callable[[], Awaitable[int]], *, is_endless: bool = False) -> int:
    """Does the work until it is done or a signal ends it; the exit code.

    Args:
        is_endless: a signal is how it ends: nothing is wrong then.
    """
    return anyio.run(_until_signalled, partial(told, name, work), DONE if is_endless else INTERRUPTED, backend="trio")


async def told(name: str, work: Callable[[], Awaitable[int]]) -> int:
    """Does the work, and tells on stderr why it was not done; the exit code."""
    try:
        return await work()
    except SettingsError as error:
        return _tell(name, error, USAGE)
    except Unreachable as error:
        return _tell(name, error, UNREACHABLE)
    except OutcomeUnknown as error:
        return _tell(name, error, UNKNOWN)
    except AccessDenied as error:
        return _tell(name, f"{error} (--username and --password say who asks)", REFUSED)
    except NacosCoreError as error:
        return _tell(name, error, REFUSED)
    except BrokenPipeError:
        raise  # nobody reads any more, which is no error: ``cli`` ends it
    except OSError as error:
        return _tell(name, error, REFUSED)


def _tell(name: str, error: object, code: int) -> int:
    print(f"nacos-core {name}: {error}", file=sys.stderr)
    return code


async def _until_signalled(work: Callable[[], Awaitable[int]], code: int) -> int:
    async def cancel_at_a_signal() -> None:
        async for _ in signals:
            tasks.cancel_scope.cancel()

    failure: Exception | None = None
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:  # before anything waits
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cancel_at_a_signal)
            try:
                code = await work()
            except Exception as error:
                failure = error  # raised below as it is, not within a group
            tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return code


def read_bytes(file: Path) -> bytes:
    """A file that is named among the arguments.

    Raises:
        SettingsError: it cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise SettingsError(f"cannot read {file}: {error.strerror}") from None


async def wait_for_signal() -> None:
    """Until SIGINT or SIGTERM. Whoever waits last is the one who is told."""
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            return


def say(text: str) -> None:
    """A line of the result, at once."""
    print(text, flush=True)


def say_json(value: Any, *, is_line: bool = False) -> None:
    """The result as JSON; ``is_line``: on one line, for more may follow."""
    say(json.dumps(value, ensure_ascii=False, indent=None if is_line else 2))


def say_table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Columns as wide as what stands in them."""
    whole = [heads, *rows]
    widths = [max(len(row[column]) for row in whole) for column in range(len(heads))]
    for row in whole:
        say("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


class ProgressBar:
    """How far something is, on stderr, if a person is looking."""

    WIDTH = 30

    def __init__(self, what: str) -> None:
        self._what = what
        self._is_shown = sys.stderr.isatty()
        self._last = ""

    def __call__(self, done: int, whole: int | None) -> None:
        """``done`` of ``whole`` bytes; None: nobody knows of how many."""
        if not self._is_shown:
            return
        if whole:
            filled = self.WIDTH * done // whole
            line = f"{self._what} [{'#' * filled}{'.' * (self.WIDTH - filled)}] {100 * done // whole} %"
        else:
            line = f"{self._what} {done / 1_000_000:.1f} MB"
        if line != self._last:
            self._last = line
            print(f"\r{line}", end="", file=sys.stderr, flush=True)

    def wait(self) -> None:
        """Before there is anything to count."""
        if self._is_shown:
            print(f"\r{self._what} ...", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """What follows begins on a line of its own."""
        if self._is_shown:
            print(file=sys.stderr)
