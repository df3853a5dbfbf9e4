//! Configs with their history as bytes and back. Listeners are not kept: their connections tell again.

use super::gray::Grays;
use super::history::{Events, History};
use super::{
    Change, Config, ConfigKey, Configs, Event, Gray, KeyParts, Removal, Rule, SnapshotError, StoredConfig, Terms,
};
use crate::registry::Content;
use crate::registry::binary::{Reader, Write};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;

/// The fewest bytes that what is kept of one key takes: the lengths of three names, a count of events, a flag.
const KEY_BYTES_MIN: usize = 3 * 4 + 4 + 1;
/// The fewest bytes that an event takes: its id, what it did, and a version that was written before.
const EVENT_BYTES_MIN: usize = 8 + 1 + 1;
/// The fewest bytes that an encoded config takes: seven lengths, seven flags, its id, two times.
const CONFIG_BYTES_MIN: usize = 7 * 4 + 7 + 3 * 8;

const INSERTED: u8 = 0;
const UPDATED: u8 = 1;
const REMOVED: u8 = 2;
/// Added to one of these: to a gray release, whose terms come next.
const OF_GRAY: u8 = 3;

/// What of a key follows its history.
const HAS_CONFIG: u8 = 1;
const HAS_GRAYS: u8 = 2;
/// The fewest bytes that a gray release takes: lengths of name, kind and rule, its priority, a version.
const GRAY_BYTES_MIN: usize = 3 * 4 + 4 + 1;

const SAME_VERSION: u8 = 0;
const SAME_CONTENT: u8 = 1;
const NEW_VERSION: u8 = 2;

impl Configs {
    /// All configs and their history as they are now, to be written while they change.
    pub fn freeze(&self) -> FrozenConfigs {
        let mut kept = Vec::with_capacity(self.len());
        kept.extend(self.entries.iter().filter(|(_, entry)| entry.is_kept()).map(|(_, entry)| Kept {
            key: entry.key.clone(),
            events: entry.history.clone(),
            config: entry.config.clone(),
            grays: entry.grays.clone(),
        }));
        let History { last_id, looked_to_id, bytes, .. } = self.history;
        FrozenConfigs { last_id, looked_to_id, kept, history_bytes: bytes }
    }

    /// Appends all configs with their history in key order.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.freeze().encode(out);
    }

    /// Replaces all configs and their history by those of a snapshot and returns how many configs there are. Listeners
    /// stay.
    ///
    /// # Errors
    /// If the bytes are no such snapshot; nothing has changed then.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<usize, SnapshotError> {
        self.replace(DecodedConfigs::decode(bytes)?);
        Ok(self.len())
    }

    /// The second half of [`restore`](Self::restore), which cannot fail.
    pub(crate) fn replace(&mut self, configs: DecodedConfigs<'_>) -> Replaced {
        let taken = self.entries.iter_mut().filter(|(_, entry)| entry.is_kept());
        let before: Vec<Before> =
            taken.map(|(id, entry)| (id, entry.config.take(), entry.grays.take(), entry.history.take())).collect();
        self.counts.clear();
        self.gray_count = 0;
        let (mut index, mut order) = (Vec::new(), Vec::new());
        for kept in configs.kept {
            let id = self.find_or_insert(kept.key);
            index.extend(kept.events.iter().flat_map(|events| events.iter()).map(|event| (event.id, id)));
            self.gray_count += kept.grays.as_ref().map_or(0, |grays| grays.len());
            let entry = &mut self.entries[id as usize];
            (entry.config, entry.grays, entry.history) = (kept.config, kept.grays, kept.events);
            if entry.config.is_some() {
                order.push((entry.key.clone(), id));
                self.counts.add(&entry.key);
            }
        }
        // They came in key order, so the map is built at once.
        self.order = order.into_iter().collect();
        self.watches.forget_matches();
        self.history = History {
            last_id: configs.last_id,
            looked_to_id: configs.looked_to_id,
            index: index.into_iter().collect(),
            bytes: configs.history_bytes,
            bytes_max: self.history.bytes_max,
        };
        let changed = self.changed_since(&before);
        before.iter().for_each(|(id, ..)| self.remove_if_unused(crate::registry::links::id(*id)));
        Replaced { changed, before }
    }

    /// The keys whose content is another than in `before`, which is in the order of the entries.
    fn changed_since(&self, before: &[Before]) -> Vec<ConfigKey> {
        let mut before = before.iter().peekable();
        let mut changed = Vec::new();
        for (id, entry) in &self.entries {
            let (old, old_grays) = match before.next_if(|(old_id, ..)| *old_id == id) {
                Some((_, config, grays, _)) => (config.as_ref(), grays.as_ref()),
                None => (None, None),
            };
            let md5 = |config: Option<&Arc<StoredConfig>>| config.map(|config| config.digest());
            if md5(old) != md5(entry.config.as_ref()) || old_grays != entry.grays.as_ref() {
                changed.push(entry.key.clone());
            }
        }
        changed
    }
}

/// What a restoration leaves behind.
#[derive(Debug)]
pub struct Replaced {
    /// The configs that are not what they were.
    pub changed: Vec<ConfigKey>,
    /// What was there: to let go of many configs takes long, so it is left to whoever need not hold the store any more.
    pub before: Vec<Before>,
}

/// What was kept of one key, with its entry.
type Before = (usize, Option<Arc<StoredConfig>>, Option<Grays>, Option<Events>);

/// What is kept of one key.
#[derive(Debug)]
struct Kept<Key> {
    key: Key,
    events: Option<Events>,
    config: Option<Arc<StoredConfig>>,
    grays: Option<Grays>,
}

/// The configs of a snapshot, read but not yet in any store.
#[derive(Debug)]
pub struct DecodedConfigs<'a> {
    last_id: u64,
    looked_to_id: u64,
    kept: Vec<Kept<KeyParts<'a>>>,
    history_bytes: usize,
}

/// All configs with their history as they were at one moment.
#[derive(Debug)]
pub struct FrozenConfigs {
    last_id: u64,
    looked_to_id: u64,
    kept: Vec<Kept<ConfigKey>>,
    history_bytes: usize,
}

impl FrozenConfigs {
    /// Appends all configs with their history in key order.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut kept: Vec<_> = self.kept.iter().collect();
        kept.sort_unstable_by_key(|kept| kept.key.parts());
        out.extend_from_slice(&Content::Configs.header());
        out.put_u64(self.last_id);
        out.put_u64(self.looked_to_id);
        out.put_count(kept.len());
        for Kept { key, events, config, grays } in kept {
            for text in [key.namespace(), key.group(), key.name()] {
                out.put_bytes(text.as_bytes());
            }
            let mut versions = WrittenVersions { out, last: None };
            versions.put_events(events.as_deref());
            let has_config = if config.is_some() { HAS_CONFIG } else { 0 };
            versions.out.put_u8(has_config | if grays.is_some() { HAS_GRAYS } else { 0 });
            config.iter().for_each(|config| versions.put(config));
            grays.iter().for_each(|grays| versions.put_grays(grays));
        }
    }

    /// About how many bytes that is.
    pub fn bytes_about(&self) -> usize {
        const REST: usize = 2 * (KEY_BYTES_MIN + CONFIG_BYTES_MIN);
        let content = |config: &Option<Arc<StoredConfig>>| config.as_ref().map_or(0, |config| config.content.len());
        let gray = |gray: &Gray| gray.terms.rule.text().len() + gray.version.content.len() + REST;
        let grays = |grays: &Option<Grays>| grays.iter().flat_map(|grays| grays.iter()).map(gray).sum::<usize>();
        let bytes = |kept: &Kept<ConfigKey>| kept.key.name().len() + content(&kept.config) + grays(&kept.grays) + REST;
        let kept = self.kept.iter().map(bytes);
        kept.sum::<usize>() + self.history_bytes
    }
}

/// Writes versions of one config, each once as long as it is followed by itself.
struct WrittenVersions<'a> {
    out: &'a mut Vec<u8>,
    last: Option<&'a StoredConfig>,
}

impl<'a> WrittenVersions<'a> {
    fn put_events(&mut self, events: Option<&'a VecDeque<Event>>) {
        self.out.put_count(events.map_or(0, VecDeque::len));
        for Event { id, change, gray } in events.into_iter().flatten() {
            self.out.put_u64(*id);
            let kind = match change {
                Change::Inserted(_) => INSERTED,
                Change::Updated(..) => UPDATED,
                Change::Removed(..) => REMOVED,
            };
            self.out.put_u8(kind + if gray.is_some() { OF_GRAY } else { 0 });
            gray.iter().for_each(|terms| encode_terms(self.out, terms));
            match change {
                Change::Inserted(config) => {
                    self.put(config);
                }
                Change::Updated(before, config) => {
                    self.put(before);
                    self.put(config);
                }
                Change::Removed(config, by) => {
                    self.put(config);
                    self.out.put_optional(by.source_user.as_deref());
                    self.out.put_optional(by.source_ip.as_deref());
                    self.out.put_u64(by.stamped_ms);
                }
            }
        }
    }

    fn put_grays(&mut self, grays: &'a [Gray]) {
        self.out.put_count(grays.len());
        for Gray { terms, version } in grays {
            encode_terms(self.out, terms);
            self.put(version);
        }
    }

    /// What a node shares is not what another one shares, so versions are told apart by what they hold.
    fn put(&mut self, config: &'a StoredConfig) {
        let kind = match self.last {
            Some(last) if std::ptr::eq(last, config) || last == config => SAME_VERSION,
            Some(last) if last.has_content_of(config) => SAME_CONTENT,
            _ => NEW_VERSION,
        };
        self.out.put_u8(kind);
        if kind == NEW_VERSION {
            self.out.put_bytes(&config.content);
        }
        if kind != SAME_VERSION {
            encode_attributes(self.out, config);
            self.out.put_u64(config.id());
        }
        self.last = Some(config);
    }
}

fn encode_terms(out: &mut Vec<u8>, terms: &Terms) {
    for text in [&*terms.name, terms.rule.kind(), terms.rule.text()] {
        out.put_bytes(text.as_bytes());
    }
    out.put_u32(terms.priority);
}

fn encode_attributes(out: &mut Vec<u8>, config: &Config) {
    for text in [&config.kind, &config.encrypted_data_key, &config.app_name] {
        out.put_bytes(text.as_bytes());
    }
    for text in optional_attributes(config) {
        out.put_optional(text.as_deref());
    }
    out.put_u64(config.created_ms);
    out.put_u64(config.modified_ms);
}

fn optional_attributes(config: &Config) -> [&Option<Box<str>>; 7] {
    let Config { tags, description, usage, effect, schema, create_user, create_ip, .. } = config;
    [tags, description, usage, effect, schema, create_user, create_ip]
}

impl<'a> DecodedConfigs<'a> {
    /// Everything that takes long of a restoration: it needs no store.
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, SnapshotError> {
        let mut reader = Reader::new(bytes, Content::Configs)?;
        let (last_id, looked_to_id) = (reader.u64()?, reader.u64()?);
        let mut kept: Vec<Kept<KeyParts<'a>>> = Vec::new();
        for _ in 0..reader.count(KEY_BYTES_MIN)? {
            let key = (reader.text("namespace")?, reader.text("group")?, reader.text("data id")?);
            if kept.last().is_some_and(|last| last.key >= key) {
                return Err(reader.invalid("order of keys"));
            }
            let mut versions = ReadVersions { reader: &mut reader, last: None };
            let events = versions.events(last_id)?;
            let flags = versions.reader.u8()?;
            if flags & !(HAS_CONFIG | HAS_GRAYS) != 0 {
                return Err(reader.invalid("flag"));
            }
            let config = if flags & HAS_CONFIG != 0 { Some(versions.next()?) } else { None };
            let grays = if flags & HAS_GRAYS != 0 { Some(versions.grays()?) } else { None };
            if flags == 0 && events.is_none() {
                return Err(reader.invalid("key"));
            }
            kept.push(Kept { key, events, config, grays });
        }
        let history_bytes = check_events(&reader, &kept)?;
        reader.finish()?;
        Ok(Self { last_id, looked_to_id, kept, history_bytes })
    }
}

/// No two events have one id. Gives about how many bytes all take.
fn check_events(reader: &Reader<'_>, kept: &[Kept<KeyParts<'_>>]) -> Result<usize, SnapshotError> {
    let events = || kept.iter().flat_map(|kept| kept.events.iter()).flat_map(|events| events.iter());
    let mut ids: Vec<_> = events().map(|event| event.id).collect();
    ids.sort_unstable();
    if ids.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(reader.invalid("event id"));
    }
    Ok(events().map(Event::bytes_about).sum())
}

/// Reads what `WrittenVersions` wrote.
struct ReadVersions<'r, 'a> {
    reader: &'r mut Reader<'a>,
    last: Option<Arc<StoredConfig>>,
}

impl ReadVersions<'_, '_> {
    fn events(&mut self, last_id: u64) -> Result<Option<Events>, SnapshotError> {
        let count = self.reader.count(EVENT_BYTES_MIN)?;
        let mut events = VecDeque::<Event>::new();
        for _ in 0..count {
            let id = self.reader.u64()?;
            if id > last_id || events.back().is_some_and(|before| before.id >= id) {
                return Err(self.reader.invalid("event id"));
            }
            let kind = self.reader.u8()?;
            let gray = if kind >= OF_GRAY { Some(Arc::new(decode_terms(self.reader)?)) } else { None };
            let change = match if gray.is_some() { kind - OF_GRAY } else { kind } {
                INSERTED => Change::Inserted(self.next()?),
                UPDATED => Change::Updated(self.next()?, self.next()?),
                REMOVED => Change::Removed(self.next()?, Box::new(decode_removal(self.reader)?)),
                _ => return Err(self.reader.invalid("event")),
            };
            events.push_back(Event { id, change, gray });
        }
        Ok((!events.is_empty()).then(|| Arc::new(events)))
    }

    fn grays(&mut self) -> Result<Grays, SnapshotError> {
        let mut grays = Vec::<Gray>::new();
        for _ in 0..self.reader.count(GRAY_BYTES_MIN)? {
            let gray = Gray { terms: Arc::new(decode_terms(self.reader)?), version: self.next()? };
            let is_behind = grays.last().is_none_or(|last| last.place() < gray.place());
            if !is_behind || grays.iter().any(|other| other.terms.name == gray.terms.name) {
                return Err(self.reader.invalid("order of gray releases"));
            }
            grays.push(gray);
        }
        if grays.is_empty() { Err(self.reader.invalid("gray release")) } else { Ok(Arc::new(grays)) }
    }

    fn next(&mut self) -> Result<Arc<StoredConfig>, SnapshotError> {
        let content = match (self.reader.u8()?, &self.last) {
            (SAME_VERSION, Some(last)) => return Ok(Arc::clone(last)),
            (SAME_CONTENT, Some(last)) => last.content.clone(),
            (NEW_VERSION, _) => Bytes::copy_from_slice(self.reader.bytes()?),
            _ => return Err(self.reader.invalid("version")),
        };
        let config = StoredConfig::new(decode_attributes(self.reader, content)?);
        let version = Arc::new(config.with_id(self.reader.u64()?));
        self.last = Some(Arc::clone(&version));
        Ok(version)
    }
}

fn decode_terms(reader: &mut Reader<'_>) -> Result<Terms, SnapshotError> {
    let (name, kind, text) = (reader.text("name")?.into(), reader.text("kind")?, reader.text("rule")?);
    let rule = Rule::parse(kind, text).map_err(|_| reader.invalid("rule"))?;
    Ok(Terms { name, priority: reader.u32()?, rule })
}

fn decode_removal(reader: &mut Reader<'_>) -> Result<Removal, SnapshotError> {
    let source_user = reader.optional("user")?.map(Box::from);
    let source_ip = reader.optional("address")?.map(Box::from);
    Ok(Removal { source_user, source_ip, stamped_ms: reader.u64()? })
}

fn decode_attributes(reader: &mut Reader<'_>, content: Bytes) -> Result<Config, SnapshotError> {
    // Fields are read in the order in which they are written here.
    Ok(Config {
        content,
        kind: reader.text("type")?.into(),
        encrypted_data_key: reader.text("encrypted data key")?.into(),
        app_name: reader.text("app name")?.into(),
        tags: reader.optional("tags")?.map(Box::from),
        description: reader.optional("description")?.map(Box::from),
        usage: reader.optional("use")?.map(Box::from),
        effect: reader.optional("effect")?.map(Box::from),
        schema: reader.optional("schema")?.map(Box::from),
        create_user: reader.optional("user")?.map(Box::from),
        create_ip: reader.optional("address")?.map(Box::from),
        created_ms: reader.u64()?,
        modified_ms: reader.u64()?,
    })
}
