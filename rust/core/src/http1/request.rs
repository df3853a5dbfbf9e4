//! A whole request, borrowed from the connection's input.

use super::head::Head;
use super::{Params, ParamsError};

/// One whole request. Everything borrows from the connection that received it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// As sent, upper case by convention; an unknown one is for the router to refuse.
    pub method: &'a str,
    /// The raw path, before the question mark, not percent-decoded.
    pub path: &'a str,
    /// The raw query, behind the question mark; empty when there is none.
    pub query: &'a str,
    /// The body with any chunked framing removed.
    pub body: &'a [u8],
    head: Option<&'a Head>,
    bytes: &'a [u8],
}

impl<'a> Request<'a> {
    pub(super) fn new(head: &'a Head, bytes: &'a [u8], body: &'a [u8]) -> Self {
        // The head was checked when it was read: a token, and a target of valid UTF-8.
        let method = std::str::from_utf8(head.method.of(bytes)).unwrap_or_default();
        let path = std::str::from_utf8(head.path.of(bytes)).unwrap_or_default();
        let query = std::str::from_utf8(head.query.of(bytes)).unwrap_or_default();
        // "http://host" and "http://host?query" ask for the root (RFC 9110 section 4.2.3).
        let path = if path.is_empty() { "/" } else { path };
        Self { method, path, query, body, head: Some(head), bytes }
    }

    pub(super) fn empty() -> Self {
        Self { method: "", path: "", query: "", body: b"", head: None, bytes: b"" }
    }

    /// The first header of that name, compared without case. None as well when its value is no UTF-8.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let name = name.as_bytes();
        let headers = &self.head?.headers;
        let found = headers.iter().find(|header| header.name.of(self.bytes).eq_ignore_ascii_case(name))?;
        std::str::from_utf8(found.value.of(self.bytes)).ok()
    }

    /// Every header in the order received, values without surrounding blanks.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        let bytes = self.bytes;
        let headers = self.head.map_or(&[][..], |head| head.headers.as_slice());
        headers.iter().map(move |header| {
            let name = std::str::from_utf8(header.name.of(bytes)).unwrap_or_default();
            (name, header.value.of(bytes))
        })
    }

    /// Whether the body is a form: `application/x-www-form-urlencoded` with any charset, which is ignored because
    /// clients label UTF-8 forms as GBK (protocol/http.md section 1).
    pub fn is_form(&self) -> bool {
        const FORM: &str = "application/x-www-form-urlencoded";
        self.header("content-type").is_some_and(|value| {
            let kind = value.split(';').next().unwrap_or_default().trim_ascii();
            kind.eq_ignore_ascii_case(FORM)
        })
    }

    /// Query and form body merged, as every form-style API takes them.
    pub fn params(&self) -> Result<Params<'a>, ParamsError> {
        let form = (!self.body.is_empty() && self.is_form()).then_some(self.body);
        Params::parse(self.query, form)
    }
}
