//! What an operator says of one instance. It beats what the registrant says, survives that the instance registers
//! again, and is dropped some time after the instance is gone (protocol/semantics.md section 1, "Metadata overlay").

use super::metadata::Metadata;
use super::model::Instance;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Free pairs that belong to a service, a cluster or an overlay.
pub type Pairs = BTreeMap<String, String>;

/// What is said of one instance; what is not said is as the registrant has it.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct Overlay {
    pub(super) enabled: Option<bool>,
    /// The bits of the number: decimal digits in a snapshot might not give the very same one back.
    weight_bits: Option<u64>,
    /// Over the registrant's, pair by pair.
    pub(super) metadata: Pairs,
    /// Which change made it what it is.
    pub(super) revision: u64,
    /// What this node has seen of the instance, which is no part of the replicated state.
    #[serde(skip)]
    pub(super) presence: Presence,
}

/// Whether what metadata belongs to is there, as far as one node knows.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// It was never here since this node runs: it may be elsewhere.
    #[default]
    Unseen,
    Here,
    GoneSince(u64),
}

impl Presence {
    /// Notes what a look at `now_ms` found and says whether it has been gone for `after_ms`. Where everything would be
    /// seen, what was never seen is gone too.
    pub(super) fn look(&mut self, is_here: bool, sees_all: bool, now_ms: u64, after_ms: u64) -> bool {
        *self = match *self {
            _ if is_here => Self::Here,
            Self::Unseen if !sees_all => Self::Unseen,
            Self::Unseen | Self::Here => Self::GoneSince(now_ms),
            Self::GoneSince(since_ms) => Self::GoneSince(since_ms),
        };
        matches!(*self, Self::GoneSince(since_ms) if now_ms.saturating_sub(since_ms) >= after_ms)
    }
}

impl Overlay {
    /// A finite number.
    pub(super) fn set_weight(&mut self, weight: f64) {
        self.weight_bits = Some(weight.to_bits());
    }

    /// Whether it says nothing.
    pub(super) fn is_void(&self) -> bool {
        self.enabled.is_none() && self.weight_bits.is_none() && self.metadata.is_empty()
    }

    /// How long its metadata is.
    pub(super) fn metadata_characters(&self) -> usize {
        self.metadata.iter().map(|(key, value)| key.chars().count() + value.chars().count()).sum()
    }

    /// The instance as it is shown under this overlay.
    pub(super) fn over(&self, instance: &Instance) -> Instance {
        let mut shown = instance.clone();
        shown.enabled = self.enabled.unwrap_or(shown.enabled);
        shown.weight = self.weight_bits.map_or(shown.weight, f64::from_bits);
        if let Cow::Owned(metadata) = self.over_metadata(instance) {
            shown.metadata = metadata;
        }
        shown
    }

    /// The metadata that the instance is shown with under this overlay.
    pub(super) fn over_metadata<'a>(&self, instance: &'a Instance) -> Cow<'a, Metadata> {
        if self.metadata.is_empty() {
            return Cow::Borrowed(&instance.metadata);
        }
        let said = self.metadata.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        // Of a key given twice, the last value counts.
        Cow::Owned(instance.metadata.iter().chain(said).collect())
    }
}

/// Writes `ip:port:cluster`, which names an instance to its overlay, in place of what was in `out`.
pub(super) fn write_id(out: &mut String, ip: &str, port: u16, cluster: &str) {
    out.clear();
    // Writing to a String cannot fail.
    let _ = write!(out, "{ip}:{port}:{cluster}");
}

/// The same for an instance.
pub(super) fn id_of(instance: &Instance) -> String {
    let mut id = String::new();
    write_id(&mut id, &instance.ip, instance.port, instance.cluster.as_str());
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_wins_and_the_rest_is_the_registrants() {
        let given =
            Instance { metadata: Metadata::from_iter([("a", "1"), ("b", "1")]), ..Instance::new("10.0.0.1", 80) };
        assert_eq!(Overlay::default().over(&given), given);
        let mut overlay = Overlay { enabled: Some(false), ..Overlay::default() };
        overlay.set_weight(0.1);
        overlay.metadata = [("b", "2"), ("c", "3")].map(|(key, value)| (key.into(), value.into())).into();
        let shown = overlay.over(&given);
        assert_eq!((shown.enabled, shown.weight, shown.healthy), (false, 0.1, true));
        assert_eq!(shown.metadata.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "2"), ("c", "3")]);
    }

    #[test]
    fn only_what_was_seen_to_go_is_gone_unless_all_would_be_seen() {
        let mut presence = Presence::default();
        assert!(!presence.look(false, false, 1_000, 0), "it may be elsewhere");
        assert!(!presence.look(true, false, 2_000, 0));
        assert!(!presence.look(false, false, 3_000, 60));
        assert!(!presence.look(false, false, 3_059, 60));
        assert!(presence.look(false, false, 3_060, 60));
        assert!(!presence.look(true, false, 3_061, 60), "it came back");
        let mut never_seen = Presence::default();
        assert!(!never_seen.look(false, true, 1_000, 60));
        assert!(never_seen.look(false, true, 1_060, 60));
    }
}
