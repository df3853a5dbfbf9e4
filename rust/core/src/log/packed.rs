//! Entries as one blob, packed by the leader's log and unpacked by a follower's: between the two nobody looks into it.
//!
//! ```text
//! | count: u32 | then per entry: | term: varint | payload length: varint | payload ... |
//! ```
//! Numbers are little-endian, a varint is LEB128. A term is written as its difference to the one before (the first as it
//! is), which is almost always one zero byte: terms never go down. Nothing may follow the last entry.

use super::error::LogError;
use super::read::Gather;
use super::state::{Appending, Log};

const COUNT_BYTES: usize = 4;
/// An entry without payload: two varints.
const ENTRY_BYTES_MIN: usize = 2;
const VARINT_BYTES_MAX: usize = 10;

/// Entries that follow each other, in one piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    bytes: Vec<u8>,
    count: u32,
    last_index: u64,
    last_term: u64,
}

impl Default for Packed {
    fn default() -> Self {
        Self { bytes: vec![0; COUNT_BYTES], count: 0, last_index: 0, last_term: 0 }
    }
}

impl Packed {
    /// The last entry that was packed; `None` when there is none.
    pub fn last_index(&self) -> Option<u64> {
        (self.count > 0).then_some(self.last_index)
    }

    /// The blob.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Gather for Packed {
    fn take(&mut self, index: u64, term: u64, payload: &[u8], max_bytes: usize) -> bool {
        let step = term.saturating_sub(self.last_term);
        let size = varint_bytes(step) + varint_bytes(payload.len() as u64) + payload.len();
        if self.count > 0 && (self.bytes.len() + size > max_bytes || self.count == u32::MAX) {
            return false;
        }
        push_varint(&mut self.bytes, step);
        push_varint(&mut self.bytes, payload.len() as u64);
        self.bytes.extend_from_slice(payload);
        self.count += 1;
        self.bytes[..COUNT_BYTES].copy_from_slice(&self.count.to_le_bytes());
        (self.last_index, self.last_term) = (index, term);
        true
    }

    fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl Log {
    /// Like `try_append`, with entries that another log has packed. Malformed bytes change nothing.
    pub fn try_append_packed(&mut self, prev_index: u64, prev_term: u64, packed: &[u8]) -> Result<Appending, LogError> {
        let entries = unpack(packed)?;
        self.try_append(prev_index, prev_term, &entries)
    }
}

/// Term and payload of each entry. It takes no more memory than the blob has entries, whatever its count says.
pub fn unpack(packed: &[u8]) -> Result<Vec<(u64, &[u8])>, LogError> {
    let Some((count, rest)) = packed.split_first_chunk::<COUNT_BYTES>() else {
        return Err(LogError::Malformed { offset: 0, what: "the count is missing" });
    };
    let count = u32::from_le_bytes(*count) as usize;
    if count > rest.len() / ENTRY_BYTES_MIN {
        return Err(LogError::Malformed { offset: 0, what: "there are more entries than fit into the bytes" });
    }
    let mut reader = Reader { rest, whole: packed.len() };
    let mut entries = Vec::with_capacity(count);
    let mut term = 0u64;
    for _ in 0..count {
        let step = reader.varint()?;
        term = term.checked_add(step).ok_or_else(|| reader.malformed("the term is too large"))?;
        let length = reader.varint()?;
        entries.push((term, reader.payload(length)?));
    }
    match reader.rest {
        [] => Ok(entries),
        _ => Err(reader.malformed("something follows the last entry")),
    }
}

/// What is left of a blob.
#[derive(Debug)]
struct Reader<'a> {
    rest: &'a [u8],
    whole: usize,
}

impl<'a> Reader<'a> {
    fn malformed(&self, what: &'static str) -> LogError {
        LogError::Malformed { offset: self.whole - self.rest.len(), what }
    }

    fn varint(&mut self) -> Result<u64, LogError> {
        let mut number = 0u64;
        for (at, byte) in self.rest.iter().take(VARINT_BYTES_MAX).enumerate() {
            let bits = u64::from(byte & 0x7f);
            let shift = 7 * at as u32;
            if bits.leading_zeros() < shift {
                return Err(self.malformed("a number is too large"));
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                self.rest = &self.rest[at + 1..];
                return Ok(number);
            }
        }
        Err(self.malformed("a number does not end"))
    }

    fn payload(&mut self, length: u64) -> Result<&'a [u8], LogError> {
        let split = usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length));
        let (payload, rest) = split.ok_or_else(|| self.malformed("the bytes end inside a payload"))?;
        self.rest = rest;
        Ok(payload)
    }
}

fn push_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn varint_bytes(number: u64) -> usize {
    (u64::BITS - (number | 1).leading_zeros()).div_ceil(7) as usize
}
