//! Which instances of a service an answer shows.

use super::publication::{Entry, Publication};
use foldhash::fast::FixedState;
use hashbrown::HashSet;

/// The entries that a client is shown, in the order of the publications given, the last of a batch first.
///
/// The order of the steps is that of protocol/semantics.md section 3: clusters, enabled, healthy. Protection is the
/// step after them, over what they left, once services carry a threshold.
pub(super) fn select<'a>(
    publications: impl Iterator<Item = &'a Publication>,
    clusters: &str,
    healthy_only: bool,
) -> Vec<&'a Entry> {
    let entries = publications.flat_map(|publication| publication.entries.as_slice().iter().rev());
    let chosen = entries
        .filter(|entry| in_clusters(entry.instance.cluster.as_str(), clusters))
        .filter(|entry| entry.instance.enabled)
        .filter(|entry| entry.instance.healthy || !healthy_only);
    // Equal instances of several publishers collapse into one; equal digests are equal instances.
    let mut seen = HashSet::with_hasher(FixedState::default());
    chosen.filter(|entry| seen.insert(entry.digest)).collect()
}

/// `filter` is a comma list; a blank one passes every cluster.
fn in_clusters(cluster: &str, filter: &str) -> bool {
    filter.trim().is_empty() || filter.split(',').any(|name| name.trim() == cluster)
}

#[cfg(test)]
mod tests {
    use super::in_clusters;

    #[test]
    fn clusters_are_a_comma_list() {
        for (cluster, filter, passes) in [
            ("c1", "", true),
            ("c1", "  ", true),
            ("c1", "c1", true),
            ("c1", "c0, c1", true),
            ("c1", "c10", false),
            ("c1", "c1x,xc1", false),
            ("c1", ",", false),
        ] {
            assert_eq!(in_clusters(cluster, filter), passes, "{cluster} in {filter}");
        }
    }
}
