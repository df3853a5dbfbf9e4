"""Intervals of the rules, in seconds."""

from dataclasses import dataclass

from nacos_core import limits


@dataclass(frozen=True, slots=True)
class Timing:
    """The defaults are what the documents promise."""

    heartbeat_seconds: float = limits.DISTRO_HEARTBEAT_SECONDS
    """How often a node says that it lives, and looks after the others."""
    suspicious_seconds: float = limits.DISTRO_SUSPICIOUS_SECONDS
    down_seconds: float = limits.DISTRO_DOWN_SECONDS
    stall_seconds: float = limits.DISTRO_STALL_SECONDS
    verify_seconds: float = limits.DISTRO_VERIFY_SECONDS
    gather_seconds: float = limits.DISTRO_GATHER_SECONDS
    load_seconds: float = limits.DISTRO_LOAD_SECONDS
    compare_retry_seconds: float = limits.DISTRO_COMPARE_RETRY_SECONDS
    load_retry_seconds: float = limits.DISTRO_LOAD_RETRY_SECONDS
    connection_grace_seconds: float = limits.DISTRO_CONNECTION_GRACE_SECONDS
    address_grace_seconds: float = limits.DISTRO_ADDRESS_GRACE_SECONDS
