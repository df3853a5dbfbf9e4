//! The five bytes before each message: a compression flag and the length (gRPC over HTTP/2, "Length-Prefixed-Message").

use super::Status;
use crate::limits::GRPC_MESSAGE_BYTES_MAX;
use bytes::{Buf, Bytes, BytesMut};

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
    /// The beginning of a message whose end has not arrived.
    partial: BytesMut,
}

impl MessageReader {
    /// Takes the next message off what was kept and `data`, which loses what is used. None when more is needed.
    pub(super) fn next(&mut self, data: &mut Bytes) -> Result<Option<Bytes>, Status> {
        if self.partial.is_empty() {
            if let Some(len) = message_len(data)? {
                if data.len() >= PREFIX_BYTES + len {
                    data.advance(PREFIX_BYTES);
                    return Ok(Some(data.split_to(len)));
                }
            }
        }
        while !data.is_empty() {
            let wanted = match message_len(&self.partial)? {
                Some(len) => PREFIX_BYTES + len,
                None => PREFIX_BYTES,
            };
            let taken = (wanted - self.partial.len()).min(data.len());
            self.partial.extend_from_slice(&data[..taken]);
            data.advance(taken);
            if message_len(&self.partial)?.is_some_and(|len| self.partial.len() == PREFIX_BYTES + len) {
                let mut whole = std::mem::take(&mut self.partial);
                whole.advance(PREFIX_BYTES);
                return Ok(Some(whole.freeze()));
            }
        }
        Ok(None)
    }

    /// Whether the stream ended, or would end, inside a message.
    pub(super) fn is_partial(&self) -> bool {
        !self.partial.is_empty()
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
