//! The headers of a response, from a server that was told to use no table (SETTINGS_HEADER_TABLE_SIZE = 0).

use super::field::{STATIC_COUNT, STATIC_TEXTS};
use super::{HpackError, Input};
use crate::grpc::Status;
use crate::limits::GRPC_STATUS_MESSAGE_BYTES_MAX;
use percent_encoding::percent_decode;

/// As much of a Huffman-coded name as is looked at.
const NAME_BYTES: usize = 32;

/// What the header block of a response, or its trailers, says about the call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::grpc) struct ResponseHead {
    pub(in crate::grpc) http_status: Option<u16>,
    is_grpc: bool,
    grpc_status: Option<u8>,
    grpc_message: String,
}

impl ResponseHead {
    /// Reads one whole header block.
    pub(in crate::grpc) fn decode(block: &[u8]) -> Result<Self, HpackError> {
        let mut head = Self::default();
        let mut input = Input(block);
        let (mut name_room, mut value_room) = ([0; NAME_BYTES], [0; GRPC_STATUS_MESSAGE_BYTES_MAX]);
        while let Some(&first) = input.0.first() {
            if first & 0x80 != 0 {
                let (name, value) = entry(input.integer(7)?)?;
                head.note(name.as_bytes(), value.as_bytes());
            } else if first & 0xe0 == 0x20 {
                if input.integer(5)? != 0 {
                    return Err(HpackError);
                }
            } else {
                let index = input.integer(if first & 0x40 != 0 { 6 } else { 4 })?;
                let name = match index {
                    0 => input.string(&mut name_room)?.0,
                    _ => entry(index)?.0.as_bytes(),
                };
                // In a table without room nothing is kept (RFC 7541 section 4.4).
                let (value, _) = input.string(&mut value_room)?;
                head.note(name, value);
            }
        }
        Ok(head)
    }

    fn note(&mut self, name: &[u8], value: &[u8]) {
        let text = || std::str::from_utf8(value).ok();
        match name {
            b":status" => self.http_status = text().and_then(|text| text.parse().ok()),
            b"content-type" => self.is_grpc = value.starts_with(b"application/grpc"),
            // Codes that no u8 holds are not known anyway.
            b"grpc-status" => {
                self.grpc_status = Some(text().and_then(|text| text.parse().ok()).unwrap_or(Status::UNKNOWN));
            }
            b"grpc-message" => self.grpc_message = percent_decode(value).decode_utf8_lossy().into_owned(),
            _ => {}
        }
    }

    /// Why this is not the beginning of a gRPC answer; none if it is.
    pub(in crate::grpc) fn refusal(&self) -> Option<Status> {
        let message = match self.http_status {
            Some(200) if self.is_grpc || self.grpc_status.is_some() => return None,
            Some(200) => "the server answers something else than gRPC".to_owned(),
            Some(status) => format!("the server answers with HTTP status {status}"),
            None => "the server answers without an HTTP status".to_owned(),
        };
        Some(Status { code: Status::UNAVAILABLE, message: message.into() })
    }

    /// How the call ended. `is_cut`: its last message was not whole.
    pub(in crate::grpc) fn into_status(self, is_cut: bool) -> Status {
        match self.grpc_status {
            None => Status::new(Status::INTERNAL, "the answer ended without a status"),
            Some(0) if is_cut => Status::new(Status::INTERNAL, "the answer ended inside a message"),
            Some(0) => Status::OK,
            Some(code) => Status { code, message: self.grpc_message.into() },
        }
    }
}

fn entry(index: usize) -> Result<(&'static str, &'static str), HpackError> {
    let place = index.checked_sub(1).filter(|place| *place < STATIC_COUNT).ok_or(HpackError)?;
    Ok(STATIC_TEXTS[place])
}
