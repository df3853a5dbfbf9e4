//! What happened to each config, oldest first. An event holds whole versions, shared with the store and with its
//! neighbours: what one update brought is what the next one replaced.

use super::{ConfigKey, Configs, Entry, KeyParts, StoredConfig, Terms};
use crate::limits::{
    HISTORY_BYTES_MAX, HISTORY_EVENT_BYTES, HISTORY_EVENTS_PER_KEY_MAX, HISTORY_KEEP_COUNT,
    HISTORY_LOOKS_PER_EVENT_COUNT,
};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

/// One publication that changed something, or one removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Rises with every event of all configs.
    pub id: u64,
    /// What it did.
    pub change: Change,
    /// To which gray release, as it was then; None: to the formal version.
    pub gray: Option<Arc<Terms>>,
}

/// What an event did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// This came where nothing was.
    Inserted(Arc<StoredConfig>),
    /// The first was replaced by the second.
    Updated(Arc<StoredConfig>, Arc<StoredConfig>),
    /// This went.
    Removed(Arc<StoredConfig>, Box<Removal>),
}

/// Who removed a config, and when.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Removal {
    /// The user, as far as known.
    pub source_user: Option<Box<str>>,
    /// The client's address.
    pub source_ip: Option<Box<str>>,
    /// Wall time.
    pub stamped_ms: u64,
}

/// The events of one key, oldest first; shared with what was frozen for a snapshot.
pub(super) type Events = Arc<VecDeque<Event>>;

/// What is known of the events of all keys.
#[derive(Debug)]
pub(super) struct History {
    pub last_id: u64,
    /// How far the search for room has come.
    pub looked_to_id: u64,
    /// The entry of each event.
    pub index: BTreeMap<u64, u32>,
    pub bytes: usize,
    pub bytes_max: usize,
}

impl Default for History {
    fn default() -> Self {
        Self { last_id: 0, looked_to_id: 0, index: BTreeMap::new(), bytes: 0, bytes_max: HISTORY_BYTES_MAX }
    }
}

impl Event {
    /// As the protocol writes it: `I`, `U` or `D`.
    pub fn operation(&self) -> &'static str {
        match self.change {
            Change::Inserted(_) => "I",
            Change::Updated(..) => "U",
            Change::Removed(..) => "D",
        }
    }

    /// What history shows: what came, or what was there before an update or a removal (protocol/semantics.md 4.3).
    pub fn config(&self) -> &Arc<StoredConfig> {
        match &self.change {
            Change::Inserted(config) | Change::Updated(config, _) | Change::Removed(config, _) => config,
        }
    }

    /// Who did it.
    pub fn source_user(&self) -> Option<&str> {
        match &self.change {
            Change::Inserted(by) | Change::Updated(_, by) => by.create_user.as_deref(),
            Change::Removed(_, by) => by.source_user.as_deref(),
        }
    }

    /// From which address.
    pub fn source_ip(&self) -> Option<&str> {
        match &self.change {
            Change::Inserted(by) | Change::Updated(_, by) => by.create_ip.as_deref(),
            Change::Removed(_, by) => by.source_ip.as_deref(),
        }
    }

    /// Wall time.
    pub fn stamped_ms(&self) -> u64 {
        match &self.change {
            Change::Inserted(by) | Change::Updated(_, by) => by.modified_ms,
            Change::Removed(_, by) => by.stamped_ms,
        }
    }

    /// About what it takes. What an insertion brought is counted where it is replaced or removed.
    pub(super) fn bytes_about(&self) -> usize {
        let rule_bytes = self.gray.as_ref().map_or(0, |terms| terms.rule.text().len());
        match &self.change {
            Change::Inserted(_) => HISTORY_EVENT_BYTES + rule_bytes,
            Change::Updated(config, _) | Change::Removed(config, _) => {
                HISTORY_EVENT_BYTES + rule_bytes + config.content.len()
            }
        }
    }
}

impl History {
    /// The id of the next event.
    pub fn next_id(&self) -> u64 {
        self.last_id + 1
    }

    fn forget(&mut self, event: &Event) {
        self.index.remove(&event.id);
        self.bytes -= event.bytes_about();
    }
}

impl Configs {
    /// Notes what happened to the formal version of an entry.
    pub(super) fn record(&mut self, at: u32, change: Change) {
        self.record_of(at, change, None);
    }

    /// The id of what will happen next.
    pub(super) fn next_event_id(&self) -> u64 {
        self.history.next_id()
    }

    /// Notes what happened to a version of an entry. Beyond the most that is kept of one key, its oldest event goes.
    pub(super) fn record_of(&mut self, at: u32, change: Change, gray: Option<Arc<Terms>>) {
        let event = Event { id: self.history.next_id(), change, gray };
        self.history.last_id = event.id;
        self.history.index.insert(event.id, at);
        self.history.bytes += event.bytes_about();
        let events = Arc::make_mut(self.entries[at as usize].history.get_or_insert_default());
        events.push_back(event);
        if events.len() > HISTORY_EVENTS_PER_KEY_MAX {
            let oldest = events.pop_front().expect("one was just added");
            self.history.forget(&oldest);
        }
        self.make_room();
    }

    /// Once all events together take too much, the oldest go, except the last ones of a config that exists: a config that
    /// is published all the time must not fill the memory. The search goes round and round, a few events each time, so
    /// that it does not begin with the same ones that stay.
    fn make_room(&mut self) {
        for _ in 0..HISTORY_LOOKS_PER_EVENT_COUNT {
            if self.history.bytes <= self.history.bytes_max {
                return;
            }
            let behind = (Excluded(self.history.looked_to_id), Excluded(self.history.last_id));
            let next = (behind.0 != behind.1).then(|| self.history.index.range(behind).next()).flatten();
            let Some((&id, &at)) = next else {
                self.history.looked_to_id = 0;
                return;
            };
            self.history.looked_to_id = id;
            if self.entries[at as usize].may_forget(id, HISTORY_KEEP_COUNT) {
                self.remove_event(id, at);
            }
        }
    }

    /// The events of a key, oldest first.
    pub fn history(&self, key: KeyParts<'_>) -> &VecDeque<Event> {
        const NONE: &VecDeque<Event> = &VecDeque::new();
        self.find(key).and_then(|id| self.entries[id as usize].history.as_deref()).unwrap_or(NONE)
    }

    /// An event with its key.
    pub fn event(&self, id: u64) -> Option<(&ConfigKey, &Event)> {
        let entry = &self.entries[*self.history.index.get(&id)? as usize];
        let events = entry.history.as_deref()?;
        Some((&entry.key, &events[place(events, id)?]))
    }

    /// The newest event of a key that is older than this one. The id of the config itself stands for what comes next, as
    /// clients name either (protocol/semantics.md 4.3).
    pub fn event_before(&self, key: KeyParts<'_>, id: u64) -> Option<&Event> {
        let entry = &self.entries[self.find(key)? as usize];
        let events = entry.history.as_deref()?;
        if entry.config.as_ref().is_some_and(|config| config.id() == id) {
            return events.back();
        }
        events.get(place(events, id)?.checked_sub(1)?)
    }

    /// The id of the newest event there ever was; 0: none. Ids of configurations are those of the events that made them.
    pub fn last_event_id(&self) -> u64 {
        self.history.last_id
    }

    /// How many events there are, and about how many bytes they take beside what the store holds anyway.
    pub fn history_size(&self) -> (usize, usize) {
        (self.history.index.len(), self.history.bytes)
    }

    /// Forgets what is older than `before_ms`, but not the last `keep_count` events of a config that exists. It looks at
    /// no more than `look_count` events, those after the one named, and returns the last one it looked at, or 0 if there
    /// is nothing more to look at. Times must never have gone back from one event to the next.
    pub fn trim_history(&mut self, before_ms: u64, keep_count: usize, after_id: u64, look_count: usize) -> u64 {
        let (old, last_id) = self.old_events(before_ms, keep_count, after_id, look_count);
        for (id, at) in old {
            self.remove_event(id, at);
        }
        last_id
    }

    /// What `trim_history` would do: how many events it would forget, and what it would return.
    pub fn old_history(&self, before_ms: u64, keep_count: usize, after_id: u64, look_count: usize) -> (usize, u64) {
        let (old, last_id) = self.old_events(before_ms, keep_count, after_id, look_count);
        (old.len(), last_id)
    }

    fn old_events(
        &self,
        before_ms: u64,
        keep_count: usize,
        after_id: u64,
        look_count: usize,
    ) -> (Vec<(u64, u32)>, u64) {
        let (mut old, mut last_id, mut looked_at_count) = (Vec::new(), 0, 0);
        for (&id, &at) in self.history.index.range((Excluded(after_id), Unbounded)).take(look_count) {
            let entry = &self.entries[at as usize];
            let events = entry.history.as_deref().expect("what is in the index is there");
            let place = place(events, id).expect("what is in the index is there");
            if events[place].stamped_ms() >= before_ms {
                return (old, 0);
            }
            if entry.may_forget(id, keep_count) {
                old.push((id, at));
            }
            (last_id, looked_at_count) = (id, looked_at_count + 1);
        }
        (old, if looked_at_count < look_count { 0 } else { last_id })
    }

    fn remove_event(&mut self, id: u64, at: u32) {
        let entry = &mut self.entries[at as usize];
        let Some(events) = &mut entry.history else { return };
        let events = Arc::make_mut(events);
        let Some(event) = place(events, id).and_then(|place| events.remove(place)) else { return };
        self.history.forget(&event);
        if events.is_empty() {
            entry.history = None;
            self.remove_if_unused(at);
        }
    }
}

impl Entry {
    /// Whether an event of its history is not among the last ones of a config that exists.
    fn may_forget(&self, id: u64, keep_count: usize) -> bool {
        let newer_count = |events: &VecDeque<Event>| Some(events.len() - 1 - place(events, id)?);
        self.config.is_none() || self.history.as_deref().and_then(newer_count).is_some_and(|count| count >= keep_count)
    }
}

fn place(events: &VecDeque<Event>, id: u64) -> Option<usize> {
    events.binary_search_by_key(&id, |event| event.id).ok()
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;
    use bytes::Bytes;

    const KEY: KeyParts<'static> = ("public", "G", "a.yaml");
    const OTHER: KeyParts<'static> = ("public", "G", "b.yaml");

    fn put(configs: &mut Configs, key: KeyParts<'_>, content: &str, at_ms: u64) {
        configs.put(key, config(content, at_ms));
    }

    fn config(content: &str, at_ms: u64) -> Config {
        let content = Bytes::copy_from_slice(content.as_bytes());
        let create_ip = Some(format!("10.0.0.{at_ms}").into());
        Config { content, create_ip, created_ms: at_ms, modified_ms: at_ms, ..Config::default() }
    }

    fn remove(configs: &mut Configs, key: KeyParts<'_>, at_ms: u64) {
        let source_user = Some("nacos".into());
        configs.remove(key, Removal { source_user, source_ip: None, stamped_ms: at_ms });
    }

    /// Id, operation, content and time, the oldest first.
    fn told(configs: &Configs, key: KeyParts<'_>) -> Vec<(u64, &'static str, String, u64)> {
        let text = |event: &Event| String::from_utf8_lossy(&event.config().content).into_owned();
        let tell = |event: &Event| (event.id, event.operation(), text(event), event.stamped_ms());
        configs.history(key).iter().map(tell).collect()
    }

    fn ids(configs: &Configs, key: KeyParts<'_>) -> Vec<u64> {
        configs.history(key).iter().map(|event| event.id).collect()
    }

    fn filled() -> Configs {
        let mut configs = Configs::new([7; 16]);
        put(&mut configs, KEY, "1", 1);
        put(&mut configs, OTHER, "x", 2);
        put(&mut configs, KEY, "2", 3);
        put(&mut configs, KEY, "2", 4);
        put(&mut configs, KEY, "3", 5);
        remove(&mut configs, OTHER, 6);
        configs
    }

    fn through_a_snapshot(configs: &Configs) -> Configs {
        let (mut bytes, mut again) = (Vec::new(), Vec::new());
        configs.encode(&mut bytes);
        let mut restored = Configs::new([8; 16]);
        restored.restore(&bytes).unwrap();
        restored.encode(&mut again);
        assert_eq!(again, bytes);
        restored
    }

    #[test]
    fn what_came_is_told_of_an_insertion_and_what_went_of_the_rest() {
        let configs = filled();
        let at = |id, operation, text: &str, at_ms| (id, operation, text.to_owned(), at_ms);
        assert_eq!(told(&configs, KEY), [at(1, "I", "1", 1), at(3, "U", "1", 3), at(4, "U", "2", 5)]);
        assert_eq!(told(&configs, OTHER), [at(2, "I", "x", 2), at(5, "D", "x", 6)]);
        let sources: Vec<_> = configs.history(KEY).iter().map(Event::source_ip).collect();
        assert_eq!(sources, [Some("10.0.0.1"), Some("10.0.0.3"), Some("10.0.0.5")]);
        assert_eq!(configs.history(OTHER)[1].source_user(), Some("nacos"));
        assert!(configs.history(("public", "G", "none")).is_empty());
    }

    #[test]
    fn another_attribute_is_a_change_and_another_time_is_none() {
        let mut configs = Configs::new([7; 16]);
        put(&mut configs, KEY, "1", 1);
        let first = configs.get(KEY).unwrap().content.clone();
        put(&mut configs, KEY, "1", 2);
        assert_eq!((ids(&configs, KEY).len(), configs.get(KEY).unwrap().modified_ms), (1, 2));
        let attributes: [fn(&mut Config); 8] = [
            |config| config.kind = "x".into(),
            |config| config.encrypted_data_key = "x".into(),
            |config| config.app_name = "x".into(),
            |config| config.tags = Some("x".into()),
            |config| config.description = Some("x".into()),
            |config| config.usage = Some("x".into()),
            |config| config.effect = Some("x".into()),
            |config| config.schema = Some("x".into()),
        ];
        let mut changed = config("1", 3);
        for (number, set) in attributes.into_iter().enumerate() {
            set(&mut changed);
            configs.put(KEY, changed.clone());
            assert_eq!(ids(&configs, KEY).len(), number + 2);
        }
        assert_eq!(configs.get(KEY).unwrap().content.as_ptr(), first.as_ptr(), "one content for all");
    }

    #[test]
    fn a_config_has_the_id_of_its_creation() {
        let mut configs = filled();
        assert_eq!(configs.get(KEY).unwrap().id(), 1);
        put(&mut configs, OTHER, "y", 7);
        assert_eq!(configs.get(OTHER).unwrap().id(), 6);
        assert_eq!(through_a_snapshot(&configs).get(OTHER).unwrap().id(), 6);
    }

    #[test]
    fn events_are_found_by_id_and_by_what_came_after_them() {
        let configs = filled();
        let (key, event) = configs.event(5).unwrap();
        assert_eq!((key.parts(), event.operation()), (OTHER, "D"));
        assert!(configs.event(6).is_none());
        let before = |key, id| configs.event_before(key, id).map(|event| event.id);
        assert_eq!(before(KEY, 1), Some(4), "1 is the id of the config, too: the last event");
        assert_eq!((before(KEY, 4), before(KEY, 3)), (Some(3), Some(1)));
        assert_eq!((before(OTHER, 5), before(OTHER, 2), before(OTHER, 4)), (Some(2), None, None));
    }

    #[test]
    fn old_events_go_except_the_last_ones_of_what_exists() {
        let mut configs = filled();
        assert_eq!(configs.trim_history(1, 0, 0, 100), 0);
        assert_eq!(configs.history_size().0, 5, "nothing is older than that");
        configs.trim_history(u64::MAX, 2, 0, 100);
        assert_eq!((ids(&configs, KEY), ids(&configs, OTHER)), (vec![3, 4], vec![]));
        assert_eq!((configs.entries.len(), configs.history.index.len()), (1, 2), "nothing is left of the other one");
        configs.trim_history(5, 0, 0, 100);
        assert_eq!(ids(&configs, KEY), [4], "the other one is not older than 5");
        configs.trim_history(u64::MAX, 0, 0, 100);
        assert_eq!((configs.history_size(), configs.entries.len()), ((0, 0), 1));
        put(&mut configs, OTHER, "y", 7);
        assert_eq!(ids(&through_a_snapshot(&configs), OTHER), [6], "an id is never used twice");
    }

    #[test]
    fn trimming_goes_on_where_it_stopped() {
        let mut configs = Configs::new([7; 16]);
        (0..10).for_each(|at_ms| put(&mut configs, KEY, &at_ms.to_string(), at_ms));
        assert_eq!(configs.trim_history(u64::MAX, 3, 0, 4), 4);
        assert_eq!(ids(&configs, KEY), [5, 6, 7, 8, 9, 10]);
        assert_eq!(configs.trim_history(u64::MAX, 3, 4, 4), 8);
        assert_eq!(configs.trim_history(u64::MAX, 3, 8, 4), 0);
        assert_eq!(ids(&configs, KEY), [8, 9, 10]);
    }

    #[test]
    fn a_config_that_changes_all_the_time_keeps_the_last_of_its_events() {
        let mut configs = Configs::new([7; 16]);
        let count = HISTORY_EVENTS_PER_KEY_MAX as u64 + 5;
        (0..count).for_each(|at_ms| put(&mut configs, KEY, &at_ms.to_string(), at_ms));
        assert_eq!((ids(&configs, KEY)[0], configs.history_size().0), (6, HISTORY_EVENTS_PER_KEY_MAX));
        assert!(configs.event(5).is_none());
    }

    #[test]
    fn when_all_take_too_much_the_oldest_go_except_the_last_ones_of_what_exists() {
        let mut configs = Configs::new([7; 16]);
        configs.history.bytes_max = 30 * (HISTORY_EVENT_BYTES + 1);
        put(&mut configs, OTHER, "x", 0);
        put(&mut configs, OTHER, "y", 0);
        (0..60).for_each(|at_ms| put(&mut configs, KEY, &(at_ms % 10).to_string(), at_ms));
        assert_eq!(ids(&configs, OTHER), [1, 2], "its last ones");
        assert_eq!(ids(&configs, KEY), (35..=62).collect::<Vec<_>>());
        configs.history.bytes_max = 0;
        remove(&mut configs, OTHER, 61);
        (0..5).for_each(|at_ms| put(&mut configs, KEY, &at_ms.to_string(), 61 + at_ms));
        assert_eq!(ids(&configs, OTHER), [] as [u64; 0], "it does not exist any more");
        assert_eq!(ids(&configs, KEY), [58, 59, 60, 61, 62, 64, 65, 66, 67, 68]);
    }

    #[test]
    fn a_node_that_begins_with_a_snapshot_forgets_what_the_others_forget() {
        let mut configs = Configs::new([7; 16]);
        configs.history.bytes_max = 50 * (HISTORY_EVENT_BYTES + 1);
        let keys: Vec<String> = (0..7).map(|number| format!("{number}.yaml")).collect();
        let publish = |configs: &mut Configs, number: u64| {
            put(configs, ("public", "G", &keys[(number * number % 7) as usize]), &(number % 10).to_string(), number);
        };
        (0..80).for_each(|number| publish(&mut configs, number));
        assert_ne!(configs.history.looked_to_id, 0, "it stopped on its way");
        let mut restored = through_a_snapshot(&configs);
        restored.history.bytes_max = configs.history.bytes_max;
        for number in 80..200 {
            publish(&mut configs, number);
            publish(&mut restored, number);
            assert!(configs.history.index.keys().eq(restored.history.index.keys()), "after {number}");
        }
    }

    #[test]
    fn a_snapshot_brings_events_back_that_share_their_versions() {
        let mut configs = filled();
        put(&mut configs, ("other", "G", "c"), "z", 7);
        let restored = through_a_snapshot(&configs);
        for key in [KEY, OTHER, ("other", "G", "c")] {
            assert_eq!(restored.history(key), configs.history(key));
        }
        assert_eq!(restored.history_size(), configs.history_size());
        assert_eq!(
            [restored.count_in("public"), restored.count_in("other"), restored.count_in("none")],
            [1, 1, 0],
            "one was removed"
        );
        let events = restored.history(KEY);
        let current = restored.entries[restored.find(KEY).unwrap() as usize].config.as_ref().unwrap();
        assert!(Arc::ptr_eq(events[0].config(), events[1].config()));
        assert!(matches!(&events[2].change, Change::Updated(_, after) if Arc::ptr_eq(after, current)));
        let Change::Updated(_, second) = &events[1].change else { panic!("an update") };
        assert_eq!(second.content.as_ptr(), events[2].config().content.as_ptr(), "published twice, held once");
    }

    #[test]
    fn a_snapshot_whose_events_cannot_be_is_refused() {
        // One key each: `a.yaml` with event 1, and `b.yaml` with event 1 or with event 2.
        let only = |key, contents: &[&str]| {
            let (mut configs, mut bytes) = (Configs::new([7; 16]), Vec::new());
            contents.iter().for_each(|content| put(&mut configs, key, content, 1));
            configs.trim_history(u64::MAX, 1, 0, 10);
            configs.encode(&mut bytes);
            bytes.split_off(HEAD_BYTES)
        };
        const HEAD_BYTES: usize = 4 + 8 + 8 + 4;
        let (a1, b1, b2) = (only(KEY, &["1"]), only(OTHER, &["1"]), only(OTHER, &["1", "2"]));
        let restore = |last_id: u64, keys: [&[u8]; 2]| {
            let head = [&b"NCF\x03"[..], &last_id.to_le_bytes(), &[0; 8], &2u32.to_le_bytes()].concat();
            Configs::new([7; 16]).restore(&[&head[..], keys[0], keys[1]].concat())
        };
        assert_eq!(restore(2, [&a1, &b2]), Ok(2));
        restore(2, [&a1, &b1]).expect_err("one id twice");
        restore(2, [&b2, &a1]).expect_err("keys in another order");
        restore(1, [&a1, &b2]).expect_err("an id that was not given yet");
    }

    #[test]
    fn what_was_frozen_keeps_its_events() {
        let (mut configs, mut before, mut after) = (filled(), Vec::new(), Vec::new());
        configs.encode(&mut before);
        let frozen = configs.freeze();
        put(&mut configs, KEY, "4", 7);
        configs.trim_history(u64::MAX, 0, 0, 100);
        frozen.encode(&mut after);
        assert_eq!(after, before);
    }
}
