//! Nanoseconds per operation of the stores: `cargo run --release --example store_speed`. On Linux it is processor time
//! that is counted, so that what else runs on the machine disturbs less.

use bytes::Bytes;
use nacos_core::configs::{Asker, Config, Configs};
use nacos_core::registry::{Instance, KeyParts, Metadata, Publisher, Registry, View};
use std::hint::black_box;
use std::time::{Duration, Instant};

const RUN: Duration = Duration::from_millis(300);
const NOW_MS: u64 = 1_795_435_036_797;
const MANY: usize = 100_000;

fn main() {
    answers();
    changes();
    beats();
    configs();
}

/// Seconds that this program has run: on a processor if the system tells, else by the clock since `begun`.
fn seconds(begun: Instant) -> f64 {
    let on_processor = || {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        Some(text.split(' ').next()?.parse::<u64>().ok()? as f64 / 1e9)
    };
    on_processor().unwrap_or_else(|| begun.elapsed().as_secs_f64())
}

/// Runs `step` with a counter for a while and prints the time of one.
fn measure(name: &str, mut step: impl FnMut(usize)) {
    for number in 0..200 {
        step(number);
    }
    let begun = Instant::now();
    let before = seconds(begun);
    let mut count = 0;
    while begun.elapsed() < RUN {
        for _ in 0..50 {
            step(count);
            count += 1;
        }
    }
    println!("{name:56} {:>10.0} ns", (seconds(begun) - before) * 1e9 / count as f64);
}

/// Times `action` once.
fn once(name: &str, action: impl FnOnce()) {
    // By the clock: the system counts processor time in steps too coarse for one run.
    let begun = Instant::now();
    action();
    println!("{name:56} {:>10.0} µs", begun.elapsed().as_secs_f64() * 1e6);
}

fn key(name: &str) -> KeyParts<'_> {
    ("public", "DEFAULT_GROUP", name)
}

fn address(number: usize) -> String {
    format!("10.{}.{}.{}", number >> 16 & 255, number >> 8 & 255, number & 255)
}

fn instance(ip: &str, service: &str) -> Instance {
    let metadata = Metadata::from_iter([("version", "1.0.0"), ("preserved.register.source", "SPRING_CLOUD")]);
    let instance_id = Some(format!("{ip}#8080#DEFAULT#DEFAULT_GROUP@@{service}").into());
    Instance { metadata, instance_id, ..Instance::new(ip, 8080) }
}

/// A registry with one service of so many instances, each of its own connection.
fn registry(instances: usize) -> Registry {
    let mut registry = Registry::new([7; 16]);
    for number in 0..instances {
        let given = vec![instance(&address(number), "orders")];
        registry.publish(&Publisher::Connection(number as u64), key("orders"), given, NOW_MS).expect("one kind");
    }
    registry
}

fn answers() {
    for count in [1, 100] {
        let mut registry = registry(count);
        let mut out = Vec::new();
        measure(&format!("write_service_info, {count} instances, kept"), |_| {
            out.clear();
            registry.write_service_info(key("orders"), &View::default(), NOW_MS, &mut out);
            black_box(&out);
        });
        let body = out.clone();
        measure(&format!("  for comparison: a copy of its {} bytes", body.len()), |_| {
            out.clear();
            out.extend_from_slice(black_box(&body));
            black_box(&out);
        });
        let given = instance("10.255.0.1", "orders");
        measure(&format!("publish a change + write_service_info, {count} instances"), |number| {
            let given = Instance { port: (number & 1) as u16, ..given.clone() };
            registry.publish(&Publisher::Connection(0), key("orders"), vec![given], NOW_MS).expect("one kind");
            out.clear();
            registry.write_service_info(key("orders"), &View::default(), NOW_MS, &mut out);
            black_box(&out);
        });
    }
    let mut registry = registry(1);
    let mut out = Vec::new();
    measure("write_service_info, unknown service", |_| {
        out.clear();
        registry.write_service_info(key("unknown"), &View::default(), NOW_MS, &mut out);
        black_box(&out);
    });
}

fn changes() {
    for count in [1, 10_000] {
        let mut registry = registry(count);
        let given = instance("10.255.0.1", "orders");
        measure(&format!("publish a change to one of {count} instances (+ clone)"), |number| {
            let given = Instance { port: (number & 1) as u16, ..given.clone() };
            registry.publish(&Publisher::Connection(0), key("orders"), vec![given], NOW_MS).expect("one kind");
        });
        measure(&format!("publish + withdraw beside {count} instances (+ clone)"), |_| {
            let publisher = Publisher::Connection(u64::MAX);
            registry.publish(&publisher, key("orders"), vec![given.clone()], NOW_MS).expect("one kind");
            registry.withdraw(&publisher, key("orders"), NOW_MS);
        });
    }
    let given = instance("10.255.0.1", "orders");
    measure("  for comparison: the clone", |_| drop(black_box(vec![given.clone()])));
    let mut registry = registry(1);
    measure("publish + drop of a new connection (+ clone)", |number| {
        let publisher = Publisher::Connection(number as u64 + 10);
        registry.publish(&publisher, key("orders"), vec![given.clone()], NOW_MS).expect("one kind");
        registry.drop_publisher(&publisher, NOW_MS);
    });
    measure("subscribe + unsubscribe", |number| {
        registry.subscribe(number as u64, key("orders"), "");
        registry.unsubscribe(number as u64, key("orders"));
        registry.take_subscribed();
    });
}

fn beats() {
    let mut registry = Registry::new([7; 16]);
    let services: Vec<_> = (0..MANY / 10).map(|number| format!("com.example.service-{number:05}")).collect();
    let addresses: Vec<_> = (0..MANY).map(address).collect();
    once("registering 100,000 addresses in 10,000 services", || {
        for (number, ip) in addresses.iter().enumerate() {
            let service = &services[number % services.len()];
            let publisher = Publisher::address(ip, 8080, true);
            registry.publish(&publisher, key(service), vec![instance(ip, service)], NOW_MS).expect("one kind");
        }
    });
    once("take_changed of 10,000 services", || drop(black_box(registry.take_changed())));
    measure("beat of one in 100,000, in turn", |number| {
        let number = number * 7919 % MANY;
        black_box(registry.beat(&addresses[number], 8080, key(&services[number % services.len()]), NOW_MS + 1));
    });
    let mut out = Vec::new();
    once("write_service_info, 10 instances, 10,000 services, first", || {
        for service in &services {
            out.clear();
            registry.write_service_info(key(service), &View::default(), NOW_MS, &mut out);
        }
    });
    measure("write_service_info, 10 instances, 10,000 services in turn", |number| {
        out.clear();
        registry.write_service_info(key(&services[number * 7919 % services.len()]), &View::default(), NOW_MS, &mut out);
    });
    once("expire, 100,000 addresses, none late", || {
        black_box(registry.expire(NOW_MS + 100, true));
    });
    once("clean_empty_services, 10,000 services, none empty", || {
        black_box(registry.clean_empty_services(NOW_MS + 100, 60_000));
    });
    once("expire, 100,000 addresses, all late, first portion", || {
        black_box(registry.expire(NOW_MS + 20_000, true));
    });
}

fn configs() {
    let mut configs = Configs::new([7; 16]);
    let names: Vec<_> = (0..10_000).map(|number| format!("com.example.app-{number:05}.yaml")).collect();
    let content = Bytes::from(vec![b'x'; 1024]);
    for name in &names {
        configs.put(key(name), Config { content: content.clone(), ..Config::default() });
    }
    let md5 = configs.md5_of(key(&names[0])).to_owned();
    measure("configs: get of 10,000", |number| {
        black_box(configs.get(key(&names[number * 7919 % names.len()])));
    });
    measure("configs: listen again, unchanged", |number| {
        black_box(configs.listen(number as u64 % 10, &Asker::default(), key(&names[number % 1000]), "", &md5));
    });
    measure("configs: put of 1 KB", |number| {
        configs.put(key(&names[number % names.len()]), Config { content: content.clone(), ..Config::default() });
    });
}
