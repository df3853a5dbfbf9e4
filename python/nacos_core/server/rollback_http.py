"""What happened to a configuration, compared and taken back: paths of our own beside those of v3."""

from typing import TYPE_CHECKING

from nacos_core.commands import RollbackConfig
from nacos_core.config.difference import content_name, unified
from nacos_core.config.rules import ParameterRefused
from nacos_core.errors import CommandRefused, NacosCoreError, OverQuota
from nacos_core.proposals import Result
from nacos_core.server import pages
from nacos_core.server.context import Context
from nacos_core.server.description import KEY, NAMESPACE, SOURCE_USER, takes
from nacos_core.server.versions import V3, Refused, answer, answer_later, integer, integer_in, key_of, refuse
from nacos_core.server.who import user_of

if TYPE_CHECKING:
    from nacos_core._core import HistoryEvent, HttpRequest

_OF_GRAY = "The event happened to a gray release: publish or remove that instead."
_OTHER_KEY = "Please check dataId, group or namespaceId."


@takes(*KEY, "nid", optional=(NAMESPACE, SOURCE_USER), statuses=(403, 404))
def roll_back(context: Context, request: "HttpRequest") -> None:
    """Makes a configuration what it was before the event ``nid``. Answers with its md5, or null: it was not there."""
    try:
        key = key_of(V3, request)
        event = _event(context, key, integer(V3, request, "nid"))
        if event.gray is not None:
            raise Refused(400, pages.VALIDATION, _OF_GRAY)
    except (Refused, ParameterRefused) as error:
        refuse(V3, context, request, error)
        return
    user = user_of(context, request, request.parameters.get(V3.source_user))

    def finish(result: Result) -> None:
        match result:
            case OverQuota():
                refuse(V3, context, request, result)
            case CommandRefused():  # it was forgotten meanwhile
                refuse(V3, context, request, Refused(404, pages.NOT_FOUND, str(result)))
            case NacosCoreError():
                refuse(V3, context, request, result)
            case _:
                answer(V3, context, request, {"md5": result if isinstance(result, str) else None})

    context.propose(RollbackConfig(*key, event.id, user, request.client_ip), finish)


@takes(*KEY, "from", optional=(NAMESPACE, "to"), statuses=(403, 404))
def difference(context: Context, request: "HttpRequest") -> None:
    """What is different between what two events show, as a unified text. Without ``to``: to what is there now."""
    try:
        key = key_of(V3, request)
        old_event = _event(context, key, integer(V3, request, "from"))
        old, old_name = _shown(old_event)
        if to := request.parameters.get("to"):
            new_event = _event(context, key, integer_in("to", to))
            new, new_name = _shown(new_event)
        else:
            config = context.hub.get_config(*key)
            new, new_name = (b"" if config is None else config.content), f"{key[2]} now"
    except (Refused, ParameterRefused) as error:
        refuse(V3, context, request, error)
        return

    async def work() -> None:
        text = await context.background.aside(unified, old.decode(), new.decode(), old_name, new_name)
        answer(V3, context, request, text)

    answer_later(V3, context, request, work)


def _shown(event: "HistoryEvent") -> tuple[bytes, str]:
    return event.config.content, content_name(event.data_id, event.id, event.operation)


def _event(context: Context, key: tuple[str, str, str], id: int) -> "HistoryEvent":
    event = context.hub.history_event(id)
    if event is None:
        raise Refused(404, pages.NOT_FOUND, f"certain config history for nid = {id} not exist")
    if (event.namespace, event.group, event.data_id) != key:
        raise Refused(403, pages.ACCESS_DENIED, _OTHER_KEY)
    return event
