"""How much there is of everything: as the metrics of naming, and in the text form of Prometheus.

All of it is counted already where it is kept; nothing is counted for it when requests are served. Only what this node
is responsible for is counted when it is asked for, because that changes with the members.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, TypeAlias

from nacos_core import limits
from nacos_core.server import pages
from nacos_core.server.context import Context
from nacos_core.server.description import takes

if TYPE_CHECKING:
    from nacos_core._core import HttpRequest

Sample: TypeAlias = tuple[dict[str, str], float]
Family: TypeAlias = tuple[str, str, str, list[Sample]]
"""Name, kind, help, and its samples."""

PROMETHEUS: Final[pages.Headers] = (
    *pages.JSON[:-1],
    ("Content-Type", "text/plain; version=0.0.4; charset=utf-8"),
)
_GAUGES: Final = (
    ("services", "services", "Services that have or had instances, or were created."),
    ("instances", "instances", "Instances of all kinds that this node knows."),
    ("subscribers", "subscriptions", "Pairs of a gRPC client of this node and a service that it is told of."),
    ("connection_publishers", "connection_publishers", "gRPC clients with instances, those of other nodes among them."),
    ("ephemeral_publishers", "address_publishers", "Addresses that are kept by their beats."),
    ("persistent_publishers", "persistent_publishers", "Addresses with persistent instances."),
    ("connections", "connections", "Open connections of clients."),
    ("clients", "grpc_clients", "gRPC connections that were set up."),
    ("configs", "configs", "Configurations."),
    ("gray_releases", "gray_releases", "Gray releases of configurations."),
    ("config_listeners", "config_listeners", "Pairs of a gRPC client of this node and a configuration."),
)


def naming_metrics(context: Context, *, with_counts: bool) -> dict[str, object]:
    """As ``operator/metrics`` tells them."""
    status = context.switches().overridden_server_status or ("UP" if context.is_ready() else "STARTING")
    if not with_counts:
        return {"status": status}
    counts = context.hub.counts()
    clients = counts["connection_publishers"] + counts["ephemeral_publishers"] + counts["persistent_publishers"]
    responsible_clients, responsible_instances = context.hub.responsible_counts()
    return {
        "status": status,
        "serviceCount": counts["services"],
        "instanceCount": counts["instances"],
        "subscribeCount": counts["subscribers"] + context.pushes.udp_subscriptions_count,
        "responsibleInstanceCount": responsible_instances,
        "clientCount": clients,
        "connectionBasedClientCount": counts["connection_publishers"],
        "ephemeralIpPortClientCount": counts["ephemeral_publishers"],
        "persistentIpPortClientCount": counts["persistent_publishers"],
        "responsibleClientCount": responsible_clients,
        **system_load(),
    }


@takes(answer="text")
def prometheus(context: Context, request: "HttpRequest") -> None:
    """All figures of this node, for a scraper."""
    body = "".join(_lines(context)).encode()
    context.hub.reply_http(request.connection, request.call, 200, PROMETHEUS, body)


def _lines(context: Context) -> Iterator[str]:
    for families in (_stores(context), _raft(context), _distro(context), _process(context)):
        for name, kind, text, samples in families:
            yield f"# HELP nacos_core_{name} {text}\n# TYPE nacos_core_{name} {kind}\n"
            for labels, value in samples:
                shown = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
                yield f"nacos_core_{name}{f'{{{shown}}}' if shown else ''} {_number(value)}\n"


def _stores(context: Context) -> Iterator[Family]:
    counts = context.hub.counts()
    for key, name, text in _GAUGES:
        yield _one(name, "gauge", text, counts[key])
    requests: list[Sample] = [({"protocol": each}, counts[f"{each}_requests"]) for each in ("http", "grpc")]
    yield "requests_total", "counter", "Requests of clients since the start.", requests
    pushes = context.pushes
    yield _one("udp_subscriptions", "gauge", "1.x clients that are told by UDP.", pushes.udp_subscriptions_count)
    yield _one("long_polls", "gauge", "Requests that wait for a configuration to change.", len(pushes.long_polls))
    health = context.health
    if health is not None:
        yield _one("health_checked", "gauge", "Persistent instances that this node checks.", health.watched_count)
        yield _one("health_checks_total", "counter", "Checks since the start.", health.checks_count)
        yield _one("health_failures_total", "counter", "Those that failed.", health.failures_count)


def _raft(context: Context) -> Iterator[Family]:
    state = context.cluster.raft_state()
    yield _one("raft_term", "gauge", "The term.", state.term)
    yield _one("raft_leader", "gauge", "1 on the leader.", state.role == "leader")
    yield _one("raft_has_leader", "gauge", "1 if a leader is known.", bool(state.leader_id))
    yield _one("raft_last_index", "gauge", "The last entry of the log.", state.last_log_index)
    yield _one("raft_synced_index", "gauge", "The last durable entry.", state.synced_index)
    yield _one("raft_commit_index", "gauge", "The last committed entry.", state.commit_index)
    yield _one("raft_applied_index", "gauge", "The last entry in the stores.", state.last_applied)
    yield _one("raft_snapshot_index", "gauge", "The last entry in a snapshot.", state.snapshot_index)
    unapplied = state.commit_index - state.last_applied
    yield _one("raft_apply_lag", "gauge", "Committed entries that the stores lack.", unapplied)
    if state.followers:
        lags: list[Sample] = [({"member": each.address or each.node_id}, each.lag) for each in state.followers]
        yield "raft_follower_lag", "gauge", "Entries that a follower lacks.", lags


def _distro(context: Context) -> Iterator[Family]:
    members: list[Sample] = [
        ({"member": each.address or each.node_id, "state": context.cluster.state_of(each.node_id)}, 1)
        for each in context.cluster.members()
    ]
    yield "members", "gauge", "The members and how this node sees them.", members
    if context.distro is None:
        return
    seen = context.distro.consistency()
    yield _one("distro_serving", "gauge", "1 once the instances of others were loaded.", seen.is_serving)
    yield _one("distro_sees_majority", "gauge", "1 while more than half of the voters are seen.", seen.sees_majority)
    sent: list[Sample] = [({"member": each.node_id}, each.sent_bytes) for each in seen.members]
    holders = [(each, {"holder": each.node_id, "boot": str(each.boot)}) for each in seen.holders]
    repairs: list[Sample] = [(labels, each.repairs) for each, labels in holders]
    lags: list[Sample] = [(labels, each.lag) for each, labels in holders]
    yield "distro_sent_bytes_total", "counter", "What was sent to a member about instances.", sent
    yield "distro_repairs_total", "counter", "Times that what is here of a holder differed and was repaired.", repairs
    yield "distro_lag", "gauge", "Changes of a holder that are not here yet.", lags


def _process(context: Context) -> Iterator[Family]:
    load = system_load()
    yield _one("up", "gauge", "1 once the node is ready.", context.is_ready())
    yield _one("memory_share", "gauge", "Resident memory at its highest, as a share of the machine's.", load["mem"])
    silence = context.hub.silence(context.wall_clock(), limits.SILENCE_WITHIN_MS, 0)
    figures: dict[str, int] = pages.read_json(silence)
    yield _one("beats_watched", "gauge", "Addresses whose beats this node waits for.", figures["watched"])
    near: list[Sample] = [
        ({"next": "unhealthy"}, figures["soonUnhealthy"]),
        ({"next": "removed"}, figures["soonRemoved"]),
    ]
    yield "beats_missing", "gauge", "Addresses that change within 10 s unless they beat.", near
    yield (
        "info",
        "gauge",
        "What runs here.",
        [({"version": context.version, "node": context.cluster.node_id}, 1)],
    )


def _one(name: str, kind: str, text: str, value: float) -> Family:
    return name, kind, text, [({}, value)]


def _number(value: float) -> str:
    return str(int(value)) if isinstance(value, bool | int) else repr(value)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def system_load() -> dict[str, float]:
    """Shares of the processor and the memory, and the load average; 0 where the system does not say."""
    import os
    import resource

    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    pages_count = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"cpu": min(1.0, load / (os.cpu_count() or 1)), "load": load, "mem": resident / pages_count}
