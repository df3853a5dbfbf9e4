//! What the server sends: answers and stream messages, at once where the client's windows allow, else when they open.

use super::engine::Grpc;
use super::frame::{Code, PAYLOAD_BYTES_MAX, kind, write_head, write_reset};
use super::message::{PREFIX_BYTES, prefix};
use super::payload::Shape;
use super::{CallId, Status};
use bytes::{Buf, Bytes};

/// Room for the frames around a message: three frame heads, and headers and trailers in their short form.
const AROUND_BYTES: usize = 64;

impl Grpc {
    /// Answers a call: headers, one message, status OK. Dropped when the call is gone.
    pub fn reply(&mut self, call: CallId, message: Bytes) {
        self.write_message(call, message.len(), true, |out| out.extend_from_slice(&message));
    }

    /// [`reply`](Self::reply) with a Nacos payload built in the output itself, its body given in pieces.
    pub fn reply_payload(&mut self, call: CallId, kind: &str, body: &[&[u8]]) {
        let shape = Shape::of(kind, body);
        self.write_message(call, shape.len(), true, |out| shape.write(kind, body, out));
    }

    /// Sends one more message on a stream. Dropped when the call is gone.
    pub fn send(&mut self, call: CallId, message: Bytes) {
        self.write_message(call, message.len(), false, |out| out.extend_from_slice(&message));
    }

    /// [`send`](Self::send) with a Nacos payload built in the output itself, its body given in pieces.
    pub fn send_payload(&mut self, call: CallId, kind: &str, body: &[&[u8]]) {
        let shape = Shape::of(kind, body);
        self.write_message(call, shape.len(), false, |out| shape.write(kind, body, out));
    }

    /// Ends a call with a status, after everything sent to it before.
    pub fn finish(&mut self, call: CallId, status: Status) {
        let Some(found) = self.calls.get_mut(&call) else { return };
        match &mut found.outbox {
            Some(outbox) => {
                outbox.status.get_or_insert(status);
            }
            None => self.complete(call, &status),
        }
    }

    fn write_message(&mut self, id: CallId, len: usize, is_last: bool, write: impl FnOnce(&mut Vec<u8>)) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if call.is_finished() {
            return;
        }
        let framed_len = PREFIX_BYTES + len;
        let fits_frame = call.outbox.is_none() && framed_len <= PAYLOAD_BYTES_MAX;
        if fits_frame && self.windows.take_whole(&mut call.window, framed_len) {
            let out = &mut self.output;
            out.reserve(framed_len + AROUND_BYTES);
            if !std::mem::replace(&mut call.is_started, true) {
                self.encoder.write_headers(out, id);
            }
            write_head(out, framed_len, kind::DATA, 0, id);
            out.extend_from_slice(&prefix(len));
            write(out);
            if is_last {
                self.complete(id, &Status::OK);
            }
            return;
        }
        let mut framed = Vec::with_capacity(framed_len);
        framed.extend_from_slice(&prefix(len));
        write(&mut framed);
        self.queued_bytes += framed_len;
        let outbox = call.outbox.get_or_insert_default();
        outbox.messages.push_back(Bytes::from(framed));
        outbox.status = is_last.then_some(Status::OK);
        self.pump(id);
    }

    /// Writes what a call has waiting, as far as the windows allow.
    pub(super) fn pump(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(outbox) = &mut call.outbox else { return };
        if !std::mem::replace(&mut call.is_started, true) {
            self.encoder.write_headers(&mut self.output, id);
        }
        while let Some(message) = outbox.messages.front_mut() {
            let len = self.windows.take(id, &mut call.window, message.len());
            if len == 0 {
                return;
            }
            write_head(&mut self.output, len, kind::DATA, 0, id);
            self.output.extend_from_slice(&message[..len]);
            message.advance(len);
            self.queued_bytes -= len;
            if message.is_empty() {
                outbox.messages.pop_front();
            }
        }
        let status = outbox.status.take();
        call.outbox = None;
        if let Some(status) = status {
            self.complete(id, &status);
        }
    }

    /// The connection's window has opened: whoever waits for it goes on, in the order of waiting.
    pub(super) fn pump_waiting(&mut self) {
        while let Some(id) = self.windows.next_waiting() {
            if let Some(call) = self.calls.get_mut(&id) {
                call.window.go_on();
            }
            self.pump(id);
        }
    }

    /// Every call's window has grown.
    pub(super) fn pump_all(&mut self) {
        let mut blocked: Vec<CallId> =
            self.calls.iter().filter(|(_, call)| call.outbox.is_some()).map(|(id, _)| *id).collect();
        blocked.sort_unstable();
        blocked.into_iter().for_each(|id| self.pump(id));
    }

    /// The caller's end of a call.
    fn complete(&mut self, id: CallId, status: &Status) {
        self.resets_count = self.resets_count.saturating_sub(1);
        self.end(id, status);
    }

    /// Writes the end of a call and forgets it, with whatever still waits.
    pub(super) fn end(&mut self, id: CallId, status: &Status) {
        let Some(call) = self.remove(id) else { return };
        if call.is_started {
            self.encoder.write_trailers(&mut self.output, id, status);
        } else {
            self.encoder.write_only_trailers(&mut self.output, id, status);
        }
        if !call.is_half_closed {
            // The answer is whole; the client need not go on (RFC 9113 section 8.1).
            write_reset(&mut self.output, id, Code::No);
        }
    }
}
