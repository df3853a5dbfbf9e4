//! Flow control of what we send (RFC 9113 section 5.2), the same at either end of a connection.

use super::CallId;
use super::frame::{Code, ConnectionError, PAYLOAD_BYTES_MAX, WINDOW_INITIAL, WINDOW_MAX};
use std::collections::VecDeque;

/// What the peer lets us send.
#[derive(Debug)]
pub(super) struct SendWindows {
    /// On the whole connection.
    connection_bytes: i64,
    /// On each call to begin with. Negative after all that was sent on it: the peer may take back what it granted.
    call_bytes: i64,
    /// Calls that wait for the connection's window, first come first served.
    waiting: VecDeque<CallId>,
}

/// What one call may send.
#[derive(Debug, Default)]
pub(super) struct CallWindow {
    /// Relative to the peer's initial window, so that a change of that setting costs nothing here.
    credit_bytes: i64,
    /// It stands in the connection's line.
    is_waiting: bool,
}

impl Default for SendWindows {
    fn default() -> Self {
        let bytes = i64::from(WINDOW_INITIAL);
        Self { connection_bytes: bytes, call_bytes: bytes, waiting: VecDeque::new() }
    }
}

impl SendWindows {
    /// Takes `len` from the windows if all of it may be sent now.
    #[inline]
    pub(super) fn take_whole(&mut self, call: &mut CallWindow, len: usize) -> bool {
        let window = self.connection_bytes.min(self.call_bytes + call.credit_bytes);
        let is_open = len as i64 <= window;
        if is_open {
            self.spend(call, len);
        }
        is_open
    }

    /// Takes from the windows what may be sent now in one frame; how much that is of `len`, which is not 0. At 0 the call
    /// waits for its own window, or stands in line for that of the connection.
    pub(super) fn take(&mut self, id: CallId, call: &mut CallWindow, len: usize) -> usize {
        let call_window = self.call_bytes + call.credit_bytes;
        if call_window <= 0 {
            return 0;
        }
        if self.connection_bytes <= 0 {
            if !std::mem::replace(&mut call.is_waiting, true) {
                self.waiting.push_back(id);
            }
            return 0;
        }
        let window = call_window.min(self.connection_bytes).min(PAYLOAD_BYTES_MAX as i64);
        let len = len.min(window as usize);
        self.spend(call, len);
        len
    }

    fn spend(&mut self, call: &mut CallWindow, len: usize) {
        call.credit_bytes -= len as i64;
        self.connection_bytes -= len as i64;
    }

    /// The peer lets us send more on the connection.
    pub(super) fn open(&mut self, increment: i64) -> Result<(), ConnectionError> {
        self.connection_bytes += increment;
        if self.connection_bytes > WINDOW_MAX {
            return Err(ConnectionError::new(Code::FlowControl, "the connection's window is too large"));
        }
        Ok(())
    }

    /// The peer lets us send more on a call; whether its window is no larger than it may be.
    pub(super) fn open_call(&self, call: &mut CallWindow, increment: i64) -> bool {
        call.credit_bytes += increment;
        call.credit_bytes + self.call_bytes <= WINDOW_MAX
    }

    /// What the peer lets us send on each call has changed, also on those that are open; whether it has grown.
    pub(super) fn set_initial(&mut self, bytes: u32) -> Result<bool, ConnectionError> {
        if i64::from(bytes) > WINDOW_MAX {
            return Err(ConnectionError::new(Code::FlowControl, "the initial window is too large"));
        }
        Ok(std::mem::replace(&mut self.call_bytes, bytes.into()) < bytes.into())
    }

    /// The first call in line, as long as the connection's window is open. It has to be told with [`CallWindow::go_on`].
    pub(super) fn next_waiting(&mut self) -> Option<CallId> {
        if self.connection_bytes > 0 { self.waiting.pop_front() } else { None }
    }

    /// A call is over.
    pub(super) fn forget(&mut self, id: CallId, call: &CallWindow) {
        if call.is_waiting {
            self.waiting.retain(|waiting| *waiting != id);
        }
    }

    /// The connection is over.
    pub(super) fn clear(&mut self) {
        self.waiting = VecDeque::new();
    }

    /// How many calls are in line.
    #[cfg(test)]
    pub(super) fn waiting_count(&self) -> usize {
        self.waiting.len()
    }
}

impl CallWindow {
    /// The call stands in line no more.
    pub(super) fn go_on(&mut self) {
        self.is_waiting = false;
    }
}
