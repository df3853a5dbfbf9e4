//! The five bytes before each message: a compression flag and the length (gRPC over HTTP/2, "Length-Prefixed-Message").

use super::Status;
use crate::limits::GRPC_MESSAGE_BYTES_MAX;
use bytes::{Buf, Bytes};

/// Length of the prefix.
pub(super) const PREFIX_BYTES: usize = 5;

/// The prefix of an uncompressed message.
pub(super) fn prefix(len: usize) -> [u8; PREFIX_BYTES] {
    let [a, b, c, d] = (len as u32).to_be_bytes();
    [0, a, b, c, d]
}

/// Cuts the bytes of a stream into messages.
#[derive(Debug, Default)]
pub(super) struct MessageReader {
    /// The beginning of a message whose end has not arrived. It grows as bytes arrive, never by what a prefix claims.
    partial: Vec<u8>,
}

impl MessageReader {
    /// Takes the next message off what was kept and `data`, which loses what is used. None when more is needed.
    pub(super) fn next(&mut self, data: &mut &[u8]) -> Result<Option<Bytes>, Status> {
        if self.partial.is_empty() {
            if let Some(len) = message_len(data)? {
                if let Some(message) = data.get(PREFIX_BYTES..PREFIX_BYTES + len) {
                    *data = &data[PREFIX_BYTES + len..];
                    return Ok(Some(Bytes::copy_from_slice(message)));
                }
            }
        }
        while !data.is_empty() {
            let wanted = PREFIX_BYTES + message_len(&self.partial)?.unwrap_or(0);
            let (taken, rest) = data.split_at((wanted - self.partial.len()).min(data.len()));
            self.partial.extend_from_slice(taken);
            *data = rest;
            if message_len(&self.partial)?.is_some_and(|len| self.partial.len() == PREFIX_BYTES + len) {
                let mut whole = Bytes::from(std::mem::take(&mut self.partial));
                whole.advance(PREFIX_BYTES);
                return Ok(Some(whole));
            }
        }
        Ok(None)
    }

    /// Bytes kept of a message whose end has not arrived.
    pub(super) fn partial_bytes(&self) -> usize {
        self.partial.len()
    }
}

/// The length in a prefix; none while the prefix is incomplete.
fn message_len(bytes: &[u8]) -> Result<Option<usize>, Status> {
    let [compressed, a, b, c, d, ..] = *bytes else { return Ok(None) };
    if compressed != 0 {
        return Err(Status::new(Status::UNIMPLEMENTED, "compressed messages are not accepted"));
    }
    let len = u32::from_be_bytes([a, b, c, d]) as usize;
    if len > GRPC_MESSAGE_BYTES_MAX {
        return Err(Status::new(Status::RESOURCE_EXHAUSTED, "message is larger than the limit"));
    }
    Ok(Some(len))
}
