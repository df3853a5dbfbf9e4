"""What a request says about who sent it (protocol/semantics.md section 6, "Identity sources")."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from nacos_core.limits import CREDENTIAL_CHARACTERS_MAX

ADMINISTRATOR: Final = "nacos"
"""The one user."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token that a login gave."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Password:
    """A user name and password; the 1.x Node client sends them with every request."""

    user: str
    password: str = field(repr=False)


Identity: TypeAlias = Token | Password | None


def identity_of(headers: Mapping[str, str], parameters: Mapping[str, str]) -> Identity:
    """``headers`` must have names in lower case. A token comes before a password, a header before a parameter."""
    token = headers.get("accesstoken") or parameters.get("accessToken") or _bearer(headers.get("authorization", ""))
    token = token or _bearer(parameters.get("Authorization", ""))
    if token:
        return Token(token)
    user = headers.get("username") or parameters.get("username")
    password = headers.get("password") or parameters.get("password")
    return login_of(user, password)


def login_of(user: str | None, password: str | None) -> Password | None:
    """A user name and password of sensible length, or None."""
    if not user or not password or max(len(user), len(password)) > CREDENTIAL_CHARACTERS_MAX:
        return None
    return Password(user, password)


def _bearer(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
