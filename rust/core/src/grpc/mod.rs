//! The gRPC server side of one HTTP/2 connection as a value: received bytes in, messages out, replies in, bytes out.
//!
//! It knows the two methods of the Nacos proto file and nothing of what the messages say; [`payload`] is the codec of
//! the envelope that every message is.

mod call;
pub mod client;
mod engine;
mod flow;
mod frame;
mod header_block;
mod hpack;
mod message;
pub mod payload;
mod receive;
mod response;
mod send;
mod status;
#[cfg(test)]
mod tests;

pub use engine::Grpc;
pub use status::Status;

use bytes::Bytes;

/// The HTTP/2 stream that carries a call; never reused within a connection.
pub type CallId = u32;

/// The two methods of the Nacos gRPC service; the proto file has no package (protocol/grpc.md section 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// `/Request/request`: one message, one reply.
    Request,
    /// `/BiRequestStream/requestBiStream`: messages both ways until either side ends it.
    BiRequestStream,
}

impl Method {
    fn of_path(path: &[u8]) -> Option<Self> {
        match path {
            b"/Request/request" => Some(Self::Request),
            b"/BiRequestStream/requestBiStream" => Some(Self::BiRequestStream),
            _ => None,
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Request => "/Request/request",
            Self::BiRequestStream => "/BiRequestStream/requestBiStream",
        }
    }
}

/// What [`Grpc::poll`] saw, in the order in which it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrpcEvent {
    /// A whole message. A [`Method::Request`] call brings exactly one and waits for [`Grpc::reply`] or
    /// [`Grpc::finish`].
    Message {
        /// The call it belongs to.
        call: CallId,
        /// The call's method.
        method: Method,
        /// The message without its gRPC prefix.
        message: Bytes,
    },
    /// The client will send no more on this stream of [`Method::BiRequestStream`]; it may still be sent to.
    HalfClosed {
        /// The stream.
        call: CallId,
    },
    /// The client reset the call, or broke it: whatever is sent to it is dropped. Not reported for a call that the
    /// caller has answered or finished, nor beside `Closed`.
    Gone {
        /// The call.
        call: CallId,
    },
    /// The connection ended, and every call with it. The last event; flush the output and close.
    Closed {
        /// What went wrong; none for an orderly end.
        reason: Option<String>,
    },
}
