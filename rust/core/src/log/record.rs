//! The bytes of one record: a checksum, its length and kind, its index and term, and the payload.
//!
//! ```text
//! 0        4               8        16       24
//! | crc32  | kind, length  | index  | term   | payload ... | zeros to a multiple of 8 |
//! ```
//! The checksum covers index, term and payload, and is mixed with kind and length, the log's salt and the record's position:
//! a record is valid only in this log at this place. A misplaced or left-over one is not, nor is one that a client wrote
//! into a payload.

/// Bytes in front of a payload.
pub(crate) const RECORD_HEADER_BYTES: usize = 24;
/// Records start at multiples of this.
pub(crate) const RECORD_ALIGN_BYTES: usize = 8;
/// The smallest unit that a disk writes whole; a torn write loses whole sectors.
pub(crate) const SECTOR_BYTES: usize = 512;

/// Bytes of a mark's payload.
pub(crate) const MARK_PAYLOAD_BYTES: usize = 8;

const LENGTH_BITS: u32 = 28;
const LENGTH_MASK: u32 = (1 << LENGTH_BITS) - 1;

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One entry of the log: the payload at index and term.
    Entry = 1,
    /// The hard state: term, and the vote as payload.
    Hard = 2,
    /// From here on the last entry is (index, term): what followed it is gone.
    Cut = 3,
    /// The end of a synced group: index is the position at which the group starts, term counts its blank sectors, and the
    /// payload is the index that was declared committed (see `mark_payload`).
    Mark = 4,
}

impl Kind {
    fn from_bits(bits: u32) -> Option<Self> {
        match bits {
            1 => Some(Kind::Entry),
            2 => Some(Kind::Hard),
            3 => Some(Kind::Cut),
            4 => Some(Kind::Mark),
            _ => None,
        }
    }
}

/// One decoded record; the payload is borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub kind: Kind,
    pub index: u64,
    pub term: u64,
    pub payload: &'a [u8],
}

/// Why no record starts here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defect {
    /// Only zeros: nothing was written here.
    Blank,
    /// The bytes end before the record does: how many it takes in all.
    Short { needed: usize },
    /// Not a record of this log at this position.
    Invalid(&'static str),
}

/// Where a record stands, as its checksum sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub salt: u64,
    pub position: u64,
}

impl Place {
    /// The part of the checksum that says where the record stands and how it starts.
    #[inline]
    fn mix(self, kind_and_length: u32) -> u32 {
        let spread = (self.salt ^ self.position).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((spread ^ u64::from(kind_and_length)).wrapping_mul(0xd6e8_feb8_6659_fd93) >> 32) as u32
    }
}

/// Bytes that a record with such a payload takes.
#[inline]
pub(crate) fn record_bytes(payload_length: usize) -> usize {
    (RECORD_HEADER_BYTES + payload_length).next_multiple_of(RECORD_ALIGN_BYTES)
}

/// Appends a record whose checksum is still missing. The payload's length was checked against the limit before.
#[inline]
pub(crate) fn encode(out: &mut Vec<u8>, kind: Kind, index: u64, term: u64, payload: &[u8]) {
    let start = out.len();
    let size = record_bytes(payload.len());
    let mut header = [0; RECORD_HEADER_BYTES];
    header[4..8].copy_from_slice(&((kind as u32) << LENGTH_BITS | payload.len() as u32).to_le_bytes());
    header[8..16].copy_from_slice(&index.to_le_bytes());
    header[16..24].copy_from_slice(&term.to_le_bytes());
    out.reserve(size);
    out.extend_from_slice(&header);
    out.extend_from_slice(payload);
    out.resize(start + size, 0);
}

/// Fills in the checksums of whole records, the first of which stands at `position`.
///
/// This is a pass of its own because reading bytes that were stored a moment before stalls the processor: done record
/// by record it takes twice as long.
pub(crate) fn fill_checksums(mut records: &mut [u8], salt: u64, mut position: u64) {
    let hasher = crc32fast::Hasher::new();
    while records.len() >= RECORD_HEADER_BYTES {
        let kind_and_length = word32(records, 4);
        let size = record_bytes((kind_and_length & LENGTH_MASK) as usize);
        let (record, rest) = records.split_at_mut(size);
        let checksum = checksum(&hasher, &record[8..]) ^ Place { salt, position }.mix(kind_and_length);
        record[..4].copy_from_slice(&checksum.to_le_bytes());
        position += size as u64;
        records = rest;
    }
}

/// Reads the record at the start of `bytes`; the second value is how many bytes it takes.
#[inline]
pub(crate) fn decode(bytes: &[u8], place: Place) -> Result<(Record<'_>, usize), Defect> {
    let Some(header) = bytes.first_chunk::<RECORD_HEADER_BYTES>() else {
        let blank = bytes.iter().all(|byte| *byte == 0);
        return Err(if blank { Defect::Blank } else { Defect::Short { needed: RECORD_HEADER_BYTES } });
    };
    let kind_and_length = word32(header, 4);
    let Some(kind) = Kind::from_bits(kind_and_length >> LENGTH_BITS) else {
        let blank = header.iter().all(|byte| *byte == 0);
        return Err(if blank { Defect::Blank } else { Defect::Invalid("no record of a known kind") });
    };
    let length = (kind_and_length & LENGTH_MASK) as usize;
    let size = record_bytes(length);
    let Some(whole) = bytes.get(..size) else { return Err(Defect::Short { needed: size }) };
    if checksum(&crc32fast::Hasher::new(), &whole[8..]) ^ place.mix(kind_and_length) != word32(header, 0) {
        return Err(Defect::Invalid("the checksum of the record does not match"));
    }
    let payload = &whole[RECORD_HEADER_BYTES..RECORD_HEADER_BYTES + length];
    Ok((Record { kind, index: word64(header, 8), term: word64(header, 16), payload }, size))
}

/// The payload of a mark.
pub(crate) fn mark_payload(committed: u64) -> [u8; MARK_PAYLOAD_BYTES] {
    committed.to_le_bytes()
}

/// The index that a mark declares committed; the first logs had marks without one.
pub(crate) fn marked_commit(payload: &[u8]) -> Result<u64, &'static str> {
    match payload.len() {
        0 => Ok(0),
        MARK_PAYLOAD_BYTES => Ok(word64(payload, 0)),
        _ => Err("the mark is of an unknown shape"),
    }
}

/// The offsets in `bytes` at which a mark may start: cheap to test, to be confirmed by `decode`.
pub(crate) fn mark_candidates(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let wanted =
        [0, MARK_PAYLOAD_BYTES].map(|length| ((Kind::Mark as u32) << LENGTH_BITS | length as u32).to_le_bytes());
    let offsets = (0..bytes.len().saturating_sub(RECORD_HEADER_BYTES - 1)).step_by(RECORD_ALIGN_BYTES);
    offsets.filter(move |offset| wanted.iter().any(|wanted| bytes[offset + 4..offset + 8] == *wanted))
}

/// Counts the sectors of a group that hold only zeros. The group may start and end inside a sector, and comes in pieces.
///
/// A write that was torn leaves sectors blank; flipped bits do not. A mark remembers how many were blank from the
/// beginning, so that recovery can tell one from the other (compare `isTornEntry` of etcd's WAL decoder).
#[derive(Debug)]
pub(crate) struct BlankSectors {
    offset: u64,
    count: u64,
    /// Whether the sector that ends behind `offset` has been blank so far, and has begun at all.
    open: Option<bool>,
}

impl BlankSectors {
    /// A group that starts at an offset of its file.
    pub fn new(offset: u64) -> Self {
        Self { offset, count: 0, open: None }
    }

    /// The next piece of the group.
    pub fn add(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let left = SECTOR_BYTES - (self.offset % SECTOR_BYTES as u64) as usize;
            let (part, rest) = bytes.split_at(left.min(bytes.len()));
            let blank = self.open.unwrap_or(true) && part.iter().all(|byte| *byte == 0);
            self.open = Some(blank);
            self.offset += part.len() as u64;
            if part.len() == left {
                self.close();
            }
            bytes = rest;
        }
    }

    /// How many sectors were blank, the last one counted as far as it goes.
    pub fn count(&self) -> u64 {
        self.count + u64::from(self.open.unwrap_or(false))
    }

    fn close(&mut self) {
        self.count += u64::from(self.open.take().unwrap_or(false));
    }
}

/// The blank sectors of a group that is in one piece.
pub(crate) fn blank_sectors(bytes: &[u8], offset: u64) -> u64 {
    let mut sectors = BlankSectors::new(offset);
    sectors.add(bytes);
    sectors.count()
}

/// The hasher is a new one; it is handed in because making one looks up what the processor can do.
#[inline]
fn checksum(hasher: &crc32fast::Hasher, bytes: &[u8]) -> u32 {
    let mut hasher = hasher.clone();
    hasher.update(bytes);
    hasher.finalize()
}

fn word32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

pub(super) fn word64(bytes: &[u8], at: usize) -> u64 {
    u64::from(word32(bytes, at)) | u64::from(word32(bytes, at + 4)) << 32
}
