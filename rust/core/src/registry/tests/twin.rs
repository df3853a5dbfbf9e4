//! The registry against a twin that keeps plain lists and recomputes everything from scratch.

use super::*;
use crate::limits::{BEAT_TIMEOUT_MS_DEFAULT, DELETE_TIMEOUT_MS_DEFAULT, IDLE_PUBLISHER_MS};
use crate::registry::digest::Digester;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const CLEAN_MS: u64 = 60_000;

/// One thing that happens. Small numbers name publishers, services and connections.
#[derive(Debug, Clone)]
enum Step {
    Publish(usize, usize, Vec<Instance>),
    Withdraw(usize, usize),
    Drop(usize),
    Beat(usize, usize),
    Expire(bool),
    Clean,
    Say(usize, InstanceName, Option<bool>, Option<f64>, Option<Pairs>),
    Strip(usize, InstanceName, String),
    Threshold(usize, f64),
    Restore,
    Subscribe(u64, usize, &'static str),
    Unsubscribe(u64, usize),
    DropSubscriber(u64),
    Answer(usize, &'static str, bool),
    Take,
    Pass(u64),
}

fn publishers() -> [Publisher; 6] {
    [
        Publisher::Connection(1),
        Publisher::Connection(2),
        Publisher::address("10.0.0.1", 80, true),
        Publisher::address("10.0.0.2", 80, true),
        Publisher::address("10.0.0.1", 80, false),
        Publisher::address("10.0.0.1", 81, false),
    ]
}

const KEYS: [(&str, &str, &str); 4] =
    [("public", "g", "a"), ("public", "g", "b"), ("public", "h", "a"), ("n", "g", "a")];

fn instances() -> impl Strategy<Value = Vec<Instance>> {
    let one = (0u8..3, 0u8..4, any::<(bool, bool)>(), 0u8..2).prop_map(|(ip, cluster, (healthy, enabled), pairs)| {
        let metadata = (0..pairs).map(|number| (format!("k{number}"), "v")).collect();
        let cluster = ["", "c1", "c2", "DEFAULT"][usize::from(cluster)].into();
        Instance { cluster, healthy, enabled: enabled || healthy, metadata, ..instance(&format!("10.0.0.{ip}"), 80) }
    });
    prop::collection::vec(one, 0..4)
}

fn step() -> impl Strategy<Value = Step> {
    let clusters = prop::sample::select(vec!["", "c1", "c1,c2", "DEFAULT"]);
    prop_oneof![
        6 => (0..6usize, 0..4usize, instances()).prop_map(|(p, k, i)| Step::Publish(p, k, i)),
        2 => (0..6usize, 0..4usize).prop_map(|(p, k)| Step::Withdraw(p, k)),
        1 => (0..6usize).prop_map(Step::Drop),
        3 => (0..6usize, 0..4usize).prop_map(|(p, k)| Step::Beat(p, k)),
        2 => any::<bool>().prop_map(Step::Expire),
        1 => Just(Step::Clean),
        3 => (0..4usize, name(), any::<Option<bool>>(), prop::sample::select(vec![None, Some(0.0), Some(2.5)]),
            prop::option::of(prop::collection::btree_map("k[01]", "[vw]", 0..3)))
            .prop_map(|(k, name, enabled, weight, metadata)| Step::Say(k, name, enabled, weight, metadata)),
        1 => (0..4usize, name(), "k[01]").prop_map(|(k, name, pair)| Step::Strip(k, name, pair)),
        1 => (0..4usize, prop::sample::select(vec![0.0, 0.5, 2.0 / 3.0, 1.0])).prop_map(|(k, t)| Step::Threshold(k, t)),
        1 => Just(Step::Restore),
        2 => (1..4u64, 0..4usize, clusters.clone()).prop_map(|(c, k, f)| Step::Subscribe(c, k, f)),
        1 => (1..4u64, 0..4usize).prop_map(|(c, k)| Step::Unsubscribe(c, k)),
        1 => (1..4u64).prop_map(Step::DropSubscriber),
        3 => (0..4usize, clusters, any::<bool>()).prop_map(|(k, f, h)| Step::Answer(k, f, h)),
        2 => Just(Step::Take),
        3 => prop::sample::select(vec![0, 1, 700, 15_001, 40_000, 200_000]).prop_map(Step::Pass),
    ]
}

fn name() -> impl Strategy<Value = InstanceName> {
    let clusters = prop::sample::select(vec!["DEFAULT", "c1", "c2"]);
    (0u8..3, clusters).prop_map(|(ip, cluster)| InstanceName {
        ip: format!("10.0.0.{ip}"),
        port: 80,
        cluster_name: cluster.into(),
    })
}

fn id(name: &InstanceName) -> (String, String) {
    (name.ip.clone(), name.cluster_name.clone())
}

/// What is said of one instance: enabled, weight, metadata.
type Said = (Option<bool>, Option<f64>, Pairs);

/// What one publisher has in one service.
#[derive(Debug, Clone)]
struct Published {
    publisher: usize,
    key: usize,
    instances: Vec<Instance>,
    beat_ms: u64,
}

#[derive(Debug, Default)]
struct Twin {
    now_ms: u64,
    /// In order of publication.
    published: Vec<Published>,
    /// Publishers known, with the time since when they publish nothing.
    known: BTreeMap<usize, Option<u64>>,
    /// Kind of the first publication and time of last change, by service; the order of first registration apart.
    services: BTreeMap<usize, (bool, u64)>,
    order: Vec<usize>,
    /// By service, address and cluster.
    said: BTreeMap<(usize, (String, String)), Said>,
    thresholds: BTreeMap<usize, f64>,
    subscribed: BTreeMap<(u64, usize), &'static str>,
    fresh: Vec<(u64, usize)>,
    /// The list when changes were last taken, and whether an answer was given since the first change after it.
    taken: BTreeMap<usize, Vec<String>>,
    changed: Vec<(usize, bool)>,
    /// The last answer: `lastRefTime` and hosts, by service and view.
    answered: BTreeMap<usize, u64>,
    seen: BTreeMap<(usize, &'static str, bool), (u64, serde_json::Value)>,
}

impl Twin {
    fn list(&self, key: usize) -> Vec<String> {
        let of_key = self.published.iter().filter(|published| published.key == key);
        let instances = of_key.flat_map(|published| &published.instances).map(|instance| self.over(key, instance));
        let shown = instances.filter(|instance| instance.enabled);
        let mut list: Vec<_> = shown.map(|instance| format!("{instance:?}")).collect();
        list.extend(self.thresholds.get(&key).map(|threshold| format!("protected at {threshold}")));
        list.sort();
        list
    }

    /// The instance with what was said of it over what its publisher says.
    fn over(&self, key: usize, instance: &Instance) -> Instance {
        let id = (instance.ip.to_string(), instance.cluster.as_str().to_owned());
        let mut shown = instance.clone();
        if let Some((enabled, weight, metadata)) = self.said.get(&(key, id)) {
            shown.enabled = enabled.unwrap_or(shown.enabled);
            shown.weight = weight.unwrap_or(shown.weight);
            let given = instance.metadata.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
            let mut all: Pairs = given.collect();
            all.extend(metadata.clone());
            shown.metadata = all.into_iter().collect();
        }
        shown
    }

    /// Runs a change and notes which lists it altered and that publishers may have become idle.
    fn change<T>(&mut self, change: impl FnOnce(&mut Self) -> T) -> T {
        let before: Vec<_> = (0..KEYS.len()).map(|key| self.list(key)).collect();
        let result = change(self);
        for (key, before) in before.into_iter().enumerate() {
            if before != self.list(key) && self.changed.iter().all(|(changed, _)| *changed != key) {
                self.changed.push((key, false));
                self.taken.insert(key, before);
            }
        }
        for (publisher, idle) in &mut self.known {
            let busy = self.published.iter().any(|published| published.publisher == *publisher);
            *idle = if busy { None } else { idle.or(Some(self.now_ms)) };
        }
        // A persistent address without instances is nothing.
        self.known.retain(|publisher, idle| *publisher < 4 || idle.is_none());
        result
    }

    fn touch(&mut self, key: usize) {
        if let Some((_, changed_ms)) = self.services.get_mut(&key) {
            *changed_ms = self.now_ms;
        }
    }

    fn is_ephemeral(&self, key: usize) -> Option<bool> {
        let holds_persistent = self.published.iter().any(|of| of.key == key && of.publisher >= 4);
        self.services.get(&key).map(|(first, _)| *first && !holds_persistent)
    }

    fn publish(&mut self, publisher: usize, key: usize, mut instances: Vec<Instance>) -> bool {
        let ephemeral = publisher < 4;
        if ephemeral && self.is_ephemeral(key) == Some(false) {
            return false;
        }
        let (first, changed_ms) = self.services.get(&key).copied().unwrap_or((ephemeral, 0));
        if self.services.insert(key, (first, changed_ms)).is_none() {
            self.order.push(key);
        }
        instances.iter_mut().for_each(|instance| instance.ephemeral = ephemeral);
        self.known.insert(publisher, None);
        let beat_ms = self.now_ms;
        let found = self.published.iter_mut().find(|of| (of.publisher, of.key) == (publisher, key));
        match found {
            Some(of) if of.instances == instances => of.beat_ms = beat_ms,
            Some(of) => {
                (of.instances, of.beat_ms) = (instances, beat_ms);
                self.touch(key);
            }
            None => {
                self.published.push(Published { publisher, key, instances, beat_ms });
                self.touch(key);
            }
        }
        true
    }

    fn remove(&mut self, is_it: impl Fn(&Published) -> bool) -> usize {
        let (gone, kept): (Vec<_>, Vec<_>) = self.published.drain(..).partition(|of| is_it(of));
        self.published = kept;
        gone.iter().for_each(|of| self.touch(of.key));
        gone.len()
    }

    fn beat(&mut self, publisher: usize, key: usize) -> bool {
        if !matches!(publisher, 2 | 3) {
            return false;
        }
        let now_ms = self.now_ms;
        let found = self.published.iter_mut().find(|of| (of.publisher, of.key) == (publisher, key));
        let Some(of) = found.filter(|of| !of.instances.is_empty()) else { return false };
        of.beat_ms = now_ms;
        let heals = of.instances.iter().any(|instance| !instance.healthy);
        of.instances.iter_mut().for_each(|instance| instance.healthy = true);
        if heals {
            self.touch(key);
        }
        true
    }

    fn expire(&mut self, remove_late: bool) -> Expired {
        let now_ms = self.now_ms;
        let mut expired = Expired::default();
        let silent = |of: &Published| if matches!(of.publisher, 2 | 3) { now_ms - of.beat_ms } else { 0 };
        let is_gone =
            |of: &Published| remove_late && !of.instances.is_empty() && silent(of) > DELETE_TIMEOUT_MS_DEFAULT;
        expired.removed = self.published.iter().filter(|of| is_gone(of)).map(|of| of.instances.len()).sum();
        self.remove(is_gone);
        let mut touched = BTreeSet::new();
        for of in self.published.iter_mut().filter(|of| silent(of) > BEAT_TIMEOUT_MS_DEFAULT) {
            for instance in of.instances.iter_mut().filter(|instance| instance.healthy) {
                instance.healthy = false;
                expired.unhealthy += 1;
                touched.insert(of.key);
            }
        }
        touched.into_iter().for_each(|key| self.touch(key));
        expired
    }

    /// Forgets idle addresses and returns how many.
    fn forget(&mut self) -> usize {
        let before = self.known.len();
        let now_ms = self.now_ms;
        self.known.retain(|publisher, idle| {
            !matches!(publisher, 2 | 3) || idle.is_none_or(|since_ms| now_ms <= since_ms + IDLE_PUBLISHER_MS)
        });
        before - self.known.len()
    }

    fn clean(&mut self) -> usize {
        let before = self.services.len();
        let (published, changed, now_ms) = (&self.published, &self.changed, self.now_ms);
        self.services.retain(|key, (_, changed_ms)| {
            published.iter().any(|of| of.key == *key)
                || changed.iter().any(|(of, _)| of == key)
                || now_ms < *changed_ms + CLEAN_MS
        });
        self.order.retain(|key| self.services.contains_key(key));
        before - self.services.len()
    }

    fn take(&mut self) -> BTreeSet<ServiceKey> {
        let changed = std::mem::take(&mut self.changed);
        let keys = changed.into_iter().filter(|(key, seen)| *seen || self.taken[key] != self.list(*key));
        keys.map(|(key, _)| ServiceKey::new(KEYS[key])).collect()
    }

    /// The hosts of a view, rendered by other means.
    fn hosts(&self, key: usize, clusters: &str, healthy_only: bool) -> (serde_json::Value, bool) {
        let mut hosts: Vec<serde_json::Value> = Vec::new();
        for of in self.published.iter().rev().filter(|of| of.key == key) {
            for instance in of.instances.iter().rev().map(|instance| self.over(key, instance)) {
                let cluster = instance.cluster.as_str();
                let in_clusters = clusters.is_empty() || clusters.split(',').any(|name| name == cluster);
                if !in_clusters || !instance.enabled || (healthy_only && !instance.healthy) {
                    continue;
                }
                let mut host = serde_json::json!({
                    "ip": instance.ip, "port": instance.port, "weight": instance.weight, "healthy": instance.healthy,
                    "enabled": true, "ephemeral": instance.ephemeral, "clusterName": cluster,
                    "serviceName": format!("{}@@{}", KEYS[key].1, KEYS[key].2),
                    "metadata": instance.metadata.iter().collect::<BTreeMap<_, _>>(),
                    "instanceHeartBeatInterval": 5000, "instanceHeartBeatTimeOut": 15000, "ipDeleteTimeout": 30000,
                });
                if instance.metadata.is_empty() {
                    host["instanceIdGenerator"] = "simple".into();
                }
                if !hosts.contains(&host) {
                    hosts.push(host);
                }
            }
        }
        let healthy = hosts.iter().filter(|host| host["healthy"] == true).count();
        let reached = self.thresholds.get(&key).is_some_and(|of| healthy as f32 / hosts.len() as f32 <= *of as f32);
        if reached {
            hosts.iter_mut().for_each(|host| host["healthy"] = true.into());
        }
        (hosts.into(), reached)
    }
}

/// Does the same to both and compares what they return.
fn apply(registry: &mut Registry, twin: &mut Twin, step: Step) -> Result<(), TestCaseError> {
    let now_ms = twin.now_ms;
    match step {
        Step::Publish(publisher, key, instances) => {
            let result = registry.publish(&publishers()[publisher], KEYS[key], instances.clone(), now_ms);
            prop_assert_eq!(result.is_ok(), twin.change(|twin| twin.publish(publisher, key, instances)));
        }
        Step::Withdraw(publisher, key) => {
            let found = registry.withdraw(&publishers()[publisher], KEYS[key], now_ms);
            let removed = twin.change(|twin| twin.remove(|of| (of.publisher, of.key) == (publisher, key)));
            prop_assert_eq!(usize::from(found), removed);
        }
        Step::Drop(publisher) => {
            let dropped = registry.drop_publisher(&publishers()[publisher], now_ms);
            prop_assert_eq!(dropped, twin.change(|twin| twin.remove(|of| of.publisher == publisher)));
            twin.known.remove(&publisher);
        }
        Step::Beat(publisher, key) => {
            let Publisher::Address { ip, port, .. } = &publishers()[publisher] else { return Ok(()) };
            // A beat is the ephemeral address's, also where a persistent one has the same ip and port.
            let beating = publishers().iter().position(|of| *of == Publisher::address(ip, *port, true));
            let known = registry.beat(ip, *port, KEYS[key], now_ms) != Beat::Unknown;
            prop_assert_eq!(known, beating.is_some_and(|of| twin.change(|twin| twin.beat(of, key))));
        }
        Step::Expire(remove_late) => {
            let expired = registry.expire(now_ms, remove_late);
            let mut expected = twin.change(|twin| twin.expire(remove_late));
            expected.forgotten = twin.forget();
            prop_assert_eq!(expired, expected);
        }
        Step::Clean => prop_assert_eq!(registry.clean_empty_services(now_ms, CLEAN_MS), twin.clean()),
        Step::Say(key, instance, enabled, weight, metadata) => {
            let place = (key, id(&instance));
            let change = MetadataChange::UpdateInstance { instance, enabled, weight, metadata: metadata.clone() };
            prop_assert_eq!(registry.change_metadata(KEYS[key], change, now_ms), Ok(()));
            twin.change(|twin| {
                let said = twin.said.entry(place).or_default();
                *said = (enabled.or(said.0), weight.or(said.1), metadata.unwrap_or(std::mem::take(&mut said.2)));
            });
        }
        Step::Strip(key, instance, pair) => {
            let place = (key, id(&instance));
            let change = MetadataChange::StripMetadata { instances: vec![instance], keys: vec![pair.clone()] };
            prop_assert_eq!(registry.change_metadata(KEYS[key], change, now_ms), Ok(()));
            twin.change(|twin| twin.said.get_mut(&place).map(|said| said.2.remove(&pair)));
        }
        Step::Threshold(key, threshold) => {
            let fields = ServiceFields {
                ephemeral: true,
                protect_threshold: threshold,
                metadata: Pairs::new(),
                selector: Selector::None,
            };
            prop_assert_eq!(registry.change_metadata(KEYS[key], MetadataChange::UpdateService(fields), now_ms), Ok(()));
            twin.change(|twin| twin.thresholds.insert(key, threshold));
        }
        Step::Restore => {
            let mut bytes = Vec::new();
            registry.encode_metadata(&mut bytes);
            registry.restore_metadata(DecodedMetadata::decode(&bytes).unwrap(), now_ms);
            let mut again = Vec::new();
            registry.encode_metadata(&mut again);
            prop_assert_eq!(bytes, again);
        }
        Step::Subscribe(connection, key, clusters) => {
            registry.subscribe(connection, KEYS[key], clusters);
            if twin.subscribed.insert((connection, key), clusters) != Some(clusters) {
                twin.fresh.push((connection, key));
            }
        }
        Step::Unsubscribe(connection, key) => {
            let found = registry.unsubscribe(connection, KEYS[key]);
            prop_assert_eq!(found, twin.subscribed.remove(&(connection, key)).is_some());
        }
        Step::DropSubscriber(connection) => {
            let before = twin.subscribed.len();
            twin.subscribed.retain(|(of, _), _| *of != connection);
            prop_assert_eq!(registry.drop_subscriber(connection), before - twin.subscribed.len());
        }
        Step::Answer(key, clusters, healthy_only) => answer(registry, twin, key, clusters, healthy_only)?,
        Step::Take => {
            // Within one step (a dropped publisher) the order is the registry's own.
            let changed = registry.take_changed();
            prop_assert_eq!(changed.iter().collect::<BTreeSet<_>>().len(), changed.len());
            prop_assert_eq!(changed.into_iter().collect::<BTreeSet<_>>(), twin.take());
            let fresh: BTreeSet<_> = std::mem::take(&mut twin.fresh).into_iter().collect();
            let standing = fresh.into_iter().filter(|of| twin.subscribed.contains_key(of));
            let expected: BTreeSet<_> = standing.map(|(of, key)| (of, ServiceKey::new(KEYS[key]))).collect();
            prop_assert_eq!(registry.take_subscribed().into_iter().collect::<BTreeSet<_>>(), expected);
        }
        Step::Pass(time_ms) => twin.now_ms += time_ms,
    }
    Ok(())
}

/// Asks for a view and compares the hosts, and `lastRefTime` with the rule that clients need.
fn answer(
    registry: &mut Registry,
    twin: &mut Twin,
    key: usize,
    clusters: &'static str,
    healthy_only: bool,
) -> Result<(), TestCaseError> {
    let mut out = Vec::new();
    let view = View { clusters, healthy_only, grouped_name: false };
    registry.write_service_info(KEYS[key], &view, twin.now_ms, &mut out);
    let info: serde_json::Value = serde_json::from_slice(&out).unwrap();
    let (hosts, reached) = twin.hosts(key, clusters, healthy_only);
    prop_assert_eq!(&info["hosts"], &hosts);
    prop_assert_eq!(&info["reachProtectionThreshold"], reached);
    let stamp = info["lastRefTime"].as_u64().unwrap();
    prop_assert!(stamp >= twin.now_ms && stamp >= twin.answered.insert(key, stamp).unwrap_or(0));
    let before = twin.seen.insert((key, clusters, healthy_only), (stamp, info["hosts"].clone()));
    if let Some((stamp_before, hosts_before)) = before {
        prop_assert!(stamp > stamp_before || hosts_before == info["hosts"], "another list under the same stamp");
    }
    for (changed, seen) in &mut twin.changed {
        *seen |= *changed == key;
    }
    Ok(())
}

/// Compares everything that can be asked without leaving a trace.
fn compare(registry: &Registry, twin: &Twin) -> Result<(), TestCaseError> {
    let mut digester = Digester::new(&[7; 16]);
    for (key, parts) in KEYS.into_iter().enumerate() {
        let of_key = twin.published.iter().filter(|of| of.key == key);
        let expected: Vec<_> = of_key.flat_map(|of| of.instances.iter().map(|i| (of.publisher, i))).collect();
        let all = publishers();
        let found: Vec<_> = registry.instances(parts).collect();
        prop_assert_eq!(found, expected.iter().map(|(of, instance)| (&all[*of], *instance)).collect::<Vec<_>>());
        let shown = expected.iter().map(|(_, instance)| twin.over(key, instance)).filter(|shown| shown.enabled);
        let mut digest = shown.map(|instance| digester.instance(&instance)).sum::<super::super::digest::Digest>();
        if let Some(threshold) = twin.thresholds.get(&key) {
            digest = digest + digester.threshold(*threshold);
        }
        prop_assert_eq!(registry.service_digest(parts).unwrap_or(0), digest.to_u128());
        let mut subscribers: Vec<_> = registry.subscribers(parts).collect();
        subscribers.sort_unstable();
        let expected = twin.subscribed.iter().filter(|((_, of), _)| *of == key).map(|((c, _), f)| (*c, *f));
        prop_assert_eq!(subscribers, expected.collect::<Vec<_>>());
        for connection in 1..4 {
            let expected = twin.subscribed.get(&(connection, key)).copied();
            prop_assert_eq!(registry.subscription(connection, parts), expected);
        }
        prop_assert_eq!(registry.service_is_ephemeral(parts), twin.is_ephemeral(key));
    }
    for (publisher, as_known) in publishers().iter().enumerate() {
        let mut sum = super::super::digest::Digest::default();
        for of in twin.published.iter().filter(|of| of.publisher == publisher) {
            let instances = of.instances.iter().map(|instance| digester.instance(instance)).sum();
            let service = digester.service(KEYS[of.key]);
            sum = sum + digester.publication(service, of.instances.len(), instances);
        }
        let expected = twin.known.contains_key(&publisher).then_some(sum.to_u128());
        prop_assert_eq!(registry.publisher_digest(as_known), expected);
    }
    compare_counts(registry, twin)
}

fn compare_counts(registry: &Registry, twin: &Twin) -> Result<(), TestCaseError> {
    for (namespace, group) in [("public", "g"), ("public", "h"), ("n", "g"), ("n", "h")] {
        let of_group = twin.order.iter().filter(|key| (KEYS[**key].0, KEYS[**key].1) == (namespace, group));
        let names: Vec<_> = of_group.map(|key| KEYS[*key].2).collect();
        prop_assert_eq!(registry.list_services(namespace, group, 1, 10), (names.len(), names));
    }
    let known = |range: std::ops::Range<usize>| twin.known.keys().filter(|of| range.contains(of)).count();
    let expected = Counts {
        services: twin.services.len(),
        instances: twin.published.iter().map(|of| of.instances.len()).sum(),
        subscribers: twin.subscribed.len(),
        connection_publishers: known(0..2),
        address_publishers_ephemeral: known(2..4),
        address_publishers_persistent: known(4..6),
    };
    prop_assert_eq!(registry.counts(), expected);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn the_registry_agrees_with_its_twin(steps in prop::collection::vec(step(), 1..60)) {
        let mut registry = registry();
        let mut twin = Twin { now_ms: NOW_MS, ..Twin::default() };
        for step in steps {
            apply(&mut registry, &mut twin, step)?;
            compare(&registry, &twin)?;
        }
    }
}
