//! Fuzzy watches: which connections want to hear of everything whose group and name are like a pattern
//! (protocol/grpc.md sections 4.1 and 5.1). Services and configs are watched alike.

use super::key::{KeyParts, ResourceKey};
use crate::limits::{FUZZY_MATCHES_COUNT_MAX, FUZZY_PATTERNS_COUNT_MAX, FUZZY_PATTERNS_PER_CONNECTION_MAX};
use std::collections::{BTreeMap, BTreeSet};

const SEPARATOR: &str = ">>";

/// `namespace>>group>>name`; the last two may begin or end with `*`, and anything else with a `*` is like nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FuzzyPattern {
    text: Box<str>,
    namespace: Box<str>,
    group: Part,
    name: Part,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Any,
    Exact(Box<str>),
    Begins(Box<str>),
    Ends(Box<str>),
    Contains(Box<str>),
}

impl Part {
    fn new(text: &str) -> Self {
        match (text.strip_prefix('*'), text.strip_suffix('*')) {
            (Some(""), _) => Self::Any,
            (Some(rest), Some(_)) => Self::Contains(rest.strip_suffix('*').unwrap_or(rest).into()),
            (Some(rest), None) => Self::Ends(rest.into()),
            (None, Some(rest)) => Self::Begins(rest.into()),
            (None, None) => Self::Exact(text.into()),
        }
    }

    fn is_met_by(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(whole) => **whole == *text,
            Self::Begins(part) => text.starts_with(&**part),
            Self::Ends(part) => text.ends_with(&**part),
            Self::Contains(part) => text.contains(&**part),
        }
    }
}

impl FuzzyPattern {
    /// Reads a pattern; `None` if it has not three parts. An empty namespace is `default_namespace`.
    pub fn read(text: &str, default_namespace: &str) -> Option<Self> {
        let mut parts = text.split(SEPARATOR);
        let (namespace, group, name) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || group.is_empty() || name.is_empty() {
            return None;
        }
        let namespace = if namespace.is_empty() { default_namespace } else { namespace };
        Some(Self { text: text.into(), namespace: namespace.into(), group: Part::new(group), name: Part::new(name) })
    }

    /// As the client wrote it, which pushes must repeat.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The only one whose names are like it.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The only group whose names are like it, if there is only one.
    pub fn only_group(&self) -> Option<&str> {
        match &self.group {
            Part::Exact(group) => Some(group),
            _ => None,
        }
    }

    /// Whether a group has names that may be like it.
    pub fn is_met_by_group(&self, namespace: &str, group: &str) -> bool {
        *self.namespace == *namespace && self.group.is_met_by(group)
    }

    /// Whether something is like it.
    pub fn is_met_by(&self, (namespace, group, name): KeyParts<'_>) -> bool {
        self.name.is_met_by(name) && self.is_met_by_group(namespace, group)
    }
}

/// There are as many patterns as there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooManyPatterns {
    /// Of one connection.
    #[error("this client watches {FUZZY_PATTERNS_PER_CONNECTION_MAX} patterns, and no more than that can be")]
    OfConnection,
    /// Of all connections.
    #[error("clients watch {FUZZY_PATTERNS_COUNT_MAX} different patterns, and no more than that can be")]
    OfAll,
}

/// What a watcher has to be told at first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// In key order: what there is and the watcher has not, and what it has and is gone.
    pub keys: Vec<ResourceKey>,
    /// There is so much like the pattern that no more of it is told.
    pub is_over_limit: bool,
}

impl Difference {
    /// Between what a watcher has and what there is. `matches` are those like the pattern, or as many as are told;
    /// `is_there` says of any.
    pub(crate) fn between(
        pattern: &FuzzyPattern,
        received: &BTreeSet<ResourceKey>,
        matches: &BTreeSet<ResourceKey>,
        is_there: impl Fn(&ResourceKey) -> bool,
    ) -> Self {
        let like_it = received.iter().filter(|key| pattern.is_met_by(key.parts()));
        let (kept, mut keys): (Vec<_>, Vec<_>) = like_it.cloned().partition(|key| is_there(key));
        let room = FUZZY_MATCHES_COUNT_MAX.saturating_sub(kept.len());
        keys.extend(matches.difference(received).take(room).cloned());
        keys.sort_unstable();
        Self { keys, is_over_limit: matches.len() >= FUZZY_MATCHES_COUNT_MAX }
    }
}

/// One pattern that is watched. Clients ask again and again, and names are many: what is like it is looked for once, and
/// kept right from then on.
#[derive(Debug)]
struct Watched<At> {
    pattern: FuzzyPattern,
    connections: BTreeSet<u64>,
    /// What is like it, as far as it is known; no more of it than is told.
    matches: BTreeSet<ResourceKey>,
    progress: Progress<At>,
}

/// How far names have been looked through for what is like a pattern.
#[derive(Debug)]
enum Progress<At> {
    /// Up to there; `None`: not at all.
    At(Option<At>),
    Done,
    /// As far as was needed: there is as much as is told, and there may be more.
    Full,
}

/// A part of all names that has been looked through.
#[derive(Debug)]
pub(crate) struct Looked<At> {
    pub(crate) found: Vec<ResourceKey>,
    /// Where the next part begins; `None`: there is none.
    pub(crate) next: Option<At>,
}

impl<At> Watched<At> {
    fn begin(&mut self) {
        self.matches.clear();
        self.progress = Progress::At(None);
    }

    fn insert(&mut self, key: ResourceKey) {
        if self.matches.len() < FUZZY_MATCHES_COUNT_MAX {
            self.matches.insert(key);
        }
        if self.matches.len() >= FUZZY_MATCHES_COUNT_MAX {
            self.progress = Progress::Full;
        }
    }

    fn remove(&mut self, key: &ResourceKey) {
        if self.matches.remove(key) && matches!(self.progress, Progress::Full) {
            self.begin();
        }
    }
}

/// Patterns and their watchers. `At` is a place among the names, which stays one whatever comes and goes.
#[derive(Debug)]
pub(crate) struct Watches<At> {
    by_text: BTreeMap<Box<str>, Watched<At>>,
    by_connection: BTreeMap<u64, BTreeSet<Box<str>>>,
}

impl<At> Default for Watches<At> {
    fn default() -> Self {
        Self { by_text: BTreeMap::new(), by_connection: BTreeMap::new() }
    }
}

impl<At> Watches<At> {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_text.is_empty()
    }

    /// Makes a connection a watcher of a pattern, or leaves it one.
    pub(crate) fn watch(&mut self, connection: u64, pattern: &FuzzyPattern) -> Result<(), TooManyPatterns> {
        let texts = self.by_connection.get(&connection);
        if texts.is_some_and(|texts| texts.contains(pattern.text())) {
            return Ok(());
        }
        if texts.map_or(0, BTreeSet::len) >= FUZZY_PATTERNS_PER_CONNECTION_MAX {
            return Err(TooManyPatterns::OfConnection);
        }
        if self.by_text.len() >= FUZZY_PATTERNS_COUNT_MAX && !self.by_text.contains_key(pattern.text()) {
            return Err(TooManyPatterns::OfAll);
        }
        let new = || Watched {
            pattern: pattern.clone(),
            connections: BTreeSet::new(),
            matches: BTreeSet::new(),
            progress: Progress::At(None),
        };
        self.by_text.entry(pattern.text().into()).or_insert_with(new).connections.insert(connection);
        self.by_connection.entry(connection).or_default().insert(pattern.text().into());
        Ok(())
    }

    /// Ends a watch. False if there was none.
    pub(crate) fn unwatch(&mut self, connection: u64, text: &str) -> bool {
        let Some(texts) = self.by_connection.get_mut(&connection) else { return false };
        if !texts.remove(text) {
            return false;
        }
        if texts.is_empty() {
            self.by_connection.remove(&connection);
        }
        self.remove(connection, text);
        true
    }

    /// Ends all watches of a connection.
    pub(crate) fn drop_connection(&mut self, connection: u64) {
        for text in self.by_connection.remove(&connection).unwrap_or_default() {
            self.remove(connection, &text);
        }
    }

    /// Whether a connection watches a pattern.
    pub(crate) fn has(&self, connection: u64, text: &str) -> bool {
        self.by_connection.get(&connection).is_some_and(|texts| texts.contains(text))
    }

    /// Who watches something, in order, each once.
    pub(crate) fn watchers(&self, key: KeyParts<'_>) -> BTreeSet<u64> {
        let met = self.by_text.values().filter(|watched| watched.pattern.is_met_by(key));
        met.flat_map(|watched| watched.connections.iter().copied()).collect()
    }

    /// What is like a pattern that is watched, or as much of it as is told. If that is not known, `look` looks through a
    /// bounded part of all names, from that place on. `None`: there is more to look through in the next call.
    pub(crate) fn matches(
        &mut self,
        pattern: &FuzzyPattern,
        look: impl FnOnce(Option<&At>) -> Looked<At>,
    ) -> Option<&BTreeSet<ResourceKey>> {
        let watched = self.by_text.get_mut(pattern.text())?;
        if let Progress::At(at) = &watched.progress {
            let Looked { found, next } = look(at.as_ref());
            watched.progress = next.map_or(Progress::Done, |at| Progress::At(Some(at)));
            found.into_iter().for_each(|key| watched.insert(key));
        }
        (!matches!(watched.progress, Progress::At(_))).then_some(&watched.matches)
    }

    /// Something is there, or is not.
    pub(crate) fn note(&mut self, key: &ResourceKey, is_there: bool) {
        for watched in self.by_text.values_mut().filter(|watched| watched.pattern.is_met_by(key.parts())) {
            if is_there {
                watched.insert(key.clone());
            } else {
                watched.remove(key);
            }
        }
    }

    /// Everything may be otherwise.
    pub(crate) fn forget_matches(&mut self) {
        self.by_text.values_mut().for_each(Watched::begin);
    }

    fn remove(&mut self, connection: u64, text: &str) {
        let Some(watched) = self.by_text.get_mut(text) else { return };
        watched.connections.remove(&connection);
        if watched.connections.is_empty() {
            self.by_text.remove(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_like(pattern: &str, group: &str, name: &str) -> bool {
        FuzzyPattern::read(pattern, "public").is_some_and(|pattern| pattern.is_met_by(("public", group, name)))
    }

    #[test]
    fn a_part_is_exact_or_open_at_its_ends() {
        for (part, text, expected) in [
            ("*", "abc", true),
            ("**", "abc", true),
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("abc*", "abcd", true),
            ("abc*", "abc", true),
            ("abc*", "xabc", false),
            ("*abc", "xabc", true),
            ("*abc", "abcx", false),
            ("*b*", "abc", true),
            ("*b*", "b", true),
            ("*x*", "abc", false),
            ("a*c", "abc", false),
            ("*a*c*", "abc", false),
        ] {
            assert_eq!(is_like(&format!("public>>g>>{part}"), "g", text), expected, "{part} {text}");
            assert_eq!(is_like(&format!("public>>{part}>>n"), text, "n"), expected, "{part} {text}");
        }
    }

    #[test]
    fn a_pattern_has_three_parts_and_one_namespace() {
        for text in ["", "public", "public>>g", "public>>g>>n>>more", "public>>>>n", "public>>g>>"] {
            assert_eq!(FuzzyPattern::read(text, "public"), None, "{text}");
        }
        assert!(is_like(">>g>>n", "g", "n"));
        assert!(!is_like("other>>g>>n", "g", "n"));
    }

    #[test]
    fn watches_leave_nothing_behind() {
        let (all, one) = (FuzzyPattern::read("p>>*>>*", "p").unwrap(), FuzzyPattern::read("p>>g>>a", "p").unwrap());
        let mut watches = Watches::<usize>::default();
        for (connection, pattern) in [(1, &all), (2, &all), (2, &one), (2, &one)] {
            watches.watch(connection, pattern).unwrap();
        }
        assert_eq!(watches.watchers(("p", "g", "a")), BTreeSet::from([1, 2]));
        assert!(watches.unwatch(2, "p>>*>>*") && !watches.unwatch(2, "p>>*>>*") && !watches.unwatch(3, "p>>g>>a"));
        assert_eq!(watches.watchers(("p", "g", "b")), BTreeSet::from([1]));
        assert!(watches.has(2, "p>>g>>a") && !watches.has(1, "p>>g>>a"));
        watches.drop_connection(2);
        assert_eq!(watches.watchers(("p", "g", "a")), BTreeSet::from([1]));
        watches.unwatch(1, "p>>*>>*");
        assert!(watches.is_empty() && watches.by_connection.is_empty());
    }

    #[test]
    fn patterns_are_limited_by_connection_and_in_all() {
        let pattern = |number: usize| FuzzyPattern::read(&format!("p>>g>>{number}"), "p").unwrap();
        let mut watches = Watches::<usize>::default();
        let watched = |watches: &mut Watches<usize>, at: usize| {
            watches.watch((at / FUZZY_PATTERNS_PER_CONNECTION_MAX) as u64, &pattern(at))
        };
        for at in 0..FUZZY_PATTERNS_COUNT_MAX {
            assert_eq!(watched(&mut watches, at), Ok(()));
        }
        assert_eq!(watches.watch(0, &pattern(0)), Ok(()), "one that is watched already is no further one");
        assert_eq!(watches.watch(0, &pattern(FUZZY_PATTERNS_COUNT_MAX - 1)), Err(TooManyPatterns::OfConnection));
        assert_eq!(watched(&mut watches, FUZZY_PATTERNS_COUNT_MAX), Err(TooManyPatterns::OfAll));
        assert_eq!(watches.watch(u64::MAX, &pattern(0)), Ok(()), "a pattern of others is not a further one");
    }

    #[test]
    fn a_watcher_is_told_what_it_lacks_and_what_is_gone() {
        let pattern = FuzzyPattern::read("p>>g>>a*", "p").unwrap();
        let key = |name: &str| ResourceKey::new(("p", "g", name));
        let matches = BTreeSet::from([key("a2"), key("a1"), key("a3")]);
        let received = BTreeSet::from([key("a1"), key("a0"), key("b")]);
        let told = Difference::between(&pattern, &received, &matches, |key| matches.contains(key));
        assert_eq!(told, Difference { keys: vec![key("a0"), key("a2"), key("a3")], is_over_limit: false });
    }

    #[test]
    fn no_watcher_holds_more_than_the_limit() {
        let pattern = FuzzyPattern::read("p>>g>>*", "p").unwrap();
        let keys: Vec<_> =
            (0..FUZZY_MATCHES_COUNT_MAX + 2).map(|at| ResourceKey::new(("p", "g", &format!("{at:04}")))).collect();
        for (count, received, told, is_over_limit) in [
            (FUZZY_MATCHES_COUNT_MAX - 1, 0, FUZZY_MATCHES_COUNT_MAX - 1, false),
            (FUZZY_MATCHES_COUNT_MAX, 0, FUZZY_MATCHES_COUNT_MAX, true),
            (FUZZY_MATCHES_COUNT_MAX + 2, 0, FUZZY_MATCHES_COUNT_MAX, true),
            (FUZZY_MATCHES_COUNT_MAX + 2, 10, FUZZY_MATCHES_COUNT_MAX - 10, true),
        ] {
            let received = keys.iter().rev().take(received).cloned().collect();
            let mut watches = Watches::<usize>::default();
            watches.watch(1, &pattern).unwrap();
            let looked = Looked { found: keys[..count].to_vec(), next: None };
            let matches = watches.matches(&pattern, |_| looked).unwrap().clone();
            let difference = Difference::between(&pattern, &received, &matches, |_| true);
            assert_eq!((difference.keys.len(), difference.is_over_limit), (told, is_over_limit), "{count}");
        }
    }

    fn all(found: Vec<ResourceKey>) -> impl FnOnce(Option<&usize>) -> Looked<usize> {
        |_| Looked { found, next: None }
    }

    fn nothing_is_looked_for(_: Option<&usize>) -> Looked<usize> {
        panic!("it is known")
    }

    #[test]
    fn what_was_found_once_is_kept_and_kept_right_as_long_as_it_is_watched() {
        let pattern = FuzzyPattern::read("p>>g>>*", "p").unwrap();
        let key = |name: &str| ResourceKey::new(("p", "g", name));
        let mut watches = Watches::<usize>::default();
        watches.watch(1, &pattern).unwrap();
        assert_eq!(watches.matches(&pattern, all(vec![key("a")])), Some(&BTreeSet::from([key("a")])));
        watches.note(&key("b"), true);
        watches.note(&key("a"), false);
        watches.note(&ResourceKey::new(("p", "h", "c")), true);
        assert_eq!(watches.matches(&pattern, nothing_is_looked_for), Some(&BTreeSet::from([key("b")])));
        (0..=FUZZY_MATCHES_COUNT_MAX).for_each(|at| watches.note(&key(&at.to_string()), true));
        let told = watches.matches(&pattern, nothing_is_looked_for).unwrap();
        assert_eq!(told.len(), FUZZY_MATCHES_COUNT_MAX, "no more is kept than is told");
        watches.note(&key("0"), false);
        assert_eq!(
            watches.matches(&pattern, all(vec![key("c")])),
            Some(&BTreeSet::from([key("c")])),
            "there may be more"
        );
        watches.forget_matches();
        assert_eq!(watches.matches(&pattern, all(vec![])), Some(&BTreeSet::new()));
        watches.unwatch(1, pattern.text());
        assert_eq!(watches.matches(&pattern, nothing_is_looked_for), None);
    }

    #[test]
    fn names_are_looked_through_part_by_part_while_others_come_and_go() {
        let pattern = FuzzyPattern::read("p>>g>>*", "p").unwrap();
        let key = |name: &str| ResourceKey::new(("p", "g", name));
        let mut watches = Watches::<usize>::default();
        watches.watch(1, &pattern).unwrap();
        let part = |from: Option<usize>, found: &[&str], next: Option<usize>| {
            let found = found.iter().map(|name| key(name)).collect();
            move |at: Option<&usize>| {
                assert_eq!(at.copied(), from);
                Looked { found, next }
            }
        };
        assert_eq!(watches.matches(&pattern, part(None, &["a", "b"], Some(10))), None);
        watches.note(&key("a"), false);
        watches.note(&key("a0"), true);
        assert_eq!(watches.matches(&pattern, part(Some(10), &[], Some(20))), None);
        let told = BTreeSet::from([key("a0"), key("b"), key("c")]);
        assert_eq!(watches.matches(&pattern, part(Some(20), &["c"], None)), Some(&told));
        assert_eq!(watches.matches(&pattern, nothing_is_looked_for), Some(&told));
    }
}
