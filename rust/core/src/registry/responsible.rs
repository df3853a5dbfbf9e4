//! Which member of a cluster handles the beats of an address: rendezvous hashing (Thaler and Ravishankar 1998).
//!
//! Each member draws a number for each address, from a hash under the cluster's key, and the highest one wins. All nodes
//! that know of the same members agree without a word, and when a member goes, only what it had moves. Under a secret
//! key nobody can choose addresses that all fall to one member.

use super::Registry;
use siphasher::sip::SipHasher13;
use std::hash::Hasher;

/// The members that may be responsible, this node among them; none while it stands alone.
#[derive(Debug)]
pub(super) struct Responsible {
    hasher: SipHasher13,
    own_id: Box<str>,
    /// In the order of ids; empty if nobody but this node may be.
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    id: Box<str>,
    is_own: bool,
    /// Has taken in the id, so that only the address is left.
    hasher: SipHasher13,
}

impl Responsible {
    pub(super) fn new(key: &[u8; 16]) -> Self {
        Self { hasher: SipHasher13::new_with_key(key), own_id: Box::default(), members: Vec::new() }
    }

    fn set_members<'a>(&mut self, own_id: &'a str, ids: impl IntoIterator<Item = &'a str>) {
        let mut ids: Vec<&str> = ids.into_iter().chain([own_id]).collect();
        ids.sort_unstable();
        ids.dedup();
        self.own_id = own_id.into();
        self.members.clear();
        if ids.len() > 1 {
            self.members.extend(ids.into_iter().map(|id| Member::new(id, id == own_id, self.hasher)));
        }
        self.members.shrink_to_fit();
    }

    fn of(&self, ip: &str, port: u16) -> Option<&str> {
        if self.members.is_empty() {
            return None;
        }
        // Of equal numbers the last counts, on all nodes the same one as the members are sorted.
        let highest = self.members.iter().max_by_key(|member| member.number(ip, port))?;
        (!highest.is_own).then_some(&*highest.id)
    }
}

impl Member {
    /// What is hashed are bytes, so that it is the same on every machine.
    fn new(id: &str, is_own: bool, mut hasher: SipHasher13) -> Self {
        hasher.write(id.as_bytes());
        // No text in UTF-8 holds it: no id and address run into one another.
        hasher.write(&[0xff]);
        Self { id: id.into(), is_own, hasher }
    }

    fn number(&self, ip: &str, port: u16) -> u64 {
        let mut hasher = self.hasher;
        hasher.write(ip.as_bytes());
        hasher.write(&[0xff]);
        hasher.write(&port.to_le_bytes());
        hasher.finish()
    }
}

impl Registry {
    /// From now on these nodes share the addresses that beat over HTTP; this node is always one of them. With no other
    /// one, all are handled here. What is published already stays where it is.
    pub fn set_members<'a>(&mut self, own_id: &'a str, ids: impl IntoIterator<Item = &'a str>) {
        self.responsible.set_members(own_id, ids);
    }

    /// This node's id as `set_members` had it last; empty before.
    pub fn own_id(&self) -> &str {
        &self.responsible.own_id
    }

    /// The other node that handles this address; `None` if this one does.
    pub fn responsible(&self, ip: &str, port: u16) -> Option<&str> {
        self.responsible.of(ip, port)
    }

    /// Whether this node handles this address.
    pub fn is_responsible(&self, ip: &str, port: u16) -> bool {
        self.responsible(ip, port).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESSES_COUNT: usize = 10_000;

    fn registry(own_id: &str, ids: &[&str]) -> Registry {
        let mut registry = Registry::new([7; 16]);
        registry.set_members(own_id, ids.iter().copied());
        registry
    }

    /// Who handles each of many addresses, as a node sees it.
    fn shares(own_id: &str, ids: &[&str]) -> Vec<String> {
        let registry = registry(own_id, ids);
        let address =
            |number: usize| (format!("10.0.{}.{}", number >> 6 & 255, number & 63), 8000 + (number % 7) as u16);
        (0..ADDRESSES_COUNT)
            .map(address)
            .map(|(ip, port)| registry.responsible(&ip, port).unwrap_or(own_id).to_owned())
            .collect()
    }

    #[test]
    fn a_node_alone_handles_all() {
        for ids in [&[][..], &["a"]] {
            let registry = registry("a", ids);
            assert_eq!(registry.responsible("10.0.0.1", 80), None);
            assert!(registry.is_responsible("10.0.0.1", 80));
        }
        let mut registry = registry("a", &["a", "b"]);
        registry.set_members("a", []);
        assert!((0..100).all(|port| registry.is_responsible("10.0.0.1", port)));
    }

    #[test]
    fn all_nodes_agree_in_whatever_order_they_know_each_other() {
        let shared = shares("a", &["a", "b", "c"]);
        assert_eq!(shares("b", &["c", "b", "a", "b"]), shared);
        assert_eq!(shares("c", &["b", "a"]), shared, "a node is one of the members without being told");
    }

    #[test]
    fn everyone_has_about_the_same_number() {
        let ids = ["a", "b", "c", "d", "e"];
        let shared = shares("a", &ids);
        for id in ids {
            let count = shared.iter().filter(|one| *one == id).count();
            assert!((1_850..2_150).contains(&count), "{id} handles {count} of 10,000");
        }
    }

    #[test]
    fn only_what_a_member_had_moves_when_it_goes_and_it_spreads() {
        let (before, after) = (shares("a", &["a", "b", "c", "d"]), shares("a", &["a", "b", "c"]));
        for (before, after) in before.iter().zip(&after) {
            assert!(before == after || before == "d");
        }
        for id in ["a", "b", "c"] {
            let count = before.iter().zip(&after).filter(|(before, after)| *before == "d" && *after == id).count();
            assert!((700..970).contains(&count), "{id} takes {count} of 2,500");
        }
    }

    #[test]
    fn ports_and_keys_count() {
        let registry = registry("a", &["a", "b"]);
        let here = (0..200).filter(|port| registry.is_responsible("10.0.0.1", *port)).count();
        assert!((60..140).contains(&here), "{here}");
        let mut other = Registry::new([8; 16]);
        other.set_members("a", ["b"]);
        assert!(
            (0..200).any(|port| other.is_responsible("10.0.0.1", port) != registry.is_responsible("10.0.0.1", port))
        );
    }

    #[test]
    fn the_numbers_are_the_same_on_every_machine_and_in_every_version() {
        let registry = registry("a", &["a", "b", "c"]);
        let ids: String = (0..16).map(|port| registry.responsible("10.0.0.1", port).unwrap_or("a")).collect();
        assert_eq!(ids, "acbabbbabcccccca");
    }
}
