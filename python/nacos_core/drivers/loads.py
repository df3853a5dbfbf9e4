"""Counts the clients of all members, and has some of them go to another one."""

import logging
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

import trio

from nacos_core import limits
from nacos_core.cluster.loads import DONE, ClientCount, CountClients, SendAway
from nacos_core.errors import NacosCoreError, NotReady
from nacos_core.push.leaving import ask_to_leave

if TYPE_CHECKING:
    from nacos_core._core import Hub
    from nacos_core.cluster.questions import Done
    from nacos_core.drivers.cluster import ClusterDriver
    from nacos_core.peers.handshake import Identity

_logger = logging.getLogger(__name__)


class Loads:
    """The clients of this node and of the others, by their numbers.

    Args:
        node_id: of this node.
        cluster: None: this node stands alone.
        others: the members that are alive, this node not among them.
        system_load: ``load`` (the average) and ``cpu`` (a share) of this machine.
    """

    def __init__(
        self,
        *,
        hub: "Hub",
        node_id: str,
        cluster: "ClusterDriver | None",
        others: Callable[[], list[str]],
        is_ready: Callable[[], bool],
        system_load: Callable[[], dict[str, float]],
    ) -> None:
        self._hub = hub
        self._node_id = node_id
        self._cluster = cluster
        self._others = others
        self._is_ready = is_ready
        self._system_load = system_load
        if cluster is not None:
            cluster.answer(CountClients, self._asked_to_count)
            cluster.answer(SendAway, self._asked_to_send_away)

    async def everywhere(self) -> dict[str, ClientCount]:
        """By the ids of members; those that serve nobody or do not answer in time are left out."""
        counts = {self._node_id: self._here()}

        async def ask(node_id: str) -> None:
            assert self._cluster is not None, "others were found"
            try:
                counts[node_id] = await self._cluster.ask(node_id, CountClients(), limits.OBSERVE_SECONDS)
            except NacosCoreError as error:
                _logger.debug("node %s does not say how many clients it has: %s", node_id, error)

        async with trio.open_nursery() as nursery:
            for node_id in self._others() if self._cluster is not None else ():
                nursery.start_soon(ask, node_id)
        return dict(sorted(counts.items()))

    async def send_away(self, node_id: str, takers: dict[str, int]) -> None:
        """Has a member ask some of its clients to go elsewhere: ``ip:port`` and how many.

        Raises:
            PeerUnreachable, Overloaded, CallRefused: nobody was asked; the message says why.
            OutcomeUnknown: the member did not answer in time.
        """
        if node_id == self._node_id:
            self._send_away(takers)
        else:
            assert self._cluster is not None, "it was counted"
            await self._cluster.ask(node_id, SendAway(takers), limits.OBSERVE_SECONDS)

    def _asked_to_count(self, peer: "Identity", question: CountClients) -> ClientCount:
        if not self._is_ready():
            raise NotReady("this node is starting or stopping")
        return self._here()

    def _asked_to_send_away(self, peer: "Identity", question: SendAway) -> "Done":
        self._send_away(question.takers)
        return DONE

    def _here(self) -> ClientCount:
        counts, load = self._hub.counts(), self._system_load()
        return ClientCount(counts["clients"], counts["connections"], load["load"], load["cpu"])

    def _send_away(self, takers: dict[str, int]) -> None:
        clients = iter(self._hub.clients())
        for address, count in takers.items():
            _logger.info("%d clients are asked to go to %s", count, address)
            ask_to_leave(self._hub, islice(clients, max(0, count)), address)
