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
use super::removals::{PublisherId, Removal, SAID_SO};
use super::rules::{Rule, holds};
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
            if let Some(link) = known.link.filter(|link| known.is_news && self.knows_better(holder, *link, &record)) {
                // The others learn of it with the next changes.
                self.claim(link, record.epoch, now_ms);
                applied.older += 1;
                continue;
            }
            if known.is_news && (holder != OWN || !holds(Rule::OwnIsOwn)) {
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
        let version = (counted(record.epoch), &*distro.holders.get(holder).name, record.revision);
        Known {
            key,
            link,
            is_news: known.is_none_or(|known| known < version || !holds(Rule::NewerCounts)),
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
        if holds(Rule::HolderTimesBeats) {
            self.end_beats(link);
        }
    }

    fn take_in_removal(&mut self, holder: u32, record: &Record<'_>, known: &Known, now_ms: u64) {
        if let Some(link) = known.link {
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

    /// Whether a newer record of an address must not take the place of this node's own one: its client has registered
    /// here after that, or beats here while the other node has missed its beats, or it is what this node said before.
    ///
    /// So it is where nodes could not reach each other, and where one has forgotten what it knew of the address. What
    /// clients did decides then, and not whose version happens to be greater.
    fn knows_better(&self, holder: u32, link: u32, record: &Record<'_>) -> bool {
        let Some(distro) = self.distro.as_deref().filter(|distro| distro.is_own(link)) else { return false };
        if !matches!(record.publisher, Publishing::Address(..)) {
            return false;
        }
        let published_ms = distro.stamps[link as usize].published_ms;
        let beat = self.publications.get(link).value.beat;
        let was_heard_since = |silent_ms: u64| beat != NOWHERE && self.beats.get(beat).since_ms > silent_ms;
        let time_ms = record.published_ms & !SAID_SO;
        holder == OWN || published_ms > time_ms || (record.instances.is_none() && was_heard_since(record.published_ms))
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
        Some((counted(stamp.epoch), &self.holders.get(stamp.holder).name, stamp.revision))
    }

    fn removed_version(&self, key: Digest) -> Option<(u32, &HolderName, u64)> {
        let removal = self.removals.get(key)?;
        Some((counted(removal.epoch), &removal.holder, removal.revision))
    }
}

/// What of an epoch counts where versions are compared.
fn counted(epoch: u32) -> u32 {
    if holds(Rule::EpochDecides) { epoch } else { 0 }
}
