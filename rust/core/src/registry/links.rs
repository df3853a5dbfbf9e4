//! Pairs of a holder and a subject with a value each: publications, subscriptions, config listeners.
//!
//! Both sides are small dense ids. Finding a pair, adding and removing one are O(1); each side lists its links.

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use slab::Slab;
use std::hash::BuildHasher;

/// One pair and what it carries.
#[derive(Debug)]
pub(crate) struct Link<T> {
    pub(crate) holder: u32,
    pub(crate) subject: u32,
    at_holder: u32,
    at_subject: u32,
    pub(crate) value: T,
}

/// All pairs of one kind.
#[derive(Debug)]
pub(crate) struct Links<T> {
    links: Slab<Link<T>>,
    index: HashTable<u32>,
    of_holder: Vec<Vec<u32>>,
    of_subject: Vec<Vec<u32>>,
}

/// Ids are given by this process and cannot be chosen from outside, so a fixed hash is safe here.
fn hash(holder: u32, subject: u32) -> u64 {
    FixedState::default().hash_one(u64::from(holder) << 32 | u64::from(subject))
}

/// A slab key as the four bytes in which it is stored.
pub(crate) fn id(index: usize) -> u32 {
    u32::try_from(index).expect("fewer than 2^32 of anything fit in memory")
}

impl<T> Default for Links<T> {
    fn default() -> Self {
        Self { links: Slab::new(), index: HashTable::new(), of_holder: Vec::new(), of_subject: Vec::new() }
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
        let at_holder = id(listed(&mut self.of_holder, holder).len());
        let at_subject = id(listed(&mut self.of_subject, subject).len());
        let link = id(self.links.insert(Link { holder, subject, at_holder, at_subject, value }));
        self.of_holder[holder as usize].push(link);
        self.of_subject[subject as usize].push(link);
        let links = &self.links;
        self.index.insert_unique(hash(holder, subject), link, |link| {
            let link = &links[*link as usize];
            hash(link.holder, link.subject)
        });
        link
    }

    /// Takes a pair out.
    pub(crate) fn remove(&mut self, link: u32) -> Link<T> {
        let removed = self.links.remove(link as usize);
        if let Some(moved) = unlist(&mut self.of_holder[removed.holder as usize], removed.at_holder) {
            self.links[moved as usize].at_holder = removed.at_holder;
        }
        if let Some(moved) = unlist(&mut self.of_subject[removed.subject as usize], removed.at_subject) {
            self.links[moved as usize].at_subject = removed.at_subject;
        }
        if let Ok(entry) = self.index.find_entry(hash(removed.holder, removed.subject), |other| *other == link) {
            entry.remove();
        }
        removed
    }

    /// The links of a holder, in an order that depends on the history only.
    pub(crate) fn of_holder(&self, holder: u32) -> &[u32] {
        self.of_holder.get(holder as usize).map_or(&[], Vec::as_slice)
    }

    /// The links of a subject, in an order that depends on the history only.
    pub(crate) fn of_subject(&self, subject: u32) -> &[u32] {
        self.of_subject.get(subject as usize).map_or(&[], Vec::as_slice)
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

    /// Every link, by id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Link<T>> {
        self.links.iter().map(|(_, link)| link)
    }
}

fn listed(lists: &mut Vec<Vec<u32>>, of: u32) -> &mut Vec<u32> {
    let index = of as usize;
    if lists.len() <= index {
        lists.resize_with(index + 1, Vec::new);
    }
    &mut lists[index]
}

/// Removes by swapping with the last, which is returned if it moved. An empty list keeps no memory.
fn unlist(list: &mut Vec<u32>, at: u32) -> Option<u32> {
    list.swap_remove(at as usize);
    if list.is_empty() {
        *list = Vec::new();
    }
    list.get(at as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn links_agree_with_a_map_of_pairs(steps in prop::collection::vec((0u32..6, 0u32..6, any::<bool>()), 0..200)) {
            let mut links = Links::default();
            let mut map = BTreeMap::new();
            for (step, (holder, subject, add)) in steps.into_iter().enumerate() {
                match links.find(holder, subject) {
                    Some(link) if !add => {
                        let removed = links.remove(link);
                        prop_assert_eq!(Some(removed.value), map.remove(&(holder, subject)));
                    }
                    None if add => {
                        links.insert(holder, subject, step);
                        map.insert((holder, subject), step);
                    }
                    found => prop_assert_eq!(found.is_some(), map.contains_key(&(holder, subject))),
                }
                prop_assert_eq!(links.len(), map.len());
                for id in 0..6 {
                    let mut subjects: Vec<_> = links.of_holder(id).iter().map(|l| links.get(*l).subject).collect();
                    subjects.sort_unstable();
                    let expected: Vec<_> = map.keys().filter(|pair| pair.0 == id).map(|pair| pair.1).collect();
                    prop_assert_eq!(subjects, expected);
                    let mut holders: Vec<_> = links.of_subject(id).iter().map(|l| links.get(*l).holder).collect();
                    holders.sort_unstable();
                    let expected: Vec<_> = map.keys().filter(|pair| pair.1 == id).map(|pair| pair.0).collect();
                    prop_assert_eq!(holders, expected);
                }
            }
        }
    }
}
