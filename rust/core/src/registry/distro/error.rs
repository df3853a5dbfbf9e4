//! Why something about replicated publications cannot be done.

use super::super::binary::SnapshotError;
use crate::limits::{DISTRO_HOLDERS_COUNT_MAX, DISTRO_NODE_ID_BYTES_MAX};

/// Nothing has changed where this is the answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DistroError {
    /// Bytes of another node that are not what they should be.
    #[error("what another node sent cannot be read: {0}")]
    Unreadable(#[from] SnapshotError),
    /// More runs of nodes than one cluster can have.
    #[error("publications of more than {DISTRO_HOLDERS_COUNT_MAX} runs of nodes are not kept")]
    TooManyHolders,
    /// The id of a node is too long.
    #[error("the id of a node has at most {DISTRO_NODE_ID_BYTES_MAX} bytes, this one has {0}")]
    NodeIdTooLong(usize),
    /// Publications are replicated from the first one on, or not at all.
    #[error("publications are replicated already, or some were made before that")]
    TooLate,
    /// Replication was not begun.
    #[error("this node replicates no publications")]
    NotOpen,
    /// No such place in the tree of digests.
    #[error("there is no leaf or node {0} in the tree of digests")]
    NoSuchPlace(usize),
    /// A cursor that was not given out.
    #[error("a cursor has 4 bytes, or none at the beginning, this one has {0}")]
    Cursor(usize),
}
