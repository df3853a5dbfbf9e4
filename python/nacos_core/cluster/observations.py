"""What nodes ask each other about their own clients, so that one of them can show those of all."""

from typing import Literal, TypeAlias

import msgspec

Kind: TypeAlias = Literal["subscribers", "config-listeners", "config-listened"]
Row: TypeAlias = tuple[str, ...]


class Observe(msgspec.Struct, frozen=True, array_like=True, tag_field="question", tag="observe", gc=False):
    """Who of your clients subscribes to this service, or listens to this configuration; what do those at this ip?"""

    kind: Kind
    subject: tuple[str, ...]
    """Namespace, group and name, or one ip."""


class Observed(msgspec.Struct, frozen=True, array_like=True, tag_field="answer", tag="observed", gc=False):
    """These do. Subscribers: client id, ip, port, agent, application, clusters. Listeners: ip, md5. What is listened
    to: namespace, group, data id, md5."""

    rows: list[Row]


QUESTIONS = (Observe,)
ANSWERS = (Observed,)
