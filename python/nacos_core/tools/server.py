"""Asks a running server over HTTP, and logs in first where a password is given."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

TIMEOUT_SECONDS = 10


class Refused(Exception):
    """The server said no, or cannot be reached; the message is for the person who asked."""


class Server:
    """A server at a URL such as ``http://127.0.0.1:8848``.

    Args:
        password: of the administrator ``nacos``; None asks without logging in.
    """

    def __init__(self, url: str, password: str | None) -> None:
        self._url = url.rstrip("/") if "://" in url else f"http://{url.rstrip('/')}"
        self._password = password
        self._token: str | None = None

    def ask(self, method: str, path: str, parameters: Mapping[str, str]) -> Any:
        """The data of a v3 answer.

        Raises:
            Refused: says why.
        """
        if self._password is not None and self._token is None:
            form = {"username": "nacos", "password": self._password}
            self._token = str(self._call("POST", "/nacos/v3/auth/user/login", form).get("accessToken", ""))
        answer = self._call(method, path, parameters)
        if answer.get("code") != 0:
            raise Refused(str(answer.get("data") or answer.get("message") or answer))
        return answer.get("data")

    def _call(self, method: str, path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        query = urllib.parse.urlencode({name: value for name, value in parameters.items() if value})
        is_form = method == "POST"
        request = urllib.request.Request(
            self._url + path + ("" if is_form or not query else f"?{query}"),
            method=method,
            data=query.encode() if is_form else None,
            headers={"accessToken": self._token} if self._token else {},
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
                body = response.read()
        except urllib.error.HTTPError as error:
            body = error.read()
            if not body.startswith(b"{"):
                raise Refused(f"{self._url} answers {error.code}: {body.decode(errors='replace').strip()}") from None
        except OSError as error:
            raise Refused(f"{self._url} cannot be reached: {getattr(error, 'reason', error)}") from None
        try:
            answer = json.loads(body)
        except ValueError:
            raise Refused(f"{self._url} does not answer as such a server") from None
        if not isinstance(answer, dict):
            raise Refused(f"{self._url} does not answer as such a server")
        return answer
