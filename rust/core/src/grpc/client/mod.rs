//! The gRPC client side of one HTTP/2 connection as a value: calls and received bytes in, messages and bytes out.
//!
//! It shares frames, message prefixes and Huffman texts with the server's engine. It keeps no header table on either
//! side: the server is told to use none, and requests are spelled out. That costs some hundred bytes a call and saves all
//! the state; a client makes few calls, and waits for pushes the rest of the time.

mod call;
mod head;
mod receive;
mod send;
#[cfg(test)]
mod tests;

use super::flow::SendWindows;
use super::frame::{
    Code, ConnectionError, PREFACE, WINDOW_INITIAL, setting, write_go_away, write_reset, write_settings,
    write_window_update,
};
use super::header_block::HeaderBlocks;
use super::{CallId, Method, Status};
use crate::limits::{
    GRPC_CONNECTION_WINDOW_BYTES, GRPC_HEADERS_BYTES_MAX, GRPC_OUTPUT_IDLE_BYTES_MAX, GRPC_STREAM_WINDOW_BYTES,
};
use bytes::Bytes;
use call::Call;
use hashbrown::HashMap;
use std::collections::VecDeque;

/// The last call that a connection can have (RFC 9113 section 5.1.1).
const CALL_MAX: CallId = 0x7fff_ffff;

/// What [`GrpcClient::poll`] saw, in the order in which it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientEvent {
    /// A whole message from the server.
    Message {
        /// The call it belongs to.
        call: CallId,
        /// The message without its gRPC prefix.
        message: Bytes,
    },
    /// A call is over, after its last message. Not reported for one that was cancelled, nor beside `Closed`.
    Ended {
        /// The call.
        call: CallId,
        /// How: what the server said, or what it did instead.
        status: Status,
    },
    /// The server takes no new calls on this connection; those that it has accepted go on.
    GoingAway {
        /// What the server said about it; often empty.
        reason: String,
    },
    /// The connection ended, and every call with it. The last event; flush the output and close.
    Closed {
        /// What went wrong; none for an orderly end.
        reason: Option<String>,
    },
}

/// One gRPC connection, seen from the client.
#[derive(Debug)]
pub struct GrpcClient {
    /// `:authority` of every request.
    authority: Box<str>,
    /// The server's first SETTINGS have arrived: it speaks HTTP/2.
    is_met: bool,
    is_going_away: bool,
    is_closed: bool,
    /// The beginning of a frame whose end has not arrived.
    input: Vec<u8>,
    output: Vec<u8>,
    events: Vec<ClientEvent>,
    calls: HashMap<CallId, Call, foldhash::fast::FixedState>,
    header_blocks: HeaderBlocks,
    next_call: CallId,
    /// Calls that the server has not been told of, since it has as many as it wants, in the order of their numbers.
    unopened: VecDeque<CallId>,
    open_count: u32,
    open_max: u32,
    /// Received and not yet granted to the server again.
    unacknowledged_bytes: u32,
    windows: SendWindows,
}

impl GrpcClient {
    /// A connection that has received nothing yet. What it begins with is in the output. `authority` is the server's
    /// `host:port`.
    pub fn new(authority: &str) -> Self {
        let mut output = PREFACE.to_vec();
        let settings = [
            (setting::HEADER_TABLE_SIZE, 0),
            (setting::ENABLE_PUSH, 0),
            (setting::INITIAL_WINDOW_SIZE, GRPC_STREAM_WINDOW_BYTES),
            (setting::MAX_HEADER_LIST_SIZE, GRPC_HEADERS_BYTES_MAX as u32),
        ];
        write_settings(&mut output, &settings);
        write_window_update(&mut output, 0, GRPC_CONNECTION_WINDOW_BYTES - WINDOW_INITIAL);
        Self {
            authority: authority.into(),
            is_met: false,
            is_going_away: false,
            is_closed: false,
            input: Vec::new(),
            output,
            events: Vec::new(),
            calls: HashMap::default(),
            header_blocks: HeaderBlocks::default(),
            next_call: 1,
            unopened: VecDeque::new(),
            open_count: 0,
            // As many as we like, until the server says otherwise (RFC 9113 section 6.5.2).
            open_max: u32::MAX,
            unacknowledged_bytes: 0,
            windows: SendWindows::default(),
        }
    }

    /// Makes a [`Method::Request`] call. None: the connection takes no more.
    pub fn call(&mut self, message: Bytes) -> Option<CallId> {
        let id = self.open(Method::Request)?;
        self.write_message(id, &message, true);
        Some(id)
    }

    /// Opens a [`Method::BiRequestStream`]. None: the connection takes no more.
    pub fn open_stream(&mut self) -> Option<CallId> {
        self.open(Method::BiRequestStream)
    }

    /// Sends one more message on a stream. Dropped when the stream is over, or our side of it.
    pub fn send(&mut self, call: CallId, message: Bytes) {
        self.write_message(call, &message, false);
    }

    /// Forgets a call, and tells the server that its answer is not wanted any more.
    pub fn cancel(&mut self, call: CallId) {
        if let Some(found) = self.remove(call) {
            if found.is_open {
                write_reset(&mut self.output, call, Code::Cancel);
            }
            self.open_more();
        }
    }

    /// Appends what happened since the last call. To be called after each [`feed`](Self::feed).
    pub fn poll(&mut self, events: &mut Vec<ClientEvent>) {
        events.append(&mut self.events);
    }

    /// The server will send no more. Call [`poll`](Self::poll) afterwards.
    pub fn closed_by_peer(&mut self) {
        if !self.is_closed {
            let reason = if !self.input.is_empty() || self.header_blocks.is_inside() {
                Some("the connection ended inside a frame".to_owned())
            } else if !self.is_met {
                Some("the server closed the connection before it had said anything".to_owned())
            } else {
                None
            };
            self.close(reason);
        }
    }

    /// Takes the bytes to write to the server.
    pub fn take_output(&mut self) -> Vec<u8> {
        let output = std::mem::take(&mut self.output);
        if output.capacity() <= GRPC_OUTPUT_IDLE_BYTES_MAX {
            self.output.reserve(output.len());
        }
        output
    }

    /// Whether the connection has ended: nothing more will come of it but what is in the output.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// How many calls are open, those that the server does not know of yet included.
    pub fn calls_count(&self) -> usize {
        self.calls.len()
    }

    fn open(&mut self, method: Method) -> Option<CallId> {
        if self.is_closed || self.is_going_away || self.next_call > CALL_MAX {
            return None;
        }
        let id = self.next_call;
        self.next_call += 2;
        self.calls.insert(id, Call::new(method));
        self.unopened.push_back(id);
        self.open_more();
        Some(id)
    }

    /// A rule is broken that the connection does not survive.
    fn fail(&mut self, error: ConnectionError) {
        write_go_away(&mut self.output, 0, error);
        self.close(Some(error.reason.to_owned()));
    }

    fn close(&mut self, reason: Option<String>) {
        self.is_closed = true;
        self.input = Vec::new();
        self.header_blocks = HeaderBlocks::default();
        self.calls = HashMap::default();
        self.unopened = VecDeque::new();
        self.windows.clear();
        self.open_count = 0;
        self.events.push(ClientEvent::Closed { reason });
    }

    /// Takes a call off the books.
    fn remove(&mut self, id: CallId) -> Option<Call> {
        let call = self.calls.remove(&id)?;
        if call.is_open {
            self.open_count -= 1;
        } else {
            self.unopened.retain(|unopened| *unopened != id);
        }
        self.windows.forget(id, &call.window);
        Some(call)
    }

    /// A call is over; what the server still wants of it, it does not get.
    fn end(&mut self, id: CallId, status: Status) {
        let Some(call) = self.remove(id) else { return };
        if call.is_open && !call.is_half_closed {
            write_reset(&mut self.output, id, Code::Cancel);
        }
        self.events.push(ClientEvent::Ended { call: id, status });
        self.open_more();
    }
}
