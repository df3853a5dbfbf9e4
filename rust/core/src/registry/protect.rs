//! Protection: when too few instances of a service are healthy, clients are shown all of them as healthy, or the few
//! would get the load of all and fall as well (protocol/semantics.md section 3, "Protection threshold").

use super::declared::Declared;
use super::digest::Digest;
use super::model::Instance;
use super::publication::Entry;

/// An instance of an answer: as its publisher gave it, or altered for this answer.
#[derive(Debug)]
pub(super) enum Shown<'a> {
    Given(&'a Entry),
    Altered(Box<Entry>),
}

impl Shown<'_> {
    pub(super) fn altered(digest: Digest, instance: Instance) -> Self {
        Self::Altered(Box::new(Entry { instance, digest }))
    }

    pub(super) fn instance(&self) -> &Instance {
        match self {
            Self::Given(entry) => &entry.instance,
            Self::Altered(entry) => &entry.instance,
        }
    }

    /// Equal for equal instances; protection does not change it.
    pub(super) fn digest(&self) -> Digest {
        match self {
            Self::Given(entry) => entry.digest,
            Self::Altered(entry) => entry.digest,
        }
    }
}

/// Whether so few are healthy that the threshold is reached: it is reached where they are equal, too. The existing server
/// divides and compares in single precision, and nothing is reached where there is nothing.
pub(super) fn is_reached(healthy: usize, total: usize, threshold: f64) -> bool {
    total > 0 && healthy as f32 / total as f32 <= threshold as f32
}

/// Shows all as healthy if the threshold is reached, and says whether it is. Only a service that somebody said something
/// of has a threshold.
pub(super) fn protect(entries: &mut [Shown<'_>], declared: Option<&Declared>) -> bool {
    let Some(record) = declared.and_then(|declared| declared.service.as_ref()) else { return false };
    let healthy = entries.iter().filter(|shown| shown.instance().healthy).count();
    if !is_reached(healthy, entries.len(), record.protect_threshold()) {
        return false;
    }
    for shown in entries.iter_mut().filter(|shown| !shown.instance().healthy) {
        *shown = Shown::altered(shown.digest(), Instance { healthy: true, ..shown.instance().clone() });
    }
    true
}

#[cfg(test)]
mod tests {
    use super::is_reached;

    #[test]
    fn the_threshold_is_reached_where_it_is_equal() {
        for (healthy, total, threshold, expected) in [
            (0, 0, 1.0, false),
            (0, 3, 0.0, true),
            (1, 3, 0.0, false),
            (1, 2, 0.5, true),
            (2, 3, 0.5, false),
            // Not equal in double precision.
            (1, 3, f64::from(1.0_f32 / 3.0), true),
            (3, 10, 0.3, true),
            (7, 10, 0.7, true),
            (3, 3, 1.0, true),
        ] {
            assert_eq!(is_reached(healthy, total, threshold), expected, "{healthy} of {total} at {threshold}");
        }
    }
}
