//! Who gets a gray release: rules over what is known of a client (docs/gray.md has their grammar).

use super::KeyParts;
use crate::limits::{
    CLIENT_LABEL_BYTES_MAX, CLIENT_LABELS_COUNT_MAX, GRAY_ADDRESSES_COUNT_MAX, GRAY_LABEL_CHARACTERS_MAX,
    GRAY_REQUIREMENTS_COUNT_MAX, GRAY_RULE_BYTES_MAX, GRAY_TAG_CHARACTERS_MAX, GRAY_VALUES_COUNT_MAX,
};
use md5::{Digest as _, Md5};
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

/// All clients, in the unit of percentages: hundredths of a percent.
const WHOLE: u16 = 10_000;

/// Before the names of labels that an application gives itself (protocol/grpc.md section 2).
const APPLICATION_PREFIX: &str = "app_";

/// What a rule may look at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asker<'a> {
    /// As the client names it.
    pub ip: &'a str,
    /// The tag that it asks for, or has.
    pub tag: Option<&'a str>,
    /// What it said of itself when it connected; HTTP has no such thing.
    pub labels: Option<&'a Arc<Labels>>,
}

/// What a client said of itself, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels(Box<[(Box<str>, Box<str>)]>);

impl Labels {
    /// `app_<name>` is the label `<name>` and beats one that is called so. What is too long or too much is left out, so
    /// that no client fills the memory with what it says of itself.
    pub fn new<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let kept = pairs.filter(|(name, value)| name.len() + value.len() <= CLIENT_LABEL_BYTES_MAX);
        let mut pairs: Vec<(&str, bool, &str)> = kept
            .take(CLIENT_LABELS_COUNT_MAX)
            .map(|(name, value)| match name.strip_prefix(APPLICATION_PREFIX) {
                Some(name) => (name, false, value),
                None => (name, true, value),
            })
            .collect();
        pairs.sort_unstable();
        pairs.dedup_by_key(|(name, ..)| *name);
        Self(pairs.into_iter().map(|(name, _, value)| (name.into(), value.into())).collect())
    }

    /// The value of a label.
    pub fn get(&self, name: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|(other, _)| (**other).cmp(name)).ok()?;
        Some(&self.0[at].1)
    }
}

/// A rule and the text that it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    text: Box<str>,
    takes: Takes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Takes {
    /// Sorted.
    Addresses(Box<[IpAddr]>),
    Tag,
    /// All of them have to hold.
    Labels(Box<[Requirement]>),
    /// Hundredths of a percent.
    Share(u16),
}

/// What one label has to be like. A client without the label is one that has another value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    name: Box<str>,
    /// None: any value.
    values: Option<Box<[Box<str>]>>,
    is_negated: bool,
}

/// Why a text is no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    #[error("a gray rule is of the type beta, tag, label or percent, not '{0}'")]
    Kind(String),
    #[error("the rule of a gray release takes {0} bytes, over {GRAY_RULE_BYTES_MAX}")]
    Long(usize),
    #[error("'{0}' in the addresses of a gray release is no IP address")]
    Address(String),
    #[error("a gray release goes to 1 to {GRAY_ADDRESSES_COUNT_MAX} addresses, not to {0}")]
    Addresses(usize),
    #[error("the tag '{0}' is not made of 1 to {GRAY_TAG_CHARACTERS_MAX} letters, digits and - _ . :")]
    Tag(String),
    #[error("the percentage '{0}' is no number from 0 to 100 with at most two decimals")]
    Percentage(String),
    #[error("in the label expression, {expected} is expected where '{found}' stands")]
    Syntax { expected: &'static str, found: String },
    #[error("a label expression has at most {GRAY_REQUIREMENTS_COUNT_MAX} parts")]
    Requirements,
    #[error("a label is compared with at most {GRAY_VALUES_COUNT_MAX} values")]
    Values,
}

impl Rule {
    /// Reads the text of a rule of this kind: `beta` (addresses by commas), `tag`, `label` (an expression) or `percent`.
    ///
    /// # Errors
    /// If it is no such text; the message is for the person who wrote it.
    pub fn parse(kind: &str, text: &str) -> Result<Self, RuleError> {
        let text = text.trim();
        if text.len() > GRAY_RULE_BYTES_MAX {
            return Err(RuleError::Long(text.len()));
        }
        let takes = match kind {
            "beta" => Takes::Addresses(addresses(text)?),
            "tag" if is_word(text, GRAY_TAG_CHARACTERS_MAX) => Takes::Tag,
            "tag" => return Err(RuleError::Tag(text.to_owned())),
            "label" => Takes::Labels(Expression { rest: text }.read()?),
            "percent" => Takes::Share(hundredths(text).ok_or_else(|| RuleError::Percentage(text.to_owned()))?),
            _ => return Err(RuleError::Kind(kind.to_owned())),
        };
        Ok(Self { text: text.into(), takes })
    }

    /// As `parse` knows it.
    pub fn kind(&self) -> &'static str {
        match self.takes {
            Takes::Addresses(_) => "beta",
            Takes::Tag => "tag",
            Takes::Labels(_) => "label",
            Takes::Share(_) => "percent",
        }
    }

    /// As it was given to `parse`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether a client gets the release of this config that has this rule.
    pub(super) fn takes(&self, key: KeyParts<'_>, asker: &Asker<'_>) -> bool {
        match &self.takes {
            Takes::Addresses(addresses) => {
                asker.ip.parse::<IpAddr>().is_ok_and(|ip| addresses.binary_search(&ip).is_ok())
            }
            Takes::Tag => asker.tag == Some(&*self.text),
            Takes::Labels(requirements) => requirements.iter().all(|requirement| {
                let value = asker.labels.and_then(|labels| labels.get(&requirement.name));
                requirement.holds_for(value)
            }),
            Takes::Share(share) => place_of(key, asker.ip) < *share,
        }
    }
}

impl Requirement {
    fn holds_for(&self, value: Option<&str>) -> bool {
        let is_met = match (value, &self.values) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(value), Some(values)) => values.iter().any(|wanted| **wanted == *value),
        };
        is_met != self.is_negated
    }
}

/// Where a client stands among all clients of a config, from 0 to just below `WHOLE`. It does not depend on the
/// percentage, so that raising it never takes a client out.
fn place_of((_, group, data_id): KeyParts<'_>, ip: &str) -> u16 {
    let mut hasher = Md5::new();
    for part in [data_id, "\u{2}", group, "\u{2}", ip] {
        hasher.update(part);
    }
    let hash = hasher.finalize();
    let (first, _) = hash.split_first_chunk::<8>().expect("16 bytes");
    (u64::from_be_bytes(*first) % u64::from(WHOLE)) as u16
}

fn addresses(text: &str) -> Result<Box<[IpAddr]>, RuleError> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    let read = |item: &str| item.parse::<IpAddr>().map_err(|_| RuleError::Address(item.to_owned()));
    let mut addresses = items.map(read).collect::<Result<Vec<_>, _>>()?;
    if !(1..=GRAY_ADDRESSES_COUNT_MAX).contains(&addresses.len()) {
        return Err(RuleError::Addresses(addresses.len()));
    }
    addresses.sort_unstable();
    Ok(addresses.into())
}

/// `12`, `12.5` or `0.25`.
fn hundredths(text: &str) -> Option<u16> {
    let is_number =
        |digits: &str, most| (1..=most).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let (whole, part) = match text.split_once('.') {
        Some((whole, part)) if is_number(part, 2) => (whole, Cow::from(format!("{part:0<2}"))),
        Some(_) => return None,
        None => (text, Cow::from("00")),
    };
    if !is_number(whole, 3) {
        return None;
    }
    let share = whole.parse::<u16>().ok()? * 100 + part.parse::<u16>().ok()?;
    (share <= WHOLE).then_some(share)
}

fn is_word_character(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '-' | '_' | '.' | ':')
}

fn is_word(text: &str, characters_max: usize) -> bool {
    (1..=characters_max).contains(&text.chars().count()) && text.chars().all(is_word_character)
}

/// A label expression, as far as it has not been read.
#[derive(Clone, Copy)]
struct Expression<'a> {
    rest: &'a str,
}

impl<'a> Expression<'a> {
    fn read(mut self) -> Result<Box<[Requirement]>, RuleError> {
        let mut requirements = vec![self.requirement()?];
        while self.skip(",") {
            requirements.push(self.requirement()?);
            if requirements.len() > GRAY_REQUIREMENTS_COUNT_MAX {
                return Err(RuleError::Requirements);
            }
        }
        if self.rest.is_empty() { Ok(requirements.into()) } else { Err(self.expected("a comma or the end")) }
    }

    fn requirement(&mut self) -> Result<Requirement, RuleError> {
        if self.skip("!") {
            return Ok(Requirement { name: self.word("the name of a label")?.into(), values: None, is_negated: true });
        }
        let name = self.word("the name of a label")?.into();
        if self.skip("!=") {
            return Ok(Requirement { name, values: Some([self.word("a value")?.into()].into()), is_negated: true });
        }
        if self.skip("==") || self.skip("=") {
            return Ok(Requirement { name, values: Some([self.word("a value")?.into()].into()), is_negated: false });
        }
        if self.rest.is_empty() || self.rest.starts_with(',') {
            return Ok(Requirement { name, values: None, is_negated: false });
        }
        const OPERATOR: &str = "one of = == != in notin";
        let at = *self;
        match self.word(OPERATOR)? {
            "in" => Ok(Requirement { name, values: Some(self.values()?), is_negated: false }),
            "notin" => Ok(Requirement { name, values: Some(self.values()?), is_negated: true }),
            _ => Err(at.expected(OPERATOR)),
        }
    }

    fn values(&mut self) -> Result<Box<[Box<str>]>, RuleError> {
        if !self.skip("(") {
            return Err(self.expected("( and values"));
        }
        let mut values: Vec<Box<str>> = vec![self.word("a value")?.into()];
        while self.skip(",") {
            values.push(self.word("a value")?.into());
            if values.len() > GRAY_VALUES_COUNT_MAX {
                return Err(RuleError::Values);
            }
        }
        if self.skip(")") { Ok(values.into()) } else { Err(self.expected("a comma or )")) }
    }

    fn word(&mut self, what: &'static str) -> Result<&'a str, RuleError> {
        let end = self.rest.find(|character| !is_word_character(character)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        if !is_word(word, GRAY_LABEL_CHARACTERS_MAX) {
            return Err(self.expected(what));
        }
        self.rest = rest.trim_start();
        Ok(word)
    }

    fn skip(&mut self, sign: &str) -> bool {
        let rest = self.rest.strip_prefix(sign);
        rest.inspect(|rest| self.rest = rest.trim_start()).is_some()
    }

    fn expected(&self, expected: &'static str) -> RuleError {
        let found: String = self.rest.chars().take(GRAY_LABEL_CHARACTERS_MAX).collect();
        RuleError::Syntax { expected, found: if found.is_empty() { "the end".to_owned() } else { found } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: KeyParts<'static> = ("public", "G", "a.yaml");

    fn takes(expression: &str, pairs: &[(&str, &str)]) -> bool {
        let labels = Arc::new(Labels::new(pairs.iter().copied()));
        let rule = Rule::parse("label", expression).expect("an expression");
        rule.takes(KEY, &Asker { labels: Some(&labels), ..Asker::default() })
    }

    fn refusal(kind: &str, text: &str) -> String {
        Rule::parse(kind, text).expect_err("no rule").to_string()
    }

    #[test]
    fn all_parts_of_an_expression_have_to_hold() {
        let labels = [("env", "test"), ("zone", "b"), ("nacos.version", "3:1")];
        for yes in [
            "env=test",
            "env == test , zone in ( a , b )",
            "env",
            "!other",
            "env!=prod",
            "other != x",
            "zone notin (c)",
            "other notin (c)",
            "nacos.version=3:1",
            "in notin (in)",
        ] {
            assert!(takes(yes, &labels), "{yes}");
        }
        for no in ["env=test,zone=a", "env!=test", "!env", "other", "other=x", "zone notin (a,b)", "other in (x)"] {
            assert!(!takes(no, &labels), "{no}");
        }
    }

    #[test]
    fn a_client_without_labels_is_one_with_other_values() {
        let who = Asker { ip: "10.0.0.1", ..Asker::default() };
        assert!(Rule::parse("label", "env!=test").unwrap().takes(KEY, &who));
        assert!(!Rule::parse("label", "env=test").unwrap().takes(KEY, &who));
    }

    #[test]
    fn what_is_no_rule_is_refused_with_what_is_wrong() {
        for (text, words) in [
            ("", "the name of a label is expected where 'the end'"),
            ("env=", "a value is expected where 'the end'"),
            ("env=a,", "the name of a label is expected"),
            ("env=a b", "a comma or the end is expected where 'b'"),
            ("env like a", "one of = == != in notin is expected where 'like a'"),
            ("env in a", "( and values is expected where 'a'"),
            ("env in ()", "a value is expected where ')'"),
            ("env in (a b)", "a comma or ) is expected where 'b)'"),
            ("env in (a", "a comma or ) is expected where 'the end'"),
            ("=a", "the name of a label is expected where '=a'"),
        ] {
            assert!(refusal("label", text).contains(words), "{text}: {}", refusal("label", text));
        }
        assert!(refusal("beta", "10.0.0.1,x").contains("'x' in the addresses"));
        assert!(refusal("beta", " , ").contains("not to 0"));
        assert!(refusal("tag", "12345678901234567").contains("1 to 16 letters"));
        assert!(refusal("tag", "a b").contains("'a b'"));
        assert!(refusal("other", "x").contains("beta, tag, label or percent"));
        for text in ["", "-1", "101", "100.01", "1.", ".5", "1.234", "1e2", "x", "+5", "0001"] {
            assert!(refusal("percent", text).contains("0 to 100"), "{text}");
        }
    }

    #[test]
    fn what_is_too_much_is_refused() {
        let many = |count: usize| vec!["10.0.0.1"; count].join(",");
        assert!(Rule::parse("beta", &many(GRAY_ADDRESSES_COUNT_MAX)).is_ok());
        assert!(refusal("beta", &many(GRAY_ADDRESSES_COUNT_MAX + 1)).contains("1 to 1000"));
        assert!(
            refusal("beta", &format!("10.0.0.1{}10.0.0.2", ",".repeat(GRAY_RULE_BYTES_MAX))).contains("over 65536")
        );
        assert!(Rule::parse("label", &vec!["a"; GRAY_REQUIREMENTS_COUNT_MAX].join(",")).is_ok());
        assert_eq!(
            Rule::parse("label", &vec!["a"; GRAY_REQUIREMENTS_COUNT_MAX + 1].join(",")),
            Err(RuleError::Requirements)
        );
        let values = |count: usize| format!("a in ({})", vec!["b"; count].join(","));
        assert!(Rule::parse("label", &values(GRAY_VALUES_COUNT_MAX)).is_ok());
        assert_eq!(Rule::parse("label", &values(GRAY_VALUES_COUNT_MAX + 1)), Err(RuleError::Values));
        assert!(Rule::parse("label", &"a".repeat(GRAY_LABEL_CHARACTERS_MAX)).is_ok());
        assert!(Rule::parse("label", &"a".repeat(GRAY_LABEL_CHARACTERS_MAX + 1)).is_err());
    }

    #[test]
    fn labels_of_an_application_come_before_others_and_too_many_are_left_out() {
        let labels = Labels::new([("zone", "a"), ("app_zone", "b"), ("AppName", "shop")].into_iter());
        assert_eq!(
            (labels.get("zone"), labels.get("AppName"), labels.get("app_zone")),
            (Some("b"), Some("shop"), None)
        );
        let long = "x".repeat(CLIENT_LABEL_BYTES_MAX);
        let names: Vec<String> = (0..CLIENT_LABELS_COUNT_MAX + 5).map(|number| format!("n{number}")).collect();
        let many = Labels::new(names.iter().map(|name| (name.as_str(), "v")).chain([("long", long.as_str())]));
        assert_eq!((many.0.len(), many.get("long")), (CLIENT_LABELS_COUNT_MAX, None));
    }

    /// Fixed for good: nodes of a cluster, also of different versions, must agree, and clients must stay where they are.
    #[test]
    fn the_place_of_a_client_is_the_documented_hash() {
        assert_eq!(place_of(KEY, "10.0.0.1"), 2203);
        let spread =
            (0..2000).filter(|number| place_of(KEY, &format!("10.0.{}.{}", number / 250, number % 250)) < 2500);
        assert!((400..600).contains(&spread.count()), "a quarter of the clients is about a quarter");
    }
}
