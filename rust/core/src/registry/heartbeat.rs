//! Beats of addresses registered over HTTP, and what happens when they stop.

use super::Registry;
use super::deadlines::{Deadline, NOWHERE};
use super::declared::Declared;
use super::distro::Cause;
use super::key::KeyParts;
use super::metadata::Metadata;
use super::model::{Instance, PublisherRef};
use crate::limits::EXPIRED_COUNT_MAX;
use std::borrow::Cow;

/// The deadline of what does not expire.
const NEVER_MS: u64 = u64::MAX;

/// The answer to a beat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// The instance is known and alive; it should beat again after this time.
    Known {
        /// Milliseconds until the next beat.
        interval_ms: u64,
    },
    /// No such instance: its client must register it.
    Unknown,
}

/// What one call of `expire` did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expired {
    /// Instances that became unhealthy.
    pub unhealthy: usize,
    /// Instances that were removed.
    pub removed: usize,
    /// Publishers that were forgotten because they published nothing for long.
    pub forgotten: usize,
    /// More is late than one call handles: call again soon.
    pub more: bool,
}

impl Registry {
    /// A beat of an ephemeral address. It makes an unhealthy instance healthy; otherwise nothing visible changes.
    pub fn beat(&mut self, ip: &str, port: u16, key: KeyParts<'_>, now_ms: u64) -> Beat {
        let Some(link) = self.find_publication(PublisherRef::Address(ip, port, true), key) else {
            return Beat::Unknown;
        };
        self.take_over(link, now_ms);
        self.set_healthy(link, true, now_ms);
        self.schedule_beat(link, now_ms);
        self.beating(link).map_or(Beat::Unknown, |(_, metadata)| Beat::Known {
            interval_ms: metadata.own_beat_interval_ms().unwrap_or(self.pace.beat_interval_ms),
        })
    }

    /// Marks ephemeral addresses unhealthy whose beat is late, removes those that were silent for too long (only if
    /// `remove_late`), and forgets addresses that have long published nothing. At most `limits::EXPIRED_COUNT_MAX`
    /// publications a call.
    pub fn expire(&mut self, now_ms: u64, remove_late: bool) -> Expired {
        let mut expired = Expired::default();
        let mut acted = 0;
        for link in self.beats.passed(now_ms) {
            if acted == EXPIRED_COUNT_MAX {
                expired.more = true;
                break;
            }
            let (unhealthy, removed) = self.expire_one(link, now_ms, remove_late);
            expired.unhealthy += unhealthy;
            expired.removed += removed;
            acted += usize::from(unhealthy + removed > 0);
        }
        for holder in self.idle.passed(now_ms) {
            self.forget(holder);
            expired.forgotten += 1;
        }
        expired
    }

    /// Returns how many instances became unhealthy and how many were removed.
    fn expire_one(&mut self, link: u32, now_ms: u64, remove_late: bool) -> (usize, usize) {
        let Some((_, metadata)) = self.beating(link) else { return (0, 0) };
        let (timeout_ms, delete_timeout_ms) = (metadata.beat_timeout_ms(), metadata.delete_timeout_ms());
        let publication = &self.publications.get(link).value;
        let since_ms = self.beats.get(publication.beat).since_ms;
        let silent_ms = now_ms.saturating_sub(since_ms);
        if remove_late && silent_ms > delete_timeout_ms {
            let removed = publication.entries.as_slice().len();
            let holder = self.take_out(link, since_ms, now_ms);
            self.retire(holder, now_ms);
            return (0, removed);
        }
        if silent_ms <= timeout_ms {
            return (0, 0);
        }
        let unhealthy = self.set_healthy(link, false, now_ms);
        self.reschedule_beat(link);
        (unhealthy, 0)
    }

    /// Sets the health of a whole publication and returns how many instances changed.
    pub(super) fn set_healthy(&mut self, link: u32, healthy: bool, now_ms: u64) -> usize {
        let publication = &self.publications.get(link).value;
        if publication.entries.as_slice().iter().all(|entry| entry.instance.healthy == healthy) {
            return 0;
        }
        let before = self.begin(link);
        let changed = self.publications.value_mut(link).entries.set_healthy(healthy, &mut self.digester);
        self.settle(link, before, Cause::Altered, now_ms);
        changed
    }

    /// Notes that the publication was alive just now.
    pub(super) fn schedule_beat(&mut self, link: u32, now_ms: u64) {
        let due_ms = self.beat_due_ms(link, now_ms);
        let publication = self.publications.value_mut(link);
        if publication.beat == NOWHERE {
            publication.beat = self.beats.insert(Deadline { due_ms, since_ms: now_ms, owner: link });
        } else {
            self.beats.set(publication.beat, due_ms, now_ms);
        }
    }

    /// Sets the next deadline of a publication that stays silent, or whose timeouts are others now.
    pub(super) fn reschedule_beat(&mut self, link: u32) {
        let slot = self.publications.get(link).value.beat;
        if slot != NOWHERE {
            let since_ms = self.beats.get(slot).since_ms;
            self.beats.set(slot, self.beat_due_ms(link, since_ms), since_ms);
        }
    }

    pub(super) fn unschedule_beat(&mut self, slot: u32) {
        if let Some(moved) = self.beats.remove(slot) {
            self.publications.value_mut(moved).beat = slot;
        }
    }

    /// The instance that a publication beats for, and the metadata that its timeouts are in: the registrant's under what
    /// operators said.
    pub(super) fn beating(&self, link: u32) -> Option<(&Instance, Cow<'_, Metadata>)> {
        let instance = &self.publications.get(link).value.entries.as_slice().first()?.instance;
        let metadata = self.declared_of(link).map(|declared| declared.metadata_of(instance));
        Some((instance, metadata.unwrap_or(Cow::Borrowed(&instance.metadata))))
    }

    /// When a publication that last beat at `since_ms` must be looked at.
    fn beat_due_ms(&self, link: u32, since_ms: u64) -> u64 {
        let Some((_, metadata)) = self.beating(link) else { return NEVER_MS };
        if metadata.skips_beat_check() || self.declared_of(link).is_some_and(Declared::skips_beat_check) {
            return NEVER_MS;
        }
        let entries = &self.publications.get(link).value.entries;
        let delete_timeout_ms = metadata.delete_timeout_ms();
        let healthy = entries.as_slice().iter().any(|entry| entry.instance.healthy);
        let timeout_ms = if healthy { metadata.beat_timeout_ms().min(delete_timeout_ms) } else { delete_timeout_ms };
        since_ms.saturating_add(timeout_ms)
    }

    fn declared_of(&self, link: u32) -> Option<&Declared> {
        self.services.get(self.publications.get(link).subject).declared.as_deref()
    }
}
