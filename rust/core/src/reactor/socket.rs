//! One client socket: reading and writing until it would block.

use std::io::{ErrorKind, Read as _, Write as _};

use mio::net::TcpStream;

use crate::serve::ConnectionId;

#[derive(Debug)]
pub(super) struct Socket {
    pub id: ConnectionId,
    pub stream: TcpStream,
    /// Reading waits until output has been written.
    pub is_paused: bool,
    /// The system has reported an end or an error, which a read will find.
    pub may_have_ended: bool,
    /// The system has reported that both directions are closed, or an error: nobody is there any more.
    pub is_broken: bool,
}

/// What a read brought.
pub(super) enum Read {
    Some { bytes: usize, is_drained: bool },
    Nothing,
    End,
    Broken,
}

impl Socket {
    pub fn new(id: ConnectionId, stream: TcpStream) -> Self {
        Self { id, stream, is_paused: false, may_have_ended: false, is_broken: false }
    }

    pub fn read(&mut self, buffer: &mut [u8]) -> Read {
        loop {
            return match self.stream.read(buffer) {
                Ok(0) => Read::End,
                // A short read has emptied a stream socket (epoll(7), question 9), unless its end came with the data.
                Ok(bytes) => Read::Some { bytes, is_drained: bytes < buffer.len() && !self.may_have_ended },
                Err(error) if error.kind() == ErrorKind::WouldBlock => Read::Nothing,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => Read::Broken,
            };
        }
    }

    /// Acknowledges at once what was read, when no answer is there for the acknowledgement to travel with. A client
    /// that writes a request in two parts under Nagle's algorithm (RFC 896), as nacos-sdk for Rust and many HTTP
    /// libraries do, sends the second part only then: this saves it 40 ms a request. Linux takes the wish back by
    /// itself (tcp(7), TCP_QUICKACK); elsewhere the system alone decides.
    pub fn acknowledge(&self) {
        #[cfg(target_os = "linux")]
        let _ = rustix::net::sockopt::set_tcp_quickack(&self.stream, true);
    }

    /// Writes as much as the system takes; 0 if it takes nothing now.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        loop {
            return match self.stream.write(bytes) {
                Ok(written) => Ok(written),
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => Err(error.kind()),
            };
        }
    }
}
