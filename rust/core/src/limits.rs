//! Every limit of the core, named with its unit last. The Python side reads them from here.

/// Longest HTTP/1.1 request line plus headers.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Most header lines of one HTTP/1.1 request.
pub const HEADERS_COUNT_MAX: usize = 100;
/// Longest HTTP/1.1 request body: a 10 MiB config, percent-encoded at worst three to one, plus room for the rest.
pub const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// What clients may have sent, over all connections, that is not answered yet: a request is read before it is known who
/// asks, so that anybody could fill the memory with many large ones. Above it those who send more of one are let go.
pub const INPUT_BYTES_MAX: usize = 512 * 1024 * 1024;
/// Whoever has sent no more than this is not let go for it.
pub const INPUT_SMALL_BYTES: usize = 64 * 1024;
/// Longest gRPC message, as the existing server's default (protocol/grpc.md section 1).
pub const GRPC_MESSAGE_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Most gRPC calls that one connection may have open at once.
pub const GRPC_STREAMS_COUNT_MAX: u32 = 1024;
/// Output waiting on one connection above which nothing more is read from it.
pub const OUTPUT_HIGH_WATER_BYTES: usize = 1024 * 1024;
/// Output waiting on one connection above which a slow reader is disconnected.
pub const OUTPUT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Milliseconds after which a connection whose peer has taken nothing of its output is dropped with it.
pub const STALLED_CONNECTION_MS: u64 = 30_000;
/// Most client connections of one node.
pub const CONNECTIONS_COUNT_MAX: usize = 100_000;
/// Bytes of a following request that an HTTP/1.1 connection buffers beyond one request of the largest size.
pub const READ_AHEAD_BYTES_MAX: usize = 256 * 1024;
/// Input buffer that an idle HTTP/1.1 connection may keep.
pub const INPUT_IDLE_BYTES_MAX: usize = 4 * 1024;
/// Header slots that an idle HTTP/1.1 connection may keep.
pub const HEADERS_IDLE_COUNT_MAX: usize = 16;
/// Longest size line of one chunk, extension included.
pub const CHUNK_LINE_BYTES_MAX: usize = 1024;
/// Most query and form parameters of one HTTP/1.1 request.
pub const PARAMS_COUNT_MAX: usize = 1000;
/// Bytes that a client may send on one gRPC call before it must wait for a window update.
pub const GRPC_STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// Bytes that a client may send on one gRPC connection before it must wait for a window update.
pub const GRPC_CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// Longest header block of one gRPC call, as sent, compressed.
pub const GRPC_HEADERS_BYTES_MAX: usize = 16 * 1024;
/// Most frames that one header block may be spread over.
pub const GRPC_HEADERS_FRAMES_COUNT_MAX: usize = 16;
/// Header compression table that a gRPC client may fill; the size that HTTP/2 begins with.
pub const GRPC_HEADER_TABLE_BYTES_MAX: usize = 4096;
/// How many more gRPC calls a client may reset, or have reset by its mistakes, than it lets be answered.
pub const GRPC_RESETS_COUNT_MAX: u32 = 1000;
/// Bytes of messages that are not whole yet, over all calls of one gRPC connection.
pub const GRPC_PARTIAL_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Longest text of a gRPC status, percent-encoded.
pub const GRPC_STATUS_MESSAGE_BYTES_MAX: usize = 1024;
/// Output buffer that an idle gRPC connection may keep.
pub const GRPC_OUTPUT_IDLE_BYTES_MAX: usize = 4 * 1024;
/// Milliseconds between the beats of a 1.x client that asks for nothing else (protocol/semantics.md section 1).
pub const BEAT_INTERVAL_MS_DEFAULT: u64 = 5_000;
/// Milliseconds without a beat after which an instance is unhealthy, unless its metadata says otherwise.
pub const BEAT_TIMEOUT_MS_DEFAULT: u64 = 15_000;
/// Milliseconds without a beat after which an instance is removed, unless its metadata says otherwise.
pub const DELETE_TIMEOUT_MS_DEFAULT: u64 = 30_000;
/// Milliseconds after which an ip:port that publishes nothing any more is forgotten.
pub const IDLE_PUBLISHER_MS: u64 = 180_000;
/// Most late publications that one call of `expire` handles, so that the death of a whole network does not stall the
/// loop that calls it: the rest follows in the next call.
pub const EXPIRED_COUNT_MAX: usize = 4_096;
/// Milliseconds that a client may use an instance list before it asks again.
pub const CACHE_MS: u64 = 10_000;
/// Most rendered views (cluster filter, healthy only) kept per service; a further one replaces the oldest.
pub const VIEWS_COUNT_MAX: usize = 4;
/// Most bytes that all rendered views together keep; past it all are forgotten and rendered anew when asked for.
pub const VIEWS_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Longest names and values of naming, in characters (protocol/semantics.md section 4, "Name rules").
pub const NAMESPACE_CHARACTERS_MAX: usize = 64;
/// As above.
pub const GROUP_CHARACTERS_MAX: usize = 128;
/// As above.
pub const SERVICE_NAME_CHARACTERS_MAX: usize = 512;
/// As above.
pub const CLUSTER_CHARACTERS_MAX: usize = 64;
/// A comma list of clusters in a query.
pub const CLUSTERS_CHARACTERS_MAX: usize = 1024;
/// An address or host name.
pub const IP_CHARACTERS_MAX: usize = 128;
/// An instance id that a client made.
pub const INSTANCE_ID_CHARACTERS_MAX: usize = 1024;
/// All names and values of one instance's metadata together.
pub const METADATA_CHARACTERS_MAX: usize = 1024;
/// Most instances in one batch registration.
pub const BATCH_INSTANCES_COUNT_MAX: usize = 10_000;
/// Most instances of one service that have metadata of their own, there or gone.
pub const OVERLAYS_COUNT_MAX: usize = 100_000;
/// All names and values of the metadata of one service or cluster together.
pub const SERVICE_METADATA_CHARACTERS_MAX: usize = 65_536;
/// Longest expression of a label selector, path and headers of a health check.
pub const EXPRESSION_CHARACTERS_MAX: usize = 4_096;
/// Most keys in one listener request (protocol/semantics.md section 4.2).
pub const LISTEN_KEYS_COUNT_MAX: usize = 10_000;
/// Most patterns that one connection watches, of services and of configs each (protocol/grpc.md section 4.1).
pub const FUZZY_PATTERNS_PER_CONNECTION_MAX: usize = 20;
/// Longest pattern: longer than any name that it could be like. Each push to its watchers repeats it.
pub const FUZZY_PATTERN_CHARACTERS_MAX: usize = 1024;
/// Most different patterns that are watched: each name that comes or goes is compared with all of them.
pub const FUZZY_PATTERNS_COUNT_MAX: usize = 1_000;
/// Most names like one pattern that a watcher is told at first (protocol/grpc.md section 4.1).
pub const FUZZY_MATCHES_COUNT_MAX: usize = 500;
/// How many names are looked at for a new pattern before others get their turn.
pub const FUZZY_LOOKS_COUNT: usize = 2048;
/// Most names that a watcher may say that it knows.
pub const FUZZY_RECEIVED_COUNT_MAX: usize = 10_000;
/// Most services in one page of a service list.
pub const SERVICE_PAGE_COUNT_MAX: usize = 100_000;
/// How many services and instances one piece of a search for services looks at: well below a millisecond's worth.
pub const SERVICE_LOOKS_COUNT: usize = 1024;
/// How many clients are looked at for a list of all of them before others get their turn.
pub const CLIENT_LOOKS_COUNT: usize = 1024;
/// Most access tokens remembered; beyond it those that ended go, then all (they are asked for again).
pub const TOKENS_COUNT_MAX: usize = 100_000;
/// Most events kept of one config. Part of what the log means: all nodes of a cluster must forget the same ones.
pub const HISTORY_EVENTS_PER_KEY_MAX: usize = 100;
/// What the events of all configs may take; above it the oldest go. Part of what the log means, as are the next two.
pub const HISTORY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The last events of each config that exists are kept, whatever they take.
pub const HISTORY_KEEP_COUNT: usize = 10;
/// How many old events are looked at for room when a new one is kept.
pub const HISTORY_LOOKS_PER_EVENT_COUNT: usize = 16;
/// About what an event takes beside the content that it alone holds.
pub const HISTORY_EVENT_BYTES: usize = 400;
/// Longest request of an address that is forwarded to the member that handles it; a longer one, which only a client
/// that pads its parameters sends, is handled where it arrived.
pub const FORWARDED_BYTES_MAX: usize = 64 * 1024;
/// Most runs of nodes whose ephemeral publications are kept: members of a cluster, and earlier runs until they are gone.
pub const DISTRO_HOLDERS_COUNT_MAX: usize = 1024;
/// Longest id of a node that publications are replicated from.
pub const DISTRO_NODE_ID_BYTES_MAX: usize = 255;
/// Milliseconds that another node's removal is remembered: longer than a message can be late.
pub const DISTRO_REMOVAL_MS: u64 = 60_000;
/// Most removals remembered; beyond it the oldest is forgotten, and what comes back is found by comparing digests.
pub const DISTRO_REMOVALS_COUNT_MAX: usize = 500_000;
/// Most publications asked for at once when two nodes differ; the next comparison finds the rest.
pub const DISTRO_WANTED_COUNT_MAX: usize = 10_000;
/// About the most that one answer about differences holds.
pub const DISTRO_BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What one piece of a search may read: well below a millisecond's worth, with the dearest patterns, too.
pub const SEARCH_PIECE_BYTES: usize = 256 * 1024;
/// What it counts for to look at one config, beside its content: about as long as to read so much.
pub const SEARCH_KEY_BYTES: usize = 512;
/// How many configs one piece of a search without a filter leaves out: that takes a little for each, too.
pub const SEARCH_SKIP_COUNT: usize = 16 * 1024;
/// Most gray releases of one config, as the existing server has it.
pub const GRAYS_PER_CONFIG_COUNT_MAX: usize = 10;
/// Most addresses that one gray release goes to.
pub const GRAY_ADDRESSES_COUNT_MAX: usize = 1000;
/// Longest text of the rule of a gray release.
pub const GRAY_RULE_BYTES_MAX: usize = 64 * 1024;
/// Longest tag of a gray release.
pub const GRAY_TAG_CHARACTERS_MAX: usize = 16;
/// Most parts of a label expression.
pub const GRAY_REQUIREMENTS_COUNT_MAX: usize = 16;
/// Most values that a label expression compares one label with.
pub const GRAY_VALUES_COUNT_MAX: usize = 64;
/// Longest name or value in a label expression.
pub const GRAY_LABEL_CHARACTERS_MAX: usize = 128;
/// Most labels kept of what one client says of itself.
pub const CLIENT_LABELS_COUNT_MAX: usize = 64;
/// Longest such label, name and value; what is longer is not kept.
pub const CLIENT_LABEL_BYTES_MAX: usize = 512;
/// Longest time that a 1.x listener request may hang.
pub const LONG_POLL_MS_MAX: u64 = 120_000;
/// What one read takes from a socket at most; a connection with more waits for its next turn.
pub const READ_BYTES_PER_CALL: usize = 64 * 1024;
/// A buffer that has grown beyond this is given back once it is empty.
pub const IDLE_BUFFER_BYTES: usize = 16 * 1024;
/// A written-out buffer larger than this is not kept for others.
pub const SPARE_BUFFER_BYTES_MAX: usize = 256 * 1024;

/// A log segment that has grown to this is followed by a new one.
pub const LOG_SEGMENT_BYTES: u64 = 64 * 1024 * 1024;
/// Longest payload of one log entry: the largest message, with much room.
pub const LOG_ENTRY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Longest vote (the id of a node): the vote fits into the first sector of a segment with all else that is there.
pub const LOG_VOTE_BYTES_MAX: usize = 255;
/// The most recent part of the log that stays in memory; older entries are read from their segments. Small enough for the
/// buffers that it is made of to stay in the cache of a processor.
pub const LOG_CACHE_BYTES: usize = 1024 * 1024;
/// How much is read from a segment at once.
pub const LOG_READ_BLOCK_BYTES: usize = 256 * 1024;
/// Pieces that the log is kept and written in.
pub const LOG_CHUNK_BYTES: usize = 256 * 1024;
/// How much is encoded before its checksums are computed: far enough behind the last store, near enough for the cache.
pub const LOG_CHECKSUM_LAG_BYTES: usize = 8 * 1024;
/// Empty buffers for such pieces that one log keeps for use again.
pub const LOG_SPARE_CHUNKS_COUNT_MAX: usize = 16;
/// How often the log's writer tries to get at the log, with so many pauses of the processor in between (about 1 µs), before
/// it goes to sleep over it.
pub const LOG_LOCK_TRIES_COUNT: usize = 200;
/// See `LOG_LOCK_TRIES_COUNT`.
pub const LOG_LOCK_PAUSES_COUNT: usize = 32;
/// Zeros written ahead of small groups, so that their syncs change no metadata of the file.
pub const LOG_ZERO_AHEAD_BYTES: usize = 256 * 1024;
/// Room on the disk that is reserved behind a group too large for that.
pub const LOG_RESERVE_BYTES: u64 = 16 * 1024 * 1024;
/// Groups above this gain nothing from zeros written ahead.
pub const LOG_ZERO_AHEAD_GROUP_BYTES_MAX: u64 = 64 * 1024;
