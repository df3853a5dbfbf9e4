"""What a node takes from outside: where it keeps things, who connects it with others, time, chance and help."""

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar, TypeVarTuple

import trio

from nacos_core.clock import WallClock, process_cpu_seconds, system_wall_clock

if TYPE_CHECKING:
    from nacos_core.naming.health_targets import Address
    from nacos_core.peers.network import Network
    from nacos_core.raft.replica import StateMachine
    from nacos_core.storage import Storage

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")

Entropy = Callable[[int], bytes]
"""Gives that many bytes that nobody can foretell."""
Dial = Callable[["Address", int], Awaitable[trio.abc.Stream]]
"""Connects to an address and a port; raises ``OSError``."""
OpenProcess = Callable[..., Awaitable[trio.Process]]
"""Starts a program as ``trio.lowlevel.open_process`` does; raises ``OSError``."""


class Aside(Protocol):
    """Carries out something that takes long beside the other tasks."""

    async def __call__(
        self,
        call: Callable[[*Arguments], Result],
        /,
        *arguments: *Arguments,
        abandon_on_cancel: bool = False,
    ) -> Result:
        """Waits for it. Cancelled, it waits all the same, unless it may be abandoned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """By default the real ones: a folder, TCP, the system's clock and chance, and worker threads."""

    storage: "Storage | None" = None
    """None: the folder that the settings name."""
    network: "Network | None" = None
    """Where its peers are; None: TCP."""
    wall_clock: WallClock = system_wall_clock
    entropy: Entropy = os.urandom
    aside: Aside = trio.to_thread.run_sync
    dial: Dial | None = None
    """Connects to what is checked for its health; None: TCP."""
    cpu_seconds: Callable[[], float] = process_cpu_seconds
    """The processor time that was used so far, which tells a process that stood still from one that was busy."""
    open_process: OpenProcess = trio.lowlevel.open_process
    shown: "Callable[[StateMachine], StateMachine]" = lambda state_machine: state_machine
    """May put something around the state machine that looks on at what is applied."""
