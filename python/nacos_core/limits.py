"""Every limit and interval of the Python side, named with its unit last. The core keeps its own in limits.rs."""

from typing import Final

# Requests
TURN_BUDGET_US: Final = 1000
"""How long the core may work before trio's other tasks get their turn."""
LISTEN_BACKLOG_COUNT: Final = 1024
FREE_PAIR_TRIES_COUNT: Final = 200
"""Random free ports tried until port + 1000 is free as well."""
GRPC_PORT_OFFSET: Final = 1000
"""Clients compute the gRPC port as the HTTP port plus this (protocol/grpc.md section 1)."""

# Configuration (protocol/semantics.md section 4)
CONTENT_CHARACTERS_MAX: Final = 10 * 1024 * 1024
DATA_ID_CHARACTERS_MAX: Final = 256
GROUP_CHARACTERS_MAX: Final = 128
NAMESPACE_CHARACTERS_MAX: Final = 64
CONFIG_TAGS_COUNT_MAX: Final = 5
CONFIG_TAG_CHARACTERS_MAX: Final = 64
DESCRIPTION_CHARACTERS_MAX: Final = 128
USE_CHARACTERS_MAX: Final = 32
EFFECT_CHARACTERS_MAX: Final = 32
TYPE_CHARACTERS_MAX: Final = 32
SCHEMA_CHARACTERS_MAX: Final = 32768
GRAY_NAME_CHARACTERS_MAX: Final = 128
HISTORY_KEEP_COUNT: Final = 10
"""The last events of each configuration that exists are kept whatever their age, as the core does."""
HISTORY_DAYS: Final = 30
HISTORY_CHECK_SECONDS: Final = 5.0
HISTORY_TRIM_MS: Final = 10 * 60 * 1000
HISTORY_LOOK_COUNT: Final = 1000
"""Events that one command to trim looks at."""
HISTORY_PAGE_SIZE_MAX: Final = 500
VALIDATION_FAST_CHARACTERS_MAX: Final = 1024 * 1024
"""Contents that are longer are not checked against their type; this holds for JSON, XML and properties."""
VALIDATION_SLOW_CHARACTERS_MAX: Final = 64 * 1024
"""The same for YAML and TOML, which take some microseconds for each line."""
SCHEMA_FAST_BYTES_MAX: Final = 1024 * 1024
"""Contents that are longer are not checked against a JSON Schema; this holds for JSON."""
SCHEMA_SLOW_BYTES_MAX: Final = 256 * 1024
"""The same for YAML and TOML."""
SCHEMA_CPU_SECONDS: Final = 1.0
"""Processor time for one check, reading included, after which the process that does it is ended."""
SCHEMA_MEMORY_BYTES: Final = 512 * 1024 * 1024
"""Address space of that process."""
SCHEMA_ANSWER_SECONDS: Final = 15.0
"""How long an answer of that process is waited for; on a busy machine its processor time takes longer to pass."""
SCHEMA_CHECKS_COUNT_MAX: Final = 64
"""Contents that wait to be checked."""
CONFIG_PAGE_SIZE_MAX: Final = 1000
"""Larger pages are cut to this, and counted so."""
CONFIG_PAGE_BYTES_MAX: Final = 32 * 1024 * 1024
"""The contents on one page of a search; above it a smaller page has to be asked for."""
CONFIG_PAGE_INLINE_BYTES: Final = 256 * 1024
"""Pages with more are written in a worker thread."""
CONFIG_IDS_COUNT_MAX: Final = 10_000
"""Configurations that one request names by their ids."""
ARCHIVE_ENTRIES_COUNT_MAX: Final = 200_000
"""Files in an imported archive."""
ARCHIVE_BYTES_MAX: Final = 256 * 1024 * 1024
"""What an archive may hold unpacked, imported or exported."""
ARCHIVE_PART_BYTES: Final = 128 * 1024
"""About what of an archive is packed and sent before the next part."""
ARCHIVE_PART_COUNT: Final = 256
"""Files that are packed without a look at who else wants a turn."""
ARCHIVE_METADATA_BYTES_MAX: Final = 16 * 1024 * 1024
DIFF_LINES_MAX: Final = 1000
"""Lines between what two contents begin and end with that are compared with one another: it takes their product."""
TARGETS_BYTES_MAX: Final = 48 * 1024 * 1024
TARGETS_LOOK_COUNT: Final = 20
"""Services whose instances are told to Prometheus between two turns of everything else."""
BACKGROUND_COUNT_MAX: Final = 64
"""Searches, exports, imports and the like that go on at once."""
BACKGROUND_TURN_SECONDS: Final = 0.001
"""How long one of them goes on before the others of the node get their turn."""
FOUND_AT_ONCE_COUNT: Final = 64
"""Configurations that were found and are handed on without a look at who else wants a turn."""
CONFIG_LIST_PART_COUNT: Final = 256
"""Configurations in one part of a list of all."""
ANSWER_WHOLE_BYTES: Final = 256 * 1024
"""Answers that grow beyond this are sent in parts."""
ANSWER_AHEAD_BYTES: Final = 1024 * 1024
"""What waits to be taken by a client before the next part is made."""
ANSWER_LOOK_SECONDS: Final = 0.002
"""How often it is looked at whether the client has taken it."""
ANSWER_STALL_SECONDS: Final = 30.0
"""How long a client may take nothing of its answer before it is given up."""
SWITCH_SECONDS: Final = 0.0005
"""How long a worker thread may keep the interpreter while the loop waits for it, in a process that is a node."""
LONG_POLLS_COUNT_MAX: Final = 100_000
LONG_POLL_HANG_MS_MAX: Final = 10 * 60 * 1000

# Quotas of configurations unless a setting says otherwise (docs/quotas.md, protocol/semantics.md section 4, "Size")
QUOTA_CLUSTER_COUNT: Final = 100_000
QUOTA_NAMESPACE_COUNT: Final = 200
QUOTA_CONTENT_BYTES: Final = 100 * 1024
QUOTA_COUNT_MAX: Final = 2**31 - 1
"""The largest quota, of counts and of bytes."""
QUOTAS_COUNT_MAX: Final = 10_000
"""Namespaces and groups with a quota of their own. Part of what the log means."""
QUOTA_CHECK_SECONDS: Final = 1.0
"""How often a node looks whether it leads and has other settings than those that hold."""

# Namespaces (protocol/semantics.md section 5)
NAMESPACE_ID_CHARACTERS_MAX: Final = 128
NAMESPACE_NAME_CHARACTERS_MAX: Final = 256
NAMESPACE_DESCRIPTION_CHARACTERS_MAX: Final = 256

# Locks (protocol/grpc.md section 6)
LOCK_MS_DEFAULT: Final = 30_000
LOCK_MS_MAX: Final = 1_800_000
LOCK_KEY_CHARACTERS_MAX: Final = 256
LOCKS_COUNT_MAX: Final = 100_000
"""Locks held at once. Part of what the log means: all nodes of a cluster must refuse the same one."""
LOCKS_EXPIRED_COUNT: Final = 1000
"""Locks that one command drops, so that no node stands still."""
LOCKS_RELEASED_COUNT: Final = 1000
"""Expiries of locks that were released early, beyond which they are cleared away."""
LOCK_EXPIRY_SECONDS: Final = 1.0

# The log
PROPOSALS_BYTES_MAX: Final = 256 * 1024 * 1024
"""Commands handed to the log and not yet applied; above it writes are refused instead of filling the memory."""
APPLY_ENTRIES_COUNT: Final = 2048
"""Entries applied before other tasks get their turn."""
APPLY_BYTES: Final = 4 * 1024 * 1024
"""Bytes of entries read from the log at once while applying."""
SNAPSHOT_LOG_BYTES: Final = 64 * 1024 * 1024
"""A snapshot is taken once this much was applied since the last one, or twice that one's size if that is more."""

# Pushes (protocol/semantics.md section 3)
PUSH_ACK_TIMEOUT_SECONDS: Final = 5.0
PUSH_RETRY_SECONDS: Final = 1.0
CONFIG_PUSH_ACK_TIMEOUT_SECONDS: Final = 3.0
CONFIG_PUSH_RETRY_STEP_SECONDS: Final = 2.0
CONFIG_PUSH_TRIES_MAX: Final = 50
UDP_ACK_TIMEOUT_SECONDS: Final = 10.0
UDP_SUBSCRIPTION_SECONDS: Final = 180.0
UDP_SUBSCRIPTIONS_COUNT_MAX: Final = 50_000
UDP_DATAGRAM_BYTES_MAX: Final = 65_000
UDP_PLAIN_BYTES_MAX: Final = 1024
"""Datagrams of this size and above are compressed."""

# DNS
DNS_HEADER_BYTES: Final = 12
DNS_PLAIN_UDP_BYTES_MAX: Final = 512
"""What a client takes that does not say more (RFC 1035 section 4.2.1)."""
DNS_UDP_BYTES_MAX: Final = 1232
"""Fits into one packet on every path: the recommendation of the resolvers' makers (DNS flag day 2020)."""
DNS_TCP_BYTES_MAX: Final = 65_535
DNS_ADDRESSES_COUNT_MAX: Final = 16
"""Of a larger service as many are drawn for each answer; so many addresses fit into 512 bytes."""
DNS_TTL_SECONDS: Final = 3
DNS_NEGATIVE_TTL_SECONDS: Final = 1
DNS_CONNECTIONS_COUNT_MAX: Final = 64
DNS_CONNECTION_SECONDS: Final = 10.0
"""How long a TCP client may take for one question."""
DNS_DATAGRAMS_PER_TURN: Final = 8
DNS_TOLD_COUNT_MAX: Final = 100
"""Names that stand for several services, as far as the log tells of them."""

# Liveness
EXPIRY_INTERVAL_SECONDS: Final = 1.0
EMPTY_SERVICE_FIRST_SCAN_SECONDS: Final = 30.0
EMPTY_SERVICE_SCAN_SECONDS: Final = 60.0
EMPTY_SERVICE_UNCHANGED_MS: Final = 60_000
METADATA_SCAN_SECONDS: Final = 5.0
METADATA_KEPT_MS: Final = 60_000
"""How long metadata of an instance or service stays after that is gone (protocol/semantics.md section 1)."""
QUIET_CONNECTION_MS: Final = 90_000
"""HTTP connections that asked nothing, and gRPC connections that were not set up, for so long are closed."""
DETECTION_INTERVAL_SECONDS: Final = 3.0
DETECTION_IDLE_MS: Final = 20_000
DETECTION_ANSWER_SECONDS: Final = 5.0

# Health checks of persistent instances (protocol/semantics.md section 3)
HEALTH_LOOK_SECONDS: Final = 2.0
"""How often it is looked what there is to check."""
HEALTH_LOOK_COUNT: Final = 1000
"""Publishers looked at before other tasks get their turn."""
HEALTH_CHECKS_COUNT_MAX: Final = 256
"""Checks that go on at once."""
HEALTH_CONNECT_SECONDS: Final = 0.5
HEALTH_ANSWER_SECONDS: Final = 0.5
HEALTH_HTTP_HEAD_BYTES_MAX: Final = 4096
HEALTH_MYSQL_SECONDS: Final = 1
HEALTH_MYSQL_COUNT_MAX: Final = 8
"""Each takes a worker thread."""
HEALTH_MYSQL_ROWS_MAX: Final = 100
HEALTH_INTERVAL_MS_MIN: Final = 100
HEALTH_INTERVAL_MS_MAX: Final = 3_600_000
HEALTH_CHECK_TIMES_MAX: Final = 1000

# Switches
PUSH_CACHE_MS_MIN: Final = 1000
BEAT_INTERVAL_MS_MIN: Final = 1000
SWITCH_MS_MAX: Final = 86_400_000

# Watching
OBSERVE_SECONDS: Final = 1.0
"""How long other members are waited for that are asked about their clients; what the rest says is shown then."""
SILENCE_WITHIN_MS: Final = 10_000
SILENCE_SHOWN_COUNT_MAX: Final = 1000

# Authentication
TOKEN_TTL_SECONDS: Final = 18_000
KEY_BYTES_MIN: Final = 32
CREDENTIAL_CHARACTERS_MAX: Final = 1024
LOGINS_WAITING_MAX: Final = 16
"""Logins that may wait for a hash worker; more are told to come back."""
LOGIN_RETRY_SECONDS: Final = 1
PASSWORD_CACHE_SECONDS: Final = 60.0
"""How long a user name and password sent with every request are believed without hashing them again."""
PASSWORD_CACHE_COUNT_MAX: Final = 64
LOGIN_FAILURES_MAX: Final = 10
"""Wrong passwords from one address within the window; then that address waits until the window ends."""
LOGIN_FAILURE_WINDOW_SECONDS: Final = 60.0
LOGIN_ADDRESSES_COUNT_MAX: Final = 10_000

# Peers (the other nodes of the cluster)
PEER_PORT_OFFSET: Final = 1001
"""The port for peers is the HTTP port plus this, unless a member says otherwise."""
PEER_FRAME_BYTES_MAX: Final = 32 * 1024 * 1024
"""The longest frame that is taken from a peer that proved who it is, and the longest that is sent."""
PEER_HANDSHAKE_BYTES_MAX: Final = 4096
"""All that is read of a connection before the other side proved who it is."""
PEER_HANDSHAKE_SECONDS: Final = 2.0
PEER_UNPROVEN_COUNT_MAX: Final = 64
"""Connections that have not proven yet who they are; further ones are closed at once."""
PEER_ACCEPTED_COUNT_MAX: Final = 1024
PEER_DIAL_SECONDS: Final = 2.0
PEER_BACK_OFF_SECONDS_MIN: Final = 0.02
PEER_BACK_OFF_SECONDS_MAX: Final = 1.0
PEER_UNACKNOWLEDGED_MS: Final = 2000
"""A connection whose bytes the other machine does not acknowledge for so long is given up."""
PEER_QUEUE_BYTES_MAX: Final = 64 * 1024 * 1024
"""What may wait for one peer; further messages to it are dropped and counted."""
PEER_QUEUE_COUNT_MAX: Final = 100_000
PEER_SEND_BYTES: Final = 1024 * 1024
"""Queued frames are written together up to about this much at once."""
PEER_RECEIVE_BYTES: Final = 64 * 1024
PEER_CALLS_COUNT_MAX: Final = 1024
"""Questions of one connection that are being answered at once; further ones are refused."""
PEER_CALL_SECONDS: Final = 5.0
PEER_COMPLAINT_SECONDS: Final = 60.0
"""The same complaint about the same host is logged once within this time."""
PEER_COMPLAINTS_COUNT_MAX: Final = 256
CLUSTER_SECRET_CHARACTERS_MIN: Final = 16
CLUSTER_SECRET_BYTES_MAX: Final = 4096

# Addresses that another member handles
FORWARD_SECONDS: Final = 1.0
"""A request that is not answered by then is handled where it is; clients of the protocol give up after 3 s."""
FORWARD_AGE_MS_MAX: Final = 900
"""A forwarded request that may be older is refused, so that none is carried out after its sender has given it up. The
difference to ``FORWARD_SECONDS`` is what two clocks may drift apart from one heartbeat to the next, many times over."""
FORWARD_HANDLED_SECONDS_MAX: Final = 2.0
"""Who stood still for so long while it waited for an answer does not handle the request itself either."""
FORWARDS_COUNT_MAX: Final = 4096
"""Requests on their way to other members; further ones are handled where they are."""

# Stopping
CLOSE_SECONDS: Final = 0.8
"""The whole of a clean stop stays below 1 s."""

# Raft
STALL_SECONDS: Final = 0.15
"""A timer or a sync that is late by this much is told: it is the shortest election timeout."""
STALL_CPU_SECONDS: Final = 0.02
"""How often the processor time is read at most, to tell whether a late timer's process ran meanwhile."""
APPENDS_IN_FLIGHT_MAX: Final = 64
"""Messages with entries that a follower has not answered yet."""
APPEND_BYTES_MAX: Final = 1024 * 1024
"""Entries of one message; one entry alone may be larger."""
SNAPSHOT_PIECE_BYTES: Final = 1024 * 1024
WRITE_WAIT_SECONDS: Final = 2.5
"""How long a write is waited for; clients of the protocol give up after 3 s."""
REMOVED_MEMBERS_SESSIONS_COUNT_MAX: Final = 16
"""Of so many members that were removed it is remembered which of their writes were applied."""
WRITE_RETRY_SECONDS: Final = 0.5
"""A write that was sent to the leader and not heard of is sent again."""
READ_WAIT_SECONDS: Final = 2.5
READ_RETRY_SECONDS: Final = 0.1
UNCOMMITTED_ENTRIES_MAX: Final = 100_000
"""Entries of which no majority has told that it has them; above it a leader takes no more."""
TRAILING_ENTRIES_COUNT: Final = 10_000
"""Entries kept behind a snapshot, for followers that are a little behind."""

# Members
FORMATION_INTERVAL_SECONDS: Final = 0.1
"""How often a node without a cluster asks the others."""
JOINING_PATIENCE_SECONDS: Final = 1.0
"""A node that is not yet certain to be a member and hears no leader for so long asks again to be let in."""
ADDRESS_INTERVAL_SECONDS: Final = 0.5
"""How often a node looks whether the cluster knows its address."""
LEAVE_SECONDS: Final = 0.2
"""How long a node that stops waits until its last word is on the network."""
HAND_OVER_SECONDS: Final = 0.5
"""How long a leader that stops waits for another to lead."""
ADMINISTRATOR_INTERVAL_SECONDS: Final = 0.2
"""How often a node of a cluster looks whether it leads and has a password to set."""

# Distro: who publishes what, on all nodes
DISTRO_HEARTBEAT_SECONDS: Final = 1.0
DISTRO_SUSPICIOUS_SECONDS: Final = 3.0
"""A member that is silent for longer is suspicious: it may be slow, and nothing of it is touched."""
DISTRO_DOWN_SECONDS: Final = 10.0
DISTRO_STALL_SECONDS: Final = 2.5
"""If nothing at all happened here for longer, this node stood still, and the silence was its own."""
DISTRO_VERIFY_SECONDS: Final = 5.0
DISTRO_GATHER_SECONDS: Final = 0.01
"""The first change is sent at once; those within this time after it go together."""
DISTRO_LOAD_SECONDS: Final = 10.0
"""A node that starts serves after so long, whether it could load or not."""
DISTRO_LOAD_RETRY_SECONDS: Final = 0.2
DISTRO_COMPARE_RETRY_SECONDS: Final = 1.0
"""A node that starts compares anew with a member that has not answered for so long."""
DISTRO_CONNECTION_GRACE_SECONDS: Final = 15.0
DISTRO_ADDRESS_GRACE_SECONDS: Final = 30.0
DISTRO_BATCH_BYTES_MAX: Final = 1024 * 1024
"""Records that are sent at once; one record alone may be larger."""
DISTRO_NODES_COUNT: Final = 64
"""Digests below the root, and below each of them (rust/core has the same)."""
DISTRO_LEAVES_COUNT: Final = DISTRO_NODES_COUNT * DISTRO_NODES_COUNT
DISTRO_LEAVES_AT_ONCE: Final = 256
"""Leaves whose records are compared at once, so that no answer becomes too long."""
DISTRO_BEAT_DELETE_SECONDS: Final = 30.0
"""How long the core waits for beats of an instance that says nothing else (protocol/semantics.md section 2)."""

# The client
CLIENT_CONNECT_SECONDS: Final = 3.0
"""For a connection and its introduction; then the next server is tried."""
CLIENT_REQUEST_SECONDS: Final = 5.0
"""How long a request may take unless the program says otherwise, looking for a server included."""
CLIENT_HEALTH_SECONDS: Final = 5.0
"""Between questions whether the server is still there (protocol/grpc.md section 2.1)."""
CLIENT_HEALTH_ANSWER_SECONDS: Final = 3.0
CLIENT_REFRESH_SECONDS: Final = 60.0
"""Listeners and subscriptions are told again after so long, in case a push was lost."""
CLIENT_RETRY_SECONDS: Final = 1.0
"""Before something that a server refused is told to it again in the background."""
CLIENT_SERVICES_SECONDS: Final = 2.0
"""How often a server that does not tell which services come and go is asked."""
CLIENT_BACK_OFF_SECONDS: Final = 0.1
"""After every server was tried in vain; it doubles each time."""
CLIENT_BACK_OFF_SECONDS_MAX: Final = 2.0
CLIENT_TOKEN_LIFE: Final = 0.9
"""The part of a token's life after which it is renewed (protocol/http.md section 4)."""
CLIENT_TOKEN_FRESH_SECONDS: Final = 1.0
"""A token that is refused sooner after it was given is not the reason."""
CLIENT_PAGE_COUNT: Final = 500
"""Configurations asked for at once when all are listed."""
CLIENT_TRANSFER_SECONDS: Final = 300.0
"""Longest silence of the server while an archive is packed or unpacked."""
