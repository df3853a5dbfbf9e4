"""Slow salted hashes of passwords: scrypt (RFC 7914), with its costs in the stored text so that they can be raised."""

import base64
import hashlib
import hmac
from typing import Final

# OWASP's Password Storage Cheat Sheet: N = 2^14, r = 8, p = 5; 16 MiB while it runs.
LOG2_N: Final = 14
BLOCK_SIZE: Final = 8
PARALLEL: Final = 5
SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32
_MEMORY_BYTES_MAX: Final = 64 * 1024 * 1024
_SCHEME: Final = "scrypt"


def hash_password(password: str, salt: bytes) -> str:
    """Takes some hundred milliseconds of one core; ``salt`` must be random, once for each password."""
    digest = _digest(password, salt, LOG2_N, BLOCK_SIZE, PARALLEL)
    costs = f"{LOG2_N}${BLOCK_SIZE}${PARALLEL}"
    return f"{_SCHEME}${costs}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def verify_password(password: str, stored: str) -> bool:
    """Takes the same time whether it is right or wrong.

    Raises:
        ValueError: ``stored`` is no hash that this module made.
    """
    scheme, log2_n, block_size, parallel, salt, digest = stored.split("$")
    if scheme != _SCHEME:
        raise ValueError(f"unknown kind of password hash {scheme!r}")
    made = _digest(password, base64.b64decode(salt), int(log2_n), int(block_size), int(parallel))
    return hmac.compare_digest(made, base64.b64decode(digest))


def _digest(password: str, salt: bytes, log2_n: int, block_size: int, parallel: int) -> bytes:
    return hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"),
        salt=salt,
        n=1 << log2_n,
        r=block_size,
        p=parallel,
        maxmem=_MEMORY_BYTES_MAX,
        dklen=_HASH_BYTES,
    )
