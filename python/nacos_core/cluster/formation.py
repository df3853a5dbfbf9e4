"""How an empty node comes to be a member.

The first configuration is made once: by the first node of the list, when every listed node says that it is empty and
holds the same list. The others take it over from whoever has it. A node that finds a cluster which does not know it is
not one of the first members, or has lost its data: it joins like any other, without a vote.

That it was let in is certain once a committed configuration has it. Until then the leader that took it in may have lost
its office, and its entry with it: then nobody knows the node, although it may already hold a part of the log, and it
has to ask again. So has a first member that has moved before it heard of its cluster: nobody can reach it.
"""

from collections.abc import Callable, Mapping, Sequence
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
    """The cluster knows this node, and where it is, and sends it what it needs."""

    configuration: Configuration


@dataclass(frozen=True, slots=True)
class AskToJoin:
    """The cluster does not know this node, or not where it is.

    Any of the nodes of these names can be asked, the first one rather than the next: who was cut off or removed knows
    older members than the others do, and has no leader to ask.
    """

    names: tuple[str, ...]
    configuration: Configuration
    """The newest that was heard of: its members can be asked too, as those that were named at the start may be gone."""


Decision: TypeAlias = Wait | Adopt | Follow | AskToJoin


def decide(
    own: Introduction,
    names: tuple[str, ...],
    answers: Mapping[str, Introduction],
    new_cluster_id: Callable[[], str],
) -> Decision:
    """What a node does next that is not certain to be a member.

    Args:
        names: the listed nodes in the order that is the same everywhere, this one among them.
        answers: what these and others have said, by name; those that could not be reached are left out.
    """
    found = _of_cluster([*names, *(name for name in answers if name not in names)], answers)
    if found:
        index, _, newest = found[0]
        if index == BOOTSTRAP_INDEX and own.configuration is None and newest.find(own.node_id) is not None:
            return Adopt(newest)
        if newest.has_at(own.node_id, own.address, own.peer_port):
            return Follow(newest)
        strangers = (name for _, name, known in found if not known.has_at(own.node_id, own.address, own.peer_port))
        return AskToJoin(tuple(strangers), newest)
    if own.configuration is not None:
        return Wait(f"waiting for the other members of cluster {own.configuration.cluster_id}")
    for name, answer in answers.items():
        if name in names and answer.listed != own.listed:
            return Wait(f"{name} was started with another list of members: {answer.listed or 'none'}")
    missing = [name for name in names if name != own.address and name not in answers]
    if missing:
        return Wait(f"waiting for {', '.join(missing)}")
    if own.address != names[0]:
        return Wait(f"waiting for {names[0]} to begin")
    everybody = (own, *(answers[name] for name in names if name != own.address))
    members = [Member(node.node_id, node.address, node.peer_port) for node in everybody]
    return Adopt(Configuration.make(new_cluster_id(), members))


def _of_cluster(names: Sequence[str], answers: Mapping[str, Introduction]) -> list[tuple[int, str, Configuration]]:
    """What members of the first cluster in the list go by: index of a configuration, who said so, and what it is."""
    found = [
        (answer.configuration_index, name, answer.configuration)
        for name in names
        if (answer := answers.get(name)) is not None and answer.configuration is not None
    ]
    of_cluster = [each for each in found if each[2].cluster_id == found[0][2].cluster_id]
    return sorted(of_cluster, key=lambda each: each[0], reverse=True)
