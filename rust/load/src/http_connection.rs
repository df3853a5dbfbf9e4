//! One keep-alive HTTP/1.1 connection with one request at a time, as the 1.x clients use it.

use crate::connection::{Answer, Connection, ConnectionError, SCRATCH_BYTES, read_in, write_out};
use crate::expect::{Expect, shown};
use crate::http1::{Parsed, parse};
use crate::template::Template;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long an answer outside the load may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The requests that a connection sends, over and over.
#[derive(Debug, Clone)]
pub struct Requests {
    /// The request; its numbers move on.
    pub template: Template,
    /// What each answer must say.
    pub expect: Expect,
    /// The first serial number and the distance to the next; connections interleave.
    pub serial: u64,
    pub serial_step: u64,
}

impl Requests {
    /// A request whose numbers, if it has any, stay as they are.
    pub fn once(template: Template, expect: Expect) -> Self {
        Self { template, expect, serial: 0, serial_step: 0 }
    }
}

/// A connection of the HTTP load.
#[derive(Debug)]
pub struct HttpConnection {
    socket: TcpStream,
    out: Vec<u8>,
    requests: Requests,
    sent_count: u64,
    responses: Responses,
}

/// The reading half: at most one response is under way.
#[derive(Debug, Default)]
struct Responses {
    buffer: Vec<u8>,
    needed_bytes: usize,
    waiting_since_ns: Option<u64>,
    checked_first: bool,
    check_all: bool,
}

impl HttpConnection {
    /// Connects.
    pub fn open(address: SocketAddr, requests: Requests) -> Result<Self, ConnectionError> {
        let socket = TcpStream::connect_timeout(&address, ANSWER_TIMEOUT)?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, out: Vec::new(), requests, sent_count: 0, responses: Responses::default() })
    }

    /// What the connection sends from now on.
    pub fn prepare(&mut self, requests: Requests) {
        self.requests = requests;
        self.sent_count = 0;
        self.responses.checked_first = false;
    }

    /// Sends one request of its own and waits for status and body; for preparations on a connection without load.
    pub fn ask(&mut self, request: &[u8]) -> Result<(u16, Vec<u8>), ConnectionError> {
        self.socket.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        let mut out = request.to_vec();
        write_out(&self.socket, &mut out)?;
        let mut buffer = Vec::new();
        let mut scratch = vec![0; SCRATCH_BYTES];
        let begin = Instant::now();
        while begin.elapsed() < ANSWER_TIMEOUT {
            read_in(&self.socket, &mut scratch, |bytes| {
                buffer.extend_from_slice(bytes);
                Ok(())
            })?;
            if let Parsed::Whole { status, body } = parse(&buffer)? {
                return Ok((status, buffer[body].to_vec()));
            }
        }
        Err(ConnectionError::Silent(ANSWER_TIMEOUT.as_secs()))
    }
}

impl Connection for HttpConnection {
    fn socket(&self) -> &TcpStream {
        &self.socket
    }

    fn room(&self) -> usize {
        1 - self.in_flight()
    }

    fn in_flight(&self) -> usize {
        usize::from(self.responses.waiting_since_ns.is_some())
    }

    fn start(&mut self, started_ns: u64) -> Result<(), ConnectionError> {
        let serial = self.requests.serial + self.sent_count * self.requests.serial_step;
        self.requests.template.write(self.sent_count, serial, &mut self.out);
        self.sent_count += 1;
        self.responses.waiting_since_ns = Some(started_ns);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), ConnectionError> {
        write_out(&self.socket, &mut self.out)
    }

    fn receive(&mut self, scratch: &mut [u8], answers: &mut Vec<Answer>) -> Result<(), ConnectionError> {
        let Self { socket, responses, requests, .. } = self;
        read_in(socket, scratch, |bytes| responses.feed(bytes, &requests.expect, answers))
    }

    fn check_all(&mut self) {
        self.responses.check_all = true;
    }
}

impl Responses {
    fn feed(&mut self, bytes: &[u8], expect: &Expect, answers: &mut Vec<Answer>) -> Result<(), ConnectionError> {
        if self.buffer.is_empty() && self.take(bytes, expect, answers)? {
            return Ok(());
        }
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= self.needed_bytes {
            let buffer = std::mem::take(&mut self.buffer);
            let whole = self.take(&buffer, expect, answers)?;
            self.buffer = buffer;
            if whole {
                self.buffer.clear();
            }
        }
        Ok(())
    }

    /// Takes the one response that may be under way, if it is whole.
    fn take(&mut self, bytes: &[u8], expect: &Expect, answers: &mut Vec<Answer>) -> Result<bool, ConnectionError> {
        match parse(bytes)? {
            Parsed::Partial { needed_bytes } => {
                self.needed_bytes = needed_bytes;
                Ok(false)
            }
            Parsed::Whole { status, body } => {
                let (Some(started_ns), true) = (self.waiting_since_ns.take(), body.end == bytes.len()) else {
                    return Err(ConnectionError::Unasked(shown(bytes)));
                };
                let body = &bytes[body];
                let failure = if status != 200 {
                    Some(format!("HTTP status {status}: {}", shown(body)))
                } else if self.check_all || !self.checked_first {
                    expect.check(body).err()
                } else {
                    None
                };
                self.checked_first = true;
                answers.push(Answer { started_ns, failure });
                Ok(true)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

    fn waiting() -> Responses {
        Responses { waiting_since_ns: Some(7), ..Responses::default() }
    }

    fn fed(responses: &mut Responses, pieces: &[&[u8]]) -> Result<Vec<Answer>, ConnectionError> {
        let mut answers = Vec::new();
        for piece in pieces {
            responses.feed(piece, &Expect::Text("hello".into()), &mut answers)?;
        }
        Ok(answers)
    }

    #[test]
    fn every_split_gives_one_answer() {
        for cut in 0..=ANSWER.len() {
            let (start, end) = ANSWER.split_at(cut);
            let pieces: Vec<&[u8]> = [start, end].into_iter().filter(|piece| !piece.is_empty()).collect();
            let answers = fed(&mut waiting(), &pieces).expect("valid");
            assert_eq!(answers, [Answer { started_ns: 7, failure: None }], "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = ANSWER.chunks(1).collect();
        let mut responses = waiting();
        assert_eq!(fed(&mut responses, &bytes).expect("valid").len(), 1);
        assert!(responses.buffer.is_empty());
    }

    #[test]
    fn the_first_answer_and_those_at_the_end_are_checked() {
        let other = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno";
        let mut responses = waiting();
        assert!(fed(&mut responses, &[other]).expect("valid")[0].failure.is_some());
        responses.waiting_since_ns = Some(8);
        assert!(fed(&mut responses, &[other]).expect("valid")[0].failure.is_none());
        responses.waiting_since_ns = Some(9);
        responses.check_all = true;
        assert!(fed(&mut responses, &[other]).expect("valid")[0].failure.is_some());
    }

    #[test]
    fn every_status_is_checked() {
        let mut responses = Responses { checked_first: true, ..waiting() };
        let answers = fed(&mut responses, &[b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"]).expect("valid");
        assert_eq!(answers[0].failure.as_deref(), Some("HTTP status 503: 0 bytes ``"));
    }

    #[test]
    fn what_nobody_asked_for_is_an_error() {
        assert!(matches!(fed(&mut Responses::default(), &[ANSWER]), Err(ConnectionError::Unasked(_))));
        assert!(matches!(fed(&mut waiting(), &[&[ANSWER, b"x"].concat()]), Err(ConnectionError::Unasked(_))));
    }
}
