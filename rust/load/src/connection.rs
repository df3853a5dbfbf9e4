//! What the driver asks of a connection, whatever it speaks, and the socket work that all of them share.

use crate::http1::ResponseError;
use crate::http2::Http2Error;
use crate::payload::PayloadError;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

/// Size of a read buffer: more than a server sends between two reads, so that one read nearly always empties a socket.
pub const SCRATCH_BYTES: usize = 256 * 1024;

/// Why a connection cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The system refused to read, write or connect.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The server closed it.
    #[error("the server closed the connection")]
    Closed,
    /// Not HTTP/1.1 as this client reads it.
    #[error("HTTP: {0}")]
    Http(#[from] ResponseError),
    /// Not HTTP/2, or the server ended it.
    #[error("HTTP/2: {0}")]
    Http2(#[from] Http2Error),
    /// A gRPC message that is no Payload.
    #[error("gRPC: {0}")]
    Payload(#[from] PayloadError),
    /// Bytes came that no request asked for.
    #[error("the server sent what nobody asked for: {0}")]
    Unasked(String),
    /// An answer came that says no.
    #[error("{0}")]
    Refused(String),
    /// No answer came.
    #[error("no answer within {0} s")]
    Silent(u64),
}

/// One answered request.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// When the request was started, as given to [`Connection::start`].
    pub started_ns: u64,
    /// What was wrong with the answer, if anything.
    pub failure: Option<String>,
}

/// A client connection under load: requests in, answers out, never blocking.
pub trait Connection {
    /// The socket to wait for.
    fn socket(&self) -> &TcpStream;
    /// How many requests may be started now.
    fn room(&self) -> usize;
    /// How many requests wait for their answers.
    fn in_flight(&self) -> usize;
    /// Renders the next request; `flush` sends it.
    fn start(&mut self, started_ns: u64) -> Result<(), ConnectionError>;
    /// Sends what is rendered, as far as the socket takes it.
    fn flush(&mut self) -> Result<(), ConnectionError>;
    /// Reads what has come and appends the answers.
    fn receive(&mut self, scratch: &mut [u8], answers: &mut Vec<Answer>) -> Result<(), ConnectionError>;
    /// From now on every answer is decoded and its meaning checked, not only its status.
    fn check_all(&mut self);
}

/// Writes as much as the socket takes and removes it from `out`.
pub fn write_out(socket: &TcpStream, out: &mut Vec<u8>) -> Result<(), ConnectionError> {
    let mut written = 0;
    while written < out.len() {
        match (&*socket).write(&out[written..]) {
            Ok(0) => return Err(ConnectionError::Closed),
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    out.drain(..written);
    Ok(())
}

/// Reads until the socket is empty. With edge-triggered readiness a read that does not fill the buffer shows that
/// (epoll(7), "How should I use epoll"), which saves a system call on nearly every answer.
pub fn read_in(
    socket: &TcpStream,
    scratch: &mut [u8],
    mut on_bytes: impl FnMut(&[u8]) -> Result<(), ConnectionError>,
) -> Result<(), ConnectionError> {
    loop {
        match (&*socket).read(scratch) {
            Ok(0) => return Err(ConnectionError::Closed),
            Ok(count) => {
                on_bytes(&scratch[..count])?;
                if count < scratch.len() {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}
