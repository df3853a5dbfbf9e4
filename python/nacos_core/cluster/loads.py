"""How many clients each member has, and who should give some to whom: what members ask each other about it."""

from collections.abc import Mapping

import msgspec

from nacos_core.cluster.questions import Done


class CountClients(msgspec.Struct, frozen=True, array_like=True, tag_field="question", tag="count-clients", gc=False):
    """How many clients do you have?"""


class ClientCount(msgspec.Struct, frozen=True, array_like=True, tag_field="answer", tag="client-count", gc=False):
    """So many."""

    clients_count: int
    """gRPC connections that were set up: those that can be asked to go elsewhere."""
    connections_count: int
    """All connections of clients."""
    load: float
    cpu: float
    """Share of the processors, 0 to 1."""


class SendAway(msgspec.Struct, frozen=True, array_like=True, tag_field="question", tag="send-away", gc=False):
    """Ask so many of your clients to go to each of these: ``ip:port`` and how many. All at once, so that each is asked
    to go to one place."""

    takers: dict[str, int]


QUESTIONS = (CountClients, SendAway)
ANSWERS = (ClientCount,)
DONE = Done()
"""The answer to ``SendAway``: they were asked. When they go is theirs to decide."""


def moves(counts: Mapping[str, int], factor: float) -> dict[str, dict[str, int]]:
    """What gives all members the same, give or take one; nothing if each is within ``factor`` of the average.

    Args:
        counts: clients of each member.
        factor: 0.1 lets a member have up to a tenth more or less than the average.

    Returns:
        By who gives: how many go to each that takes.
    """
    total = sum(counts.values())
    average = total / max(1, len(counts))
    if all(average * (1 - factor) <= count <= average * (1 + factor) for count in counts.values()):
        return {}
    ordered = sorted(counts, key=lambda member: (-counts[member], member))
    share, rest = divmod(total, len(counts))
    # The one more that some must have stays with those that have most.
    over = {member: counts[member] - share - (place < rest) for place, member in enumerate(ordered)}
    givers, takers = ([m for m in ordered if over[m] > 0], [m for m in reversed(ordered) if over[m] < 0])
    found: dict[str, dict[str, int]] = {}
    while givers and takers:
        giver, taker = givers[0], takers[0]
        count = min(over[giver], -over[taker])
        found.setdefault(giver, {})[taker] = count
        over[giver] -= count
        over[taker] += count
        givers = givers if over[giver] else givers[1:]
        takers = takers if over[taker] else takers[1:]
    return found
