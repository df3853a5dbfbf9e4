"""How long to wait before dialling a peer again."""

import random

from nacos_core.limits import PEER_BACK_OFF_SECONDS_MAX, PEER_BACK_OFF_SECONDS_MIN


class BackOff:
    """Doubles from 20 ms to 1 s, and takes from half to the whole of it, so that nodes do not dial in step."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._seconds = PEER_BACK_OFF_SECONDS_MIN

    def next_seconds(self) -> float:
        """How long to wait now."""
        seconds = self._seconds
        self._seconds = min(2 * seconds, PEER_BACK_OFF_SECONDS_MAX)
        return seconds * (1 + self._chance.random()) / 2

    def reset(self) -> None:
        """It worked: the next failure starts from the shortest time."""
        self._seconds = PEER_BACK_OFF_SECONDS_MIN
