//! One client socket: reading and writing until it would block.
//!
//! Bytes go by the system calls themselves: libc brackets each with what makes its thread cancellable, which nobody
//! wants here and which is felt at some hundred thousand calls a second.

use mio::net::TcpStream;
use rustix::io::Errno;
use rustix::net::{self, RecvFlags, SendFlags};

use crate::serve::ConnectionId;

/// That a peer has gone is an error here and not a signal. Apple's systems have no such flag; there it is left to
/// Python, which ignores the signal for the whole process.
#[cfg(not(target_vendor = "apple"))]
const SEND_FLAGS: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
const SEND_FLAGS: SendFlags = SendFlags::empty();

#[derive(Debug)]
pub(super) struct Socket {
    pub id: ConnectionId,
    pub stream: TcpStream,
    /// Reading waits until output has been written.
    pub is_paused: bool,
    /// The system took nothing more: it will say when it does.
    pub is_full: bool,
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
        Self { id, stream, is_paused: false, is_full: false, may_have_ended: false, is_broken: false }
    }

    pub fn read(&mut self, buffer: &mut [u8]) -> Read {
        loop {
            return match net::recv(&self.stream, &mut *buffer, RecvFlags::empty()) {
                Ok((0, _)) => Read::End,
                // A short read has emptied a stream socket (epoll(7), question 9), unless its end came with the data.
                Ok((bytes, _)) => Read::Some { bytes, is_drained: bytes < buffer.len() && !self.may_have_ended },
                Err(Errno::WOULDBLOCK) => Read::Nothing,
                Err(Errno::INTR) => continue,
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
        let _ = net::sockopt::set_tcp_quickack(&self.stream, true);
    }

    /// Writes as much as the system takes; 0 if it takes nothing now.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize, Errno> {
        loop {
            let written = net::send(&self.stream, bytes, SEND_FLAGS);
            self.is_full = written == Err(Errno::WOULDBLOCK);
            return match written {
                Err(Errno::WOULDBLOCK) => Ok(0),
                Err(Errno::INTR) => continue,
                other => other,
            };
        }
    }
}
