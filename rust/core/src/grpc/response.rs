//! Response headers and trailers, compressed (RFC 7541, sending side).
//!
//! A server of this kind sends the same two headers for ever. Each goes into the client's table the first time it is
//! sent and is one byte from then on; nothing else is ever put there, so their places never change.

use super::Status;
use super::frame::{HEAD_BYTES, flag, kind, write_head};
use crate::limits::GRPC_STATUS_MESSAGE_BYTES_MAX;

/// ":status: 200" of the static table.
const STATUS_200: u8 = 0x88;
/// A literal with incremental indexing: name 31 of the static table, then the text.
const CONTENT_TYPE_FIRST: &[u8] = b"\x5f\x10application/grpc";
const CONTENT_TYPE_PLAIN: &[u8] = b"\x0f\x10\x10application/grpc";
const GRPC_STATUS_OK_FIRST: &[u8] = b"\x40\x0bgrpc-status\x010";
/// The newest and the second newest entry of the dynamic table.
const NEWEST: u8 = 0x80 | 62;
const SECOND_NEWEST: u8 = 0x80 | 63;
/// "Dynamic table size is 0 from here on" (RFC 7541 section 6.3).
const NO_TABLE: u8 = 0x20;
/// The table size that a client grants before it says otherwise (RFC 9113 section 6.5.2).
const TABLE_BYTES_DEFAULT: u32 = 4096;

/// What the client's table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Table {
    Empty,
    ContentType,
    ContentTypeAndStatus,
    /// The client wants a smaller table than the default: none is used at all.
    Unused {
        announced: bool,
    },
}

/// The encoding side of one connection.
#[derive(Debug)]
pub(super) struct Encoder {
    table: Table,
}

impl Encoder {
    pub(super) fn new() -> Self {
        Self { table: Table::Empty }
    }

    /// The client's SETTINGS_HEADER_TABLE_SIZE.
    pub(super) fn limit_table(&mut self, bytes_max: u32) {
        if bytes_max < TABLE_BYTES_DEFAULT && !matches!(self.table, Table::Unused { .. }) {
            self.table = Table::Unused { announced: false };
        }
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if self.table == (Table::Unused { announced: false }) {
            out.push(NO_TABLE);
            self.table = Table::Unused { announced: true };
        }
    }

    /// The headers of a response that messages follow.
    pub(super) fn write_headers(&mut self, out: &mut Vec<u8>, stream: u32) {
        if self.table == Table::ContentTypeAndStatus {
            write_head(out, 2, kind::HEADERS, flag::END_HEADERS, stream);
            out.extend_from_slice(&[STATUS_200, SECOND_NEWEST]);
        } else {
            self.write_block(out, stream, flag::END_HEADERS, |encoder, out| {
                out.push(STATUS_200);
                encoder.content_type(out);
            });
        }
    }

    /// The trailers that end a response.
    pub(super) fn write_trailers(&mut self, out: &mut Vec<u8>, stream: u32, status: &Status) {
        let flags = flag::END_HEADERS | flag::END_STREAM;
        if self.table == Table::ContentTypeAndStatus && *status == Status::OK {
            write_head(out, 1, kind::HEADERS, flags, stream);
            out.push(NEWEST);
        } else {
            self.write_block(out, stream, flags, |encoder, out| encoder.status(out, status));
        }
    }

    /// Headers and trailers in one: a call that ends without a message.
    pub(super) fn write_only_trailers(&mut self, out: &mut Vec<u8>, stream: u32, status: &Status) {
        self.write_block(out, stream, flag::END_HEADERS | flag::END_STREAM, |encoder, out| {
            out.push(STATUS_200);
            encoder.content_type(out);
            encoder.status(out, status);
            if status.code == Status::UNIMPLEMENTED {
                literal(out, "grpc-accept-encoding", "identity");
            }
        });
    }

    /// An answer to what is no gRPC call at all.
    pub(super) fn write_http_status(&mut self, out: &mut Vec<u8>, stream: u32, http_status: u16) {
        self.write_block(out, stream, flag::END_HEADERS | flag::END_STREAM, |_, out| {
            // A literal without indexing, name 8 of the static table: ":status".
            out.extend_from_slice(&[8, 3]);
            out.extend_from_slice(itoa::Buffer::new().format(http_status).as_bytes());
        });
    }

    fn write_block(&mut self, out: &mut Vec<u8>, stream: u32, flags: u8, write: impl FnOnce(&mut Self, &mut Vec<u8>)) {
        let head_start = out.len();
        write_head(out, 0, kind::HEADERS, flags, stream);
        self.begin(out);
        write(self, out);
        let len = out.len() - head_start - HEAD_BYTES;
        out[head_start..head_start + 3].copy_from_slice(&(len as u32).to_be_bytes()[1..]);
    }

    fn content_type(&mut self, out: &mut Vec<u8>) {
        match self.table {
            Table::Empty => {
                out.extend_from_slice(CONTENT_TYPE_FIRST);
                self.table = Table::ContentType;
            }
            Table::ContentType => out.push(NEWEST),
            Table::ContentTypeAndStatus => out.push(SECOND_NEWEST),
            Table::Unused { .. } => out.extend_from_slice(CONTENT_TYPE_PLAIN),
        }
    }

    fn status(&mut self, out: &mut Vec<u8>, status: &Status) {
        match self.table {
            Table::ContentTypeAndStatus if status.code == 0 => out.push(NEWEST),
            Table::ContentType if status.code == 0 => {
                out.extend_from_slice(GRPC_STATUS_OK_FIRST);
                self.table = Table::ContentTypeAndStatus;
            }
            _ => literal(out, "grpc-status", itoa::Buffer::new().format(status.code)),
        }
        if !status.message.is_empty() {
            literal(out, "grpc-message", &status.encoded_message(GRPC_STATUS_MESSAGE_BYTES_MAX));
        }
    }
}

/// A literal without indexing, its name spelled out; uncompressed, for these are rare.
fn literal(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(0);
    for text in [name, value] {
        string_len(out, text.len());
        out.extend_from_slice(text.as_bytes());
    }
}

/// The length of an uncompressed text: an integer with a 7-bit prefix (RFC 7541 section 5.1).
fn string_len(out: &mut Vec<u8>, len: usize) {
    let Some(mut rest) = len.checked_sub(0x7f) else { return out.push(len as u8) };
    out.push(0x7f);
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}
