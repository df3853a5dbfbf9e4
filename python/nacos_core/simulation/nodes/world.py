"""One simulation with real nodes: a cluster, its clients, its faults, and the verdict on what happened."""

import logging
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from struct import unpack_from

import msgspec
import trio

from nacos_core.peers.protocol import PROTOCOL, Tell
from nacos_core.simulation.clients import ClientProfile
from nacos_core.simulation.invariants import Invariants, Violation
from nacos_core.simulation.links import describe
from nacos_core.simulation.nodes.calls import Calls
from nacos_core.simulation.nodes.clients import NodesClients
from nacos_core.simulation.nodes.cluster import NodesCluster
from nacos_core.simulation.nodes.crowd import Setting
from nacos_core.simulation.nodes.faults import NodesFaults
from nacos_core.simulation.nodes.grays import GrayClients
from nacos_core.simulation.nodes.healing import HEALED_KEY, NodesHealing
from nacos_core.simulation.nodes.ledger import Ledger
from nacos_core.simulation.nodes.locking import LOCK_KEYS, LockClients
from nacos_core.simulation.nodes.machine import Process, running
from nacos_core.simulation.nodes.network import Wiring
from nacos_core.simulation.nodes.quotas import QuotaClients
from nacos_core.simulation.nodes.scheduling import TrioTimeline, run
from nacos_core.simulation.timeline import Trace
from nacos_core.simulation.world import Profile, Report

HANDSHAKE_SENDS = 2
"""Of each side, before the frames of the protocol."""
CLIENTS_COUNT = 6
"""A call waits while there is no leader, and its client with it: so many that every seed has a hundred calls."""

_decode = msgspec.msgpack.Decoder(PROTOCOL.frame_type()).decode


class NodesSimulation(trio.abc.Instrument):
    """A cluster of ``nodes_count`` real nodes for ``seconds`` with faults, and as long as it takes to heal without.

    Args:
        profile: None lets the seed draw it; that of links without duplicates and order, as streams have neither.
        trace: takes a line for each event; None is faster.
    """

    def __init__(
        self,
        seed: int,
        *,
        nodes_count: int = 5,
        seconds: float = 30.0,
        profile: Profile | None = None,
        trace: Trace | None = None,
    ) -> None:
        self.seed = seed
        self.seconds = seconds
        self.trace = trace
        self.timeline = TrioTimeline(seed, trace)
        drawn = replace(Profile.drawn(self.timeline.chance("profile")), clients=ClientProfile(CLIENTS_COUNT))
        self.profile = profile or drawn
        self.invariants = Invariants()
        self.ledger = Ledger(self.invariants)
        self._nodes_count = nodes_count
        self._violation: Violation | None = None
        self._report = Report(seed)
        self._scope = trio.CancelScope()

    def run(self) -> Report:
        """Plays it to the end, or to the first thing that must not happen. Not inside another run of trio."""
        report = self._report
        with report.judged(self.timeline, self.trace):
            with _quiet():
                run(self._play, self.timeline.chance("scheduling"), self)
            if self._violation is not None:
                raise self._violation
        report.elections_count = self.invariants.elections_count
        return report

    async def _play(self) -> None:
        timeline, report = self.timeline, self._report
        wiring = Wiring(timeline, self.profile.links, self._sent)
        with self._scope:
            async with trio.open_nursery() as nursery:

                def greet(process: Process, of_process: trio.Nursery) -> None:
                    for key in [*clients.keys, HEALED_KEY]:
                        of_process.start_soon(clients.listen, process, key)

                nursery.start_soon(timeline.run)
                cluster = self._cluster = NodesCluster(
                    timeline=timeline,
                    wiring=wiring,
                    profile=self.profile.node,
                    nodes_count=self._nodes_count,
                    invariants=self.invariants,
                    nursery=nursery,
                    greet=greet,
                )
                calls = Calls(timeline)
                setting = Setting(timeline, self.profile.clients, calls, cluster.processes)
                clients = NodesClients(setting)
                grays = GrayClients(setting, self.ledger)
                quotas = QuotaClients(setting)
                lockers = LockClients(setting)
                faults = NodesFaults(cluster, self.profile.faults)
                report.history, report.faults = calls.history, faults.counts
                nursery.start_soon(clients.run)
                nursery.start_soon(lockers.run)
                nursery.start_soon(grays.run)
                nursery.start_soon(quotas.run)
                try:
                    await trio.sleep(self.seconds)
                    faults.stop()
                    await NodesHealing(cluster, self.ledger, calls.history, clients, lockers, grays, quotas).check()
                finally:
                    timeline.now = trio.current_time()
                    report.messages_count = wiring.sent_count
                    report.calls_count = calls.count
                    report.answered_count = calls.answered_count
                    report.unknown_count = calls.unknown_count
                    for process in cluster.processes():
                        process.is_alive = False
                        process.node.abandon()
                nursery.cancel_scope.cancel()

    # --- looking on ------------------------------------------------------------------------------------------------

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """As ``trio.abc.Instrument``: looks at the node of which the task is a part."""
        process = task.context.get(running)
        if process is None or not process.is_alive or self._violation is not None:
            return
        process.look_at_log()
        try:
            self.invariants.stepped(process)
            self.ledger.stepped(process, LOCK_KEYS)
        except Violation as violation:
            # What an instrument raises, trio only logs.
            self._violation = violation
            self._scope.cancel()

    def _sent(self, sender_id: str, receiver_id: str, sends_count: int, data: bytes) -> None:
        is_traced = self.timeline.is_traced
        if is_traced:
            self.timeline.note(sender_id, f"-> {receiver_id} {len(data)}B {zlib.crc32(data):08x}")
        host = self._cluster.hosts.get(sender_id)
        if sends_count < HANDSHAKE_SENDS or host is None or host.process is None:
            return
        position = 0
        while position < len(data):
            (length,) = unpack_from(">I", data, position)
            position += 4 + length
            try:
                frame = _decode(memoryview(data)[position - length : position])
            except msgspec.ValidationError:
                return  # a side that refuses the other one at last
            if type(frame) is Tell:
                if is_traced:
                    self.timeline.note(sender_id, f"-> {receiver_id} {describe(frame.message)}")
                self.invariants.sending(host.process, receiver_id, frame.message)


@contextmanager
def _quiet() -> Iterator[None]:
    """What nodes log of crashed peers is of no interest here, and there is much of it."""
    logger = logging.getLogger("nacos_core")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
