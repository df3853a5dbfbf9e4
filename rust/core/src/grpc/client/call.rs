//! One call as the client's connection sees it.

use crate::grpc::Method;
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
    /// It stands in the connection's line for send window.
    pub(super) is_waiting: bool,
    /// Received and not yet granted to the server again.
    pub(super) unacknowledged_bytes: u32,
    /// What may be sent, relative to the server's initial window, so that a change of that setting costs nothing here.
    pub(super) send_credit_bytes: i64,
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
            is_waiting: false,
            unacknowledged_bytes: 0,
            send_credit_bytes: 0,
            reader: MessageReader::default(),
            outbox: VecDeque::new(),
        }
    }
}
