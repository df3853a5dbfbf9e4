//! Which tokens may pass. The hub only matches what it was told; who gets a token is decided above.

use foldhash::fast::RandomState;
use hashbrown::HashMap;

/// The tokens that requests may carry, each with the wall time at which it ends.
#[derive(Debug, Default)]
pub struct Access {
    required: bool,
    tokens: HashMap<Box<str>, u64, RandomState>,
}

impl Access {
    pub fn new(required: bool) -> Self {
        Self { required, tokens: HashMap::default() }
    }

    /// Lets `token` pass until `until_ms`. Tokens that have ended make room first.
    pub fn allow(&mut self, token: &str, until_ms: u64, now_ms: u64) {
        if self.tokens.len() >= crate::limits::TOKENS_COUNT_MAX {
            self.tokens.retain(|_, until| *until > now_ms);
            if self.tokens.len() >= crate::limits::TOKENS_COUNT_MAX {
                self.tokens.clear();
            }
        }
        self.tokens.insert(token.into(), until_ms);
    }

    /// Whether a request with this token passes.
    pub fn passes(&self, token: Option<&str>, now_ms: u64) -> bool {
        !self.required || token.and_then(|token| self.tokens.get(token)).is_some_and(|until| *until > now_ms)
    }

    pub fn required(&self) -> bool {
        self.required
    }
}

/// The token in an `Authorization` header, whose scheme is case-insensitive (RFC 9110 section 11.1).
pub fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_token_that_was_allowed_and_has_not_ended_passes() {
        let mut access = Access::new(true);
        access.allow("good", 100, 0);
        assert!(access.passes(Some("good"), 99));
        assert!(!access.passes(Some("good"), 100));
        assert!(!access.passes(Some("other"), 0));
        assert!(!access.passes(None, 0));
        assert!(Access::new(false).passes(None, 0));
    }

    #[test]
    fn the_scheme_is_case_insensitive() {
        assert_eq!(bearer("bEARER abc"), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("abc"), None);
    }
}
