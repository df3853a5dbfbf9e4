//! Finding what two nodes differ in of one holder's records: digests from the root of its tree to the leaves, versions of
//! the records in the leaves that differ, then the records themselves. The traffic follows the difference, not the size.

use super::super::Registry;
use super::super::binary::{Content, Reader, SnapshotError, Write};
use super::super::digest::Digest;
use super::super::model::Publisher;
use super::batch::Batch;
use super::error::DistroError;
use super::removals::{PublisherId, Removal};
use super::tree::{BRANCHES, LEAVES, Tree, leaf_of};
use crate::limits::{DISTRO_BATCH_BYTES_MAX, DISTRO_WANTED_COUNT_MAX};
use std::collections::{BTreeMap, HashSet};

/// The bytes of a key, and of a key with its version.
const KEY_BYTES: usize = 16;
const VERSION_BYTES: usize = KEY_BYTES + 4 + 8;

/// What another node has and this one has not, and the other way round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differences {
    /// The keys of records to ask about: those that are missing here or older, and those that the other node has not: it
    /// may know who took them over. At most `limits::DISTRO_WANTED_COUNT_MAX` at once.
    pub wanted: Vec<u8>,
    /// How many are missing here or older.
    pub wanted_count: usize,
    /// How many records are here that the other node has not.
    pub surplus: usize,
}

/// Epoch and revision by key, as the holder had them when its revision was so.
struct Versions {
    revision: u64,
    by_key: BTreeMap<u128, (u32, u64)>,
}

impl Registry {
    /// The 64 digests of 16 bytes below the root of a holder's tree, or below one of those. Of a holder that is not
    /// known here they are zeros.
    ///
    /// # Errors
    /// `NoSuchPlace` if there are not so many.
    pub fn distro_digests(&self, holder: (&str, u64), parent: Option<usize>) -> Result<Vec<u8>, DistroError> {
        if let Some(parent) = parent.filter(|parent| *parent >= BRANCHES) {
            return Err(DistroError::NoSuchPlace(parent));
        }
        let known = self.distro.as_deref().and_then(|distro| Some(distro.holders.get(distro.holders.find(holder)?)));
        let sums = known.map_or_else(|| Tree::default().below(parent), |known| known.tree.below(parent));
        Ok(sums.iter().flat_map(|sum| sum.to_u128().to_be_bytes()).collect())
    }

    /// The versions of a holder's records in these leaves, for `distro_differences` of another node.
    ///
    /// # Errors
    /// `NoSuchPlace` if a leaf does not exist.
    pub fn distro_versions(&mut self, holder: (&str, u64), leaves: &[usize]) -> Result<Vec<u8>, DistroError> {
        let held = self.held(holder, leaves)?;
        let distro = self.distro.as_deref().ok_or(DistroError::NotOpen)?;
        let revision = distro.holders.find(holder).map_or(0, |slot| distro.holders.get(slot).revision);
        let mut out = Content::Versions.header().to_vec();
        out.put_u64(revision);
        out.put_count(held.len());
        for (key, link) in held {
            let stamp = distro.stamps[link as usize];
            out.extend_from_slice(&key.to_be_bytes());
            out.put_u32(stamp.epoch);
            out.put_u64(stamp.revision);
        }
        Ok(out)
    }

    /// Compares what is held of a holder in these leaves with the versions that another node gave of the same.
    ///
    /// # Errors
    /// `NoSuchPlace`, or `Unreadable` if `theirs` is not what `distro_versions` gives.
    pub fn distro_differences(
        &mut self,
        holder: (&str, u64),
        leaves: &[usize],
        theirs: &[u8],
    ) -> Result<Differences, DistroError> {
        let theirs = decode_versions(theirs)?;
        let held: BTreeMap<u128, u32> = self.held(holder, leaves)?.into_iter().collect();
        let distro = self.distro.as_deref().ok_or(DistroError::NotOpen)?;
        // What is known here to be removed is asked for all the same: if the other node still has it, it is told so in
        // answer to what it sends.
        let is_known = |key: u128, version: (u32, u64)| {
            let stamp = held.get(&key).map(|link| distro.stamps[*link as usize]);
            stamp.is_some_and(|stamp| (stamp.epoch, stamp.revision) >= version)
        };
        let wanted = theirs.by_key.iter().filter(|(key, version)| !is_known(**key, **version));
        let wanted: Vec<u128> = wanted.map(|(key, _)| *key).take(DISTRO_WANTED_COUNT_MAX).collect();
        let surplus: Vec<u128> = held.keys().filter(|key| !theirs.by_key.contains_key(*key)).copied().collect();
        let asked: Vec<_> = wanted.iter().chain(&surplus).take(DISTRO_WANTED_COUNT_MAX).collect();
        let mut out = Content::WantedPublications.header().to_vec();
        out.put_count(asked.len());
        asked.iter().for_each(|key| out.extend_from_slice(&key.to_be_bytes()));
        Ok(Differences { wanted: out, wanted_count: wanted.len(), surplus: surplus.len() })
    }

    /// A batch of a holder's records that another node asked for, as far as they are still there, and of addresses among
    /// them that others have taken over, which whoever asks may not know; about `limits::DISTRO_BATCH_BYTES_MAX` at most,
    /// and what is left is found by the next comparison.
    ///
    /// # Errors
    /// `Unreadable` if `wanted` is not what `distro_differences` gives.
    pub fn distro_records(&mut self, holder: (&str, u64), wanted: &[u8]) -> Result<Vec<u8>, DistroError> {
        let wanted = decode_wanted(wanted)?;
        let leaves: Vec<usize> = wanted.iter().map(|key| leaf_of(Digest::from_u128(*key))).collect();
        let held = self.held(holder, &leaves)?;
        let mut links: Vec<_> = held.into_iter().filter(|(key, _)| wanted.contains(key)).collect();
        let missing: HashSet<u128> = links.iter().fold(wanted, |mut missing, (key, _)| {
            missing.remove(key);
            missing
        });
        if !missing.is_empty() {
            links.extend(self.taken_over(&missing));
        }
        let distro = self.distro.as_deref().ok_or(DistroError::NotOpen)?;
        let mut batch = Batch::default();
        for (_, link) in links {
            if !batch.is_below(DISTRO_BATCH_BYTES_MAX) {
                break;
            }
            batch.record(&self.publications, &self.publishers, &self.services, distro, link);
        }
        let removals = missing.iter().filter_map(|key| distro.removals.get(Digest::from_u128(*key)));
        let mut removals: Vec<_> = removals.filter(|removal| !removal.holder.is(holder)).collect();
        removals.sort_unstable_by(|one, other| (&one.holder, one.revision).cmp(&(&other.holder, other.revision)));
        for removal in removals {
            if batch.is_below(DISTRO_BATCH_BYTES_MAX) {
                batch.removal(removal);
            }
        }
        Ok(batch.finish())
    }

    /// The records of addresses among these keys, whoever holds them.
    fn taken_over(&mut self, keys: &HashSet<u128>) -> Vec<(u128, u32)> {
        let Some(distro) = self.distro.as_deref() else { return Vec::new() };
        let stamps = distro.stamps.iter().zip(0u32..).filter(|(stamp, _)| stamp.revision != 0);
        let is_address = |link: &u32| {
            let publisher = &self.publishers.get(self.publications.get(*link).holder).publisher;
            matches!(publisher, Publisher::Address { .. })
        };
        let links: Vec<u32> = stamps.map(|(_, link)| link).filter(is_address).collect();
        let all = links.into_iter().map(|link| (self.record_key(link).to_u128(), link));
        let mut found: Vec<_> = all.filter(|(key, _)| keys.contains(key)).collect();
        found.sort_unstable();
        found
    }

    /// Drops the records of a holder in these leaves that the holder itself has not got, by the versions that it gave.
    /// What it has changed since then stays. Returns how many were dropped.
    ///
    /// # Errors
    /// As of `distro_differences`.
    pub fn distro_drop_surplus(
        &mut self,
        holder: (&str, u64),
        leaves: &[usize],
        theirs: &[u8],
        now_ms: u64,
    ) -> Result<usize, DistroError> {
        let theirs = decode_versions(theirs)?;
        let held = self.held(holder, leaves)?;
        let distro = self.distro.as_deref().ok_or(DistroError::NotOpen)?;
        let is_surplus = |(key, link): &(u128, u32)| {
            !distro.is_own(*link)
                && !theirs.by_key.contains_key(key)
                && distro.stamps[*link as usize].revision <= theirs.revision
        };
        let surplus: Vec<_> = held.into_iter().filter(is_surplus).collect();
        for (key, link) in &surplus {
            self.drop_surplus(*key, *link, theirs.revision, now_ms);
        }
        Ok(surplus.len())
    }

    /// Drops one record that its holder removed no later than at `revision`, and remembers it as such a removal.
    fn drop_surplus(&mut self, key: u128, link: u32, revision: u64, now_ms: u64) {
        let Some(distro) = self.distro.as_deref() else { return };
        let stamp = distro.stamps[link as usize];
        let publication = self.publications.get(link);
        let publisher = match &self.publishers.get(publication.holder).publisher {
            Publisher::Connection(number) | Publisher::Remote { number, .. } => PublisherId::Connection(*number),
            Publisher::Address { ip, port, .. } => PublisherId::Address(ip.clone(), *port),
        };
        let removal = Removal {
            service: self.services.get(publication.subject).key.clone(),
            publisher,
            holder: distro.holders.get(stamp.holder).name.clone(),
            epoch: stamp.epoch,
            revision,
            silent_ms: 0,
            removed_ms: now_ms,
        };
        let publisher = self.discard(link, now_ms);
        self.retire(publisher, now_ms);
        if let Some(distro) = &mut self.distro {
            distro.removals.insert(Digest::from_u128(key), removal);
        }
    }

    /// The records of a holder in these leaves with their keys, in the order of keys.
    fn held(&mut self, holder: (&str, u64), leaves: &[usize]) -> Result<Vec<(u128, u32)>, DistroError> {
        if let Some(leaf) = leaves.iter().find(|leaf| **leaf >= LEAVES) {
            return Err(DistroError::NoSuchPlace(*leaf));
        }
        let distro = self.distro.as_deref().ok_or(DistroError::NotOpen)?;
        let Some(slot) = distro.holders.find(holder) else { return Ok(Vec::new()) };
        let mut is_asked_for = [false; LEAVES];
        leaves.iter().for_each(|leaf| is_asked_for[*leaf] = true);
        let links: Vec<_> = distro.links_of(slot).collect();
        let keys = links.into_iter().map(|link| (self.record_key(link), link));
        let asked_for = keys.filter(|(key, _)| is_asked_for[leaf_of(*key)]);
        let mut held: Vec<_> = asked_for.map(|(key, link)| (key.to_u128(), link)).collect();
        held.sort_unstable();
        Ok(held)
    }
}

fn decode_versions(bytes: &[u8]) -> Result<Versions, SnapshotError> {
    let mut reader = Reader::new(bytes, Content::Versions)?;
    let revision = reader.u64()?;
    let count = reader.count(VERSION_BYTES)?;
    let mut by_key = BTreeMap::new();
    for _ in 0..count {
        let key = u128::from_be_bytes(reader.array::<KEY_BYTES>()?);
        by_key.insert(key, (reader.u32()?, reader.u64()?));
    }
    reader.finish()?;
    Ok(Versions { revision, by_key })
}

fn decode_wanted(bytes: &[u8]) -> Result<HashSet<u128>, SnapshotError> {
    let mut reader = Reader::new(bytes, Content::WantedPublications)?;
    let count = reader.count(KEY_BYTES)?;
    if count > DISTRO_WANTED_COUNT_MAX {
        return Err(reader.invalid("count of keys"));
    }
    let keys = (0..count).map(|_| reader.array::<KEY_BYTES>().map(u128::from_be_bytes));
    let keys = keys.collect::<Result<HashSet<_>, _>>()?;
    reader.finish()?;
    Ok(keys)
}
