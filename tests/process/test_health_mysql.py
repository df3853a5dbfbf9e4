"""A MySQL server is checked with a real client library against a real server, MariaDB's as Debian packages it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nacos_core.drivers.health_mysql import ask_mysql
from nacos_core.naming.changes import HealthChecker
from nacos_core.naming.health import Verdict
from support.cluster_process import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SERVER = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin")
TABLES = Path("/usr/share/mysql")
STARTED_WITHIN_S = 30.0
MASTER_COMMAND = "show global variables where variable_name='read_only'"
pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(SERVER is None, reason="no MariaDB here: apt-get install mariadb-server-core"),
]


async def inline(call: Callable[..., Verdict], *arguments: object, abandon_on_cancel: bool = False) -> Verdict:
    """Nothing else is going on that it could hold up."""
    return call(*arguments)


class Database:
    """A server in a folder of its own, with one account."""

    def __init__(self, folder: Path) -> None:
        (self.port,) = free_ports(1)
        self._folder = folder
        self._data = folder / "data"
        self._data.mkdir()
        assert SERVER is not None
        self._command = [SERVER, "--no-defaults", "--user=root", f"--datadir={self._data}", "--innodb-log-file-size=8M"]
        names = ("mysql_system_tables.sql", "mysql_system_tables_data.sql")
        tables = "\n".join((TABLES / name).read_text() for name in names)
        sql = f"create database mysql;\nuse mysql;\nset @auth_root_socket=NULL;\n{tables}"
        subprocess.run([*self._command, "--bootstrap"], input=sql.encode(), check=True, capture_output=True, timeout=60)

    def start(self) -> None:
        first = self._folder / "first.sql"
        first.write_text(
            "create user checker@'127.0.0.1' identified by 'secret';\ngrant all on *.* to checker@'127.0.0.1';\n"
        )
        listen = [f"--port={self.port}", "--bind-address=127.0.0.1", "--skip-name-resolve", f"--init-file={first}"]
        with (self._folder / "log").open("wb") as log:
            command = [*self._command, *listen, f"--socket={self._folder / 's'}"]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        ends_at = time.monotonic() + STARTED_WITHIN_S
        while not self.accepts():
            assert time.monotonic() < ends_at, (self._folder / "log").read_text()
            time.sleep(0.1)

    def accepts(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 0.5).close()
        except OSError:
            return False
        return True

    def execute(self, statement: str) -> None:
        import pymysql

        with (
            pymysql.connect(host="127.0.0.1", port=self.port, user="checker", password="secret") as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    running = Database(tmp_path_factory.mktemp("mysql"))
    running.start()
    yield running
    if running.process.poll() is None:
        running.stop()


async def ask(database: Database, **fields: str) -> Verdict:
    checker = HealthChecker("MYSQL", **{"user": "checker", "pwd": "secret", "cmd": "select 1"} | fields)
    return await ask_mysql(inline, checker, "127.0.0.1", database.port)


async def test_a_server_that_answers_is_up(database: Database) -> None:
    assert await ask(database) is Verdict.PASSED
    assert await ask(database, cmd="select user, host from mysql.global_priv") is Verdict.PASSED


async def test_one_that_does_not_let_in_or_does_not_know_the_statement_fails(database: Database) -> None:
    assert await ask(database, pwd="wrong") is Verdict.FAILED
    assert await ask(database, cmd="select nothing from nowhere") is Verdict.FAILED
    assert await ask(database, cmd="") is Verdict.PASSED


async def test_a_replica_counts_as_down_if_a_writer_is_asked_for(database: Database) -> None:
    assert await ask(database, cmd=MASTER_COMMAND) is Verdict.PASSED
    database.execute("set global read_only = 1")
    assert await ask(database, cmd=MASTER_COMMAND) is Verdict.FAILED_SURELY
    assert await ask(database) is Verdict.PASSED, "nobody asked for a writer"
    database.execute("set global read_only = 0")


async def test_one_that_has_stopped_is_down_at_once(database: Database) -> None:
    database.stop()
    assert await ask(database) is Verdict.FAILED_SURELY
