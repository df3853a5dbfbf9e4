"""Carries out what the Raft machine wants: writes to the log, waits for its syncs, applies, tells who proposed.

All proposals of one turn are appended with one call, and all that one sync made durable is applied in one loop.
"""

import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import trio

from nacos_core import commands, limits
from nacos_core.errors import NacosCoreError, NotReady, OutcomeUnknown, Overloaded, StartError
from nacos_core.raft.effects import AppendEntries, ApplyEntries, Effect, RefuseProposal, RoleChanged, SaveHardState
from nacos_core.raft.events import Applied, HardStateSaved, LogSynced, Proposed, Started
from nacos_core.raft.machine import Machine
from nacos_core.raft.state import State
from nacos_core.state_machine import Outcome

if TYPE_CHECKING:
    from nacos_core._core import Log
    from nacos_core.clock import WallClock
    from nacos_core.commands import Command
    from nacos_core.state_machine import StateMachine

_logger = logging.getLogger(__name__)

Complete: TypeAlias = Callable[[Outcome | NacosCoreError], None]
_Proposal: TypeAlias = tuple["Command", Complete, bytes]


class RaftDriver:
    """One group's log, machine and state machine.

    Args:
        settle: called after a batch was applied and its proposers were told, to send what that queued.
    """

    def __init__(
        self,
        *,
        node_id: str,
        log: "Log",
        state_machine: "StateMachine",
        wall_clock: "WallClock",
        settle: Callable[[], None],
    ) -> None:
        self._log = log
        self._state_machine = state_machine
        self._wall_clock = wall_clock
        self._settle = settle
        self._node_id = node_id
        self._machine = Machine(State(node_id, (node_id,)))
        self._queued: list[_Proposal] = []
        self._appended: deque[tuple[int, _Proposal]] = deque()
        self._waiting_bytes = 0
        self._hard_states: deque[tuple[int, SaveHardState]] = deque()
        self._apply_target = 0
        self._log_bytes_since_snapshot = 0
        self._snapshot_bytes = 0
        self._is_saving_snapshot = False
        self._is_stopped = False
        self.caught_up = trio.Event()
        """Set once this node leads and has applied everything that was committed before."""

    def propose(self, command: "Command", complete: Complete) -> None:
        """Queues a command until ``flush``. ``complete`` gets its outcome, or the error instead of one."""
        payload = commands.encode(command)
        if self._is_stopped:
            complete(NotReady("the node is stopping"))
        elif self._waiting_bytes + len(payload) > limits.PROPOSALS_BYTES_MAX:
            complete(Overloaded("too much is waiting to be written, try again later"))
        else:
            self._waiting_bytes += len(payload)
            self._queued.append((command, complete, payload))

    def flush(self) -> None:
        """Appends what was proposed since the last call."""
        if not self._queued:
            return
        effects = self._machine.step(Proposed([payload for _, _, payload in self._queued]), trio.current_time())
        self._carry_out(effects)

    def restore(self) -> None:
        """Loads the newest snapshot. The entries after it are applied by ``run``, once they are known to be committed.

        Raises:
            LogError: the log or the snapshot is damaged.
            StartError: the snapshot is of a version that cannot be read.
        """
        log = self._log
        snapshot = log.load_snapshot()
        if snapshot is not None:
            index, _, data = snapshot
            try:
                self._state_machine.restore_snapshot(data, self._wall_clock())
            except ValueError as error:
                raise StartError(f"the snapshot at entry {index} cannot be read: {error}") from None
            assert self._state_machine.last_applied == index, "a snapshot says which entry it ends with"
            self._snapshot_bytes = len(data)
        applied = self._state_machine.last_applied
        state = State(
            node_id=self._node_id,
            voters=(self._node_id,),
            current_term=log.term,
            voted_for=log.vote,
            last_log_index=log.last_index,
            last_log_term=log.last_term,
            commit_index=applied,
            last_applied=applied,
        )
        self._machine = Machine(state)
        self._apply_target = applied

    async def run(self, nursery: trio.Nursery) -> None:
        """Runs until cancelled.

        Raises:
            LogFailed: a sync failed. What was not synced may be lost, so the node must stop.
        """
        self._carry_out(self._machine.step(Started(), trio.current_time()))
        while True:
            await trio.lowlevel.wait_readable(self._log.fileno())
            self._take_synced()
            while self._state_machine.last_applied < self._apply_target:
                self._apply_some(nursery)
                await trio.lowlevel.checkpoint()

    def stop(self) -> None:
        """Nothing more is applied: tells everybody who still waits that the outcome is unknown."""
        self._is_stopped = True
        waiting = [*(proposal for _, proposal in self._appended), *self._queued]
        self._appended.clear()
        self._queued.clear()
        for _, complete, _ in waiting:
            _call(complete, OutcomeUnknown("the node stopped before the write was confirmed"))

    def _take_synced(self) -> None:
        synced = self._log.poll()
        now = trio.current_time()
        while self._hard_states and self._hard_states[0][0] <= synced.ticket:
            saved = self._hard_states.popleft()[1]
            self._carry_out(self._machine.step(HardStateSaved(saved.term, saved.voted_for), now))
        self._carry_out(self._machine.step(LogSynced(synced.index), now))

    def _carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case AppendEntries():
                    self._append(effect)
                case ApplyEntries(last_index):
                    self._log.commit(last_index)
                    self._apply_target = last_index
                case SaveHardState(term, voted_for):
                    self._hard_states.append((self._log.set_hard_state(term, voted_for), effect))
                case RoleChanged(role, term, _):
                    _logger.debug("%s in term %d", role.value, term)
                case RefuseProposal():
                    self._refuse_queued()

    def _append(self, effect: AppendEntries) -> None:
        last_index = self._log.append(effect.term, effect.payloads)
        assert last_index == effect.first_index + len(effect.payloads) - 1, "the log and the machine count alike"
        # A no-op is appended without having been queued.
        if self._queued and effect.payloads[0] is self._queued[0][2]:
            self._appended.extend(enumerate(self._queued, effect.first_index))
            self._queued = []

    def _refuse_queued(self) -> None:
        queued, self._queued = self._queued, []
        for _, complete, payload in queued:
            self._waiting_bytes -= len(payload)
            _call(complete, NotReady("no leader yet, try again later"))

    def _apply_some(self, nursery: trio.Nursery) -> None:
        """Applies up to a bounded number of committed entries, then tells who proposed them."""
        index = self._state_machine.last_applied + 1
        last_index = min(self._apply_target, index + limits.APPLY_ENTRIES_COUNT - 1)
        appended = self._appended
        if appended and appended[0][0] == index:
            while appended and appended[0][0] <= last_index:
                index, (command, complete, payload) = appended.popleft()
                self._waiting_bytes -= len(payload)
                self._log_bytes_since_snapshot += len(payload)
                _call(complete, self._state_machine.apply(index, command))
        else:
            if appended:
                last_index = min(last_index, appended[0][0] - 1)
            for entry_index, _, payload in self._log.slice(index, last_index, limits.APPLY_BYTES):
                self._log_bytes_since_snapshot += len(payload)
                self._state_machine.apply_payload(entry_index, payload)
        self._machine.step(Applied(self._state_machine.last_applied), trio.current_time())
        if self._machine.is_caught_up and not self.caught_up.is_set():
            self.caught_up.set()
        self._settle()
        if self._log_bytes_since_snapshot > max(limits.SNAPSHOT_LOG_BYTES, 2 * self._snapshot_bytes):
            self._take_snapshot(nursery)

    def _take_snapshot(self, nursery: trio.Nursery) -> None:
        if self._is_saving_snapshot:
            return
        self._is_saving_snapshot = True
        self._log_bytes_since_snapshot = 0
        data = self._state_machine.encode_snapshot()
        self._snapshot_bytes = len(data)
        nursery.start_soon(self._save_snapshot, self._state_machine.last_applied, data)

    async def _save_snapshot(self, index: int, data: bytes) -> None:
        try:
            term = self._log.term_at(index)
            assert term is not None, "the log holds what was applied until it is compacted"
            await trio.to_thread.run_sync(self._log.save_snapshot, index, term, data)
            await trio.to_thread.run_sync(self._log.compact, index)
            _logger.debug("snapshot of %d bytes at entry %d; the log before it is removed", len(data), index)
        finally:
            self._is_saving_snapshot = False


def _call(complete: Complete, result: Outcome | NacosCoreError) -> None:
    try:
        complete(result)
    except Exception:
        _logger.exception("telling the outcome of a write failed")
