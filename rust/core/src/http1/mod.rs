//! HTTP/1.1 as a value: received bytes in, requests out, answers into the caller's buffer. No socket, clock or task.
//!
//! One request at a time: a pipelined next request is parsed only after the present one has been answered, so answers
//! can never change order. A request is complete (head and body) before it is seen, because every handler of this
//! server needs the whole body anyway.

mod body;
mod head;
mod params;
mod request;
mod respond;
#[cfg(test)]
mod tests;

pub use params::{Params, ParamsError};
pub use request::Request;
pub use respond::write_status_line;

use crate::limits::{BODY_BYTES_MAX, HEAD_BYTES_MAX, INPUT_IDLE_BYTES_MAX, READ_AHEAD_BYTES_MAX};
use body::Chunks;
use head::Head;

/// What [`Http1::poll`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// The buffered bytes are no whole request yet.
    NeedMore,
    /// One whole request is buffered: answer it before polling further.
    Ready,
    /// The peer broke the protocol or a limit. The answer is already written; flush it and close.
    Refused(Refusal),
}

/// Why a request was refused before any handler saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{status}: {message}")]
pub struct Refusal {
    /// HTTP status of the answer.
    pub status: u16,
    /// The answer's body: what the client did wrong.
    pub message: &'static str,
}

impl Refusal {
    const fn new(status: u16, message: &'static str) -> Self {
        Self { status, message }
    }

    const fn bad(message: &'static str) -> Self {
        Self::new(400, message)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    /// The body has a Content-Length.
    Length,
    /// The body is chunked.
    Chunked,
    Ready,
    /// No further request is read; what arrives is dropped.
    Closed,
}

/// One server-side HTTP/1.1 connection.
#[derive(Debug)]
pub struct Http1 {
    /// Received bytes; the present request begins at `start`, everything before it is answered.
    input: Vec<u8>,
    start: usize,
    head: Head,
    chunks: Chunks,
    /// Where the body lies, relative to `start`.
    body_start: usize,
    body_len: usize,
    /// Length of head and body as received, relative to `start`: the next request begins there.
    end: usize,
    state: State,
    wants_close: bool,
}

impl Default for Http1 {
    fn default() -> Self {
        Self::new()
    }
}

impl Http1 {
    /// A connection that has received nothing yet. It holds no heap memory until bytes arrive.
    pub fn new() -> Self {
        Self {
            input: Vec::new(),
            start: 0,
            head: Head::default(),
            chunks: Chunks::default(),
            body_start: 0,
            body_len: 0,
            end: 0,
            state: State::Head,
            wants_close: false,
        }
    }

    /// Takes received bytes. Call [`poll`](Self::poll) afterwards.
    ///
    /// A caller stops reading from the socket while a request waits for its answer and [`buffered`](Self::buffered)
    /// is large. One that does not is stopped here: beyond one request of the largest size and
    /// `READ_AHEAD_BYTES_MAX` more, what arrives is dropped and the connection closes after the present answer.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.state == State::Closed || bytes.is_empty() {
            return;
        }
        if self.buffered() + bytes.len() > HEAD_BYTES_MAX + BODY_BYTES_MAX + READ_AHEAD_BYTES_MAX {
            self.wants_close = true;
            return;
        }
        if self.start > 0 && self.input.len() + bytes.len() > self.input.capacity() {
            self.input.drain(..self.start);
            self.start = 0;
        }
        self.input.extend_from_slice(bytes);
    }

    /// Parses as far as the buffered bytes allow. An interim `100 Continue` and the answer to a refused request are
    /// appended to `out`.
    pub fn poll(&mut self, out: &mut Vec<u8>) -> Step {
        match self.advance(out) {
            Ok(step) => step,
            Err(refusal) => {
                self.refuse(out, refusal);
                Step::Refused(refusal)
            }
        }
    }

    fn advance(&mut self, out: &mut Vec<u8>) -> Result<Step, Refusal> {
        if self.state == State::Head {
            if !self.head.scan(&self.input[self.start..])? {
                return Ok(Step::NeedMore);
            }
            self.begin_body(out)?;
        }
        match self.state {
            State::Length if self.input.len() - self.start >= self.end => self.state = State::Ready,
            State::Chunked => self.advance_chunks()?,
            _ => {}
        }
        Ok(if self.state == State::Ready { Step::Ready } else { Step::NeedMore })
    }

    /// The head is complete: decide how the body is framed (RFC 9112 section 6.3).
    fn begin_body(&mut self, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let head_len = self.head.finish()?;
        self.wants_close |= !self.head.keep_alive();
        self.body_start = head_len;
        self.body_len = 0;
        self.end = head_len;
        if self.head.chunked() {
            self.chunks = Chunks::default();
            self.state = State::Chunked;
        } else {
            let length = self.head.content_length();
            if length > BODY_BYTES_MAX as u64 {
                return Err(Refusal::new(413, "request body is larger than the limit"));
            }
            self.body_len = length as usize;
            self.end += self.body_len;
            self.state = State::Length;
        }
        let received_len = self.input.len() - self.start;
        if self.head.expects_continue() && received_len == head_len && (self.body_len > 0 || self.head.chunked()) {
            out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        Ok(())
    }

    fn advance_chunks(&mut self) -> Result<(), Refusal> {
        // The decoder moves the data of each chunk down over the framing before it, so that the body ends up in one
        // piece without a second buffer.
        let mut end = self.start + self.end;
        let mut body_end = self.start + self.body_start + self.body_len;
        let result = self.chunks.decode(&mut self.input, &mut end, &mut body_end, self.start + self.body_start);
        self.body_len = body_end - self.start - self.body_start;
        if result? {
            self.end = end - self.start;
            self.state = State::Ready;
        } else {
            // Drop the framing that is already read, or a body of one-byte chunks would take six times its size.
            self.input.drain(body_end..end);
            self.end = body_end - self.start;
        }
        Ok(())
    }

    /// The request that [`poll`](Self::poll) announced as [`Step::Ready`]; an empty one when there is none.
    pub fn request(&self) -> Request<'_> {
        if self.state != State::Ready {
            return Request::empty();
        }
        let bytes = &self.input[self.start..];
        Request::new(&self.head, bytes, &bytes[self.body_start..self.body_start + self.body_len])
    }

    /// Whether a whole request waits for its answer.
    pub fn is_ready(&self) -> bool {
        self.state == State::Ready
    }

    /// Whether nothing has arrived behind the request that waits for its answer.
    pub fn is_last(&self) -> bool {
        self.state == State::Ready && self.buffered() == self.end
    }

    /// Whether a request has begun to arrive and is not yet whole: what a read timeout looks at.
    pub fn is_partial(&self) -> bool {
        match self.state {
            State::Head => self.buffered() > 0,
            State::Length | State::Chunked => true,
            State::Ready | State::Closed => false,
        }
    }

    /// Whether to close once the output is flushed: asked for by the peer, HTTP/1.0, or a refused request.
    /// Not before the request that asked for it has been answered.
    pub fn wants_close(&self) -> bool {
        self.state == State::Closed
    }

    /// Bytes received and not yet released by an answer.
    pub fn buffered(&self) -> usize {
        self.input.len() - self.start
    }

    /// Forgets the answered request; the next one begins behind it.
    fn release(&mut self) {
        if self.wants_close {
            self.close();
            return;
        }
        self.start += std::mem::take(&mut self.end);
        self.state = State::Head;
        self.head.reset();
        if self.start >= self.input.len() {
            self.input.clear();
            self.start = 0;
        }
        if self.input.capacity() > INPUT_IDLE_BYTES_MAX && self.buffered() <= INPUT_IDLE_BYTES_MAX / 2 {
            self.input.drain(..self.start);
            self.start = 0;
            self.input.shrink_to(INPUT_IDLE_BYTES_MAX / 2);
        }
    }

    fn close(&mut self) {
        self.state = State::Closed;
        self.wants_close = true;
        self.input = Vec::new();
        self.start = 0;
    }
}
