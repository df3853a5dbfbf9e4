"""What nodes say to each other about their publishers. The transport says who sent a message.

Batches, digests, versions and keys are bytes that only the core reads, and that it checks.
"""

from typing import Annotated, Final, Literal, TypeAlias, get_args

import msgspec

from nacos_core import limits

Number: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
"""A boot, a revision or a count."""

Parent: TypeAlias = Annotated[int, msgspec.Meta(ge=-1, lt=limits.DISTRO_NODES_COUNT)]
"""What lies above the digests that are meant: -1 is the root, the others are its nodes."""

Leaf: TypeAlias = Annotated[int, msgspec.Meta(ge=0, lt=limits.DISTRO_LEAVES_COUNT)]
Parents: TypeAlias = Annotated[tuple[Parent, ...], msgspec.Meta(max_length=limits.DISTRO_NODES_COUNT)]
Leaves: TypeAlias = Annotated[tuple[Leaf, ...], msgspec.Meta(max_length=limits.DISTRO_LEAVES_COUNT)]
Digest: TypeAlias = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
Status: TypeAlias = Literal["starting", "serving"]


class Message(msgspec.Struct, frozen=True, array_like=True, tag_field="message", gc=False):
    """What all messages have in common."""


class Heartbeat(Message, frozen=True, tag="d-beat"):
    """The sender lives. ``starting``: it has not loaded yet and answers no client; ``revision``: of its records;
    ``clock_ms``: what its clock shows, which never goes back while it runs and means nothing to anybody else."""

    boot: Number
    status: Status
    revision: Number
    clock_ms: Number


class Leaving(Message, frozen=True, tag="d-leave"):
    """The last word of a node that stops: its clients go elsewhere, so its records stay for the grace."""

    boot: Number


class Changes(Message, frozen=True, tag="d-changes"):
    """Records, whole; each is applied only if it is newer than what the receiver has.

    ``is_answer``: what the receiver of other records had newer ones of. It is not answered in turn.
    """

    batch: bytes
    is_answer: bool = False


class Verify(Message, frozen=True, tag="d-verify"):
    """What the sender holds now, all changes that it sent before included."""

    boot: Number
    revision: Number
    records: Number
    instances: Number
    digest: Digest


class Verified(Message, frozen=True, tag="d-verified"):
    """The sender has the same of the receiver's records as the receiver had at that revision."""

    boot: Number
    revision: Number


class DigestsWanted(Message, frozen=True, tag="d-digests?"):
    """For the holder: the digests below these parents."""

    boot: Number
    parents: Parents


class Digests(Message, frozen=True, tag="d-digests"):
    """From the holder: for each parent in turn, the digests of what lies below it."""

    boot: Number
    parents: Parents
    digests: bytes


class VersionsWanted(Message, frozen=True, tag="d-versions?"):
    """For the holder: keys and versions of the records in these leaves."""

    boot: Number
    leaves: Leaves


class Versions(Message, frozen=True, tag="d-versions"):
    """From the holder: all that there is in these leaves. What is not named there does not exist any more."""

    boot: Number
    leaves: Leaves
    versions: bytes


class RecordsWanted(Message, frozen=True, tag="d-records?"):
    """For the holder: what it knows of these keys, whose leaves it has named the versions of."""

    boot: Number
    leaves: Leaves
    keys: bytes


class RecordsSent(Message, frozen=True, tag="d-records"):
    """From the holder: what it knows of the keys, be it its own or what another node has adopted."""

    boot: Number
    leaves: Leaves
    batch: bytes


DistroMessage: TypeAlias = (
    Heartbeat
    | Leaving
    | Changes
    | Verify
    | Verified
    | DigestsWanted
    | Digests
    | VersionsWanted
    | Versions
    | RecordsWanted
    | RecordsSent
)
MESSAGES: Final[tuple[type[msgspec.Struct], ...]] = get_args(DistroMessage)


class Load(msgspec.Struct, frozen=True, array_like=True, tag_field="question", tag="d-load", gc=False):
    """A node that starts asks for the records of all holders that come after a cursor; b"" begins."""

    after: bytes


class Page(msgspec.Struct, frozen=True, array_like=True, tag_field="answer", tag="d-page", gc=False):
    """Some records, and the cursor for those after them; b"" ends."""

    batch: bytes
    next: bytes


QUESTIONS: Final = (Load,)
ANSWERS: Final = (Page,)
