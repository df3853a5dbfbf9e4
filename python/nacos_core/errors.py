"""What can go wrong, by what the caller can do about it."""

from enum import Enum


class NacosCoreError(Exception):
    """Base of every error that this package raises on purpose."""


class SettingsError(NacosCoreError):
    """A setting is unknown, has a wrong value, or does not fit another one; the message names it."""


class StartError(NacosCoreError):
    """The node cannot start: an address is taken, or a file of the data folder cannot be used."""


class WrongAddress(SettingsError, ValueError):
    """The name of a member, or the list of members, cannot be used; the message names what is wrong with which."""


class FrameError(NacosCoreError):
    """A peer sent bytes that are no frame of this protocol: its connection is closed."""


class PeerUnreachable(NacosCoreError):
    """There is no connection to that peer: nothing was sent, try again later."""


class HandshakeRefused(PeerUnreachable):
    """One side refused the other as a peer; the message says why."""


class CallRefused(NacosCoreError):
    """The peer answered that it does not do what was asked, in its own words."""


class InvalidParameter(NacosCoreError, ValueError):
    """A name or value that the protocol does not allow, in the words that clients know."""


class NotReady(NacosCoreError):
    """No leader accepts writes at the moment: nothing was written, try again later."""


class Overloaded(NacosCoreError):
    """Too much is waiting to be written: nothing was written, try again later."""


class OutcomeUnknown(NacosCoreError):
    """The node stopped before it knew: the write may or may not be there after the next start."""


class MembershipRefused(NacosCoreError):
    """The members of the cluster cannot be changed like that, or not now; the message says why."""


class CommandRefused(NacosCoreError):
    """A command that was committed and makes no sense where it stands in the log: it changed nothing."""


class CasMismatch(CommandRefused):
    """Compare-and-set: the configuration is no longer the one that the caller has seen."""

    def __init__(self) -> None:
        super().__init__("Cas publish fail, server md5 may have changed.")


class TooManyGrays(CommandRefused):
    """A configuration has as many gray releases as it may have; the message names the limit."""


class GrayAbsent(CommandRefused):
    """There is no gray release of that name; the message names it."""


class QuotaLevel(Enum):
    """Whose quota it is."""

    CLUSTER = "cluster"
    NAMESPACE = "namespace"
    GROUP = "group"
    SIZE = "size"
    """Of one content."""


class OverQuota(CommandRefused):
    """There would be more configurations, or a larger one, than there may be; the message names limit and value."""

    def __init__(self, level: QuotaLevel, text: str) -> None:
        super().__init__(text)
        self.level = level


class AlreadyExists(CommandRefused):
    """Create-only publication of a configuration that exists."""

    def __init__(self) -> None:
        super().__init__("config already exist")
