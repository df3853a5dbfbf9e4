//! The Python bindings: frozen classes, batched calls, borrowed bytes, errors converted in one place.

mod borrow;
mod clients;
mod configs;
mod distro;
mod errors;
mod events;
mod forwarding;
mod frozen;
mod fuzzy;
mod grays;
mod grpc_client;
mod hub;
mod log;
mod publications;
mod quotas;
mod reactor;
mod search;
mod simulated_disk;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _core {
    use super::*;

    #[pymodule_export]
    use super::configs::{ConfigView, HistoryEvent};
    #[pymodule_export]
    use super::distro::{DistroApplied, DistroDifferences, DistroHolder, DistroPublisher};
    #[pymodule_export]
    use super::errors::{InvalidInstance, KindConflict};
    #[pymodule_export]
    use super::events::{
        ConnectionGone, ConnectionReady, FuzzyWatched, GrpcRequest, HttpRequest, LongPoll, Misplaced,
        PersistentInstance, PushAcknowledged, UdpSubscribed,
    };
    #[pymodule_export]
    use super::frozen::Frozen;
    #[pymodule_export]
    use super::grays::{GrayView, check_gray_rule};
    #[pymodule_export]
    use super::grpc_client::{ClientClosed, ClientEnded, ClientGoingAway, ClientMessage, GrpcClient};
    #[pymodule_export]
    use super::hub::{Hub, parse_metadata, service_key};
    #[pymodule_export]
    use super::log::{Appended, Conflict, Log, LogCorrupt, LogError, LogFailed, LogLocked, Synced, unpack};

    #[pymodule_export]
    use super::reactor::Reactor;
    #[pymodule_export]
    use super::search::{ConfigSearch, ServiceSearch};
    #[pymodule_export]
    use super::simulated_disk::SimulatedDisk;

    /// The version of the core, which is the version of the package.
    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
