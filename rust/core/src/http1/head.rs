//! The request line and the header lines, each read once, as soon as its line is complete.
//!
//! Stricter than many parsers on purpose: every ambiguity that lets two servers disagree about where a request ends
//! (bare CR or LF, folded lines, spaces before the colon, two lengths) is refused (RFC 9112 sections 2.2, 5, 6.3).

use super::Refusal;
use crate::limits::{HEAD_BYTES_MAX, HEADERS_COUNT_MAX, HEADERS_IDLE_COUNT_MAX};
use memchr::memchr;

/// A range of the request's bytes, relative to its first byte. `HEAD_BYTES_MAX` keeps it within 32 bits.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Span {
    start: u32,
    len: u32,
}

impl Span {
    fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, len: (end - start) as u32 }
    }

    pub(super) fn of<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.start as usize..(self.start + self.len) as usize]
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    pub(super) name: Span,
    pub(super) value: Span,
}

/// The head of one request as far as it has been read.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) method: Span,
    pub(super) path: Span,
    pub(super) query: Span,
    pub(super) headers: Vec<Header>,
    /// Everything before this has been searched for a line end.
    scanned: usize,
    line_start: usize,
    has_request_line: bool,
    is_head: bool,
    is_http10: bool,
    has_host: bool,
    content_length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
}

impl Head {
    /// Back to the state before any byte of a request, with the header list's memory kept.
    pub(super) fn reset(&mut self) {
        let mut headers = std::mem::take(&mut self.headers);
        headers.clear();
        headers.shrink_to(HEADERS_IDLE_COUNT_MAX);
        *self = Self { headers, ..Self::default() };
    }

    /// Reads the lines that have become complete; true when the blank line was among them.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Result<bool, Refusal> {
        while let Some(offset) = memchr(b'\n', &bytes[self.scanned..]) {
            let (start, end) = (self.line_start, self.scanned + offset);
            if end >= HEAD_BYTES_MAX {
                return Err(self.too_long());
            }
            if end == start || bytes[end - 1] != b'\r' {
                return Err(Refusal::bad("a line of the request head does not end with CR LF"));
            }
            self.scanned = end + 1;
            self.line_start = end + 1;
            if start == end - 1 {
                // Empty lines before a request line are ignored (RFC 9112 section 2.2).
                if self.has_request_line {
                    return Ok(true);
                }
            } else if self.has_request_line {
                self.header_line(bytes, start, end - 1)?;
            } else {
                self.request_line(bytes, start, end - 1)?;
                self.has_request_line = true;
            }
        }
        self.scanned = bytes.len();
        if self.scanned > HEAD_BYTES_MAX { Err(self.too_long()) } else { Ok(false) }
    }

    fn too_long(&self) -> Refusal {
        if self.has_request_line {
            Refusal::new(431, "request headers are longer than the limit")
        } else {
            Refusal::new(414, "request line is longer than the limit")
        }
    }

    fn request_line(&mut self, bytes: &[u8], start: usize, end: usize) -> Result<(), Refusal> {
        const MALFORMED: Refusal = Refusal::bad("malformed request line");
        let line = &bytes[start..end];
        let method_len = memchr(b' ', line).ok_or(MALFORMED)?;
        let target_len = memchr(b' ', &line[method_len + 1..]).ok_or(MALFORMED)?;
        let (method, rest) = line.split_at(method_len);
        let (target, version) = rest[1..].split_at(target_len);
        if !is_token(method) || target.is_empty() {
            return Err(MALFORMED);
        }
        match &version[1..] {
            b"HTTP/1.1" => {}
            b"HTTP/1.0" => self.is_http10 = true,
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
                if *major != b'1' {
                    return Err(Refusal::new(505, "only HTTP/1.0 and HTTP/1.1 are spoken here"));
                }
            }
            _ => return Err(MALFORMED),
        }
        if target.iter().fold(false, |bad, &byte| bad | (byte <= b' ') | (byte == 0x7f))
            || (!target.is_ascii() && std::str::from_utf8(target).is_err())
        {
            return Err(Refusal::bad("the request target holds a forbidden byte"));
        }
        self.is_head = method == b"HEAD";
        self.method = Span::new(start, start + method_len);
        self.target(target, start + method_len + 1)
    }

    /// Splits the target at the question mark; scheme and authority of the absolute form are dropped (RFC 9112
    /// section 3.2.2 asks every server to take it).
    fn target(&mut self, target: &[u8], start: usize) -> Result<(), Refusal> {
        let end = start + target.len();
        let mut path_start = start;
        if target[0] != b'/' && target != b"*" {
            let authority = scheme_len(target).ok_or(Refusal::bad("the request target is no path"))?;
            let path = target[authority..].iter().position(|&byte| matches!(byte, b'/' | b'?'));
            path_start = start + path.map_or(target.len(), |offset| authority + offset);
        }
        let path_end = memchr(b'?', &target[path_start - start..]).map_or(end, |offset| path_start + offset);
        self.path = Span::new(path_start, path_end);
        self.query = Span::new((path_end + 1).min(end), end);
        Ok(())
    }

    fn header_line(&mut self, bytes: &[u8], start: usize, end: usize) -> Result<(), Refusal> {
        let line = &bytes[start..end];
        if matches!(line[0], b' ' | b'\t') {
            return Err(Refusal::bad("folded header lines are not accepted"));
        }
        let name_len = line.iter().take_while(|byte| TOKEN[**byte as usize]).count();
        if name_len == 0 || line.get(name_len) != Some(&b':') {
            return Err(Refusal::bad("a header line does not begin with a name and a colon"));
        }
        let value = &line[name_len + 1..];
        if has_control(value) {
            return Err(Refusal::bad("a header value holds a control character"));
        }
        let value_start = start + name_len + 1 + value.iter().take_while(|byte| is_blank(byte)).count();
        let trailing = value.iter().rev().take_while(|byte| is_blank(byte)).count();
        let value_end = (end - trailing).max(value_start);
        if self.headers.len() == HEADERS_COUNT_MAX {
            return Err(Refusal::new(431, "more request headers than the limit"));
        }
        self.headers
            .push(Header { name: Span::new(start, start + name_len), value: Span::new(value_start, value_end) });
        self.note(&line[..name_len], &bytes[value_start..value_end])
    }

    /// Keeps what the headers say about framing and the connection.
    fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refusal> {
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => {
                if self.has_host {
                    return Err(Refusal::bad("more than one Host header"));
                }
                self.has_host = true;
            }
            6 if name.eq_ignore_ascii_case(b"expect") => {
                if !value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(Refusal::new(417, "the only expectation known is 100-continue"));
                }
                self.expects_continue = true;
            }
            10 if name.eq_ignore_ascii_case(b"connection") => {
                for option in value.split(|&byte| byte == b',') {
                    let option = option.trim_ascii();
                    self.close |= option.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let length = parse_length(value)?;
                if self.content_length.is_some_and(|earlier| earlier != length) {
                    return Err(Refusal::bad("two different Content-Length headers"));
                }
                self.content_length = Some(length);
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if self.chunked {
                    return Err(Refusal::bad("more than one Transfer-Encoding header"));
                }
                if !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Refusal::new(501, "the only transfer coding known is chunked"));
                }
                self.chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    /// Checks what can only be judged with all header lines seen; the length of the head in bytes.
    pub(super) fn finish(&self) -> Result<usize, Refusal> {
        if !self.has_host && !self.is_http10 {
            return Err(Refusal::bad("an HTTP/1.1 request needs a Host header"));
        }
        if self.chunked && (self.content_length.is_some() || self.is_http10) {
            // Whoever forwards this may see another end of the request than we do (RFC 9112 section 6.1).
            return Err(Refusal::bad("Transfer-Encoding beside Content-Length, or in HTTP/1.0"));
        }
        Ok(self.line_start)
    }

    pub(super) fn content_length(&self) -> u64 {
        self.content_length.unwrap_or(0)
    }

    pub(super) fn chunked(&self) -> bool {
        self.chunked
    }

    pub(super) fn expects_continue(&self) -> bool {
        self.expects_continue && !self.is_http10
    }

    /// Whether another request may follow on the connection (RFC 9112 section 9.3).
    pub(super) fn keep_alive(&self) -> bool {
        !self.close && (!self.is_http10 || self.keep_alive)
    }

    pub(super) fn is_http10(&self) -> bool {
        self.is_http10
    }

    pub(super) fn is_head_method(&self) -> bool {
        self.is_head
    }
}

/// Content-Length is digits and nothing else: no sign, no list. One too large for 64 bits is larger than any limit.
fn parse_length(value: &[u8]) -> Result<u64, Refusal> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::bad("malformed Content-Length"));
    }
    let digit = |length: u64, byte: &u8| length.checked_mul(10)?.checked_add(u64::from(byte - b'0'));
    Ok(value.iter().try_fold(0, digit).unwrap_or(u64::MAX))
}

/// Length of `scheme://` in front of an absolute-form target.
fn scheme_len(target: &[u8]) -> Option<usize> {
    [&b"http://"[..], b"https://"]
        .iter()
        .find(|scheme| target.len() > scheme.len() && target[..scheme.len()].eq_ignore_ascii_case(scheme))
        .map(|scheme| scheme.len())
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Any control character but the tab: bare CR and NUL among them. Without a branch, so that it compiles to vector code.
pub(super) fn has_control(value: &[u8]) -> bool {
    value.iter().fold(false, |bad, &byte| bad | ((byte < b' ') & (byte != b'\t')) | (byte == 0x7f))
}

/// A non-empty `token` of RFC 9110 section 5.6.2.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| TOKEN[byte as usize])
}

const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let symbol = byte as u8;
        table[byte] = symbol.is_ascii_alphanumeric()
            || matches!(
                symbol,
                b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
            );
        byte += 1;
    }
    table
};
