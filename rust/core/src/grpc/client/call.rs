//! One call as the client's connection sees it.

use crate::grpc::Method;
use crate::grpc::flow::CallWindow;
use crate::grpc::message::MessageReader;
use bytes::Bytes;
use std::collections::VecDeque;

#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    /// The server has been told of it.
    pub(super) is_open: bool,
    /// The headers of the answer have arrived.
    pub(super) is_answered: bool,
    /// No message follows those that wait.
    pub(super) is_last_queued: bool,
    /// The end of our side is written.
    pub(super) is_half_closed: bool,
    /// Received and not yet granted to the server again.
    pub(super) unacknowledged_bytes: u32,
    pub(super) window: CallWindow,
    pub(super) reader: MessageReader,
    /// Messages with their prefix that are not written yet.
    pub(super) outbox: VecDeque<Bytes>,
}

impl Call {
    pub(super) fn new(method: Method) -> Self {
        Self {
            method,
            is_open: false,
            is_answered: false,
            is_last_queued: false,
            is_half_closed: false,
            unacknowledged_bytes: 0,
            window: CallWindow::default(),
            reader: MessageReader::default(),
            outbox: VecDeque::new(),
        }
    }
}
