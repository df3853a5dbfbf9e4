"""Tokens: JWT (RFC 7519) signed with HMAC-SHA256 by a key of the cluster's own.

Written out by hand because that is less than using a library safely: only tokens made here are accepted, so the first
part must equal ours byte for byte, which leaves no algorithm to choose and no header to interpret.
"""

import base64
import hashlib
import hmac
from typing import Final

import msgspec

from nacos_core.limits import KEY_BYTES_MIN, TOKEN_TTL_SECONDS

_HEADER: Final = base64.urlsafe_b64encode(b'{"alg":"HS256"}').rstrip(b"=").decode()

KNOWN_KEYS: Final = (
    b"SecretKey012345678901234567890123456789012345678901234567890123456789",
    b"SecretKey01234567890123456789012345345678999987654901234567890123456789",
    base64.b64decode("VGhpc0lzTXlDdXN0b21TZWNyZXRLZXkwMTIzNDU2Nzg="),
)
"""Keys that were once published as defaults; whoever knows the history could sign with them."""


class TokenRefused(Exception):
    """The message is for the client: ``token invalid!`` or ``token expired!``."""


class Claims(msgspec.Struct, frozen=True):
    """What a token says."""

    sub: str
    exp: int
    """Seconds since 1970."""


class Tokens:
    """Issues and checks tokens.

    Raises:
        ValueError: the key is short, or one that everybody knows.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < KEY_BYTES_MIN:
            raise ValueError(f"the token key has {len(key)} bytes, at least {KEY_BYTES_MIN} are needed")
        if any(key in (known, base64.b64encode(known)) for known in KNOWN_KEYS):
            raise ValueError("the token key is a published default: anybody could sign tokens with it")
        self._key = key

    def issue(self, user: str, now_ms: int) -> str:
        """A token for ``user`` that ends ``TOKEN_TTL_SECONDS`` from now."""
        claims = Claims(user, now_ms // 1000 + TOKEN_TTL_SECONDS)
        signed = f"{_HEADER}.{_encode(msgspec.json.encode(claims))}"
        return f"{signed}.{self._sign(signed)}"

    def check(self, token: str, now_ms: int) -> Claims:
        """What a token says, if it was made here and has not ended.

        Raises:
            TokenRefused: with what to tell the client.
        """
        signed, _, signature = token.rpartition(".")
        header, _, payload = signed.partition(".")
        is_ours = header == _HEADER and hmac.compare_digest(
            signature.encode("utf-8", "replace"), self._sign(signed).encode()
        )
        if not is_ours:
            raise TokenRefused("token invalid!")
        try:
            claims = msgspec.json.decode(_decode(payload), type=Claims)
        except ValueError:  # signed here, yet no token: the key has been used for something else
            raise TokenRefused("token invalid!") from None
        if claims.exp * 1000 <= now_ms:
            raise TokenRefused("token expired!")
        return claims

    def _sign(self, signed: str) -> str:
        return _encode(hmac.digest(self._key, signed.encode("utf-8", "replace"), hashlib.sha256))


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
