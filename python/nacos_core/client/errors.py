"""What can go wrong for a client, beside ``CasMismatch`` and ``OutcomeUnknown``, which it shares with the node."""

from nacos_core.errors import NacosCoreError


class ClientError(NacosCoreError):
    """Base of what only clients meet."""


class Unreachable(ClientError):
    """No server answers: nothing was done. The message says what each of them did instead."""


class ServerRefused(ClientError):
    """A server understood what was asked for, and does not do it; in its words.

    ``code`` is its error code (protocol/grpc.md section 1.2, protocol/http.md section 8).
    """

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class AccessDenied(ServerRefused):
    """User name or password are wrong, or this user may not do that."""


class NotFound(ServerRefused):
    """What is to be changed or shown is not there."""
