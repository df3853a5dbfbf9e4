"""What is said of a configuration is changed, and its content is not (protocol/http.md section 6)."""

from typing import TYPE_CHECKING

from nacos_core.config.rules import ConfigRefused, ParameterRefused
from nacos_core.errors import NacosCoreError
from nacos_core.proposals import Result
from nacos_core.server import pages
from nacos_core.server.config_list_http import ABSENT
from nacos_core.server.context import Context
from nacos_core.server.description import KEY, NAMESPACE, SOURCE_USER, takes
from nacos_core.server.versions import V3, Refused, answer, key_of, refuse
from nacos_core.server.who import user_of

if TYPE_CHECKING:
    from nacos_core._core import HttpRequest


@takes(*KEY, optional=(NAMESPACE, "desc", "configTags", SOURCE_USER), statuses=(404,))
def describe(context: Context, request: "HttpRequest") -> None:
    """Changes description and tags of a configuration: what is not given stays, an empty text takes it away.

    Content and md5 stay, so listeners are not told.
    """
    get = request.parameters.get
    try:
        command = context.config.description(
            *key_of(V3, request),
            get("desc"),
            get("configTags"),
            source_user=user_of(context, request, get(V3.source_user)),
            source_ip=request.client_ip,
        )
    except (Refused, ParameterRefused, ConfigRefused) as error:
        refuse(V3, context, request, error)
        return

    def finish(result: Result) -> None:
        if isinstance(result, NacosCoreError):
            refuse(V3, context, request, result)
        elif result:
            answer(V3, context, request, True)
        else:
            refuse(V3, context, request, Refused(404, pages.NOT_FOUND, ABSENT))

    context.propose(command, finish)
