//! The digests of one holder's records, for finding what two nodes differ in: a sum over all, 64 below it, and 64 below
//! each of those. Where a record counts is decided by the first twelve bits of the hash of its key.

use super::super::digest::Digest;

/// How many sums there are below each.
pub(super) const BRANCHES: usize = 64;
/// How many sums there are at the bottom.
pub(super) const LEAVES: usize = BRANCHES * BRANCHES;

type Sums = [Digest; BRANCHES];

const ZERO: Digest = Digest::from_u128(0);
const ZEROS: Sums = [ZERO; BRANCHES];

/// Sums that change with each record. A leaf takes memory only where there have been records below its parent.
#[derive(Debug)]
pub(super) struct Tree {
    root: Digest,
    nodes: Sums,
    leaves: [Option<Box<Sums>>; BRANCHES],
}

impl Default for Tree {
    fn default() -> Self {
        Self { root: ZERO, nodes: ZEROS, leaves: [const { None }; BRANCHES] }
    }
}

/// The leaf in which a record counts.
pub(super) fn leaf_of(key: Digest) -> usize {
    (key.to_u128() >> (128 - LEAVES.ilog2())) as usize
}

impl Tree {
    pub(super) fn add(&mut self, key: Digest, record: Digest) {
        self.change(key, |sum| sum + record);
    }

    pub(super) fn subtract(&mut self, key: Digest, record: Digest) {
        self.change(key, |sum| sum - record);
    }

    fn change(&mut self, key: Digest, change: impl Fn(Digest) -> Digest) {
        let (node, leaf) = (leaf_of(key) / BRANCHES, leaf_of(key) % BRANCHES);
        let leaves = self.leaves[node].get_or_insert_with(|| Box::new(ZEROS));
        for sum in [&mut self.root, &mut self.nodes[node], &mut leaves[leaf]] {
            *sum = change(*sum);
        }
    }

    /// The sum over all records.
    pub(super) fn root(&self) -> Digest {
        self.root
    }

    /// The sums below the root, or below one of those.
    pub(super) fn below(&self, node: Option<usize>) -> Sums {
        match node {
            None => self.nodes,
            Some(node) => self.leaves[node].as_deref().copied().unwrap_or(ZEROS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_is_the_sum_of_the_one_below_and_nothing_is_left_of_what_went() {
        let digest = |number: u128| Digest::from_u128(number);
        let keys = [0, 1 << 116, 63 << 116, 64 << 116, u128::MAX].map(digest);
        let mut tree = Tree::default();
        for (number, key) in keys.into_iter().enumerate() {
            tree.add(key, digest(1 << number));
        }
        assert_eq!(keys.map(leaf_of), [0, 1, 63, 64, LEAVES - 1]);
        assert_eq!(tree.root(), digest(0b11111));
        assert_eq!(tree.below(None)[..2], [digest(0b111), digest(0b1000)]);
        assert_eq!(tree.below(Some(0))[..2], [digest(1), digest(2)]);
        assert_eq!(tree.below(Some(63))[63], digest(0b10000));
        assert_eq!(tree.below(Some(40)), ZEROS);
        for (number, key) in keys.into_iter().enumerate() {
            tree.subtract(key, digest(1 << number));
        }
        assert_eq!((tree.root(), tree.below(None)), (ZERO, ZEROS));
    }
}
