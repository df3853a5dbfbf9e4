"""Tokens: fetched with user name and password, and renewed before they end (protocol/http.md section 4)."""

from typing import TYPE_CHECKING, Final

import anyio
import msgspec

from nacos_core import limits
from nacos_core.client.errors import AccessDenied, Unreachable
from nacos_core.client.servers import ServerAddress
from nacos_core.client.tls import Tls

if TYPE_CHECKING:
    import httpx

_PATHS: Final = ("/nacos/v3/auth/user/login", "/nacos/v1/auth/users/login")
"""Servers of 2.x have only the second."""


class _LoggedIn(msgspec.Struct, rename="camel"):
    access_token: str
    token_ttl: float


class Login:
    """One user at any of the servers. Each server gives a token of its own."""

    def __init__(self, username: str, password: str, tls: Tls | None = None) -> None:
        self._tls = tls
        self._form = {"username": username, "password": password}
        self._tokens: dict[ServerAddress, tuple[str, float, float]] = {}
        """The token, when it was fetched, and when it is to be renewed."""
        self._lock = anyio.Lock()

    async def token(self, server: ServerAddress) -> str:
        """A token that is good for a while.

        Raises:
            AccessDenied: user name or password are wrong.
            Unreachable: this server does not answer.
        """
        async with self._lock:
            now = anyio.current_time()
            token, _, renew_at = self._tokens.get(server, ("", now, now))
            if now >= renew_at:
                answer = await self._fetch(server)
                token, now = answer.access_token, anyio.current_time()
                self._tokens[server] = (token, now, now + answer.token_ttl * limits.CLIENT_TOKEN_LIFE)
        return token

    def is_old(self, server: ServerAddress) -> bool:
        """Whether the token was there for longer than it takes to refuse a fresh one: another one may be accepted."""
        _, fetched_at, _ = self._tokens.get(server, ("", anyio.current_time(), 0.0))
        return anyio.current_time() - fetched_at > limits.CLIENT_TOKEN_FRESH_SECONDS

    def forget(self, server: ServerAddress) -> None:
        """The token is no good there any more."""
        self._tokens.pop(server, None)

    async def _fetch(self, server: ServerAddress) -> _LoggedIn:
        import httpx

        async with httpx.AsyncClient(
            base_url=server.url,
            timeout=limits.CLIENT_CONNECT_SECONDS,
            trust_env=False,
            verify=True if self._tls is None else self._tls.http,
        ) as http:
            try:
                for path in _PATHS:
                    answer = await http.post(path, data=self._form)
                    if answer.status_code not in (404, 501):
                        break
            except httpx.HTTPError as error:
                raise Unreachable(f"{server}: login: {error or type(error).__name__}") from None
        return _read(server, answer)


def _read(server: ServerAddress, answer: "httpx.Response") -> _LoggedIn:
    if answer.status_code == 200:
        try:
            return msgspec.json.decode(answer.content, type=_LoggedIn)
        except msgspec.MsgspecError:
            raise Unreachable(f"{server}: login is not answered as a server of this kind does") from None
    if answer.status_code in (401, 403):
        raise AccessDenied(f"{server}: user name or password are wrong", 403)
    raise Unreachable(f"{server}: login is answered with HTTP status {answer.status_code}")
