//! What replicating 100,000 publications costs: `cargo run --release --example distro_speed`. Times are by the clock.

use nacos_core::registry::{Instance, Metadata, Publisher, Registry};
use std::time::Instant;

const NOW_MS: u64 = 1_795_435_036_797;
const MANY: usize = 100_000;
const PAGE_BYTES: usize = 256 * 1024;
const A: (&str, u64) = ("a", 1);

fn main() {
    let mut a = node("a");
    let begun = Instant::now();
    for number in 0..MANY {
        publish(&mut a, number, 0);
    }
    tell("100,000 registrations, noted for others", begun, "");
    let begun = Instant::now();
    let mut b = node("b");
    let (mut bytes, mut batches) = (0, 0);
    while let Some(batch) = a.distro_take_changes(PAGE_BYTES) {
        (bytes, batches) = (bytes + batch.len(), batches + 1);
        b.distro_apply(&batch, NOW_MS).expect("it was made by a node");
    }
    tell("told to another node, and applied there", begun, &format!("{bytes} bytes in {batches} batches"));
    let begun = Instant::now();
    let mut c = node("c");
    let mut cursor = Vec::new();
    loop {
        let (batch, next) = b.distro_load(&cursor, PAGE_BYTES).expect("the cursor was given out");
        c.distro_apply(&batch, NOW_MS).expect("it was made by a node");
        if next.is_empty() {
            break;
        }
        cursor = next;
    }
    tell("loaded by a third one", begun, "");
    for number in 0..10 {
        publish(&mut a, number * 7919 % MANY, 1);
    }
    let begun = Instant::now();
    let bytes = repair(&mut a, &mut b);
    tell("10 differences found and repaired", begun, &format!("{bytes} bytes"));
    assert_eq!(a.distro_holders()[0].digest, b.distro_holders()[1].digest, "they are equal again");
    let begun = Instant::now();
    let dropped = c.distro_drop(A, false, NOW_MS);
    tell("connections of a dead node dropped", begun, &format!("{dropped} records"));
}

fn tell(what: &str, begun: Instant, more: &str) {
    println!("{what:48} {:>8.1} ms   {more}", begun.elapsed().as_secs_f64() * 1e3);
}

fn node(id: &str) -> Registry {
    let mut registry = Registry::new([7; 16]);
    registry.distro_open(id, 1).expect("nothing is published yet");
    registry
}

/// Nine in ten by connections, the others by addresses.
fn publish(registry: &mut Registry, number: usize, port: u16) {
    let ip = format!("10.{}.{}.{}", number >> 16 & 255, number >> 8 & 255, number & 255);
    let service = format!("com.example.service-{:05}", number / 10);
    let metadata = Metadata::from_iter([("version", "1.0.0"), ("preserved.register.source", "SPRING_CLOUD")]);
    let instance = Instance { metadata, ..Instance::new(&ip, port) };
    let publisher = match number % 10 {
        0 => Publisher::address(&ip, 8080, true),
        _ => Publisher::Connection(number as u64),
    };
    registry.publish(&publisher, ("public", "DEFAULT_GROUP", &service), vec![instance], NOW_MS).expect("one kind");
}

/// Narrows down what `other` lacks of this holder and repairs it. Returns how many bytes went to and fro.
fn repair(holder: &mut Registry, other: &mut Registry) -> usize {
    let mut bytes = 0;
    let mut different = |holder: &Registry, other: &Registry, parent: Option<usize>| -> Vec<usize> {
        let digests = [holder, other].map(|registry| registry.distro_digests(A, parent).expect("there is such a node"));
        bytes += digests[0].len();
        let pairs = digests[0].chunks(16).zip(digests[1].chunks(16)).enumerate();
        pairs.filter(|(_, (one, two))| one != two).map(|(at, _)| parent.map_or(at, |parent| parent * 64 + at)).collect()
    };
    let nodes = different(holder, other, None);
    let leaves: Vec<usize> = nodes.into_iter().flat_map(|node| different(holder, other, Some(node))).collect();
    let versions = holder.distro_versions(A, &leaves).expect("there are such leaves");
    let found = other.distro_differences(A, &leaves, &versions).expect("these are versions");
    let records = holder.distro_records(A, &found.wanted).expect("these are keys");
    other.distro_apply(&records, NOW_MS).expect("this is a batch");
    bytes + versions.len() + found.wanted.len() + records.len()
}
