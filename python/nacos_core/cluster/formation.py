"""How an empty node comes to be a member.

The first configuration is made once: by the first node of the list, when every listed node says that it is empty and
holds the same list. The others take it over from whoever has it. A node that finds a cluster which does not know it is
not one of the first members, or has lost its data: it joins like any other, without a vote.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from nacos_core.cluster.questions import Introduction
from nacos_core.raft.configuration import Configuration, Member
from nacos_core.raft.machine import BOOTSTRAP_INDEX


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing can be done yet."""

    reason: str


@dataclass(frozen=True, slots=True)
class Adopt:
    """This is the first configuration, of which this node is a voter."""

    configuration: Configuration


@dataclass(frozen=True, slots=True)
class Follow:
    """The cluster knows this node and sends it what it needs; ``configuration`` says where the others are."""

    configuration: Configuration


@dataclass(frozen=True, slots=True)
class AskToJoin:
    """The cluster does not know this node; the one at that address (a name of the list) can be asked."""

    name: str


Decision: TypeAlias = Wait | Adopt | Follow | AskToJoin


def decide(
    own: Introduction,
    names: tuple[str, ...],
    answers: Mapping[str, Introduction],
    new_cluster_id: Callable[[], str],
) -> Decision:
    """What an empty node does next.

    Args:
        names: the listed nodes in the order that is the same everywhere, this one among them.
        answers: what the others have said, by name; those that could not be reached are left out.
    """
    for name in names:
        answer = answers.get(name)
        if answer is None or answer.configuration is None:
            continue
        if answer.configuration.find(own.node_id) is None:
            return AskToJoin(name)
        if answer.configuration_index == BOOTSTRAP_INDEX:
            return Adopt(answer.configuration)
        return Follow(answer.configuration)
    for name, answer in answers.items():
        if answer.listed != own.listed:
            return Wait(f"{name} was started with another list of members: {answer.listed or 'none'}")
    missing = [name for name in names if name != own.address and name not in answers]
    if missing:
        return Wait(f"waiting for {', '.join(missing)}")
    if own.address != names[0]:
        return Wait(f"waiting for {names[0]} to begin")
    everybody = (own, *answers.values())
    members = [Member(node.node_id, node.address, node.peer_port) for node in everybody]
    return Adopt(Configuration.make(new_cluster_id(), members))
