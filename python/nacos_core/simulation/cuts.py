"""Between whom a fault of the network is: links as pairs of sender and receiver, drawn from the seed."""

from collections.abc import Sequence
from random import Random

Link = tuple[str, str]


def both_ways(one: str, others: Sequence[str]) -> list[Link]:
    """All links of one node."""
    return [link for other in others for link in ((one, other), (other, one))]


def split(chance: Random, one: str, others: Sequence[str]) -> list[Link]:
    """The links between two halves of a cluster, of any sizes."""
    others = list(others)
    chance.shuffle(others)
    size = chance.randrange(len(others)) if others else 0
    here, there = [one, *others[:size]], others[size:]
    return [link for each in here for link in both_ways(each, there)]


def one_way(chance: Random, one: str, others: Sequence[str]) -> list[Link]:
    """All links to one node, or all from it."""
    is_outward = chance.random() < 0.5
    return [(one, other) if is_outward else (other, one) for other in others]


def single(chance: Random, one: str, others: Sequence[str]) -> list[Link]:
    """What is between one node and some other, in one direction or both; nothing if there is no other."""
    if not others:
        return []
    return both_ways(one, [chance.choice(others)])[: chance.randrange(1, 3)]
