//! What a text has to be like. It is compared in steps: one content may be as long as ten thousand others, and a pattern
//! may make each byte of it dear.

use memchr::memmem::Finder;

/// What it counts for to look for one part of a pattern, beside the bytes that are read: about as long as to read so much.
pub(super) const FIND_BYTES: usize = 64;

/// Texts with wildcards between them.
#[derive(Debug)]
pub struct Pattern {
    /// Between the wildcards; the first one is what the text begins with, the last one what it ends with.
    parts: Vec<Finder<'static>>,
    /// No shorter text can be like it.
    bytes_min: usize,
}

/// How far one text has been compared with a pattern.
#[derive(Debug, Clone, Copy, Default)]
pub struct Compared {
    /// How many parts between the first and the last one have been found.
    parts_count: usize,
    /// Where to go on, behind the first part.
    at: usize,
}

impl Pattern {
    /// The text itself; empty: any text.
    pub fn exact(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self::new([text]))
    }

    /// `*` stands for anything, also nothing; empty: any text.
    pub fn wildcard(text: &str) -> Option<Self> {
        let says_something = text.bytes().any(|byte| byte != b'*');
        let last = text.split('*').count() - 1;
        let parts = text.split('*').enumerate().filter(|(at, part)| *at == 0 || *at == last || !part.is_empty());
        says_something.then(|| Self::new(parts.map(|(_, part)| part)))
    }

    /// As `wildcard`, but a text without `*` may stand anywhere.
    pub fn contained(text: &str) -> Option<Self> {
        if text.contains('*') { Self::wildcard(text) } else { Self::wildcard(&format!("*{text}*")) }
    }

    fn new<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let parts: Vec<_> = parts.into_iter().map(|part| Finder::new(part.as_bytes()).into_owned()).collect();
        let bytes_min = parts.iter().map(|part| part.needle().len()).sum();
        Self { parts, bytes_min }
    }

    /// Whether a text is like it.
    pub fn is_met_by(&self, text: &[u8]) -> bool {
        let mut compared = Compared::default();
        loop {
            let mut rest_bytes = usize::MAX;
            if let Some(is_met) = self.compare(text, &mut compared, &mut rest_bytes) {
                return is_met;
            }
        }
    }

    /// Carries on with a comparison of the same text and takes off `rest_bytes` what that costs. Whether the text is like
    /// it; `None` if nothing is left before that is known.
    pub(super) fn compare(&self, text: &[u8], compared: &mut Compared, rest_bytes: &mut usize) -> Option<bool> {
        if text.len() < self.bytes_min {
            return Some(false);
        }
        let (first, rest) = self.parts.split_first().expect("a pattern has a part");
        let Some(text) = behind(text, first.needle()) else { return Some(false) };
        let Some((last, middle)) = rest.split_last() else { return Some(text.is_empty()) };
        let Some(text) = before(text, last.needle()) else { return Some(false) };
        while let Some(part) = middle.get(compared.parts_count) {
            if *rest_bytes == 0 {
                return None;
            }
            let (unread, part_bytes) = (&text[compared.at..], part.needle().len());
            // So many places where it may begin are looked at, and what one at the last of them would take.
            let piece_bytes = (*rest_bytes).max(part_bytes).saturating_add(part_bytes - 1).min(unread.len());
            let read_bytes = match part.find(&unread[..piece_bytes]) {
                Some(at) => {
                    compared.parts_count += 1;
                    at + part_bytes
                }
                None if piece_bytes == unread.len() => {
                    *rest_bytes = rest_bytes.saturating_sub(FIND_BYTES + piece_bytes);
                    return Some(false);
                }
                None => piece_bytes - (part_bytes - 1),
            };
            compared.at += read_bytes;
            *rest_bytes = rest_bytes.saturating_sub(FIND_BYTES + read_bytes);
        }
        Some(true)
    }
}

/// What is behind the beginning of a text. To compare with nothing is dear, see `same_text`.
fn behind<'a>(text: &'a [u8], begins: &[u8]) -> Option<&'a [u8]> {
    if begins.is_empty() { Some(text) } else { text.strip_prefix(begins) }
}

/// What is before the end of a text.
fn before<'a>(text: &'a [u8], ends: &[u8]) -> Option<&'a [u8]> {
    if ends.is_empty() { Some(text) } else { text.strip_suffix(ends) }
}

#[cfg(test)]
impl Compared {
    pub(super) fn at_bytes(&self) -> usize {
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The dumb twin of `Pattern::wildcard`.
    fn is_like(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|at| is_like(rest, &text[at..])),
            Some((byte, rest)) => text.split_first().is_some_and(|(first, text)| first == byte && is_like(rest, text)),
        }
    }

    proptest! {
        #[test]
        fn wildcards_stand_for_anything(pattern in "[ab*]{0,6}", text in "[ab]{0,8}") {
            let expected = pattern.is_empty() || is_like(pattern.as_bytes(), text.as_bytes());
            let is_met = |pattern: Option<Pattern>| pattern.is_none_or(|pattern| pattern.is_met_by(text.as_bytes()));
            prop_assert_eq!(is_met(Pattern::wildcard(&pattern)), expected);
            let within = if pattern.contains('*') { expected } else { text.contains(&pattern) };
            prop_assert_eq!(is_met(Pattern::contained(&pattern)), within);
            prop_assert_eq!(is_met(Pattern::exact(&pattern)), pattern.is_empty() || pattern == text);
        }

        #[test]
        fn it_does_not_matter_how_often_a_comparison_is_interrupted(
            pattern in "[ab*]{1,8}", text in "[ab]{0,40}", step_bytes in 1usize..80,
        ) {
            let Some(pattern) = Pattern::wildcard(&pattern) else { return Ok(()) };
            let mut compared = Compared::default();
            let mut carry_on = || {
                let mut rest_bytes = step_bytes;
                pattern.compare(text.as_bytes(), &mut compared, &mut rest_bytes)
            };
            let is_met = (0..100).find_map(|_| carry_on());
            prop_assert_eq!(is_met, Some(pattern.is_met_by(text.as_bytes())));
        }
    }
}
