//! The pure core of nacos-core: the replicated log, the stores, the wire engines and the reactor.
//!
//! Nothing here knows of Python. Only `reactor` owns sockets, only the log's writer owns a thread, and wall time
//! always comes in as an argument.

pub mod configs;
pub mod grpc;
pub mod http1;
pub mod limits;
pub mod log;
pub mod reactor;
pub mod registry;
pub mod serve;
