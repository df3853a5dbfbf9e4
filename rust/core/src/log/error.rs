//! What can go wrong with the log, each with a message that says where and what to do.

use std::io;

/// An error of the log. Everything but `Failed` and `Io` leaves the log as it was.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The disk refused an operation. While writing, this fails the log for good.
    #[error("cannot {action} {path}: {source}")]
    Io { action: &'static str, path: String, source: io::Error },
    /// Bytes that had been synced are not what was written. Never repaired silently: an acknowledged entry may be gone.
    #[error(
        "{path} is damaged at offset {offset}: {what}. It had been synced, so acknowledged entries may be lost; \
         restore the folder from a backup, or empty it and let the node fetch everything from its cluster"
    )]
    Damaged { path: String, offset: u64, what: String },
    /// Another process has the folder.
    #[error("{path} is in use by {holder}; stop it first, or give this node a data folder of its own")]
    Locked { path: String, holder: String },
    /// An earlier write or sync failed; what is on the disk is unknown, so nothing more may be promised.
    #[error("the log stopped for good after a failed write: {cause}. Restart the node once the disk is in order")]
    Failed { cause: String },
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
    /// A terms sequence that goes down, or a hard state that does.
    #[error("term {term} cannot follow term {after}")]
    TermWentBack { term: u64, after: u64 },
    /// A second vote in one term would let two leaders be elected.
    #[error("the vote of term {term} was given to {given:?} and cannot be changed to {wanted:?}")]
    VoteChanged { term: u64, given: String, wanted: String },
    /// The caller would overwrite what it declared committed.
    #[error("entry {index} conflicts, but entries up to {committed} are committed and may not be replaced")]
    Committed { index: u64, committed: u64 },
    /// An index that the log does not reach, or that it has not compacted yet.
    #[error("index {index} is outside {first}..={last}")]
    OutOfRange { index: u64, first: u64, last: u64 },
    /// Compaction beyond the last snapshot would lose entries.
    #[error("cannot compact to {index}: the last snapshot ends at {snapshot}")]
    BeyondSnapshot { index: u64, snapshot: u64 },
    /// A snapshot older than the one at hand.
    #[error("a snapshot at {index} would go back behind the one at {snapshot}")]
    SnapshotWentBack { index: u64, snapshot: u64 },
    /// A payload or a vote that is longer than the limit.
    #[error("{what} of {length} bytes is longer than the limit of {limit} bytes")]
    TooLong { what: &'static str, length: usize, limit: usize },
    /// `begin_sync` and `complete_sync` are for logs that were opened without a writer.
    #[error("the log has a writer of its own, or no disk; only a simulated log is synced by hand")]
    NotByHand,
    /// Nobody raises the descriptor of a log without a writer.
    #[error("a log that is synced by hand has no descriptor to wait for")]
    NoDescriptor,
    /// Bytes that no `pack` has made.
    #[error("the packed entries are malformed at byte {offset}: {what}")]
    Malformed { offset: usize, what: &'static str },
    /// Waiting for the disk took longer than the caller allowed.
    #[error("the log was not synced within {timeout_ms} ms")]
    Timeout { timeout_ms: u64 },
}

impl LogError {
    /// Wraps an error of the operating system with what was tried, on what.
    pub(crate) fn io(action: &'static str, path: String, source: io::Error) -> Self {
        LogError::Io { action, path, source }
    }
}
