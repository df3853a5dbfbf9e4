//! What the config store promises, shown from outside.

use super::*;
use crate::limits::{FUZZY_LOOKS_COUNT, FUZZY_MATCHES_COUNT_MAX};
use crate::registry::FuzzyPattern;
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const KEY: (&str, &str, &str) = ("public", "DEFAULT_GROUP", "demo.yaml");

fn configs() -> Configs {
    Configs::new([7; 16])
}

fn config(content: &str) -> Config {
    Config { content: Bytes::copy_from_slice(content.as_bytes()), ..Config::default() }
}

#[test]
fn a_config_is_put_read_and_removed() {
    let mut configs = configs();
    assert_eq!((configs.md5_of(KEY), configs.get(KEY)), ("", None));
    assert_eq!(configs.put(KEY, config("a: 1")).as_str(), "270f9e65a80226eccd82c99cdd0dd2fb");
    assert_eq!(configs.md5_of(KEY), "270f9e65a80226eccd82c99cdd0dd2fb");
    assert_eq!(&configs.get(KEY).unwrap().content[..], b"a: 1");
    assert_eq!(configs.len(), 1);
    assert_eq!(configs.remove(KEY, Removal::default()).unwrap().md5(), "270f9e65a80226eccd82c99cdd0dd2fb");
    assert_eq!((configs.remove(KEY, Removal::default()), configs.md5_of(KEY), configs.is_empty()), (None, "", true));
    configs.trim_history(1, 10, 0, 10);
    assert_eq!((configs.entries.len(), configs.counts.is_empty()), (0, true), "nothing is left behind");
}

#[test]
fn a_config_keeps_its_creation_time_while_it_exists() {
    let mut configs = configs();
    let at = |created_ms, modified_ms| Config { created_ms, modified_ms, ..config("x") };
    let times = |configs: &Configs| configs.get(KEY).map(|c| (c.created_ms, c.modified_ms));
    configs.put(KEY, at(1, 1));
    configs.put(KEY, at(2, 2));
    assert_eq!(times(&configs), Some((1, 2)));
    configs.remove(KEY, Removal::default());
    configs.put(KEY, at(3, 3));
    assert_eq!(times(&configs), Some((3, 3)));
}

#[test]
fn listening_compares_what_the_client_holds() {
    let mut configs = configs();
    assert!(!configs.listen(1, &Asker::default(), KEY, "", ""), "absent on both sides");
    assert!(configs.listen(1, &Asker::default(), KEY, "", "270f9e65a80226eccd82c99cdd0dd2fb"), "removed meanwhile");
    configs.put(KEY, config("a: 1"));
    assert!(!configs.listen(1, &Asker::default(), KEY, "", "270f9e65a80226eccd82c99cdd0dd2fb"));
    assert!(configs.listen(1, &Asker::default(), KEY, "", ""));
}

#[test]
fn listeners_keep_their_tenant_as_they_wrote_it_and_survive_removal() {
    let mut configs = configs();
    configs.listen(1, &Asker::default(), KEY, "", "");
    configs.put(KEY, config("a: 1"));
    configs.listen(2, &Asker::default(), KEY, "public", "270f9e65a80226eccd82c99cdd0dd2fb");
    configs.remove(KEY, Removal::default());
    assert_eq!(configs.listeners(KEY).collect::<Vec<_>>(), [(2, "public"), (1, "")]);
    assert_eq!(configs.outdated_listeners(KEY).collect::<Vec<_>>(), [(2, "public")]);
    configs.put(KEY, config("a: 1"));
    assert_eq!(configs.outdated_listeners(KEY).collect::<Vec<_>>(), [(1, "")]);
    configs.listen(1, &Asker::default(), KEY, "public", "");
    assert_eq!(configs.listeners(KEY).collect::<Vec<_>>(), [(2, "public"), (1, "public")]);
}

#[test]
fn listeners_leave_one_by_one_or_with_their_connection() {
    let mut configs = configs();
    let other = ("public", "DEFAULT_GROUP", "other");
    for connection in [1, 2] {
        for key in [KEY, other] {
            configs.listen(connection, &Asker::default(), key, "", "");
        }
    }
    assert!(configs.unlisten(1, KEY));
    assert!(!configs.unlisten(1, KEY));
    assert!(!configs.unlisten(3, KEY));
    assert_eq!(configs.drop_listener(2), 2);
    assert_eq!(configs.drop_listener(2), 0);
    assert_eq!(configs.listener_count(), 1);
    assert!(configs.unlisten(1, other));
    assert_eq!((configs.entries.len(), configs.connections.len()), (0, 0), "nothing is left behind");
}

#[test]
fn configs_come_in_key_order() {
    let mut configs = configs();
    for key in [("b", "a", "a"), ("a", "b", "a"), ("a", "a", "b"), ("a", "a", "a")] {
        configs.put(key, config("x"));
    }
    let names: Vec<_> = configs.iter().map(|(key, _)| key.to_string()).collect();
    assert_eq!(names, ["a@@a@@a", "a@@a@@b", "a@@b@@a", "b@@a@@a"]);
}

fn encoded(configs: &Configs) -> Vec<u8> {
    let mut out = Vec::new();
    configs.encode(&mut out);
    out
}

fn filled() -> Configs {
    let mut configs = configs();
    let full = Config {
        kind: "yaml".into(),
        encrypted_data_key: "secret".into(),
        app_name: "app".into(),
        tags: Some("t1,t2".into()),
        description: Some("".into()),
        usage: Some("use".into()),
        effect: None,
        schema: Some("schema".into()),
        create_user: Some("nacos".into()),
        create_ip: Some("127.0.0.1".into()),
        created_ms: 1,
        modified_ms: u64::MAX,
        ..config("ü: 1")
    };
    configs.put(KEY, full);
    configs.put(("", "", ""), config(""));
    configs
}

#[test]
fn a_snapshot_brings_everything_back_and_replaces_what_was_there() {
    let bytes = encoded(&filled());
    let mut to = configs();
    to.put(("public", "g", "stale"), config("x"));
    to.put(KEY, Config { created_ms: 9, ..config("other") });
    to.listen(1, &Asker::default(), KEY, "", "");
    assert_eq!(to.restore(&bytes), Ok(2));
    assert!(to.iter().eq(filled().iter()));
    assert_eq!(encoded(&to), bytes);
    assert_eq!(to.entries.len(), 2, "nothing is kept of the one that is gone");
    assert_eq!(to.listeners(KEY).count(), 1);
}

#[test]
fn stores_that_were_told_the_same_write_the_same() {
    let mut stores = [configs(), configs()];
    // Whoever listens first has its place in the store first; that is not to be seen.
    ["c", "b", "a"].into_iter().for_each(|name| {
        stores[1].listen(1, &Asker::default(), ("public", "g", name), "", "");
    });
    for store in &mut stores {
        ["b", "c", "a", "b"].into_iter().enumerate().for_each(|(number, name)| {
            store.put(("public", "g", name), config(&number.to_string()));
        });
        store.remove(("public", "g", "c"), Removal::default());
        store.trim_history(u64::MAX, 1, 0, 1);
    }
    assert_eq!(encoded(&stores[0]), encoded(&stores[1]));
}

#[test]
fn what_was_frozen_stays_as_it_was() {
    let mut configs = filled();
    let frozen = configs.freeze();
    configs.put(KEY, config("new"));
    configs.put(("public", "g", "later"), config("x"));
    configs.remove(("", "", ""), Removal::default());
    let mut out = Vec::new();
    frozen.encode(&mut out);
    assert_eq!(out, encoded(&filled()));
    assert!(out.len() <= frozen.bytes_about(), "so that it is written without moving it");
}

#[test]
fn publications_are_stored_unless_what_is_there_speaks_against_it() {
    let mut configs = configs();
    let mut publish = |content: &str, cas_md5: &str, create_only: bool| {
        configs.publish(Publication { key: KEY, config: config(content), cas_md5, create_only })
    };
    let stored = |content: &str, changed: bool| Published::Stored { md5: Md5::of(content.as_bytes()), changed };
    assert_eq!(publish("a: 1", "of nothing", true), stored("a: 1", true));
    assert_eq!(publish("a: 2", "", true), Published::Exists);
    assert_eq!(publish("a: 2", "9de2a49d06deb9c0194660123ef188d8", false), Published::Differs);
    assert_eq!(publish("a: 1", "", false), stored("a: 1", false));
    assert_eq!(publish("a: 2", "270f9e65a80226eccd82c99cdd0dd2fb", false), stored("a: 2", true));
    assert_eq!(configs.md5_of(KEY), "9de2a49d06deb9c0194660123ef188d8");
}

#[test]
fn a_schema_stays_with_its_type_until_another_or_an_empty_one_comes() {
    let mut configs = configs();
    let mut publish = |kind: &str, schema: Option<&str>| {
        let config = Config { kind: kind.into(), schema: schema.map(Into::into), ..config("a: 1") };
        configs.publish(Publication { key: KEY, config, cas_md5: "", create_only: false });
        let stored = configs.get(KEY).unwrap();
        (stored.kind.to_string(), stored.schema.as_deref().map(str::to_owned))
    };
    let left = |kind: &str, schema: Option<&str>| (kind.to_owned(), schema.map(str::to_owned));
    assert_eq!(publish("yaml", None), left("yaml", None));
    assert_eq!(publish("text", None), left("text", None), "without a schema a type stays for itself");
    assert_eq!(publish("yaml", Some("{}")), left("yaml", Some("{}")));
    assert_eq!(publish("text", None), left("yaml", Some("{}")), "nothing was said of either");
    assert_eq!(publish("json", None), left("json", Some("{}")));
    assert_eq!(publish("text", Some("true")), left("text", Some("true")));
    assert_eq!(publish("json", Some("")), left("json", None));
}

#[test]
fn a_damaged_snapshot_is_refused_and_changes_nothing() {
    let bytes = encoded(&filled());
    let mut to = filled();
    let mut damaged: Vec<Vec<u8>> = (0..bytes.len()).map(|length| bytes[..length].to_vec()).collect();
    damaged.push([&bytes[..], b"x"].concat());
    damaged.push([b"NPI\x01", &bytes[4..]].concat());
    damaged.push([b"NCF\x03", &[255; 80][..]].concat());
    for damage in damaged {
        to.restore(&damage).unwrap_err();
    }
    assert_eq!(encoded(&to), bytes);
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), headed in any::<bool>()) {
        let bytes = if headed { [&b"NCF\x03"[..], &bytes].concat() } else { bytes };
        let _ = configs().restore(&bytes);
    }

    #[test]
    fn a_changed_byte_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = encoded(&filled());
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let mut to = configs();
        if to.restore(&bytes).is_ok() {
            prop_assert_eq!(configs().restore(&encoded(&to)), Ok(to.len()));
        }
    }

    #[test]
    fn the_store_agrees_with_maps(
        steps in prop::collection::vec((0u8..5, 0u64..3, "[ab]{1,2}", "[xy]{0,1}"), 0..100)
    ) {
        let mut configs = configs();
        let mut contents: BTreeMap<String, String> = BTreeMap::new();
        let mut listeners: BTreeMap<(u64, String), String> = BTreeMap::new();
        let mut told_of_more: BTreeSet<(u64, String)> = BTreeSet::new();
        let md5 = |text: &String| Md5::of(text.as_bytes()).as_str().to_owned();
        for (step, connection, name, text) in steps {
            let key = ("public", "g", name.as_str());
            match step {
                0 => {
                    configs.put(key, config(&text));
                    contents.insert(name.clone(), text);
                }
                1 => prop_assert_eq!(configs.remove(key, Removal::default()).is_some(), contents.remove(&name).is_some()),
                2 => {
                    let held = md5(&text);
                    let changed = contents.get(&name).map(md5).unwrap_or_default() != held;
                    prop_assert_eq!(configs.listen(connection, &Asker::default(), key, &text, &held), changed);
                    listeners.insert((connection, name.clone()), text);
                    if changed {
                        told_of_more.insert((connection, name.clone()));
                    } else {
                        told_of_more.remove(&(connection, name.clone()));
                    }
                }
                3 => {
                    let was = listeners.remove(&(connection, name.clone())).is_some();
                    prop_assert_eq!(configs.unlisten(connection, key), was);
                }
                _ => {
                    let before = listeners.len();
                    listeners.retain(|(of, _), _| *of != connection);
                    prop_assert_eq!(configs.drop_listener(connection), before - listeners.len());
                }
            }
            let key = ("public", "g", name.as_str());
            let mut found: Vec<_> = configs.listeners(key).collect();
            found.sort_unstable();
            let of_name = listeners.iter().filter(|((_, of), _)| *of == name);
            prop_assert_eq!(found, of_name.map(|((c, _), t)| (*c, t.as_str())).collect::<Vec<_>>());
            let stored = contents.get(&name).map(md5).unwrap_or_default();
            let mut outdated: Vec<_> = configs.outdated_listeners(key).map(|(of, _)| of).collect();
            outdated.sort_unstable();
            let expected = listeners
                .iter()
                .filter(|(of, text)| of.1 == name && (md5(text) != stored || told_of_more.contains(of)));
            prop_assert_eq!(outdated, expected.map(|((of, _), _)| *of).collect::<Vec<_>>());
            for connection in 0..3 {
                let expected = listeners.get(&(connection, name.clone())).map(String::as_str);
                prop_assert_eq!(configs.listener_tenant(connection, key), expected);
            }
            prop_assert_eq!(configs.md5_of(key), stored);
        }
        let found: Vec<_> = configs.iter().map(|(key, c)| (key.name().to_owned(), c.content.to_vec())).collect();
        let expected: Vec<_> = contents.into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
        prop_assert_eq!(found, expected);
        prop_assert_eq!(configs.listener_count(), listeners.len());
    }
}

#[test]
fn a_watcher_is_told_what_is_like_its_pattern() {
    let mut configs = configs();
    let keys =
        [("public", "F", "a1"), ("public", "G", "a1"), ("public", "G", "a2"), ("public", "G", "b"), ("q", "G", "a1")];
    for key in keys {
        configs.put(key, config("x"));
    }
    configs.listen(8, &Asker::default(), ("public", "G", "a3"), "", "");
    let mut told = |text: &str, received: &[KeyParts<'_>]| {
        let pattern = FuzzyPattern::read(text, "public").unwrap();
        let received = received.iter().map(|key| ConfigKey::new(*key)).collect();
        let keys = configs.watch(1, &pattern, &received).unwrap().unwrap().keys;
        keys.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(told("public>>G>>a*", &[]), ["public@@G@@a1", "public@@G@@a2"]);
    assert_eq!(told("public>>*>>a1", &[]), ["public@@F@@a1", "public@@G@@a1"]);
    assert_eq!(told("q>>*>>*", &[]), ["q@@G@@a1"]);
    let gone = [("public", "G", "a1"), ("public", "G", "a3")];
    assert_eq!(told("public>>G>>a*", &gone), ["public@@G@@a2", "public@@G@@a3"]);
    assert_eq!((configs.watchers(("public", "G", "a9")), configs.watchers(("public", "H", "b"))), (vec![1], vec![]));
    assert!(configs.unwatch(1, "public>>G>>a*") && !configs.is_watching(1, "public>>G>>a*"));
    assert_eq!(configs.watchers(("public", "G", "a9")), [] as [u64; 0]);
    configs.drop_watcher(1);
    assert!(configs.watches.is_empty());
}

#[test]
fn a_watcher_that_asks_again_is_told_what_has_come_and_gone_since() {
    let mut configs = configs();
    let pattern = FuzzyPattern::read("public>>*>>demo*", "public").unwrap();
    let told = |configs: &mut Configs| configs.watch(1, &pattern, &BTreeSet::new()).unwrap().unwrap().keys;
    let other = ("public", "DEFAULT_GROUP", "demo-2");
    configs.put(KEY, config("1"));
    assert_eq!(told(&mut configs), [ConfigKey::new(KEY)]);
    configs.put(other, config("1"));
    assert_eq!(told(&mut configs), [ConfigKey::new(other), ConfigKey::new(KEY)]);
    let mut snapshot = Vec::new();
    configs.encode(&mut snapshot);
    configs.remove(KEY, Removal::default());
    assert_eq!(told(&mut configs), [ConfigKey::new(other)]);
    configs.restore(&snapshot).unwrap();
    assert_eq!(told(&mut configs), [ConfigKey::new(other), ConfigKey::new(KEY)]);
}

#[test]
fn no_call_looks_at_more_configs_for_a_pattern_than_others_may_wait_for() {
    let mut configs = Configs::new([7; 16]);
    for number in 0..2 * FUZZY_LOOKS_COUNT {
        configs.put(("public", "G", &format!("{number:05}")), Config::default());
    }
    configs.put(("public", "H", "00007"), Config::default());
    let look = |configs: &mut Configs, text: &str| {
        let pattern = FuzzyPattern::read(text, "public").unwrap();
        let told = (1..20).find_map(|calls| Some((calls, configs.watch(9, &pattern, &BTreeSet::new()).unwrap()?)));
        let (calls_count, difference) = told.expect("it comes to an end");
        (calls_count, difference.keys.len())
    };
    assert_eq!(look(&mut configs, "public>>*>>0000*"), (3, 11));
    assert_eq!(look(&mut configs, "public>>*>>0000*"), (1, 11), "it is known");
    assert_eq!(look(&mut configs, "public>>H>>0000*"), (1, 1), "others are not near it");
    assert_eq!(look(&mut configs, "public>>*>>*"), (1, FUZZY_MATCHES_COUNT_MAX), "more is not told");
}
