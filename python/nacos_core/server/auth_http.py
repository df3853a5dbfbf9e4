"""Login over HTTP (protocol/http.md section 4). The answer is the same for an unknown user and a wrong password."""

from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from nacos_core.auth.identity import ADMINISTRATOR, login_of
from nacos_core.limits import TOKEN_TTL_SECONDS
from nacos_core.server import pages
from nacos_core.server.context import Context
from nacos_core.server.description import takes

if TYPE_CHECKING:
    from nacos_core._core import HttpRequest

TOKEN_WITHOUT_AUTHENTICATION: Final = "AUTH_DISABLED"
_WRONG: Final = "User not found! Please check user exist or password is right!"


class _LoggedIn(msgspec.Struct, rename="camel"):
    access_token: str
    token_ttl: int
    global_admin: bool
    username: str


@takes(optional=("username", "password"), answer="bare", statuses=(403, 429))
def login_v1(context: Context, request: "HttpRequest") -> None:
    """Gives a token for a right password; a refusal is plain text."""
    _login(context, request, pages.TEXT, _WRONG.encode())


@takes(optional=("username", "password"), answer="bare", statuses=(403, 429))
def login_v3(context: Context, request: "HttpRequest") -> None:
    """Gives a token for a right password: the bare object of v1, but a refusal is a result."""
    _login(context, request, pages.JSON, pages.failure(pages.ACCESS_DENIED, _WRONG))


def refuse_busy(context: Context, request: "HttpRequest", retry_seconds: int) -> None:
    """Too many passwords to check, or too many wrong ones from this address."""
    body = pages.error_page(429, "Too many logins, try again later.", request.path, context.wall_clock())
    headers = (*pages.JSON, ("Retry-After", str(retry_seconds)))
    context.hub.reply_http(request.connection, request.call, 429, headers, body)


def _login(context: Context, request: "HttpRequest", refusal_headers: pages.Headers, refusal: bytes) -> None:
    user = request.parameters.get("username")
    if context.gate is None:
        # Clients that are told a user name log in before anything else, whether it is asked for or not.
        _welcome(context, request, user or ADMINISTRATOR, TOKEN_WITHOUT_AUTHENTICATION)
        return
    login = login_of(user, request.parameters.get("password"))
    reply_refused = partial(context.hub.reply_http, request.connection, request.call, 403, refusal_headers, refusal)
    if login is None:
        reply_refused()
        return
    context.gate.login(
        login,
        request.remote_ip,
        welcome=partial(_welcome, context, request, login.user),
        refuse=reply_refused,
        busy=partial(refuse_busy, context, request),
    )


def _welcome(context: Context, request: "HttpRequest", user: str, token: str) -> None:
    body = pages.to_json(_LoggedIn(token, TOKEN_TTL_SECONDS, True, user))
    headers = (*pages.JSON, ("Authorization", f"Bearer {token}"))
    context.hub.reply_http(request.connection, request.call, 200, headers, body)
