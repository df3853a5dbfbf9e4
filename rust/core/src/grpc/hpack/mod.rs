//! Header compression, receiving side (RFC 7541), reduced to what this server asks of a request. What the client asks
//! of a response is in `response`.
//!
//! Every header must be decoded, because it may enter the table that later requests refer to. But only a handful are
//! ever looked at, so the table keeps what each entry means instead of its text: twelve bytes an entry, no allocation
//! a header, and a repeated request is decoded by looking up a few bytes.

mod field;
mod huffman;
mod response;
#[cfg(test)]
mod tests;

use crate::grpc::Method;
use crate::limits::GRPC_HEADER_TABLE_BYTES_MAX;
use field::{Entry, Field, Name, STATIC, STATIC_COUNT};
pub(super) use response::ResponseHead;
use std::collections::VecDeque;

/// The header block cannot be decoded; the connection is lost, for both tables may differ now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HpackError;

/// What the header block of one request says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct RequestHead {
    /// The method called; none if there is no such path.
    pub(super) method: Option<Method>,
    pub(super) is_post: bool,
    pub(super) is_grpc: bool,
    /// The block breaks a rule of RFC 9113 section 8: its stream is reset.
    is_malformed: bool,
    has_method: bool,
    has_scheme: bool,
    has_path: bool,
    has_regular: bool,
}

impl RequestHead {
    fn note(&mut self, field: Field) {
        let is_pseudo = match field {
            Field::Method { is_post } => {
                self.is_malformed |= std::mem::replace(&mut self.has_method, true);
                self.is_post = is_post;
                true
            }
            Field::Scheme => {
                self.is_malformed |= std::mem::replace(&mut self.has_scheme, true);
                true
            }
            Field::Path(method) => {
                self.is_malformed |= std::mem::replace(&mut self.has_path, true);
                self.method = method;
                true
            }
            Field::Authority => true,
            Field::ContentType { is_grpc } => {
                self.is_grpc = is_grpc;
                false
            }
            Field::Forbidden => {
                self.is_malformed = true;
                false
            }
            Field::Other => false,
        };
        self.is_malformed |= is_pseudo && self.has_regular;
        self.has_regular |= !is_pseudo;
    }

    /// Whether this may open a request.
    pub(super) fn is_request(&self) -> bool {
        !self.is_malformed && self.has_method && self.has_scheme && self.has_path
    }

    /// Whether this may end one: no pseudo-headers.
    pub(super) fn is_trailers(&self) -> bool {
        !self.is_malformed && !self.has_method && !self.has_scheme && !self.has_path
    }
}

/// The decoding side of one connection.
#[derive(Debug)]
pub(super) struct Decoder {
    /// Newest first.
    entries: VecDeque<Entry>,
    bytes: usize,
    bytes_max: usize,
}

impl Decoder {
    pub(super) fn new() -> Self {
        Self { entries: VecDeque::new(), bytes: 0, bytes_max: GRPC_HEADER_TABLE_BYTES_MAX }
    }

    /// Bytes of the table as RFC 7541 section 4.1 counts them.
    #[cfg(test)]
    pub(super) fn table_bytes(&self) -> usize {
        assert_eq!(self.bytes, self.entries.iter().map(|entry| entry.size as usize).sum::<usize>());
        self.bytes
    }

    /// Decodes one whole header block.
    pub(super) fn decode(&mut self, block: &[u8]) -> Result<RequestHead, HpackError> {
        let mut head = RequestHead::default();
        let mut input = Input(block);
        let mut may_resize = true;
        while let Some(&first) = input.0.first() {
            if first & 0x80 != 0 {
                let index = input.integer(7)?;
                head.note(self.entry(index)?.field);
            } else if first & 0xe0 == 0x20 {
                let bytes_max = input.integer(5)?;
                if !may_resize || bytes_max > GRPC_HEADER_TABLE_BYTES_MAX {
                    return Err(HpackError);
                }
                self.bytes_max = bytes_max;
                self.evict(0);
                continue;
            } else {
                let is_kept = first & 0x40 != 0;
                let entry = self.literal(&mut input, if is_kept { 6 } else { 4 })?;
                head.note(entry.field);
                if is_kept {
                    self.insert(entry);
                }
            }
            may_resize = false;
        }
        Ok(head)
    }

    fn literal(&self, input: &mut Input<'_>, prefix_bits: u32) -> Result<Entry, HpackError> {
        let mut kept = [0; KEPT_BYTES];
        let index = input.integer(prefix_bits)?;
        let (name, name_len) = if index == 0 {
            let (text, len) = input.string(&mut kept)?;
            (Name::of(text), len as u32)
        } else {
            let entry = self.entry(index)?;
            (entry.name, entry.name_len)
        };
        let (value, value_len) = input.string(&mut kept)?;
        Ok(Entry { field: name.with(value), name, name_len, size: name_len + value_len as u32 + 32 })
    }

    fn entry(&self, index: usize) -> Result<Entry, HpackError> {
        let found = match index.checked_sub(1) {
            None => None,
            Some(place) if place < STATIC_COUNT => STATIC.get(place),
            Some(place) => self.entries.get(place - STATIC_COUNT),
        };
        found.copied().ok_or(HpackError)
    }

    fn insert(&mut self, entry: Entry) {
        self.evict(entry.size as usize);
        // An entry larger than the table empties it and is not kept (RFC 7541 section 4.4).
        if entry.size as usize <= self.bytes_max {
            self.bytes += entry.size as usize;
            self.entries.push_front(entry);
        }
    }

    /// Makes room for an entry of that size.
    fn evict(&mut self, wanted: usize) {
        while self.bytes + wanted > self.bytes_max {
            let Some(entry) = self.entries.pop_back() else { break };
            self.bytes -= entry.size as usize;
        }
    }
}

/// As much of a Huffman-coded text as is kept for looking at: longer than every name and value that matters.
const KEPT_BYTES: usize = 64;

/// What is left of a header block.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> Result<u8, HpackError> {
        let (&byte, rest) = self.0.split_first().ok_or(HpackError)?;
        self.0 = rest;
        Ok(byte)
    }

    /// An integer that begins in the low bits of the next byte (RFC 7541 section 5.1); at most 28 bits beyond them.
    fn integer(&mut self, prefix_bits: u32) -> Result<usize, HpackError> {
        let mask = (1usize << prefix_bits) - 1;
        let mut value = usize::from(self.byte()?) & mask;
        if value < mask {
            return Ok(value);
        }
        for shift in [0, 7, 14, 21] {
            let byte = self.byte()?;
            value += usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(HpackError)
    }

    /// A text, or as much of it as fits in `kept` if it is Huffman-coded, and its whole length.
    fn string<'b>(&mut self, kept: &'b mut [u8]) -> Result<(&'b [u8], usize), HpackError>
    where
        'a: 'b,
    {
        let is_coded = self.0.first().is_some_and(|byte| byte & 0x80 != 0);
        let len = self.integer(7)?;
        let (text, rest) = self.0.split_at_checked(len).ok_or(HpackError)?;
        self.0 = rest;
        if !is_coded {
            return Ok((text, len));
        }
        let len = huffman::decode(text, kept)?;
        Ok((&kept[..len.min(kept.len())], len))
    }
}
