"""What a node shows of its cluster, and lets administrators do to it."""

from typing import TYPE_CHECKING

import msgspec
import trio

from nacos_core.errors import MembershipRefused, NacosCoreError
from nacos_core.raft.configuration import Member, RemoveMember

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from nacos_core._core import Log
    from nacos_core.drivers.cluster import ClusterDriver
    from nacos_core.drivers.distro import DistroDriver
    from nacos_core.drivers.raft import RaftDriver


class FollowerState(msgspec.Struct, frozen=True, rename="camel"):
    """What a leader knows of another member."""

    node_id: str
    address: str
    match_index: int
    """Up to there its log is known to hold what the leader's holds."""
    lag: int
    """Entries that it lacks."""
    pace: str
    """probe, replicate or snapshot."""
    heard_ms_ago: int | None
    """None: not yet."""


class RaftState(msgspec.Struct, frozen=True, rename="camel"):
    """One node's part in the group that agrees on configuration and persistent instances."""

    cluster_id: str
    node_id: str
    role: str
    term: int
    leader_id: str
    """Empty: none is known."""
    last_log_index: int
    synced_index: int
    commit_index: int
    last_applied: int
    first_log_index: int
    snapshot_index: int
    configuration_index: int
    voters: tuple[str, ...]
    is_removed: bool
    followers: list[FollowerState]
    """Only a leader knows them."""


class ClusterView:
    """The cluster as this node sees it.

    Args:
        cluster: None if the node stands alone.
        settle: called after something was done that a client waits for.
    """

    def __init__(
        self,
        *,
        raft: "RaftDriver",
        boot: int,
        log: "Log",
        cluster: "ClusterDriver | None",
        distro: "DistroDriver | None",
        nursery: trio.Nursery,
        settle: "Callable[[], None]",
    ) -> None:
        self._raft = raft
        self._boot = boot
        self._log = log
        self._cluster = cluster
        self._distro = distro
        self._nursery = nursery
        self._settle = settle

    def members(self) -> tuple[Member, ...]:
        """In the order of their ids."""
        configuration = self._raft.replica.machine.state.configuration
        return () if configuration is None else configuration.members

    @property
    def node_id(self) -> str:
        """Of this node."""
        return self._raft.replica.node_id

    @property
    def leader_id(self) -> str:
        """Empty: none is known."""
        return self._raft.replica.leader_id

    @property
    def boot(self) -> int:
        """How often this node was started."""
        return self._boot

    def state_of(self, node_id: str) -> str:
        """UP, SUSPICIOUS or DOWN: a member as this node sees it."""
        liveness = self._distro.liveness(node_id) if self._distro is not None else None
        if liveness is not None:
            return liveness.value
        return "UP" if node_id == self.node_id else "DOWN"

    def raft_state(self) -> RaftState:
        """As of now."""
        replica, log = self._raft.replica, self._log
        state = replica.machine.state
        configuration = state.configuration
        return RaftState(
            cluster_id="" if configuration is None else configuration.cluster_id,
            node_id=replica.node_id,
            role=state.role.value,
            term=replica.machine.current_term,
            leader_id=state.leader_id,
            last_log_index=log.last_index,
            synced_index=log.synced_index,
            commit_index=state.commit_index,
            last_applied=replica.last_applied,
            first_log_index=log.first_index,
            snapshot_index=log.snapshot_index,
            configuration_index=state.configuration_index,
            voters=() if configuration is None else configuration.voters,
            is_removed=state.is_removed,
            followers=self._followers(),
        )

    def _followers(self) -> list[FollowerState]:
        leading = self._raft.replica.machine.leading
        if leading is None:
            return []
        now = trio.current_time()
        addresses = {member.node_id: member.address for member in self.members()}
        return [
            FollowerState(
                node_id=node_id,
                address=addresses.get(node_id, ""),
                match_index=progress.match_index,
                lag=max(0, self._log.last_index - progress.match_index),
                pace=progress.pace.value,
                heard_ms_ago=None if progress.heard_at == float("-inf") else round((now - progress.heard_at) * 1000),
            )
            for node_id, progress in leading.progress.items()
        ]

    # --- what administrators do ------------------------------------------------------------------------------------

    def add(self, address: str, done: "Callable[[NacosCoreError | None], None]") -> None:
        """Takes in the node that waits at ``host:port``, or gives the learner there its vote once it has caught up."""
        self._do(done, lambda cluster: cluster.add(address))

    def remove(self, name: str, done: "Callable[[NacosCoreError | None], None]") -> None:
        """Takes out the member of that id or address."""
        self._do(done, lambda cluster: cluster.change_members(RemoveMember(self._id_of(name))))

    def transfer(self, name: str, done: "Callable[[NacosCoreError | None], None]") -> None:
        """Has the voter of that id or address lead; "": whichever is best."""
        self._do(done, lambda cluster: cluster.hand_over(self._id_of(name) if name else ""))

    def snapshot(self, name: str, done: "Callable[[NacosCoreError | None], None]") -> None:
        """Has this node take a snapshot; ``name``, if it is not "", must be its own id or address."""

        async def take() -> None:
            if name and self._id_of(name) != self.node_id:
                raise MembershipRefused(f"each node takes its own snapshots: ask {name} itself")
            await self._raft.snapshot()

        self._run(done, take)

    def _id_of(self, name: str) -> str:
        for member in self.members():
            host = member.address.rpartition(":")[0]
            if name in (member.node_id, member.address, f"{host}:{member.peer_port}"):
                return member.node_id
        listed = ", ".join(f"{member.address} ({member.node_id})" for member in self.members())
        raise MembershipRefused(f"there is no member {name}: {listed}")

    def _do(
        self,
        done: "Callable[[NacosCoreError | None], None]",
        action: "Callable[[ClusterDriver], Awaitable[object]]",
    ) -> None:
        cluster = self._cluster
        if cluster is None:
            done(MembershipRefused("this node stands alone: it was started without --cluster, --join or --peer-port"))
        else:
            self._run(done, lambda: action(cluster))

    def _run(self, done: "Callable[[NacosCoreError | None], None]", action: "Callable[[], Awaitable[object]]") -> None:
        async def run() -> None:
            try:
                await action()
            except NacosCoreError as error:
                done(error)
            else:
                done(None)
            self._settle()

        self._nursery.start_soon(run)
