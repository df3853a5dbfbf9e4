//! Every limit of the core, named with its unit last. The Python side reads them from here.

/// Longest HTTP/1.1 request line plus headers.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Most header lines of one HTTP/1.1 request.
pub const HEADERS_COUNT_MAX: usize = 100;
/// Longest HTTP/1.1 request body: a 10 MiB config, percent-encoded at worst three to one, plus room for the rest.
pub const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Longest gRPC message, as the existing server's default (protocol/grpc.md section 1).
pub const GRPC_MESSAGE_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Most gRPC calls that one connection may have open at once.
pub const GRPC_STREAMS_COUNT_MAX: u32 = 1024;
/// Output waiting on one connection above which nothing more is read from it.
pub const OUTPUT_HIGH_WATER_BYTES: usize = 1024 * 1024;
/// Output waiting on one connection above which a slow reader is disconnected.
pub const OUTPUT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most client connections of one node.
pub const CONNECTIONS_COUNT_MAX: usize = 100_000;
