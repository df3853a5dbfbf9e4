"""Switches, metrics and health checkers over the APIs of naming (protocol/http.md sections 2, 5 and 6.2)."""

import logging
from functools import partial
from typing import Final

import msgspec

from nacos_core import limits
from nacos_core.commands import SetSwitch
from nacos_core.errors import CommandRefused, NacosCoreError
from nacos_core.naming.switches import FOLLOWED, with_entry
from nacos_core.proposals import Result
from nacos_core.server.context import status_of
from nacos_core.server.description import takes
from nacos_core.server.figures import naming_metrics
from nacos_core.server.naming_call import Call, Refused
from nacos_core.server.pages import SERVER_ERROR, VALIDATION

_logger = logging.getLogger(__name__)

_CHECKERS: Final = {
    "TCP": {"type": "TCP"},
    "HTTP": {"type": "HTTP", "path": "", "headers": "", "expectedResponseCode": 200},
    "MYSQL": {"type": "MYSQL", "user": "", "pwd": "", "cmd": ""},
    "NONE": {"type": "NONE"},
}


@takes()
def checkers(call: Call) -> None:
    """The health checkers there are, with the fields that each has."""
    call.answer(_CHECKERS)


@takes(optional=("onlyStatus",))
def metrics(call: Call) -> None:
    """Figures of naming; ``onlyStatus`` (true unless said) leaves out the counts."""
    call.answer(naming_metrics(call.context, with_counts=not call.flag("onlyStatus", default=True)))


@takes(optional=("withinMs", "count"))
def silence(call: Call) -> None:
    """Whose beats are missing: ``withinMs`` (10000) looks so far ahead, ``count`` (100) of them are shown."""
    within_ms = call.whole_number("withinMs", limits.SILENCE_WITHIN_MS)
    count = min(call.whole_number("count", 100), limits.SILENCE_SHOWN_COUNT_MAX)
    context = call.context
    call.answer(msgspec.Raw(context.hub.silence(context.wall_clock(), within_ms, count)))


@takes()
def switches(call: Call) -> None:
    """All switches."""
    call.answer(call.context.switches())


@takes("entry", optional=("value",))
def set_switch(call: Call) -> None:
    """Sets ``entry`` to ``value`` on all nodes. ``debug`` (on this node alone) is not offered: nodes would differ."""
    entry, value = call.required("entry"), call.text("value")
    try:
        with_entry(call.context.switches(), entry, value)
    except ValueError as error:
        raise Refused(400, VALIDATION, str(error)) from None
    if entry not in FOLLOWED:
        _logger.warning("switch %s is kept and shown, and changes nothing here", entry)
    call.context.propose(SetSwitch(entry, value), partial(_finish, call))


def _finish(call: Call, result: Result) -> None:
    match result:
        case CommandRefused():
            call.refuse(Refused(400, VALIDATION, str(result)))
        case NacosCoreError():
            call.refuse(Refused(status_of(result), SERVER_ERROR, str(result)))
        case _:
            call.answer()
