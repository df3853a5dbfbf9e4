//! Pairs of a holder and a subject with a value each: publications, subscriptions, config listeners.
//!
//! Both sides are small dense ids. Every link is in two lists, that of its holder and that of its subject, which run
//! through the links themselves: a list costs four bytes of its own, and removal is O(1) and keeps the order.

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use slab::Slab;
use std::hash::BuildHasher;

/// The end of a list.
const END: u32 = u32::MAX;

/// Where a link stands in one list.
#[derive(Debug, Clone, Copy)]
struct Place {
    newer: u32,
    older: u32,
}

/// One pair and what it carries.
#[derive(Debug)]
pub(crate) struct Link<T> {
    pub(crate) holder: u32,
    pub(crate) subject: u32,
    places: [Place; 2],
    pub(crate) value: T,
}

impl<T> Link<T> {
    fn side(&self, side: Side) -> u32 {
        [self.holder, self.subject][side as usize]
    }
}

/// Which of its two lists is meant.
#[derive(Debug, Clone, Copy)]
enum Side {
    Holder,
    Subject,
}

/// All pairs of one kind.
#[derive(Debug)]
pub(crate) struct Links<T> {
    links: Slab<Link<T>>,
    index: HashTable<u32>,
    /// The newest link of each holder and of each subject.
    newest: [Vec<u32>; 2],
}

/// Ids are given by this process and cannot be chosen from outside, so a fixed hash is safe here.
fn hash(holder: u32, subject: u32) -> u64 {
    FixedState::default().hash_one(u64::from(holder) << 32 | u64::from(subject))
}

/// A slab key as the four bytes in which it is stored.
pub(crate) fn id(index: usize) -> u32 {
    u32::try_from(index).ok().filter(|id| *id != END).expect("fewer than 2^32 - 1 of anything fit in memory")
}

/// Whether so little of a table is used that shrinking it is worth the copy.
pub(crate) fn is_sparse(used: usize, capacity: usize) -> bool {
    const SMALL: usize = 1024;
    capacity > SMALL && used < capacity / 4
}

impl<T> Default for Links<T> {
    fn default() -> Self {
        Self { links: Slab::new(), index: HashTable::new(), newest: [Vec::new(), Vec::new()] }
    }
}

impl<T> Links<T> {
    /// The link of this pair.
    pub(crate) fn find(&self, holder: u32, subject: u32) -> Option<u32> {
        let links = &self.links;
        let is_it = |link: &u32| {
            let link = &links[*link as usize];
            (link.holder, link.subject) == (holder, subject)
        };
        self.index.find(hash(holder, subject), is_it).copied()
    }

    /// Adds a pair that is not there yet.
    pub(crate) fn insert(&mut self, holder: u32, subject: u32, value: T) -> u32 {
        let places = [Place { newer: END, older: END }; 2];
        let link = id(self.links.insert(Link { holder, subject, places, value }));
        self.enlist(link, Side::Holder);
        self.enlist(link, Side::Subject);
        let links = &self.links;
        self.index.insert_unique(hash(holder, subject), link, |link| {
            let link = &links[*link as usize];
            hash(link.holder, link.subject)
        });
        link
    }

    /// Takes a pair out.
    pub(crate) fn remove(&mut self, link: u32) -> Link<T> {
        self.delist(link, Side::Holder);
        self.delist(link, Side::Subject);
        let removed = self.links.remove(link as usize);
        if let Ok(entry) = self.index.find_entry(hash(removed.holder, removed.subject), |other| *other == link) {
            entry.remove();
        }
        removed
    }

    /// The links of a holder, the newest first.
    pub(crate) fn of_holder(&self, holder: u32) -> impl Iterator<Item = u32> {
        self.list(holder, Side::Holder)
    }

    /// The links of a subject, the newest first.
    pub(crate) fn of_subject(&self, subject: u32) -> impl Iterator<Item = u32> {
        self.list(subject, Side::Subject)
    }

    /// Whether a holder has any link.
    pub(crate) fn holds_any(&self, holder: u32) -> bool {
        self.newest(holder, Side::Holder) != END
    }

    /// Whether a subject has any link.
    pub(crate) fn any_holds(&self, subject: u32) -> bool {
        self.newest(subject, Side::Subject) != END
    }

    pub(crate) fn get(&self, link: u32) -> &Link<T> {
        &self.links[link as usize]
    }

    pub(crate) fn value_mut(&mut self, link: u32) -> &mut T {
        &mut self.links[link as usize].value
    }

    pub(crate) fn len(&self) -> usize {
        self.links.len()
    }

    /// Gives memory back after most links have gone.
    pub(crate) fn shrink(&mut self) {
        if is_sparse(self.links.len(), self.links.capacity()) {
            self.links.shrink_to_fit();
            let links = &self.links;
            self.index.shrink_to_fit(|link| {
                let link = &links[*link as usize];
                hash(link.holder, link.subject)
            });
        }
    }

    fn newest(&self, of: u32, side: Side) -> u32 {
        self.newest[side as usize].get(of as usize).copied().unwrap_or(END)
    }

    fn list(&self, of: u32, side: Side) -> impl Iterator<Item = u32> {
        let existing = |link: u32| (link != END).then_some(link);
        let older = move |link: &u32| existing(self.links[*link as usize].places[side as usize].older);
        std::iter::successors(existing(self.newest(of, side)), older)
    }

    fn enlist(&mut self, link: u32, side: Side) {
        let of = self.links[link as usize].side(side) as usize;
        let newest = &mut self.newest[side as usize];
        if newest.len() <= of {
            newest.resize(of + 1, END);
        }
        let older = std::mem::replace(&mut newest[of], link);
        self.links[link as usize].places[side as usize].older = older;
        if older != END {
            self.links[older as usize].places[side as usize].newer = link;
        }
    }

    fn delist(&mut self, link: u32, side: Side) {
        let Place { newer, older } = self.links[link as usize].places[side as usize];
        if older != END {
            self.links[older as usize].places[side as usize].newer = newer;
        }
        if newer != END {
            self.links[newer as usize].places[side as usize].older = older;
        } else {
            let of = self.links[link as usize].side(side) as usize;
            self.newest[side as usize][of] = older;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn links_agree_with_a_list_of_pairs(
            steps in prop::collection::vec((0u32..6, 0u32..6, any::<bool>()), 0..200)
        ) {
            let mut links = Links::default();
            let mut list: Vec<(u32, u32, usize)> = Vec::new();
            for (step, (holder, subject, add)) in steps.into_iter().enumerate() {
                let listed = list.iter().position(|(h, s, _)| (*h, *s) == (holder, subject));
                match (links.find(holder, subject), listed) {
                    (Some(link), Some(at)) if !add => {
                        prop_assert_eq!(links.remove(link).value, list.remove(at).2);
                    }
                    (None, None) if add => {
                        links.insert(holder, subject, step);
                        list.insert(0, (holder, subject, step));
                    }
                    (found, listed) => prop_assert_eq!(found.is_some(), listed.is_some()),
                }
                prop_assert_eq!(links.len(), list.len());
                for id in 0..6 {
                    let values = |link: u32| links.get(link).value;
                    let expected: Vec<_> = list.iter().filter(|pair| pair.0 == id).map(|pair| pair.2).collect();
                    prop_assert_eq!(links.holds_any(id), !expected.is_empty());
                    prop_assert_eq!(links.of_holder(id).map(values).collect::<Vec<_>>(), expected);
                    let expected: Vec<_> = list.iter().filter(|pair| pair.1 == id).map(|pair| pair.2).collect();
                    prop_assert_eq!(links.any_holds(id), !expected.is_empty());
                    prop_assert_eq!(links.of_subject(id).map(values).collect::<Vec<_>>(), expected);
                }
            }
        }
    }
}
