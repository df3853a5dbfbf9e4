//! What quotas refuse and what they do not, and that counts are true whatever happens.

use super::*;
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::BTreeSet;

const DEFAULTS: QuotaDefaults =
    QuotaDefaults { enforced: true, cluster_count: 6, namespace_count: 3, content_bytes: 10 };

fn configs() -> Configs {
    let mut configs = Configs::new([7; 16]);
    configs.set_quota_defaults(DEFAULTS);
    configs
}

fn config(content: &str) -> Config {
    Config { content: Bytes::copy_from_slice(content.as_bytes()), ..Config::default() }
}

fn publish(configs: &mut Configs, key: KeyParts<'_>, content: &str) -> Published {
    configs.publish(Publication { key, config: config(content), cas_md5: "", create_only: false })
}

/// Why it is refused; empty: it is not.
fn refusal(configs: &mut Configs, key: KeyParts<'_>, content: &str) -> String {
    match publish(configs, key, content) {
        Published::OverQuota(over) => over.to_string(),
        Published::Stored { .. } => String::new(),
        other => panic!("{other:?}"),
    }
}

fn publish_gray(configs: &mut Configs, key: KeyParts<'_>, content: &str) -> Result<Md5, GrayRefused> {
    let terms = Terms { name: "beta".into(), priority: 1, rule: Rule::parse("beta", "10.0.0.1").unwrap() };
    configs.publish_gray(GrayPublication { key, terms, config: config(content), cas_md5: "" })
}

#[test]
fn each_quota_refuses_what_is_over_it_and_names_limit_and_value() {
    let mut configs = configs();
    configs.set_quotas([("a", Some("small"), Quota { count: 1, content_bytes: 0 })]);
    assert_eq!(refusal(&mut configs, ("a", "small", "1"), "x"), "");
    let over = "group 'small' of namespace 'a' has 1 configurations, and its quota is 1";
    assert_eq!(refusal(&mut configs, ("a", "small", "2"), "x"), over);
    for name in ["1", "2"] {
        assert_eq!(refusal(&mut configs, ("a", "G", name), "x"), "");
    }
    assert_eq!(refusal(&mut configs, ("a", "G", "3"), "x"), "namespace 'a' has 3 configurations, and its quota is 3");
    for name in ["1", "2", "3"] {
        assert_eq!(refusal(&mut configs, ("b", "G", name), "x"), "");
    }
    assert_eq!(refusal(&mut configs, ("c", "G", "1"), "x"), "the cluster has 6 configurations, and its quota is 6");
    let over = "the content has 11 bytes, and a configuration of group 'G' of namespace 'a' may have 10";
    assert_eq!(refusal(&mut configs, ("a", "G", "1"), "12345678901"), over, "that there is one already is no excuse");
    assert_eq!(refusal(&mut configs, ("a", "G", "1"), "1234567890"), "", "an update adds none");
    assert_eq!((configs.len(), configs.history(("c", "G", "1")).len()), (6, 0));
}

#[test]
fn the_first_of_a_batch_are_taken_until_there_is_no_room() {
    let mut configs = configs();
    let names = ["1", "2", "1", "3", "4", "2", "5"];
    let is_taken = names.map(|name| refusal(&mut configs, ("a", "G", name), "x").is_empty());
    assert_eq!(is_taken, [true, true, true, true, false, true, false]);
    configs.remove(("a", "G", "1"), Removal::default());
    assert_eq!(refusal(&mut configs, ("a", "G", "4"), "x"), "", "what is removed leaves room");
}

#[test]
fn what_a_namespace_or_group_has_of_its_own_beats_what_is_around_it() {
    let mut configs = configs();
    let quota = |configs: &Configs, namespace, group| {
        let Quota { count, content_bytes } = configs.quota(namespace, group);
        (count, content_bytes)
    };
    assert_eq!((quota(&configs, "a", None), quota(&configs, "a", Some("G"))), ((3, 10), (3, 10)));
    let group = Quota { count: 0, content_bytes: 7 };
    configs.set_quotas([("a", None, Quota { count: 5, content_bytes: 0 }), ("a", Some("G"), group)]);
    assert_eq!((quota(&configs, "a", None), quota(&configs, "a", Some("G"))), ((5, 10), (5, 7)));
    assert_eq!(quota(&configs, "a", Some("H")), (5, 10));
    assert_eq!(quota(&configs, "b", None), (3, 10));
    configs.set_quotas([]);
    assert_eq!(quota(&configs, "a", Some("G")), (3, 10));
}

#[test]
fn nothing_is_refused_unless_quotas_are_enforced() {
    let mut configs = configs();
    configs.set_quota_defaults(QuotaDefaults { enforced: false, ..DEFAULTS });
    for name in 0..9 {
        assert_eq!(refusal(&mut configs, ("a", "G", &name.to_string()), "12345678901"), "");
    }
    assert_eq!((configs.usage("a", None), configs.quota("a", None).count), (9, 3));
    configs.set_quota_defaults(DEFAULTS);
    assert_eq!(configs.len(), 9, "what is there stays");
    assert_eq!(refusal(&mut configs, ("a", "G", "0"), "y"), "");
    assert_ne!(refusal(&mut configs, ("a", "G", "new"), "y"), "");
}

#[test]
fn gray_releases_do_not_count_until_they_are_promoted_to_a_config_of_their_own() {
    let mut configs = configs();
    for name in ["1", "2", "3"] {
        publish(&mut configs, ("a", "G", name), "x");
        publish_gray(&mut configs, ("a", "G", name), "y").unwrap();
    }
    assert_eq!(configs.usage("a", Some("G")), 3);
    let new = ("a", "G", "4");
    publish_gray(&mut configs, new, "y").unwrap();
    let promoted = configs.promote_gray(new, "beta", "", Removal::default());
    assert!(matches!(promoted, Err(GrayRefused::OverQuota(OverQuota::Namespace { count: 3, limit: 3, .. }))));
    assert_eq!((configs.grays(new).len(), configs.get(new)), (1, None), "nothing has changed");
    configs.promote_gray(("a", "G", "1"), "beta", "", Removal::default()).unwrap();
    let large = publish_gray(&mut configs, ("a", "G", "1"), "12345678901");
    assert!(matches!(large, Err(GrayRefused::OverQuota(OverQuota::Size { bytes: 11, limit: 10, .. }))));
}

#[test]
fn what_was_removed_comes_back_only_where_there_is_room() {
    let mut configs = configs();
    let key = ("a", "G", "1");
    publish(&mut configs, key, "1234567890");
    configs.remove(key, Removal::default());
    for name in ["2", "3", "4"] {
        publish(&mut configs, ("a", "G", name), "x");
    }
    let refused = configs.roll_back(key, 2, Removal::default());
    assert!(matches!(refused, Err(RollbackRefused::OverQuota(OverQuota::Namespace { count: 3, limit: 3, .. }))));
    configs.set_quota_defaults(QuotaDefaults { namespace_count: 4, content_bytes: 1, ..DEFAULTS });
    assert!(configs.roll_back(key, 2, Removal::default()).is_ok(), "how large it may be by now does not count");
}

#[derive(Debug, Clone)]
enum Step {
    Publish(usize, bool),
    Remove(usize),
    Release(usize),
    Promote(usize),
    TakeBack(u64),
    Restore,
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..KEYS.len();
    prop_oneof![
        4 => (key.clone(), any::<bool>()).prop_map(|(key, create_only)| Step::Publish(key, create_only)),
        2 => key.clone().prop_map(Step::Remove),
        1 => key.clone().prop_map(Step::Release),
        1 => key.prop_map(Step::Promote),
        1 => (1..30_u64).prop_map(Step::TakeBack),
        1 => Just(Step::Restore),
    ]
}

const KEYS: [KeyParts<'static>; 10] = [
    ("a", "G", "1"),
    ("a", "G", "2"),
    ("a", "G", "3"),
    ("a", "H", "1"),
    ("a", "H", "2"),
    ("b", "G", "1"),
    ("b", "G", "2"),
    ("b", "G", "3"),
    ("c", "G", "1"),
    ("c", "H", "1"),
];

fn carry_out(configs: &mut Configs, step: &Step, number: usize) {
    let content = number.to_string();
    match *step {
        Step::Publish(at, create_only) => {
            configs.publish(Publication { key: KEYS[at], config: config(&content), cas_md5: "", create_only });
        }
        Step::Remove(at) => drop(configs.remove(KEYS[at], Removal::default())),
        Step::Release(at) => drop(publish_gray(configs, KEYS[at], &content)),
        Step::Promote(at) => drop(configs.promote_gray(KEYS[at], "beta", "", Removal::default())),
        Step::TakeBack(id) => {
            let key = configs.event(id).map(|(key, _)| key.clone());
            key.iter().for_each(|key| drop(configs.roll_back(key.parts(), id, Removal::default())));
        }
        Step::Restore => {
            let mut bytes = Vec::new();
            configs.encode(&mut bytes);
            configs.restore(&bytes).unwrap();
        }
    }
}

proptest! {
    #[test]
    fn counts_are_true_and_never_over_a_quota(steps in proptest::collection::vec(step(), 0..60)) {
        let mut configs = configs();
        configs.set_quotas([("a", Some("H"), Quota { count: 1, content_bytes: 0 })]);
        for (number, step) in steps.iter().enumerate() {
            carry_out(&mut configs, step, number);
            let there: Vec<_> = KEYS.into_iter().filter(|key| configs.get(*key).is_some()).collect();
            prop_assert_eq!(configs.len(), there.len());
            prop_assert!(there.len() <= 6);
            let namespaces: BTreeSet<_> = KEYS.iter().map(|key| key.0).collect();
            for namespace in namespaces {
                for group in [None, Some("G"), Some("H")] {
                    let is_in = |key: &&KeyParts<'_>| key.0 == namespace && group.is_none_or(|group| key.1 == group);
                    let count = there.iter().filter(is_in).count();
                    prop_assert_eq!(configs.usage(namespace, group), count);
                    prop_assert!(count <= configs.quota(namespace, group).count);
                }
            }
        }
    }
}
