//! One call as the connection sees it.

use super::flow::CallWindow;
use super::message::MessageReader;
use super::{Method, Status};
use bytes::Bytes;
use std::collections::VecDeque;

/// An open call. Small, because a connection keeps room for many.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    /// The client has ended its side.
    pub(super) is_half_closed: bool,
    /// The caller knows of it.
    pub(super) is_announced: bool,
    /// The response headers are sent.
    pub(super) is_started: bool,
    /// Received and not yet granted to the client again.
    pub(super) unacknowledged_bytes: u32,
    pub(super) window: CallWindow,
    pub(super) reader: MessageReader,
    /// The message of a unary call whose end has not arrived.
    pub(super) message: Option<Bytes>,
    /// What waits for send window.
    pub(super) outbox: Option<Box<Outbox>>,
}

/// Messages with their prefix that wait for the client's flow control, and how the call ends after them.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) messages: VecDeque<Bytes>,
    pub(super) status: Option<Status>,
}

impl Call {
    pub(super) fn new(method: Method) -> Self {
        Self {
            method,
            is_half_closed: false,
            is_announced: false,
            is_started: false,
            unacknowledged_bytes: 0,
            window: CallWindow::default(),
            reader: MessageReader::default(),
            message: None,
            outbox: None,
        }
    }

    /// Whether the caller has ended it and only flow control keeps it.
    pub(super) fn is_finished(&self) -> bool {
        self.outbox.as_ref().is_some_and(|outbox| outbox.status.is_some())
    }

    /// Bytes waiting for send window.
    pub(super) fn queued_bytes(&self) -> usize {
        self.outbox.as_ref().map_or(0, |outbox| outbox.messages.iter().map(Bytes::len).sum())
    }
}
