//! A descriptor that is readable when something happened: the only way from the writer's thread into an event loop.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::pipe::{PipeFlags, pipe_with};

/// A pipe that holds at most one byte.
#[derive(Debug)]
pub(super) struct Signal {
    reader: OwnedFd,
    writer: OwnedFd,
    raised: AtomicBool,
}

impl Signal {
    pub fn new() -> io::Result<Self> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Self { reader, writer, raised: AtomicBool::new(false) })
    }

    pub fn fileno(&self) -> RawFd {
        self.reader.as_raw_fd()
    }

    /// Makes the descriptor readable, unless it is already.
    pub fn raise(&self) {
        if !self.raised.swap(true, Ordering::AcqRel) {
            // One byte always fits into an empty pipe.
            let _ = rustix::io::write(&self.writer, &[1]);
        }
    }

    /// Makes the descriptor unreadable. Look at the state only after it: a raise that comes between the two lines writes
    /// nothing, but the state shows what it was raised for.
    pub fn lower(&self) {
        let _ = rustix::io::read(&self.reader, &mut [0; 8]);
        self.raised.store(false, Ordering::Release);
    }
}
