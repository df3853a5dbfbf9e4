//! Instance ids with a number in them, for instances that ask for it (protocol/semantics.md section 1, "instanceId").

use super::State;
use super::input::{DEFAULT_CLUSTER, InstanceInput, ServiceName};
use crate::registry::ID_GENERATOR_KEY;

/// The value of the reserved key that asks for them.
const GENERATOR: &str = "snowflake";
/// The layout is Twitter's of 2010: milliseconds, then 10 bits of the node, then 12 that count within a millisecond.
const NODE_BITS: u32 = 10;
const COUNT_BITS: u32 = 12;
/// 2023-01-01: the milliseconds since then fit into what is left of 63 bits until 2092.
const EPOCH_MS: u64 = 1_672_531_200_000;

/// Numbers that this node has not given before, and with all likelihood no other one.
#[derive(Debug, Default)]
pub(super) struct Snowflakes {
    /// Milliseconds and count of the last one, without the bits of the node.
    last: u64,
}

impl Snowflakes {
    /// A clock that stands still or goes back makes no number come twice: the count runs on into the next millisecond.
    fn next(&mut self, node_id: &str, now_ms: u64) -> u64 {
        let earliest = now_ms.saturating_sub(EPOCH_MS) << COUNT_BITS;
        self.last = earliest.max(self.last + 1);
        let (millis, count) = (self.last >> COUNT_BITS, self.last & ((1 << COUNT_BITS) - 1));
        (millis << NODE_BITS | node_bits(node_id)) << COUNT_BITS | count
    }
}

/// Which of the nodes this is, as far as so few bits can tell (FNV-1a, folded: its upper bits alone tell short ids apart
/// badly).
fn node_bits(node_id: &str) -> u64 {
    let hash = node_id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (hash ^ hash >> 32) & ((1 << NODE_BITS) - 1)
}

/// Gives a new instance its number if it asks for one and has no id yet.
pub(super) fn give_id(state: &mut State, input: &mut InstanceInput<'_>, service: &ServiceName<'_>) {
    let generator = input.metadata.as_ref().and_then(|pairs| pairs.get(ID_GENERATOR_KEY)).and_then(Option::as_deref);
    if generator != Some(GENERATOR) || input.instance_id.as_deref().is_some_and(|id| !id.is_empty()) {
        return;
    }
    let number = state.snowflakes.next(state.registry.own_id(), state.now_ms);
    let cluster = input.cluster_name.as_deref().map(str::trim).filter(|name| !name.is_empty());
    let cluster = cluster.unwrap_or(DEFAULT_CLUSTER);
    input.instance_id = Some(format!("{number}#{cluster}#{}@@{}", service.group, service.name).into());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_number_comes_twice_and_they_grow() {
        let mut numbers = Snowflakes::default();
        let now_ms = EPOCH_MS + 1_000;
        let given: Vec<u64> = (0..10_000).map(|_| numbers.next("a", now_ms)).collect();
        assert!(given.is_sorted());
        assert_eq!(given.iter().collect::<HashSet<_>>().len(), given.len());
        let earlier = numbers.next("a", now_ms - 500);
        let later = numbers.next("a", now_ms + 500);
        assert!(given[9_999] < earlier && earlier < later, "whatever the clock does");
        assert_eq!(later >> (NODE_BITS + COUNT_BITS), 1_500);
        assert!(numbers.next("a", EPOCH_MS + (1 << 40)) < 1 << 63, "clients may read it as a signed number");
    }

    #[test]
    fn nodes_have_numbers_of_their_own() {
        let next = |node_id| Snowflakes::default().next(node_id, EPOCH_MS + 1);
        assert_ne!(next("a"), next("b"));
    }
}
