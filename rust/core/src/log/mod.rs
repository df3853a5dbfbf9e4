//! The replicated log: segment files with a checksum per record, hard state and entries in one durable order, snapshots.
//!
//! - [`Log`] is the log without a thread; [`Writer`] does what it hands out. A simulation drives the two itself.
//! - [`SharedLog`] adds the one writer thread and a descriptor to wait for (group commit), or has its caller say when to
//!   write.
//! - [`Disk`] is what both stand on: [`RealDisk`], or [`SimulatedDisk`], which loses, tears, flips and fails.

mod by_hand;
mod cache;
mod disk;
mod error;
mod index;
mod packed;
mod read;
mod real_disk;
mod record;
mod recover;
mod segment;
mod shared;
mod signal;
mod simulated_disk;
mod simulated_file;
mod snapshot;
mod state;
mod storage;
#[cfg(test)]
mod tests;
mod writer;

pub use disk::{Disk, DiskFile};
pub use error::LogError;
pub use packed::{Packed, unpack};
pub use read::{DiskReading, Gather, Reading, Slice};
pub use real_disk::RealDisk;
pub use recover::Options;
pub use shared::SharedLog;
pub use simulated_disk::{Faults, SimulatedDisk};
pub use snapshot::{Snapshot, SnapshotFailure, SnapshotSource, SnapshotWork};
pub use state::{Appending, HardState, Log, SnapshotId, Synced, Work};
pub use writer::Writer;
