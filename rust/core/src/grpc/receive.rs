//! What the client sends: bytes into frames, frames into calls and events.

use super::call::Call;
use super::engine::{Grpc, Stage};
use super::frame::{
    Code, ConnectionError, FrameHead, HEAD_BYTES, PAYLOAD_BYTES_MAX, PREFACE, answer_ping, flag, increment, kind,
    number, setting, settings, unpadded, write_head, write_reset, write_window_update,
};
use super::header_block::HeaderBlock;
use super::hpack::RequestHead;
use super::{CallId, GrpcEvent, Method, Status};
use crate::limits::{
    GRPC_CONNECTION_WINDOW_BYTES, GRPC_PARTIAL_BYTES_MAX, GRPC_STREAM_WINDOW_BYTES, GRPC_STREAMS_COUNT_MAX,
};

impl Grpc {
    /// Takes received bytes. Call [`poll`](Self::poll) afterwards. A caller that has much output waiting stops reading
    /// from the peer, for every request adds to it.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while !self.input.is_empty() && !bytes.is_empty() {
            let mut kept = std::mem::take(&mut self.input);
            let (taken, rest) = bytes.split_at(self.missing_bytes(&kept).min(bytes.len()));
            kept.extend_from_slice(taken);
            bytes = rest;
            if self.consume(&kept) == 0 {
                self.input = kept;
            }
        }
        let used = self.consume(bytes);
        if self.stage != Stage::Closed {
            self.input.extend_from_slice(&bytes[used..]);
        }
    }

    /// How many bytes the beginning of a frame lacks before it can be looked at again.
    fn missing_bytes(&self, kept: &[u8]) -> usize {
        let wanted = match FrameHead::read(kept) {
            _ if self.stage == Stage::Preface => PREFACE.len(),
            Some(head) => HEAD_BYTES + head.len,
            None => HEAD_BYTES,
        };
        wanted - kept.len()
    }

    /// Handles every whole frame; how many bytes that took, all of them if the connection is over.
    fn consume(&mut self, bytes: &[u8]) -> usize {
        match self.consume_frames(bytes) {
            Ok(used) => used,
            Err(error) => {
                self.fail(error);
                bytes.len()
            }
        }
    }

    fn consume_frames(&mut self, bytes: &[u8]) -> Result<usize, ConnectionError> {
        let mut used = 0;
        if self.stage == Stage::Preface {
            let seen = bytes.len().min(PREFACE.len());
            if bytes[..seen] != PREFACE[..seen] {
                return Err(ConnectionError::protocol("the client does not speak HTTP/2"));
            }
            if seen < PREFACE.len() {
                return Ok(0);
            }
            used = seen;
            self.stage = Stage::Settings;
        }
        while self.stage != Stage::Closed {
            let Some(head) = FrameHead::read(&bytes[used..]) else { return Ok(used) };
            if head.len > PAYLOAD_BYTES_MAX {
                return Err(ConnectionError::new(Code::FrameSize, "a frame is larger than the limit"));
            }
            let payload_start = used + HEAD_BYTES;
            let Some(payload) = bytes.get(payload_start..payload_start + head.len) else { return Ok(used) };
            self.frame(&head, payload)?;
            used = payload_start + head.len;
        }
        Ok(bytes.len())
    }

    fn frame(&mut self, head: &FrameHead, payload: &[u8]) -> Result<(), ConnectionError> {
        self.header_blocks.check_next(head)?;
        if self.stage == Stage::Settings {
            if head.kind != kind::SETTINGS || head.has(flag::ACK) {
                return Err(ConnectionError::protocol("the first frame is not SETTINGS"));
            }
            self.stage = Stage::Open;
        }
        match head.kind {
            kind::DATA => self.data(head, payload),
            kind::HEADERS => self.headers(head, payload),
            kind::CONTINUATION => self.continuation(head, payload),
            kind::WINDOW_UPDATE => self.window_update(head.stream, increment(payload)?),
            kind::RST_STREAM => {
                number(payload)?;
                self.reset_by_client(head.stream)
            }
            kind::SETTINGS => self.settings(head, payload),
            kind::PING => answer_ping(&mut self.output, head, payload),
            kind::PRIORITY if payload.len() != 5 => {
                Err(ConnectionError::new(Code::FrameSize, "a PRIORITY frame is not 5 bytes long"))
            }
            kind::PUSH_PROMISE => Err(ConnectionError::protocol("a client may not push")),
            // PRIORITY says nothing any more; after its GOAWAY the client ends the connection itself; unknown types
            // are to be ignored (RFC 9113 section 4.1).
            _ => Ok(()),
        }
    }

    fn settings(&mut self, head: &FrameHead, payload: &[u8]) -> Result<(), ConnectionError> {
        let Some(pairs) = settings(head, payload)? else { return Ok(()) };
        let mut has_grown = false;
        for (id, value) in pairs {
            match id {
                setting::HEADER_TABLE_SIZE => self.encoder.limit_table(value),
                setting::INITIAL_WINDOW_SIZE => has_grown |= self.windows.set_initial(value)?,
                setting::MAX_FRAME_SIZE if !(PAYLOAD_BYTES_MAX as u32..1 << 24).contains(&value) => {
                    return Err(ConnectionError::protocol("the largest frame size is out of range"));
                }
                setting::ENABLE_PUSH if value > 1 => {
                    return Err(ConnectionError::protocol("ENABLE_PUSH is neither 0 nor 1"));
                }
                _ => {}
            }
        }
        write_head(&mut self.output, 0, kind::SETTINGS, flag::ACK, 0);
        if has_grown && self.queued_bytes > 0 {
            self.pump_all();
        }
        Ok(())
    }

    fn window_update(&mut self, stream: CallId, increment: i64) -> Result<(), ConnectionError> {
        if stream == 0 {
            self.windows.open(increment)?;
            self.pump_waiting();
            return Ok(());
        }
        self.check_begun(stream)?;
        let Some(call) = self.calls.get_mut(&stream) else { return Ok(()) };
        if !self.windows.open_call(&mut call.window, increment) {
            return self.reset(stream, Code::FlowControl);
        }
        self.pump(stream);
        Ok(())
    }

    /// A frame that needs an open call may come late, after the call has ended, but not before it began.
    fn check_begun(&self, stream: CallId) -> Result<(), ConnectionError> {
        if stream % 2 == 0 || stream > self.last_stream {
            return Err(ConnectionError::protocol("a frame for a call that was never opened"));
        }
        Ok(())
    }

    fn reset_by_client(&mut self, stream: CallId) -> Result<(), ConnectionError> {
        self.check_begun(stream)?;
        if self.drop_call(stream) { self.count_reset() } else { Ok(()) }
    }

    /// Ends a call that broke the protocol of HTTP/2 itself.
    fn reset(&mut self, stream: CallId, code: Code) -> Result<(), ConnectionError> {
        self.drop_call(stream);
        write_reset(&mut self.output, stream, code);
        self.count_reset()
    }

    /// Forgets a call and tells the caller, unless it had done with it; whether there was one.
    fn drop_call(&mut self, stream: CallId) -> bool {
        let Some(call) = self.remove(stream) else { return false };
        if call.is_announced && !call.is_finished() {
            self.events.push(GrpcEvent::Gone { call: stream });
        }
        true
    }

    fn headers(&mut self, head: &FrameHead, payload: &[u8]) -> Result<(), ConnectionError> {
        if head.stream % 2 == 0 {
            return Err(ConnectionError::protocol("a client's calls have odd numbers"));
        }
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
        let &HeaderBlock { stream, ends_stream, ref bytes } = block;
        let head = self
            .decoder
            .decode(bytes)
            .map_err(|_| ConnectionError::new(Code::Compression, "the request headers cannot be decoded"))?;
        if stream > self.last_stream {
            self.last_stream = stream;
            return self.begin(stream, ends_stream, &head);
        }
        if !self.calls.contains_key(&stream) {
            // It crossed with our end of the call.
            return Ok(());
        }
        if !ends_stream || !head.is_trailers() {
            return self.reset(stream, Code::Protocol);
        }
        self.end_of_call(stream);
        Ok(())
    }

    fn begin(&mut self, stream: CallId, ends_stream: bool, head: &RequestHead) -> Result<(), ConnectionError> {
        if self.stage == Stage::GoingAway {
            // The client knows from our GOAWAY that this call was not looked at, and tries elsewhere.
            return Ok(());
        }
        if !head.is_request() {
            return self.reset(stream, Code::Protocol);
        }
        if self.calls.len() >= GRPC_STREAMS_COUNT_MAX as usize {
            return self.reset(stream, Code::RefusedStream);
        }
        let not_grpc = match head {
            RequestHead { is_post: false, .. } => Some(405),
            RequestHead { is_grpc: false, .. } => Some(415),
            _ => None,
        };
        if let Some(http_status) = not_grpc {
            self.encoder.write_http_status(&mut self.output, stream, http_status);
        } else if let Some(method) = head.method {
            let mut call = Call::new(method);
            if method == Method::BiRequestStream {
                // At once, not with the first message: a client may wait for them before it takes its stream for open.
                // The Rust client (nacos-sdk 0.8.3) otherwise misses the end of a connection that was never pushed to.
                self.encoder.write_headers(&mut self.output, stream);
                call.is_started = true;
            }
            self.calls.insert(stream, call);
            if ends_stream {
                self.end_of_call(stream);
            }
            return Ok(());
        } else {
            let status = Status::new(Status::UNIMPLEMENTED, "unknown method");
            self.encoder.write_only_trailers(&mut self.output, stream, &status);
        }
        if !ends_stream {
            write_reset(&mut self.output, stream, Code::No);
        }
        Ok(())
    }

    fn data(&mut self, head: &FrameHead, payload: &[u8]) -> Result<(), ConnectionError> {
        self.check_begun(head.stream)?;
        // Padding counts, and so does data for a call that has ended (RFC 9113 section 6.9).
        let len = payload.len() as u32;
        self.unacknowledged_bytes += len;
        if self.unacknowledged_bytes > GRPC_CONNECTION_WINDOW_BYTES / 2 {
            write_window_update(&mut self.output, 0, std::mem::take(&mut self.unacknowledged_bytes));
        }
        let data = unpadded(head, payload)?;
        let Some(call) = self.calls.get_mut(&head.stream) else { return Ok(()) };
        if call.is_half_closed {
            return self.reset(head.stream, Code::StreamClosed);
        }
        let ends_stream = head.has(flag::END_STREAM);
        call.unacknowledged_bytes += len;
        if call.unacknowledged_bytes > GRPC_STREAM_WINDOW_BYTES / 2 && !ends_stream {
            write_window_update(&mut self.output, head.stream, std::mem::take(&mut call.unacknowledged_bytes));
        }
        let partial_before = call.reader.partial_bytes();
        let result = take_messages(call, head.stream, data, &mut self.events);
        self.partial_bytes = self.partial_bytes + call.reader.partial_bytes() - partial_before;
        if let Err(status) = result {
            self.break_call(head.stream, &status);
            return Ok(());
        }
        if self.partial_bytes > GRPC_PARTIAL_BYTES_MAX {
            let status = Status::new(Status::RESOURCE_EXHAUSTED, "too many bytes in unfinished messages");
            self.break_call(head.stream, &status);
            return Ok(());
        }
        if ends_stream {
            self.end_of_call(head.stream);
        }
        Ok(())
    }

    /// The client has ended its side of a call.
    fn end_of_call(&mut self, stream: CallId) {
        let Some(call) = self.calls.get_mut(&stream) else { return };
        call.is_half_closed = true;
        let message = call.message.take();
        if call.reader.partial_bytes() > 0 || (call.method == Method::Request && message.is_none()) {
            let status = Status::new(Status::INTERNAL, "the call ended before its message");
            return self.break_call(stream, &status);
        }
        call.is_announced = true;
        self.events.push(match message {
            Some(message) => GrpcEvent::Message { call: stream, method: call.method, message },
            None => GrpcEvent::HalfClosed { call: stream },
        });
    }

    /// Ends a call that broke the rules of gRPC, with a status that says how.
    fn break_call(&mut self, stream: CallId, status: &Status) {
        let Some(call) = self.calls.get(&stream) else { return };
        if call.is_announced && !call.is_finished() {
            self.events.push(GrpcEvent::Gone { call: stream });
        }
        self.end(stream, status);
    }
}

/// Hands up the messages that have become whole. That of a unary call waits for the end of the client's side, so that
/// the answer never overtakes it.
fn take_messages(call: &mut Call, id: CallId, mut data: &[u8], events: &mut Vec<GrpcEvent>) -> Result<(), Status> {
    while let Some(message) = call.reader.next(&mut data)? {
        if call.method == Method::BiRequestStream {
            call.is_announced = true;
            events.push(GrpcEvent::Message { call: id, method: call.method, message });
        } else if call.message.is_some() {
            return Err(Status::new(Status::INTERNAL, "a second message on a unary call"));
        } else {
            call.message = Some(message);
        }
    }
    Ok(())
}
