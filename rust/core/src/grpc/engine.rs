//! One server-side connection: its state, and what a caller does with it. Receiving and sending have their own files.

use super::call::Call;
use super::flow::SendWindows;
use super::frame::{
    Code, ConnectionError, WINDOW_INITIAL, setting, write_go_away, write_settings, write_window_update,
};
use super::header_block::HeaderBlocks;
use super::hpack::Decoder;
use super::response::Encoder;
use super::{CallId, GrpcEvent};
use crate::limits::{
    GRPC_CONNECTION_WINDOW_BYTES, GRPC_HEADERS_BYTES_MAX, GRPC_OUTPUT_IDLE_BYTES_MAX, GRPC_RESETS_COUNT_MAX,
    GRPC_STREAM_WINDOW_BYTES, GRPC_STREAMS_COUNT_MAX,
};
use hashbrown::HashMap;

/// How far the connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The client's preface has not arrived.
    Preface,
    /// The client's first frame must be SETTINGS.
    Settings,
    Open,
    /// We said GOAWAY: no new calls, and the end with the last open one.
    GoingAway,
    Closed,
}

/// One gRPC connection, seen from the server.
#[derive(Debug)]
pub struct Grpc {
    pub(super) stage: Stage,
    /// The beginning of a frame whose end has not arrived.
    pub(super) input: Vec<u8>,
    pub(super) output: Vec<u8>,
    pub(super) events: Vec<GrpcEvent>,
    pub(super) calls: HashMap<CallId, Call, foldhash::fast::FixedState>,
    pub(super) decoder: Decoder,
    pub(super) encoder: Encoder,
    pub(super) header_blocks: HeaderBlocks,
    pub(super) last_stream: CallId,
    /// Received and not yet granted to the client again.
    pub(super) unacknowledged_bytes: u32,
    pub(super) windows: SendWindows,
    pub(super) queued_bytes: usize,
    /// Bytes of messages that are not whole yet.
    pub(super) partial_bytes: usize,
    /// Calls reset, less those answered since.
    pub(super) resets_count: u32,
}

impl Default for Grpc {
    fn default() -> Self {
        Self::new()
    }
}

impl Grpc {
    /// A connection that has received nothing yet, not even the client's preface. Its own settings are in the output.
    pub fn new() -> Self {
        let mut output = Vec::with_capacity(64);
        let settings = [
            (setting::MAX_CONCURRENT_STREAMS, GRPC_STREAMS_COUNT_MAX),
            (setting::INITIAL_WINDOW_SIZE, GRPC_STREAM_WINDOW_BYTES),
            (setting::MAX_HEADER_LIST_SIZE, GRPC_HEADERS_BYTES_MAX as u32),
        ];
        write_settings(&mut output, &settings);
        write_window_update(&mut output, 0, GRPC_CONNECTION_WINDOW_BYTES - WINDOW_INITIAL);
        Self {
            stage: Stage::Preface,
            input: Vec::new(),
            output,
            events: Vec::new(),
            calls: HashMap::default(),
            decoder: Decoder::new(),
            encoder: Encoder::new(),
            header_blocks: HeaderBlocks::default(),
            last_stream: 0,
            unacknowledged_bytes: 0,
            windows: SendWindows::default(),
            queued_bytes: 0,
            partial_bytes: 0,
            resets_count: 0,
        }
    }

    /// Appends what happened since the last call. To be called after each [`feed`](Self::feed) and after answering.
    pub fn poll(&mut self, events: &mut Vec<GrpcEvent>) {
        if self.stage == Stage::GoingAway && self.calls.is_empty() {
            self.close(None);
        }
        events.append(&mut self.events);
        self.shrink();
    }

    /// The peer will send no more. Call [`poll`](Self::poll) afterwards.
    pub fn closed_by_peer(&mut self) {
        if self.stage != Stage::Closed {
            let is_cut = !self.input.is_empty() || self.header_blocks.is_inside();
            self.close(is_cut.then(|| "the connection ended inside a frame".to_owned()));
        }
    }

    /// Tells the client to open no more calls here; those that are open go on. `Closed` follows when the last ended.
    pub fn go_away(&mut self) {
        if !matches!(self.stage, Stage::GoingAway | Stage::Closed) {
            write_go_away(&mut self.output, self.last_stream, ConnectionError::new(Code::No, ""));
            self.stage = Stage::GoingAway;
            if self.calls.is_empty() {
                self.close(None);
            }
        }
    }

    /// Bytes to write to the peer; the caller takes off the front what it has written.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Takes `written_bytes` off the front of the output, and gives memory back when it is empty.
    pub fn wrote(&mut self, written_bytes: usize) {
        self.output.drain(..written_bytes.min(self.output.len()));
        self.shrink();
    }

    /// Whether the connection has ended: nothing more will come of it but what is in the output.
    pub fn is_closed(&self) -> bool {
        self.stage == Stage::Closed
    }

    /// Bytes accepted from the caller that wait for the peer's flow control and are not in the output yet.
    pub fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Bytes received of messages that are not whole yet.
    pub fn partial_bytes(&self) -> usize {
        self.partial_bytes
    }

    /// How many calls are open.
    pub fn calls_count(&self) -> usize {
        self.calls.len()
    }

    /// A rule is broken that the connection does not survive.
    pub(super) fn fail(&mut self, error: ConnectionError) {
        write_go_away(&mut self.output, self.last_stream, error);
        self.close(Some(error.reason.to_owned()));
    }

    fn close(&mut self, reason: Option<String>) {
        self.stage = Stage::Closed;
        self.input = Vec::new();
        self.header_blocks = HeaderBlocks::default();
        self.calls = HashMap::default();
        self.windows.clear();
        self.queued_bytes = 0;
        self.partial_bytes = 0;
        self.events.push(GrpcEvent::Closed { reason });
    }

    /// Takes a call off the books.
    pub(super) fn remove(&mut self, id: CallId) -> Option<Call> {
        let call = self.calls.remove(&id)?;
        self.queued_bytes -= call.queued_bytes();
        self.partial_bytes -= call.reader.partial_bytes();
        self.windows.forget(id, &call.window);
        Some(call)
    }

    /// A call was reset, by the client or because of it. Resetting is cheaper than opening, so a client that does
    /// little else is disconnected (CVE-2023-44487, CVE-2025-8671).
    pub(super) fn count_reset(&mut self) -> Result<(), ConnectionError> {
        self.resets_count += 1;
        if self.resets_count > GRPC_RESETS_COUNT_MAX {
            return Err(ConnectionError::new(Code::EnhanceYourCalm, "too many calls were reset"));
        }
        Ok(())
    }

    /// Gives back what a burst has left, so that an idle connection is small.
    fn shrink(&mut self) {
        const CALLS_IDLE_MAX: usize = 64;
        const EVENTS_IDLE_MAX: usize = 32;
        if self.output.is_empty() && self.output.capacity() > GRPC_OUTPUT_IDLE_BYTES_MAX {
            self.output = Vec::new();
        }
        if self.calls.capacity() > CALLS_IDLE_MAX && self.calls.len() < CALLS_IDLE_MAX / 8 {
            self.calls.shrink_to(CALLS_IDLE_MAX / 8);
        }
        if self.events.capacity() > EVENTS_IDLE_MAX {
            self.events.shrink_to(EVENTS_IDLE_MAX);
        }
    }
}
