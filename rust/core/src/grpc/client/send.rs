//! What the client sends: calls as far as the server takes more of them, messages as far as its windows allow.

use super::{GrpcClient, head};
use crate::grpc::CallId;
use crate::grpc::frame::{flag, kind, write_head};
use crate::grpc::message::{PREFIX_BYTES, prefix};
use bytes::{Buf, Bytes};

impl GrpcClient {
    /// Tells the server of calls that wait, as many as it takes.
    pub(super) fn open_more(&mut self) {
        while self.open_count < self.open_max {
            let Some(id) = self.unopened.pop_front() else { return };
            let Some(call) = self.calls.get_mut(&id) else { continue };
            call.is_open = true;
            self.open_count += 1;
            // The authority fits: `host:port` is far shorter than a frame.
            let block = head::block(call.method, &self.authority, id == 1);
            write_head(&mut self.output, block.len(), kind::HEADERS, flag::END_HEADERS, id);
            self.output.extend_from_slice(&block);
            self.pump(id);
        }
    }

    pub(super) fn write_message(&mut self, id: CallId, message: &[u8], is_last: bool) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if call.is_last_queued {
            return;
        }
        let mut framed = Vec::with_capacity(PREFIX_BYTES + message.len());
        framed.extend_from_slice(&prefix(message.len()));
        framed.extend_from_slice(message);
        call.outbox.push_back(Bytes::from(framed));
        call.is_last_queued = is_last;
        self.pump(id);
    }

    /// Writes what a call has waiting, as far as the windows allow.
    pub(super) fn pump(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(&id).filter(|call| call.is_open) else { return };
        while let Some(message) = call.outbox.front_mut() {
            let len = self.windows.take(id, &mut call.window, message.len());
            if len == 0 {
                return;
            }
            let part = message.split_to(len);
            if !message.has_remaining() {
                call.outbox.pop_front();
            }
            call.is_half_closed = call.outbox.is_empty() && call.is_last_queued;
            let flags = if call.is_half_closed { flag::END_STREAM } else { 0 };
            write_head(&mut self.output, part.len(), kind::DATA, flags, id);
            self.output.extend_from_slice(&part);
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
            self.calls.iter().filter(|(_, call)| !call.outbox.is_empty()).map(|(id, _)| *id).collect();
        blocked.sort_unstable();
        blocked.into_iter().for_each(|id| self.pump(id));
    }
}
