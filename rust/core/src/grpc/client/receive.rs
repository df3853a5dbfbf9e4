//! What the server sends: bytes into frames, frames into messages and ends of calls.

use super::{ClientEvent, GrpcClient};
use crate::grpc::frame::{
    Code, ConnectionError, FrameHead, HEAD_BYTES, PAYLOAD_BYTES_MAX, answer_ping, flag, increment, kind, number,
    setting, settings, unpadded, write_head, write_window_update,
};
use crate::grpc::header_block::HeaderBlock;
use crate::grpc::hpack::ResponseHead;
use crate::grpc::{CallId, Status};
use crate::limits::{GRPC_CONNECTION_WINDOW_BYTES, GRPC_STREAM_WINDOW_BYTES};

impl GrpcClient {
    /// Takes received bytes. Call [`poll`](Self::poll) afterwards.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.is_closed {
            return;
        }
        let mut kept = std::mem::take(&mut self.input);
        let whole = if kept.is_empty() {
            bytes
        } else {
            kept.extend_from_slice(bytes);
            &kept
        };
        match self.frames(whole) {
            Ok(used) if !self.is_closed => self.input = whole[used..].to_vec(),
            Ok(_) => {}
            Err(error) => self.fail(error),
        }
    }

    /// Handles every whole frame; how many bytes that took.
    fn frames(&mut self, bytes: &[u8]) -> Result<usize, ConnectionError> {
        let mut used = 0;
        while let Some(head) = FrameHead::read(&bytes[used..]) {
            if !self.is_met && (head.kind != kind::SETTINGS || head.has(flag::ACK)) {
                return Err(ConnectionError::protocol("the server does not speak HTTP/2"));
            }
            if head.len > PAYLOAD_BYTES_MAX {
                return Err(ConnectionError::new(Code::FrameSize, "a frame is larger than the limit"));
            }
            let start = used + HEAD_BYTES;
            let Some(payload) = bytes.get(start..start + head.len) else { break };
            self.is_met = true;
            self.frame(&head, payload)?;
            used = start + head.len;
        }
        Ok(used)
    }

    fn frame(&mut self, head: &FrameHead, payload: &[u8]) -> Result<(), ConnectionError> {
        self.header_blocks.check_next(head)?;
        match head.kind {
            kind::DATA => self.data(head, payload),
            kind::HEADERS => self.headers(head, payload),
            kind::CONTINUATION => self.continuation(head, payload),
            kind::WINDOW_UPDATE => self.window_update(head.stream, increment(payload)?),
            kind::RST_STREAM => self.reset(head.stream, number(payload)?),
            kind::SETTINGS => self.settings(head, payload),
            kind::PING => answer_ping(&mut self.output, head, payload),
            kind::GOAWAY => self.go_away(payload),
            kind::PUSH_PROMISE => Err(ConnectionError::protocol("the server may not push")),
            // PRIORITY is a client's frame and says nothing any more; unknown types are to be ignored (RFC 9113
            // section 4.1).
            _ => Ok(()),
        }
    }

    fn settings(&mut self, head: &FrameHead, payload: &[u8]) -> Result<(), ConnectionError> {
        let Some(pairs) = settings(head, payload)? else { return Ok(()) };
        for (id, value) in pairs {
            match id {
                setting::MAX_CONCURRENT_STREAMS => self.open_max = value,
                setting::INITIAL_WINDOW_SIZE => {
                    self.windows.set_initial(value)?;
                }
                // Requests use no header table, and frames of the size that every server takes.
                _ => {}
            }
        }
        write_head(&mut self.output, 0, kind::SETTINGS, flag::ACK, 0);
        self.pump_all();
        self.open_more();
        Ok(())
    }

    fn window_update(&mut self, call: CallId, increment: i64) -> Result<(), ConnectionError> {
        if call == 0 {
            self.windows.open(increment)?;
            self.pump_waiting();
            return Ok(());
        }
        self.check_begun(call)?;
        let Some(found) = self.calls.get_mut(&call) else { return Ok(()) };
        if !self.windows.open_call(&mut found.window, increment) {
            self.end(call, Status::new(Status::INTERNAL, "the call's window is too large"));
            return Ok(());
        }
        self.pump(call);
        Ok(())
    }

    /// A frame may come late, after the call has ended, but not before it began.
    fn check_begun(&self, call: CallId) -> Result<(), ConnectionError> {
        let is_unopened = self.calls.get(&call).is_some_and(|call| !call.is_open);
        if call % 2 == 0 || call >= self.next_call || is_unopened {
            return Err(ConnectionError::protocol("a frame for a call that was never made"));
        }
        Ok(())
    }

    fn reset(&mut self, call: CallId, code: u32) -> Result<(), ConnectionError> {
        self.check_begun(call)?;
        if let Some(found) = self.calls.get_mut(&call) {
            // The server wants no more of it, not even our reset.
            found.is_half_closed = true;
            let status = if code == Code::RefusedStream as u32 {
                Status::new(Status::UNAVAILABLE, "the server refused the call")
            } else {
                let message = format!("the server reset the call with HTTP/2 error code {code}");
                Status { code: Status::INTERNAL, message: message.into() }
            };
            self.end(call, status);
        }
        Ok(())
    }

    fn go_away(&mut self, payload: &[u8]) -> Result<(), ConnectionError> {
        let Some((numbers, reason)) = payload.split_at_checked(8) else {
            return Err(ConnectionError::new(Code::FrameSize, "a GOAWAY frame is too short"));
        };
        let last = number(&numbers[..4])? & 0x7fff_ffff;
        let mut lost: Vec<CallId> =
            self.calls.iter().filter(|(id, call)| **id > last || !call.is_open).map(|(id, _)| *id).collect();
        lost.sort_unstable();
        self.open_max = 0;
        for call in lost {
            if let Some(found) = self.calls.get_mut(&call) {
                found.is_half_closed = true;
            }
            self.end(call, Status::new(Status::UNAVAILABLE, "the server is going away"));
        }
        if !std::mem::replace(&mut self.is_going_away, true) {
            let reason = String::from_utf8_lossy(reason).into_owned();
            self.events.push(ClientEvent::GoingAway { reason });
        }
        Ok(())
    }

    fn headers(&mut self, head: &FrameHead, payload: &[u8]) -> Result<(), ConnectionError> {
        self.check_begun(head.stream)?;
        match self.header_blocks.headers(head, payload)? {
            Some(block) => self.header_block(&block),
            None => Ok(()),
        }
    }

    fn continuation(&mut self, head: &FrameHead, payload: &[u8]) -> Result<(), ConnectionError> {
        match self.header_blocks.continuation(head, payload)? {
            Some(block) => self.header_block(&block),
            None => Ok(()),
        }
    }

    fn header_block(&mut self, block: &HeaderBlock<'_>) -> Result<(), ConnectionError> {
        let &HeaderBlock { stream: id, ends_stream, ref bytes } = block;
        let head = ResponseHead::decode(bytes)
            .map_err(|_| ConnectionError::new(Code::Compression, "the response headers cannot be decoded"))?;
        let Some(call) = self.calls.get_mut(&id) else { return Ok(()) };
        if !call.is_answered {
            if head.http_status.is_some_and(|status| (100..200).contains(&status)) && !ends_stream {
                return Ok(()); // informational; the answer follows
            }
            if let Some(status) = head.refusal() {
                self.end(id, status);
                return Ok(());
            }
            call.is_answered = true;
        }
        if ends_stream {
            let is_cut = call.reader.partial_bytes() > 0;
            self.end(id, head.into_status(is_cut));
        }
        Ok(())
    }

    fn data(&mut self, head: &FrameHead, payload: &[u8]) -> Result<(), ConnectionError> {
        let id = head.stream;
        self.check_begun(id)?;
        // Padding counts, and so does data for a call that has ended (RFC 9113 section 6.9).
        let len = payload.len() as u32;
        self.unacknowledged_bytes += len;
        if self.unacknowledged_bytes > GRPC_CONNECTION_WINDOW_BYTES / 2 {
            write_window_update(&mut self.output, 0, std::mem::take(&mut self.unacknowledged_bytes));
        }
        let mut data = unpadded(head, payload)?;
        let Some(call) = self.calls.get_mut(&id) else { return Ok(()) };
        if !call.is_answered {
            self.end(id, Status::new(Status::INTERNAL, "a message came before the headers of the answer"));
            return Ok(());
        }
        let ends_stream = head.has(flag::END_STREAM);
        call.unacknowledged_bytes += len;
        if call.unacknowledged_bytes > GRPC_STREAM_WINDOW_BYTES / 2 && !ends_stream {
            write_window_update(&mut self.output, id, std::mem::take(&mut call.unacknowledged_bytes));
        }
        loop {
            match call.reader.next(&mut data) {
                Ok(Some(message)) => self.events.push(ClientEvent::Message { call: id, message }),
                Ok(None) => break,
                Err(status) => {
                    self.end(id, status);
                    return Ok(());
                }
            }
        }
        if ends_stream {
            self.end(id, Status::new(Status::INTERNAL, "the answer ended without a status"));
        }
        Ok(())
    }
}
