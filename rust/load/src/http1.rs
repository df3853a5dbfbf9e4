//! The little of HTTP/1.1 that a client on a keep-alive connection needs: responses with a Content-Length.

use memchr::{memchr, memmem};
use std::ops::Range;

/// Longest response head that is accepted.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// What the buffered bytes hold.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    /// Not a whole response yet; it is not whole before the buffer has this many bytes.
    Partial { needed_bytes: usize },
    /// One response; its body is this part of the buffer and it ends where the body ends.
    Whole { status: u16, body: Range<usize> },
}

/// Why the bytes cannot be a response that this client reads.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ResponseError {
    /// The first line is no status line.
    #[error("not an HTTP/1.1 status line")]
    StatusLine,
    /// Neither a Content-Length nor a status without a body.
    #[error("a response without Content-Length (chunked answers are not read)")]
    Length,
    /// The head does not end.
    #[error("a response head of more than {HEAD_BYTES_MAX} bytes")]
    Head,
}

/// Reads one response from the start of `bytes`.
pub fn parse(bytes: &[u8]) -> Result<Parsed, ResponseError> {
    let Some(head_end) = memmem::find(bytes, b"\r\n\r\n") else {
        if bytes.len() > HEAD_BYTES_MAX {
            return Err(ResponseError::Head);
        }
        return Ok(Parsed::Partial { needed_bytes: bytes.len() + 1 });
    };
    let head = &bytes[..head_end + 2];
    let status = status(head)?;
    let length = match content_length(head) {
        Some(length) => length,
        None if status == 204 || status == 304 => 0,
        None => return Err(ResponseError::Length),
    };
    let body = head_end + 4..head_end + 4 + length;
    if bytes.len() < body.end {
        return Ok(Parsed::Partial { needed_bytes: body.end });
    }
    Ok(Parsed::Whole { status, body })
}

fn status(head: &[u8]) -> Result<u16, ResponseError> {
    let digits = head.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3)).ok_or(ResponseError::StatusLine)?;
    std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).ok_or(ResponseError::StatusLine)
}

/// The Content-Length of a head whose lines all end with CRLF.
fn content_length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let mut rest = head;
    while let Some(end) = memchr(b'\n', rest) {
        let line = &rest[..end];
        if line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME) {
            return std::str::from_utf8(&line[NAME.len()..]).ok()?.trim().parse().ok();
        }
        rest = &rest[end + 1..];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\ncOntent-lenGth:  5 \r\n\r\nhello";

    #[test]
    fn a_whole_response_is_found() {
        let Ok(Parsed::Whole { status, body }) = parse(ANSWER) else { panic!("whole") };
        assert_eq!((status, &ANSWER[body]), (200, b"hello".as_slice()));
    }

    #[test]
    fn every_prefix_waits_for_more_and_never_for_too_much() {
        for length in 0..ANSWER.len() {
            match parse(&ANSWER[..length]) {
                Ok(Parsed::Partial { needed_bytes }) => assert!(needed_bytes > length && needed_bytes <= ANSWER.len()),
                other => panic!("{length} bytes gave {other:?}"),
            }
        }
    }

    #[test]
    fn bytes_of_a_next_response_are_left_alone() {
        let two = [ANSWER, ANSWER].concat();
        let Ok(Parsed::Whole { body, .. }) = parse(&two) else { panic!("whole") };
        assert_eq!(body.end, ANSWER.len());
    }

    #[test]
    fn other_statuses_are_told_apart() {
        let answer = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(parse(answer), Ok(Parsed::Whole { status: 404, body: answer.len()..answer.len() }));
        let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
        assert_eq!(parse(answer), Ok(Parsed::Whole { status: 204, body: answer.len()..answer.len() }));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        assert_eq!(parse(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"), Err(ResponseError::StatusLine));
        assert_eq!(parse(b"HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n"), Err(ResponseError::StatusLine));
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), Err(ResponseError::Length));
        assert_eq!(parse(&vec![b'a'; HEAD_BYTES_MAX + 1]), Err(ResponseError::Head));
    }
}
