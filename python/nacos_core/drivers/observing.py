"""Shows who subscribes and listens: over connections to this node, and to all others if it is asked for."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import trio

from nacos_core import limits
from nacos_core.cluster.observations import Observe, Observed, Row
from nacos_core.errors import NacosCoreError

if TYPE_CHECKING:
    from nacos_core._core import Hub
    from nacos_core.drivers.cluster import ClusterDriver
    from nacos_core.drivers.push import Pushes
    from nacos_core.peers.handshake import Identity

_logger = logging.getLogger(__name__)

APPLICATION_UNKNOWN = "unknown"
Done: TypeAlias = Callable[[list[Row]], None]


class Observing:
    """What this node and the others know of their clients.

    Args:
        cluster: None: this node stands alone.
        others: the members that are alive, this node not among them.
        settle: called after an answer that came later.
    """

    def __init__(
        self,
        *,
        hub: "Hub",
        pushes: "Pushes",
        cluster: "ClusterDriver | None",
        others: Callable[[], list[str]],
        nursery: trio.Nursery,
        settle: Callable[[], None],
    ) -> None:
        self._hub = hub
        self._pushes = pushes
        self._cluster = cluster
        self._others = others
        self._nursery = nursery
        self._settle = settle
        if cluster is not None:
            cluster.answer(Observe, self._answer)

    def here(self, question: Observe) -> list[Row]:
        """What this node knows itself."""
        match question.kind, question.subject:
            case "subscribers", (namespace, group, name):
                return self._subscribers((namespace, group, name))
            case "config-listeners", (namespace, group, data_id):
                key = (namespace, group, data_id)
                return [*self._hub.config_listeners(*key), *self._pushes.long_polls.told(*key)]
            case "config-listened", (ip,):
                return [*self._hub.config_listened(ip), *self._pushes.long_polls.listened(ip)]
            case _:
                return []

    def _answer(self, peer: "Identity", question: Observe) -> Observed:
        return Observed(self.here(question))

    def everywhere(self, question: Observe, done: Done) -> None:
        """Calls ``done`` with what all members know; those that do not answer in time are left out."""
        others = self._others() if self._cluster is not None else []
        if others:
            self._nursery.start_soon(self._gather, question, others, done)
        else:
            done(self.here(question))

    async def _gather(self, question: Observe, others: list[str], done: Done) -> None:
        answers: dict[str, list[Row]] = {}

        async def ask(node_id: str) -> None:
            assert self._cluster is not None, "others were found"
            try:
                answer: Observed = await self._cluster.ask(node_id, question, limits.OBSERVE_SECONDS)
            except NacosCoreError as error:
                _logger.debug("node %s does not tell of its clients: %s", node_id, error)
            else:
                answers[node_id] = answer.rows

        async with trio.open_nursery() as nursery:
            for node_id in others:
                nursery.start_soon(ask, node_id)
        done([*self.here(question), *(row for node_id in sorted(answers) for row in answers[node_id])])
        self._settle()

    def _subscribers(self, key: tuple[str, str, str]) -> list[Row]:
        rows: list[Row] = []
        for client_id, ip, port, agent, application, clusters in self._hub.service_subscribers(*key):
            rows.append((client_id, ip, str(port), agent, application, clusters))
        for each in self._pushes.udp_subscribers(key):
            ip, port = each.address
            rows.append((f"{ip}:{port}#true", ip, str(port), each.agent, APPLICATION_UNKNOWN, each.clusters))
        return rows
