"""Clients of gray releases, over HTTP: an operator publishes, promotes and removes them; others get them, or do not.

What a read must give is known: where its node stood in the log when it began, and when it ended.
"""

from random import Random
from typing import Final

import trio

from nacos_core.simulation.invariants import Violation
from nacos_core.simulation.nodes.crowd import Crowd, Setting
from nacos_core.simulation.nodes.http import ABSENT, OK, ask
from nacos_core.simulation.nodes.ledger import Ledger
from nacos_core.simulation.nodes.machine import Process

GRAY_KEY: Final = "gray"
GROUP: Final = "DEFAULT_GROUP"
READ_PATH: Final = "/nacos/v1/cs/configs"
ADMIN_PATH: Final = "/nacos/v3/admin/cs/config"
ADMIN: Final = {"dataId": GRAY_KEY, "groupName": GROUP}
ADDRESSES: Final = tuple(f"10.0.0.{number}" for number in range(1, 5))
PUBLISH_TO_ALL_SHARE: Final = 0.2
PUBLISH_SHARE: Final = 0.5
PROMOTE_SHARE: Final = 0.15
"""The rest removes a release."""
READERS_COUNT: Final = 2
CHANGE_PAUSES: Final = 2.0
"""How long the operator waits, in pauses of other clients."""


class GrayClients(Crowd):
    """One configuration, whose releases change all the time."""

    def __init__(self, setting: Setting, ledger: Ledger) -> None:
        super().__init__(setting)
        self._processes = lambda: [each for each in setting.processes() if each.nursery is not None]
        self._ledger = ledger
        self._published: list[int] = []
        """Values of which the operator knows that they were published, to some or to all."""

    async def run(self) -> None:
        """Runs until ``is_open`` is taken away."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._call_on, "gray operator", self._change, CHANGE_PAUSES)
            for reader in range(READERS_COUNT):
                nursery.start_soon(self._call_on, f"gray reader {reader}", self._read_some)

    async def _change(self, process: Process, chance: Random) -> None:
        value, kind = self._calls.next_number(), chance.random()
        name = chance.choice(("beta", "percent"))
        content = {"content": str(value)}
        if kind < PUBLISH_TO_ALL_SHARE:
            answer = await ask(process, "POST", ADMIN_PATH, ADMIN | content)
        elif kind < PUBLISH_TO_ALL_SHARE + PUBLISH_SHARE:
            answer = await ask(process, "POST", ADMIN_PATH, ADMIN | content | _rule(name, chance))
        else:
            if kind < PUBLISH_TO_ALL_SHARE + PUBLISH_SHARE + PROMOTE_SHARE:
                await ask(process, "POST", f"{ADMIN_PATH}/gray/promote", ADMIN | {"grayName": name})
            else:
                await ask(process, "DELETE", f"{ADMIN_PATH}/gray", ADMIN | {"grayName": name})
            return
        if answer is not None and answer.status == OK:
            if value not in self._ledger.publishes:
                raise Violation("Acknowledged Stays", f"publication {value} of {GRAY_KEY} is nowhere in the log")
            self._published.append(value)

    async def read_all(self, process: Process) -> bool:
        """Reads from each address; says whether all of them were answered."""
        answered = [await self._read(process, ip, is_linearizable=True) for ip in ADDRESSES]
        return all(answered)

    async def _read_some(self, process: Process, chance: Random) -> None:
        is_linearizable = chance.random() < 0.5
        await self._read(process, chance.choice(ADDRESSES), is_linearizable=is_linearizable)

    async def _read(self, process: Process, ip: str, *, is_linearizable: bool) -> bool:
        begin = process.replica.last_applied
        if is_linearizable:
            begin = max([begin, *(self._ledger.publishes[value] for value in self._published)])
        fields = {"dataId": GRAY_KEY, "group": GROUP, "linearizable": str(is_linearizable).lower()}
        answer = await ask(process, "GET", READ_PATH, fields, ip=ip)
        if answer is None or answer.status not in (OK, ABSENT):
            return False
        end = process.replica.last_applied
        value = int(answer.body) if answer.status == OK else 0
        may_be = {self._ledger.state_at(index).read(GRAY_KEY, GROUP, ip) for index in range(begin, end + 1)}
        if value not in may_be:
            raise Violation(
                "Releases Are As The Log Says",
                f"{process.node_id} tells {ip} {value}; from entry {begin} to {end} it is one of {sorted(may_be)}",
            )
        return True


def _rule(name: str, chance: Random) -> dict[str, str]:
    if name == "beta":
        return {"betaIps": ",".join(chance.sample(ADDRESSES, 2))}
    return {"grayPercent": chance.choice(("0", "25", "60.5"))}
