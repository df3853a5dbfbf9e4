//! How much memory the stores take, counted by the allocator. One test, so that nothing else allocates meanwhile.

use nacos_core::configs::Configs;
use nacos_core::registry::{Instance, Metadata, Publisher, Registry, View};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

struct Counting;

static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);
static PEAK_BYTES: AtomicUsize = AtomicUsize::new(0);

/// What a block of this size takes in a common allocator: eight bytes of its own, in steps of sixteen, at least 32.
fn taken(size: usize) -> usize {
    (size + 8).next_multiple_of(16).max(32)
}

fn add(size: usize) {
    let live = LIVE_BYTES.fetch_add(taken(size), Relaxed) + taken(size);
    PEAK_BYTES.fetch_max(live, Relaxed);
}

// SAFETY: every call goes to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(taken(layout.size()), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const INSTANCES: usize = 100_000;
const SERVICES: usize = INSTANCES / 10;
/// What the test harness may allocate or free meanwhile on its own thread.
const HARNESS_BYTES_MAX: usize = 16 * 1024;
const NOW_MS: u64 = 1_795_435_036_797;

fn live_bytes() -> usize {
    LIVE_BYTES.load(Relaxed)
}

fn address(number: usize) -> String {
    format!("10.{}.{}.{}", number >> 16, number >> 8 & 255, number & 255)
}

fn instance(ip: &str, service: &str) -> Instance {
    let metadata = Metadata::from_iter([("version", "1.0.0"), ("preserved.register.source", "SPRING_CLOUD")]);
    let instance_id = Some(format!("{ip}#8080#DEFAULT#DEFAULT_GROUP@@{service}").into());
    Instance { metadata, instance_id, ..Instance::new(ip, 8080) }
}

/// Registers all, and returns the bytes an instance takes: registered, and with every service's list kept rendered.
fn bytes_per_instance(publisher: impl Fn(usize, &str) -> Publisher) -> (usize, usize) {
    let before = live_bytes();
    let mut registry = Registry::new([7; 16]);
    let service = |number: usize| format!("com.example.service-{number:05}");
    for number in 0..INSTANCES {
        let ip = address(number);
        let service = service(number % SERVICES);
        let given = vec![instance(&ip, &service)];
        registry.publish(&publisher(number, &ip), ("public", "DEFAULT_GROUP", &service), given, NOW_MS).unwrap();
    }
    registry.take_changed();
    let registered = (live_bytes() - before) / INSTANCES;
    let mut out = Vec::new();
    for number in 0..SERVICES {
        out.clear();
        registry.write_service_info(("public", "DEFAULT_GROUP", &service(number)), &View::default(), NOW_MS, &mut out);
    }
    drop(out);
    let answered = (live_bytes() - before) / INSTANCES;
    assert_eq!(registry.counts().instances, INSTANCES);
    for number in 0..INSTANCES {
        registry.drop_publisher(&publisher(number, &address(number)), NOW_MS);
    }
    registry.take_changed();
    assert_eq!(registry.clean_empty_services(NOW_MS, 0), SERVICES);
    let left = (live_bytes() - before) / INSTANCES;
    assert!(left < 16, "{left} bytes per instance that was there once");
    drop(registry);
    let kept = live_bytes().abs_diff(before);
    assert!(kept < HARNESS_BYTES_MAX, "{kept} bytes are not given back");
    (registered, answered)
}

/// What an instance takes on a node that replicates: at the node that holds it, and at another one.
fn replicated_bytes_per_instance() -> (usize, usize) {
    let before = live_bytes();
    let [mut holder, mut other] = ["a", "b"].map(|id| {
        let mut registry = Registry::new([7; 16]);
        registry.distro_open(id, 1).unwrap();
        registry
    });
    for number in 0..INSTANCES {
        let (ip, service) = (address(number), format!("com.example.service-{:05}", number % SERVICES));
        let given = vec![instance(&ip, &service)];
        let publisher = Publisher::Connection(number as u64);
        holder.publish(&publisher, ("public", "DEFAULT_GROUP", &service), given, NOW_MS).unwrap();
    }
    holder.take_changed();
    let mut told = Vec::new();
    while let Some(batch) = holder.distro_take_changes(1 << 20) {
        told.push(batch);
    }
    let told_bytes: usize = told.iter().map(|batch| taken(batch.capacity())).sum();
    let held = (live_bytes() - before - told_bytes) / INSTANCES;
    told.iter().for_each(|batch| assert!(other.distro_apply(batch, NOW_MS).unwrap().applied > 0));
    drop(told);
    other.take_changed();
    (held, (live_bytes() - before) / INSTANCES - held)
}

/// The most memory that `action` takes above what was live before.
fn peak_bytes(action: impl FnOnce()) -> usize {
    let before = live_bytes();
    PEAK_BYTES.store(before, Relaxed);
    action();
    PEAK_BYTES.load(Relaxed) - before
}

#[test]
fn instances_are_small_and_snapshots_allocate_no_more_than_they_hold() {
    let by_connection = bytes_per_instance(|number, _| Publisher::Connection(number as u64));
    let by_address = bytes_per_instance(|_, ip| Publisher::address(ip, 8080, true));
    for (name, (registered, answered)) in [("connections", by_connection), ("addresses", by_address)] {
        println!("by {name}: {registered} bytes per instance, {answered} with every list kept rendered");
        assert!(registered < 1_024 && answered < 1_024, "by {name}: {registered}, {answered}");
    }
    let (held, known) = replicated_bytes_per_instance();
    println!("replicated: {held} bytes per instance at its holder, {known} elsewhere");
    assert!(held < 640 && known < 640, "replicated: {held}, {known}");
    for claimed in [u32::MAX, 1 << 20] {
        let lie = [&claimed.to_le_bytes()[..], &[0; 4096]].concat();
        let peak = peak_bytes(|| {
            Registry::new([7; 16]).restore_persistent(&[b"NPI\x01", &lie[..]].concat(), NOW_MS).unwrap_err();
            let mut node = Registry::new([7; 16]);
            node.distro_open("a", 1).unwrap();
            node.distro_apply(&[b"NPB\x01", &lie[..]].concat(), NOW_MS).unwrap_err();
            node.distro_apply(&[b"NPB\x01", &[0; 4], &lie[..]].concat(), NOW_MS).unwrap_err();
            node.distro_records(("a", 1), &[b"NPW\x01", &lie[..]].concat()).unwrap_err();
            node.distro_differences(("a", 1), &[0], &[&b"NPV\x01"[..], &[0; 8], &lie].concat()).unwrap_err();
            Configs::new([7; 16]).restore(&[&b"NCF\x03"[..], &[0; 16], &lie].concat()).unwrap_err();
        });
        assert!(peak < 64 * lie.len(), "{claimed} claimed in {} bytes: {peak} bytes taken", lie.len());
    }
}
