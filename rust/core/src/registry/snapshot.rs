//! Persistent instances as bytes and back. Ephemeral ones are not kept: their publishers live, or they are gone.

use super::Registry;
use super::binary::{Content, Reader, SnapshotError, Write};
use super::metadata::Metadata;
use super::model::{ClusterName, Instance, Publisher};

/// The fewest bytes that an encoded publication, instance and metadata pair take.
const PUBLICATION_BYTES_MIN: usize = 4 * 4 + 2 + 4;
pub(super) const INSTANCE_BYTES_MIN: usize = 4 + 2 + 8 + 1 + 4 + 1 + 4;
const PAIR_BYTES_MIN: usize = 2 * 4;

const HEALTHY: u8 = 1;
const ENABLED: u8 = 2;

impl Registry {
    /// Appends all persistent publications: services in key order, in each the oldest publication first, so that
    /// nodes that hold the same write the same.
    pub fn encode_persistent(&self, out: &mut Vec<u8>) {
        let mut services: Vec<_> = self.services.iter().filter(|(_, service)| service.persistent_count > 0).collect();
        services.sort_unstable_by_key(|(_, service)| service.key.parts());
        let oldest_first = |service: u32| {
            let is_persistent = |link: &u32| {
                let holder = self.publications.get(*link).holder;
                !self.publishers.get(holder).publisher.is_ephemeral()
            };
            let newest_first: Vec<_> = self.publications.of_subject(service).filter(is_persistent).collect();
            newest_first.into_iter().rev()
        };
        let links: Vec<_> = services.iter().flat_map(|(service, _)| oldest_first(*service)).collect();
        out.extend_from_slice(&Content::PersistentInstances.header());
        out.put_count(links.len());
        for link in links {
            let link = self.publications.get(link);
            let (namespace, group, name) = self.services.get(link.subject).key.parts();
            let Publisher::Address { ip, port, .. } = &self.publishers.get(link.holder).publisher else { continue };
            for text in [namespace, group, name, ip] {
                out.put_bytes(text.as_bytes());
            }
            out.put_u16(*port);
            let entries = link.value.entries.as_slice();
            out.put_count(entries.len());
            for entry in entries {
                encode_instance(out, &entry.instance);
            }
        }
    }

    /// Replaces all persistent instances by those of a snapshot and returns how many publications those are.
    ///
    /// # Errors
    /// If the bytes are no such snapshot; nothing has changed then.
    pub fn restore_persistent(&mut self, bytes: &[u8], now_ms: u64) -> Result<usize, SnapshotError> {
        let publications = decode(bytes)?;
        for publisher in self.publishers.persistent() {
            self.drop_publisher(&publisher, now_ms);
        }
        let count = publications.len();
        for (publisher, key, instances) in publications {
            let published = self.publish(&publisher, key, instances, now_ms);
            debug_assert!(published.is_ok(), "what is persistent is never refused");
        }
        Ok(count)
    }
}

type Decoded<'a> = (Publisher, (&'a str, &'a str, &'a str), Vec<Instance>);

fn decode(bytes: &[u8]) -> Result<Vec<Decoded<'_>>, SnapshotError> {
    let mut reader = Reader::new(bytes, Content::PersistentInstances)?;
    let count = reader.count(PUBLICATION_BYTES_MIN)?;
    let mut publications = Vec::new();
    for _ in 0..count {
        let key = (reader.text("namespace")?, reader.text("group")?, reader.text("service name")?);
        let ip = reader.text("address")?;
        let publisher = Publisher::address(ip, reader.u16()?, false);
        let instances = reader.count(INSTANCE_BYTES_MIN)?;
        let instances = (0..instances).map(|_| decode_instance(&mut reader)).collect::<Result<_, _>>()?;
        publications.push((publisher, key, instances));
    }
    reader.finish()?;
    Ok(publications)
}

pub(super) fn encode_instance(out: &mut Vec<u8>, instance: &Instance) {
    out.put_bytes(instance.ip.as_bytes());
    out.put_u16(instance.port);
    out.put_u64(instance.weight.to_bits());
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    out.put_u8(flag(instance.healthy, HEALTHY) | flag(instance.enabled, ENABLED));
    out.put_bytes(instance.cluster.as_str().as_bytes());
    out.put_optional(instance.instance_id.as_deref());
    out.put_count(instance.metadata.iter().count());
    for (key, value) in instance.metadata.iter() {
        out.put_bytes(key.as_bytes());
        out.put_bytes(value.as_bytes());
    }
}

pub(super) fn decode_instance(reader: &mut Reader<'_>) -> Result<Instance, SnapshotError> {
    let (ip, port, weight) = (reader.text("address")?, reader.u16()?, f64::from_bits(reader.u64()?));
    let flags = reader.u8()?;
    if flags & !(HEALTHY | ENABLED) != 0 {
        return Err(reader.invalid("flags"));
    }
    let cluster = ClusterName::new(reader.text("cluster")?);
    let instance_id = reader.optional("instance id")?.map(Box::from);
    let pairs = (0..reader.count(PAIR_BYTES_MIN)?).map(|_| Ok((reader.text("metadata")?, reader.text("metadata")?)));
    let metadata = pairs.collect::<Result<Vec<_>, _>>()?.into_iter().collect::<Metadata>();
    let (healthy, enabled) = (flags & HEALTHY != 0, flags & ENABLED != 0);
    Ok(Instance { ip: ip.into(), port, weight, healthy, enabled, ephemeral: false, cluster, metadata, instance_id })
}
