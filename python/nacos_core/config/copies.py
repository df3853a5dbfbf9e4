"""Many configurations written at once, by an import or a clone: what happens where there is one of the same name."""

from enum import Enum
from typing import TYPE_CHECKING, Protocol

import msgspec

from nacos_core.errors import AlreadyExists, InvalidParameter, NacosCoreError, OverQuota

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from nacos_core.commands import PublishConfig
    from nacos_core.state_machine import Outcome

AT_ONCE_COUNT = 64
SLICE_COUNT = 256
"""How many are got ready at once."""


class Policy(Enum):
    """What happens where there is a configuration of the same name (protocol/semantics.md section 4.4)."""

    ABORT = "ABORT"
    """It stops there; what was written before stays."""
    SKIP = "SKIP"
    OVERWRITE = "OVERWRITE"

    @classmethod
    def named(cls, name: str) -> "Policy":
        """Raises ``InvalidParameter``."""
        try:
            return cls(name)
        except ValueError:
            known = ", ".join(policy.value for policy in cls)
            raise InvalidParameter(f"Parameter 'policy' is {name!r}, which is none of {known}") from None


class ApplyAll(Protocol):
    """Hands commands to the log, so many at a time, and gives what became of each."""

    def __call__(
        self, commands: "Sequence[PublishConfig]", at_once_count: int, *, until_failure: bool = False
    ) -> "Awaitable[list[Outcome | NacosCoreError]]":
        """``until_failure``: those behind the first one that fails are not handed on, and have no result."""


class Copied(msgspec.Struct, rename="camel", omit_defaults=True):
    """What became of them, in the words of the protocol. What failed has a message beside its name, unless that is only
    that there is one."""

    succ_count: int
    skip_count: int
    fail_data: list[dict[str, str]] = msgspec.field(default_factory=list)
    skip_data: list[dict[str, str]] = msgspec.field(default_factory=list)
    unrecognized_count: int = 0
    unrecognized_data: list[dict[str, str]] = msgspec.field(default_factory=list)


async def write(commands: "Sequence[PublishConfig]", policy: Policy, apply_all: ApplyAll) -> Copied:
    """Publishes them in order.

    Raises:
        NacosCoreError: one was not written, for another reason than that there is one of its name, or that it would be
            over a quota.
    """
    replaces = policy is Policy.OVERWRITE
    # Only one after the other it is known that nothing behind the one that exists was written.
    aborts = policy is Policy.ABORT
    copied = Copied(0, 0)
    for first in range(0, len(commands), SLICE_COUNT):
        some = [
            msgspec.structs.replace(each, create_only=not replaces) for each in commands[first : first + SLICE_COUNT]
        ]
        results = await apply_all(some, 1 if aborts else AT_ONCE_COUNT, until_failure=aborts)
        for command, result in zip(some, results, strict=False):
            match result:
                case AlreadyExists() if aborts:
                    copied.fail_data.append(_name(command))
                case OverQuota():
                    copied.fail_data.append(_name(command) | {"message": str(result)})
                case AlreadyExists():
                    copied.skip_count += 1
                    copied.skip_data.append(_name(command))
                case NacosCoreError():
                    raise result
                case _:
                    copied.succ_count += 1
        if aborts and copied.fail_data:
            behind = commands[first + len(results) :]
            copied.skip_count += len(behind)
            copied.skip_data += [_name(command) for command in behind]
            break
    return copied


def _name(command: "PublishConfig") -> dict[str, str]:
    return {"dataId": command.data_id, "group": command.group}
