//! What no step may do to the records of a node, and that each rule is missed where it is left out.

use super::super::rules::{self, Rule};
use super::twins::{IDS, KEYS, Step, play, step};
use super::*;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use std::collections::BTreeMap;

/// Epoch, node, run of it, revision.
type Version = (u32, Box<str>, u64, u64);

/// The versions of all records of a node, by service and publisher. An address is the same whoever holds it.
pub(super) type Versions = BTreeMap<(usize, String, Option<(Box<str>, u64)>), Version>;

pub(super) fn versions(registry: &Registry) -> Versions {
    let of_key = |(at, key)| registry.distro_publishers(key).into_iter().map(move |view| (at, view));
    let all = KEYS.into_iter().enumerate().flat_map(of_key);
    let named = all.map(|(at, view)| {
        let is_address = matches!(view.publisher, PublisherName::Address(..));
        let holder = (!is_address).then(|| (view.node_id.clone(), view.boot));
        ((at, format!("{:?}", view.publisher), holder), (view.epoch, view.node_id, view.boot, view.revision))
    });
    named.collect()
}

/// Which law a step has broken.
pub(super) fn broken(before: &[Versions; 3], after: &[Versions; 3], step: &Step, boots: [u64; 3]) -> Option<String> {
    let nodes = || before.iter().zip(after);
    for (before, after) in nodes() {
        let mut both = before.iter().filter_map(|(key, version)| Some((key, version, after.get(key)?)));
        if let Some((key, before, after)) = both.find(|(_, before, after)| after < before) {
            return Some(format!("the version of {key:?} went back from {before:?} to {after:?}"));
        }
    }
    match step {
        Step::Deliver(_, node) => {
            let own = |versions: &Versions| -> Versions {
                let is_own = |holder: &Option<(Box<str>, u64)>| {
                    holder.as_ref().is_some_and(|(id, boot)| (&**id, *boot) == (IDS[*node], boots[*node]))
                };
                versions
                    .iter()
                    .filter(|((_, _, holder), _)| is_own(holder))
                    .map(|(k, v)| (k.clone(), v.clone()))
                    .collect()
            };
            let (before, after) = (own(&before[*node]), own(&after[*node]));
            (before != after).then(|| format!("what {} holds was changed by others: {before:?} {after:?}", IDS[*node]))
        }
        Step::Expire(node) => {
            let gone = before[*node].iter().filter(|(key, _)| !after[*node].contains_key(*key));
            let mut others = gone.filter(|(_, (_, id, boot, _))| (&**id, *boot) != (IDS[*node], boots[*node]));
            others.next().map(|(key, version)| format!("{} has removed {key:?}, which is {version:?}", IDS[*node]))
        }
        _ => None,
    }
}

/// Plays so many worlds, always the same ones, and says what was wrong in the first that went wrong.
fn first_failure(cases: u32) -> Option<String> {
    let config = Config { cases, max_shrink_iters: 0, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    match runner.run(&prop::collection::vec(step(), 1..80), play) {
        Ok(()) => None,
        Err(TestError::Fail(reason, _) | TestError::Abort(reason)) => Some(reason.to_string()),
    }
}

#[test]
fn each_rule_is_missed_where_it_is_left_out() {
    assert_eq!(first_failure(1_000), None);
    for (rule, complaint) in [
        (Rule::NewerCounts, "went back"),
        (Rule::EpochDecides, "went back"),
        (Rule::TakingOverRaisesEpoch, "went back"),
        (Rule::OwnIsOwn, "was changed by others"),
        (Rule::HolderTimesBeats, "has removed"),
    ] {
        let failure = rules::without(rule, || first_failure(5_000));
        let failure = failure.unwrap_or_else(|| panic!("nobody misses {rule:?}"));
        // Or it goes so far that nodes do not agree in the end.
        assert!([complaint, "no agreement"].iter().any(|part| failure.contains(part)), "{rule:?}: {failure}");
    }
}
