//! Chunked bodies (RFC 9112 section 7.1), decoded in place.

use super::Refusal;
use super::head::{has_control, is_token};
use crate::limits::{BODY_BYTES_MAX, CHUNK_LINE_BYTES_MAX, HEAD_BYTES_MAX};
use memchr::memchr;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Expect {
    #[default]
    SizeLine,
    Data {
        remaining: usize,
    },
    /// CR LF after a chunk's data.
    DataEnd,
    Trailer,
}

/// How far a chunked body has been decoded.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    expect: Expect,
    trailer_bytes: usize,
}

impl Chunks {
    /// Decodes what lies at `cursor` and behind it; the data is moved to `body_end`. Both advance. True at the end of
    /// the body, with `cursor` behind it.
    pub(super) fn decode(
        &mut self,
        input: &mut [u8],
        cursor: &mut usize,
        body_end: &mut usize,
        body_start: usize,
    ) -> Result<bool, Refusal> {
        loop {
            match self.expect {
                Expect::SizeLine => {
                    let Some(line) = take_line(input, cursor, CHUNK_LINE_BYTES_MAX)? else { return Ok(false) };
                    let size = chunk_size(line)?;
                    if size > BODY_BYTES_MAX - (*body_end - body_start) {
                        return Err(Refusal::new(413, "request body is larger than the limit"));
                    }
                    self.expect = if size == 0 { Expect::Trailer } else { Expect::Data { remaining: size } };
                }
                Expect::Data { remaining } => {
                    let len = remaining.min(input.len() - *cursor);
                    input.copy_within(*cursor..*cursor + len, *body_end);
                    *cursor += len;
                    *body_end += len;
                    if len < remaining {
                        self.expect = Expect::Data { remaining: remaining - len };
                        return Ok(false);
                    }
                    self.expect = Expect::DataEnd;
                }
                Expect::DataEnd => {
                    let rest = &input[*cursor..];
                    if !b"\r\n".starts_with(&rest[..rest.len().min(2)]) {
                        return Err(Refusal::bad("a chunk is longer than its size says"));
                    }
                    if rest.len() < 2 {
                        return Ok(false);
                    }
                    *cursor += 2;
                    self.expect = Expect::SizeLine;
                }
                Expect::Trailer => {
                    let limit = HEAD_BYTES_MAX.saturating_sub(self.trailer_bytes);
                    let Some(line) = take_line(input, cursor, limit)? else { return Ok(false) };
                    if line.is_empty() {
                        return Ok(true);
                    }
                    self.trailer_bytes += line.len() + 2;
                    check_trailer(line)?;
                }
            }
        }
    }
}

/// The next line without its CR LF, or none while it is incomplete.
fn take_line<'a>(input: &'a [u8], cursor: &mut usize, limit: usize) -> Result<Option<&'a [u8]>, Refusal> {
    let rest = &input[*cursor..];
    let searched = &rest[..rest.len().min(limit + 2)];
    let Some(len) = memchr(b'\n', searched) else {
        return if rest.len() >= limit + 2 {
            Err(Refusal::new(431, "a chunk size line or the trailers are longer than the limit"))
        } else {
            Ok(None)
        };
    };
    *cursor += len + 1;
    match searched[..len].strip_suffix(b"\r") {
        Some(line) => Ok(Some(line)),
        None => Err(Refusal::bad("a line of the chunked body does not end with CR LF")),
    }
}

/// The size before an optional extension, which is ignored.
fn chunk_size(line: &[u8]) -> Result<usize, Refusal> {
    const MALFORMED: Refusal = Refusal::bad("malformed chunk size");
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let rest = line[digits..].trim_ascii_start();
    if digits == 0 || has_control(line) || !(rest.is_empty() || rest[0] == b';') {
        return Err(MALFORMED);
    }
    let text = std::str::from_utf8(&line[..digits]).map_err(|_| MALFORMED)?;
    // Only a number beyond 64 bits is left to fail here: larger than any limit.
    Ok(usize::from_str_radix(text, 16).unwrap_or(usize::MAX))
}

/// Trailers are dropped, but must be well-formed header lines.
fn check_trailer(line: &[u8]) -> Result<(), Refusal> {
    match memchr(b':', line) {
        Some(name_len) if is_token(&line[..name_len]) && !has_control(&line[name_len..]) => Ok(()),
        _ => Err(Refusal::bad("malformed trailer line")),
    }
}
