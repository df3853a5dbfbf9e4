//! Text in request JSON.

use std::borrow::{Borrow, Cow};
use std::ops::Deref;

use serde::{Deserialize, Serialize};

/// A text that borrows from the request wherever it has no escapes.
///
/// serde borrows for a `Cow` only where that is the type of a whole field: inside an `Option` or a map each would be
/// copied.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Text<'_> {
    pub fn into_owned(self) -> String {
        self.0.into_owned()
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Maps that are keyed by a text are searched by any string.
impl Borrow<str> for Text<'_> {
    fn borrow(&self) -> &str {
        self
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_escapes_is_not_copied() {
        let texts: Vec<Option<Text<'_>>> = serde_json::from_str(r#"["plain", "a\nb", null]"#).unwrap();
        let is_borrowed: Vec<_> = texts.iter().flatten().map(|text| matches!(text.0, Cow::Borrowed(_))).collect();
        assert_eq!(is_borrowed, [true, false]);
        assert_eq!(texts[1].as_deref(), Some("a\nb"));
    }
}
