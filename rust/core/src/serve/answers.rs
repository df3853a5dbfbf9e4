//! The fixed parts of answers: heads of HTTP responses and small JSON bodies, as protocol/answers shows them.

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use crate::configs::{Gray, StoredConfig};

/// Status line and headers of an HTTP answer, without Content-Length and the blank line.
#[derive(Debug, Clone)]
pub enum Head {
    Fixed(&'static str),
    Made(Vec<u8>),
}

impl Head {
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Head::Fixed(text) => text.as_bytes(),
            Head::Made(bytes) => bytes,
        }
    }
}

macro_rules! head {
    ($status:literal, $cache:literal, $content_type:literal) => {
        concat!(
            "HTTP/1.1 ",
            $status,
            "\r\n",
            $cache,
            "X-Content-Type-Options: nosniff\r\nContent-Type: ",
            $content_type,
            "\r\n"
        )
    };
    ($status:literal, $content_type:literal) => {
        head!(
            $status,
            "Cache-Control: no-cache, no-store, max-age=0, must-revalidate\r\nPragma: no-cache\r\nExpires: 0\r\n",
            $content_type
        )
    };
}

pub const OK_JSON: Head = Head::Fixed(head!("200 OK", "application/json"));
pub const OK_TEXT: Head = Head::Fixed(head!("200 OK", "text/plain;charset=UTF-8"));
/// Config APIs label plain texts as JSON too (protocol/answers, "cs listen").
pub const OK_CONFIG: Head = Head::Fixed(head!("200 OK", "application/json;charset=UTF-8"));
pub const OK_LISTENER: Head = Head::Fixed(head!(
    "200 OK",
    "Cache-Control: no-cache,no-store\r\nPragma: no-cache\r\nExpires: Thu, 01 Jan 1970 00:00:00 GMT\r\n",
    "application/json;charset=UTF-8"
));
pub const BAD_REQUEST_TEXT: Head = Head::Fixed(head!("400 Bad Request", "text/plain;charset=UTF-8"));
pub const BAD_REQUEST_JSON: Head = Head::Fixed(head!("400 Bad Request", "application/json"));
pub const BAD_REQUEST_CONFIG: Head = Head::Fixed(head!("400 Bad Request", "application/json;charset=UTF-8"));
/// What the parameter filter of the existing server answers: other cache headers, no handler involved.
pub const BAD_REQUEST_FILTER: Head = Head::Fixed(head!(
    "400 Bad Request",
    "Cache-Control: no-cache,no-store\r\nPragma: no-cache\r\nExpires: Thu, 01 Jan 1970 00:00:00 GMT\r\n",
    "text/plain;charset=UTF-8"
));
pub const SERVER_ERROR_JSON: Head = Head::Fixed(head!("500 Internal Server Error", "application/json"));

/// The HTTP date that was written last: configs of one second share it, and writing it anew costs as much as the rest
/// of the head.
#[derive(Debug, Default)]
pub struct LastDate {
    second: u64,
    text: String,
}

impl LastDate {
    fn of(&mut self, time_ms: u64) -> &str {
        let second = time_ms / 1000;
        if self.second != second || self.text.is_empty() {
            self.second = second;
            self.text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
        }
        &self.text
    }
}

/// The head of a 1.x config answer (protocol/http.md section 3).
pub fn config_head(config: &StoredConfig, gray: Option<&Gray>, date: &mut LastDate) -> Head {
    let mut head = Vec::with_capacity(360);
    head.extend_from_slice(b"HTTP/1.1 200 OK\r\nConfig-Type: ");
    push_header_value(&mut head, &config.kind);
    head.extend_from_slice(b"\r\nContent-MD5: ");
    head.extend_from_slice(config.md5().as_bytes());
    head.extend_from_slice(
        b"\r\nPragma: no-cache\r\nExpires: Thu, 01 Jan 1970 00:00:00 GMT\r\nCache-Control: no-cache,no-store\r\n\
          X-Content-Type-Options: nosniff\r\nLast-Modified: ",
    );
    head.extend_from_slice(date.of(config.modified_ms).as_bytes());
    head.extend_from_slice(b"\r\nEncrypted-Data-Key: ");
    push_header_value(&mut head, &config.encrypted_data_key);
    if gray.is_some_and(Gray::is_beta) {
        head.extend_from_slice(b"\r\nisBeta: true");
    } else if let Some(tag) = gray.and_then(Gray::tag) {
        head.extend_from_slice(b"\r\ntag: ");
        push_header_value(&mut head, tag);
    }
    head.extend_from_slice(b"\r\nContent-Type: text/plain;charset=UTF-8\r\n");
    Head::Made(head)
}

/// Control characters cannot stand in a header (RFC 9110 section 5.5); a value that holds one is cut there.
fn push_header_value(head: &mut Vec<u8>, value: &str) {
    head.extend(value.bytes().take_while(|byte| !byte.is_ascii_control()));
}

/// The error page of the existing server's web framework.
pub fn error_page(body: &mut Vec<u8>, status: u16, error: &str, message: &str, path: &str, now_ms: u64) {
    body.extend_from_slice(b"{\"timestamp\":\"");
    body.extend_from_slice(timestamp(now_ms).as_bytes());
    body.extend_from_slice(b"\",\"status\":");
    body.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
    body.extend_from_slice(b",\"error\":");
    json_string(body, error);
    body.extend_from_slice(b",\"message\":");
    json_string(body, message);
    body.extend_from_slice(b",\"path\":");
    json_string(body, path);
    body.push(b'}');
}

/// The result object of the v3 APIs.
pub fn result(body: &mut Vec<u8>, code: u32, message: &str, data: Option<&str>) {
    body.extend_from_slice(b"{\"code\":");
    body.extend_from_slice(itoa::Buffer::new().format(code).as_bytes());
    body.extend_from_slice(b",\"message\":");
    json_string(body, message);
    body.extend_from_slice(b",\"data\":");
    match data {
        Some(data) => json_string(body, data),
        None => body.extend_from_slice(b"null"),
    }
    body.push(b'}');
}

/// Appends `text` as a JSON string.
pub fn json_string(body: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(body, text).expect("writing to memory cannot fail");
}

/// `2026-11-23T11:57:17.762+00:00`, from the HTTP date so that the calendar stays the library's.
fn timestamp(now_ms: u64) -> String {
    let date = httpdate::HttpDate::from(UNIX_EPOCH + Duration::from_millis(now_ms)).to_string();
    // "Mon, 23 Nov 2026 11:57:17 GMT"
    let part = |from: usize, to: usize| date.get(from..to).unwrap_or("");
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = MONTHS.iter().position(|name| *name == part(8, 11)).unwrap_or(0) + 1;
    let mut text = String::with_capacity(29);
    let _ = write!(text, "{}-{month:02}-{}T{}.{:03}+00:00", part(12, 16), part(5, 7), part(17, 25), now_ms % 1000);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_has_milliseconds_and_a_zone() {
        assert_eq!(timestamp(1_795_435_037_762), "2026-11-23T11:57:17.762+00:00");
        assert_eq!(timestamp(0), "1970-01-01T00:00:00.000+00:00");
    }

    #[test]
    fn the_last_date_is_written_anew_for_another_second() {
        let mut date = LastDate::default();
        assert_eq!(date.of(999), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(date.of(1_795_435_039_626), "Mon, 23 Nov 2026 11:57:19 GMT");
        assert_eq!(date.of(1_795_435_039_001), "Mon, 23 Nov 2026 11:57:19 GMT");
        assert_eq!(date.of(1_795_435_040_000), "Mon, 23 Nov 2026 11:57:20 GMT");
    }

    #[test]
    fn a_header_value_cannot_start_another_header() {
        let mut configs = crate::configs::Configs::new([7; 16]);
        let encrypted_data_key = "key\r\nSet-Cookie: a=b".into();
        configs.put(("n", "g", "d"), crate::configs::Config { encrypted_data_key, ..Default::default() });
        let head = config_head(configs.get(("n", "g", "d")).unwrap(), None, &mut LastDate::default());
        assert!(!String::from_utf8_lossy(head.as_bytes()).contains("Set-Cookie"));
    }
}
