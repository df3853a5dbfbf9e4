//! Records and removals as bytes and back: a table of the holders named, then one after the other.

use super::super::binary::{Content, Reader, SnapshotError, Write};
use super::super::key::KeyParts;
use super::super::links::Links;
use super::super::model::{Instance, Publisher};
use super::super::publication::Publication;
use super::super::publishers::Publishers;
use super::super::services::Services;
use super::super::snapshot::{INSTANCE_BYTES_MIN, decode_instance, encode_instance};
use super::Distro;
use super::holders::HolderName;
use super::removals::{PublisherId, Removal};
use crate::limits::{BATCH_INSTANCES_COUNT_MAX, DISTRO_HOLDERS_COUNT_MAX, DISTRO_NODE_ID_BYTES_MAX};
use std::sync::Arc;

const REMOVED: u8 = 1;
const ADDRESS: u8 = 2;
/// The fewest bytes that a holder and a record take.
const HOLDER_BYTES_MIN: usize = 4 + 8;
const RECORD_BYTES_MIN: usize = 1 + 2 + 4 + 8 + 8 + 3 * 4 + 4 + 2;

/// A batch that is being written.
#[derive(Debug, Default)]
pub(super) struct Batch {
    holders: Vec<Arc<HolderName>>,
    count: usize,
    records: Vec<u8>,
}

impl Batch {
    /// Whether another record may follow: the first one always may.
    pub(super) fn is_below(&self, bytes_max: usize) -> bool {
        self.count == 0 || (self.records.len() < bytes_max && self.holders.len() < DISTRO_HOLDERS_COUNT_MAX)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn holder(&mut self, name: &Arc<HolderName>) -> u16 {
        let known = self.holders.iter().position(|known| known == name);
        let at = known.unwrap_or_else(|| {
            self.holders.push(name.clone());
            self.holders.len() - 1
        });
        u16::try_from(at).expect("a batch is ended before it names so many")
    }

    fn head(&mut self, flags: u8, holder: &Arc<HolderName>, (epoch, revision, published_ms): (u32, u64, u64)) {
        let holder = self.holder(holder);
        self.count += 1;
        self.records.put_u8(flags);
        self.records.put_u16(holder);
        self.records.put_u32(epoch);
        self.records.put_u64(revision);
        self.records.put_u64(published_ms);
    }

    fn key(&mut self, (namespace, group, name): KeyParts<'_>) {
        for text in [namespace, group, name] {
            self.records.put_bytes(text.as_bytes());
        }
    }

    /// Appends a publication as it is now.
    pub(super) fn record(
        &mut self,
        publications: &Links<Publication>,
        publishers: &Publishers,
        services: &Services,
        distro: &Distro,
        link: u32,
    ) {
        let stamp = distro.stamps[link as usize];
        let publication = publications.get(link);
        let publisher = &publishers.get(publication.holder).publisher;
        let flags = if matches!(publisher, Publisher::Address { .. }) { ADDRESS } else { 0 };
        let version = (stamp.epoch, stamp.revision, stamp.published_ms);
        self.head(flags, &distro.holders.get(stamp.holder).name, version);
        self.key(services.get(publication.subject).key.parts());
        match publisher {
            Publisher::Connection(number) | Publisher::Remote { number, .. } => self.records.put_u64(*number),
            Publisher::Address { ip, port, .. } => {
                self.records.put_bytes(ip.as_bytes());
                self.records.put_u16(*port);
            }
        }
        let entries = publication.value.entries.as_slice();
        self.records.put_count(entries.len());
        for entry in entries {
            encode_instance(&mut self.records, &entry.instance);
        }
    }

    /// Appends a removal.
    pub(super) fn removal(&mut self, removal: &Removal) {
        let flags = if matches!(removal.publisher, PublisherId::Address(..)) { ADDRESS } else { 0 };
        self.head(flags | REMOVED, &removal.holder, (removal.epoch, removal.revision, removal.silent_ms));
        self.key(removal.service.parts());
        match &removal.publisher {
            PublisherId::Connection(number) => self.records.put_u64(*number),
            PublisherId::Address(ip, port) => {
                self.records.put_bytes(ip.as_bytes());
                self.records.put_u16(*port);
            }
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.records.len() + 64 * (1 + self.holders.len()));
        out.extend_from_slice(&Content::Publications.header());
        out.put_count(self.holders.len());
        for holder in &self.holders {
            out.put_bytes(holder.node_id.as_bytes());
            out.put_u64(holder.boot);
        }
        out.put_count(self.count);
        out.extend_from_slice(&self.records);
        out
    }
}

/// The publisher of a record that was read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Publishing<'a> {
    Connection(u64),
    Address(&'a str, u16),
}

/// A record or removal that was read.
#[derive(Debug)]
pub(super) struct Record<'a> {
    /// Its place among the holders of the batch.
    pub(super) holder: usize,
    pub(super) epoch: u32,
    pub(super) revision: u64,
    /// Of a removal: `Removal::silent_ms`.
    pub(super) published_ms: u64,
    pub(super) key: KeyParts<'a>,
    pub(super) publisher: Publishing<'a>,
    /// None if it was removed.
    pub(super) instances: Option<Vec<Instance>>,
}

/// A batch that was read.
#[derive(Debug)]
pub(super) struct Decoded<'a> {
    pub(super) holders: Vec<(&'a str, u64)>,
    pub(super) records: Vec<Record<'a>>,
}

pub(super) fn decode(bytes: &[u8]) -> Result<Decoded<'_>, SnapshotError> {
    let mut reader = Reader::new(bytes, Content::Publications)?;
    let count = reader.count(HOLDER_BYTES_MIN)?;
    if count > DISTRO_HOLDERS_COUNT_MAX {
        return Err(reader.invalid("count of holders"));
    }
    let holders = (0..count).map(|_| decode_holder(&mut reader)).collect::<Result<Vec<_>, _>>()?;
    let count = reader.count(RECORD_BYTES_MIN)?;
    let mut records = Vec::new();
    for _ in 0..count {
        records.push(decode_record(&mut reader, holders.len())?);
    }
    reader.finish()?;
    Ok(Decoded { holders, records })
}

fn decode_holder<'a>(reader: &mut Reader<'a>) -> Result<(&'a str, u64), SnapshotError> {
    let node_id = reader.text("node id")?;
    if node_id.len() > DISTRO_NODE_ID_BYTES_MAX {
        return Err(reader.invalid("node id"));
    }
    Ok((node_id, reader.u64()?))
}

fn decode_record<'a>(reader: &mut Reader<'a>, holders_count: usize) -> Result<Record<'a>, SnapshotError> {
    let flags = reader.u8()?;
    if flags & !(REMOVED | ADDRESS) != 0 {
        return Err(reader.invalid("flags"));
    }
    let holder = usize::from(reader.u16()?);
    if holder >= holders_count {
        return Err(reader.invalid("holder"));
    }
    let (epoch, revision, published_ms) = (reader.u32()?, reader.u64()?, reader.u64()?);
    if revision == 0 {
        return Err(reader.invalid("revision"));
    }
    let key = (reader.text("namespace")?, reader.text("group")?, reader.text("service name")?);
    let publisher = if flags & ADDRESS != 0 {
        Publishing::Address(reader.text("address")?, reader.u16()?)
    } else {
        Publishing::Connection(reader.u64()?)
    };
    let instances = if flags & REMOVED == 0 {
        let count = reader.count(INSTANCE_BYTES_MIN)?;
        if count > BATCH_INSTANCES_COUNT_MAX {
            return Err(reader.invalid("count of instances"));
        }
        Some((0..count).map(|_| decode_instance(reader)).collect::<Result<_, _>>()?)
    } else {
        None
    };
    Ok(Record { holder, epoch, revision, published_ms, key, publisher, instances })
}
