"""What the settings say about the cluster, once they are found to fit together."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nacos_core.errors import SettingsError, StartError
from nacos_core.peers.addresses import Member, find_self, join, parse_member, parse_members
from nacos_core.peers.secret import check_secret

if TYPE_CHECKING:
    from nacos_core.raft.configuration import Configuration
    from nacos_core.settings import Settings


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """A node that has peers, or may have some."""

    own: Member
    listed: tuple[Member, ...]
    join: Member | None


def cluster_settings(settings: "Settings") -> ClusterSettings | None:
    """None: the node stands alone and opens no port for peers.

    Raises:
        SettingsError: names what is wrong or missing.
    """
    wants_peers = (settings.cluster, settings.join, settings.advertise, settings.peer_port)
    if all(setting is None for setting in wants_peers):
        return None
    if settings.port is None and settings.advertise is None:
        raise SettingsError("a node without sockets has peers only if ``advertise`` names it")
    if settings.cluster is not None and settings.join is not None:
        raise SettingsError("--cluster begins a cluster and --join enters one: give one of them")
    if settings.cluster is not None:
        listed = parse_members(settings.cluster)
        own = find_self(
            listed,
            host=settings.host,
            port=settings.port,
            advertise=settings.advertise,
            peer_port=settings.peer_port,
        )
    else:
        listed, own = (), _own(settings)
    contact = None if settings.join is None else parse_member(settings.join)
    if contact is not None and contact.name == own.name:
        raise SettingsError(
            f"--join {settings.join} is this node itself: name a member of the cluster that is to take it in"
        )
    check_secret([*listed, own, *([] if contact is None else [contact])], settings.cluster_secret)
    return ClusterSettings(own, listed, contact)


def check_not_lonely(configuration: "Configuration | None", data: object) -> None:
    """Without a port for peers a member of several would wait for a leader for ever, and say nothing.

    Raises:
        StartError: the log in this folder is of such a member.
    """
    if configuration is not None and len(configuration.members) > 1:
        others = ", ".join(member.address for member in configuration.members)
        raise StartError(
            f"{data} belongs to a member of cluster {configuration.cluster_id} ({others}): give --cluster, or "
            "--advertise with the address under which the others find this node"
        )


def _own(settings: "Settings") -> Member:
    if settings.port == 0:
        raise SettingsError("--port 0 takes any free port, which no other member could know: give --port a number")
    named = settings.advertise or join(settings.host, settings.port or 0)
    member = parse_member(named)
    if settings.peer_port is None or "@" in named:
        return member
    return Member(member.host, member.port, settings.peer_port)
