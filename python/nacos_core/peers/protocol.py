"""Every frame that nodes exchange once they know each other. What is not listed here cannot be decoded.

New messages and questions are added to ``PROTOCOL`` at the end of this file.
"""

from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar, Union, get_args

import msgspec

from nacos_core.cluster import loads, observations
from nacos_core.cluster import questions as cluster
from nacos_core.distro import forwarding
from nacos_core.distro import messages as distro
from nacos_core.raft.messages import ReplicaMessage

_T = TypeVar("_T")


class _Frame(msgspec.Struct, frozen=True, array_like=True, tag_field="frame", gc=False):
    """What all frames have in common."""


class Tell(_Frame, Generic[_T], frozen=True, tag=0):
    """A message; it may be lost, and nothing comes back."""

    message: _T


class Ask(_Frame, Generic[_T], frozen=True, tag=1):
    """A question; ``Answer`` or ``Refuse`` of the same number comes back over the same connection."""

    number: int
    request: _T


class Answer(_Frame, Generic[_T], frozen=True, tag=2):
    """The answer to a question."""

    number: int
    response: _T


class Refuse(_Frame, frozen=True, tag=3):
    """Why there is no answer to a question."""

    number: int
    reason: str


AnyFrame: TypeAlias = "Tell[Any] | Ask[Any] | Answer[Any] | Refuse"


@dataclass(frozen=True, slots=True)
class Protocol:
    """The types of messages, questions and answers. Each list is one union: tags differ, their field is the same."""

    messages: tuple[type[msgspec.Struct], ...] = ()
    requests: tuple[type[msgspec.Struct], ...] = ()
    responses: tuple[type[msgspec.Struct], ...] = ()

    def frame_type(self) -> Any:
        """The union of all frames, for ``FrameReader``."""
        # Types that are put together at run time are beyond what a type checker follows.
        tell, ask, answer = (
            kind[_union(types)]
            for kind, types in ((Tell, self.messages), (Ask, self.requests), (Answer, self.responses))
        )
        return Union[tell, ask, answer, Refuse]  # noqa: UP007


def _union(types: tuple[type[msgspec.Struct], ...]) -> Any:
    return Union[types] if types else None  # noqa: UP007


PROTOCOL: Final = Protocol(
    messages=(*get_args(ReplicaMessage), *distro.MESSAGES),
    requests=(
        *(*cluster.QUESTIONS, *forwarding.QUESTIONS, *distro.QUESTIONS),
        *(*observations.QUESTIONS, *loads.QUESTIONS),
    ),
    responses=(
        *(*cluster.ANSWERS, *forwarding.ANSWERS, *distro.ANSWERS),
        *(*observations.ANSWERS, *loads.ANSWERS),
    ),
)
