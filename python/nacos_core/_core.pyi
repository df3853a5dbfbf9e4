"""The Rust core: stores, wire engines, router and reactor.

A connection is an int that is never used again within a process; a call is an int that says which request of that
connection. Answers to a connection that has gone are dropped silently. Times are wall milliseconds, handed in.
"""

from collections.abc import Mapping, Sequence, Set
from os import PathLike
from typing import TypeAlias, final

__all__ = [
    "Appended",
    "ClientClosed",
    "ClientEnded",
    "ClientGoingAway",
    "ClientMessage",
    "ConfigSearch",
    "ConfigView",
    "Conflict",
    "ConnectionGone",
    "ConnectionReady",
    "DistroApplied",
    "DistroDifferences",
    "DistroHolder",
    "DistroPublisher",
    "Frozen",
    "FuzzyWatched",
    "GrayView",
    "GrpcClient",
    "GrpcRequest",
    "HistoryEvent",
    "HttpRequest",
    "Hub",
    "InvalidInstance",
    "KindConflict",
    "Log",
    "LogCorrupt",
    "LogError",
    "LogFailed",
    "LogLocked",
    "LongPoll",
    "Misplaced",
    "PersistentInstance",
    "PushAcknowledged",
    "Reactor",
    "ServiceSearch",
    "SimulatedDisk",
    "Synced",
    "UdpSubscribed",
    "__version__",
    "check_gray_rule",
    "parse_metadata",
    "service_key",
    "unpack",
]

__version__: str

class InvalidInstance(ValueError):
    """An instance or the name of a service is wrong; the message says what."""

class KindConflict(ValueError):
    """The service holds persistent instances, and the instance is ephemeral."""

# --- events ------------------------------------------------------------------------------------------------------

@final
class HttpRequest:
    """An HTTP request that the core does not answer itself."""

    connection: int
    call: int
    method: str
    path: str
    """Raw as sent, without the query."""
    parameters: dict[str, str]
    """Query, then form body; the first value of a name counts."""
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes
    """Empty if it was a form."""
    client_ip: str
    """As proxies name it, else the socket's; anybody can claim any."""
    remote_ip: str
    """The socket's."""
    authorized: bool
    """Authentication is off, or the request carried an allowed token."""

@final
class GrpcRequest:
    """A unary gRPC request of a connection that was set up, which the core does not answer itself."""

    connection: int
    call: int
    connection_id: str
    type: str
    headers: dict[str, str]
    body: bytes
    client_ip: str
    remote_ip: str
    authorized: bool

@final
class PersistentInstance:
    """A validated registration or removal of a persistent instance, which must go through the log."""

    connection: int
    call: int
    api: str
    """"v1", "v3" or "grpc": the shape that the answer must have."""
    register: bool
    namespace: str
    group: str
    service: str
    instance: bytes
    """JSON for `Hub.apply_persistent`."""

@final
class Misplaced:
    """A registration, beat or deregistration over HTTP of an address that another member of the cluster handles."""

    connection: int
    call: int
    node_id: str
    """The member that is responsible for the address."""
    request: bytes
    """For `Hub.serve_forwarded` of that member; without what said who asks, as that is decided."""
    remote_ip: str

@final
class LongPoll:
    """A 1.x listener request of which nothing has changed yet (protocol/semantics.md section 4.2)."""

    connection: int
    call: int
    client_ip: str
    """As proxies name it, else the socket's."""
    tag: str | None
    """The tag that the client has."""
    keys: list[tuple[str, str, str | None, str]]
    """(data id, group, tenant as sent or None, md5)."""
    hang_ms: int

@final
class UdpSubscribed:
    """A list request that asked for UDP push; it has been answered already."""

    ip: str
    port: int
    agent: str
    namespace: str
    group: str
    service: str
    clusters: str

@final
class FuzzyWatched:
    """A connection watches a pattern, or has said anew what it knows; it has been answered already."""

    connection: int
    module: str
    """`naming` or `config`."""
    pattern: str
    is_initial: bool
    """It waits for the first list."""
    keys: list[tuple[str, str, str]]
    """(namespace, group, name) of what it does not know, and of what it knows that is gone; in that order."""

@final
class ConnectionReady:
    """A gRPC connection has introduced itself."""

    connection: int
    connection_id: str
    client_ip: str
    client_version: str
    namespace: str
    labels: dict[str, str]

@final
class ConnectionGone:
    """A gRPC connection has gone; what it published, subscribed and listened to is dropped already."""

    connection: int

@final
class PushAcknowledged:
    """A client has answered a push."""

    connection: int
    request_id: int
    succeeded: bool

Event = (
    HttpRequest
    | GrpcRequest
    | PersistentInstance
    | Misplaced
    | LongPoll
    | UdpSubscribed
    | FuzzyWatched
    | ConnectionReady
    | ConnectionGone
    | PushAcknowledged
)

@final
class ConfigView:
    """A config as it is stored. Its id is given when it is created and stays until it is removed."""

    id: int
    content: bytes
    md5: str
    type: str
    created_ms: int
    last_modified_ms: int
    encrypted_data_key: str
    description: str | None
    application: str
    tags: str | None
    use: str | None
    effect: str | None
    schema: str | None
    source_user: str | None
    source_ip: str | None

@final
class ConfigSearch:
    """A search for configs, to be carried on by `Hub.search_configs`. What is empty leaves nothing out."""

    def __new__(
        cls,
        namespace: str | None,
        *,
        exact: bool = False,
        data_id: str = "",
        group: str = "",
        application: str = "",
        content: str = "",
        tags: Sequence[str] = ...,
        types: Sequence[str] = ...,
        ids: Set[int] | None = None,
        skip_count: int = 0,
        count: int = ...,
    ) -> ConfigSearch:
        """`namespace`: None for all. `exact`: data id and group are names, not patterns with `*`. `content` is part of
        it, or a pattern with `*`. Any of the tags, one of the types, one of the ids. Kept of it: `count` configs behind
        the first `skip_count`."""

    total_count: int
    """How many there are on all pages."""
    found_count: int
    """How many were kept."""
    content_bytes: int
    """What the contents of those that were kept take."""
    def to_json(self, shown: str, first: int = 0, count: int = ...) -> bytes:
        """Those that were kept, or some of them, as an array. `shown`: "whole", in the words of v1; "without content",
        in the same; or "basic", in the words of v3."""

    def found(self, first: int = 0, count: int = ...) -> list[tuple[str, str, str, ConfigView]]:
        """(namespace, group, data id, config) of those that were kept, or some of them, in that order."""

    def release(self) -> None:
        """Lets go of what was found. With very much of it that takes milliseconds, without the interpreter."""

@final
class ServiceSearch:
    """A search for services, to be carried on by `Hub.search_services`."""

    def __new__(
        cls, namespace: str, group_part: str, name_part: str, *, with_empty: bool, page_no: int, page_size: int
    ) -> ServiceSearch: ...
    def to_json(self) -> bytes:
        """The services whose group and name contain the parts, a page of them: count and serviceList, sorted."""

@final
class HistoryEvent:
    """A publication that changed something, or a removal. It shows what came, or what was there before (U and D)."""

    id: int
    """Rises with every event of all configs."""
    namespace: str
    group: str
    data_id: str
    operation: str
    """I (inserted), U (updated) or D (removed)."""
    stamped_ms: int
    source_user: str | None
    source_ip: str | None
    config: ConfigView
    """What is shown of it."""
    updated: ConfigView | None
    """What came; None for a removal."""
    gray: tuple[str, int, str, str] | None
    """Name, priority, kind and rule of the gray release that it happened to; None: to the formal version."""

@final
class GrayView:
    """A gray release of a config: a version for some of its clients (docs/gray.md)."""

    name: str
    priority: int
    """Of several releases for one client, it gets that of the highest; of equal ones the first by name."""
    kind: str
    """beta, tag, label or percent."""
    rule: str
    config: ConfigView

def check_gray_rule(kind: str, rule: str) -> None:
    """ValueError says what is wrong with the rule."""

# --- the hub -----------------------------------------------------------------------------------------------------

PublicationFields: TypeAlias = tuple[
    str,
    str,
    str,
    bytes,
    str,
    str,
    bool,
    str,
    str | None,
    str | None,
    str | None,
    str | None,
    str | None,
    str | None,
    str | None,
    str | None,
]
"""Namespace, group, data id, content, type, cas_md5 ("" for none), create_only, encrypted_data_key; then description,
application, tags, use, effect, schema, source_user, source_ip."""

Publication: TypeAlias = tuple[int, PublicationFields]
"""The time of a publication (wall milliseconds), and its fields."""

@final
class Frozen:
    """Configs with their history and persistent instances as they were at one moment."""

    def encode(self) -> bytes:
        """The bytes for `Hub.restore_snapshot`. It takes a while, without the interpreter: call it from a thread.

        Nodes that hold the same write the same."""

@final
class DistroApplied:
    """What came of a batch of another node."""

    applied: int
    """Records and removals that were news."""
    older: int
    """Those that were not."""
    ours: bytes
    """A batch for the sender, who does not know: what is newer here than what it showed, as of addresses that were
    taken over, or of what a holder removed that is gone since. Empty if there is nothing."""

@final
class DistroHolder:
    """One run of a node and what is known of its ephemeral publications here."""

    node_id: str
    boot: int
    """Which of the node's runs; later ones are greater."""
    records: int
    """Publications: what one publisher has in one service."""
    instances: int
    digest: bytes
    """16 bytes over all records; equal on nodes that know the same of this holder. Zeros if there is none."""
    revision: int
    """Of this node: the last that was given to a change. Of others: the newest that was seen."""
    changed_ms: int
    """Wall time here when something of it last changed; 0 if nothing has."""

@final
class DistroDifferences:
    """What another node has of a holder and this one has not, and the other way round."""

    wanted: bytes
    """For `Hub.distro_records` of the other node. Not more than 10,000 keys at once: the next comparison finds the
    rest."""
    wanted_count: int
    surplus: int
    """How many records are here that the other node has not."""

@final
class DistroPublisher:
    """An ephemeral publication of a service: whose it is, and why it is there."""

    node_id: str
    """The node that holds it; empty on a node that is alone."""
    boot: int
    kind: str
    """`connection` or `address`."""
    publisher: str
    """The number of the connection at its holder, or ip:port."""
    epoch: int
    """How often it was taken over by another node."""
    revision: int
    """Which change of its holder made it what it is."""
    published_ms: int | None
    """Wall time of the registration; None on a node that is alone."""
    last_beat_ms: int | None
    """None where this node does not time its beats."""
    instances: int
    hidden: int
    """How many of its instances are not shown because a newer publication of another holder has them, too."""

def service_key(namespace: str, group: str, name: str) -> tuple[str, str, str]:
    """Namespace, group and bare name as a client wrote them, with defaults. InvalidInstance."""

def parse_metadata(text: str) -> dict[str, str]:
    """A JSON object, or `k=v,k2=v2`. InvalidInstance."""

@final
class Hub:
    """Client connections, the router, and the stores that answers come from. Sans-IO."""

    def __new__(
        cls,
        *,
        digest_key: bytes,
        abilities: Mapping[str, bool],
        require_tokens: bool,
        udp_push: bool = True,
        retired: Sequence[tuple[str, str]] = ...,
    ) -> Hub:
        """`digest_key`: 16 bytes, the same on every node of a cluster. `abilities`: the server's ability table.
        `retired`: method and path of what comes up even where the hub holds the answer."""

    # Who may.
    def allow_token(self, token: str, until_ms: int) -> None:
        """Lets requests that carry the token pass until then."""

    def proceed(self, connection: int, call: int, now_ms: int) -> None:
        """Routes a request again that came up with `authorized=False`, now as an authorized one."""

    # Answers.
    def reply_http(
        self, connection: int, call: int, status: int, headers: Sequence[tuple[str, str]], body: bytes
    ) -> None: ...
    def begin_http(self, connection: int, call: int, status: int, headers: Sequence[tuple[str, str]]) -> bool:
        """Begins an answer that comes in parts: `continue_http` follows. False: nobody waits for it."""

    def continue_http(self, connection: int, call: int, part: bytes | None) -> int | None:
        """The next part, or with None the end; how many bytes wait to be written then. None: nobody waits for it any
        more."""

    def reply_grpc(self, connection: int, call: int, type: str, body: bytes) -> None: ...
    def reply_config(
        self,
        connection: int,
        call: int,
        namespace: str,
        group: str,
        data_id: str,
        v3: bool,
        *,
        client_ip: str = "",
        tag: str | None = None,
        by_tag: bool = False,
    ) -> bool:
        """Answers with what `config_for` gives, in the shape of the v1 or the v3 client API; False if that is nothing:
        not answered."""
    def reply_long_poll(self, connection: int, call: int, changed: Sequence[tuple[str, str, str | None]]) -> None:
        """`changed`: (data id, group, tenant as sent or None) each; empty means that nothing has changed."""

    # Pushes. They give the ids that the acknowledgements will carry; a connection without a stream is left out.
    def push(self, connection: int, type: str, module: str, fields: bytes) -> int | None:
        """`fields`: a JSON object."""

    def push_service(self, namespace: str, group: str, service: str, now_ms: int) -> list[tuple[int, int]]:
        """To every subscriber: (connection, request id) each."""

    def push_service_to(self, connection: int, namespace: str, group: str, service: str, now_ms: int) -> int | None: ...
    def push_config_change(self, namespace: str, group: str, data_id: str) -> list[tuple[int, int]]:
        """To every gRPC listener that may hold something else than what is there for it: (connection, request id)."""

    def push_config_change_to(self, connection: int, namespace: str, group: str, data_id: str) -> int | None: ...
    def take_changed_services(self) -> list[tuple[str, str, str]]:
        """(namespace, group, service) whose effective list has changed since the last call."""

    def take_new_subscriptions(self) -> list[tuple[int, str, str, str]]:
        """(connection, namespace, group, service) subscribed since the last call."""

    # Fuzzy watches. `module` is `naming` or `config`; ValueError for another one.
    def take_come_and_gone_services(self) -> list[tuple[str, str, str]]:
        """(namespace, group, service) that came or went since the last call, in order, as long as anybody watches."""

    def fuzzy_watchers(self, module: str, namespace: str, group: str, name: str) -> list[int]:
        """The connections with a pattern that it is like, in order."""

    def is_fuzzy_watching(self, module: str, connection: int, pattern: str) -> bool: ...
    def is_present(self, module: str, namespace: str, group: str, name: str) -> bool:
        """Whether watchers count it as there: a service in which somebody publishes, or that was created; a config."""

    def idle_connections(self, now_ms: int, idle_ms: int) -> list[int]:
        """gRPC connections that were set up and have sent nothing for that long."""

    def clients(self) -> list[tuple[int, str]]:
        """(connection, connection id) of each gRPC connection that was set up."""

    def drop_stalled_connections(self, now_ms: int) -> int:
        """Lets go of connections whose peers have taken nothing of what waits for them for half a minute; how many."""

    def close_quiet_connections(self, now_ms: int, quiet_ms: int) -> int:
        """Closes all others that have done nothing for that long and wait for no answer; gives how many."""

    def close_connection(self, connection: int) -> None:
        """Drops what it published and closes it once its output is written. Also ends a local publisher."""

    # Registry. InvalidInstance if a name or an instance is wrong.
    def open_local(self) -> int:
        """A publisher inside the process."""

    def register(self, publisher: int, namespace: str, group: str, service: str, instances: bytes, now_ms: int) -> None:
        """Replaces the publisher's publication by a JSON array of instances. KindConflict."""

    def deregister(self, publisher: int, namespace: str, group: str, service: str, now_ms: int) -> bool: ...
    def apply_persistent(
        self, register: bool, namespace: str, group: str, service: str, instance: bytes, now_ms: int
    ) -> None:
        """Applies a command of the log. It depends on the log alone, so it is taken beside ephemeral instances, too."""

    def service_info(
        self,
        namespace: str,
        group: str,
        service: str,
        clusters: str,
        healthy_only: bool,
        now_ms: int,
        *,
        grouped_name: bool = False,
    ) -> bytes:
        """ServiceInfo JSON; an unknown service has no hosts."""

    def list_services(self, namespace: str, group: str, page_no: int, page_size: int) -> tuple[int, list[str]]: ...
    def dotted_services(self, namespace: str, name: str) -> tuple[list[tuple[str, str, str]], bool]:
        """(namespace, group, service) of the services that read `service.group` in any case, the longest names of
        services first; and whether names of services end with it."""

    def service_keys(self, place: int, look_count: int) -> tuple[list[tuple[str, str, str]], int | None]:
        """(namespace, group, service) of those at so many places from this one, of all namespaces, in no order; and the
        place to go on at, None at the end. What comes and goes between two calls may be missed."""

    # Metadata of services, clusters and instances; changes are JSON as `naming.changes` writes it.
    @staticmethod
    def check_metadata_change(change: bytes) -> None:
        """ValueError says what is wrong with it."""

    def change_metadata(self, namespace: str, group: str, service: str, change: bytes, now_ms: int) -> None:
        """Applies a command of the log. ValueError: refused, on every node alike."""

    def expired_metadata(
        self, now_ms: int, after_ms: int, sees_all: bool
    ) -> list[tuple[tuple[str, str, str], int | None, list[tuple[str, int]]]]:
        """What has belonged to nothing for so long: (service, revision of its own, (ip:port:cluster, revision) each).

        `sees_all`: instances that are not here are nowhere else. To be called every few seconds.
        """

    def service_detail(self, namespace: str, group: str, service: str) -> bytes | None:
        """JSON of what is known of the service itself and its clusters; None if there is none."""

    def all_instances(self, namespace: str, group: str, service: str) -> bytes:
        """JSON array of all instances with their metadata, the disabled ones too, without protection."""

    def search_services(self, search: ServiceSearch) -> bool:
        """Carries on with a search for less than a millisecond; whether it is done."""

    def service_names(self, namespace: str | None, part: str) -> list[tuple[str, str]]:
        """Namespace and `group@@name` of the services whose grouped name contains the part, sorted; None: of all
        namespaces."""

    def responsible_counts(self) -> tuple[int, int]:
        """How many publishers this node handles itself, and how many instances they have; looks at all of them."""

    def expire(self, now_ms: int) -> tuple[int, int, bool]:
        """Applies heartbeat timeouts to a bounded number of instances; gives how many (turned unhealthy, were
        removed), and whether more are late."""

    def clean_empty_services(self, now_ms: int, unchanged_for_ms: int) -> int: ...
    def counts(self) -> dict[str, int]:
        """services, instances, subscribers, connection_publishers, ephemeral_publishers, persistent_publishers,
        connections, configs, gray_releases, clients (gRPC connections that were set up), config_listeners; since the
        start: http_requests, grpc_requests."""

    def set_pace(self, *, light_beat: bool, ephemeral_default: bool, beat_interval_ms: int, cache_ms: int) -> None:
        """What clients are told from now on: whether beats may be light, how often to beat unless the instance says so
        itself, and how long to rely on a list; and the kind of instances that come over HTTP without a word of it."""

    def silence(self, now_ms: int, within_ms: int, show_count: int) -> bytes:
        """JSON of how the beats are: how many addresses are watched here, how many become unhealthy or are removed
        within that time unless they beat, and those whose time is nearest."""

    def checked_instances(self, place: int, look_count: int) -> tuple[bytes, int | None]:
        """Looks at so many publishers from a place on (0: the first). JSON array of the persistent instances among them
        that this node has to check, and the place to go on from; None: that was the last."""

    # Clients: a connection by its connection id, an address by `ip:port#true` (it beats) or `ip:port#false`.
    def client_ids(self, place: int) -> tuple[list[str], int | None]:
        """Some of the connections to this node, then of the addresses that are known here, in no order, from a place on
        (0: the first), and the place to go on from; None: that was the last."""

    def client_summary(self, client_id: str) -> bytes | None:
        """JSON of what is known of a client; None: there is none of this id."""

    def client_published(self, client_id: str) -> list[tuple[str, str, str, str, int, str]] | None:
        """Namespace, group, service, ip, port and cluster each."""

    def client_subscribed(self, client_id: str) -> list[tuple[str, str, str, str]] | None:
        """Namespace, group, service and clusters each."""

    def service_publishers(self, namespace: str, group: str, service: str) -> list[tuple[str, str, int, str]]:
        """Client id, ip, port and cluster each, of all nodes; `number@node` for connections to other nodes."""

    def service_subscribers(
        self, namespace: str, group: str, service: str
    ) -> list[tuple[str, str, int, str, str, str]]:
        """Client id, ip, port, agent, application and clusters each, over connections to this node."""

    def config_listeners(self, namespace: str, group: str, data_id: str) -> list[tuple[str, str]]:
        """Ip and the md5 that it holds each, over connections to this node."""

    def config_listened(self, ip: str) -> list[tuple[str, str, str, str]]:
        """Namespace, group, data id and the md5 that is held each, by the clients at an ip."""

    def service_digest(self, namespace: str, group: str, service: str) -> bytes | None:
        """16 bytes over the effective list, or None for an unknown service."""

    # Addresses that beat over HTTP, shared among the members of a cluster.
    def distro_set_members(self, node_ids: Sequence[str], *, own_id: str | None = None) -> None:
        """From now on these nodes share the addresses, this one always among them; with no other, all are handled
        here, as before the first call. `own_id`: stays what it was if it is not given; ValueError if it never was."""

    def distro_responsible(self, ip: str, port: int) -> str:
        """The id of the node that handles an address; "" as long as no members were set."""

    def serve_forwarded(self, request: bytes, remote_ip: str, now_ms: int) -> bytes:
        """Handles a request of a `Misplaced` event of another node here and now, whoever is responsible for its
        address; that node has authorized it. Gives the whole HTTP answer. ValueError: it is no such request."""

    def handle_here(self, connection: int, call: int, now_ms: int) -> None:
        """Handles a misplaced request here after all."""

    def reply_raw(self, connection: int, call: int, response: bytes) -> None:
        """Answers a misplaced request by what `serve_forwarded` gave at the other node. ValueError: it is no such
        answer, and the client still waits."""

    # What nodes of a cluster tell each other of ephemeral publications. Batches, versions and what is wanted are bytes
    # for the same methods of another node's hub: ValueError if they are none, and nothing has changed then. A holder is
    # one run of a node: its id, and a number that rises with every start.
    def distro_open(self, node_id: str, boot: int) -> None:
        """From now on this node's publications are noted. ValueError if any was made before."""

    def distro_leave(self) -> None:
        """This node stops: from now on nothing is noted, so that others keep what its connections take with them."""

    def distro_take_changes(self, bytes_max: int) -> bytes | None:
        """A batch of own records and removals that changed since the last call, each as it is now: about so many bytes,
        and at least one record. None: nothing more."""

    def distro_apply(self, batch: bytes, now_ms: int) -> DistroApplied:
        """Takes in what is newer than what is known here. A batch of another node is all that it may be given."""

    def distro_load(self, after: bytes, bytes_max: int) -> tuple[bytes, bytes]:
        """A batch of records of all holders for a node that starts, and the cursor after which to go on: b"" at the
        beginning, and at the end."""

    def distro_forget_removals(self, now_ms: int, up_to_revision: int) -> int:
        """Forgets own removals up to a revision that all live members have seen, and those of others after a minute.
        To be called every few seconds. Gives how many."""

    def distro_digests(self, node_id: str, boot: int, parent: int) -> bytes:
        """64 digests of 16 bytes: those of the 64 nodes below the root (`parent` -1), or of the 64 leaves below a node.
        Leaf 64 * n + l is the l-th below node n. Zeros for a holder that is not known."""

    def distro_versions(self, node_id: str, boot: int, leaves: list[int]) -> bytes:
        """What is held of the records in these leaves, for `distro_differences` of another node: 28 bytes a record."""

    def distro_differences(self, node_id: str, boot: int, leaves: list[int], theirs: bytes) -> DistroDifferences:
        """Compares `theirs`, the versions of another node, with what is held here."""

    def distro_records(self, node_id: str, boot: int, wanted: bytes) -> bytes:
        """A batch of the records that another node asks for, as far as they are still there, of about 4 MiB at most:
        the next comparison finds the rest."""

    def distro_drop_surplus(self, node_id: str, boot: int, leaves: list[int], theirs: bytes, now_ms: int) -> int:
        """Drops the records in these leaves that the holder has not got, by the versions that *it* gave. What it
        changed since then stays. Gives how many were dropped."""

    def distro_holders(self) -> list[DistroHolder]:
        """This node's own run first, then the others in the order of their ids."""

    def distro_adopt(self, node_id: str, boot: int, now_ms: int) -> int:
        """Takes over those addresses of a holder that this node is responsible for; their beats are timed from now.
        Gives how many records."""

    def distro_drop(self, node_id: str, boot: int, now_ms: int, *, with_addresses: bool = False) -> int:
        """Drops what connections to a holder published that is gone for good, and forgets the holder once nothing of it
        is left. Gives how many records. If it lives after all, they come back when digests are compared.
        `with_addresses`: its addresses, too, which nobody has adopted."""

    def distro_publishers(self, namespace: str, group: str, service: str) -> list[DistroPublisher]:
        """All ephemeral publications of a service, the oldest known here first."""

    # Configs. The caller gives normalised namespaces.
    def put_config(
        self,
        namespace: str,
        group: str,
        data_id: str,
        content: bytes,
        *,
        type: str,
        now_ms: int,
        encrypted_data_key: str = "",
        description: str | None = None,
        application: str | None = None,
        tags: str | None = None,
        use: str | None = None,
        effect: str | None = None,
        schema: str | None = None,
        source_user: str | None = None,
        source_ip: str | None = None,
    ) -> str:
        """Gives the md5."""

    def get_config(self, namespace: str, group: str, data_id: str) -> ConfigView | None: ...
    def kept_schema(self, namespace: str, group: str, data_id: str, type: str) -> tuple[str, str] | None:
        """Type and schema that a publication of this type keeps if it says nothing of a schema; None: there is none."""

    def remove_config(
        self,
        namespace: str,
        group: str,
        data_id: str,
        *,
        now_ms: int,
        source_user: str | None = None,
        source_ip: str | None = None,
    ) -> bool:
        """Whether there was one."""

    def roll_back_config(
        self,
        namespace: str,
        group: str,
        data_id: str,
        event_id: int,
        *,
        now_ms: int,
        source_user: str | None = None,
        source_ip: str | None = None,
    ) -> tuple[str | list[str] | None, bool]:
        """Makes it what it was before the event: the md5, or None if it was not there; and whether that is a change.
        Or a refusal, [kind, words], as of `put_configs`: it would be over a quota.

        ValueError: that is not one of its events."""

    def describe_config(
        self,
        namespace: str,
        group: str,
        data_id: str,
        *,
        description: str | None,
        tags: str | None,
        now_ms: int,
        source_user: str | None = None,
        source_ip: str | None = None,
    ) -> bool:
        """Sets description and tags, and leaves the content as it is: None leaves one of them, too, and an empty text
        takes it away. Whether there is such a config."""

    def config_md5(self, namespace: str, group: str, data_id: str) -> str:
        """Empty if there is no such config."""

    def config_count(self, namespace: str | None = None) -> int:
        """Of one namespace, or of all."""

    def set_config_quotas(
        self,
        quotas: Sequence[tuple[str, str, int, int]],
        *,
        enforced: bool,
        cluster_count: int,
        namespace_count: int,
        content_bytes: int,
    ) -> None:
        """Sets all quotas of configs: (namespace, group, count, bytes) for each that has its own, a namespace having no
        group, and 0 saying nothing; and what holds for all others. What is there stays, however much it is."""

    def config_quota(self, namespace: str, group: str | None = None) -> tuple[int, int, int]:
        """Of a namespace or of a group of one: how many configs it has, how many it may have, and how many bytes each
        of them, whether that is enforced or not."""

    def search_configs(self, search: ConfigSearch) -> bool:
        """Carries on with a search for less than a millisecond; whether it is done."""

    # Gray releases. What refuses is an outcome, [kind, words]: "cas" and "grays" (too many), "absent", or a quota.
    def publish_gray(
        self,
        namespace: str,
        group: str,
        data_id: str,
        name: str,
        priority: int,
        kind: str,
        rule: str,
        content: bytes,
        type: str,
        *,
        now_ms: int,
        cas_md5: str = "",
        encrypted_data_key: str = "",
        application: str | None = None,
        source_user: str | None = None,
        source_ip: str | None = None,
    ) -> str | list[str]:
        """Stores a release under its name; an empty type is that of the formal version. Gives its md5. ValueError: the
        rule cannot be read."""

    def remove_gray(
        self,
        namespace: str,
        group: str,
        data_id: str,
        name: str,
        *,
        now_ms: int,
        source_user: str | None = None,
        source_ip: str | None = None,
    ) -> bool: ...
    def promote_gray(
        self,
        namespace: str,
        group: str,
        data_id: str,
        name: str,
        *,
        now_ms: int,
        cas_md5: str = "",
        source_user: str | None = None,
        source_ip: str | None = None,
    ) -> str | list[str]:
        """Makes what a release holds the formal version, and removes the release. Gives the md5."""

    def grays(self, namespace: str, group: str, data_id: str) -> list[GrayView]:
        """The releases of one config in the order in which they are tried."""

    def gray_count(self) -> int:
        """The releases of all configs."""

    def config_for(
        self,
        namespace: str,
        group: str,
        data_id: str,
        *,
        client_ip: str,
        tag: str | None = None,
        by_tag: bool = False,
    ) -> tuple[ConfigView, GrayView | None] | None:
        """What a client of HTTP gets, and of which release. `by_tag`: it asks for its tag, and for nothing else."""

    def config_md5_for(
        self, namespace: str, group: str, data_id: str, *, client_ip: str, tag: str | None = None
    ) -> str:
        """The md5 of that, without asking for the tag; empty if it is nothing."""

    # What happened to configs. Times must never go back from one change to the next.
    def config_history(
        self, namespace: str, group: str, data_id: str, skip_count: int, count: int
    ) -> tuple[int, list[HistoryEvent]]:
        """How many events there are of a key, and some of them, the newest first."""

    def history_event(self, id: int) -> HistoryEvent | None: ...
    def history_event_before(self, namespace: str, group: str, data_id: str, id: int) -> HistoryEvent | None:
        """The event of the key before this one. The id of the config itself stands for what comes next."""

    @property
    def last_event_id(self) -> int:
        """Of the newest event there ever was; 0: none. Ids of configurations are those of the events that made them."""

    def history_size(self) -> tuple[int, int]:
        """How many events there are, and about how many bytes they take beside what the configs take."""

    def old_history(self, before_ms: int, keep_count: int, after_id: int, look_count: int) -> tuple[int, int]:
        """How many events ``trim_history`` would forget, and what it would give."""

    def trim_history(self, before_ms: int, keep_count: int, after_id: int, look_count: int) -> int:
        """Forgets what is older, but not the last events of a config that exists. Looks at some events after the one
        named, and gives the last one it looked at; 0: there is nothing more to look at."""

    def put_configs(self, publications: Sequence[Publication]) -> tuple[Sequence[str | list[str]], Sequence[int]]:
        """Stores one after the other. Gives the outcome of each, and the positions of those that changed a content.

        An outcome is the md5, or a refusal, [kind, words]: "exists" where there is a config that must not be there,
        "cas" where there is one of another md5 than the one named, "refused" where the publication makes no sense,
        "quota.cluster", "quota.namespace", "quota.group" and "quota.size" where it would be too much."""

    # Snapshots of configs with their history and persistent instances.
    def freeze(self) -> Frozen:
        """What both are now. It shares the contents, so it takes little time and memory."""

    def restore_snapshot(self, data: bytes, now_ms: int) -> list[tuple[str, str, str]]:
        """Replaces both by what `Frozen.encode` wrote, and answers the configs whose content is not what it was.
        ValueError says what is wrong; nothing has changed then.

        Reading it takes longest, and needs neither the stores nor the interpreter: call it from a worker thread if it
        is large and others want to go on."""

    def set_ready(self, ready: bool) -> None:
        """While not ready, gRPC answers that the server is starting and HTTP requests all come up."""

    # For a driver with a task for each stream.
    def open(self, remote_ip: str, remote_port: int, *, grpc: bool, now_ms: int) -> int:
        """OSError if there are too many connections."""

    def feed(self, connection: int, data: bytes, now_ms: int) -> list[Event]: ...
    def end_of_input(self, connection: int, now_ms: int) -> list[Event]: ...
    def closed(self, connection: int, now_ms: int) -> list[Event]:
        """The driver has closed the stream."""

    def take_output(self, connection: int) -> bytes: ...
    def wants_close(self, connection: int) -> bool:
        """To be closed once its output is written."""

    def take_dirty(self) -> list[int]:
        """Streams that have output to write or want to be closed."""

    def take_events(self) -> list[Event]: ...

@final
class Reactor:
    """The pump: owns the sockets of one hub and moves the bytes of all of them in one call."""

    def __new__(cls, hub: Hub) -> Reactor: ...
    def listen(self, fd: int, *, grpc: bool) -> None:
        """Accepts from a bound, listening socket, whose descriptor is duplicated. With `grpc=False` HTTP/1.1 and
        gRPC by prior knowledge are told apart by their first bytes."""

    def fileno(self) -> int:
        """Readable when there is something to do."""

    def turn(self, now_ms: int, budget_us: int) -> list[Event]:
        """Accepts, reads, answers and writes until nothing is ready or the budget is used up. Releases the GIL."""

    def flush(self, now_ms: int) -> None:
        """Writes what answers and pushes have queued since."""

    @property
    def more(self) -> bool:
        """Work was left: turn again without waiting."""

    @property
    def connection_count(self) -> int: ...
    def stop_listening(self) -> None: ...
    def close(self, now_ms: int) -> None:
        """Closes every connection after one last attempt to write what it has."""

# --- the log -----------------------------------------------------------------------------------------------------

class LogError(Exception):
    """The log refuses an operation, or the disk does; the log is as it was before."""

class LogCorrupt(LogError):
    """Bytes that had been synced are not what was written; the message names the file and the offset."""

class LogLocked(LogError):
    """Another process has the data folder; the message names it."""

class LogFailed(LogError):
    """A write or a sync failed: the log is failed for good and refuses everything."""

@final
class Appended:
    """The log agrees with the leader's up to `last_index`."""

    __match_args__ = ("last_index",)
    def __new__(cls, last_index: int) -> Appended: ...
    @property
    def last_index(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class Conflict:
    """The entry at `prev_index` has another term, which starts at `first_index`; both are None where the log ends
    (at `last_index`) before `prev_index`."""

    __match_args__ = ("term", "first_index", "last_index")
    def __new__(cls, term: int | None, first_index: int | None, last_index: int) -> Conflict: ...
    @property
    def term(self) -> int | None: ...
    @property
    def first_index(self) -> int | None: ...
    @property
    def last_index(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class Synced:
    """What is durable: the entries up to `index`, and every operation up to `ticket`."""

    __match_args__ = ("index", "ticket")
    def __new__(cls, index: int, ticket: int) -> Synced: ...
    @property
    def index(self) -> int: ...
    @property
    def ticket(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class Log:
    """The replicated log of one node: entries, hard state and snapshots, durable in the order in which they came."""

    @staticmethod
    def open(directory: str | PathLike[str], *, segment_bytes: int | None = None, unsafe_no_sync: bool = False) -> Log:
        """Opens the log in a folder, or creates it; a segment holds 64 MiB unless told otherwise.

        With `unsafe_no_sync` nothing survives a power cut: for measurements only.

        Raises LogLocked where another process has it, and LogCorrupt where it is damaged other than by a torn write."""
    @staticmethod
    def in_memory() -> Log:
        """A log that is kept nowhere; everything is durable at once."""
    @staticmethod
    def open_simulated(
        disk: SimulatedDisk, *, segment_bytes: int | None = None, cache_bytes: int | None = None, salt: int
    ) -> Log:
        """Opens the log on a simulated disk, or creates it. It has no thread, and nothing depends on chance but what
        the disk's seed and the `salt` (a random number, for the checksums of a new log) decide.

        Nothing is written except by `begin_sync` and `complete_sync`; `sync` and `close` do both at once, and
        `save_snapshot` writes at once. `fileno` raises LogError: nobody would raise the descriptor. A log that is
        dropped without `close` writes nothing; once the power was cut or the process killed, no call does."""
    def begin_sync(self) -> bool:
        """Takes what has gathered as the group that is under way; False when there is nothing, or one is under way.

        Only for a simulated log, as `complete_sync`: LogError for any other."""
    def complete_sync(self) -> None:
        """Writes and syncs the group that is under way, if one is; `poll` says then what is durable.

        Raises LogFailed when that fails; the log is failed for good then."""
    @property
    def has_work(self) -> bool:
        """Whether something waits to be written and nothing is under way."""
    @property
    def recovery_report(self) -> str | None:
        """What recovery cut, in words."""
    @property
    def first_index(self) -> int:
        """The first entry that can be read; one more than `last_index` when there is none."""
    @property
    def last_index(self) -> int:
        """The last entry, or the last one compacted away; 0 in a new log."""
    @property
    def last_term(self) -> int: ...
    @property
    def synced_index(self) -> int: ...
    @property
    def committed_index(self) -> int:
        """What was declared committed. After a restart: what the last synced group says of it, or the snapshot."""
    @property
    def ticket(self) -> int:
        """The newest operation handed in (entries, a cut, a hard state): durable once `poll().ticket` reaches it."""
    @property
    def term(self) -> int: ...
    @property
    def vote(self) -> str: ...
    @property
    def snapshot_index(self) -> int: ...
    @property
    def snapshot_term(self) -> int: ...
    def set_hard_state(self, term: int, vote: str) -> int:
        """Sets term and vote; durable once `poll()` has answered a ticket that is not below the one returned here."""
    def append(self, term: int, payloads: Sequence[bytes]) -> int:
        """Appends entries of one term, as a leader does; answers the new last index."""
    def try_append(self, prev_index: int, prev_term: int, entries: Sequence[tuple[int, bytes]]) -> Appended | Conflict:
        """Appends what a leader sent, (term, payload) each, if the log agrees with the leader's at `prev_index`.

        Entries that are there already are kept; the first that differs cuts the log there. Raises LogError, and changes
        nothing, where that would replace a committed entry."""
    def try_append_packed(self, prev_index: int, prev_term: int, packed: bytes) -> Appended | Conflict:
        """Like `try_append`, with entries that `pack` of another log has made.

        Raises ValueError, and changes nothing, where the bytes are malformed."""
    def commit(self, index: int) -> None:
        """Declares the entries up to `index` committed: an attempt to replace them is refused from then on.

        It is written down with the next group that is synced, whatever that holds."""
    def mark_commit(self) -> int:
        """Has the commit index written down now, though nothing else may be to write; for a clean stop.

        Answers the ticket of that."""
    def slice(self, first: int, last: int, max_bytes: int) -> list[tuple[int, int, bytes]]:
        """The entries from `first` to `last`, (index, term, payload) each: at least one, and what fits `max_bytes`.

        It may end early: ask again for the rest. Entries that are no longer in memory are read from the disk."""
    def pack(self, first: int, last: int, max_bytes: int) -> tuple[int, bytes]:
        """The entries from `first` to `last` in one blob for `try_append_packed`: at least one, and what fits into
        `max_bytes`. Answers the last index that was packed, and the blob. With `last` = `first` - 1 it is empty."""
    def indexes_starting_with(self, byte: int, first: int, last: int) -> list[int]:
        """The entries from `first` to `last`, as far as they are there, whose payload starts with the byte.

        No entry is read for it."""
    def last_index_of_term(self, term: int) -> int | None:
        """The last entry of exactly this term that the log holds, or has compacted away last."""
    def term_at(self, index: int) -> int | None:
        """The term of an entry, of the last one compacted away, or of the snapshot's last; None for any other index."""
    def fileno(self) -> int:
        """A descriptor that is readable when a sync completed or failed, until `poll()`."""
    def poll(self) -> Synced:
        """What is durable now; makes the descriptor unreadable. Raises LogFailed after a failed sync."""
    def sync(self, timeout_ms: int = 60000) -> None:
        """Waits until everything that was appended so far is durable."""
    def save_snapshot(self, index: int, term: int, data: bytes) -> None:
        """Makes a snapshot durable, in place of the one before. It blocks: call it from a worker thread.

        A log that does not agree with it (it ends before `index`, or has another term there) starts over behind it."""
    def load_snapshot(self) -> tuple[int, int, bytes] | None:
        """Index, term and data of the last snapshot, every byte checked."""
    def compact(self, index: int) -> None:
        """Forgets the entries up to `index`, which the last snapshot must cover."""
    def close(self) -> None:
        """Syncs what is left, ends the writer and gives the folder free. Closing twice is fine."""

@final
class SimulatedDisk:
    """A disk in memory that does what real ones do at their worst, replayable from a seed.

    What was written is in the page cache until it is synced; now and then a sector reaches the disk before that."""

    def __new__(cls, seed: int) -> SimulatedDisk: ...
    def set_faults(
        self,
        *,
        stop_at_operation: int | None = None,
        fail_sync: int | None = None,
        capacity_bytes: int | None = None,
    ) -> None:
        """Says what is to go wrong from now on; counting starts anew. A crash ends it.

        `stop_at_operation`: from this call on (counted from 0) everything fails, as if the machine had stopped; a write
        gets half through. `fail_sync`: this sync of a file (counted from 1) fails, and its pages are lost at the next
        power cut, though they can be read until then. `capacity_bytes`: what all files together may have."""
    @property
    def operations(self) -> int:
        """How many calls there were since `set_faults`."""
    def cut_power(self) -> None:
        """What was not synced is there or not, sector by sector. A log that was open is dead."""
    def kill_process(self) -> None:
        """What was written stays, synced or not. A log that was open is dead."""
    def files(self) -> list[tuple[str, int]]:
        """Name and length of each file, by name."""
    def flip_bit(self, name: str, byte: int, bit: int) -> None:
        """Flips one bit of a file, on the disk and in the page cache. ValueError if there is no such file."""

def unpack(packed: bytes) -> list[tuple[int, bytes]]:
    """Term and payload of each entry of a blob that `Log.pack` has made. ValueError where it is malformed."""

# --- the client's side -------------------------------------------------------------------------------------------

@final
class ClientMessage:
    """A message from the server: the answer to a call, or a push on the stream."""

    @property
    def call(self) -> int: ...
    @property
    def type(self) -> str:
        """The simple class name that says what the body is."""
    @property
    def body(self) -> bytes:
        """JSON."""

@final
class ClientEnded:
    """A call is over, after its last message."""

    @property
    def call(self) -> int: ...
    @property
    def status(self) -> int:
        """A code of gRPC; 0 is success."""
    @property
    def message(self) -> str: ...

@final
class ClientGoingAway:
    """The server takes no new calls on this connection; those that it has accepted go on."""

    @property
    def reason(self) -> str: ...

@final
class ClientClosed:
    """The connection ended, and every call with it: the last event."""

    @property
    def reason(self) -> str | None:
        """What went wrong; None for an orderly end."""

@final
class GrpcClient:
    """One gRPC connection to a server, without its socket: calls and received bytes in, messages and bytes out.

    What a method led to is written by sending `take_output()`."""

    def __new__(cls, authority: str) -> GrpcClient:
        """`authority` is `host:port` of the server."""
    def call(self, type: str, headers: Mapping[str, str], body: bytes) -> int | None:
        """Makes a unary call with a Nacos payload. None: the connection takes no more calls."""
    def open_stream(self) -> int | None:
        """Opens the stream for pushes and their acknowledgements. None: the connection takes no more calls."""
    def send(self, stream: int, type: str, headers: Mapping[str, str], body: bytes) -> None:
        """Sends a Nacos payload on the stream. Dropped if the stream is over."""
    def cancel(self, call: int) -> None:
        """Forgets a call, whose answer is not wanted any more."""
    def feed(self, data: bytes) -> list[ClientMessage | ClientEnded | ClientGoingAway | ClientClosed]:
        """Takes received bytes; answers what happened. ValueError: the server sent a message that is no payload."""
    def closed_by_peer(self) -> list[ClientMessage | ClientEnded | ClientGoingAway | ClientClosed]:
        """The server will send no more."""
    def take_output(self) -> bytes:
        """The bytes to send."""
