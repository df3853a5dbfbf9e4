//! What a header field means to this server. The texts themselves are not needed, so the table keeps the meaning.

use crate::grpc::Method;
use std::sync::LazyLock;

/// A header's name, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Method,
    Scheme,
    Authority,
    Path,
    ContentType,
    Te,
    /// Not allowed in an HTTP/2 request: unknown pseudo-headers, upper case, and what concerns an HTTP/1.1 connection
    /// (RFC 9113 sections 8.2 and 8.3).
    Forbidden,
    Other,
}

/// A name with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Method { is_post: bool },
    Scheme,
    Authority,
    Path(Option<Method>),
    ContentType { is_grpc: bool },
    Forbidden,
    Other,
}

impl Name {
    pub(super) fn of(text: &[u8]) -> Self {
        match text {
            b":method" => Self::Method,
            b":scheme" => Self::Scheme,
            b":authority" => Self::Authority,
            b":path" => Self::Path,
            b"content-type" => Self::ContentType,
            b"te" => Self::Te,
            b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"upgrade" => Self::Forbidden,
            [] | [b':', ..] => Self::Forbidden,
            _ if text.iter().any(|byte| byte.is_ascii_uppercase() || *byte <= b' ' || *byte >= 0x7f) => Self::Forbidden,
            _ => Self::Other,
        }
    }

    /// The field that this name and a value make.
    pub(super) fn with(self, value: &[u8]) -> Field {
        match self {
            Self::Method => Field::Method { is_post: value == b"POST" },
            Self::Scheme => Field::Scheme,
            Self::Authority => Field::Authority,
            Self::Path => Field::Path(Method::of_path(value)),
            Self::ContentType => Field::ContentType { is_grpc: value.starts_with(b"application/grpc") },
            Self::Te if value != b"trailers" => Field::Forbidden,
            Self::Forbidden => Field::Forbidden,
            Self::Te | Self::Other => Field::Other,
        }
    }
}

/// One entry of the static or the dynamic table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) field: Field,
    pub(super) name: Name,
    pub(super) name_len: u32,
    /// Length of name and value plus 32 (RFC 7541 section 4.1).
    pub(super) size: u32,
}

pub(super) const STATIC_COUNT: usize = 61;

/// The static table (RFC 7541 appendix A), from index 1 on.
pub(super) static STATIC: LazyLock<[Entry; STATIC_COUNT]> = LazyLock::new(|| {
    STATIC_TEXTS.map(|(text, value)| {
        let name = Name::of(text.as_bytes());
        let size = (text.len() + value.len() + 32) as u32;
        Entry { field: name.with(value.as_bytes()), name, name_len: text.len() as u32, size }
    })
});

#[rustfmt::skip]
pub(super) const STATIC_TEXTS: [(&str, &str); STATIC_COUNT] = [
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"), (":path", "/index.html"),
    (":scheme", "http"), (":scheme", "https"), (":status", "200"), (":status", "204"), (":status", "206"),
    (":status", "304"), (":status", "400"), (":status", "404"), (":status", "500"), ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""), ("accept", ""),
    ("access-control-allow-origin", ""), ("age", ""), ("allow", ""), ("authorization", ""), ("cache-control", ""),
    ("content-disposition", ""), ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
    ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""), ("date", ""), ("etag", ""),
    ("expect", ""), ("expires", ""), ("from", ""), ("host", ""), ("if-match", ""), ("if-modified-since", ""),
    ("if-none-match", ""), ("if-range", ""), ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""),
    ("location", ""), ("max-forwards", ""), ("proxy-authenticate", ""), ("proxy-authorization", ""), ("range", ""),
    ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""), ("set-cookie", ""),
    ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""), ("vary", ""), ("via", ""),
    ("www-authenticate", ""),
];
