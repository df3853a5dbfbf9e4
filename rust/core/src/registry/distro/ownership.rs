//! Whose the records are: holders with their figures, taking over addresses, forgetting holders that are gone for good.

use super::super::Registry;
use super::super::deadlines::NOWHERE;
use super::super::key::KeyParts;
use super::super::model::Publisher;
use super::holders::OWN;

/// One run of a node and what is known of it here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HolderView {
    /// The node.
    pub node_id: Box<str>,
    /// Which of its runs; later ones are greater.
    pub boot: u64,
    /// How many publications it holds.
    pub records: usize,
    /// How many instances these have.
    pub instances: usize,
    /// The sum over its records; equal on nodes that know the same of it.
    pub digest: u128,
    /// Of this node: the last that was given to a change. Of others: the newest that was seen.
    pub revision: u64,
    /// Wall time here when something of it last changed; 0 if nothing has.
    pub changed_ms: u64,
}

/// A publisher as all nodes name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublisherName {
    /// A connection to the holder, by the id that it has there.
    Connection(u64),
    /// An address that beats.
    Address(Box<str>, u16),
}

/// An ephemeral publication of a service: whose it is, and why it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublisherView {
    /// The node that holds it; empty on a node that is alone.
    pub node_id: Box<str>,
    /// Which run of that node.
    pub boot: u64,
    /// Who published.
    pub publisher: PublisherName,
    /// How often the record was taken over.
    pub epoch: u32,
    /// Which change of its holder made it what it is; 0 on a node that is alone.
    pub revision: u64,
    /// Wall time of the registration; none on a node that is alone.
    pub published_ms: Option<u64>,
    /// Wall time of the last beat, where this node times them.
    pub last_beat_ms: Option<u64>,
    /// How many instances it has.
    pub instances: usize,
    /// How many of these are not shown because a newer publication of another holder has them too.
    pub hidden: usize,
}

impl Registry {
    /// This node's run, then those of other nodes in the order of their ids.
    pub fn distro_holders(&self) -> Vec<HolderView> {
        let holders = self.distro.as_deref().map(|distro| distro.holders.in_order()).unwrap_or_default();
        let view = |holder: &super::holders::Holder| HolderView {
            node_id: holder.name.node_id.clone(),
            boot: holder.name.boot,
            records: holder.records,
            instances: holder.instances,
            digest: holder.tree.root().to_u128(),
            revision: holder.revision,
            changed_ms: holder.changed_ms,
        };
        holders.into_iter().map(view).collect()
    }

    /// Makes this node the holder of those addresses of another holder that it is responsible for, and returns how many
    /// records that were. Their beats are timed from now, so that nobody expires because of the move.
    pub fn distro_adopt(&mut self, holder: (&str, u64), now_ms: u64) -> usize {
        let links = self.links_of_other(holder);
        let is_to_adopt = |link: &u32| match &self.publishers.get(self.publications.get(*link).holder).publisher {
            Publisher::Address { ip, port, .. } => self.is_responsible(ip, *port),
            Publisher::Connection(_) | Publisher::Remote { .. } => false,
        };
        let adopted: Vec<u32> = links.into_iter().filter(is_to_adopt).collect();
        for link in &adopted {
            self.take_over(*link, now_ms);
            self.schedule_beat(*link, now_ms);
        }
        adopted.len()
    }

    /// Drops what connections to another holder published, because it is gone for good, and forgets the holder once
    /// nothing of it is left. Returns how many records were dropped. `with_addresses`: what nobody has adopted goes, too,
    /// as whoever is responsible for it may know that it was removed, or not know of it.
    ///
    /// They are not remembered as removed: if the holder turns out to live, all of it comes back from there.
    pub fn distro_drop(&mut self, holder: (&str, u64), with_addresses: bool, now_ms: u64) -> usize {
        let links = self.links_of_other(holder);
        let is_remote = |link: &u32| {
            let publisher = &self.publishers.get(self.publications.get(*link).holder).publisher;
            with_addresses || matches!(publisher, Publisher::Remote { .. })
        };
        let dropped: Vec<u32> = links.into_iter().filter(is_remote).collect();
        for link in &dropped {
            let publisher = self.discard(*link, now_ms);
            self.retire(publisher, now_ms);
        }
        if let Some(distro) = &mut self.distro
            && let Some(slot) = distro.holders.find(holder).filter(|slot| *slot != OWN)
            && distro.holders.get(slot).records == 0
        {
            distro.holders.remove(slot);
        }
        dropped.len()
    }

    /// The ephemeral publications of a service, the oldest known here first.
    pub fn distro_publishers(&self, key: KeyParts<'_>) -> Vec<PublisherView> {
        let links = self.services.find(key).into_iter().flat_map(|service| self.publications.of_subject(service));
        let mut views: Vec<_> = links.filter_map(|link| self.publisher_view(link)).collect();
        views.reverse();
        views
    }

    fn publisher_view(&self, link: u32) -> Option<PublisherView> {
        let publication = self.publications.get(link);
        let publisher = match &self.publishers.get(publication.holder).publisher {
            Publisher::Connection(number) | Publisher::Remote { number, .. } => PublisherName::Connection(*number),
            Publisher::Address { ip, port, ephemeral: true } => PublisherName::Address(ip.clone(), *port),
            Publisher::Address { ephemeral: false, .. } => return None,
        };
        let known = self.distro.as_deref().and_then(|distro| Some((distro, *distro.stamp(link)?)));
        let stamp = known.map(|(_, stamp)| stamp);
        let name = known.map(|(distro, stamp)| &distro.holders.get(stamp.holder).name);
        let beat = publication.value.beat;
        Some(PublisherView {
            node_id: name.map(|name| name.node_id.clone()).unwrap_or_default(),
            boot: name.map_or(0, |name| name.boot),
            publisher,
            epoch: stamp.map_or(0, |stamp| stamp.epoch),
            revision: stamp.map_or(0, |stamp| stamp.revision),
            published_ms: stamp.map(|stamp| stamp.published_ms),
            last_beat_ms: (beat != NOWHERE).then(|| self.beats.get(beat).since_ms),
            instances: publication.value.entries.as_slice().len(),
            hidden: stamp.map_or(0, |stamp| stamp.hidden_count as usize),
        })
    }

    /// The records of a holder other than this node's own run.
    fn links_of_other(&self, holder: (&str, u64)) -> Vec<u32> {
        let Some(distro) = self.distro.as_deref() else { return Vec::new() };
        let slot = distro.holders.find(holder).filter(|slot| *slot != OWN);
        slot.map(|slot| distro.links_of(slot).collect()).unwrap_or_default()
    }
}
