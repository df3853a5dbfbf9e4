//! The outcome of a call, as its trailers carry it.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use std::borrow::Cow;

/// A gRPC status: a code of the gRPC specification and, unless it is OK, what went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The value of `grpc-status`.
    pub code: u8,
    /// The text of `grpc-message`; the header is left out when empty.
    pub message: Cow<'static, str>,
}

impl Status {
    /// 0: success.
    pub const OK: Status = Status::new(0, "");
    /// 2: nothing is known of it.
    pub const UNKNOWN: u8 = 2;
    /// 8: a message is larger than the limit, or too many calls.
    pub const RESOURCE_EXHAUSTED: u8 = 8;
    /// 12: unknown method or message encoding.
    pub const UNIMPLEMENTED: u8 = 12;
    /// 13: the peer broke the gRPC protocol.
    pub const INTERNAL: u8 = 13;
    /// 14: the server is going away; try another one.
    pub const UNAVAILABLE: u8 = 14;

    /// A status with a fixed text.
    pub const fn new(code: u8, message: &'static str) -> Self {
        Self { code, message: Cow::Borrowed(message) }
    }

    /// The text as `grpc-message` wants it: printable ASCII, everything else and `%` as %XX (gRPC over HTTP/2). Cut
    /// between two characters where it would be longer than `bytes_max`.
    pub(super) fn encoded_message(&self, bytes_max: usize) -> String {
        const ESCAPED: &AsciiSet = &CONTROLS.add(b'%');
        let mut encoded = String::new();
        for (start, character) in self.message.char_indices() {
            let len = encoded.len();
            encoded.extend(utf8_percent_encode(&self.message[start..start + character.len_utf8()], ESCAPED));
            if encoded.len() > bytes_max {
                encoded.truncate(len);
                break;
            }
        }
        encoded
    }
}
