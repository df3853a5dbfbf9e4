//! Segment files: their names, and the header that makes each one readable without those before it.
//!
//! The header fills the first sector, which no record shares: a disk writes it whole or not at all, so a header that is
//! neither valid nor blank is damage, never a torn write. It is synced before the first record is written.

use super::record::{SECTOR_BYTES, word64};
use super::state::HardState;
use crate::limits::LOG_VOTE_BYTES_MAX;

/// Where the records of a segment start.
pub(crate) const SEGMENT_HEADER_BYTES: u64 = SECTOR_BYTES as u64;

const MAGIC: &[u8; 8] = b"nacoslog";
const VERSION: u64 = 1;
const FIXED_BYTES: usize = 80;

/// What a segment starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// Consecutive numbers, from 1.
    pub sequence: u64,
    /// The position in the record stream at which the segment starts.
    pub position: u64,
    /// The last entry in front of the segment.
    pub last_index: u64,
    pub last_term: u64,
    /// Seeds every checksum of this log.
    pub salt: u64,
    /// Term and vote in force where the segment starts.
    pub hard: HardState,
}

impl SegmentHeader {
    /// The name of the segment's file.
    pub fn name(&self) -> String {
        segment_name(self.sequence)
    }

    /// The whole first sector.
    pub fn encode(&self) -> Vec<u8> {
        let vote = self.hard.vote.as_bytes();
        let mut out = Vec::with_capacity(SECTOR_BYTES);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&[0; 8]);
        let numbers = [VERSION, self.sequence, self.position, self.last_index, self.last_term, self.salt];
        for number in numbers.into_iter().chain([self.hard.term, vote.len() as u64]) {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(vote);
        out.resize(SECTOR_BYTES, 0);
        let checksum = u64::from(crc32fast::hash(&out[16..]));
        out[8..16].copy_from_slice(&checksum.to_le_bytes());
        out
    }

    /// Reads the first sector. `Ok(None)`: it is blank or not whole, so the segment was never begun.
    pub fn decode(sector: &[u8]) -> Result<Option<Self>, &'static str> {
        if sector.len() < SECTOR_BYTES || sector.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        if &sector[..8] != MAGIC {
            return Err("this is not the header of a log segment");
        }
        if u64::from(crc32fast::hash(&sector[16..])) != word64(sector, 8) {
            return Err("the checksum of the segment header does not match");
        }
        if word64(sector, 16) != VERSION {
            return Err("the segment was written by another version of the format");
        }
        let vote_length = word64(sector, 72) as usize;
        if vote_length > LOG_VOTE_BYTES_MAX {
            return Err("the vote in the segment header is too long");
        }
        let vote = std::str::from_utf8(&sector[FIXED_BYTES..FIXED_BYTES + vote_length])
            .map_err(|_| "the vote in the segment header is not text")?;
        Ok(Some(Self {
            sequence: word64(sector, 24),
            position: word64(sector, 32),
            last_index: word64(sector, 40),
            last_term: word64(sector, 48),
            salt: word64(sector, 56),
            hard: HardState { term: word64(sector, 64), vote: vote.to_owned() },
        }))
    }
}

/// The file name of a segment.
pub(crate) fn segment_name(sequence: u64) -> String {
    format!("segment-{sequence:020}.log")
}

/// The sequence in the file name of a segment.
pub(crate) fn segment_sequence(name: &str) -> Option<u64> {
    name.strip_prefix("segment-")?.strip_suffix(".log")?.parse().ok()
}
