//! Of publications of the same instance by several holders, the newest alone is shown.
//!
//! When a client reconnects to another node, or registers again after its node was restarted, what it had published before
//! is still known for a while, on all nodes, and for the same ip, port and cluster there are two records. The one that was
//! registered last counts (by wall time; of equal times the holder with the greater name), with all that its holder has
//! of that instance. So the list shows it all the time, and nothing changes when the older record goes. What two
//! connections to the same node publish is shown side by side, as it is without a cluster.

use super::super::Registry;
use super::super::links::Links;
use super::super::publication::{Entry, Publication, shown};
use super::Distro;
use super::holders::{HolderName, OWN};
use super::record::{Shift, Stamp};

/// The entries of a publication that no newer one of another holder hides.
pub(in super::super) fn visible<'a>(
    publications: &'a Links<Publication>,
    distro: Option<&'a Distro>,
    link: u32,
) -> impl DoubleEndedIterator<Item = &'a Entry> {
    let hiding = distro.filter(|distro| distro.stamps.get(link as usize).is_some_and(|stamp| stamp.hidden_count > 0));
    // A publication has fewer entries than 2^32.
    let is_visible = move |at: usize| hiding.is_none_or(|distro| !distro.hidden.contains(&(link, at as u32)));
    let entries = publications.get(link).value.entries.as_slice().iter().enumerate();
    entries.filter(move |(at, _)| is_visible(*at)).map(|(_, entry)| entry)
}

impl Registry {
    /// Decides anew which publications of contested instances are shown, and gives what that changes in the list of the
    /// service, without what it changes in that of `link` itself.
    pub(super) fn decide(&mut self, link: Option<u32>) -> Shift {
        let mut shift = Shift::default();
        let Some(distro) = &mut self.distro else { return shift };
        for hash in distro.claims.take_contested() {
            let mut rest = distro.claims.of(hash);
            while let Some(first) = rest.first().copied() {
                let is_same = |claim: &(u32, u32)| same_instance(&self.publications, first, *claim);
                let (group, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(is_same);
                let newest = group.iter().max_by_key(|(of, _)| distro.rank(*of));
                let winner = newest.map(|(of, _)| distro.stamps[*of as usize].holder);
                for (of, at) in group {
                    let hide = Some(distro.stamps[of as usize].holder) != winner;
                    if !distro.hide((of, at), hide) || Some(of) == link {
                        continue;
                    }
                    let publication = self.publications.get(of);
                    let entry = std::iter::once(&publication.value.entries.as_slice()[at as usize]);
                    let digest = match &self.services.get(publication.subject).declared {
                        None => shown(entry),
                        Some(declared) => declared.shown(entry, &mut self.digester),
                    };
                    let side = if hide { &mut shift.lost } else { &mut shift.gained };
                    *side = *side + digest;
                }
                rest = others;
            }
        }
        shift
    }

    /// When the newest publication of another holder was registered that has an instance of this one, which is or
    /// becomes this node's.
    pub(super) fn newest_rival_ms(&self, link: u32) -> Option<u64> {
        let distro = self.distro.as_deref()?;
        let is_rival = |of: u32| of != link && distro.stamps[of as usize].holder != OWN;
        let claims = distro.claims.contested().iter().flat_map(|hash| distro.claims.of(*hash));
        claims.filter(|(of, _)| is_rival(*of)).map(|(of, _)| distro.stamps[of as usize].published_ms).max()
    }
}

impl Distro {
    /// What decides between publications of the same instance.
    fn rank(&self, link: u32) -> (u64, &HolderName) {
        let Stamp { published_ms, holder, .. } = self.stamps[link as usize];
        (published_ms, &self.holders.get(holder).name)
    }

    /// Hides or shows an entry, and says whether that is another state than before.
    fn hide(&mut self, (link, at): (u32, u32), hide: bool) -> bool {
        let count = &mut self.stamps[link as usize].hidden_count;
        if hide {
            let is_new = self.hidden.insert((link, at));
            *count += u32::from(is_new);
            return is_new;
        }
        let was_hidden = *count > 0 && self.hidden.remove(&(link, at));
        *count -= u32::from(was_hidden);
        was_hidden
    }

    /// Forgets which entries of a publication are hidden, and says whether any was.
    pub(super) fn show_all(&mut self, link: u32, entries_count: usize) -> bool {
        let hidden_count = std::mem::take(&mut self.stamps[link as usize].hidden_count);
        if hidden_count > 0 {
            for at in 0..super::super::links::id(entries_count) {
                self.hidden.remove(&(link, at));
            }
        }
        hidden_count > 0
    }
}

/// Whether two entries are the same ip, port and cluster of the same service.
fn same_instance(publications: &Links<Publication>, one: (u32, u32), other: (u32, u32)) -> bool {
    let of = |(link, at): (u32, u32)| {
        let publication = publications.get(link);
        let instance = &publication.value.entries.as_slice()[at as usize].instance;
        (publication.subject, &instance.ip, instance.port, instance.cluster.as_str())
    };
    of(one) == of(other)
}
