"""Checks persistent instances: a connection, a request over HTTP, or a statement for MySQL, only so many at once.

Each instance is checked by one node of a cluster, the one that would handle its beats. What the checks find becomes
state only as a command of the log: all nodes show the same health, and a new leader knows what the old one knew.
"""

import logging
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from nacos_core import limits
from nacos_core.commands import ChangeMetadata
from nacos_core.drivers.health_mysql import ask_mysql, is_available
from nacos_core.errors import NacosCoreError
from nacos_core.naming.changes import SetHealth, write_change
from nacos_core.naming.health import HealthSchedule, Verdict, Watched, http_request, http_verdict, read_targets
from nacos_core.naming.health_targets import Networks, NotAllowed

if TYPE_CHECKING:
    from nacos_core._core import Hub
    from nacos_core.naming.health_targets import Address
    from nacos_core.naming.switches import Switches
    from nacos_core.proposals import Propose, Result
    from nacos_core.surroundings import Aside, Dial

_logger = logging.getLogger(__name__)


class HealthChecks:
    """The health checks of one node.

    Args:
        networks: where it may connect to.
        switches: as they are now.
        aside: carries out what has no other way than to block.
        settle: called after a change was proposed.
    """

    def __init__(
        self,
        *,
        hub: "Hub",
        networks: Networks,
        dial: "Dial",
        aside: "Aside",
        chance: random.Random,
        switches: "Callable[[], Switches]",
        propose: "Propose",
        settle: Callable[[], None],
    ) -> None:
        self._hub = hub
        self._networks = networks
        self._dial = dial
        self._aside = aside
        self._switches = switches
        self._propose = propose
        self._settle = settle
        self._schedule = HealthSchedule(chance.random)
        self._slots = trio.Semaphore(limits.HEALTH_CHECKS_COUNT_MAX)
        self._mysql_slots = trio.Semaphore(limits.HEALTH_MYSQL_COUNT_MAX)
        self._seen = trio.Event()
        self._told: set[str] = set()
        self.checks_count = 0
        """Since the start."""
        self.failures_count = 0

    @property
    def watched_count(self) -> int:
        """Instances that this node checks."""
        return len(self._schedule)

    async def run(self) -> None:
        """Runs until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._look)
            while True:
                for watched in self._schedule.due(trio.current_time(), limits.HEALTH_CHECKS_COUNT_MAX):
                    await self._slots.acquire()
                    nursery.start_soon(self._check, watched)
                self._seen = trio.Event()
                with trio.move_on_at(self._schedule.next_due()):
                    await self._seen.wait()

    async def _look(self) -> None:
        """Finds out what there is to check, a part of it at a time."""
        while True:
            place: int | None = 0
            while place is not None:
                targets, place = self._hub.checked_instances(place, limits.HEALTH_LOOK_COUNT)
                self._schedule.saw(read_targets(targets), trio.current_time())
                self._seen.set()
                await trio.lowlevel.checkpoint()
            self._schedule.end_round()
            await trio.sleep(limits.HEALTH_LOOK_SECONDS)

    async def _check(self, watched: Watched) -> None:
        try:
            address, switches = self._find(watched), self._switches()
            if isinstance(address, NotAllowed) or not switches.health_check_enabled:
                self._schedule.skipped(watched, trio.current_time())
                return
            started = trio.current_time()
            verdict = await self._ask(watched, address)
            now = trio.current_time()
            self.checks_count += 1
            self.failures_count += verdict is not Verdict.PASSED
            healthy = self._schedule.checked(watched, verdict, (now - started) * 1000, switches, now)
            if healthy is not None and switches.auto_change_health_check_enabled:
                self._flip(watched, healthy)
        finally:
            self._slots.release()
            self._seen.set()

    def _find(self, watched: Watched) -> "Address | NotAllowed":
        found = self._networks.find(watched.target.ip)
        if watched.target.health_checker.type == "MYSQL" and not is_available():
            found = NotAllowed("pymysql is missing, which comes with nacos-core[mysql]")
        if isinstance(found, NotAllowed):
            self._tell_once(watched, found.reason)
        return found

    async def _ask(self, watched: Watched, address: "Address") -> Verdict:
        checker, port = watched.target.health_checker, watched.target.check_port
        if port == 0:
            return Verdict.FAILED_SURELY
        if checker.type == "MYSQL":
            async with self._mysql_slots:
                return await ask_mysql(self._aside, checker, str(address), port)
        verdict = Verdict.FAILED  # a check that takes too long
        with trio.move_on_after(limits.HEALTH_CONNECT_SECONDS) as connecting:
            try:
                stream = await self._dial(address, port)
            except ConnectionRefusedError:
                return Verdict.FAILED_SURELY
            except OSError:
                return Verdict.FAILED
        if connecting.cancelled_caught:
            return verdict
        async with stream:
            if checker.type == "TCP":
                return Verdict.PASSED
            host = f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
            with trio.move_on_after(limits.HEALTH_ANSWER_SECONDS):
                verdict = await _ask_http(stream, http_request(checker, host))
        return verdict

    def _flip(self, watched: Watched, healthy: bool) -> None:
        target = watched.target
        _logger.info(
            "%s:%d of %s is %s by its checks", target.ip, target.port, target.service, "up" if healthy else "down"
        )

        def done(result: "Result") -> None:
            # Refused for want of a leader, it is proposed again with the next result.
            if not isinstance(result, NacosCoreError):
                self._schedule.flipped(watched, healthy)

        self._propose(ChangeMetadata(*target.service, write_change(SetHealth(target.name, healthy))), done)
        self._settle()

    def _tell_once(self, watched: Watched, reason: str) -> None:
        if reason not in self._told:
            self._told.add(reason)
            _logger.warning("%s and its like are not checked: %s", watched.target.ip, reason)


async def _ask_http(stream: trio.abc.Stream, request: bytes) -> Verdict:
    received = b""
    try:
        await stream.send_all(request)
        while b"\n" not in received and len(received) < limits.HEALTH_HTTP_HEAD_BYTES_MAX:
            more = await stream.receive_some(limits.HEALTH_HTTP_HEAD_BYTES_MAX - len(received))
            if not more:
                break
            received += more
    except (trio.BrokenResourceError, OSError):
        return Verdict.FAILED_SURELY
    return http_verdict(received.partition(b"\n")[0])


async def dial_tcp(address: "Address", port: int) -> trio.abc.Stream:
    """Connects by a parsed address: no name is looked up."""
    family = trio.socket.AF_INET6 if address.version == 6 else trio.socket.AF_INET
    socket = trio.socket.socket(family, trio.socket.SOCK_STREAM)
    try:
        await socket.connect((str(address), port))
    except BaseException:
        socket.close()
        raise
    return trio.SocketStream(socket)
