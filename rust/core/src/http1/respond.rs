//! Answers: status line, headers, length, body, each straight into the connection's one output buffer.

use super::head::has_control;
use super::{Http1, Refusal};

impl Http1 {
    /// Answers the present request and releases it. Content-Length and Connection are added; the body is left out
    /// where HTTP forbids one (HEAD, 204, 304). Control characters in a header value become spaces, so that nothing a
    /// client sent can add a header to its answer.
    pub fn respond(&mut self, out: &mut Vec<u8>, status: u16, headers: &[(&str, &str)], body: &[u8]) {
        out.reserve(128 + body.len());
        write_status_line(out, status);
        for (name, value) in headers {
            write_header(out, name, value);
        }
        self.write_rest(out, status, &[body]);
    }

    /// Begins an answer of unknown length: [`respond_part`](Self::respond_part) follows, then
    /// [`respond_end`](Self::respond_end). It goes in chunks (RFC 9112 section 7.1); HTTP/1.0, which knows none, gets it until
    /// the connection is closed.
    pub fn respond_begin(&mut self, out: &mut Vec<u8>, status: u16, headers: &[(&str, &str)]) {
        write_status_line(out, status);
        for (name, value) in headers {
            write_header(out, name, value);
        }
        self.wants_close |= self.head.is_http10();
        if self.wants_close {
            out.extend_from_slice(b"Connection: close\r\n");
        }
        out.extend_from_slice(if self.head.is_http10() { b"\r\n" } else { b"Transfer-Encoding: chunked\r\n\r\n" });
    }

    /// The next bytes of the body.
    pub fn respond_part(&mut self, out: &mut Vec<u8>, part: &[u8]) {
        // A chunk of no length would be the last one.
        if self.head.is_head_method() || part.is_empty() {
            return;
        }
        if self.head.is_http10() {
            out.extend_from_slice(part);
            return;
        }
        out.reserve(part.len() + 32);
        out.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
        out.extend_from_slice(part);
        out.extend_from_slice(b"\r\n");
    }

    /// That was all: releases the request.
    pub fn respond_end(&mut self, out: &mut Vec<u8>) {
        if !self.head.is_head_method() && !self.head.is_http10() {
            out.extend_from_slice(b"0\r\n\r\n");
        }
        self.release();
    }

    /// [`respond`](Self::respond) for prepared answers. `head` is the status line and any headers but Content-Length
    /// and Connection, each line with its CR LF, without the blank line; `body` is written piece after piece.
    pub fn respond_raw(&mut self, out: &mut Vec<u8>, head: &[u8], body: &[&[u8]]) {
        out.extend_from_slice(head);
        self.write_rest(out, status_of(head), body);
    }

    /// Answers with an error in plain text and closes after it: for what breaks the protocol, and for a caller whose
    /// timer ran out (408) or who has no room (503).
    pub fn refuse(&mut self, out: &mut Vec<u8>, refusal: Refusal) {
        self.wants_close = true;
        self.respond(out, refusal.status, &[("Content-Type", "text/plain;charset=UTF-8")], refusal.message.as_bytes());
    }

    fn write_rest(&mut self, out: &mut Vec<u8>, status: u16, body: &[&[u8]]) {
        if self.wants_close {
            out.extend_from_slice(b"Connection: close\r\n");
        } else if self.head.is_http10() {
            out.extend_from_slice(b"Connection: keep-alive\r\n");
        }
        // RFC 9110 section 8.6: no Content-Length in 204; in 304 it would be that of a 200, which is not known here.
        if matches!(status, 204 | 304) {
            out.extend_from_slice(b"\r\n");
        } else {
            let len: usize = body.iter().map(|piece| piece.len()).sum();
            out.extend_from_slice(b"Content-Length: ");
            out.extend_from_slice(itoa::Buffer::new().format(len).as_bytes());
            out.extend_from_slice(b"\r\n\r\n");
            if !self.head.is_head_method() {
                body.iter().for_each(|piece| out.extend_from_slice(piece));
            }
        }
        self.release();
    }
}

/// The three digits of a prepared status line "HTTP/1.1 200 OK".
fn status_of(head: &[u8]) -> u16 {
    let digits = head.get(9..12).unwrap_or_default();
    digits.iter().fold(0, |status, byte| status * 10 + u16::from(byte.wrapping_sub(b'0') % 10))
}

/// Writes "HTTP/1.1 200 OK" with its CR LF; also for preparing heads for [`Http1::respond_raw`].
pub fn write_status_line(out: &mut Vec<u8>, status: u16) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
    out.push(b' ');
    out.extend_from_slice(reason(status).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// The phrases of RFC 9110 section 15 for what this server answers; clients go by the number.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Unknown",
    }
}

fn write_header(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    if has_control(value.as_bytes()) {
        out.extend(value.bytes().map(|byte| if byte.is_ascii_control() { b' ' } else { byte }));
    } else {
        out.extend_from_slice(value.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}
