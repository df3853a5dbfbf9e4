//! The in-memory transport that the `h2` crate reads from and writes to.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Both directions of one connection.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    /// Received and not yet read by `h2`, from `read` on.
    pub(super) input: Vec<u8>,
    pub(super) read: usize,
    /// The peer will send no more.
    pub(super) is_at_end: bool,
    /// Written by `h2` and not yet taken by the caller.
    pub(super) output: Vec<u8>,
}

/// A handle of the pipe; `h2` owns one, the engine the other.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedPipe(Arc<Mutex<Pipe>>);

impl SharedPipe {
    pub(super) fn lock(&self) -> MutexGuard<'_, Pipe> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl AsyncRead for SharedPipe {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let pipe = &mut *self.lock();
        let waiting = &pipe.input[pipe.read..];
        if waiting.is_empty() {
            // No waker is kept: the engine polls after every feed.
            return if pipe.is_at_end { Poll::Ready(Ok(())) } else { Poll::Pending };
        }
        let len = waiting.len().min(buffer.remaining());
        buffer.put_slice(&waiting[..len]);
        pipe.read += len;
        if pipe.read == pipe.input.len() {
            pipe.input.clear();
            pipe.read = 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for SharedPipe {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.lock().output.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
