"""The cluster secret: what every node of a cluster knows and nobody else does."""

import hmac
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from nacos_core.errors import SettingsError
from nacos_core.limits import CLUSTER_SECRET_BYTES_MAX, CLUSTER_SECRET_CHARACTERS_MIN
from nacos_core.peers.addresses import Member, is_loopback_host

SECRET_VARIABLE: Final = "NACOS_CORE_CLUSTER_SECRET"
_READABLE_BY_OTHERS: Final = stat.S_IRGRP | stat.S_IROTH


def digest_key(secret: bytes | None, bytes_count: int) -> bytes:
    """The key of the core's digests: the same on all members, which compare them, and known to nobody else."""
    return hmac.digest(secret or b"", b"distro digest", "sha256")[:bytes_count]


def load_secret(file: Path | None, environment: Mapping[str, str], warn: Callable[[str], None]) -> bytes | None:
    """The secret of ``--cluster-secret-file``, or else of the environment, or None.

    Args:
        warn: told when others can read the file.

    Raises:
        SettingsError: the file cannot be read, or what is given is no secret. The secret itself is never named.
    """
    if file is not None:
        return read_secret_file(file, warn)
    if SECRET_VARIABLE in environment:
        return parse_secret(environment[SECRET_VARIABLE].encode(errors="surrogateescape"), SECRET_VARIABLE)
    return None


def read_secret_file(file: Path, warn: Callable[[str], None]) -> bytes:
    """As ``load_secret``, of a file that is known."""
    try:
        with file.open("rb") as opened:
            data = opened.read(CLUSTER_SECRET_BYTES_MAX + 1)
        mode = file.stat().st_mode
    except OSError as error:
        raise SettingsError(f"cannot read the cluster secret from {file}: {error.strerror}") from None
    secret = parse_secret(data, str(file))
    if mode & _READABLE_BY_OTHERS:
        warn(f"others can read the cluster secret in {file} (mode {stat.S_IMODE(mode):03o}); chmod 600 keeps it secret")
    return secret


def parse_secret(data: bytes, source: str) -> bytes:
    """The secret in ``data``, which may end with one line break. ``source`` is named in errors.

    Raises:
        SettingsError: too short, too long, more than one line, or not UTF-8.
    """
    if len(data) > CLUSTER_SECRET_BYTES_MAX:
        raise SettingsError(f"{source}: the cluster secret is longer than {CLUSTER_SECRET_BYTES_MAX} bytes")
    secret = data.removesuffix(b"\n").removesuffix(b"\r")
    try:
        text = secret.decode()
    except UnicodeDecodeError:
        raise SettingsError(f"{source}: the cluster secret is not UTF-8 text") from None
    if len(text.splitlines()) > 1:
        raise SettingsError(f"{source}: the cluster secret is more than one line")
    if len(text.strip()) < CLUSTER_SECRET_CHARACTERS_MIN:
        raise SettingsError(
            f"{source}: the cluster secret has {len(text.strip())} characters; "
            f"at least {CLUSTER_SECRET_CHARACTERS_MIN} are needed"
        )
    return secret


def check_secret(members: Iterable[Member], secret: bytes | None) -> None:
    """A cluster without a secret stays on its machine.

    Raises:
        SettingsError: there is no secret, and a member is not on loopback.
    """
    exposed = [member for member in members if not is_loopback_host(member.host)]
    if secret is None and exposed:
        raise SettingsError(
            f"the member {exposed[0].name} is not on a loopback address and there is no cluster secret: anybody could "
            f"join. Give every member the same --cluster-secret-file (or {SECRET_VARIABLE})."
        )
