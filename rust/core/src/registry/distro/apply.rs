//! Taking in what other nodes say: what is newer than what is known here counts, and the rest does nothing.

use super::super::Registry;
use super::super::deadlines::NOWHERE;
use super::super::digest::Digest;
use super::super::model::{Instance, Publisher, PublisherRef};
use super::Distro;
use super::batch::{Batch, Publishing, Record, decode};
use super::error::DistroError;
use super::hash::Who;
use super::holders::{HolderName, OWN};
use super::record::{Cause, Stamp};
use super::removals::{PublisherId, Removal};
use crate::limits::DISTRO_BATCH_BYTES_MAX;

/// What came of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applied {
    /// Records and removals that were news.
    pub applied: usize,
    /// Those that were not.
    pub older: usize,
    /// A batch of what is newer here than what the sender showed, as of addresses that were taken over, or of what a
    /// holder removed that is gone since; empty if there is nothing. It is for the sender, who does not know.
    pub ours: Vec<u8>,
}

/// What is known here of the key of a record.
struct Known {
    key: Digest,
    link: Option<u32>,
    /// Whether what came is newer.
    is_news: bool,
    /// Whether it is newer than what came.
    is_newer: bool,
}

impl Registry {
    /// Takes in a batch that another node made.
    ///
    /// # Errors
    /// If it is none, or names more holders than are kept; nothing has changed then.
    pub fn distro_apply(&mut self, batch: &[u8], now_ms: u64) -> Result<Applied, DistroError> {
        let decoded = decode(batch)?;
        let distro = self.distro.as_deref_mut().ok_or(DistroError::NotOpen)?;
        let new = decoded.holders.iter().filter(|name| distro.holders.find(**name).is_none()).count();
        if new > distro.holders.room() {
            return Err(DistroError::TooManyHolders);
        }
        let find = |name: &(&str, u64)| distro.holders.find_or_insert(*name, &mut self.digester);
        let holders = decoded.holders.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let mut applied = Applied::default();
        let mut ours = Batch::default();
        for record in decoded.records {
            let holder = holders[record.holder];
            let known = self.known(holder, &record);
            if known.is_news && holder != OWN {
                self.take_in(holder, record, &known, now_ms);
                applied.applied += 1;
                continue;
            }
            applied.older += 1;
            if known.is_newer && ours.is_below(DISTRO_BATCH_BYTES_MAX) {
                self.tell(&known, &mut ours);
            }
        }
        if !ours.is_empty() {
            applied.ours = ours.finish();
        }
        Ok(applied)
    }

    /// Compares a record that came with what is known here.
    fn known(&mut self, holder: u32, record: &Record<'_>) -> Known {
        let found = self.services.find(record.key);
        let service = match found {
            Some(service) => self.services.get(service).key_digest,
            None => self.digester.service(record.key),
        };
        let distro = self.distro.as_deref().expect("only called where it is open");
        let (who, publisher) = match record.publisher {
            Publishing::Connection(number) if holder == OWN => {
                (Who::Connection(distro.holders.get(OWN).hash, number), PublisherRef::Connection(number))
            }
            Publishing::Connection(number) => {
                (Who::Connection(distro.holders.get(holder).hash, number), PublisherRef::Remote(holder, number))
            }
            Publishing::Address(ip, port) => (Who::Address(ip, port), PublisherRef::Address(ip, port, true)),
        };
        let key = self.digester.record_key(service, who);
        let link = self.find_publication(publisher, record.key);
        let known = link.and_then(|link| distro.version(link)).or_else(|| distro.removed_version(key));
        let version = (record.epoch, &*distro.holders.get(holder).name, record.revision);
        Known {
            key,
            link,
            is_news: known.is_none_or(|known| known < version),
            is_newer: known.is_some_and(|known| known > version),
        }
    }

    fn take_in(&mut self, holder: u32, record: Record<'_>, known: &Known, now_ms: u64) {
        match record.instances {
            Some(instances) => {
                let stamp = Stamp {
                    revision: record.revision,
                    published_ms: record.published_ms,
                    epoch: record.epoch,
                    holder,
                    hidden_count: 0,
                };
                self.take_in_record(&record.publisher, record.key, instances, stamp, now_ms);
                if let Some(distro) = &mut self.distro {
                    distro.forget_removal(known.key);
                }
            }
            None => self.take_in_removal(holder, &record, known, now_ms),
        }
    }

    fn take_in_record(
        &mut self,
        publisher: &Publishing<'_>,
        key: (&str, &str, &str),
        instances: Vec<Instance>,
        stamp: Stamp,
        now_ms: u64,
    ) {
        let publisher = match *publisher {
            Publishing::Connection(number) => Publisher::Remote { holder: stamp.holder, number },
            Publishing::Address(ip, port) => Publisher::address(ip, port, true),
        };
        let link = self.place(&publisher, key, instances, Cause::Told(stamp), now_ms);
        self.end_beats(link);
    }

    fn take_in_removal(&mut self, holder: u32, record: &Record<'_>, known: &Known, now_ms: u64) {
        if let Some(link) = known.link {
            if self.was_heard_since(link, record.published_ms) {
                self.reclaim(link, holder, record.epoch, now_ms);
                return;
            }
            let publisher = self.discard(link, now_ms);
            self.retire(publisher, now_ms);
        }
        let Some(distro) = &mut self.distro else { return };
        distro.forget_removal(known.key);
        let holder = distro.holders.get_mut(holder);
        (holder.revision, holder.changed_ms) = (holder.revision.max(record.revision), now_ms);
        let publisher = match record.publisher {
            Publishing::Connection(number) => PublisherId::Connection(number),
            Publishing::Address(ip, port) => PublisherId::Address(ip.into(), port),
        };
        let removal = Removal {
            service: super::super::ResourceKey::new(record.key),
            publisher,
            holder: holder.name.clone(),
            epoch: record.epoch,
            revision: record.revision,
            silent_ms: record.published_ms,
            removed_ms: now_ms,
        };
        distro.removals.insert(known.key, removal);
    }

    /// Whether an address that this node holds beat here later than that; wall time.
    ///
    /// Apart from each other, another node took it over and heard nothing of it, while it was well here.
    fn was_heard_since(&self, link: u32, silent_ms: u64) -> bool {
        let beat = self.publications.get(link).value.beat;
        let is_own = self.distro.as_deref().is_some_and(|distro| distro.is_own(link));
        is_own && beat != NOWHERE && self.beats.get(beat).since_ms > silent_ms
    }

    /// Appends what is known here of a record.
    fn tell(&self, known: &Known, batch: &mut Batch) {
        let Some(distro) = self.distro.as_deref() else { return };
        match known.link {
            Some(link) => batch.record(&self.publications, &self.publishers, &self.services, distro, link),
            None => distro.removals.get(known.key).into_iter().for_each(|removal| batch.removal(removal)),
        }
    }
}

impl Distro {
    /// Epoch, holder, revision.
    fn version(&self, link: u32) -> Option<(u32, &HolderName, u64)> {
        let stamp = self.stamp(link)?;
        Some((stamp.epoch, &self.holders.get(stamp.holder).name, stamp.revision))
    }

    fn removed_version(&self, key: Digest) -> Option<(u32, &HolderName, u64)> {
        let removal = self.removals.get(key)?;
        Some((removal.epoch, &removal.holder, removal.revision))
    }
}
