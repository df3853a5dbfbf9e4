"""What nodes ask each other besides the messages of Raft, and the answers."""

from typing import Annotated

import msgspec

from nacos_core.raft.configuration import Change, Configuration, Member

_Text = Annotated[str, msgspec.Meta(max_length=4096)]


class _Question(msgspec.Struct, frozen=True, array_like=True, tag_field="question", gc=False):
    """What all questions have in common."""


class _Answer(msgspec.Struct, frozen=True, array_like=True, tag_field="answer", gc=False):
    """What all answers have in common."""


class Introduce(_Question, frozen=True, tag="introduce"):
    """Who are you, and do you belong to a cluster?"""


class Introduction(_Answer, frozen=True, tag="introduction"):
    """``configuration`` is None as long as the node is empty; ``listed`` is then the list that it was started with."""

    node_id: str
    address: str
    peer_port: int
    listed: _Text
    configuration_index: int
    configuration: Configuration | None


class Join(_Question, frozen=True, tag="join"):
    """Take me in, or take note of where I am now. Whoever is asked passes it on to the leader."""

    member: Member


class ChangeMembers(_Question, frozen=True, tag="change"):
    """Change the members. Whoever is asked passes it on to the leader."""

    change: Change


class HandOver(_Question, frozen=True, tag="hand-over"):
    """Let another voter lead; "": whichever is best."""

    node_id: str


class Members(_Answer, frozen=True, tag="members"):
    """The members from now on."""

    configuration: Configuration


class Done(_Answer, frozen=True, tag="done"):
    """It has begun."""


QUESTIONS = (Introduce, Join, ChangeMembers, HandOver)
ANSWERS = (Introduction, Members, Done)
