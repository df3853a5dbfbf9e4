//! HEADERS and CONTINUATION frames into header blocks, the same on both sides of a connection.

use super::CallId;
use super::frame::{Code, ConnectionError, FrameHead, flag, kind, unpadded};
use crate::limits::{GRPC_HEADERS_BYTES_MAX, GRPC_HEADERS_FRAMES_COUNT_MAX};
use std::borrow::Cow;

/// A header block, whole or as much of it as has come.
#[derive(Debug)]
pub(super) struct HeaderBlock<'frame> {
    pub(super) stream: CallId,
    pub(super) ends_stream: bool,
    pub(super) bytes: Cow<'frame, [u8]>,
}

/// Puts the blocks of one connection together.
#[derive(Debug, Default)]
pub(super) struct HeaderBlocks {
    /// One that goes on in CONTINUATION frames, and how many frames of it have come; rare, so it costs a pointer.
    begun: Option<Box<(HeaderBlock<'static>, usize)>>,
}

impl HeaderBlocks {
    /// Whether a block has begun and not ended.
    pub(super) fn is_inside(&self) -> bool {
        self.begun.is_some()
    }

    /// Nothing but its next part may come inside a block (RFC 9113 section 6.10).
    pub(super) fn check_next(&self, head: &FrameHead) -> Result<(), ConnectionError> {
        if self.is_inside() && head.kind != kind::CONTINUATION {
            return Err(ConnectionError::protocol("a header block is interrupted"));
        }
        Ok(())
    }

    /// Takes a HEADERS frame; the block, if that is all of it.
    pub(super) fn headers<'frame>(
        &mut self,
        head: &FrameHead,
        payload: &'frame [u8],
    ) -> Result<Option<HeaderBlock<'frame>>, ConnectionError> {
        let mut bytes = unpadded(head, payload)?;
        if head.has(flag::PRIORITY) {
            bytes = bytes.get(5..).ok_or(ConnectionError::new(Code::FrameSize, "HEADERS is too short"))?;
        }
        let (stream, ends_stream) = (head.stream, head.has(flag::END_STREAM));
        if head.has(flag::END_HEADERS) {
            return Ok(Some(HeaderBlock { stream, ends_stream, bytes: bytes.into() }));
        }
        let begun = HeaderBlock { stream, ends_stream, bytes: bytes.to_vec().into() };
        self.begun = Some(Box::new((begun, 1)));
        Ok(None)
    }

    /// Takes a CONTINUATION frame; the block, if it ends with that.
    pub(super) fn continuation(
        &mut self,
        head: &FrameHead,
        payload: &[u8],
    ) -> Result<Option<HeaderBlock<'static>>, ConnectionError> {
        let Some(mut begun) = self.begun.take().filter(|begun| begun.0.stream == head.stream) else {
            return Err(ConnectionError::protocol("CONTINUATION of nothing"));
        };
        let (block, frames_count) = &mut *begun;
        *frames_count += 1;
        block.bytes.to_mut().extend_from_slice(payload);
        // A peer that never ends the block would fill memory, or with empty frames waste time (CVE-2024-27316).
        if block.bytes.len() > GRPC_HEADERS_BYTES_MAX || *frames_count > GRPC_HEADERS_FRAMES_COUNT_MAX {
            return Err(ConnectionError::new(Code::EnhanceYourCalm, "the headers are larger than the limit"));
        }
        if head.has(flag::END_HEADERS) {
            return Ok(Some(begun.0));
        }
        self.begun = Some(begun);
        Ok(None)
    }
}
