//! What happens to a record when its publication changes: version, digests of its holder, and which entries it hides.
//!
//! A change takes the record out of all sums (`lift_record`), and puts it back with its new version (`lay_record`), or
//! leaves it out (`drop_record`).

use super::super::Registry;
use super::super::deadlines::NOWHERE;
use super::super::digest::Digest;
use super::super::model::Publisher;
use super::Distro;
use super::hash::Who;
use super::holders::OWN;
use super::outgoing::Change;
use super::removals::{PublisherId, Removal, SAID_SO};
use super::rules::{Rule, holds};

/// The version of a record, and what else is known of it beside its entries.
#[derive(Debug, Clone, Copy, Default)]
pub(in super::super) struct Stamp {
    /// 0 where there is no record.
    pub(super) revision: u64,
    /// Wall time of the registration, at the node that took it.
    pub(super) published_ms: u64,
    pub(super) epoch: u32,
    pub(super) holder: u32,
    /// How many of its entries are hidden.
    pub(super) hidden_count: u32,
}

/// Why a publication changes.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Cause {
    /// Its publisher registered.
    Registered,
    /// Something about it changed at this node, such as its health.
    Altered,
    /// Another node has a newer version, with this epoch, of what is better known here.
    Claimed(u32),
    /// Another node said so.
    Told(Stamp),
}

/// What must be known of a publication before it changes.
#[derive(Debug)]
pub(in super::super) struct Before {
    pub(in super::super) shown: Digest,
    pub(in super::super) was_hidden: bool,
}

/// What a change takes from a service's list and gives to it.
#[derive(Debug, Clone, Copy, Default)]
pub(in super::super) struct Shift {
    pub(in super::super) lost: Digest,
    pub(in super::super) gained: Digest,
}

impl Registry {
    /// The key of a record and the digest of all of it.
    pub(super) fn record_digest(&mut self, link: u32) -> (Digest, Digest) {
        let key = self.record_key(link);
        let Some(distro) = &self.distro else { return Default::default() };
        let stamp = &distro.stamps[link as usize];
        let holder = distro.holders.get(stamp.holder).hash;
        (key, self.digester.record(key, holder, stamp, self.publications.get(link).value.record))
    }

    /// The hash of what names a record.
    pub(super) fn record_key(&mut self, link: u32) -> Digest {
        let Some(distro) = &self.distro else { return Digest::default() };
        let publication = self.publications.get(link);
        let service = self.services.get(publication.subject).key_digest;
        let who = match &self.publishers.get(publication.holder).publisher {
            Publisher::Connection(number) => Who::Connection(distro.holders.get(OWN).hash, *number),
            Publisher::Remote { holder, number } => Who::Connection(distro.holders.get(*holder).hash, *number),
            Publisher::Address { ip, port, .. } => Who::Address(ip, *port),
        };
        self.digester.record_key(service, who)
    }

    /// Takes a record out of all sums before it changes, and says whether any of its entries was hidden.
    pub(in super::super) fn lift_record(&mut self, link: u32) -> bool {
        if self.distro.as_ref().and_then(|distro| distro.stamp(link)).is_none() {
            return false;
        }
        let (key, record) = self.record_digest(link);
        let Some(distro) = &mut self.distro else { return false };
        let publication = self.publications.get(link);
        let entries = publication.value.entries.as_slice();
        let holder = distro.holders.get_mut(distro.stamps[link as usize].holder);
        holder.tree.subtract(key, record);
        holder.records -= 1;
        holder.instances -= entries.len();
        for (entry, at) in entries.iter().zip(0..) {
            distro.claims.remove(publication.subject, &entry.instance, link, at);
        }
        distro.show_all(link, entries.len())
    }

    /// Puts a record into the sums after it changed. `is_altered`: the publication is not what others know.
    pub(in super::super) fn lay_record(&mut self, link: u32, is_altered: bool, cause: Cause, now_ms: u64) -> Shift {
        let publication = self.publications.get(link);
        let (Some(distro), true) = (&mut self.distro, self.publishers.get(publication.holder).publisher.is_ephemeral())
        else {
            return Shift::default();
        };
        let entries = publication.value.entries.as_slice();
        if distro.stamps.len() <= link as usize {
            distro.stamps.resize(link as usize + 1, Stamp::default());
        }
        for (entry, at) in entries.iter().zip(0..) {
            distro.claims.insert(publication.subject, &entry.instance, link, at);
        }
        let instances = entries.len();
        match cause {
            Cause::Told(stamp) => {
                distro.forget_change(link);
                distro.stamps[link as usize] = stamp;
            }
            Cause::Claimed(epoch) => {
                distro.stamps[link as usize].epoch = epoch.saturating_add(1);
                self.stamp(link, false, now_ms);
            }
            Cause::Registered | Cause::Altered if distro.is_own(link) && !is_altered => {}
            Cause::Registered | Cause::Altered => self.stamp(link, matches!(cause, Cause::Registered), now_ms),
        }
        let (key, record) = self.record_digest(link);
        let Some(distro) = &mut self.distro else { return Shift::default() };
        let Stamp { holder, revision, .. } = distro.stamps[link as usize];
        let holder = distro.holders.get_mut(holder);
        holder.tree.add(key, record);
        holder.records += 1;
        holder.instances += instances;
        if revision >= holder.revision {
            (holder.revision, holder.changed_ms) = (revision, now_ms);
        }
        self.decide(Some(link))
    }

    /// Gives a record of this node its next version; one of another holder becomes this node's.
    fn stamp(&mut self, link: u32, is_registration: bool, now_ms: u64) {
        // What is registered last counts, also where the other node's clock is ahead.
        let rival_ms = if is_registration { self.newest_rival_ms(link) } else { None };
        let is_new = self.distro.as_ref().and_then(|distro| distro.stamp(link)).is_none();
        let key = is_new.then(|| self.record_key(link));
        let Some(distro) = &mut self.distro else { return };
        distro.forget_change(link);
        let removal = key.and_then(|key| distro.forget_removal(key));
        let own = distro.holders.get(OWN).name.clone();
        let next = distro.holders.get(OWN).revision + 1;
        distro.holders.get_mut(OWN).revision = next;
        let stamp = &mut distro.stamps[link as usize];
        // So does what is registered after something that this node has heard of, whatever the clocks say.
        let known_ms = removal.as_ref().map(|removal| removal.silent_ms & !SAID_SO);
        let known_ms = if is_new { known_ms } else { Some(stamp.published_ms) };
        if let Some(removal) = removal {
            stamp.epoch = removal.epoch.saturating_add(u32::from(removal.holder != own));
        } else if !is_new && stamp.holder != OWN && holds(Rule::TakingOverRaisesEpoch) {
            stamp.epoch = stamp.epoch.saturating_add(1);
        }
        (stamp.holder, stamp.revision) = (OWN, next);
        if is_registration {
            let before_ms = rival_ms.max(known_ms);
            stamp.published_ms = before_ms.map_or(now_ms, |before_ms| now_ms.max(before_ms.saturating_add(1)));
        }
        distro.note(next, Change::Record(link));
    }

    /// Forgets the record of a publication that was lifted and is gone.
    pub(in super::super) fn drop_record(&mut self, link: u32) -> Shift {
        let Some(distro) = &mut self.distro else { return Shift::default() };
        if distro.stamp(link).is_none() {
            return Shift::default();
        }
        distro.forget_change(link);
        distro.stamps[link as usize] = Stamp::default();
        self.decide(None)
    }

    /// Makes this node the holder of an address' record, if it is another's. Its beats are timed anew by the caller.
    pub(in super::super) fn take_over(&mut self, link: u32, now_ms: u64) -> bool {
        let is_others = |distro: &Distro| distro.stamp(link).is_some_and(|stamp| stamp.holder != OWN);
        let is_to_take = self.distro.as_deref().is_some_and(is_others);
        if is_to_take {
            let before = self.begin(link);
            self.settle(link, before, Cause::Altered, now_ms);
        }
        is_to_take
    }

    /// Makes an own record newer than one of this epoch that another node knows.
    pub(super) fn claim(&mut self, link: u32, epoch: u32, now_ms: u64) {
        let before = self.begin(link);
        self.settle(link, before, Cause::Claimed(epoch), now_ms);
    }

    /// What is to be remembered when this node removes a publication; nothing if it is no record, or nobody is to know.
    pub(in super::super) fn removal_of(&mut self, link: u32) -> Option<(Digest, Removal)> {
        let distro = self.distro.as_deref().filter(|distro| !distro.has_left)?;
        let stamp = *distro.stamp(link)?;
        let own = distro.holders.get(OWN);
        let publication = self.publications.get(link);
        let publisher = match &self.publishers.get(publication.holder).publisher {
            Publisher::Connection(number) => PublisherId::Connection(*number),
            Publisher::Address { ip, port, .. } => PublisherId::Address(ip.clone(), *port),
            // Only the holder ends what a connection published.
            Publisher::Remote { .. } => return None,
        };
        let removal = Removal {
            service: self.services.get(publication.subject).key.clone(),
            publisher,
            holder: own.name.clone(),
            epoch: stamp.epoch.saturating_add(u32::from(stamp.holder != OWN)),
            revision: own.revision + 1,
            silent_ms: stamp.published_ms,
            removed_ms: 0,
        };
        Some((self.record_key(link), removal))
    }

    /// Remembers a removal by this node, which is to be told to others.
    pub(in super::super) fn note_removal(&mut self, (key, removal): (Digest, Removal), silent_ms: u64, now_ms: u64) {
        let Some(distro) = &mut self.distro else { return };
        let own = distro.holders.get_mut(OWN);
        (own.revision, own.changed_ms) = (removal.revision, now_ms);
        distro.note(removal.revision, Change::Removal(key));
        let silent_ms = if silent_ms == SAID_SO { SAID_SO | now_ms.max(removal.silent_ms) } else { silent_ms };
        distro.removals.insert(key, Removal { silent_ms, removed_ms: now_ms, ..removal });
    }

    /// Ends the beats of a publication that another node times from now on.
    pub(super) fn end_beats(&mut self, link: u32) {
        let beat = std::mem::replace(&mut self.publications.value_mut(link).beat, NOWHERE);
        if beat != NOWHERE {
            self.unschedule_beat(beat);
        }
    }
}

impl Distro {
    /// Notes a change of this node's own, unless it is about to stop.
    fn note(&mut self, revision: u64, change: Change) {
        if !self.has_left {
            self.changes.insert(revision, change);
        }
    }

    /// What was to be told of a publication is out of date.
    fn forget_change(&mut self, link: u32) {
        if self.is_own(link) {
            self.changes.remove(self.stamps[link as usize].revision);
        }
    }

    /// Forgets a removal, as what was removed is there again.
    pub(super) fn forget_removal(&mut self, key: Digest) -> Option<Removal> {
        let removal = self.removals.remove(key)?;
        if removal.holder == self.holders.get(OWN).name {
            self.changes.remove(removal.revision);
        }
        Some(removal)
    }
}
