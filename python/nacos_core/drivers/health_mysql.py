"""The check of a MySQL server: logs in and has a statement carried out. It takes the extra ``nacos-core[mysql]``."""

from typing import TYPE_CHECKING

from nacos_core import limits
from nacos_core.naming.health import Verdict

if TYPE_CHECKING:
    from nacos_core.naming.changes import HealthChecker
    from nacos_core.surroundings import Aside

_VARIABLES = "show global variables"
"""A statement that begins so asks whether the server takes writes: a replica counts as down."""


def is_available() -> bool:
    """Whether the client library is installed."""
    from importlib.util import find_spec

    return find_spec("pymysql") is not None


async def ask_mysql(aside: "Aside", checker: "HealthChecker", host: str, port: int) -> Verdict:
    """Asks in a worker thread. Each step of it has its time, but a server that answers byte by byte takes long: whoever
    calls bounds how many go on at once."""
    return await aside(_ask, checker, host, port, abandon_on_cancel=True)


def _ask(checker: "HealthChecker", host: str, port: int) -> Verdict:
    import pymysql

    try:
        with (
            pymysql.connect(
                host=host,
                port=port,
                user=checker.user or "",
                password=checker.pwd or "",
                connect_timeout=limits.HEALTH_MYSQL_SECONDS,
                read_timeout=limits.HEALTH_MYSQL_SECONDS,
                write_timeout=limits.HEALTH_MYSQL_SECONDS,
                local_infile=False,
            ) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(checker.cmd or "select 1")
            rows = cursor.fetchmany(limits.HEALTH_MYSQL_ROWS_MAX)
    except pymysql.MySQLError as error:
        return Verdict.FAILED_SURELY if _is_refusal(error) else Verdict.FAILED
    is_replica = any(str(value).upper() in ("ON", "1") for _, value in _pairs(rows))
    asks_for_writer = (checker.cmd or "").strip().lower().startswith(_VARIABLES)
    return Verdict.FAILED_SURELY if asks_for_writer and is_replica else Verdict.PASSED


def _pairs(rows: object) -> list[tuple[object, object]]:
    assert isinstance(rows, list | tuple), "a cursor gives rows"
    return [(row[0], row[1]) for row in rows if len(row) == 2]


def _is_refusal(error: Exception) -> bool:
    """The connection was refused, as against a server that answers with an error or not at all."""
    return isinstance(error.__cause__ or error.__context__, ConnectionRefusedError)
