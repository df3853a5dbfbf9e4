//! Three nodes whose messages are lost, late, doubled and out of order, until they compare their digests.

use super::*;
use proptest::prelude::*;

pub(super) const KEYS: [(&str, &str, &str); 2] = [KEY, ("public", "DEFAULT_GROUP", "other")];

#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A connection of a node publishes instances (their addresses, and a weight for all).
    Publish(usize, u64, usize, Vec<u8>, u8),
    Close(usize, u64),
    Withdraw(usize, u64, usize),
    /// An address registers at, beats at, leaves a node.
    Register(usize, u8, usize, u8),
    Beat(usize, u8, usize),
    Deregister(usize, u8, usize),
    Expire(usize),
    /// Notes what a node has to say, for later.
    Say(usize),
    /// Delivers one of all messages that there ever were.
    Deliver(prop::sample::Index, usize),
    Adopt(usize, usize),
    Restart(usize),
    /// A node forgets what it removed itself, up to a revision, and what others have removed that is old.
    Forget(usize, u64),
    Pass(u64),
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let (node, key, address) = (0..3usize, 0..2usize, 0..4u8);
    prop_oneof![
        4 => (node.clone(), 0..3u64, key.clone(), prop::collection::vec(0..4u8, 0..3), 1..4u8)
            .prop_map(|(n, c, k, i, w)| Step::Publish(n, c, k, i, w)),
        1 => (node.clone(), 0..3u64).prop_map(|(n, c)| Step::Close(n, c)),
        1 => (node.clone(), 0..3u64, key.clone()).prop_map(|(n, c, k)| Step::Withdraw(n, c, k)),
        3 => (node.clone(), address.clone(), key.clone(), 1..4u8).prop_map(|(n, a, k, w)| Step::Register(n, a, k, w)),
        3 => (node.clone(), address.clone(), key.clone()).prop_map(|(n, a, k)| Step::Beat(n, a, k)),
        2 => (node.clone(), address, key).prop_map(|(n, a, k)| Step::Deregister(n, a, k)),
        1 => node.clone().prop_map(Step::Expire),
        6 => node.clone().prop_map(Step::Say),
        8 => (any::<prop::sample::Index>(), node.clone()).prop_map(|(m, n)| Step::Deliver(m, n)),
        1 => (node.clone(), node.clone()).prop_map(|(n, of)| Step::Adopt(n, of)),
        1 => node.clone().prop_map(Step::Restart),
        1 => (node, prop::sample::select(vec![0, u64::MAX])).prop_map(|(n, up_to)| Step::Forget(n, up_to)),
        2 => prop::sample::select(vec![0, 1, 3_000, 16_000, 61_000]).prop_map(Step::Pass),
    ]
}

pub(super) struct World {
    nodes: [Registry; 3],
    boots: [u64; 3],
    now_ms: u64,
    messages: Vec<Vec<u8>>,
}

/// Of comparing all with all: then the responsible node knows all that there is to adopt, and has adopted it.
const ADOPTED_AFTER_ROUNDS: usize = 2;

pub(super) const IDS: [&str; 3] = ["a", "b", "c"];

fn weighted(ip: u8, weight: u8) -> Instance {
    Instance { weight: weight.into(), ..instance(&format!("10.0.0.{ip}"), 80) }
}

fn address(ip: u8) -> Publisher {
    Publisher::address(&format!("10.0.0.{ip}"), 80, true)
}

impl World {
    fn new() -> Self {
        Self { nodes: IDS.map(node), boots: [1; 3], now_ms: NOW_MS, messages: Vec::new() }
    }

    fn apply(&mut self, step: Step) {
        let now_ms = self.now_ms;
        match step {
            Step::Publish(node, connection, key, ips, weight) => {
                let instances = ips.into_iter().map(|ip| weighted(ip, weight)).collect();
                let publisher = Publisher::Connection(connection);
                self.nodes[node].publish(&publisher, KEYS[key], instances, now_ms).unwrap();
            }
            Step::Close(node, connection) => {
                self.nodes[node].drop_publisher(&Publisher::Connection(connection), now_ms);
            }
            Step::Withdraw(node, connection, key) => {
                self.nodes[node].withdraw(&Publisher::Connection(connection), KEYS[key], now_ms);
            }
            Step::Register(node, ip, key, weight) => {
                let given = vec![weighted(ip, weight)];
                self.nodes[node].publish(&address(ip), KEYS[key], given, now_ms).unwrap();
            }
            Step::Beat(node, ip, key) => {
                self.nodes[node].beat(&format!("10.0.0.{ip}"), 80, KEYS[key], now_ms);
            }
            Step::Deregister(node, ip, key) => {
                self.nodes[node].withdraw(&address(ip), KEYS[key], now_ms);
            }
            Step::Expire(node) => {
                self.nodes[node].expire(now_ms, true);
            }
            Step::Say(node) => self.messages.extend(self.nodes[node].distro_take_changes(300)),
            Step::Deliver(message, node) => {
                if !self.messages.is_empty() {
                    let batch = message.get(&self.messages).clone();
                    let applied = self.nodes[node].distro_apply(&batch, now_ms).unwrap();
                    self.messages.extend(Some(applied.ours).filter(|ours| !ours.is_empty()));
                }
            }
            Step::Adopt(node, of) => {
                self.nodes[node].distro_adopt((IDS[of], self.boots[of]), now_ms);
            }
            Step::Restart(node) => {
                self.boots[node] += 1;
                self.nodes[node] = run(IDS[node], self.boots[node]);
            }
            Step::Forget(node, up_to) => {
                self.nodes[node].distro_forget_removals(now_ms, up_to);
            }
            Step::Pass(time_ms) => self.now_ms += time_ms,
        }
    }

    /// Compares all with all until there is nothing to repair, and drops and adopts what earlier runs left.
    fn settle(&mut self) {
        for round in 0..6 {
            for (from, to) in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)] {
                let [one, other] = self.nodes.get_disjoint_mut([from, to]).unwrap();
                repair(one, (IDS[from], self.boots[from]), other, self.now_ms);
                for view in one.distro_holders().iter().skip(1) {
                    complete(one, (&view.node_id, view.boot), other, self.now_ms);
                }
            }
            for node in 0..3 {
                let known = self.nodes[node].distro_holders();
                let is_over = |view: &&HolderView| {
                    let id = IDS.iter().position(|id| *id == &*view.node_id).unwrap();
                    view.boot < self.boots[id]
                };
                for view in known.iter().filter(is_over) {
                    // One node is responsible, as far as that is the same everywhere.
                    if node == 0 {
                        self.nodes[node].distro_adopt((&view.node_id, view.boot), self.now_ms);
                    }
                    // What the responsible node has seen go nobody adopts: that ends with the grace of addresses.
                    let is_abandoned = round >= ADOPTED_AFTER_ROUNDS;
                    self.nodes[node].distro_drop((&view.node_id, view.boot), is_abandoned, self.now_ms);
                }
            }
            let all = self.nodes.each_ref().map(all_figures);
            if round > 0 && all[0] == all[1] && all[1] == all[2] {
                return;
            }
        }
        panic!("no agreement: {:#?}", self.nodes.each_ref().map(all_figures));
    }
}

/// The list of a service from scratch: of each instance, what its newest holder has of it.
fn expected(registry: &Registry, key: usize) -> Vec<String> {
    let mut entries = registry.instances(KEYS[key]);
    let mut all = Vec::new();
    for view in registry.distro_publishers(KEYS[key]) {
        let rank = (view.published_ms, view.node_id, view.boot);
        all.extend(entries.by_ref().take(view.instances).map(|(_, instance)| (instance, rank.clone())));
    }
    let newest = |of: &Instance| all.iter().filter(|(other, _)| other.ip == of.ip).map(|(_, rank)| rank).max();
    let is_shown = |(instance, rank): &&(&Instance, (Option<u64>, Box<str>, u64))| {
        newest(instance).is_some_and(|newest| (&newest.1, newest.2) == (&rank.1, rank.2))
    };
    let shown = all.iter().filter(is_shown);
    let mut list: Vec<_> = shown.map(|(of, _)| format!("{} {:?} {}", of.ip, of.weight, of.healthy)).collect();
    list.sort();
    list.dedup();
    list
}

fn shown(registry: &mut Registry, key: usize) -> Vec<String> {
    let mut out = Vec::new();
    registry.write_service_info(KEYS[key], &View::default(), NOW_MS, &mut out);
    let info: serde_json::Value = serde_json::from_slice(&out).unwrap();
    let of = |host: &serde_json::Value| {
        format!("{} {:?} {}", host["ip"].as_str().unwrap(), host["weight"].as_f64().unwrap(), host["healthy"])
    };
    let mut list: Vec<_> = info["hosts"].as_array().unwrap().iter().map(of).collect();
    list.sort();
    list
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn whatever_happens_to_messages_all_agree_after_comparing(steps in prop::collection::vec(step(), 1..80)) {
        play(steps)?;
    }
}

/// Plays one history, and looks at everything on the way and in the end.
pub(super) fn play(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut world = World::new();
    for step in steps {
        let before = world.nodes.each_ref().map(laws::versions);
        world.apply(step.clone());
        let after = world.nodes.each_ref().map(laws::versions);
        let broken = laws::broken(&before, &after, &step, world.boots);
        prop_assert!(broken.is_none(), "{:?}", broken);
        for node in &mut world.nodes {
            for key in 0..KEYS.len() {
                prop_assert_eq!(shown(node, key), expected(node, key));
            }
        }
    }
    world.settle();
    for (key, parts) in KEYS.into_iter().enumerate() {
        let digests = world.nodes.each_ref().map(|node| node.service_digest(parts).unwrap_or(0));
        prop_assert_eq!(digests, [digests[0]; 3]);
        let [one, two, three] = &mut world.nodes;
        let lists = [shown(one, key), shown(two, key), shown(three, key)];
        prop_assert_eq!(&lists[0], &lists[1]);
        prop_assert_eq!(&lists[0], &lists[2]);
    }
    // A list from scratch, and all that went: nothing is left in any sum.
    for (node, id) in world.nodes.iter_mut().zip(IDS) {
        let others = node.distro_holders();
        for view in others.iter().filter(|view| &*view.node_id != id) {
            for ip in 0..4 {
                for key in KEYS {
                    node.withdraw(&address(ip), key, world.now_ms);
                }
            }
            node.distro_drop((&view.node_id, view.boot), false, world.now_ms);
        }
        for connection in 0..3 {
            node.drop_publisher(&Publisher::Connection(connection), world.now_ms);
        }
        for ip in 0..4 {
            for key in KEYS {
                node.withdraw(&address(ip), key, world.now_ms);
            }
        }
        for key in KEYS {
            prop_assert_eq!(node.service_digest(key).unwrap_or(0), 0);
        }
        prop_assert_eq!(node.distro_holders().len(), 1);
        let left = &node.distro_holders()[0];
        prop_assert_eq!((left.records, left.instances, left.digest), (0, 0, 0));
        prop_assert_eq!(node.counts().instances, 0);
    }
    Ok(())
}
