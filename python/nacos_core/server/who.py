"""Who asks: what history tells of each change."""

from typing import TYPE_CHECKING

from nacos_core import _core
from nacos_core.server.context import Context

if TYPE_CHECKING:
    from nacos_core._core import GrpcRequest, HttpRequest


def user_of(context: Context, request: "HttpRequest | GrpcRequest", named: str | None) -> str | None:
    """The user whose token or password an admitted request carries; without authentication, whom it names itself."""
    if context.gate is None:
        return named
    parameters = request.parameters if isinstance(request, _core.HttpRequest) else {}
    return context.gate.user_of(request.headers, parameters)
