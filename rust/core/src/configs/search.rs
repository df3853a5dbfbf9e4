//! Looking for configs: by name, content, tags, application, type or id, a page at a time, with the count of all.
//!
//! A search is cut into pieces, because a hundred thousand contents take longer to read than a heartbeat may wait.

use super::pattern::{Compared, Pattern};
use super::{ConfigKey, Configs, StoredConfig};
use crate::limits::{SEARCH_KEY_BYTES, SEARCH_PIECE_BYTES, SEARCH_SKIP_COUNT};
use std::collections::{BTreeSet, HashSet};
use std::hint::black_box;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::Arc;

/// How many configs are asked the same question before the next one.
const LOOKED_AT_COUNT: usize = 32;
/// Of the caches of most processors.
const LINE_BYTES: usize = 64;
/// How much of a content is waited for together with that of others: a small one as a whole.
const FETCHED_LINES_COUNT: usize = 16;

/// Which configs are wanted. What is `None` or empty leaves nothing out.
#[derive(Debug, Default)]
pub struct Filter {
    /// Of the data id.
    pub data_id: Option<Pattern>,
    /// Of the group.
    pub group: Option<Pattern>,
    /// Of the application.
    pub application: Option<Pattern>,
    /// Of the content.
    pub content: Option<Pattern>,
    /// Any of these tags.
    pub tags: BTreeSet<String>,
    /// One of these types.
    pub types: BTreeSet<String>,
    /// One of these ids.
    pub ids: Option<HashSet<u64>>,
}

impl Filter {
    fn leaves_nothing_out(&self) -> bool {
        let Self { data_id, group, application, content, tags, types, ids } = self;
        let patterns = [data_id, group, application, content];
        patterns.iter().all(|pattern| pattern.is_none()) && tags.is_empty() && types.is_empty() && ids.is_none()
    }

    /// Leaves those that are wanted as far as can be said without their contents. Each question is asked of all before the
    /// next one, so that the memory is waited for once and not for each.
    fn keep_all_but_content(&self, few: &mut Vec<(&ConfigKey, &Arc<StoredConfig>)>) {
        few.retain(|(key, config)| self.is_met_by_all_but_content_of(key, config));
        if self.content.is_some() {
            // Each line of a cache that begins a content; what is behind these the processor fetches by itself.
            let fetched = |content: &[u8]| {
                content.iter().step_by(LINE_BYTES).take(FETCHED_LINES_COUNT).fold(0, |sum, byte| sum ^ byte)
            };
            black_box(few.iter().fold(0, |sum, (_, config)| sum ^ config.content.len()));
            black_box(few.iter().fold(0, |sum, (_, config)| sum ^ fetched(&config.content)));
        }
    }

    fn content_is_met(&self, config: &StoredConfig, compared: &mut Compared, rest_bytes: &mut usize) -> Option<bool> {
        self.content.as_ref().map_or(Some(true), |pattern| pattern.compare(&config.content, compared, rest_bytes))
    }

    fn is_met_by_all_but_content_of(&self, key: &ConfigKey, config: &StoredConfig) -> bool {
        let meets = |pattern: &Option<Pattern>, text: &str| {
            pattern.as_ref().is_none_or(|pattern| pattern.is_met_by(text.as_bytes()))
        };
        meets(&self.group, key.group())
            && meets(&self.data_id, key.name())
            && self.application.as_ref().is_none_or(|pattern| pattern.is_met_by(config.app_name.as_bytes()))
            && self.ids.as_ref().is_none_or(|ids| ids.contains(&config.id()))
            && (self.types.is_empty() || self.types.contains(&*config.kind))
            && self.has_a_tag_of(config)
    }

    fn has_a_tag_of(&self, config: &StoredConfig) -> bool {
        let of_config = || config.tags.iter().flat_map(|tags| tags.split(','));
        self.tags.is_empty() || of_config().any(|tag| self.tags.contains(tag.trim()))
    }
}

/// One search, as far as it has come.
#[derive(Debug)]
pub struct Search {
    /// None: in all of them.
    namespace: Option<String>,
    filter: Filter,
    /// What is still to be left out in front.
    skip_count: usize,
    count: usize,
    /// The last key that was looked at.
    after: Option<ConfigKey>,
    /// The config behind that, if its content has been compared in part.
    inside: Option<(Arc<StoredConfig>, Compared)>,
    total_count: usize,
    found: Vec<Found>,
    content_bytes: usize,
}

/// A config as it was when it was found.
pub type Found = (ConfigKey, Arc<StoredConfig>);

impl Search {
    /// Looks in one namespace, or in all, for what meets the filter, and keeps `count` of it behind the first `skip_count`.
    pub fn new(namespace: Option<&str>, filter: Filter, skip_count: usize, count: usize) -> Self {
        let namespace = namespace.map(str::to_owned);
        Self {
            namespace,
            filter,
            skip_count,
            count,
            after: None,
            inside: None,
            total_count: 0,
            found: Vec::new(),
            content_bytes: 0,
        }
    }

    /// How many configs meet the filter, on all pages, as far as it has looked.
    pub fn total_count(&self) -> usize {
        self.total_count
    }

    /// What the contents of the page take.
    pub fn content_bytes(&self) -> usize {
        self.content_bytes
    }

    /// The same, taken out of it.
    pub fn take_found(&mut self) -> Vec<Found> {
        std::mem::take(&mut self.found)
    }

    fn keep(&mut self, mut found: Vec<Found>) {
        self.content_bytes += found.iter().map(|(_, config)| config.content.len()).sum::<usize>();
        self.found.append(&mut found);
    }

    /// What belongs to the page, in the order of namespace, group and data id.
    pub fn found(&self) -> &[Found] {
        &self.found
    }
}

impl Configs {
    /// Carries on with a search, until it is done or has taken long enough for this time; returns whether it is done.
    ///
    /// What changes meanwhile may be found or not; nothing is found twice.
    pub fn search(&self, search: &mut Search) -> bool {
        if search.filter.leaves_nothing_out() { self.take_page(search) } else { self.look_through(search) }
    }

    /// Without a filter it is known how many there are, and what is skipped need not be looked at.
    fn take_page(&self, search: &mut Search) -> bool {
        if search.after.is_none() {
            search.total_count = search.namespace.as_ref().map_or(self.len(), |namespace| self.count_in(namespace));
        }
        if search.skip_count >= search.total_count || search.count == 0 {
            return true;
        }
        if search.skip_count > SEARCH_SKIP_COUNT {
            let last = self.behind(search, SEARCH_SKIP_COUNT - 1).next().map(|(key, _)| key.clone());
            search.skip_count -= SEARCH_SKIP_COUNT;
            let is_over = last.is_none();
            search.after = last.or(search.after.take());
            return is_over;
        }
        let rest_count = search.count - search.found.len();
        let piece_count = rest_count.min(SEARCH_PIECE_BYTES / SEARCH_KEY_BYTES);
        let piece = self.behind(search, search.skip_count).take(piece_count);
        let found: Vec<Found> = piece.map(|(key, config)| (key.clone(), Arc::clone(config))).collect();
        let is_last = found.len() < piece_count || piece_count == rest_count;
        search.skip_count = 0;
        search.after = found.last().map(|(key, _)| key.clone()).or(search.after.take());
        search.keep(found);
        is_last
    }

    fn look_through(&self, search: &mut Search) -> bool {
        let (mut found, mut after, mut inside) = (Vec::new(), None, search.inside.take());
        let (mut rest_bytes, mut total_count) = (SEARCH_PIECE_BYTES, search.total_count);
        let mut rest = self.behind(search, 0);
        let mut few = Vec::with_capacity(LOOKED_AT_COUNT);
        let is_done = 'piece: loop {
            few.extend(rest.by_ref().take(LOOKED_AT_COUNT));
            let Some(&(last, _)) = few.last() else { break true };
            rest_bytes = rest_bytes.saturating_sub(few.len() * SEARCH_KEY_BYTES);
            search.filter.keep_all_but_content(&mut few);
            for (key, config) in few.drain(..) {
                let begun = inside.take().filter(|(of, _)| Arc::ptr_eq(of, config));
                let mut compared = begun.map_or_else(Compared::default, |(_, compared)| compared);
                match search.filter.content_is_met(config, &mut compared, &mut rest_bytes) {
                    None => {
                        inside = Some((Arc::clone(config), compared));
                        break 'piece false;
                    }
                    Some(true) => {
                        if total_count >= search.skip_count && total_count - search.skip_count < search.count {
                            found.push((key.clone(), Arc::clone(config)));
                        }
                        total_count += 1;
                    }
                    Some(false) => {}
                }
                after = Some(key);
            }
            after = Some(last);
            if rest_bytes == 0 {
                break false;
            }
        };
        let after = after.cloned();
        drop((rest, few));
        (search.total_count, search.inside) = (total_count, inside);
        search.keep(found);
        search.after = after.or(search.after.take());
        is_done
    }

    /// What a search has not looked at yet, but for the next few of it.
    fn behind<'a>(
        &'a self,
        search: &'a Search,
        skip_count: usize,
    ) -> impl Iterator<Item = (&'a ConfigKey, &'a Arc<StoredConfig>)> {
        let namespace = search.namespace.as_deref();
        let from = match (&search.after, namespace) {
            (Some(after), _) => Excluded(after.clone()),
            (None, Some(namespace)) => Included(ConfigKey::new((namespace, "", ""))),
            (None, None) => Unbounded,
        };
        // The next namespace that there could be: to compare that of each key would mean to wait for each from memory.
        let to = namespace.map_or(Unbounded, |name| Excluded(ConfigKey::new((&format!("{name}\0"), "", ""))));
        let rest = self.order.range((from, to)).skip(skip_count);
        rest.filter_map(|(key, id)| Some((key, self.entries[*id as usize].config.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::super::pattern::FIND_BYTES;
    use super::*;
    use bytes::Bytes;

    fn config(content: &str, app_name: &str, tags: &str, kind: &str) -> Config {
        let tags = (!tags.is_empty()).then(|| tags.into());
        let content = Bytes::copy_from_slice(content.as_bytes());
        Config { content, app_name: app_name.into(), tags, kind: kind.into(), ..Config::default() }
    }

    fn filled() -> Configs {
        let mut configs = Configs::new([7; 16]);
        for (key, of) in [
            (("a", "G", "one.yaml"), config("port: 80", "shop", "red,blue", "yaml")),
            (("a", "G", "two.json"), config("{\"port\": 81}", "bank", "red", "json")),
            (("a", "H", "one.yaml"), config("host: x", "shop", "", "yaml")),
            (("b", "G", "one.yaml"), config("port: 80", "shop", "red,blue", "yaml")),
            (("ab", "G", "other"), config("port: 80", "", "", "text")),
        ] {
            configs.put(key, of);
        }
        configs
    }

    fn names(search: &Search) -> Vec<String> {
        search.found().iter().map(|(key, _)| key.to_string()).collect()
    }

    fn all(configs: &Configs, namespace: Option<&str>, filter: Filter) -> Vec<String> {
        let mut search = Search::new(namespace, filter, 0, 100);
        while !configs.search(&mut search) {}
        assert_eq!(search.total_count(), search.found().len());
        names(&search)
    }

    #[test]
    fn every_question_leaves_out_what_does_not_meet_it() {
        let configs = filled();
        let in_a = |filter| all(&configs, Some("a"), filter);
        let (one, two, other) = ("a@@G@@one.yaml", "a@@G@@two.json", "a@@H@@one.yaml");
        assert_eq!(in_a(Filter::default()), [one, two, other]);
        assert_eq!(in_a(Filter { data_id: Pattern::exact("one.yaml"), ..Filter::default() }), [one, other]);
        assert_eq!(in_a(Filter { data_id: Pattern::exact("one"), ..Filter::default() }), [] as [&str; 0]);
        assert_eq!(in_a(Filter { data_id: Pattern::wildcard("t*n"), ..Filter::default() }), [two]);
        assert_eq!(in_a(Filter { group: Pattern::wildcard("H*"), ..Filter::default() }), [other]);
        assert_eq!(in_a(Filter { application: Pattern::exact("shop"), ..Filter::default() }), [one, other]);
        assert_eq!(in_a(Filter { content: Pattern::contained("port"), ..Filter::default() }), [one, two]);
        assert_eq!(in_a(Filter { content: Pattern::contained("{*81}"), ..Filter::default() }), [two]);
        assert_eq!(in_a(Filter { tags: ["blue".into(), "green".into()].into(), ..Filter::default() }), [one]);
        assert_eq!(in_a(Filter { types: ["json".into(), "xml".into()].into(), ..Filter::default() }), [two]);
        let id = configs.get(("a", "H", "one.yaml")).unwrap().id();
        assert_eq!(in_a(Filter { ids: Some([id, 99].into()), ..Filter::default() }), [other]);
        let both = Filter { types: ["yaml".into()].into(), content: Pattern::contained("port"), ..Filter::default() };
        assert_eq!(all(&configs, None, both), [one, "b@@G@@one.yaml"]);
        assert_eq!(all(&configs, None, Filter::default()).len(), 5);
        assert_eq!(all(&configs, Some("none"), Filter::default()), [] as [&str; 0]);
    }

    #[test]
    fn pages_are_cut_and_all_are_counted() {
        let configs = filled();
        for filter in [Filter::default, || Filter { data_id: Pattern::wildcard("*o*"), ..Filter::default() }] {
            let mut page = Search::new(Some("a"), filter(), 1, 1);
            assert!(configs.search(&mut page));
            assert_eq!((page.total_count(), names(&page)), (3, vec!["a@@G@@two.json".to_owned()]));
            for (skip_count, count) in [(3, 1), (usize::MAX, usize::MAX), (0, 0)] {
                let mut behind = Search::new(Some("a"), filter(), skip_count, count);
                assert!(configs.search(&mut behind));
                assert_eq!((behind.total_count(), behind.found().len()), (3, 0));
            }
        }
    }

    #[test]
    fn a_search_in_pieces_finds_what_one_piece_would() {
        let mut configs = Configs::new([7; 16]);
        let count = 2 * SEARCH_PIECE_BYTES / SEARCH_KEY_BYTES + 7;
        for number in 0..count {
            configs.put(("a", "G", &format!("{number:06}")), config("x", "", "", "text"));
        }
        configs.put(("b", "G", "0"), config("x", "", "", "text"));
        for filter in [Filter::default(), Filter { content: Pattern::contained("x"), ..Filter::default() }] {
            let mut search = Search::new(Some("a"), filter, 3, usize::MAX);
            let mut pieces_count = 1;
            while !configs.search(&mut search) {
                // Those that come behind it are found, those before it are not.
                configs.put(("a", "G", "/"), config("x", "", "", "text"));
                pieces_count += 1;
            }
            configs.remove(("a", "G", "/"), super::super::Removal::default());
            assert_eq!(pieces_count, 3);
            assert_eq!((search.total_count(), search.found().len()), (count, count - 3));
            assert!(search.found().windows(2).all(|pair| pair[0].0 < pair[1].0));
            assert_eq!(search.found()[0].0.name(), "000003");
        }
    }

    #[test]
    fn no_piece_reads_more_than_its_share_even_of_one_content() {
        let mut configs = Configs::new([7; 16]);
        configs.put(("a", "G", "0"), config("ab", "", "", "text"));
        configs.put(("a", "G", "1"), config(&"a".repeat(10 * SEARCH_PIECE_BYTES), "", "", "text"));
        configs.put(("a", "G", "2"), config("b", "", "", "text"));
        let hostile = format!("*{}", "a*".repeat(5 * SEARCH_PIECE_BYTES / FIND_BYTES));
        for (pattern, at_least_count, names_found) in
            [("*a*b*", 10, vec!["0"]), ("*ab*", 10, vec!["0"]), ("b", 10, vec!["0", "2"]), (&hostile, 5, vec!["1"])]
        {
            let filter = Filter { content: Pattern::contained(pattern), ..Filter::default() };
            let mut search = Search::new(Some("a"), filter, 0, 100);
            let mut pieces_count = 1;
            while !configs.search(&mut search) {
                let seen_bytes = search.inside.as_ref().map(|(_, compared)| compared.at_bytes());
                assert!(
                    seen_bytes.is_none_or(|bytes| bytes <= pieces_count * SEARCH_PIECE_BYTES + 2),
                    "{seen_bytes:?}"
                );
                pieces_count += 1;
            }
            assert!((at_least_count..=at_least_count + 3).contains(&pieces_count), "{pieces_count} for {pattern:.20}");
            let found: Vec<_> = search.found().iter().map(|(key, _)| key.name()).collect();
            assert_eq!(found, names_found);
        }
    }

    #[test]
    fn a_content_that_is_replaced_while_it_is_read_is_read_anew() {
        let mut configs = Configs::new([7; 16]);
        let long = |end: &str| config(&format!("a{}{end}", "x".repeat(3 * SEARCH_PIECE_BYTES)), "", "", "text");
        for (before, now, found_count) in [("b", "c", 0), ("c", "b", 1)] {
            configs.put(("a", "G", "1"), long(before));
            let filter = Filter { content: Pattern::contained("*a*b*"), ..Filter::default() };
            let mut search = Search::new(Some("a"), filter, 0, 100);
            assert!(!configs.search(&mut search) && !configs.search(&mut search));
            configs.put(("a", "G", "1"), long(now));
            while !configs.search(&mut search) {}
            assert_eq!(search.total_count(), found_count);
        }
    }
}
