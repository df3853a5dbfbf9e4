"""What a node keeps: one simulated disk, which takes its time, and fails in all the ways that disks do."""

from dataclasses import dataclass
from random import Random
from typing import Final

from nacos_core._core import Log, SimulatedDisk

SEGMENT_BYTES: Final = 16 * 1024
"""Small, so that logs of a few minutes go over many segments."""
CACHE_BYTES: Final = 64 * 1024
SLOW_SYNC_SHARE: Final = 0.002
SYNC_SECONDS_MAX: Final = 3.0
"""A disk that hangs longer is no disk: see the bounds in healing.py."""


@dataclass(frozen=True, slots=True)
class DiskProfile:
    """How long a sync takes; one in many takes a hundred times as long."""

    sync_min_seconds: float = 0.0002
    sync_max_seconds: float = 0.002


class Disk:
    """The disk of one node, whichever process runs on it."""

    def __init__(self, chance: Random, profile: DiskProfile) -> None:
        self.slowness = 1.0
        """How many times longer than usual everything takes."""
        self._chance = chance
        self._profile = profile
        self._files = SimulatedDisk(chance.getrandbits(64))
        self._salt = chance.getrandbits(64)

    def open_log(self) -> Log:
        """Raises LogError: what is on the disk is damaged."""
        return Log.open_simulated(self._files, segment_bytes=SEGMENT_BYTES, cache_bytes=CACHE_BYTES, salt=self._salt)

    def sync_seconds(self) -> float:
        """How long the next sync takes."""
        chance, profile = self._chance.random, self._profile
        seconds = profile.sync_min_seconds + (profile.sync_max_seconds - profile.sync_min_seconds) * chance()
        if chance() < SLOW_SYNC_SHARE:
            seconds *= 100
        return min(seconds * self.slowness, SYNC_SECONDS_MAX)

    def stop_within(self, operations_count: int) -> None:
        """The machine stops in the middle of what it does next."""
        self._files.set_faults(stop_at_operation=self._chance.randrange(operations_count))

    def fail_next_sync(self) -> None:
        """It fails, and what was to be synced is lost at the next power cut."""
        self._files.set_faults(fail_sync=1)

    def fill(self) -> None:
        """There is little room left until the next crash."""
        used = sum(length for _, length in self._files.files())
        self._files.set_faults(capacity_bytes=used + self._chance.randrange(4096))

    def mend(self) -> None:
        """No sync fails and nothing is full any more, as after a crash."""
        self._files.set_faults()

    def be_kind(self) -> None:
        """From now on it works as it should."""
        self.slowness = 1.0
        self.mend()

    def crash(self, *, is_power_cut: bool) -> None:
        """The process that used it is gone; what was not synced too, more or less, if the power was cut."""
        if is_power_cut:
            self._files.cut_power()
        else:
            self._files.kill_process()

    def damage(self) -> str:
        """Flips bits in what was written; says where."""
        files = [(name, length) for name, length in self._files.files() if length]
        name, length = self._chance.choice(files)
        byte, bit = self._chance.randrange(length), self._chance.randrange(8)
        self._files.flip_bit(name, byte, bit)
        return f"bit {bit} of byte {byte} in {name}"
