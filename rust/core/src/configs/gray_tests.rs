//! What gray releases promise, shown from outside.

use super::*;
use bytes::Bytes;
use proptest::prelude::*;

const KEY: KeyParts<'static> = ("public", "G", "a.yaml");
const OTHER: KeyParts<'static> = ("public", "G", "b.yaml");

fn configs() -> Configs {
    Configs::new([7; 16])
}

fn config(content: &str) -> Config {
    Config { content: Bytes::copy_from_slice(content.as_bytes()), ..Config::default() }
}

fn terms(name: &str, priority: u32, kind: &str, rule: &str) -> Terms {
    Terms { name: name.into(), priority, rule: Rule::parse(kind, rule).unwrap() }
}

fn release(configs: &mut Configs, content: &str, terms: Terms) -> Result<Md5, GrayRefused> {
    configs.publish_gray(GrayPublication { key: KEY, terms, config: config(content), cas_md5: "" })
}

fn at(ip: &str) -> Asker<'_> {
    Asker { ip, ..Asker::default() }
}

/// The content that a client gets, and the name of the release.
fn got(configs: &Configs, by_tag: bool, who: Asker<'_>) -> Option<(String, String)> {
    let answer = configs.config_for(KEY, by_tag, || who)?;
    let content = String::from_utf8_lossy(&answer.config.content).into_owned();
    Some((content, answer.gray.map_or(String::new(), |gray| gray.terms.name.to_string())))
}

fn filled() -> Configs {
    let mut configs = configs();
    configs.put(KEY, config("formal"));
    release(&mut configs, "percent", terms("percent", 0, "percent", "50")).unwrap();
    release(&mut configs, "label", terms("label", 1000, "label", "zone in (a, b)")).unwrap();
    release(&mut configs, "tag", terms("tag_t1", u32::MAX - 1, "tag", "t1")).unwrap();
    release(&mut configs, "beta", terms("beta", u32::MAX, "beta", "10.0.0.1, ::1")).unwrap();
    configs
}

fn encoded(configs: &Configs) -> Vec<u8> {
    let mut out = Vec::new();
    configs.encode(&mut out);
    out
}

/// An address among the first half of all, and one of the other half.
fn halves() -> (String, String) {
    let all = || (0..100).map(|number| format!("10.1.0.{number}"));
    let half = Rule::parse("percent", "50").unwrap();
    let first = all().find(|ip| half.takes(KEY, &at(ip))).unwrap();
    (first, all().find(|ip| !half.takes(KEY, &at(ip))).unwrap())
}

#[test]
fn a_client_gets_the_release_of_the_highest_priority_that_is_for_it() {
    let configs = filled();
    let labels = Arc::new(Labels::new([("app_zone", "b"), ("zone", "x")].into_iter()));
    let (inside, outside) = halves();
    let of_gray = |name: &str, release: &str| Some((name.to_owned(), release.to_owned()));
    let mut who = Asker { ip: "10.0.0.1", tag: Some("t1"), labels: Some(&labels) };
    assert_eq!(got(&configs, false, who), of_gray("beta", "beta"));
    who.ip = "0:0:0:0:0:0:0:1";
    assert_eq!(got(&configs, false, who), of_gray("beta", "beta"), "an address is the same however it is written");
    who.ip = &inside;
    assert_eq!(got(&configs, false, who), of_gray("tag", "tag_t1"));
    who.tag = Some("t2");
    assert_eq!(got(&configs, false, who), of_gray("label", "label"));
    who.labels = None;
    assert_eq!(got(&configs, false, who), of_gray("percent", "percent"));
    who.ip = &outside;
    assert_eq!(got(&configs, false, who), of_gray("formal", ""));
    assert_eq!(got(&configs, true, who), None, "a tag that is asked for and has no release is absent");
    assert_eq!(configs.md5_for(KEY, || who), Md5::of(b"formal").as_str());
    assert_eq!(configs.md5_of(KEY), Md5::of(b"formal").as_str());
}

#[test]
fn who_asks_is_not_looked_at_without_gray_releases() {
    let mut configs = configs();
    configs.put(KEY, config("formal"));
    let answer = configs.config_for(KEY, false, || unreachable!()).unwrap();
    assert!(answer.gray.is_none());
    assert!(configs.config_for(KEY, true, || unreachable!()).is_none());
}

#[test]
fn a_release_needs_no_formal_version() {
    let mut configs = configs();
    release(&mut configs, "1", terms("beta", 9, "beta", "10.0.0.1")).unwrap();
    assert_eq!(got(&configs, false, at("10.0.0.1")).unwrap().0, "1");
    assert_eq!((got(&configs, false, at("10.0.0.2")), configs.len(), configs.gray_count()), (None, 0, 1));
    assert_eq!(configs.promote_gray(KEY, "beta", "", Removal::default()), Ok(Md5::of(b"1")));
    assert_eq!((got(&configs, false, at("10.0.0.2")).unwrap().0, configs.len()), ("1".to_owned(), 1));
}

#[test]
fn a_release_is_replaced_by_its_name_and_goes_by_it() {
    let mut configs = filled();
    release(&mut configs, "beta 2", terms("beta", u32::MAX, "beta", "10.0.0.2")).unwrap();
    assert_eq!(configs.grays(KEY).len(), 4);
    assert_eq!(got(&configs, false, at("10.0.0.2")).unwrap().0, "beta 2");
    assert_ne!(got(&configs, false, at("10.0.0.1")).unwrap().0, "beta 2");
    assert!(configs.remove_gray(KEY, "beta", Removal::default()));
    assert!(!configs.remove_gray(KEY, "beta", Removal::default()));
    assert!(!configs.remove_gray(OTHER, "beta", Removal::default()));
    for name in ["percent", "label", "tag_t1"] {
        assert!(configs.remove_gray(KEY, name, Removal::default()));
    }
    assert_eq!(got(&configs, false, at("10.0.0.2")).unwrap().0, "formal");
    configs.remove(KEY, Removal::default());
    configs.trim_history(u64::MAX, 0, 0, 100);
    assert_eq!(configs.entries.len(), 0, "nothing is left behind");
}

#[test]
fn a_release_stays_where_the_formal_version_goes() {
    let mut configs = filled();
    configs.remove(KEY, Removal::default());
    configs.trim_history(u64::MAX, 0, 0, 100);
    assert_eq!(got(&configs, false, at("10.0.0.1")).unwrap().0, "beta");
}

#[test]
fn the_formal_version_takes_the_content_of_a_promoted_release_and_keeps_the_rest() {
    let mut configs = configs();
    configs.put(KEY, Config { description: Some("d".into()), kind: "json".into(), ..config("1") });
    let publication = GrayPublication {
        key: KEY,
        terms: terms("beta", 9, "beta", "10.0.0.1"),
        config: Config { kind: "yaml".into(), encrypted_data_key: "k".into(), ..config("2") },
        cas_md5: "",
    };
    configs.publish_gray(publication).unwrap();
    let promote = |configs: &mut Configs, name: &str, md5: &str| {
        let by = Removal { source_user: Some("bob".into()), source_ip: None, stamped_ms: 8 };
        configs.promote_gray(KEY, name, md5, by)
    };
    assert_eq!(promote(&mut configs, "other", ""), Err(GrayRefused::Absent("other".to_owned())));
    assert_eq!(promote(&mut configs, "beta", Md5::of(b"1").as_str()), Err(GrayRefused::Differs));
    assert_eq!(got(&configs, false, at("10.0.0.9")).unwrap().0, "1", "a refusal changes nothing");
    assert_eq!(promote(&mut configs, "beta", Md5::of(b"2").as_str()), Ok(Md5::of(b"2")));
    let formal = configs.get(KEY).unwrap();
    assert_eq!((&formal.content[..], &*formal.kind, &*formal.encrypted_data_key), (&b"2"[..], "yaml", "k"));
    assert_eq!((formal.description.as_deref(), formal.create_user.as_deref()), (Some("d"), Some("bob")));
    assert!(configs.grays(KEY).is_empty());
    let told: Vec<_> = configs
        .history(KEY)
        .iter()
        .map(|event| (event.operation(), event.gray.is_some(), event.stamped_ms()))
        .collect();
    assert_eq!(told[2..], [("U", false, 8), ("D", true, 8)]);
}

#[test]
fn publications_of_releases_compare_and_are_limited() {
    let mut configs = filled();
    let mut publish = |cas_md5: &str, name: &str| {
        let terms = terms(name, 5, "tag", "t9");
        configs.publish_gray(GrayPublication { key: KEY, terms, config: config("new"), cas_md5 })
    };
    assert_eq!(publish(Md5::of(b"formal").as_str(), "beta"), Err(GrayRefused::Differs));
    assert_eq!(publish(Md5::of(b"beta").as_str(), "beta"), Ok(Md5::of(b"new")));
    for number in 4..crate::limits::GRAYS_PER_CONFIG_COUNT_MAX {
        assert!(publish("of nothing", &format!("n{number}")).is_ok());
    }
    assert_eq!(publish("", "one more"), Err(GrayRefused::TooMany));
    assert!(publish("", "n4").is_ok(), "one that is there is replaced");
}

#[test]
fn history_tells_of_releases_apart_and_does_not_take_them_back() {
    let mut configs = filled();
    release(&mut configs, "beta", terms("beta", u32::MAX, "beta", "10.0.0.1, ::1")).unwrap();
    assert_eq!(configs.history(KEY).len(), 5, "the same again is no change");
    release(&mut configs, "beta", terms("beta", u32::MAX, "beta", "10.0.0.2")).unwrap();
    let last = configs.history(KEY).back().unwrap();
    assert_eq!((last.operation(), &*last.gray.as_ref().unwrap().name), ("U", "beta"));
    assert_eq!(last.gray.as_ref().unwrap().rule.text(), "10.0.0.2");
    let id = last.id;
    assert_eq!(configs.roll_back(KEY, id, Removal::default()), Err(RollbackRefused::Gray(id)));
}

#[test]
fn only_those_listeners_are_outdated_whose_version_changed() {
    let mut configs = configs();
    configs.put(KEY, config("formal"));
    let md5 = Md5::of(b"formal");
    for (connection, ip) in [(1, "10.0.0.1"), (2, "10.0.0.2"), (3, "10.0.0.3")] {
        assert!(!configs.listen(connection, &at(ip), KEY, "", md5.as_str()));
    }
    let outdated = |configs: &Configs| {
        let mut connections: Vec<_> = configs.outdated_listeners(KEY).map(|(connection, _)| connection).collect();
        connections.sort_unstable();
        connections
    };
    release(&mut configs, "beta", terms("beta", 9, "beta", "10.0.0.1,10.0.0.2")).unwrap();
    assert_eq!(outdated(&configs), [1, 2]);
    assert!(!configs.listen(1, &at("10.0.0.1"), KEY, "", Md5::of(b"beta").as_str()));
    configs.notified(2, KEY);
    configs.put(KEY, config("formal 2"));
    assert_eq!(outdated(&configs), [2, 3], "the second was told, and nobody knows what it holds by now");
    configs.promote_gray(KEY, "beta", "", Removal::default()).unwrap();
    assert_eq!(outdated(&configs), [2, 3]);
    assert!(!configs.listen(2, &at("10.0.0.2"), KEY, "", Md5::of(b"beta").as_str()));
    assert_eq!(outdated(&configs), [3]);
}

#[test]
fn a_listener_is_told_by_the_tag_of_its_last_request() {
    let mut configs = filled();
    let (_, outside) = halves();
    let mut who = at(&outside);
    assert!(!configs.listen(1, &who, KEY, "", Md5::of(b"formal").as_str()));
    who.tag = Some("t1");
    assert!(configs.listen(1, &who, KEY, "", Md5::of(b"formal").as_str()));
    assert!(!configs.listen(1, &who, KEY, "", Md5::of(b"tag").as_str()));
    configs.remove_gray(KEY, "tag_t1", Removal::default());
    assert_eq!(configs.outdated_listeners(KEY).count(), 1);
}

#[test]
fn a_snapshot_brings_releases_and_their_history_back() {
    let mut configs = filled();
    configs.put(OTHER, config("other"));
    configs.remove(KEY, Removal::default());
    configs.remove_gray(KEY, "tag_t1", Removal::default());
    let bytes = encoded(&configs);
    assert!(bytes.len() <= configs.freeze().bytes_about());
    let mut to = self::configs();
    to.put(KEY, config("stale"));
    to.restore(&bytes).unwrap();
    assert_eq!(encoded(&to), bytes);
    assert_eq!((to.grays(KEY), to.history(KEY)), (configs.grays(KEY), configs.history(KEY)));
    assert_eq!((configs.gray_count(), to.gray_count()), (3, 3));
    assert!(to.grays(OTHER).is_empty());
    for length in 0..bytes.len() {
        to.restore(&bytes[..length]).unwrap_err();
    }
    assert_eq!(encoded(&to), bytes);
}

#[test]
fn a_restoration_tells_which_releases_changed() {
    let before = filled();
    let mut after = filled();
    let restored = |to: &mut Configs, from: &Configs| {
        let bytes = encoded(from);
        to.replace(DecodedConfigs::decode(&bytes).unwrap()).changed.len()
    };
    assert_eq!(restored(&mut after, &before), 0);
    after.remove_gray(KEY, "label", Removal::default());
    assert_eq!(restored(&mut after, &before), 1);
}

fn rules() -> impl Strategy<Value = (String, String)> {
    let addresses = prop::collection::vec(0u8..6, 1..4).prop_map(|ends| {
        let texts: Vec<_> = ends.iter().map(|end| format!("10.0.0.{end}")).collect();
        ("beta".to_owned(), texts.join(","))
    });
    let tag = "t[0-3]".prop_map(|tag| ("tag".to_owned(), tag));
    let label = "(!?z|z(=|!=)[ab]|z (not)?in \\([ab](,[ab])?\\))".prop_map(|text| ("label".to_owned(), text));
    let percent = (0u16..=100).prop_map(|percent| ("percent".to_owned(), percent.to_string()));
    prop_oneof![addresses, tag, label, percent]
}

proptest! {
    /// The same releases, told in any order, through a snapshot or not, give every client the same one version: that of
    /// the first release that takes it, by priority and name, or the formal one.
    #[test]
    fn every_client_gets_exactly_one_defined_version(
        releases in prop::collection::btree_map("[a-e]", (0u32..3, rules()), 0..6),
        order in any::<prop::sample::Index>(),
        has_formal in any::<bool>(),
        end in 0u8..6, tag in prop::option::of("t[0-3]"), zone in prop::option::of("[ab]"),
    ) {
        let terms_of = |name: &str, (priority, (kind, rule)): &(u32, (String, String))| terms(name, *priority, kind, rule);
        let mut names: Vec<&String> = releases.keys().collect();
        let mut stores = [configs(), configs()];
        for store in &mut stores {
            if has_formal {
                store.put(KEY, config("formal"));
            }
            for name in &names {
                release(store, name, terms_of(name, &releases[*name])).unwrap();
            }
            let turn = order.index(names.len().max(1));
            names.rotate_left(turn);
        }
        let mut restored = configs();
        restored.restore(&encoded(&stores[1])).unwrap();
        let ip = format!("10.0.0.{end}");
        let labels = Arc::new(Labels::new(zone.iter().map(|zone| ("z", zone.as_str()))));
        let who = Asker { ip: &ip, tag: tag.as_deref(), labels: Some(&labels) };
        let mut taking: Vec<_> =
            releases.iter().filter(|(name, given)| terms_of(name, given).rule.takes(KEY, &who)).collect();
        taking.sort_by_key(|(name, (priority, _))| (std::cmp::Reverse(*priority), *name));
        let formal = has_formal.then(|| ("formal".to_owned(), String::new()));
        let expected = taking.first().map(|(name, _)| ((*name).clone(), (*name).clone())).or(formal);
        for store in stores.iter().chain([&restored]) {
            prop_assert_eq!(got(store, false, who), expected.clone());
            let md5 = expected.as_ref().map_or(String::new(), |(content, _)| Md5::of(content.as_bytes()).as_str().to_owned());
            prop_assert_eq!(store.md5_for(KEY, || who), md5);
        }
    }

    #[test]
    fn raising_a_percentage_never_takes_a_client_out(
        ip in "[0-9a-f.:]{1,15}", from in 0u16..=100, by in 0u16..=100, name in "[a-z]{1,8}"
    ) {
        let key = ("public", "G", name.as_str());
        let takes = |percent: u16| Rule::parse("percent", &percent.to_string()).unwrap().takes(key, &at(&ip));
        prop_assert!(!takes(0) && takes(100));
        prop_assert!(!takes(from) || takes((from + by).min(100)));
        prop_assert_eq!(takes(from), takes(from));
    }

    #[test]
    fn any_text_is_a_rule_or_refused(kind in "(beta|tag|label|percent|x)", text in "[ab!=,() 0-9.:in]{0,20}|.{0,20}") {
        if let Ok(rule) = Rule::parse(&kind, &text) {
            prop_assert_eq!((rule.kind(), rule.text()), (kind.as_str(), text.trim()));
            prop_assert_eq!(Rule::parse(&kind, rule.text()), Ok(rule));
        }
    }
}
