//! Services by a name of DNS: `<service>.<group>` in any case (RFC 4343), where both may hold dots themselves.

use super::Registry;
use super::key::ResourceKey;

/// What is under a dotted name of a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dotted {
    /// The published services that read so, the longest names of services first, then in order of their keys.
    pub services: Vec<ResourceKey>,
    /// There are services whose names end so, below it in the tree of names.
    pub is_above: bool,
}

impl Registry {
    /// Looks a dotted name up in the groups of the namespace. It takes time in proportion to the services of the
    /// groups that the name ends with.
    pub fn dotted(&self, namespace: &str, name: &str) -> Dotted {
        let mut found = Dotted::default();
        for (group, services) in self.services.groups_of(namespace) {
            if group.eq_ignore_ascii_case(name) || before_label(group, name).is_some() {
                found.is_above = true;
            }
            let Some(wanted) = before_label(name, group) else { continue };
            for key in services {
                if key.name().eq_ignore_ascii_case(wanted) {
                    found.services.push(key.clone());
                } else if before_label(key.name(), wanted).is_some() {
                    found.is_above = true;
                }
            }
        }
        let order = |key: &ResourceKey| {
            let (namespace, group, name) = key.parts();
            (usize::MAX - name.len(), namespace.to_owned(), group.to_owned(), name.to_owned())
        };
        found.services.sort_by_cached_key(order);
        found
    }
}

/// What `name` has before a dot and `end`, if it ends with that and has something before it.
fn before_label<'a>(name: &'a str, end: &str) -> Option<&'a str> {
    let dot = name.len().checked_sub(end.len() + 1).filter(|dot| *dot > 0)?;
    let (before, after) = (name.get(..dot)?, name.get(dot + 1..)?);
    (name.as_bytes()[dot] == b'.' && after.eq_ignore_ascii_case(end)).then_some(before)
}
