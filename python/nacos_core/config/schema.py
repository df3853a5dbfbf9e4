"""What is checked against the JSON Schema of a configuration, and what becomes of what does not conform to it.

A schema holds for the content that it is published with and for those that come after it, until a publication brings
another one or an empty one (docs/schemas.md). A gray release is checked against the schema of the
formal version, also when it is promoted; a rollback brings back the schema that the content had.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from nacos_core import limits
from nacos_core.commands import Command, PromoteGray, PublishConfig, PublishGray, RollbackConfig
from nacos_core.config.rules import ConfigRefused

if TYPE_CHECKING:
    from nacos_core._core import Hub

TYPES: Final = {
    "json": limits.SCHEMA_FAST_BYTES_MAX,
    "yaml": limits.SCHEMA_SLOW_BYTES_MAX,
    "toml": limits.SCHEMA_SLOW_BYTES_MAX,
}
"""Those whose contents are documents, and how long these may be. Of others only the schema itself is checked."""


class Verdict(StrEnum):
    """How a check ended."""

    FITS = "fits"
    SCHEMA = "schema"
    """The schema is none, or none that can be used here."""
    CONTENT = "content"
    """The content does not conform to it."""
    UNKNOWN = "unknown"
    """Nobody can say, because the check takes more than it may."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is checked against what."""

    namespace: str
    group: str
    data_id: str
    type: str
    """Empty: the content is no document."""
    schema: str
    content: bytes
    sets_schema: bool
    """Whether the schema comes from the one who asks, not from what is stored."""

    @property
    def too_long(self) -> str | None:
        """Why the content cannot be checked, if so."""
        bytes_max = TYPES.get(self.type)
        if bytes_max is None or len(self.content) <= bytes_max:
            return None
        return f"{self.type} of more than {bytes_max} bytes takes too long"


def subject_of(hub: "Hub", command: Command) -> Subject | None:
    """What has to be checked before this command goes into the log; None: nothing."""
    schema: str | None
    match command:
        case PublishConfig(schema=None, content=content):
            kept = hub.kept_schema(command.namespace, command.group, command.data_id, command.type)
            if kept is None:
                return None
            type, schema = kept
            sets_schema = False
        case PublishConfig(schema=schema, type=type, content=content):
            sets_schema = True
        case PublishGray() | PromoteGray():
            formal = hub.get_config(command.namespace, command.group, command.data_id)
            release = _release(hub, command)
            if formal is None or release is None:
                return None
            schema, sets_schema = formal.schema, False
            type, content = release[0] or formal.type, release[1]
        case RollbackConfig():
            event = hub.history_event(command.event_id)
            if event is None or event.operation == "I":
                return None  # it is refused, or removes what is there
            schema, type, content, sets_schema = event.config.schema, event.config.type, event.config.content, False
        case _:
            return None
    if schema is None or not schema.strip():
        return None
    type = type if type in TYPES else ""
    return Subject(command.namespace, command.group, command.data_id, type, schema, content, sets_schema)


def _release(hub: "Hub", command: PublishGray | PromoteGray) -> tuple[str, bytes] | None:
    """Type and content."""
    if isinstance(command, PublishGray):
        return command.type, command.content
    for each in hub.grays(command.namespace, command.group, command.data_id):
        if each.name == command.name:
            return each.config.type, each.config.content
    return None


def refusal_of(subject: Subject, verdict: Verdict, why: str) -> ConfigRefused:
    """Says what is wrong with which configuration."""
    name = f"{subject.group}/{subject.data_id}"
    match verdict:
        case Verdict.SCHEMA:
            return ConfigRefused(f"the schema of {name} cannot be used: {why}")
        case Verdict.CONTENT:
            return ConfigRefused(f"the content of {name} does not conform to its schema: {why}")
        case _:
            return ConfigRefused(f"the content of {name} cannot be checked against its schema: {why}")
