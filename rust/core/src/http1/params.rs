//! Query and form parameters, merged.

use crate::limits::PARAMS_COUNT_MAX;
use memchr::{memchr, memchr2};
use std::borrow::Cow;

/// Why parameters cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParamsError {
    /// A percent sign without two hexadecimal digits behind it.
    #[error("a parameter holds a percent sign that is no %XX escape")]
    Escape,
    /// What the escapes spell is not UTF-8; nothing is guessed.
    #[error("a parameter is not valid UTF-8")]
    Utf8,
    /// More than `PARAMS_COUNT_MAX` of them.
    #[error("more than {PARAMS_COUNT_MAX} parameters")]
    Count,
}

/// The parameters of a request, decoded: the query's first, then the form body's (protocol/http.md section 1: both
/// are interchangeable). Values without escapes are borrowed.
#[derive(Debug, Clone, Default)]
pub struct Params<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Params<'a> {
    /// Decodes `+` and `%XX` in both places.
    pub fn parse(query: &'a str, form_body: Option<&'a [u8]>) -> Result<Self, ParamsError> {
        let mut params = Self::default();
        params.extend(query.as_bytes())?;
        params.extend(form_body.unwrap_or_default())?;
        Ok(params)
    }

    fn extend(&mut self, text: &'a [u8]) -> Result<(), ParamsError> {
        let mut rest = text;
        if self.pairs.is_empty() && !rest.is_empty() {
            self.pairs.reserve(8);
        }
        while !rest.is_empty() {
            let end = memchr(b'&', rest).unwrap_or(rest.len());
            let pair = &rest[..end];
            rest = rest.get(end + 1..).unwrap_or_default();
            if pair.is_empty() {
                continue;
            }
            if self.pairs.len() == PARAMS_COUNT_MAX {
                return Err(ParamsError::Count);
            }
            let name_len = memchr(b'=', pair).unwrap_or(pair.len());
            let value = pair.get(name_len + 1..).unwrap_or_default();
            self.pairs.push((decode(&pair[..name_len])?, decode(value)?));
        }
        Ok(())
    }

    /// The first value of that name. A name sent without a value is the empty string.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_ref())
    }

    /// All pairs in the order sent, repetitions included.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }
}

/// Decodes one name or value; borrowed when nothing is escaped.
fn decode(text: &[u8]) -> Result<Cow<'_, str>, ParamsError> {
    let Some(first) = memchr2(b'%', b'+', text) else {
        return std::str::from_utf8(text).map(Cow::Borrowed).map_err(|_| ParamsError::Utf8);
    };
    let mut decoded = Vec::with_capacity(text.len());
    decoded.extend_from_slice(&text[..first]);
    let mut rest = &text[first..];
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let [high, low, ..] = *after else { return Err(ParamsError::Escape) };
                rest = &after[2..];
                hex(high)? << 4 | hex(low)?
            }
            plain => plain,
        });
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| ParamsError::Utf8)
}

fn hex(digit: u8) -> Result<u8, ParamsError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(ParamsError::Escape),
    }
}
