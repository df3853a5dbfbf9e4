//! Which instances of a service an answer shows.

use super::declared::Declared;
use super::digest::Digester;
use super::protect::Shown;
use super::publication::Entry;
use super::render::View;
use foldhash::fast::FixedState;
use hashbrown::HashSet;

/// The entries that a client is shown, in the order given.
///
/// The order of the steps is that of protocol/semantics.md section 3: clusters, enabled, healthy; protection follows. What
/// operators said of an instance counts before all of them.
pub(super) fn select<'a>(
    entries: impl Iterator<Item = &'a Entry>,
    declared: Option<&Declared>,
    digester: &mut Digester,
    view: &View<'_>,
) -> Vec<Shown<'a>> {
    let mut id = String::new();
    let chosen = entries
        .filter(|entry| in_clusters(entry.instance.cluster.as_str(), view.clusters))
        .map(|entry| match declared.and_then(|declared| declared.over(&entry.instance, &mut id)) {
            Some(instance) => Shown::altered(digester.instance(&instance), instance),
            None => Shown::Given(entry),
        })
        .filter(|shown| shown.instance().enabled)
        .filter(|shown| shown.instance().healthy || !view.healthy_only);
    // Equal instances of several publishers collapse into one; equal digests are equal instances.
    let mut seen = HashSet::with_hasher(FixedState::default());
    chosen.filter(|shown| seen.insert(shown.digest())).collect()
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
